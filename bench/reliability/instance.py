"""A gateway that figures look into, hurt and replace: its workers, its arena, its configuration file."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from _speedups._bucket import Arena
from bench.load.result import ROOT
from bench.load.session import Options, Session
from bench.load.subject import Subject
from gateway.loadgen import message
from gateway.processes.instance import holder
from gateway.processes.paths import Paths

PATIENCE_S = 60.0


def wait_until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE_S) -> None:
    """Raises RuntimeError when it does not come true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"waited in vain until {what}")
        time.sleep(0.005)


class Instance:
    """``workers`` workers, by default behind bench/p1.yaml (limits, a fallback) before an upstream that answers at
    once."""

    def __init__(self, subject: Subject, directory: Path, workers: int, config: str = "p1.yaml") -> None:
        self.port = subject.port
        self.key = subject.key
        self.workers = workers
        self.first_place = 0
        """Of its workers in the arena; the other half after an upgrade."""
        self.paths = Paths(str(directory / "data"))
        self.arena = Arena.attach(self.paths.arena)
        self._subject = subject
        self._config = directory / config
        self._log = directory / "microgate.log"

    @property
    def supervisor(self) -> int:
        """Process id."""
        return holder(self.paths.lock)

    def request(self, key: str = "", kind: str = "instant") -> bytes:
        """A chat request."""
        host = f"127.0.0.1:{self.port}"
        return message.request(host, self._subject.path(kind), key or self.key, self._subject.body(kind))

    def pids(self) -> dict[int, int]:
        """Index of a worker -> process id."""
        found = {}
        for name, pid in self.children():
            if index := re.fullmatch(r"mg-worker-(\d+)", name):
                found[int(index[1])] = pid
        return found

    def children(self) -> Iterator[tuple[str, int]]:
        """Names and process ids of the supervisor's."""
        with contextlib.suppress(OSError):
            root = self.supervisor
            for text in Path(f"/proc/{root}/task/{root}/children").read_text().split():
                with contextlib.suppress(OSError):
                    yield Path(f"/proc/{text}/comm").read_text().strip(), int(text)

    def place(self, worker: int) -> int:
        """In the arena."""
        return self.first_place + worker

    def said(self) -> str:
        """Its log so far."""
        return self._log.read_text(errors="replace")

    def get(self, path: str) -> tuple[int, str]:
        """Status and body, over a connection of its own. Raises OSError."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return int(answer.status), answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()

    def ready(self) -> dict[str, Any]:
        """/readyz."""
        told: dict[str, Any] = json.loads(self.get("/readyz")[1])
        return told

    def recorded(self) -> int:
        """Requests of which control has a record since its start."""
        text = self.get("/metrics")[1]
        return int(sum(float(count) for count in re.findall(r"(?m)^microgate_requests_total\{[^}]*\} (\S+)", text)))

    def accepts(self, worker: int) -> bool:
        """Whether this worker answers one of a few fresh connections."""
        with contextlib.suppress(OSError):
            return any(self.ready().get("worker") == worker for _ in range(8))
        return False

    def rewrite(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Change the configuration file; it is noticed by itself within half a second."""
        config = yaml.safe_load(self._config.read_text())
        change(config)
        fresh = self._config.with_suffix(".new")
        fresh.write_text(yaml.safe_dump(config))
        fresh.rename(self._config)

    def reconfigure(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Change the configuration file and wait until the workers serve it."""
        before = self.ready()["snapshot"]
        self.rewrite(change)
        answers = 4 * self.workers
        wait_until(lambda: all(self.ready()["snapshot"] > before for _ in range(answers)), "it is served")

    def upgrade(self) -> float:
        """``microgate upgrade``; seconds until it has said that the new one serves. Raises RuntimeError."""
        command = [sys.executable, "-m", "gateway", "upgrade", "--data-dir", self.paths.data_dir]
        began = time.monotonic()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        self.first_place = self.workers - self.first_place
        return time.monotonic() - began

    def close(self) -> None:
        """End whichever supervisor is in charge."""
        pid = self.supervisor
        if pid:
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: holder(self.paths.lock) == 0, "it has stopped")
        self.arena.close()


@contextmanager
def instance(workers: int = 2) -> Iterator[Instance]:
    """One that answers, and has finished starting."""
    with Session(Options()) as session:
        subject = session.microgate(workers=workers)
        if subject is None:
            raise RuntimeError(session.missing["microgate"])
        session.calm([subject])
        found = Instance(subject, session.directory / "0-microgate", workers)
        try:
            wait_until(lambda: found.get("/metrics")[0] == 200, "it has a control process")
            yield found
        finally:
            found.close()
