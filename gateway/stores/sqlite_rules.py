"""How this program uses SQLite files, in one place: who may write, which settings, which versions are told apart.

SQLite before 3.51.3 (but for 3.50.7 and 3.44.6) can corrupt a file in WAL mode when several connections write and
checkpoint at once (the WAL-reset race). So every file has one writer process with one writing connection, which alone
checkpoints; everybody else opens it read-only and can neither write nor checkpoint. That is safe with every
version; with an affected one it is said aloud. Database files are never memory-mapped (``mmap_size=0``): an I/O
error there would be a SIGBUS instead of an exception.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sqlite3
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Literal
from urllib.parse import quote

FIXED_IN = (3, 51, 3)
BACKPORTED = ((3, 50, 7), (3, 44, 6))
"""Patch releases that carry the same fix; later ones of the same minor version carry it too."""

BUSY_MS = 2000
"""Only a reader that changes a file's journal mode can make the writer wait; two seconds is far beyond that."""

CHECKPOINT_PAGES = 4000
"""About 16 MiB of WAL between checkpoints: one fsync for some 40,000 rows instead of one for 2,500."""


def has_wal_reset_fix(version: Sequence[int] = sqlite3.sqlite_version_info) -> bool:
    """Whether this SQLite is free of the WAL-reset race."""
    at = tuple(version[:3])
    return at >= FIXED_IN or any(at[:2] == fixed[:2] and at >= fixed for fixed in BACKPORTED)


_CONFIG_MEMSTATUS = 9
"""sqlite3.h"""


def stop_counting_memory() -> bool:
    """Have this process's SQLite not count what it allocates: nobody asks, and to count each text that is bound and
    let go it takes a lock, which is a tenth of what a row costs. For the whole process, and only before its first
    connection and its first thread.

    False when this SQLite cannot be told; then it counts on."""
    module = find_spec("_sqlite3")
    # The library that the module itself is linked with, whichever others there are.
    library = ctypes.CDLL(module.origin if module is not None and module.has_location else None)
    try:
        shutdown, config, initialize = library.sqlite3_shutdown, library.sqlite3_config, library.sqlite3_initialize
    except AttributeError:
        return False
    told: bool = shutdown() == 0 and config(_CONFIG_MEMSTATUS, 0) == 0
    return initialize() == 0 and told


def version_note(version: Sequence[int] = sqlite3.sqlite_version_info) -> str:
    """What start-up and readiness say about this SQLite; empty when there is nothing to say."""
    if has_wal_reset_fix(version):
        return ""
    at = ".".join(map(str, version[:3]))
    return (
        f"SQLite {at} can corrupt a WAL file when several connections write (fixed in 3.51.3): "
        "every file is used in single-writer mode, other processes must only open it read-only"
    )


def describe(error: Exception) -> str:
    """The error in words that anybody may read: an OSError's own text would name a path."""
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)


def connect_writer(path: str) -> sqlite3.Connection:
    """The one writing connection of ``path``, in autocommit mode (transactions are begun explicitly). It has not
    changed the file yet: ``enter_wal`` does, once the caller knows the file for its own.

    A new file is made with mode 0600; its WAL and index inherit it. Raises sqlite3.Error, OSError.
    """
    # Never opened when it exists: closing any descriptor of a file drops this process's POSIX locks on it, SQLite's
    # too.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA mmap_size=0")
    connection.execute("PRAGMA cache_size=-2048")
    connection.execute("PRAGMA trusted_schema=OFF")
    return connection


def enter_wal(writer: sqlite3.Connection, *, synchronous: Literal["NORMAL", "FULL"]) -> None:
    """WAL mode, and how much of it a power loss may undo: nothing that was committed (FULL) or the last commits since a
    checkpoint (NORMAL); a killed process loses nothing either way."""
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute(f"PRAGMA synchronous={synchronous}")
    writer.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    # Caps the WAL file that a burst leaves behind; it would otherwise keep its largest size.
    writer.execute("PRAGMA journal_size_limit=33554432")


def connect_reader(path: str) -> sqlite3.Connection:
    """A read-only connection: it can neither write, create nor checkpoint. Raises sqlite3.Error when there is no
    file."""
    uri = f"file:{quote(os.path.abspath(path))}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA mmap_size=0")
    connection.execute("PRAGMA query_only=ON")
    connection.execute("PRAGMA cache_size=-1024")
    return connection
