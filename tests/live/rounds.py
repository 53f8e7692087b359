"""How many rounds a test runs: few in CI, the full figures of the reliability plan with MICROGATE_ROUNDS=full.

    MICROGATE_ROUNDS=full python -m pytest -s tests/live

prints what was measured beside what is promised.
"""

from __future__ import annotations

import os

FULL = os.environ.get("MICROGATE_ROUNDS") == "full"


def rounds(short: int, full: int) -> int:
    """``short``, or ``full`` when the whole length is asked for."""
    return full if FULL else short


def measured(what: str, value: object, promised: str) -> None:
    """Print a figure; seen with ``-s``, and when the test fails."""
    print(f"\n  {what}: {value} (promised: {promised})")
