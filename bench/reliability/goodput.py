"""Three times as many streams as the worker can carry: what is served, who is still heard, and how it ends.

Streams of a second, 50 events each, are what a gateway of this kind mostly carries. Of small answers that come at once,
three times the capacity cannot even be refused (docs/overload.md).
"""

from __future__ import annotations

import contextlib
import functools
import socket
import time
from typing import Any

from bench.load.openloop import Load
from bench.reliability.figures import Outcome, figure
from bench.reliability.limited import Limited, limited, p99_ms
from gateway.loadgen import message
from tests.beside import Beside

TIMES = 3.0
CALLERS = (200, 300, 400)
"""That hold streams when the capacity is measured: about as many as can be carried, and more, so that the worker never
rests. The best counts."""
QUIET = 0.25
"""Share of the capacity at which the unloaded latency is measured."""
GUARD = "tests/overload/test_admission.py"


def peak(gateway: Limited, quick: bool) -> float:
    return max(gateway.capacity("sse", callers, 4.0 if quick else 10.0) for callers in CALLERS)


def overload(gateway: Limited, capacity: float, seconds: float, times: float = TIMES) -> Load:
    """Begun, and two seconds old when it counts."""
    return gateway.load("sse", capacity * times, seconds, connections=64, max_connections=8000)


def refused_well(gateway: Limited, seconds: float) -> tuple[int, int]:
    """(refusals seen, those with Retry-After and x-should-retry) by a caller beside the others."""
    host = f"127.0.0.1:{gateway.port}"
    raw = message.request(host, gateway.gateway.path("sse"), gateway.gateway.key, gateway.gateway.body("sse"))
    seen = well = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", gateway.port), 5) as sock:
            sock.sendall(raw)
            head = sock.recv(4096).lower()
            if head.startswith(b"http/1.1 503"):
                seen += 1
                well += b"\r\nretry-after: " in head and b"\r\nx-should-retry: true" in head
        time.sleep(0.02)
    return seen, well


@figure("D1", guard=GUARD)
def three_times(quick: bool) -> Outcome:
    """Streams at three times the capacity of a worker with a fifth of a core."""
    seconds = 8.0 if quick else 60.0
    with limited() as gateway:
        capacity = peak(gateway, quick)
        alone = gateway.load("sse", capacity * QUIET, 5.0 if quick else 20.0).result()
        load = overload(gateway, capacity, seconds)
        time.sleep(3)
        seen, well = refused_well(gateway, seconds / 2)
        report = load.result()
    served = report["statuses"].get("200", 0) / seconds
    others = {f"status {status}" for status in report["statuses"]} - {"status 200", "status 503"}
    failures = {why: count for why, count in report["failures"].items() if why != "status 503"}
    times = p99_ms(report) / p99_ms(alone)
    values = {
        "capacity, streams a second": round(capacity),
        "offered": round(report["offered_per_s"]),
        "served a second": round(served),
        "of the capacity": round(served / capacity, 3),
        "refused with 503": report["statuses"].get("503", 0),
        "of those looked at, with Retry-After": f"{well} of {seen}",
        "other failures": sum(failures.values()),
        "whole stream unloaded, 99th percentile ms": round(p99_ms(alone)),
        "accepted under overload, 99th percentile ms": round(p99_ms(report)),
        "times": round(times, 2),
    }
    kept = served >= 0.9 * capacity and times <= 2 and seen == well > 0
    return Outcome(values, kept and not failures and not others, report["void"])


class _Asking(Beside):
    """Asks for a path again and again, over connections of its own, and keeps how long each took."""

    def __init__(self, gateway: Limited, path: str, token: str = "", port: int = 0) -> None:
        super().__init__()
        self.took_ms: list[float] = []
        self.failed = 0
        self._ask = functools.partial(gateway.get, path, token, port)

    def _run(self) -> None:
        while not self._stop.wait(0.05):
            began = time.monotonic()
            try:
                self._ask()
            except OSError:
                self.failed += 1
            self.took_ms.append((time.monotonic() - began) * 1e3)

    @property
    def p99_ms(self) -> float:
        ordered = sorted(self.took_ms)
        return ordered[int(len(ordered) * 0.99)]


@figure("D5", guard=GUARD)
def control_traffic(quick: bool) -> Outcome:
    """Health and administration at an address of their own (admin.listen), and a key of high priority, beside three
    times the capacity; health at the server's port as well, where it waits for its turns like everything."""
    seconds = 8.0 if quick else 60.0
    with limited() as gateway:
        gateway.apart()
        capacity = peak(gateway, quick)
        load = overload(gateway, capacity, seconds)
        time.sleep(3)
        high = gateway.load("sse", capacity * 0.1, seconds - 3, key="sk-test-high")
        asked = {
            "/livez": _Asking(gateway, "/livez", port=gateway.admin_port),
            "administration": _Asking(gateway, "/api/health", gateway.operator, gateway.admin_port),
            "/livez at the server's port": _Asking(gateway, "/livez"),
        }
        with contextlib.ExitStack() as asking:
            for one in asked.values():
                asking.enter_context(one)
            urgent = high.result()
        report = load.result()
    values = {
        "capacity, streams a second": round(capacity),
        "offered": round(report["offered_per_s"]),
        **{f"{name}, 99th percentile ms": round(one.p99_ms, 1) for name, one in asked.items()},
        "of these failed": sum(one.failed for one in asked.values()),
        "of high priority, asked": urgent["sent"],
        "of high priority, failed": urgent["failed"],
        "of normal priority, refused": report["statuses"].get("503", 0),
    }
    kept = asked["/livez"].p99_ms <= 100 and asked["administration"].p99_ms <= 100
    kept = kept and not any(one.failed for one in asked.values())
    return Outcome(values, kept and urgent["failed"] <= 0.01 * urgent["sent"], report["void"])


@figure("D8", guard="tests/overload/test_brake.py")
def recovery(quick: bool) -> Outcome:
    """Half of the capacity, before an overload of three times it and from five seconds after its end."""
    seconds = 8.0 if quick else 30.0
    watched = 5.0 if quick else 20.0
    with limited() as gateway:
        capacity = peak(gateway, quick)
        before = gateway.load("sse", capacity / 2, watched).result()
        overload(gateway, capacity, seconds).result()
        after = gateway.load("sse", capacity / 2, watched, warmup=5.0).result()
    times = p99_ms(after) / p99_ms(before)
    values: dict[str, Any] = {
        "capacity, streams a second": round(capacity),
        "before, 99th percentile ms": round(p99_ms(before)),
        "from 5 s after it, ms": round(p99_ms(after)),
        "times": round(times, 2),
        "failed then": after["failed"],
    }
    return Outcome(values, times <= 1.1 and not after["failed"], after["void"])
