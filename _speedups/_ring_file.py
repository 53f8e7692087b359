"""The files behind a ring: made, mapped, and the spill file for what a full ring cannot take. Shared by both twins.

What a full ring cannot take is first staged in shared memory, where it costs what a place in the ring costs and
outlives its producer, and is moved to the spill file many rows at a time, off the loop (``Spill.tend``): a write to a
file may wait for its disk. The consumer reads a staged row where it is, in the file or still on the stage.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
import time
from typing import Final

RECORD_SIZE: Final = 640
SCHEMA: Final = 1

# A row of the ring: 64 bytes of head (sequence, epoch, slot, checksum, size), then the record.
HEAD_SIZE: Final = 64
ROW_SIZE: Final = HEAD_SIZE + RECORD_SIZE
RING_HEADER: Final = 4096
MAGIC: Final = int.from_bytes(b"mgring\0\2", "little")
LAYOUT: Final = RECORD_SIZE << 32 | ROW_SIZE << 16 | SCHEMA

# Words of the ring's header. Producer and consumer write different 64-byte lines.
W_MAGIC, W_LAYOUT, W_ROWS, W_SLOT = 0, 1, 2, 3
W_HEAD, W_EPOCH, W_DROPPED, W_SPILLED, W_SPILL_SEQUENCE, W_SPILL_BASE, W_SPILL_MOVED = 8, 9, 10, 11, 12, 13, 14
W_SPILL_FIRST, W_SPILL_CUT = 24, 25
W_POSITION, W_SPILL_DONE, W_SLEEPING = 16, 17, 18

# Spilled rows count apart from the ring's rows; this bit keeps both kinds of sequence numbers distinct.
SPILL_BIT: Final = 1 << 62
# A control process dead for so long that a worker spilled 1 GiB (1.5 million rows) will not come back in time.
SPILL_MAX_BYTES: Final = 1 << 30
SKIP_ROWS: Final = 1024
"""Read at a time while a row is looked for in the spill file."""
STAGE_ROWS: Final = 1024
"""Behind the ring's rows: as many as ten thousand requests a second leave between two looks of a worker."""


def rows_of(size_bytes: int) -> int:
    """Rows that a ring file of this size holds. Raises ValueError for fewer than 8."""
    rows = (size_bytes - RING_HEADER) // ROW_SIZE
    if rows < 8:
        raise ValueError(f"a ring needs at least {RING_HEADER + 8 * ROW_SIZE} bytes, got {size_bytes}")
    return rows


def stage_of(rows: int) -> int:
    """Where the stage of a ring with so many rows begins, in bytes."""
    return RING_HEADER + rows * ROW_SIZE


def open_ring(path: str, slot: int, size_bytes: int) -> mmap.mmap:
    """The mapping of a ring of this size and its stage, created when missing or of another layout; its space is
    allocated, so a full disk shows here (OSError) and not as SIGBUS."""
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
    size_bytes += STAGE_ROWS * ROW_SIZE
    fresh = f"{path}.new"
    fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(fd, 0, size_bytes)
        mapping = mmap.mmap(fd, size_bytes)
        words = memoryview(mapping).cast("Q")
        words[W_LAYOUT], words[W_ROWS], words[W_SLOT] = LAYOUT, rows, slot
        # Sequences start at the clock's microseconds: a ring made anew after a reboot never repeats a stored one.
        words[W_HEAD] = words[W_POSITION] = words[W_SPILL_SEQUENCE] = words[W_SPILL_MOVED] = time.time_ns() // 1000
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
    good = words[W_MAGIC] == MAGIC and words[W_LAYOUT] == LAYOUT and stage_of(words[W_ROWS] + STAGE_ROWS) <= size
    words.release()
    if not good:
        mapping.close()
        raise ValueError(f"{path}: not a ring of this layout")
    return mapping


