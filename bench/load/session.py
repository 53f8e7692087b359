"""One run of a case: a directory, the upstream, the subjects, and everything put away at the end."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.load import nginx, placement, subject, tree, wrk
from bench.load.process import NotReady, free_port
from bench.load.subject import Subject

SETTLE = 1.0
"""Seconds after a load before CPU is read again: the control process takes in the last records."""

CALM_WITHIN = 20.0
CALM_LOOK = 0.5
CALM_SHARE = 0.04
"""After its first answer a gateway is still busy (migrations of its database run beside it). Subjects are measured when
all of them together used less than this share of a core for half a second, or after 20 s."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    rounds: int = 4
    seconds: float = 4.0
    quick: bool = False
    connections: int = 32
    rate: float = 5000.0
    settle: float = 60.0
    """Seconds after a load until memory is read again."""
    peers: Path | None = None
    """Directory where ``bench/peers/litellm.py install`` put LiteLLM."""


class Session:
    """Context manager around a case; starts subjects on demand and keeps notes of those that cannot start."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.load_before = round(os.getloadavg()[0], 2)
        self.directory = Path(tempfile.mkdtemp(prefix="microgate-bench-"))
        self.directory.chmod(0o755)
        self.missing: dict[str, str] = {}
        self._started: list[Subject] = []
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        # Ended by SIGTERM (timeout, make), a run would leave every subject behind.
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        self.upstream = self._start_upstream()

    def _start_upstream(self) -> nginx.Upstream:
        if nginx.available():
            return nginx.start_upstream(self.directory / "upstream", free_port(), free_port())
        print("  nginx or its echo module is missing (apt-get install nginx-light libnginx-mod-http-echo): no floor,")
        print("  and bench/upstream.py answers instead; do not set these figures beside others")
        return nginx.start_substitute(self.directory / "upstream", free_port(), free_port())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for one in self._started:
            one.stop()
        self.upstream.process.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def place(self, subjects: Iterable[Subject]) -> None:
        """Keep generator and upstream, workers, and the rest on cores of their own (see ``placement``)."""
        for pid in tree.members(self.upstream.process.pid):
            placement.outside(pid)
        for one in subjects:
            if one.process is not self.upstream.process:
                placement.subject(one)

    @property
    def remarks(self) -> dict[str, Any]:
        """What every result says about its circumstances."""
        return {"missing": self.missing, "load_before": self.load_before}

    def start(self, name: str, make: Callable[[Path], Subject]) -> Subject | None:
        """Start a subject in a directory of its own; None, with a printed reason, when it does not come up."""
        try:
            started = make(self.directory / f"{len(self._started)}-{name.replace(' ', '-')}")
        except (NotReady, OSError, subprocess.SubprocessError) as fault:
            self.missing[name] = str(fault)
            print(f"  {name} is left out: {fault}")
            return None
        self._started.append(started)
        return started

    def floor(self, *, workers: int = 1) -> Subject | None:
        """nginx as a proxy."""
        if not nginx.available():
            self.missing["nginx"] = "not installed"
            return None
        return self.start("nginx", lambda place: subject.floor(place, self.upstream, workers=workers))

    def microgate(self, *, pure: bool = False, **options: Any) -> Subject | None:
        """This gateway, compiled or pure."""
        name = options.get("name") or ("microgate (pure)" if pure else "microgate")
        return self.start(name, lambda place: subject.microgate(place, self.upstream, pure=pure, **options))

    def usual(self, **options: Any) -> list[Subject]:
        """nginx, microgate compiled and pure; those that start."""
        started = [self.floor(), self.microgate(**options), self.microgate(pure=True, **options)]
        found = [one for one in started if one is not None]
        self.calm(found)
        return found

    def limited(self) -> list[Subject]:
        """This gateway with three levels of five limits on the key, if it starts."""
        started = self.microgate(config="levels.yaml", name=subject.LIMITED)
        found = [] if started is None else [started]
        self.calm(found)
        return found

    def calm(self, subjects: Iterable[Subject]) -> None:
        """Wait until they have finished starting."""
        everybody, end = list(subjects), time.monotonic() + CALM_WITHIN
        used = sum(one.snapshot().cpu_us for one in everybody)
        while time.monotonic() < end:
            time.sleep(CALM_LOOK)
            before, used = used, sum(one.snapshot().cpu_us for one in everybody)
            if used - before < CALM_SHARE * CALM_LOOK * 1e6:
                return

    def closed(
        self, one: Subject, kind: str, connections: int, seconds: float, *, apart: bool = False
    ) -> dict[str, Any]:
        """One closed-loop round: speed, latency, and CPU of the whole tree by role; ``apart``: wrk runs where ``place``
        has put the upstream, as urgent as it unless it asks the upstream itself. Raises NotReady without wrk."""
        if not wrk.available():
            raise NotReady("wrk is needed: apt-get install wrk")
        before = one.snapshot()
        run = wrk.run(
            self.directory, one.port, one.path(kind), one.body(kind), key=one.key, connections=connections,
            seconds=seconds, apart=apart, urgent=one.process is not self.upstream.process,
        )  # fmt: skip
        time.sleep(SETTLE)
        after = one.snapshot()
        return {
            "requests": run.requests,
            "failures": run.failures,
            "per_second": round(run.per_second),
            "p50_us": run.p50_us,
            "p99_us": run.p99_us,
            **cpu_figures(one, before, after, run.requests),
        }

    def bearable(self, one: Subject, kind: str) -> float:
        """The rate to offer: what the command line says, for a pure build at most half of what wrk gets from it."""
        if one.implementation != "pure":
            return self.options.rate
        capacity: float = self.closed(one, kind, self.options.connections, 2)["per_second"]
        return min(self.options.rate, max(10.0, capacity / 2))

    def each_round(self, subjects: Iterable[Subject]) -> Iterable[tuple[int, Subject]]:
        """Interleaved rounds, the order turned every time so that nobody is always first."""
        everybody = list(subjects)
        for number in range(self.options.rounds):
            turn = number % len(everybody) if everybody else 0
            for one in everybody[turn:] + everybody[:turn]:
                yield number, one


def cpu_figures(one: Subject, before: Any, after: Any, requests: int) -> dict[str, Any]:
    """CPU microseconds a request between two snapshots, whole and by role."""
    roles = one.roles(after)
    shares: dict[str, float] = {}
    for pid, member in after.members.items():
        used = member.cpu_us - (before.members[pid].cpu_us if pid in before.members else 0)
        shares[roles[pid]] = shares.get(roles[pid], 0) + used
    total = after.cpu_us - before.cpu_us
    return {
        "cpu_us": round(total / max(1, requests), 2),
        "cpu_us_by_role": {role: round(used / max(1, requests), 2) for role, used in sorted(shares.items())},
    }
