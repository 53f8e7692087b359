"""One course of the soak: what happens when, to whom, and what came of it.

Worker 0 is killed again and again; worker 1, control and the supervisor live from the beginning to the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Self

import msgspec

from bench.load import result, subject, tree
from bench.reliability.callers import Callers
from bench.reliability.instance import Instance, wait_until
from bench.reliability.soak import mix
from bench.reliability.soak.callers import LOST, PATIENCE_S, REPORT_EVERY_S, Plan
from bench.reliability.soak.provider import provider
from bench.reliability.soak.watch import Watch
from gateway.records import Kind as RecordKind

RATE = 2000.0
LONG = 45 * 60.0
VICTIM = 0
WORKERS = 2

SAY_EVERY_S = 30.0
SAMPLE_EVERY_S = 5.0
SETTLED_AFTER_S = 600.0
"""Growth counts from then on."""

DYING_S = 2.0
"""A call that ends so soon behind a kill may have been in that worker, or was sent to it before the kernel had closed
its connections."""

LEAVING_S = 1.0

PUBLISHED_WITHIN_S = 10.0

HALF_S = 5.0
"""So long behind a kill the other worker may have more than it can do."""


@dataclass(frozen=True, slots=True)
class Course:
    """What happens when. Seconds."""

    seconds: float
    reload_every: float
    kill_every: float
    """0: never."""
    settled_after: float = SETTLED_AFTER_S


@dataclass(slots=True)
class World:
    """The gateway, and who plays the provider."""

    gateway: Instance
    providers: dict[str, int]
    """Name -> process id."""


@contextmanager
def world() -> Iterator[World]:
    """All of it, started, and ended with the block."""
    with tempfile.TemporaryDirectory(prefix="microgate-bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        with provider(directory / "provider") as (upstream, faults):
            place = directory / "gateway"
            addresses = {"127.0.0.1:19003": faults.url().removeprefix("http://")}
            config = "soak.yaml"
            served = subject.microgate(place, upstream, workers=WORKERS, config=config, addresses=addresses)
            try:
                gateway = Instance(served, place, WORKERS, config)
                wait_until(lambda: gateway.get("/metrics")[0] == 200, "it has a control process")
                yield World(gateway, {"provider": upstream.process.pid, "fault proxy": faults.pid})
                gateway.arena.close()
            finally:
                served.stop()


@dataclass(slots=True)
class Kill:
    """One kill of the victim."""

    at: float
    descriptors: int
    """That it had: at most so many calls were on its connections. What it says of these itself is a moment old."""


@dataclass(slots=True)
class Seen:
    """What came of a course."""

    planned: float = 0.0
    took: float = 0.0
    began: float = 0.0
    kills: list[Kill] = field(default_factory=list)
    capacity: float = 0.0
    """Chat requests a second that are answered when callers ask as fast as they can."""
    versions: int = 0
    reloads: int = 0
    failures: list[dict[str, Any]] = field(default_factory=list)
    leavings: list[float] = field(default_factory=list)
    """When callers gave up."""
    last: dict[str, Any] = field(default_factory=dict)
    """The callers' last report."""
    rows: int = 0
    rows_of: Counter[int] = field(default_factory=Counter)
    shares: dict[str, float] = field(default_factory=dict)
    """Parts of one core."""

    @property
    def cut_short(self) -> bool:
        return self.took < self.planned

    def count(self, what: str) -> int:
        """Calls that ended so."""
        report: dict[str, dict[str, int]] = self.last.get("report", {})
        return sum(of.get(what, 0) for of in report.values())

    def ended(self) -> int:
        """Calls of which the outcome is known."""
        return sum(sum(of.values()) for of in self.last.get("report", {}).values())

    def promised(self) -> tuple[Failures, Failures, Failures]:
        """Failures of calls in a worker when it was killed; refusals for overload when more came than is served, or one
        worker had to do the work of both; and the others, which nobody promised."""
        killed, refused, others = [], [], []
        harmed: Counter[float] = Counter()
        for failure in self.failures:
            kill = next((one for one in reversed(self.kills) if one.at <= failure["ended"]), None)
            since = failure["ended"] - kill.at if kill is not None else float("inf")
            if kill is not None and since <= DYING_S and _was_in(failure, kill) and harmed[kill.at] < kill.descriptors:
                harmed[kill.at] += 1
                killed.append(failure)
            elif failure["failed"] == mix.OVERLOADED and (since <= HALF_S or failure["offered"] > self.capacity):
                refused.append(failure)
            else:
                others.append(failure)
        return killed, refused, others

    def left_at_a_kill(self) -> int:
        """Calls that were given up so shortly before a kill that the worker may have been at them still: a caller who
        closes its connection is served to the end of the provider's answer."""
        return sum(any(0 <= kill.at - left <= LEAVING_S for kill in self.kills) for left in self.leavings)


