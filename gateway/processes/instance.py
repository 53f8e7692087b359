"""One data directory, one running instance: the lock file."""

from __future__ import annotations

import fcntl
import os


class AlreadyRunning(Exception):
    """Another instance holds the data directory; the message names it."""


class InstanceLock:
    """Holds ``path`` until closed, or until this process is gone: the kernel drops the lock with the last descriptor,
    which is why no child may keep a copy."""

    def __init__(self, path: str, data_dir: str) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._file, 32).decode("ascii", "replace").strip()
            self.close()
            who = f" (process {holder})" if holder else ""
            raise AlreadyRunning(
                f"{data_dir} is in use by another microgate{who}: give this one its own --data-dir"
            ) from None
        self.sign()

    @classmethod
    def taken(cls, descriptor: int) -> InstanceLock:
        """A predecessor's lock: held together with it until both have let go."""
        lock = cls.__new__(cls)
        lock._file = descriptor
        return lock

    def sign(self) -> None:
        """Write down that this process is the instance."""
        # In one piece and always as long: whoever reads it sees the old one or the new one.
        os.pwrite(self._file, f"{os.getpid():<15}\n".encode("ascii"), 0)

    def fileno(self) -> int:
        return self._file

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def holder(path: str) -> int:
    """Process id of the instance that holds this lock file; 0 when none does."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(os.read(file, 32).strip() or 0)
    finally:
        os.close(file)
    return 0
