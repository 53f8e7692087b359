"""Instructions that one worker spends on a request, counted by valgrind's callgrind: the same on a busy machine.

A worker is served by one kept connection that asks 850 bytes and waits for the answer. What its timers do meanwhile is
counted over as long a time without requests, and taken off: under valgrind everything lasts fifty times as long, so
that they would seem to cost fifty times as much of a request.
"""

from __future__ import annotations

import re
import socket
import subprocess
import time
from pathlib import Path

from bench.load import subject, wrk
from bench.load.session import Session
from gateway.loadgen import message

WARM_UP = 500
REQUESTS = 2000


def _control(worker: int, *order: str) -> None:
    """Raises RuntimeError when valgrind does not take the order."""
    command = ["callgrind_control", *order, str(worker)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")


class _Caller:
    """One connection, one request at a time."""

    def __init__(self, one: subject.Subject, kind: str) -> None:
        self._request = message.request(f"127.0.0.1:{one.port}", one.path(kind), one.key, one.body(kind))
        self._asked = 0
        self._sock = socket.create_connection(("127.0.0.1", one.port), 60)

    def ask(self, times: int) -> None:
        """Raises RuntimeError for an answer that is none."""
        for _ in range(times):
            self._asked += 1
            # Of kind ``varied``: another question every time.
            self._sock.sendall(self._request.replace(wrk.VARIED, b"@%010d" % self._asked))
            data = b""
            while b"\r\n\r\n" not in data:
                data += self._received()
            length = re.search(rb"content-length: (\d+)", data, re.IGNORECASE)
            if not data.startswith(b"HTTP/1.1 200 ") or length is None:
                raise RuntimeError(f"no answer to count: {data[:200]!r}")
            missing = int(length[1]) - len(data.partition(b"\r\n\r\n")[2])
            while missing > 0:
                missing -= len(self._received())

    def _received(self) -> bytes:
        piece = self._sock.recv(65536)
        if not piece:
            raise RuntimeError("the gateway has closed the connection")
        return piece


def _counted(place: Path, worker: int, part: int) -> int:
    """Instructions of one dump. Raises RuntimeError without it."""
    text = (place / f"callgrind.{worker}.{part}").read_text()
    found = re.search(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"no count in callgrind.{worker}.{part}")
    return int(found[1])


def a_request(
    session: Session,
    name: str,
    python: str,
    root: Path | None,
    requests: int = REQUESTS,
    config: str = "p1.yaml",
    kind: str = "instant",
) -> float:
    """Instructions a request of the build that ``python`` and ``root`` choose. Raises NotReady and RuntimeError."""
    place = session.directory / f"callgrind-{name}"
    place.mkdir()
    valgrind = ("valgrind", "--tool=callgrind", "--trace-children=yes", "--instr-atstart=no",
                f"--callgrind-out-file={place}/callgrind.%p")  # fmt: skip
    one = subject.microgate(
        place,
        session.upstream,
        python=python,
        tree_root=root,
        name=name,
        under=valgrind,
        patience=300,
        config=config,
    )
    try:
        worker = next(pid for pid, role in one.roles(one.snapshot()).items() if role == "worker")
        caller = _Caller(one, kind)
        caller.ask(WARM_UP)
        _control(worker, "-i", "on")
        caller.ask(20)
        _control(worker, "-z")
        begun = time.monotonic()
        caller.ask(requests)
        lasted = time.monotonic() - begun
        _control(worker, "-d")
        time.sleep(lasted)
        _control(worker, "-d")
        busy, idle = (_counted(place, worker, part) for part in (1, 2))
    finally:
        one.stop()
    return (busy - idle) / requests
