"""Administration: what the API promises to whoever writes a program against it."""

from __future__ import annotations

from bench.reliability.figures import Outcome, figure
from bench.reliability.guards import guarded


@figure("I11", guard="tests/live/test_openapi.py")
def contract(quick: bool) -> Outcome:
    """Every operation of the OpenAPI document, with data that fits it and data that does not."""
    return guarded("tests/live/test_openapi.py", quick=quick)
