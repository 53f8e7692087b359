"""Short-lived children of the control process: for libraries too heavy to stay in memory for a task of a moment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import NamedTuple

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Done(NamedTuple):
    status: int
    last_line: str
    """Of what it said on stderr."""


def run_module(module: str, arguments: Sequence[str], *, given: bytes = b"", timeout_s: float = 60.0) -> Done:
    """Run ``python -m module arguments`` with ``given`` on standard input, wait for it, and tell how it ended.

    The child finds the packages where this process found them. One that takes longer than ``timeout_s`` is killed.
    """
    path = os.pathsep.join(part for part in (_ROOT, os.environ.get("PYTHONPATH", "")) if part)
    environment = {**os.environ, "PYTHONPATH": path}
    try:
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            input=given,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Done(-9, f"not done after {timeout_s:.0f} s")
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return Done(done.returncode, lines[-1] if lines else f"status {done.returncode}")
