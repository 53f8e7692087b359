"""How many rounds a test runs: few in CI, the full figures of the reliability plan with MICROGATE_ROUNDS=full."""

from __future__ import annotations

import os

FULL = os.environ.get("MICROGATE_ROUNDS") == "full"


def rounds(short: int, full: int) -> int:
    """``short``, or ``full`` when the whole length is asked for."""
    return full if FULL else short
