"""A real gateway in its own processes, as an operator starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from _speedups._bucket import Arena
from gateway.processes.instance import holder
from gateway.processes.paths import Paths
from gateway.stores.urls import sqlite_url
from tests.live.wire import KEY, Answer, ask, request
from tests.ports import free_port
from tests.waiting import PATIENCE_S, wait_for

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT = PATIENCE_S
STOP_TIMEOUT = 30.0


def files_in(folder: Path) -> dict[Path, bytes]:
    """What lies below it. A file that goes meanwhile, as a WAL does and what is written beside a file before it takes
    its name, is none."""
    found = {}
    for directory, _, names in os.walk(folder):
        for name in names:
            path = Path(directory, name)
            with suppress(FileNotFoundError):
                if path.is_file():
                    found[path] = path.read_bytes()
    return found


@cache
def control_database() -> bytes:
    """A new control database, made once: an instance that had to make its own would take half a second more of the
    processor. ``tests/control`` and ``make serve`` begin without one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "control.db"
        command = [sys.executable, "-m", "gateway.control.migrate"]
        subprocess.run(command, cwd=ROOT, input=sqlite_url(str(path)).encode(), check=True)
        return path.read_bytes()


def configuration(upstream_url: str, **more: Any) -> dict[str, Any]:
    """One provider ``mock`` behind ``upstream_url``, a route ``m`` to it and the virtual key ``KEY``; ``more``
    replaces or adds sections."""
    provider = {
        "dialect": "openai_chat",
        "base_url": upstream_url,
        "keys": [{"name": "k1", "value": "sk-upstream-canary"}],
    }
    base: dict[str, Any] = {
        "providers": {"mock": {**provider, **more.pop("provider", {})}},
        "routes": {"m": {"targets": ["mock/m"]}},
        "virtual_keys": [{"name": "test", "value": KEY}],
        # Upstreams fail on purpose, many times in a row.
        "health": {"throttle": False, "consecutive": 1000, "volume": 1_000_000},
        # Upstreams count what they are asked.
        "model_lists": {"refresh": 0},
    }
    # Streams that a test leaves hanging must not hold up its end for the default half minute.
    return {**base, **more, "server": {"drain_timeout": "3s", **more.get("server", {})}}


