"""A gateway whose one worker has a fifth of a core, and what it can do with that; or whose memory is bounded.

Overload is then what a machine with two cores can offer: callers and provider have the other core.
"""

from __future__ import annotations

import contextlib
import re
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import yaml

from bench.load import tree
from bench.load.openloop import Load
from bench.load.process import free_port
from bench.load.session import Options, Session
from bench.load.subject import Subject
from bench.reliability.instance import wait_until

GROUPS = Path("/sys/fs/cgroup")
SHARE = 0.2
GENTLE_A_SECOND = 500.0
"""Requests that hardly ever meet."""
PERIOD_US = 10_000
"""After 2 ms of work a worker with a fifth of a core stands still for up to 8. By default it would be 80."""
MIB = 2**20


class ControlGroup:
    """A control group of the test's own below the root, of version 1 or 2; it is removed at the end. Raises OSError
    when none can be made."""

    def __init__(self, controller: str) -> None:
        top = GROUPS / controller
        self.version = 1 if top.exists() else 2
        self.top = top if self.version == 1 else GROUPS
        self.folder = self.top / f"microgate-{controller}"
        self.folder.mkdir(exist_ok=True)

    def set(self, name: str, value: object) -> None:
        (self.folder / name).write_text(str(value))

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()

    def take(self, pid: int) -> None:
        """Put this process into it; children that it forks later come along."""
        (self.folder / "cgroup.procs").write_text(str(pid))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pid in self.read("cgroup.procs").split():
            with contextlib.suppress(OSError):
                (self.top / "cgroup.procs").write_text(pid)
        with contextlib.suppress(OSError):
            self.folder.rmdir()


def cpu_group(share: float = SHARE) -> ControlGroup:
    """Of processes that have ``share`` of a core together."""
    group = ControlGroup("cpu")
    quota = int(PERIOD_US * share)
    if group.version == 1:
        group.set("cpu.cfs_period_us", PERIOD_US)
        group.set("cpu.cfs_quota_us", quota)
    else:
        group.set("cpu.max", f"{quota} {PERIOD_US}")
    return group


def memory_group(size: int) -> ControlGroup:
    """Of processes that have ``size`` bytes together."""
    group = ControlGroup("memory")
    group.set("memory.limit_in_bytes" if group.version == 1 else "memory.max", size)
    return group