Failures = list[dict[str, Any]]
"""As the callers report them."""

_LOST = frozenset((LOST, "answer cut", "stream cut without an error event"))
"""How the end of a worker looks to its callers."""


def _was_in(failure: dict[str, Any], kill: Kill) -> bool:
    """Whether it may have been in this worker: it had begun by then, or went to it on a connection from before."""
    return failure["failed"] in _LOST and (failure["began"] <= kill.at or failure["asked_before"] > 0)


class _Callers:
    """The process of the callers, and what it has said."""

    def __init__(self, plan: Plan, seen: Seen, file: Callable[[str], object]) -> None:
        command = [sys.executable, "-m", "bench.reliability.soak.callers"]
        self.process = subprocess.Popen(
            command, cwd=result.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self._seen = seen
        self._file = file
        assert self.process.stdin is not None
        self.process.stdin.write(msgspec.json.encode(plan) + b"\n")
        self.process.stdin.close()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said = json.loads(line)
            if "failed" in said:
                self._file(line.decode())
                self._seen.failures.append(said)
            elif "left" in said:
                self._seen.leavings.append(said["left"])
            else:
                self._seen.last = said

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def stop(self) -> None:
        """Let them end what is under way. Raises RuntimeError without their last report."""
        if not self.ended:
            self.process.terminate()
        try:
            self.process.wait(2 * PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._thread.join()
        if not self._seen.last.get("last"):
            raise RuntimeError(f"the callers ended with status {self.process.returncode} and without a last report")


class _Interrupted:
    """Whether SIGINT or SIGTERM has come; both only end the course early, so that what was measured is kept."""

    def __init__(self) -> None:
        self.yes = False
        self._before: dict[int, Any] = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.yes = True

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)


class Soak:
    """One course through a world."""

    def __init__(self, of: World, course: Course, change: Callable[[dict[str, Any], int], None]) -> None:
        self.seen = Seen(planned=course.seconds)
        self._world = of
        self._course = course
        self._change = change
        result.QUICK.mkdir(parents=True, exist_ok=True)
        self._file = (result.QUICK / "soak.jsonl").open("w")
        self.watch = Watch(of.gateway, self._file)

    def run(self) -> None:
        """To the end, or until SIGINT or SIGTERM."""
        gateway, course, seen = self._world.gateway, self._course, self.seen
        with Callers(gateway.port, gateway.request()) as fast:
            time.sleep(2)
        seen.capacity = fast.per_second
        first = gateway.ready()["snapshot"]
        began_wall_us = time.time_ns() // 1000
        plan = Plan(gateway.port, gateway.key, RATE, course.seconds)
        with _Interrupted() as interrupted:
            callers = _Callers(plan, seen, self._file.write)
            try:
                wait_until(lambda: seen.last or callers.ended, "the callers have begun")
                seen.began = time.monotonic() - REPORT_EVERY_S
                self._pass(callers, interrupted)
            finally:
                seen.took = min(time.monotonic() - seen.began, course.seconds)
                callers.stop()
        if interrupted.yes:
            seen.took = min(seen.took, course.seconds - 1)
        # The last change may be on its way.
        with contextlib.suppress(RuntimeError):
            wait_until(lambda: gateway.ready()["snapshot"] - first >= seen.reloads, "it is served", PUBLISHED_WITHIN_S)
        seen.versions = gateway.ready()["snapshot"] - first
        (result.QUICK / "soak.log").write_text(gateway.said())
        self._count(began_wall_us)
        self._file.close()

    def _pass(self, callers: _Callers, interrupted: _Interrupted) -> None:
        course, seen = self._course, self.seen
        providers = self._world.providers
        before = {name: _cpu_us(pid) for name, pid in providers.items()}
        before["callers"] = _cpu_us(callers.process.pid)
        begun = time.monotonic()
        due = {self._sample: SAMPLE_EVERY_S, self._reload: course.reload_every, self._say: SAY_EVERY_S}
        if course.kill_every:
            due[self._kill] = course.kill_every
        at = {act: begun + every for act, every in due.items()}
        while not callers.ended and not interrupted.yes and time.monotonic() < seen.began + course.seconds:
            now = time.monotonic()
            for act, every in due.items():
                if at[act] <= now:
                    at[act] += every
                    act()
            time.sleep(0.1)
        took = time.monotonic() - begun
        everybody = {**providers, "callers": callers.process.pid}
        seen.shares = {name: (_cpu_us(pid) - before[name]) / 1e6 / took for name, pid in everybody.items()}
        if self.watch.samples:
            seen.shares |= self.watch.shares()

    def _sample(self) -> None:
        self.watch.look()

    def _reload(self) -> None:
        number = self.seen.reloads
        self.seen.reloads += 1
        self._world.gateway.rewrite(lambda config: self._change(config, number))
        os.kill(self._world.gateway.supervisor, signal.SIGHUP)

    def _kill(self) -> None:
        gateway = self._world.gateway
        victim = gateway.pids().get(VICTIM)
        if victim is None:
            return
        held = len(os.listdir(f"/proc/{victim}/fd"))
        self.seen.kills.append(Kill(time.monotonic(), held))
        self._file.write(json.dumps({"kill": time.monotonic(), "process": victim, "descriptors": held}) + "\n")
        os.kill(victim, signal.SIGKILL)

    def _say(self) -> None:
        seen, last = self.seen, self.seen.last
        found = self.watch.samples[-1][1] if self.watch.samples else {}
        held = [f"{name} {one.rss / 2**20:.1f} MiB {one.fds} fds" for name, (_, one) in sorted(found.items())]
        reasons = Counter(failure["failed"] for failure in seen.failures)
        said = ", ".join(f"{count} x {why}" for why, count in reasons.items()) or "none"
        print(
            f"  {time.monotonic() - seen.began:5.0f} s: {last['sent']} sent, {last['under_way']} under way, "
            f"{len(seen.kills)} kills, {seen.reloads} reloads; failed, kills included: {said}; {', '.join(held)}",
            flush=True,
        )

    def _count(self, since_us: int) -> None:
        """Rows of the request log, once control has taken them all in."""
        before = -1
        end = time.monotonic() + 30
        while before != self.seen.rows and time.monotonic() < end:
            before = self.seen.rows
            time.sleep(2)
            self.seen.rows_of = _rows(Path(self._world.gateway.paths.log_dir), since_us)
            self.seen.rows = self.seen.rows_of.total()


def _rows(directory: Path, since_us: int) -> Counter[int]:
    """Outcome -> exchanges in the log."""
    found: Counter[int] = Counter()
    for file in directory.glob("*.db"):
        asked = (
            "SELECT outcome, count(*) FROM log WHERE kind = ? AND started_us >= ? GROUP BY outcome",
            (int(RecordKind.EXCHANGE), since_us),
        )
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30)) as log:
            found.update(dict(log.execute(*asked)))
    return found


def _cpu_us(root: int) -> int:
    return tree.snapshot(root).cpu_us