class Spill:
    """Producer's end of the spill file. The producer alone cuts it, and only when the consumer has said that it is done
    with every byte, so the two need no lock: both count in bytes since the beginning of time. Sequences of spilled rows
    run on with their places there: row ``W_SPILL_FIRST + n`` is byte ``n * ROW_SIZE``, wherever it lies.

    Borrows the ring's mapping until ``close``. Raises OSError when the file cannot be had.
    """

    def __init__(self, path: str, mapping: mmap.mmap) -> None:
        self._whole = memoryview(mapping)
        self._words = words = self._whole.cast("Q")
        self._stage = self._whole[stage_of(words[W_ROWS]) :]
        self._tending = threading.Lock()
        """Held by whoever writes or cuts the file: the producer's loop does not, while the stage has room."""
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if words[W_SPILL_CUT]:
            # Killed between beginning to cut the file and publishing the new base.
            self._finish_cut()
        size = os.fstat(self.fd).st_size
        self.size = size - size % ROW_SIZE
        if self.size != size:
            os.ftruncate(self.fd, self.size)
        if self.size:
            # Killed between moving rows and saying so: the last one in the file tells.
            last = int.from_bytes(os.pread(self.fd, 8, self.size - ROW_SIZE), "little") ^ SPILL_BIT
            if words[W_SPILL_MOVED] <= last < words[W_SPILL_SEQUENCE]:
                words[W_SPILL_MOVED] = last + 1
        # A file that somebody else has emptied: the consumer is ahead of what is left.
        ahead = words[W_SPILL_DONE] - words[W_SPILL_BASE] - self.size - self.staged * ROW_SIZE
        if ahead > 0:
            words[W_SPILL_BASE] += ahead
        words[W_SPILL_FIRST] = words[W_SPILL_MOVED] - (words[W_SPILL_BASE] + self.size) // ROW_SIZE
        self.tend()

    @property
    def staged(self) -> int:
        """Rows that are not in the file yet."""
        return self._words[W_SPILL_SEQUENCE] - self._words[W_SPILL_MOVED]

    @property
    def untidy(self) -> bool:
        """Whether ``tend`` would find something to do."""
        return self.staged > 0 or self._is_read()

    def _is_read(self) -> bool:
        return self.size > 0 and self._words[W_SPILL_DONE] >= self._words[W_SPILL_BASE] + self.size

    def tend(self) -> None:
        """Move what is staged to the file, and cut it when all of it was read. Waits for the disk; may be called from
        any thread while the producer goes on. What the file does not take stays on the stage."""
        with self._tending:
            if self.fd < 0:
                return
            try:
                self._cut()
                while self.staged and self._move():
                    pass
                self._cut()
            except OSError:
                # Of cutting: whoever tends it next tries again.
                return

    def _move(self) -> int:
        """How many rows the file has taken, of those that lie next to each other."""
        words, first = self._words, self._words[W_SPILL_MOVED] % STAGE_ROWS
        rows = min(self.staged, STAGE_ROWS - first, (SPILL_MAX_BYTES - self.size) // ROW_SIZE)
        if rows <= 0:
            return 0
        try:
            written = os.write(self.fd, self._stage[first * ROW_SIZE : (first + rows) * ROW_SIZE])
        except OSError:
            return 0
        if written % ROW_SIZE:
            os.ftruncate(self.fd, self.size + written - written % ROW_SIZE)
        self.size += written - written % ROW_SIZE
        words[W_SPILL_MOVED] += written // ROW_SIZE
        return written // ROW_SIZE

    def _cut(self) -> None:
        if self._is_read():
            self._words[W_SPILL_CUT] = self._words[W_SPILL_BASE] + self.size
            self._finish_cut()
            self.size = 0

    def _finish_cut(self) -> None:
        words = self._words
        os.ftruncate(self.fd, 0)
        words[W_SPILL_BASE] = words[W_SPILL_CUT]
        words[W_SPILL_CUT] = 0

    def close(self) -> None:
        """Move what is staged, and let go of file and mapping."""
        self.tend()
        with self._tending:
            if self.fd >= 0:
                os.close(self.fd)
                self.fd = -1
                self._stage.release()
                self._words.release()
                self._whole.release()


class SpillReader:
    """Consumer's end of the spill file; ``next`` counts bytes since the beginning of time. Borrows the ring's mapping
    until ``close``.

    The producer may cut the file, and go on, between a look at its base and a look at the file. What was found is only
    taken when the base is the same behind it: nothing is appended between a cut and the base that tells of it.
    """

    def __init__(self, path: str, mapping: mmap.mmap) -> None:
        self.path = path
        self._whole = memoryview(mapping)
        self._words = self._whole.cast("Q")
        self._stage = self._whole[stage_of(self._words[W_ROWS]) :]
        self.next = self._words[W_SPILL_DONE]

    def _sequence(self) -> int:
        """Of the row to be read next."""
        return self._words[W_SPILL_FIRST] + self.next // ROW_SIZE

    def waiting(self) -> int:
        """Rows not read yet, wherever they are."""
        words = self._words
        staged = words[W_SPILL_SEQUENCE] - max(words[W_SPILL_MOVED], self._sequence())
        return self._in_file(words[W_SPILL_BASE]) + max(0, staged)

    def _in_file(self, base: int) -> int:
        """Whole rows of the file not read yet."""
        try:
            size = os.stat(self.path).st_size
        except FileNotFoundError:
            return 0
        return max(0, base + size - size % ROW_SIZE - self.next) // ROW_SIZE

    def read(self, most: int) -> list[bytes]:
        """Up to ``most`` rows, whole but unchecked."""
        while True:
            base = self._words[W_SPILL_BASE]
            rows = self._from_file(base, most)
            if self._words[W_SPILL_BASE] == base:
                break
        rows = rows or self._from_stage(most)
        self.next += len(rows) * ROW_SIZE
        return rows

    def _from_file(self, base: int, most: int) -> list[bytes]:
        if not self._in_file(base):
            return []
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.pread(fd, most * ROW_SIZE, self.next - base)
        finally:
            os.close(fd)
        return [data[at : at + ROW_SIZE] for at in range(0, len(data) - ROW_SIZE + 1, ROW_SIZE)]

    def _from_stage(self, most: int) -> list[bytes]:
        """Up to the first place that was moved to the file, and used again, since the file was looked at."""
        rows: list[bytes] = []
        first = self._sequence()
        for sequence in range(first, min(self._words[W_SPILL_SEQUENCE], first + most)):
            row = self._staged(sequence)
            # A place whose row was moved may have been used again while it was copied: looked at behind the copy.
            moved = self._words[W_SPILL_MOVED] > sequence
            used_again = moved and self._words[W_SPILL_SEQUENCE] - sequence >= STAGE_ROWS
            if used_again or row[:8] != struct.pack("<Q", sequence | SPILL_BIT):
                break
            rows.append(row)
        return rows

    def _staged(self, sequence: int) -> bytes:
        at = sequence % STAGE_ROWS * ROW_SIZE
        return bytes(self._stage[at : at + ROW_SIZE])

    def skip(self, epoch: int, sequence: int) -> int:
        """Go on behind the waiting row with this identity; how many rows that leaves out, 0 when it is not there."""
        while True:
            base = self._words[W_SPILL_BASE]
            skipped = self._up_to(base, epoch, sequence)
            if self._words[W_SPILL_BASE] == base:
                self.next += skipped * ROW_SIZE
                return skipped

    def _up_to(self, base: int, epoch: int, sequence: int) -> int:
        waiting = self._in_file(base)
        # Sequence and epoch, the first two words of a row.
        wanted = struct.pack("<QQ", sequence, epoch)
        if waiting and (skipped := self._find(base, waiting, wanted)):
            return skipped
        ahead = (sequence ^ SPILL_BIT) - self._sequence()
        staged = 0 <= ahead < self.waiting() and self._staged(sequence ^ SPILL_BIT).startswith(wanted)
        return ahead + 1 if staged else 0

    def _find(self, base: int, waiting: int, wanted: bytes) -> int:
        """The row that begins so, in the file: a ring that was made anew knows nothing of the sequences there."""
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if os.pread(fd, 8, self.next - base)[::-1] > wanted[7::-1]:
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

    def close(self) -> None:
        self._stage.release()
        self._words.release()
        self._whole.release()
