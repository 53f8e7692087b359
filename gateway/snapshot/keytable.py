"""The virtual keys, as one memory-mapped file shared by all workers: digest -> row of fixed size.

Layout, little endian, every 64-bit word naturally aligned::

    header   64 B   magic, row size, rows in use, rows there is room for, index size, checksum of the rows as built
    index    8 B x  a power of two: upper 32 bits a tag from the digest, lower 32 the row + 1; 0 is free
    rows     224 B x sequence, digest, id, flags, rule set, limit slots, pinned provider key, expiry, team, customer

One process writes (boot, later the control process), any number read. A row's sequence word is even when the row is
stable and odd while it is being written; its top bit means *revoked*, so that a revocation is one store and every
reader that kept the old sequence number notices it. An entry is published by the store of its index word, after its
row. Entries are never taken out of the index: a revoked key stays as a closed row until the next table is built.

A hundred thousand keys cost about 29 MiB once, for all workers together, and nothing when a snapshot is swapped.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.snapshot.digest import DIGEST_BYTES

ENABLED = 1
STATEFUL = 2
"""Pinned to one provider key: ``stateful`` names it."""
HARD_BUDGET = 4
FROM_FILE = 8
"""Declared in the operator's file (not in the database)."""
PRIORITY_HIGH = 16
PRIORITY_LOW = 32
"""Neither: normal."""

REVOKED = 1 << 63

MAX_LIMITS = 32
"""Slots of a row: what one request can be held to in the arena (a test holds the two together)."""

_MAGIC = b"MGVKEYS2"
_HEADER = struct.Struct("<8sIIQQ16s16x")
_HEADER_BYTES = 64
_USED_WORD = 2
"""Word of the header that counts the rows in use."""
_CHECKSUM = slice(32, 48)
_ROW = struct.Struct(f"<Q32sQIII{MAX_LIMITS}I4xQQQQ")
_BODY = struct.Struct(f"<32sQIII{MAX_LIMITS}I4xQQQQ")
ROW_BYTES = 224
_ROW_WORDS = ROW_BYTES // 8
_ID_WORD = 1 + DIGEST_BYTES // 8
"""Of a row: behind its sequence word and its digest."""
_SPARE = 64
"""Room for keys added in place, beside a quarter of those there are."""
_SPINS = 1000
"""Reads of a row that is being written before it is taken for closed: its writer died in the middle."""

if _ROW.size != ROW_BYTES or _HEADER.size != _HEADER_BYTES:  # pragma: no cover
    raise AssertionError("layout of the virtual-key table")


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One virtual key as stored. ``seq`` is 0 in a row that is yet to be written."""

    digest: bytes
    id_hash: int
    flags: int = ENABLED
    ruleset: int = 0
    limits: tuple[int, ...] = ()
    """Arena slots, in the order they are reported."""
    stateful: int = 0
    """id_hash of the provider key it is pinned to."""
    expires_s: int = 0
    """Wall-clock second from which it is refused; 0: never."""
    seq: int = 0
    team: int = 0
    """id_hash, like the next; 0: none."""
    customer: int = 0

    @property
    def enabled(self) -> bool:
        """Neither switched off nor revoked; expiry is the caller's to check."""
        return bool(self.flags & ENABLED)


class TableFull(Exception):
    """No room is left for a further key in place: a larger table has to be built."""


