"""Where everything lies on disk: the data directory, and the directory on tmpfs that belongs to it.

Durable files (keys, sealed snapshot, databases, sockets) are in the data directory. What only lives as long as the
machine is up (arena, rings, snapshots for the workers) is on tmpfs, under a name derived from the data directory, so a
restarted supervisor finds what its predecessor left.
"""

from __future__ import annotations

import os
import stat
from hashlib import blake2b

SHARED_MEMORY = "/dev/shm"

_SOCKET_PATH_BYTES = 100
"""sun_path holds 108 bytes (unix(7)); the rest is room for a temporary suffix beside the socket."""


class DirectoryError(Exception):
    """A directory cannot be used; the message says which and why, for a person."""


def default_data_dir() -> str:
    """The user's state directory for this program (XDG base directory specification)."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(state, "microgate")


class Paths:
    """Every path of one instance, as attributes. Making one touches nothing on disk: ``create`` does."""

    __slots__ = (
        "admin_socket",
        "answers_dir",
        "arena",
        "cache_dir",
        "cache_socket",
        "control_db",
        "current",
        "data_dir",
        "demo_socket",
        "key_file",
        "ledger_spool",
        "lock",
        "log_dir",
        "models_dir",
        "runtime_dir",
        "sealed",
        "spool_dir",
        "upgrade",
        "workers_socket",
    )

    def __init__(self, data_dir: str) -> None:
        root = os.path.realpath(data_dir)
        self.data_dir = root
        self.runtime_dir = _runtime_dir(root)
        self.lock = os.path.join(root, "lock")
        self.key_file = os.path.join(root, "microgate.key")
        self.sealed = os.path.join(root, "snapshot.sealed")
        self.control_db = os.path.join(root, "control.db")
        self.log_dir = os.path.join(root, "log")
        self.spool_dir = os.path.join(root, "spool")
        self.ledger_spool = os.path.join(self.spool_dir, "ledger")
        self.admin_socket = self._socket("admin.sock")
        self.workers_socket = self._socket("workers.sock")
        self.cache_dir = os.path.join(root, "cache")
        self.answers_dir = os.path.join(self.cache_dir, "answers")
        self.models_dir = os.path.join(root, "models")
        self.cache_socket = self._socket("cache.sock")
        self.demo_socket = os.path.join(self.runtime_dir, "demo.sock")
        self.arena = os.path.join(self.runtime_dir, "arena")
        self.current = os.path.join(self.runtime_dir, "current")
        self.upgrade = os.path.join(self.runtime_dir, "upgrade.json")

    def __repr__(self) -> str:
        return f"Paths({self.data_dir!r})"

    def _socket(self, name: str) -> str:
        path = os.path.join(self.data_dir, name)
        return path if len(os.fsencode(path)) <= _SOCKET_PATH_BYTES else os.path.join(self.runtime_dir, name)

    def ring(self, worker: int) -> str:
        """Record ring of a worker (shared memory)."""
        return os.path.join(self.runtime_dir, f"ring-{worker}")

    def spill(self, worker: int) -> str:
        """Where a worker's records go while its ring is full (durable)."""
        return os.path.join(self.spool_dir, f"records-{worker}")

    def worker_lock(self, worker: int) -> str:
        """The file whose flock makes a process worker ``worker``."""
        return os.path.join(self.runtime_dir, f"worker-{worker}.lock")

    def table(self, generation: int) -> str:
        """Table of virtual keys of one generation."""
        return os.path.join(self.runtime_dir, f"vkeys-{generation}.tbl")

    def affinity(self, name: str) -> str:
        """Table of the prompts that a provider's keys hold warm (shared memory)."""
        return os.path.join(self.runtime_dir, f"affinity-{name}.tbl")

    def remove_affinities(self) -> None:
        """At the end of the instance: they take 2 MiB each, and would soon be out of date."""
        for name in os.listdir(self.runtime_dir):
            if name.startswith("affinity-"):
                os.unlink(os.path.join(self.runtime_dir, name))

    def snapshot(self, version: int) -> str:
        return os.path.join(self.runtime_dir, f"snapshot-{version}.mp")

    def current_snapshot(self) -> str | None:
        """Path of the snapshot to serve from, as last named by ``point_at``; None when there is none yet."""
        try:
            with open(self.current, encoding="utf-8") as file:
                name = file.read().strip()
        except FileNotFoundError:
            return None
        return os.path.join(self.runtime_dir, os.path.basename(name)) if name else None

    def point_at(self, version: int) -> None:
        """Make ``snapshot(version)`` the one a starting worker loads: a text file with its name, replaced whole."""
        temporary = f"{self.current}.{os.getpid()}"
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(os.path.basename(self.snapshot(version)))
        os.replace(temporary, self.current)

    def create(self) -> None:
        """Make the directories, private to this user. Raises DirectoryError when one cannot be made or is not ours."""
        for path in (self.data_dir, self.spool_dir, self.log_dir):
            _private_directory(path, tighten=True)
        # /dev/shm is writable for everybody: a directory that somebody else has put there is refused, not mended.
        _private_directory(self.runtime_dir, tighten=False)


def _runtime_dir(data_dir: str) -> str:
    if not os.path.isdir(SHARED_MEMORY) or not os.access(SHARED_MEMORY, os.W_OK):
        return os.path.join(data_dir, "run")
    digest = blake2b(os.fsencode(data_dir), digest_size=8).hexdigest()
    return os.path.join(SHARED_MEMORY, f"microgate-{os.getuid()}-{digest}")


def _private_directory(path: str, *, tighten: bool) -> None:
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        found = os.lstat(path)
        if not stat.S_ISDIR(found.st_mode):
            raise DirectoryError(f"{path} is not a directory")
        if found.st_uid != os.getuid():
            raise DirectoryError(f"{path} belongs to user {found.st_uid}, not to user {os.getuid()} who runs microgate")
        if stat.S_IMODE(found.st_mode) & 0o077:
            if not tighten:
                raise DirectoryError(f"{path} is open to other users; remove it and start again")
            os.chmod(path, 0o700)
        if not os.access(path, os.W_OK | os.X_OK):
            raise DirectoryError(f"{path} is not writable")
    except FileExistsError:
        raise DirectoryError(f"{path} is not a directory") from None
    except OSError as error:
        raise DirectoryError(f"cannot use {path}: {error.strerror or error}") from error
