"""Where ledger rows wait while the ledger cannot be written: a file of this host, synced before a row counts as kept.

Frames of length, checksum and msgpack, one a batch. The ledger leaves out what it has already, so frames are posted
again without harm: how far they were posted is not stored, and the file is emptied once all are.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator, Sequence

import msgspec

from gateway.stores.ledger import LedgerRow
from gateway.stores.protocols import StoreUnavailable
from gateway.stores.sqlite_rules import describe

MAX_BYTES = 1 << 30
"""As a ring's spill file: some 7 million rows. What comes then waits in the rings."""

_HEAD = struct.Struct("<II")


class LedgerSpool:
    """The file at ``path``, made when it is first needed. One thread uses it."""

    def __init__(self, path: str, max_bytes: int = MAX_BYTES) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._done = 0
        """Bytes whose rows have been posted."""
        self._size = self._sound_size()

    @property
    def waiting_bytes(self) -> int:
        return self._size - self._done

    def append(self, rows: Sequence[LedgerRow]) -> None:
        """Keep rows; they are on the disk when this returns. Raises StoreUnavailable: then none of them is kept."""
        body = msgspec.msgpack.encode(rows)
        frame = _HEAD.pack(len(body), zlib.crc32(body)) + body
        if self._size + len(frame) > self._max_bytes:
            raise StoreUnavailable("the ledger's spool is full")
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                # Whatever a failed append has left behind the last sound frame is written over.
                written = os.pwrite(fd, frame, self._size)
                if written != len(frame):
                    raise OSError(28, "no space left")
                os.ftruncate(fd, self._size + len(frame))
                os.fdatasync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            raise StoreUnavailable(f"the ledger's spool: {describe(error)}") from error
        self._size += len(frame)

    def next(self) -> tuple[list[LedgerRow], int] | None:
        """The first rows that have not been posted, and what to call ``posted`` with once they are; None when there are
        none. Raises StoreUnavailable."""
        if not self.waiting_bytes:
            return None
        try:
            with open(self.path, "rb") as file:
                body = _frame(file.fileno(), self._done)
        except OSError as error:
            raise StoreUnavailable(f"the ledger's spool: {describe(error)}") from error
        if body is None:
            raise StoreUnavailable("the ledger's spool is damaged")
        return msgspec.msgpack.decode(body, type=list[LedgerRow]), self._done + _HEAD.size + len(body)

    def waiting(self) -> Iterator[list[LedgerRow]]:
        """All rows that have not been posted, a batch at a time; they stay. Raises StoreUnavailable."""
        at = self._done
        try:
            if at == self._size:
                return
            with open(self.path, "rb") as file:
                while at < self._size and (body := _frame(file.fileno(), at)) is not None:
                    yield msgspec.msgpack.decode(body, type=list[LedgerRow])
                    at += _HEAD.size + len(body)
        except OSError as error:
            raise StoreUnavailable(f"the ledger's spool: {describe(error)}") from error

    def posted(self, until: int) -> None:
        """Rows up to there are in the ledger."""
        self._done = until
        if not self.waiting_bytes:
            with contextlib.suppress(OSError):
                os.truncate(self.path, 0)
            self._done = self._size = 0

    def _sound_size(self) -> int:
        """Bytes of the frames that are whole: what lies behind was being written when the machine went down, and nobody
        was told that it is kept."""
        size = 0
        try:
            with open(self.path, "rb") as file:
                while (body := _frame(file.fileno(), size)) is not None:
                    size += _HEAD.size + len(body)
        except FileNotFoundError:
            return 0
        return size


def _frame(fd: int, at: int) -> bytes | None:
    """Content of the frame at this place; None when there is no whole one."""
    head = os.pread(fd, _HEAD.size, at)
    if len(head) < _HEAD.size:
        return None
    length, checksum = _HEAD.unpack(head)
    body = os.pread(fd, length, at + _HEAD.size)
    return body if len(body) == length and length and zlib.crc32(body) == checksum else None
