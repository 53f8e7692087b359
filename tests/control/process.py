"""A control process of its own for a test: real process, real sockets, and workers that only speak the channel."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from _speedups._bucket import Arena
from gateway import boot
from gateway.processes.channel import Publish, WorkerChannel
from gateway.processes.context import BootOptions
from gateway.processes.paths import Paths
from gateway.snapshot import store
from tests.waiting import wait_for

ROOT = str(Path(__file__).resolve().parents[2])

_RUN = """
import os, sys
sys.path.insert(0, sys.argv[1])
from gateway.control.main import run
from gateway.processes.context import BootOptions, ControlContext
from gateway.processes.paths import Paths
options = BootOptions(config_file=sys.argv[3], workers=int(sys.argv[4]))
context = ControlContext(Paths(sys.argv[2]), options.workers, sys.argv[3], options, os.getppid(), "debug")
raise SystemExit(run(context))
"""

CONFIG = """
providers:
  mock:
    dialect: openai_chat
    base_url: http://127.0.0.1:9001/v1
    keys: [{name: k1, value: sk-upstream-0123456789}]
virtual_keys:
  - {name: alice, value: sk-alice-0123456789abcdef0123456789abcdef}
  - {name: bob, value: sk-bob-0123456789abcdef0123456789abcdef}
"""


class Worker:
    """What a worker does on the channel: says hello, applies, confirms. Runs a loop on a thread of its own."""

    def __init__(self, path: str, index: int, version: int) -> None:
        self.version = version
        self.published: list[Publish] = []
        self.stuck = False
        self._loop = asyncio.new_event_loop()
        self._channel = WorkerChannel(self._loop, path, index, 1, lambda: self.version, self._apply)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.call_soon(self._channel.start)
        self._loop.run_forever()
        self._loop.run_until_complete(self._channel.close())
        self._loop.close()

    def _apply(self, publish: Publish) -> None:
        self.published.append(publish)
        if self.stuck:
            raise RuntimeError("this worker cannot apply it")
        self.version = publish.version

    @property
    def connected(self) -> bool:
        return self._channel.connected

    @property
    def conditions(self) -> tuple[str, ...]:
        """What control says is wrong with it."""
        return self._channel.conditions

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("control", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Answer:
    def __init__(self, status: int, fields: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.fields = {name.lower(): value for name, value in fields.items()}
        self.content_type = self.fields.get("content-type", "")
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Control:
    """The data directory, the process and the ways to talk to it."""

    def __init__(self, directory: Path, workers: int = 1) -> None:
        self.file = directory / "microgate.yaml"
        self.file.write_text(CONFIG)
        self.paths = Paths(str(directory / "data"))
        self.paths.create()
        self.worker_count = workers
        self.arena = Arena.create(self.paths.arena, workers=workers, capacity=64, reservations=64)
        options = BootOptions(config_file=str(self.file), workers=workers)
        assert boot.prepare(options, self.paths) == 0
        self.process: subprocess.Popen[bytes] | None = None
        self.workers: list[Worker] = []

    def start(self, until: Callable[[], bool] | None = None) -> None:
        """Start (again) and wait until it answers, or until something earlier."""
        arguments = [ROOT, self.paths.data_dir, str(self.file), str(self.worker_count)]
        log = open(self.file.parent / "control.log", "ab")
        self.process = subprocess.Popen([sys.executable, "-c", _RUN, *arguments], cwd=ROOT, stderr=log)
        log.close()
        wait_for(until or self.answers, "its start")

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        try:
            return self.get("/docs/style.css").status == 200
        except OSError:
            return False

    @property
    def log(self) -> str:
        return (self.file.parent / "control.log").read_text()

    @property
    def version(self) -> int:
        snapshot = store.current(self.paths)
        assert snapshot is not None
        return snapshot.version

    def add_worker(self, index: int = 0, version: int | None = None) -> Worker:
        """Connect a worker that serves ``version`` (the current one unless told otherwise)."""
        worker = Worker(self.paths.workers_socket, index, self.version if version is None else version)
        self.workers.append(worker)
        return worker

    def token(self) -> str:
        return (Path(self.paths.data_dir) / "admin.token").read_text().strip()

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """One answer, without the body where that would not end: a stream of events."""
        connection = UnixConnection(self.paths.admin_socket)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            endless = response.getheader("content-type", "").startswith("text/event-stream")
            return Answer(response.status, dict(response.getheaders()), b"" if endless else response.read())
        finally:
            connection.close()

    def send_json(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """Ask with a JSON body (none for None), as admin unless a credential is given."""
        if not {"authorization", "cookie"} & headers.keys():
            headers["authorization"] = f"Bearer {self.token()}"
        if body is None:
            return self.ask(method, path, **headers)
        return self.ask(method, path, json.dumps(body).encode(), **{"content_type": "application/json", **headers})

    def get(self, path: str, *, anonymous: bool = False) -> Answer:
        credential = {} if anonymous or not path.startswith("/api") else {"authorization": f"Bearer {self.token()}"}
        return self.ask("GET", path, **credential)

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Exit status."""
        if self.process is None:
            return 0
        process, self.process = self.process, None
        process.send_signal(number)
        return process.wait(60)

    def close(self) -> None:
        self.end(signal.SIGKILL)
        for worker in self.workers:
            worker.close()
        self.arena.close()
        if not self.paths.runtime_dir.startswith(self.paths.data_dir):
            for name in os.listdir(self.paths.runtime_dir):
                os.unlink(os.path.join(self.paths.runtime_dir, name))
            os.rmdir(self.paths.runtime_dir)
