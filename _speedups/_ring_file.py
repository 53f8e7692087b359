"""The files behind a ring: made, mapped, and the spill file for what a full ring cannot take. Shared by both twins."""

from __future__ import annotations

import mmap
import os
import struct
import time
from collections.abc import Callable
from typing import Final

RECORD_SIZE: Final = 640
SCHEMA: Final = 1

# A row of the ring: 64 bytes of head (sequence, epoch, slot, checksum, size), then the record.
HEAD_SIZE: Final = 64
ROW_SIZE: Final = HEAD_SIZE + RECORD_SIZE
RING_HEADER: Final = 4096
MAGIC: Final = int.from_bytes(b"mgring\0\1", "little")
LAYOUT: Final = RECORD_SIZE << 32 | ROW_SIZE << 16 | SCHEMA

# Words of the ring's header. Producer and consumer write different 64-byte lines.
W_MAGIC, W_LAYOUT, W_ROWS, W_SLOT = 0, 1, 2, 3
W_HEAD, W_EPOCH, W_DROPPED, W_SPILLED, W_SPILL_SEQUENCE, W_SPILL_BASE = 8, 9, 10, 11, 12, 13
W_POSITION, W_SPILL_DONE, W_SLEEPING = 16, 17, 18

# Spilled rows count apart from the ring's rows; this bit keeps both kinds of sequence numbers distinct.
SPILL_BIT: Final = 1 << 62
# A control process dead for so long that a worker spilled 1 GiB (1.5 million rows) will not come back in time.
SPILL_MAX_BYTES: Final = 1 << 30
SKIP_ROWS: Final = 1024
"""Read at a time while a row is looked for in the spill file."""


def rows_of(size_bytes: int) -> int:
    """Rows that a ring file of this size holds. Raises ValueError for fewer than 8."""
    rows = (size_bytes - RING_HEADER) // ROW_SIZE
    if rows < 8:
        raise ValueError(f"a ring needs at least {RING_HEADER + 8 * ROW_SIZE} bytes, got {size_bytes}")
    return rows


def open_ring(path: str, slot: int, size_bytes: int) -> mmap.mmap:
    """The ring's mapping, created when missing or of another layout; its space is allocated, so a full disk shows here
    (OSError) and not as SIGBUS."""
    rows = rows_of(size_bytes)
    try:
        mapping = map_ring(path)
        words = memoryview(mapping).cast("Q")
        same = words[W_ROWS] == rows and words[W_SLOT] == slot
        words.release()
        if same:
            return mapping
        mapping.close()
    except (FileNotFoundError, ValueError):
        pass
    fresh = f"{path}.new"
    fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(fd, 0, size_bytes)
        mapping = mmap.mmap(fd, size_bytes)
        words = memoryview(mapping).cast("Q")
        words[W_LAYOUT], words[W_ROWS], words[W_SLOT] = LAYOUT, rows, slot
        # Sequences start at the clock's microseconds: a ring made anew after a reboot never repeats a stored one.
        words[W_HEAD] = words[W_POSITION] = words[W_SPILL_SEQUENCE] = time.time_ns() // 1000
        words[W_MAGIC] = MAGIC
        words.release()
        os.rename(fresh, path)
    except BaseException:
        os.unlink(fresh)
        raise
    finally:
        os.close(fd)
    return mapping


def map_ring(path: str) -> mmap.mmap:
    """The mapping of an existing ring. Raises FileNotFoundError, or ValueError for another layout."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        size = os.fstat(fd).st_size
        if size < RING_HEADER + ROW_SIZE:
            raise ValueError(f"{path}: not a ring")
        mapping = mmap.mmap(fd, size)
    finally:
        os.close(fd)
    words = memoryview(mapping).cast("Q")
    good = words[W_MAGIC] == MAGIC and words[W_LAYOUT] == LAYOUT and RING_HEADER + words[W_ROWS] * ROW_SIZE <= size
    words.release()
    if not good:
        mapping.close()
        raise ValueError(f"{path}: not a ring of this layout")
    return mapping


class Spill:
    """Producer's end of the spill file. The producer alone cuts it, and only when the consumer has said that it is done
    with every byte, so no lock is needed: the consumer counts in bytes since the beginning of time."""

    def __init__(self, path: str, base: int, done: int) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        size = os.fstat(self.fd).st_size
        self.size = size - size % ROW_SIZE
        if self.size != size:
            os.ftruncate(self.fd, self.size)
        # Killed between cutting the file and publishing the new base: the consumer is ahead of what is left.
        self.base = done - self.size if done > base + self.size else base

    def append(self, row: bytes) -> bool:
        """False when the row did not fit whole; nothing of it is left then."""
        if self.size + len(row) > SPILL_MAX_BYTES:
            return False
        try:
            written = os.write(self.fd, row)
        except OSError:
            written = 0
        if written == len(row):
            self.size += written
            return True
        if written:
            os.ftruncate(self.fd, self.size)
        return False

    def cut(self) -> int:
        """Empty the file; returns the new base."""
        os.ftruncate(self.fd, 0)
        self.base += self.size
        self.size = 0
        return self.base

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class SpillReader:
    """Consumer's end of the spill file; ``next`` counts bytes since the beginning of time.

    The producer may cut the file, and go on, between a look at its base and a look at the file. What was found is only
    taken when the base is the same behind it: nothing is appended between a cut and the base that tells of it.
    """

    def __init__(self, path: str, done: int) -> None:
        self.path = path
        self.next = done

    def waiting(self, base: int) -> int:
        """Whole rows not read yet."""
        try:
            size = os.stat(self.path).st_size
        except FileNotFoundError:
            return 0
        return max(0, base + size - size % ROW_SIZE - self.next) // ROW_SIZE

    def read(self, base_of: Callable[[], int], most: int) -> list[bytes]:
        """Up to ``most`` rows, whole but unchecked."""
        while True:
            base = base_of()
            rows = self._rows(base, most)
            if base_of() == base:
                self.next += len(rows) * ROW_SIZE
                return rows

    def _rows(self, base: int, most: int) -> list[bytes]:
        if not self.waiting(base):
            return []
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.pread(fd, most * ROW_SIZE, self.next - base)
        finally:
            os.close(fd)
        return [data[at : at + ROW_SIZE] for at in range(0, len(data) - ROW_SIZE + 1, ROW_SIZE)]

    def skip(self, base_of: Callable[[], int], epoch: int, sequence: int) -> int:
        """Go on behind the waiting row with this identity; how many rows that leaves out, 0 when it is not there."""
        while True:
            base = base_of()
            skipped = self._up_to(base, epoch, sequence)
            if base_of() == base:
                self.next += skipped * ROW_SIZE
                return skipped

    def _up_to(self, base: int, epoch: int, sequence: int) -> int:
        waiting = self.waiting(base)
        if not waiting:
            return 0
        # Sequence and epoch, the first two words of a row.
        wanted = struct.pack("<QQ", sequence, epoch)
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if int.from_bytes(os.pread(fd, 8, self.next - base), "little") > sequence:
                return 0
            for first in range(0, waiting, SKIP_ROWS):
                data = os.pread(fd, SKIP_ROWS * ROW_SIZE, self.next - base + first * ROW_SIZE)
                at = data.find(wanted)
                while at >= 0 and at % ROW_SIZE:
                    at = data.find(wanted, at + 1)
                if at >= 0:
                    return first + at // ROW_SIZE + 1
        finally:
            os.close(fd)
        return 0