class Gateway:
    """``microgate serve`` with a configuration, its own data directory and a free port."""

    def __init__(
        self,
        folder: Path,
        config: dict[str, Any] | None,
        *,
        workers: int = 1,
        env: dict[str, str] | None = None,
        open_files: int = 0,
        more: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.paths = Paths(str(self.data_dir))
        self.workers = workers
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.config_file = folder / "config.json"
        self.stderr_file = folder / "stderr.txt"
        self.env = {**os.environ, **(env or {})}
        self.launcher = ["prlimit", f"--nofile={open_files}"] if open_files else []
        self.arguments = ["--port", str(self.port), "--data-dir", str(self.data_dir), "--workers", str(workers), *more]
        if config is not None:
            self.configure(config)
            self.arguments += ["--config", str(self.config_file)]
        self._process: subprocess.Popen[bytes] | None = None
        self._successor = 0
        """Process id of the supervisor that has taken over from the one that was started."""
        self._first_place = 0
        """Of its workers in the arena."""

    def configure(self, config: dict[str, Any]) -> None:
        """Replace the configuration file (a running instance notices or is told by SIGHUP).

        A machine that is busy with other tests makes a worker late, which is no overload unless a test says so.
        """
        server = {"overload": {"loop_lag": 0}, **config.get("server", {})}
        temporary = self.config_file.with_suffix(".new")
        temporary.write_text(json.dumps({**config, "server": server}, indent=1))
        os.replace(temporary, self.config_file)

    def start(self) -> Gateway:
        """Start and wait for readiness; fails with the process's own words when it does not come."""
        if not self.data_dir.exists():
            self.data_dir.mkdir(mode=0o700)
            Path(self.paths.control_db).touch(mode=0o600)
            Path(self.paths.control_db).write_bytes(control_database())
        with open(self.stderr_file, "ab") as err:
            command = [*self.launcher, sys.executable, "-m", "gateway", "serve", *self.arguments]
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=self.env, stdin=subprocess.DEVNULL, stdout=err, stderr=err
            )
        end = time.monotonic() + START_TIMEOUT
        while True:
            status = self._process.poll()
            if status is not None:
                self._process = None
                raise AssertionError(f"the gateway ended with {status}:\n{self.stderr()}")
            try:
                if ask(self.port, request("GET", "/readyz", None, ""), timeout=2).status == 200:
                    return self
            except (OSError, AssertionError):
                pass
            if time.monotonic() > end:
                self.kill()
                raise AssertionError(f"the gateway is not ready after {START_TIMEOUT:g} s:\n{self.stderr()}")
            time.sleep(0.01)

    @property
    def running(self) -> bool:
        """Started and not stopped; whether it still lives is not asked."""
        return self._process is not None

    def stop(self, *, keep_memory: bool = False) -> None:
        """SIGTERM; asserts a clean exit of every process and no traceback. What lay in shared memory goes, as with a
        reboot, unless it is kept."""
        process = self._process
        if process is None:
            return
        children = self.children()
        if self._successor:
            # Nobody can wait for its status: it is not our child.
            children.append(self._successor)
        os.kill(self.pid, signal.SIGTERM)
        try:
            status = process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running {STOP_TIMEOUT:g} s after SIGTERM:\n{self.stderr()}") from None
        self._process = None
        end = time.monotonic() + STOP_TIMEOUT
        while (left := [pid for pid in children if _alive(pid)]) and time.monotonic() < end:
            time.sleep(0.01)
        if not keep_memory:
            self._remove_runtime_files()
        assert not left, f"processes left behind: {left}\n{self.stderr()}"
        assert status == 0, f"exit status {status}:\n{self.stderr()}"
        self.assert_quiet()

    def kill(self, *, keep_memory: bool = False) -> None:
        """End everything at once, whatever state it is in."""
        if self._process is not None:
            children = [*self.children(), self.pid]
            self._process.kill()
            self._process.wait()
            self._process = None
            for pid in children:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            # Who comes next wants their port and their locks.
            wait_for(lambda: not any(map(_alive, children)), "the end of killed processes")
            if not keep_memory:
                self._remove_runtime_files()

    def _remove_runtime_files(self) -> None:
        runtime = Path(self.paths.runtime_dir)
        if runtime.is_dir() and self.data_dir not in runtime.parents:
            for path in runtime.iterdir():
                path.unlink()
            runtime.rmdir()

    def stderr(self) -> str:
        return self.stderr_file.read_text(errors="replace") if self.stderr_file.exists() else ""

    def assert_quiet(self) -> None:
        """No traceback and no secret in what the processes said."""
        said = self.stderr()
        assert "Traceback" not in said, said
        assert "Exception" not in said, said
        for secret in ("canary", KEY):
            assert secret not in said, said

    @property
    def pid(self) -> int:
        """The supervisor's, of the one in charge."""
        assert self._process is not None
        return self._successor or self._process.pid

    def upgrade(self) -> tuple[int, str]:
        """``microgate upgrade``, as an operator runs it: its exit status and what it says."""
        command = [sys.executable, "-m", "gateway", "upgrade", "--data-dir", str(self.data_dir)]
        done = subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode == 0:
            self._successor = wait_for(lambda: holder(self.paths.lock) != self.pid and holder(self.paths.lock), "sign")
            self._first_place = self.workers - self._first_place
        return done.returncode, done.stdout + done.stderr

    def children(self) -> list[int]:
        """Every process below the supervisor."""
        found: list[int] = []
        frontier = [self.pid]
        while frontier:
            below = [child for parent in frontier for child in _children_of(parent)]
            found += below
            frontier = below
        return found

    def process(self, name: str) -> int:
        """The supervisor's child that is called so, as ``mg-control``; 0 while there is none. Control has children of
        its own, which come and go."""
        for pid in _children_of(self.pid):
            with suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().strip() == name:
                    return pid
        return 0

    def send(self, name: str, number: int) -> int:
        """Send this signal to the child that is called so, as soon as there is one; its process id."""
        pid = wait_for(lambda: self.process(name), name)
        os.kill(pid, number)
        return pid

    def worker_pids(self) -> list[int]:
        """As the workers themselves published them."""
        arena = Arena.attach(self.paths.arena)
        try:
            return [arena.status(self._first_place + index)[1] for index in range(self.workers)]
        finally:
            arena.close()

    def rss_bytes(self) -> int:
        """Resident memory of the workers."""
        page = os.sysconf("SC_PAGE_SIZE")
        return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page for pid in self.worker_pids())

    def open_files(self) -> int:
        """Descriptors of the workers."""
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.worker_pids())

    def cpu_s(self) -> float:
        """Processor time of the workers so far."""
        total = 0
        for pid in self.worker_pids():
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(stat[11]) + int(stat[12])
        return total / os.sysconf("SC_CLK_TCK")

    def get(self, path: str, key: str = "") -> Answer:
        return ask(self.port, request("GET", path, None, key))

    def wait_for_control(self) -> None:
        """The control process starts once workers listen, and takes a second or two: until then /metrics is 502."""
        end = time.monotonic() + START_TIMEOUT
        while ask(self.port, request("GET", "/metrics", None), timeout=START_TIMEOUT).status != 200:
            assert time.monotonic() < end, f"no control process:\n{self.stderr()}"
            time.sleep(0.05)

    def wait_for_workers(self) -> None:
        """Until every worker serves the version that control has: it takes one over before they do."""
        token = (self.data_dir / "admin.token").read_text().strip()

        def equal() -> bool:
            health = json.loads(self.get("/api/health", token).body)
            return {worker["snapshot_version"] for worker in health["workers"]} == {health["snapshot_version"]}

        wait_for(equal, "the version in force in every worker")

    def metrics(self) -> dict[str, float]:
        """Every sample of /metrics by its full name with labels."""
        samples: dict[str, float] = {}
        for line in self.get("/metrics").body.decode().split("\n"):
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                samples[name] = float(value)
        return samples

    def settle(self, open_files: int, rss_bytes: int, *, slack_bytes: int = 24 << 20) -> None:
        """Descriptors back at the baseline, memory near it, and a plain request succeeds."""
        end = time.monotonic() + PATIENCE_S
        while True:
            files, rss = self.open_files(), self.rss_bytes()
            # The control process may have connected since the baseline was taken: a descriptor on either side.
            if files <= open_files + 2 and rss <= rss_bytes + slack_bytes:
                break
            assert time.monotonic() < end, (
                f"{files} open files (baseline {open_files}), RSS {rss >> 20} MiB (baseline {rss_bytes >> 20} MiB)"
            )
            time.sleep(0.05)
        assert ask(self.port, request("GET", "/v1/models", None)).status == 200


def _children_of(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in text.split()]


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
