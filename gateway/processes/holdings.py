"""What a supervisor holds for as long as it lives: made at a start, or taken over from a predecessor.

The arena has two places for every worker. A supervisor's own workers have those from ``first_place`` on; those of its
successor get the others, so that both generations count the same limits while the old one finishes.
"""

from __future__ import annotations

import os
import socket

from _speedups._bucket import Arena
from gateway.processes import left_behind
from gateway.processes.context import ServeOptions
from gateway.processes.handover import HandoverError, Inheritance
from gateway.processes.instance import InstanceLock
from gateway.processes.listeners import Listeners
from gateway.processes.paths import Paths

GENERATIONS = 2


class Holdings:
    """``make`` or ``take`` one; ``close`` gives it back."""

    def __init__(
        self,
        paths: Paths,
        lock: InstanceLock,
        listeners: Listeners,
        arena: Arena,
        record_event_fd: int,
        demo_key: str,
        first_place: int,
    ) -> None:
        self.paths = paths
        self.lock = lock
        self.listeners = listeners
        self.arena = arena
        self.record_event_fd = record_event_fd
        """eventfd that wakes control when records wait."""
        self.demo_key = demo_key
        self.first_place = first_place

    @classmethod
    def make(cls, paths: Paths, options: ServeOptions) -> Holdings:
        """Raises DirectoryError, AlreadyRunning, ListenError, OSError."""
        paths.create()
        lock = InstanceLock(paths.lock, paths.data_dir)
        listeners = Listeners(options.host, options.port, options.workers)
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            boot_id = bytes.fromhex(file.read().strip().replace(b"-", b"").decode())
        arena = Arena.create(paths.arena, workers=GENERATIONS * options.workers, boot_id=boot_id)
        event_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        return cls(paths, lock, listeners, arena, event_fd, new_demo_key(options), 0)

    @classmethod
    def take(cls, paths: Paths, options: ServeOptions, inheritance: Inheritance, descriptors: list[int]) -> Holdings:
        """Go on with a predecessor's. Raises HandoverError when the two do not fit."""
        if (options.host, options.workers) != (inheritance.host, inheritance.workers):
            raise HandoverError(
                f"the running microgate has {inheritance.workers} workers at {inheritance.host}, this one is to have "
                f"{options.workers} at {options.host}: restart it instead"
            )
        lock_fd, event_fd, *sockets = descriptors
        try:
            arena = Arena.attach(paths.arena)
        except (OSError, ValueError) as error:
            raise HandoverError(f"the arena is of another version ({error}): restart microgate instead") from error
        if arena.workers != GENERATIONS * options.workers:
            raise HandoverError(f"the arena has room for {arena.workers} workers: restart microgate instead")
        return cls(
            paths,
            InstanceLock.taken(lock_fd),
            Listeners.taken([socket.socket(fileno=fd) for fd in sockets], inheritance.port),
            arena,
            event_fd,
            inheritance.demo_key,
            inheritance.first_place,
        )

    @property
    def descriptors(self) -> list[int]:
        """In the order that ``take`` expects."""
        sockets = [sock.fileno() for sock in self.listeners.sockets]
        return [self.lock.fileno(), self.record_event_fd, *sockets]

    def inheritance(self, options: ServeOptions) -> Inheritance:
        """For a successor."""
        return Inheritance(
            host=options.host,
            port=self.listeners.port,
            workers=options.workers,
            first_place=options.workers - self.first_place,
            demo_key=self.demo_key,
        )

    def settle_others(self) -> bool:
        """Post what workers of the other generation have left behind; False while one of them still lives. Raises
        OSError."""
        free = True
        workers = len(self.listeners.sockets)
        for place in range(workers - self.first_place, 2 * workers - self.first_place):
            try:
                left_behind.post(self.arena, self.paths, place, self.record_event_fd)
            except BlockingIOError:
                free = False
        return free

    def close(self) -> None:
        self.listeners.close()
        self.arena.close()
        os.close(self.record_event_fd)
        self.lock.close()


def new_demo_key(options: ServeOptions) -> str:
    return f"mg-demo-{os.urandom(16).hex()}" if options.demo else ""
