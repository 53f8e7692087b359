"""The files of the snapshot: written whole or not at all, readable by this user only.

Beside the snapshot on tmpfs there are two files in the data directory: the key file, with the pepper of the
virtual-key table and the key that seals, and the sealed copy of the last plan that worked (``sealing.py``).
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
import struct
from dataclasses import dataclass
from typing import Protocol

import msgspec

from gateway.snapshot.digest import PEPPER_BYTES
from gateway.snapshot.model import Delta, Snapshot

SEALING_KEY_BYTES = 32
SEALED_HEADER = struct.Struct("<8sIQ12s")
"""Magic, entities that came from the database, version, nonce; authenticated with the content."""
SEALED_MAGIC = b"MGSEAL1\n"

_KEY_FILE = re.compile(rb"microgate-key 1\npepper ([0-9a-f]{64})\nsealing ([0-9a-f]{64})\n")
_SNAPSHOT_FILE = re.compile(r"(?:snapshot-\d+\.mp|vkeys-\d+\.tbl|affinity-[0-9a-f-]+\.tbl)")


class SnapshotPlaces(Protocol):
    """What is needed of ``gateway.processes.paths.Paths``."""

    @property
    def runtime_dir(self) -> str: ...
    def snapshot(self, version: int, /) -> str: ...
    def current_snapshot(self) -> str | None: ...
    def point_at(self, version: int) -> None: ...


class StoreError(Exception):
    """A file of the snapshot cannot be used; the message says which and what to do."""


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """Content of the key file. Without it a stolen table, snapshot copy or database opens nothing."""

    pepper: bytes
    sealing: bytes


def encode(value: Snapshot | Delta) -> bytes:
    """msgpack, as in the files and on the control channel."""
    return msgspec.msgpack.encode(value)


def decode(data: bytes) -> Snapshot:
    """Raises ValueError when ``data`` is no snapshot."""
    return msgspec.msgpack.decode(data, type=Snapshot)


def decode_delta(data: bytes) -> Delta:
    """Raises ValueError when ``data`` is no delta."""
    return msgspec.msgpack.decode(data, type=Delta)


def write_private(path: str, data: bytes, *, durable: bool = False) -> None:
    """Replace ``path`` atomically, mode 0600; with ``durable`` it has reached the disk on return."""
    temporary = f"{path}.{os.getpid()}.new"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    if durable:
        directory = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def publish(paths: SnapshotPlaces, snapshot: Snapshot) -> str:
    """Write the snapshot and make it the one that a starting worker loads; returns its path."""
    path = paths.snapshot(snapshot.version)
    write_private(path, encode(snapshot))
    paths.point_at(snapshot.version)
    return path


def read(path: str) -> Snapshot:
    """Raises StoreError when the file is missing or is no snapshot."""
    try:
        with open(path, "rb") as file:
            return decode(file.read())
    except (OSError, ValueError) as exc:
        raise StoreError(f"cannot read the snapshot {path}: {exc}") from exc


def current(paths: SnapshotPlaces) -> Snapshot | None:
    """The snapshot that was last published; None when there is none (or none that can be read)."""
    path = paths.current_snapshot()
    if path is None:
        return None
    with contextlib.suppress(StoreError):
        return read(path)
    return None


def remove_old(paths: SnapshotPlaces, keep: tuple[Snapshot, ...]) -> None:
    """Remove snapshots and tables that none of ``keep`` is or uses. What a worker has mapped stays alive with it."""
    kept = {os.path.basename(paths.snapshot(s.version)) for s in keep} | {s.table for s in keep}
    affinities = (p.prompt_cache_affinity for s in keep for p in s.providers.values())
    kept |= {affinity.table for affinity in affinities if affinity is not None}
    for name in os.listdir(paths.runtime_dir):
        if _SNAPSHOT_FILE.fullmatch(name) and name not in kept:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(paths.runtime_dir, name))


def load_or_create_keys(path: str) -> Keys:
    """Read the key file, or make one (0600) at the first start. Raises StoreError with what to do."""
    for _ in range(2):
        try:
            return _read_keys(path)
        except FileNotFoundError:
            pass
        keys = Keys(secrets.token_bytes(PEPPER_BYTES), secrets.token_bytes(SEALING_KEY_BYTES))
        text = f"microgate-key 1\npepper {keys.pepper.hex()}\nsealing {keys.sealing.hex()}\n"
        temporary = f"{path}.{os.getpid()}.new"
        try:
            write_private(temporary, text.encode(), durable=True)
            try:
                # link() refuses to replace: of two starts at once one wins, and both then use its keys.
                os.link(temporary, path)
            except FileExistsError:
                continue
            finally:
                os.unlink(temporary)
        except OSError as exc:
            raise StoreError(f"cannot write the key file {path}: {exc.strerror}") from exc
        return keys
    return _read_keys(path)


def read_pepper(path: str) -> bytes:
    """That of the key file; without one nothing has a digest yet, and any does. Raises StoreError."""
    try:
        return _read_keys(path).pepper
    except FileNotFoundError:
        return bytes(PEPPER_BYTES)


def _read_keys(path: str) -> Keys:
    try:
        with open(path, "rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(4096)
    except FileNotFoundError:
        raise
    except OSError as exc:
        raise StoreError(f"cannot read the key file {path}: {exc.strerror}") from exc
    if mode & 0o077:
        raise StoreError(f"the key file {path} can be read by other users (mode {mode:04o}); run: chmod 600 {path}")
    match = _KEY_FILE.fullmatch(content)
    if match is None:
        raise StoreError(
            f"{path} is not a key file; restore it from a backup, or remove it to have a new one made "
            "(virtual keys in the database are then lost)"
        )
    return Keys(bytes.fromhex(match[1].decode()), bytes.fromhex(match[2].decode()))


def sealed_head(path: str) -> tuple[int, int]:
    """(entities that came from the database, version) of the sealed plan, read without deciphering; (0, 0) when there
    is no such file. A start that has no such entity to take over need not open it."""
    try:
        with open(path, "rb") as file:
            head = file.read(SEALED_HEADER.size)
    except OSError:
        return 0, 0
    if len(head) < SEALED_HEADER.size:
        return 0, 0
    magic, entities, version, _ = SEALED_HEADER.unpack(head)
    return (entities, version) if magic == SEALED_MAGIC else (0, 0)
