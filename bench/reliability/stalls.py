"""A worker that is kept from its work by what hogs its processor."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time

from bench.reliability.figures import Outcome, figure
from bench.reliability.goodput import peak, refused_well
from bench.reliability.limited import Limited, limited
from gateway.loadgen import message
from tests.beside import Beside

STANDS_S, RUNS_S = 0.15, 0.05
"""Of every fifth of a second the worker is stopped for three quarters: later than 100 ms, again and again."""
WITHIN_S = 2.0
"""Three windows of a quarter of a second, each ended by the first look behind it, and the answer's own delay."""
LONGEST_STALL_MS = 50.0


class _Hog(Beside):
    """Takes the processor away from a process, piece by piece."""

    def __init__(self, pid: int) -> None:
        super().__init__()
        self._pid = pid

    def _run(self) -> None:
        while not self._stop.is_set():
            os.kill(self._pid, signal.SIGSTOP)
            time.sleep(STANDS_S)
            os.kill(self._pid, signal.SIGCONT)
            time.sleep(RUNS_S)


def _first_refusal(gateway: Limited, seconds: float) -> float:
    """Seconds until a caller was refused; ``seconds`` when none was."""
    host = f"127.0.0.1:{gateway.port}"
    raw = message.request(host, gateway.gateway.path("sse"), gateway.gateway.key, gateway.gateway.body("sse"))
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", gateway.port), 5) as sock:
            sock.sendall(raw)
            if sock.recv(4096).startswith(b"HTTP/1.1 503"):
                return time.monotonic() - began
        time.sleep(0.01)
    return seconds


@figure("D4", guard="tests/overload/test_guard.py")
def hogged_processor(quick: bool) -> Outcome:
    """Streams at half of the capacity of a worker with a fifth of a core, first without a hog, then with one, and
    after it."""
    seconds, hogged = (10.0, 5.0) if quick else (600.0, 10.0)
    with limited() as gateway:
        rate = peak(gateway, quick) / 2
        lags: list[float] = []

        def look() -> None:
            lags.append(gateway.metric("microgate_worker_loop_lag_seconds") * 1e3)

        calm = gateway.load("sse", rate, seconds).result(5.0, look)
        load = gateway.load("sse", rate, hogged + 5)
        time.sleep(2)
        with _Hog(gateway.worker):
            after = _first_refusal(gateway, hogged)
            seen, well = refused_well(gateway, 1.0)
        load.result()
        later = gateway.load("sse", rate, 5.0, warmup=5.0).result()
    values = {
        "streams a second": round(rate),
        "seconds without a hog": seconds,
        "longest delay of the loop then, ms": round(max(lags), 1),
        "refused then": calm["statuses"].get("503", 0),
        "hogged: refusing after, s": round(after, 2),
        "with Retry-After": f"{well} of {seen}",
        "refused from 5 s after it": later["statuses"].get("503", 0),
    }
    kept = max(lags) <= LONGEST_STALL_MS and not calm["failed"] and after <= WITHIN_S
    return Outcome(values, kept and not later["failed"], calm["void"])
