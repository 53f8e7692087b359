"""Processes under test: started in a group of their own, ended with everything they started."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.load import placement, tree

DEALT_OUT_FROM = 32_768
PORTS = 8192
"""So many of those below, which Linux's ``ip_local_port_range`` leaves to whoever names one."""


class NotReady(RuntimeError):
    """A process ended, or did not answer in time; the text holds the end of its log."""


class Process:
    """A subprocess with its output in ``<directory>/<name>.log``; a context manager that stops it."""

    def __init__(
        self, name: str, command: Sequence[str], directory: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        directory.mkdir(parents=True, exist_ok=True)
        self._log = directory / f"{name.replace(' ', '-')}.log"
        self.started = time.monotonic()
        with self._log.open("wb") as log:
            self._child = subprocess.Popen(  # commands are this package's own
                list(command), stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=dict(env or os.environ),
                start_new_session=True,
            )  # fmt: skip
        placement.autogroup(self._child.pid)

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def alive(self) -> bool:
        return self._child.poll() is None

    def log_end(self) -> str:
        """The last 2,000 characters it wrote."""
        return self._log.read_text(errors="replace")[-2000:]

    def stop(self, timeout: float = 15) -> None:
        """SIGTERM, then SIGKILL to whatever of its tree is left."""
        everybody = tree.members(self.pid)
        if self.alive:
            self._child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(timeout)
        end = time.monotonic() + 5
        while (left := [pid for pid in everybody if self._owns(pid)]) and time.monotonic() < end:
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(0.02)
            time.sleep(0.01)

    def _owns(self, pid: int) -> bool:
        """Whether a pid that was in the tree still runs and is not another process under the same number."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
            return os.getsid(pid) == self.pid and stat[stat.rindex(")") + 2] != "Z"
        except OSError:
            return False

    @contextlib.contextmanager
    def stopped_on_failure(self) -> Iterator[None]:
        """Whatever ends the block early, the process does not outlive it: nobody else knows of it yet."""
        try:
            yield
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def wait_for_port(port: int, process: Process, timeout: float = 20) -> None:
    """Until something accepts on 127.0.0.1:port. Raises NotReady."""
    end = time.monotonic() + timeout
    with process.stopped_on_failure():
        while time.monotonic() < end and process.alive:
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.01)
        raise NotReady(f"{process.name} does not listen on port {port}\n{process.log_end()}")


def free_port() -> int:
    """A TCP port nobody uses now, below those that the system deals out: one of these might be some connection's by the
    time it is wanted."""
    while True:
        port = DEALT_OUT_FROM - 1 - random.randrange(PORTS)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
