"""The callers of the soak, a process of its own: ``python -m bench.reliability.soak.callers``.

Reads a plan from standard input, and says one JSON object a line: a ``report`` of counts every few seconds, a
``failed`` for each call that did not end as promised, a ``left`` with the moment for each that its caller gave up, and
a last report when it is through or was sent SIGTERM. Calls leave when they are due, however slow the answers are, and
nobody asks twice.
"""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import sys
import time
from collections import Counter, deque
from pathlib import Path
from typing import Any, cast

import msgspec
import uvloop

from _speedups._chunked import ChunkedBody
from bench.reliability.soak import arrivals, mix
from bench.reliability.soak.arrivals import Arrival
from gateway.loadgen.answer import CHUNKED, read_head
from gateway.loadgen.timer import Timer

PATIENCE_S = 30.0
"""A call without the end of its answer for this long has failed."""

STALE_S = 5.0
"""A connection that was idle for longer is not used again, as its server may be closing it just now."""

REPORT_EVERY_S = 5.0
MOST_AT_ONCE = 64
"""Calls sent in one turn of the loop when the schedule is behind, so that answers are still read on time."""

LOST, SILENT, UNSENT = "connection lost", "no end of an answer in time", "not connected"


class Plan(msgspec.Struct, frozen=True):
    """What is to be asked of whom."""

    port: int
    key: str
    rate: float
    seconds: float
    seed: int = 1


class Call:
    """One call under way."""

    __slots__ = ("asked_before", "began", "kind", "left", "mark", "number", "sent")

    def __init__(self, number: int, kind: int) -> None:
        self.kind = kind
        self.number = number
        self.mark = (mix.MARK % number).encode()
        self.began = time.monotonic()
        self.asked_before = 0
        """Calls answered on the same connection."""
        self.left = False
        self.sent = False


