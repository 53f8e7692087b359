"""Waiting for what a test needs: for a condition, never for a time that is hoped to be long enough."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

PATIENCE_S = 60.0
"""Reached only by a fault: a busy machine takes its time."""


def wait_for(condition: Callable[[], Found], what: str, seconds: float = PATIENCE_S) -> Found:
    """The first true answer of ``condition``; fails the test when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        time.sleep(0.005)
    return found