class KeyTable:
    """A mapping of the table; made by ``open`` or ``build`` and closed by ``close``."""

    __slots__ = ("_index_at", "_index_mask", "_map", "_rows_at", "_rows_room", "_view", "_words", "path", "writable")

    def __init__(self, path: str, mapping: mmap.mmap, *, writable: bool) -> None:
        """Raises ValueError when the mapping is not a whole table of this layout."""
        self.path = path
        self.writable = writable
        self._map = mapping
        if len(mapping) < _HEADER_BYTES:
            raise ValueError(f"{path}: not a virtual-key table")
        magic, row_bytes, _, used, room_index, _ = _HEADER.unpack_from(mapping)
        room, index = room_index >> 32, room_index & 0xFFFFFFFF
        if magic != _MAGIC or row_bytes != ROW_BYTES or index < 2 or index & (index - 1) or used > room:
            raise ValueError(f"{path}: not a virtual-key table of this version")
        self._index_at = _HEADER_BYTES // 8
        self._index_mask = index - 1
        self._rows_at = self._index_at + index
        self._rows_room = room
        if len(mapping) < self._rows_at * 8 + room * ROW_BYTES:
            raise ValueError(f"{path}: virtual-key table cut short")
        self._view = memoryview(mapping)
        self._words = self._view.cast("Q")

    @staticmethod
    def open(path: str, *, writable: bool = False) -> KeyTable:
        """Map an existing table. Raises OSError or ValueError. The file may be unlinked while it is mapped."""
        fd = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC)
        try:
            access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
            return KeyTable(path, mmap.mmap(fd, 0, access=access), writable=writable)
        finally:
            os.close(fd)

    @staticmethod
    def build(path: str, rows: Iterable[KeyRow], *, spare: int = _SPARE) -> KeyTable:
        """Write a table of ``rows`` (mode 0600, replaced atomically) and map it writable.

        Raises ValueError when two rows have the same digest, and OSError(ENOSPC) instead of a later SIGBUS.
        """
        rows = list(rows)
        room = len(rows) + len(rows) // 4 + spare
        # At most 5/8 of the index is ever in use, so that a probe ends after a few steps.
        index = 1 << max(4, (room * 8 // 5).bit_length())
        size = _HEADER_BYTES + index * 8 + room * ROW_BYTES
        temporary = f"{path}.{os.getpid()}.new"
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, size)
            mapping = mmap.mmap(fd, size)
            _HEADER.pack_into(mapping, 0, _MAGIC, ROW_BYTES, 0, 0, room << 32 | index, bytes(16))
            table = KeyTable(path, mapping, writable=True)
            checksum = hashlib.blake2b(digest_size=16)
            for row in rows:
                body = _BODY.pack(*_body(row))
                checksum.update(body)
                if table._add(row.digest, body) < 0:
                    raise ValueError("two virtual keys have the same value")
            mapping[_CHECKSUM] = checksum.digest()
            os.rename(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        finally:
            os.close(fd)
        return table

    def __len__(self) -> int:
        """Rows in use, revoked ones included."""
        return int(self._words[_USED_WORD])

    @property
    def checksum(self) -> bytes:
        """Of the rows the table was built from; zeros once a row was changed in place."""
        return bytes(self._view[_CHECKSUM])

    def find(self, digest: bytes) -> int:
        """Row of this digest, -1 when there is none. A row found may be revoked or switched off."""
        words, view = self._words, self._view
        at, mask, tag = self._index_at, self._index_mask, int.from_bytes(digest[8:12], "little")
        i = int.from_bytes(digest[:8], "little") & mask
        while entry := words[at + i]:
            if entry >> 32 == tag:
                row: int = (entry & 0xFFFFFFFF) - 1
                start = (self._rows_at + row * _ROW_WORDS) * 8 + 8
                if view[start : start + DIGEST_BYTES] == digest:
                    return row
            i = (i + 1) & mask
        return -1

    @property
    def words(self) -> memoryview:
        """The whole table as 64-bit words, for readers that look at one row's sequence word with every request."""
        return self._words

    def seq_at(self, row: int) -> int:
        """Index in ``words`` of a row's sequence word."""
        return int(self._rows_at + row * _ROW_WORDS)

    def seq(self, row: int) -> int:
        """Sequence word of a row: the same as in a ``KeyRow`` read before exactly as long as nothing has changed."""
        return int(self._words[self._rows_at + row * _ROW_WORDS])

    def row(self, row: int) -> KeyRow:
        """One consistent reading of a row; a revoked row, or one whose writer died half-way, is not enabled."""
        if not 0 <= row < len(self):
            raise IndexError(row)
        at = self._rows_at + row * _ROW_WORDS
        for _ in range(_SPINS):
            seq = self._words[at]
            if seq & 1:
                continue
            _, digest, id_hash, flags, ruleset, count, *rest = _ROW.unpack_from(self._map, at * 8)
            if self._words[at] == seq:
                if seq & REVOKED:
                    flags &= ~ENABLED
                slots = tuple(rest[: min(count, MAX_LIMITS)])
                stateful, expires_s, team, customer = rest[MAX_LIMITS:]
                return KeyRow(digest, id_hash, flags, ruleset, slots, stateful, expires_s, seq, team, customer)
        return KeyRow(bytes(DIGEST_BYTES), 0, 0, seq=self._words[at])

    def insert(self, row: KeyRow) -> int:
        """Add a key in place; returns its row. A digest that is there already is updated. Raises TableFull."""
        present = self.find(row.digest)
        if present >= 0:
            self.update(present, row)
            return present
        self._forget_checksum()
        return self._add(row.digest, _BODY.pack(*_body(row)))

    def update(self, index: int, row: KeyRow) -> None:
        """Rewrite a row (a revoked one is opened again). Raises ValueError when the digest is another one."""
        at = self._rows_at + index * _ROW_WORDS
        start = at * 8 + 8
        if not 0 <= index < len(self) or self._view[start : start + DIGEST_BYTES] != row.digest:
            raise ValueError("an update keeps the digest of its row")
        self._forget_checksum()
        seq = self._words[at] & ~REVOKED
        writing = seq | 1
        self._words[at] = writing
        _BODY.pack_into(self._map, start, *_body(row))
        self._words[at] = writing + 1

    def revoke(self, index: int) -> None:
        """Close a row with one store; workers notice at their next request."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        self._forget_checksum()
        at = self._rows_at + index * _ROW_WORDS
        self._words[at] = ((self._words[at] + 2) & ~1) | REVOKED

    def rows(self) -> Iterable[KeyRow]:
        """All rows in order of insertion, revoked ones included."""
        return (self.row(i) for i in range(len(self)))

    def of(self, id_hash: int) -> KeyRow:
        """The row of the key with this id. Looks through all of them. Raises LookupError."""
        for index in range(len(self)):
            at = self._rows_at + index * _ROW_WORDS
            if self._words[at + _ID_WORD] == id_hash and not self._words[at] & REVOKED:
                return self.row(index)
        raise LookupError(id_hash)

    def close(self) -> None:
        """Unmap; the table must not be used afterwards."""
        self._words.release()
        self._view.release()
        self._map.close()

    def _forget_checksum(self) -> None:
        if not self.writable:
            raise PermissionError("the table is mapped read-only")
        self._words[_CHECKSUM.start // 8] = self._words[_CHECKSUM.start // 8 + 1] = 0

    def _add(self, digest: bytes, body: bytes) -> int:
        """The new row, -1 when the digest is there already. Raises TableFull."""
        words, mask, index_at = self._words, self._index_mask, self._index_at
        used = words[_USED_WORD]
        if used >= self._rows_room:
            raise TableFull(self.path)
        tag = int.from_bytes(digest[8:12], "little")
        i = int.from_bytes(digest[:8], "little") & mask
        while entry := words[index_at + i]:
            if entry >> 32 == tag:
                start = (self._rows_at + ((entry & 0xFFFFFFFF) - 1) * _ROW_WORDS) * 8 + 8
                if self._view[start : start + DIGEST_BYTES] == digest:
                    return -1
            i = (i + 1) & mask
        at = self._rows_at + used * _ROW_WORDS
        self._view[at * 8 + 8 : at * 8 + ROW_BYTES] = body
        words[at] = 2
        words[_USED_WORD] = used + 1
        words[index_at + i] = tag << 32 | (used + 1)
        return int(used)


_PADDING = tuple((0,) * (MAX_LIMITS - n) for n in range(MAX_LIMITS + 1))


def _body(row: KeyRow) -> tuple[bytes | int, ...]:
    n = len(row.limits)
    if len(row.digest) != DIGEST_BYTES:
        raise ValueError("a digest has 32 bytes")
    if n > MAX_LIMITS:
        raise ValueError(f"a virtual key can have at most {MAX_LIMITS} limits")
    fixed = (row.digest, row.id_hash, row.flags, row.ruleset, n)
    return (*fixed, *row.limits, *_PADDING[n], row.stateful, row.expires_s, row.team, row.customer)


def rows_checksum(rows: Iterable[KeyRow]) -> bytes:
    """16 bytes that differ when the rows differ (in content or order); used to keep a table that need not change."""
    state = hashlib.blake2b(digest_size=16)
    for row in rows:
        state.update(_BODY.pack(*_body(row)))
    return state.digest()
