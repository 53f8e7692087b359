"""What the supervisor tells each process it starts. Plain frozen values, handed over by fork."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote

from gateway.processes.paths import Paths

LoopName = Literal["uvloop", "asyncio"]


@dataclass(frozen=True, slots=True)
class BootOptions:
    """What the command line contributes to the configuration."""

    config_file: str | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    """The port in use: the kernel's choice when 0 was asked for."""
    workers: int = 1
    demo: bool = False
    demo_key: str = ""
    """The virtual key that reaches the built-in provider; made anew at every start."""
    handed_over: bool = False
    """Boot only checks: the predecessor's snapshot is served until control has built the next."""
    database: str = field(default="", repr=False)
    """URL of the control database; empty: SQLite in the data directory."""


@dataclass(frozen=True, slots=True)
class WorkerContext:
    index: int
    """Slot of this worker: its name and its listening socket."""
    workers: int
    sockets: list[socket.socket]
    """Bound, with SO_REUSEPORT; the supervisor keeps them open and calls listen() first, in slot order."""
    paths: Paths
    host: str
    port: int
    supervisor_pid: int
    log_level: str = ""
    """Of the command line; empty: as the configuration says."""
    loop: LoopName = "uvloop"
    connections: int = 0
    """Most caller connections at once: (RLIMIT_NOFILE - 256) / 2; 0: no figure."""
    record_event_fd: int = -1
    """eventfd shared by all workers and control: rung when records wait and control says it sleeps; -1: none."""
    first_place: int = 0
    """Of worker 0 of this generation, in the arena: see ``holdings``."""
    runtime: str = "gateway.runtime:Runtime"
    """module:class of what serves; only tests name another."""

    @property
    def place(self) -> int:
        """Its cells in the arena, its ring, its spill file."""
        return self.first_place + self.index


@dataclass(frozen=True, slots=True)
class ControlContext:
    paths: Paths
    workers: int
    config_file: str | None
    options: BootOptions
    supervisor_pid: int
    log_level: str = ""
    """Of the command line; empty: as the configuration says."""
    record_event_fd: int = -1
    first_place: int = 0
    """See WorkerContext for both."""
    database: str = field(default="", repr=False)
    """URL; empty: SQLite in the data directory."""
    request_log: str = field(default="", repr=False)
    """The same."""

    @property
    def config_path(self) -> str:
        """Absolute, for those who stand in another directory; empty: there is no file."""
        return os.path.abspath(self.config_file) if self.config_file is not None else ""

    @property
    def database_url(self) -> str:
        """Of the control database."""
        return self.database or f"sqlite:///{quote(self.paths.control_db)}"

    @property
    def request_log_url(self) -> str:
        return self.request_log or f"sqlite:///{quote(self.paths.log_dir)}"


@dataclass(frozen=True, slots=True)
class CacheContext:
    paths: Paths
    supervisor_pid: int
    log_level: str = ""
    """Of the command line; empty: as the configuration says."""


@dataclass(frozen=True, slots=True)
class Entries:
    """``module:name`` of what each process runs. Tests put stubs in their place."""

    boot: str = "gateway.boot:prepare"
    worker: str = "gateway.worker:run"
    runtime: str = "gateway.runtime:Runtime"
    control: str = "gateway.control.main:run"
    """Empty: no control process."""
    demo: str = "gateway.demo.main:run"
    cache: str = "gateway.cache.main:run"


@dataclass(frozen=True, slots=True)
class ServeOptions:
    config_file: str | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    """0: a free one, printed at start."""
    workers: int = 1
    data_dir: str = ""
    """Empty: the user's state directory."""
    database: str = field(default="", repr=False)
    """URL of the control database; empty: SQLite in the data directory."""
    request_log: str = field(default="", repr=False)
    """The same."""
    demo: bool = False
    log_level: str = ""
    """Of the command line; empty: as the configuration says."""
    loop: LoopName = "uvloop"
    upgrade_timeout: float = 60.0
    """Seconds that a successor may take until it serves. Only tests name others."""
    entries: Entries = Entries()
