"""The directory of an LMDB cache: a file ``current`` that says which generation is in use, and the generations.

LMDB maps its file and trusts it: a damaged page ends the process with SIGSEGV or SIGBUS. So the writer reads the whole
file through before anybody maps it (``lmdb.verify``, which maps nothing), and readers map only what a living writer of
this boot has verified. What cannot be used is thrown away: it is a cache. A new file is a new generation in a directory
of its own, so that a reader of the old one is not disturbed.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Callable
from typing import NamedTuple

import lmdb
import lmdb.verify

from gateway.stores.lmdb_entry import index_rows, is_whole, unpack
from gateway.stores.protocols import StoreUnavailable

ANSWERS, BY_EXPIRY, BY_AGE = b"answers", b"by_expiry", b"by_age"
"""Named databases: key -> entry; time of expiry, stamp -> key; stamp -> key."""

MOST_READERS = 1024
"""Slots of the reader table, 64 bytes each: one a worker, and those of workers that were killed until the next
``reader_check``."""

_PREFIX = "g-"

_PLAIN = b"\0\0"
_OF_FREE_PAGES = b"\x08\0"
"""Flags of databases: none, and MDB_INTEGERKEY."""


class Current(NamedTuple):
    """What the file ``current`` says."""

    generation: str
    map_bytes: int
    boot: str
    """Boot id under which the writer opened or closed it."""
    pid: int
    """Of the writer; 0: it was closed in good order, and everything is on the disk."""


def boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def current_path(directory: str) -> str:
    return os.path.join(directory, "current")


def read_current(directory: str) -> Current | None:
    """None when there is none, or it cannot be read."""
    try:
        with open(current_path(directory)) as file:
            said = json.load(file)
        current = Current(**said)
        usable = [type(value) for value in current] == [str, int, str, int] and current.generation.startswith(_PREFIX)
    except (OSError, ValueError, TypeError):
        return None
    return current if usable and "/" not in current.generation else None


def write_current(directory: str, current: Current) -> None:
    """Replaces it at once, and is on the disk when this returns: else a loss of power could bring back that a file was
    closed in good order which has been written to since. Raises OSError."""
    path = current_path(directory)
    with open(path + ".new", "w") as file:
        json.dump(current._asdict(), file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def take_lock(directory: str) -> int:
    """Be the one writer until the descriptor is closed. Raises StoreUnavailable, OSError."""
    os.makedirs(directory, mode=0o700, exist_ok=True)
    fd = os.open(os.path.join(directory, "writer.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise StoreUnavailable("answer cache: another process writes it") from error
    return fd


def generations(directory: str) -> list[str]:
    return [name for name in os.listdir(directory) if name.startswith(_PREFIX)]


def new_generation(directory: str) -> str:
    """Name of a new, empty directory. Raises OSError."""
    name = _PREFIX + secrets.token_hex(8)
    os.mkdir(os.path.join(directory, name), mode=0o700)
    return name


def forget(directory: str, *, but: str = "") -> None:
    """Remove every generation other than ``but``; who has mapped one keeps it until they let go."""
    for name in generations(directory):
        if name != but:
            shutil.rmtree(os.path.join(directory, name), ignore_errors=True)


def why_unusable(directory: str, current: Current) -> str:
    """Why the file that ``current`` names must not be mapped; empty when it may be."""
    if current.pid and current.boot != boot_id():
        return "the machine went down while it was open"
    verify: Callable[[str], list[str]] = lmdb.verify.verify
    try:
        path = os.path.join(directory, current.generation)
        problems = verify(path) or _of_another_kind(os.path.join(path, "data.mdb"))
    except Exception as error:  # whatever a damaged file makes of what reads its structure
        return f"its file cannot be read ({str(error) or type(error).__name__})"
    return f"its file is damaged ({problems[0]})" if problems else ""


def _of_another_kind(path: str) -> list[str]:
    """A bit that makes a database one of another kind (DUPSORT, say) leaves the structure sound, and ends the process
    that opens it as what it was. For a file whose structure has been verified; offsets as in LMDB 0.9's mdb.c."""
    with open(path, "rb") as file:
        page_bytes = int.from_bytes(os.pread(file.fileno(), 4, 40), "little")
        metas = [os.pread(file.fileno(), 152, at * page_bytes) for at in (0, 1)]
        meta = max(metas, key=lambda each: int.from_bytes(each[144:152], "little"))
        root = os.pread(file.fileno(), page_bytes, int.from_bytes(meta[128:136], "little") * page_bytes)
    if meta[44:46] != _OF_FREE_PAGES or meta[92:94] != _PLAIN:
        return ["a database of another kind"]
    kinds = {}
    for at in range(16, int.from_bytes(root[12:14], "little"), 2):
        node = int.from_bytes(root[at : at + 2], "little")
        data = node + 8 + int.from_bytes(root[node + 6 : node + 8], "little")
        kinds[root[node + 8 : data]] = root[data + 4 : data + 6]
    known = dict.fromkeys((ANSWERS, BY_EXPIRY, BY_AGE), _PLAIN)
    return [] if kinds == known else ["a database of another kind"]


def open_writer(directory: str, generation: str, map_bytes: int) -> lmdb.Environment:
    """Raises lmdb.Error."""
    # Nothing is synced but by closing: a file that was open when the machine went down is thrown away anyhow.
    return lmdb.open(
        os.path.join(directory, generation),
        map_size=map_bytes,
        max_dbs=3,
        max_readers=MOST_READERS,
        max_spare_txns=1,
        mode=0o600,
        readahead=False,
        metasync=False,
        sync=False,
    )


def open_reader(directory: str, current: Current) -> lmdb.Environment:
    """Raises lmdb.Error."""
    return lmdb.open(
        os.path.join(directory, current.generation),
        # As the writer maps it: with less, a file that has grown beyond could not be read any more.
        map_size=current.map_bytes,
        max_dbs=3,
        max_readers=MOST_READERS,
        # What makes a look-up cheap: the transaction of the last one is renewed.
        max_spare_txns=1,
        readahead=False,
        readonly=True,
        create=False,
    )


def why_unsound(env: lmdb.Environment) -> str:
    """What is wrong with the entries of a file whose structure is sound; empty when nothing is."""
    answers, by_expiry, by_age = (env.open_db(name) for name in (ANSWERS, BY_EXPIRY, BY_AGE))
    expiries = ages = 0
    with env.begin(answers) as txn:
        for key, entry in txn.cursor():
            if not is_whole(key, entry):
                return "its file is damaged (the checksum of an answer is wrong)"
            _, _, _, expires_ns, stamp, _ = unpack(entry)
            expiry, age = index_rows(expires_ns, stamp)
            expiries += hash((expiry, key))
            ages += hash((age, key))
        # Sums, since each index has an order of its own.
        for rows, expected in ((by_expiry, expiries), (by_age, ages)):
            if sum(map(hash, txn.cursor(rows))) != expected:
                return "its file is damaged (an index does not agree with the answers)"
    return ""


def is_alive(current: Current) -> bool:
    """Whether the writer that verified this file is there: else it may have been damaged since."""
    return current.pid != 0 and current.boot == boot_id() and os.path.exists(f"/proc/{current.pid}")