class Limited:
    """The gateway, its callers and its counters."""

    def __init__(self, session: Session, gateway: Subject, data: Path) -> None:
        self.gateway = gateway
        self.data = data
        self.cpu: ControlGroup | None = None
        self.memory: ControlGroup | None = None
        self.admin_port = gateway.port
        """Where administration and metrics are."""
        self._session = session
        self._runs = 0

    @property
    def port(self) -> int:
        return self.gateway.port

    def process(self, role: str) -> int:
        """Its process id."""
        shot = self.gateway.snapshot()
        return next(pid for pid, found in self.gateway.roles(shot).items() if found == role)

    @property
    def worker(self) -> int:
        """Process id."""
        return self.process("worker")

    def rewrite(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Change the configuration file, which is noticed by itself."""
        path = self.data.parent / "overload.yaml"
        config = yaml.safe_load(path.read_text())
        change(config)
        fresh = path.with_suffix(".new")
        fresh.write_text(yaml.safe_dump(config))
        fresh.rename(path)

    def said(self) -> str:
        """Its log so far."""
        return (self.data.parent / "microgate.log").read_text(errors="replace")

    def limit_cpu(self) -> None:
        """Put the worker that serves now where the one before it was."""
        if self.cpu is not None:
            self.cpu.take(self.worker)

    def capacity(self, kind: str, callers: int = 64, seconds: float = 4.0) -> float:
        """Good answers a second that so many callers get who ask as fast as they are answered."""
        self._session.closed(self.gateway, kind, callers, 1, apart=True)
        row = self._session.closed(self.gateway, kind, callers, seconds, apart=True)
        found: float = row["per_second"] * (1 - row["failures"] / row["requests"])
        return found

    def capacity_singly(self, kind: str, share: float = SHARE, seconds: float = 6.0) -> float:
        """Requests a second for which ``share`` of a core is enough when each comes by itself: callers who ask as fast
        as they are answered come in crowds, and a crowd costs a third of as many who come alone."""
        worker, before = self.worker, self.gateway.snapshot()
        self.load(kind, GENTLE_A_SECOND, seconds - 2.0).result()
        used_us = tree.cpu_between(before, self.gateway.snapshot())[worker]
        return share * 1e6 * GENTLE_A_SECOND * seconds / used_us

    def cost_us(self, kind: str, key: str, seconds: float = 2.0) -> float:
        """Of a request with this key, in microseconds of the worker's processor."""
        row = self._session.closed(replace(self.gateway, key=key), kind, 32, seconds, apart=True)
        found: float = row["cpu_us_by_role"]["worker"]
        return found

    def load(self, kind: str, rate: float, seconds: float, *, key: str = "", **options: Any) -> Load:
        """Callers that ask at this rate, whatever becomes of their requests; they run on beside the test."""
        self._runs += 1
        place = self._session.directory / f"load-{self._runs}"
        gateway = replace(self.gateway, key=key or self.gateway.key)
        chosen: dict[str, Any] = {"warmup": 2.0, "connections": 32, "max_connections": 2000, **options}
        return Load(place, gateway, kind, rate=rate, seconds=seconds, **chosen)

    def get(self, path: str, token: str = "", port: int = 0) -> str:
        """Over a connection of its own, at the server's port unless told otherwise. Raises OSError."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        asked = urllib.request.Request(f"http://127.0.0.1:{port or self.port}{path}", headers=headers)
        with urllib.request.urlopen(asked, timeout=30) as answer:
            text: str = answer.read().decode()
        return text

    def counts(self) -> bool:
        """Whether it has a control process."""
        with contextlib.suppress(OSError):
            return "microgate_build_info" in self.get("/metrics", port=self.admin_port)
        return False

    @property
    def operator(self) -> str:
        """Token of administration."""
        return (self.data / "admin.token").read_text().strip()

    def metric(self, name: str, label: str = "") -> float:
        """Sum of the samples of this name that have this label."""
        pattern = rf"(?m)^{name}(?:\{{[^}}]*{re.escape(label)}[^}}]*\}})? (\S+)"
        return sum(float(value) for value in re.findall(pattern, self.get("/metrics", port=self.admin_port)))

    def apart(self) -> None:
        """Give administration an address of its own."""
        self.admin_port = free_port()
        self.rewrite(lambda config: config.update(admin={"listen": f"127.0.0.1:{self.admin_port}"}))
        wait_until(self.counts, "administration has an address of its own")


@contextlib.contextmanager
def limited(
    *,
    share: float | None = SHARE,
    memory: int = 0,
    change: Callable[[dict[str, Any]], object] | None = None,
    python: Callable[[Session], str] = lambda _: sys.executable,
) -> Iterator[Limited]:
    """A gateway with one worker behind bench/overload.yaml as ``change`` leaves it, finished starting: the worker with
    this share of a core, all of its processes with this much memory."""
    with contextlib.ExitStack() as held:
        session = held.enter_context(Session(Options()))
        gateway = session.microgate(config="overload.yaml", python=python(session))
        if gateway is None:
            raise RuntimeError(session.missing["microgate"])
        place = session.directory / "0-microgate"
        made = Limited(session, gateway, place / "data")
        session.calm([gateway])
        wait_until(made.counts, "it has a control process")
        session.place([gateway])
        if change is not None:
            _reconfigure(made, change)
        if share is not None:
            made.cpu = held.enter_context(cpu_group(share))
            made.limit_cpu()
        if memory:
            made.memory = held.enter_context(memory_group(memory))
            for pid in gateway.snapshot().members:
                # One of a moment (control has such children) may be gone.
                with contextlib.suppress(ProcessLookupError):
                    made.memory.take(pid)
        yield made


def _reconfigure(made: Limited, change: Callable[[dict[str, Any]], object]) -> None:
    before = made.metric("microgate_worker_snapshot_version")
    made.rewrite(change)
    wait_until(lambda: made.metric("microgate_worker_snapshot_version") > before, "the change is served")
    time.sleep(0.5)


def p99_ms(report: dict[str, Any]) -> float:
    """Of the good answers of a run, from the moment that each request was meant to leave."""
    found: float = report["latency_us"]["p99"]
    return found / 1000