class Link(asyncio.Protocol):
    """One connection with at most one call on it."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self.transport: asyncio.Transport | None = None
        self.call: Call | None = None
        self.answered = 0
        self.idle_since = time.monotonic()
        self._forget()

    def _forget(self) -> None:
        self._status = 0
        self.head = b""
        self._rest = b""
        self._body: list[bytes] = []
        self._length = 0
        self._chunks: ChunkedBody | None = None
        self._keep = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self.call is not None:
            self._end(whole=False)

    def ask(self, call: Call, before: bytes, behind: bytes) -> None:
        """Send it."""
        assert self.transport is not None
        self.call = call
        call.asked_before = self.answered
        call.sent = True
        self.transport.write(b"%b%b%b" % (before, call.mark, behind))

    def leave(self, call: Call) -> None:
        """Close the connection if this call is still under way."""
        if self.call is call:
            call.left = True
            self.close()

    def close(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        call = self.call
        if call is None:
            self._crowd.unasked += 1
            self.close()
            return
        if not self._status and not (data := self._take_head(data)) and self._length:
            return
        if self._length == CHUNKED:
            chunks = cast(ChunkedBody, self._chunks)
            data = chunks.feed(data)
            whole = chunks.done
            if chunks.broken or chunks.extra:
                self._keep = False
        else:
            self._length -= len(data)
            whole = self._length <= 0
        if data:
            self._body.append(data)
            if not mix.KINDS[call.kind].leaves_after_s:
                self.leave(call)
                return
        if whole:
            self._end(whole=True)

    def _take_head(self, data: bytes) -> bytes:
        """What comes behind it, once it is there."""
        head, found, rest = (self._rest + data).partition(b"\r\n\r\n")
        if not found:
            self._rest += data
            self._length = CHUNKED
            return b""
        self.head = head.lower()
        self._status, self._length, self._keep = read_head(self.head)
        if self._length == CHUNKED:
            self._chunks = ChunkedBody()
        return rest

    def _end(self, *, whole: bool) -> None:
        call, self.call = cast(Call, self.call), None
        status, head, body, keep = self._status, self.head, b"".join(self._body), self._keep
        self._forget()
        self.answered += 1
        self.idle_since = time.monotonic()
        self._crowd.ended(call, status, head, body, whole=whole)
        if whole and keep and self.transport is not None:
            self._crowd.idle.append(self)
        else:
            self.close()


class Crowd:
    """All of them."""

    def __init__(self, plan: Plan, base: list[Arrival]) -> None:
        self.idle: list[Link] = []
        self.unasked = 0
        """Connections on which something came that nobody had asked for."""
        self._plan = plan
        self._base = base
        self._cycle_ns = base[-1].moment_ns + int(arrivals.NS / plan.rate)
        self._kinds = mix.draw(len(base) - 1, plan.seed)
        self._bytes: dict[tuple[int, int, int], tuple[bytes, bytes]] = {}
        self._under_way: dict[Call, Link | None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._counts: Counter[tuple[int, str]] = Counter()
        self._recent: deque[float] = deque()
        self._sent = self._number = self._late = 0
        self._latest_s = 0.0
        self._loop = asyncio.get_running_loop()
        self._sending = True
        self._start_ns = 0
        self._timer = Timer(self._loop, self._tick)

    async def run(self) -> None:
        """Until the schedule is through, or ``stop``."""
        self._start_ns = Timer.now() + 20_000_000
        self._timer.at(self._start_ns)
        while self._sending:
            await asyncio.sleep(REPORT_EVERY_S)
            self._sweep()
            self._report()
        self._timer.close()
        end = time.monotonic() + PATIENCE_S + 1
        while self._under_way and time.monotonic() < end:
            await asyncio.sleep(0.1)
            self._sweep()
        self._report(last=True)

    def stop(self) -> None:
        """Send nothing more."""
        self._sending = False

    def _tick(self) -> None:
        if not self._sending:
            self._timer.stop()
            return
        now = Timer.now() - self._start_ns
        for _ in range(MOST_AT_ONCE):
            turn, place = divmod(self._number, len(self._base))
            arrival = self._base[place]
            due = turn * self._cycle_ns + arrival.moment_ns
            if due > now:
                break
            if due > self._plan.seconds * arrivals.NS:
                self.stop()
                return
            self._latest_s = max(self._latest_s, (now - due) / arrivals.NS)
            self._late += now - due > 100_000_000
            self._send(self._number, arrival)
            self._number += 1
        self._timer.at(max(self._start_ns + due, Timer.now() + 200_000))

    def _send(self, number: int, arrival: Arrival) -> None:
        # The kinds' period is one less than that of arrivals: the same call is of another kind each time.
        call = Call(number, self._kinds[number % len(self._kinds)])
        self._recent.append(call.began)
        while self._recent[0] < call.began - 1.0:
            self._recent.popleft()
        self._under_way[call] = None
        while self.idle:
            link = self.idle.pop()
            if link.transport is None or link.transport.is_closing():
                continue
            if call.began - link.idle_since < STALE_S:
                self._ask(link, call, arrival)
                return
            link.close()
        task = self._loop.create_task(self._connect(call, arrival))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, call: Call, arrival: Arrival) -> None:
        try:
            _, link = await self._loop.create_connection(lambda: Link(self), "127.0.0.1", self._plan.port)
        except OSError as error:
            self._failed(call, UNSENT, repr(error).encode())
            return
        if call in self._under_way and link.transport is not None:
            self._ask(link, call, arrival)
        elif call in self._under_way:
            self._failed(call, UNSENT, b"closed at once")

    def _ask(self, link: Link, call: Call, arrival: Arrival) -> None:
        kind = mix.KINDS[call.kind]
        of = (call.kind, arrival.size, arrival.length if kind.paced else 0)
        parts = self._bytes.get(of)
        if parts is None:
            host = f"127.0.0.1:{self._plan.port}"
            parts = self._bytes[of] = mix.request(kind, host, self._plan.key, of[1], of[2])
        self._under_way[call] = link
        self._sent += 1
        link.ask(call, *parts)
        if kind.leaves_after_s > 0:
            self._loop.call_later(kind.leaves_after_s, link.leave, call)

    def ended(self, call: Call, status: int, head: bytes, body: bytes, *, whole: bool) -> None:
        """Nothing more comes for this call."""
        kind = mix.KINDS[call.kind]
        if call.left:
            self._count(call, mix.LEFT)
            _say(left=time.monotonic())
        elif not status:
            self._failed(call, LOST)
        else:
            found = mix.verdict(kind, call.mark, status, head, body, whole=whole)
            if found in mix.PROMISED:
                self._count(call, found)
            else:
                self._failed(call, found, head + b"\n\n" + body[-400:])

    def _count(self, call: Call, what: str) -> None:
        self._under_way.pop(call, None)
        self._counts[call.kind, what] += 1

    def _failed(self, call: Call, why: str, said: bytes = b"") -> None:
        if call not in self._under_way:
            return
        self._count(call, why)
        _say(
            failed=why,
            kind=mix.KINDS[call.kind].name,
            number=call.number,
            began=call.began,
            ended=time.monotonic(),
            sent=call.sent,
            asked_before=call.asked_before,
            offered=len(self._recent),
            said=said.decode("latin-1"),
        )

    def _sweep(self) -> None:
        now = time.monotonic()
        for call, link in [each for each in self._under_way.items() if now - each[0].began > PATIENCE_S]:
            self._failed(call, SILENT if link is not None else UNSENT)
            if link is not None:
                link.call = None
                link.close()

    def _report(self, *, last: bool = False) -> None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        _say(
            report=self._by_kind(),
            last=last,
            sent=self._sent,
            due=self._number,
            under_way=len(self._under_way),
            late=self._late,
            latest_s=round(self._latest_s, 3),
            unasked=self.unasked,
            cpu_s=used.ru_utime + used.ru_stime,
        )

    def _by_kind(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for (kind, what), count in self._counts.items():
            found.setdefault(mix.KINDS[kind].name, {})[what] = count
        return found


def _say(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def _main(plan: Plan, traces: Path) -> None:
    crowd = Crowd(plan, arrivals.once(traces, plan.rate))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, crowd.stop)
    await crowd.run()


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    told = msgspec.json.decode(sys.stdin.readline(), type=Plan)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_main(told, arrivals.directory()))
