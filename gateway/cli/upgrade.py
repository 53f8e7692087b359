"""``microgate upgrade``: ask a running gateway to start its successor, and say what came of it."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

from gateway.processes.instance import holder
from gateway.processes.paths import Paths, default_data_dir

LOOK_S = 0.05

PATIENCE_S = 180.0
"""The gateway itself gives up a successor after a minute; one that says nothing at all does not run as it should."""


def upgrade(data_dir: str) -> int:
    """Upgrade the instance of this data directory; returns 0 when a successor has taken over, else 1."""
    paths = Paths(data_dir or default_data_dir())
    try:
        pid = holder(paths.lock)
        if not pid:
            return _complain(f"no gateway runs on {paths.data_dir}")
        before = _stamp(paths.upgrade)
        os.kill(pid, signal.SIGUSR2)
    except OSError as error:
        return _complain(f"cannot upgrade the gateway on {paths.data_dir}: {error.strerror}")
    end = time.monotonic() + PATIENCE_S
    while _stamp(paths.upgrade) == before:
        if time.monotonic() > end or not holder(paths.lock):
            return _complain(f"process {pid} did not say what came of it; its log may")
        time.sleep(LOOK_S)
    with open(paths.upgrade, encoding="utf-8") as file:
        outcome = json.load(file)
    if outcome["state"] != "done":
        return _complain(f"not upgraded: {outcome['message']}")
    while holder(paths.lock) == pid and time.monotonic() < end:
        # Whoever asks next must ask the new one.
        time.sleep(LOOK_S)
    print(outcome["message"])
    return 0


def _complain(why: str) -> int:
    print(f"microgate: {why}", file=sys.stderr)
    return 1


def _stamp(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return 0, 0
    return found.st_ino, found.st_mtime_ns
