"""Ports for programs that are told theirs, that are found again at it, or that nobody is to be found at afterwards."""

from __future__ import annotations

import itertools
import os
import random
import socket
from pathlib import Path

OF_ONE_RUN = 2000
"""Ports of each of the processes that share the tests of one run."""

FALLBACK = 32768
"""Where Linux begins with the ports that it deals out, unless it is told otherwise."""


def _first_dealt_out() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        return FALLBACK


_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
_first = max(1024, _first_dealt_out() - OF_ONE_RUN * (_worker + 1))
_turn = itertools.count(random.randrange(OF_ONE_RUN))


def free_port() -> int:
    """A port nobody listens on now, and which nobody comes upon before it is used: none that the system deals out to
    connections and to listeners of port 0, none of another process of the run, and the same not soon again."""
    while True:
        port = _first + next(_turn) % OF_ONE_RUN
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
