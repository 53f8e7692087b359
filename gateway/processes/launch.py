"""The supervisor's children: what each is told, and what it must not hold."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence

from gateway.processes.children import Closable, fork, load
from gateway.processes.context import BootOptions, CacheContext, ControlContext, ServeOptions, WorkerContext
from gateway.processes.holdings import Holdings
from gateway.processes.limits import connection_cap


class Launcher:
    """Starts them; each method returns a pid and raises OSError. ``private`` is what children close beside the
    holdings that are not theirs."""

    def __init__(
        self,
        options: ServeOptions,
        boot_options: BootOptions,
        holdings: Holdings,
        open_files: int,
        private: Sequence[Closable | None],
    ) -> None:
        self._options = options
        self._boot_options = boot_options
        self._holdings = holdings
        self._open_files = open_files
        self._private = [held for held in private if held is not None]
        self._pid = os.getpid()

    def _fork(self, name: str, main: Callable[[], int | None], own: Closable | None = None) -> int:
        held = self._holdings
        private: list[Closable] = [*self._private, held.lock, held.arena]
        private += [sock for sock in held.listeners.sockets if sock is not own]
        return fork(f"mg-{name}", main, private, signal.SIGTERM)

    def worker(self, index: int) -> int:
        own = self._holdings.listeners.sockets[index]
        context = WorkerContext(
            index=index,
            workers=self._options.workers,
            sockets=[own],
            paths=self._holdings.paths,
            host=self._options.host,
            port=self._holdings.listeners.port,
            supervisor_pid=self._pid,
            log_level=self._options.log_level,
            loop=self._options.loop,
            connections=connection_cap(self._open_files),
            record_event_fd=self._holdings.record_event_fd,
            first_place=self._holdings.first_place,
            runtime=self._options.entries.runtime,
        )
        entry = self._options.entries.worker
        return self._fork(f"worker-{index}", lambda: load(entry)(context), own)

    def control(self) -> int:
        return self._fork("control", self._control)

    def demo(self) -> int:
        return self._fork("demo", self._demo)

    def cache(self) -> int:
        return self._fork("cache", self._cache)

    def _control(self) -> int | None:
        context = ControlContext(
            paths=self._holdings.paths,
            workers=self._options.workers,
            config_file=self._options.config_file,
            options=self._boot_options,
            supervisor_pid=self._pid,
            log_level=self._options.log_level,
            record_event_fd=self._holdings.record_event_fd,
            first_place=self._holdings.first_place,
            database=self._options.database,
            request_log=self._options.request_log,
        )
        status: int | None = load(self._options.entries.control)(context)
        return status

    def _demo(self) -> int | None:
        status: int | None = load(self._options.entries.demo)(self._holdings.paths.demo_socket)
        return status

    def _cache(self) -> int | None:
        context = CacheContext(self._holdings.paths, self._pid, self._options.log_level)
        status: int | None = load(self._options.entries.cache)(context)
        return status
