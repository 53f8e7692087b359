"""Records and the rings that carry them to the control process: pure twin of ``_ring.pyx``, same bytes."""

from __future__ import annotations

import mmap
import os
import struct
import time
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

MODEL_BYTES: Final = 96
DROPPED_BYTES: Final = 64
RECEIPT_BYTES: Final = 48

_MASK64: Final = (1 << 64) - 1
_PRIME: Final = (1 << 61) - 1
_ROW_HEAD: Final = struct.Struct("<QQQQQ24x")
_RECORD: Final = struct.Struct("<6Q7qq5q3qI8H9B3x16s96s96s64s48s112x")
assert _RECORD.size == RECORD_SIZE and _ROW_HEAD.size == HEAD_SIZE


def checksum(record: bytes | memoryview, sequence: int, epoch: int) -> int:
    """64 bits over a packed record and its identity: the record as one number modulo 2**61 - 1, so that a single changed
    word always shows, spread by odd multipliers."""
    value = int.from_bytes(record, "little") % _PRIME
    value ^= (sequence * 0x9E3779B97F4A7C15 + epoch * 0xC2B2AE3D27D4EB4F) & _MASK64
    return (value * 0xD6E8FEB86659FD93 + 1) & _MASK64


class Record:
    """One row of the trail; see the contract for the fields."""

    __slots__ = (
        "attempt", "attempts", "audio_in_tokens", "audio_out_tokens", "cache_verdict", "cache_write_tokens",
        "cached_tokens", "chunks", "completion_tokens", "cost_nanodollars", "dialect", "dropped", "error_kind", "flags",
        "gateway_us", "kind", "model", "operation", "outcome", "prompt_tokens", "provider", "provider_key", "queue_us",
        "reasoning_tokens", "receipt", "request_bytes", "request_id", "response_bytes", "route", "schema", "snapshot",
        "started_ns", "status", "stream", "target_dialect", "target_model", "total_us", "ttft_us", "upstream_us",
        "usage_source", "virtual_key",
    )  # fmt: skip

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.started_ns = self.snapshot = self.virtual_key = self.provider = self.provider_key = self.route = 0
        self.prompt_tokens = self.completion_tokens = self.cached_tokens = self.cache_write_tokens = 0
        self.reasoning_tokens = self.audio_in_tokens = self.audio_out_tokens = self.cost_nanodollars = 0
        self.queue_us = self.gateway_us = self.upstream_us = self.ttft_us = self.total_us = 0
        self.request_bytes = self.response_bytes = self.chunks = 0
        self.flags = self.kind = self.operation = self.dialect = self.target_dialect = 0
        self.schema = SCHEMA
        self.status = self.attempt = self.attempts = self.stream = self.outcome = 0
        self.error_kind = self.usage_source = self.cache_verdict = 0
        self.request_id = self.model = self.target_model = self.dropped = self.receipt = b""

    def pack(self) -> bytes:
        return _RECORD.pack(
            self.started_ns, self.snapshot, self.virtual_key, self.provider, self.provider_key, self.route,
            self.prompt_tokens, self.completion_tokens, self.cached_tokens, self.cache_write_tokens,
            self.reasoning_tokens, self.audio_in_tokens, self.audio_out_tokens, self.cost_nanodollars,
            self.queue_us, self.gateway_us, self.upstream_us, self.ttft_us, self.total_us,
            self.request_bytes, self.response_bytes, self.chunks,
            self.flags, self.kind, self.schema, self.operation, self.dialect, self.target_dialect, self.status,
            self.attempt, self.attempts, self.stream, self.outcome, self.error_kind, self.usage_source,
            self.cache_verdict, min(len(self.model), MODEL_BYTES), min(len(self.target_model), MODEL_BYTES),
            min(len(self.dropped), DROPPED_BYTES), min(len(self.receipt), RECEIPT_BYTES),
            self.request_id, self.model, self.target_model, self.dropped, self.receipt,
        )  # fmt: skip

    @staticmethod
    def unpack(data: bytes) -> Record:
        """Raises ValueError for fewer than RECORD_SIZE bytes."""
        if len(data) < RECORD_SIZE:
            raise ValueError(f"a record has {RECORD_SIZE} bytes, got {len(data)}")
        r = Record()
        (
            r.started_ns, r.snapshot, r.virtual_key, r.provider, r.provider_key, r.route,
            r.prompt_tokens, r.completion_tokens, r.cached_tokens, r.cache_write_tokens,
            r.reasoning_tokens, r.audio_in_tokens, r.audio_out_tokens, r.cost_nanodollars,
            r.queue_us, r.gateway_us, r.upstream_us, r.ttft_us, r.total_us,
            r.request_bytes, r.response_bytes, r.chunks,
            r.flags, r.kind, r.schema, r.operation, r.dialect, r.target_dialect, r.status,
            r.attempt, r.attempts, r.stream, r.outcome, r.error_kind, r.usage_source,
            r.cache_verdict, model, target, dropped, receipt,
            r.request_id, r.model, r.target_model, r.dropped, r.receipt,
        ) = _RECORD.unpack_from(data)  # fmt: skip
        r.model, r.target_model = r.model[:model], r.target_model[:target]
        r.dropped, r.receipt = r.dropped[:dropped], r.receipt[:receipt]
        return r


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


class RingWriter:
    """Producer side of one worker's ring; there is one at a time."""

    def __init__(
        self, path: str, slot: int, epoch: int, spill_path: str, size_bytes: int = 4 << 20, event_fd: int = -1
    ) -> None:
        self._mapping = open_ring(path, slot, size_bytes)
        self._bytes = memoryview(self._mapping)
        self._words = words = self._bytes.cast("Q")
        self._rows = words[W_ROWS]
        self._slot, self._epoch, self._event_fd = slot, epoch, event_fd
        words[W_EPOCH] = epoch
        self._spill = Spill(spill_path, words[W_SPILL_BASE], words[W_SPILL_DONE])
        words[W_SPILL_BASE] = self._spill.base

    def push(self, record: Record) -> bool:
        words, payload = self._words, record.pack()
        if self._spill.size and words[W_SPILL_DONE] == self._spill.base + self._spill.size:
            words[W_SPILL_BASE] = self._spill.cut()
        sequence = words[W_HEAD]
        if sequence - words[W_POSITION] >= self._rows:
            return self._push_to_spill(payload)
        at = RING_HEADER + sequence % self._rows * ROW_SIZE
        self._bytes[at : at + ROW_SIZE] = self._row(payload, sequence)
        words[W_HEAD] = sequence + 1
        if self._event_fd >= 0 and words[W_SLEEPING]:
            words[W_SLEEPING] = 0
            os.eventfd_write(self._event_fd, 1)
        return True

    def _row(self, payload: bytes, sequence: int) -> bytes:
        total = checksum(payload, sequence, self._epoch)
        return _ROW_HEAD.pack(sequence, self._epoch, self._slot, total, RECORD_SIZE) + payload

    def _push_to_spill(self, payload: bytes) -> bool:
        words = self._words
        sequence = words[W_SPILL_SEQUENCE]
        kept = self._spill.append(self._row(payload, sequence | SPILL_BIT))
        if kept:
            words[W_SPILL_SEQUENCE] = sequence + 1
            words[W_SPILLED] += 1
        else:
            words[W_DROPPED] += 1
        if self._event_fd >= 0 and words[W_SLEEPING]:
            words[W_SLEEPING] = 0
            os.eventfd_write(self._event_fd, 1)
        return kept

    @property
    def dropped(self) -> int:
        return self._words[W_DROPPED]

    @property
    def spilled(self) -> int:
        return self._words[W_SPILLED]

    def close(self) -> None:
        self._spill.close()
        self._words.release()
        self._bytes.release()
        self._mapping.close()


class RingReader:
    """Consumer side, in the control process. Positions are durable only when the caller commits them."""

    def __init__(self, path: str, spill_path: str) -> None:
        self._mapping = map_ring(path)
        self._bytes = memoryview(self._mapping)
        self._words = self._bytes.cast("Q")
        self._rows = self._words[W_ROWS]
        self._spill_path = spill_path
        self._next = self._words[W_POSITION]
        self._spill_next = self._words[W_SPILL_DONE]

    def read(self, most: int) -> list[tuple[int, int, int, bytes]]:
        found: list[tuple[int, int, int, bytes]] = []
        head = self._words[W_HEAD]
        while self._next < head and len(found) < most:
            at = RING_HEADER + self._next % self._rows * ROW_SIZE
            self._take(found, bytes(self._bytes[at : at + ROW_SIZE]), self._next)
            self._next += 1
        if len(found) < most and self._spill_waiting():
            self._read_spill(found, most - len(found))
        return found

    @staticmethod
    def _take(found: list[tuple[int, int, int, bytes]], row: bytes, expected: int) -> None:
        sequence, epoch, slot, total, size = _ROW_HEAD.unpack_from(row)
        payload = row[HEAD_SIZE:]
        if expected in (-1, sequence) and size == RECORD_SIZE and total == checksum(payload, sequence, epoch):
            found.append((slot, epoch, sequence, payload))

    def _spill_waiting(self) -> int:
        try:
            size = os.stat(self._spill_path).st_size
        except FileNotFoundError:
            return 0
        size -= size % ROW_SIZE
        return max(0, self._words[W_SPILL_BASE] + size - self._spill_next) // ROW_SIZE

    def _read_spill(self, found: list[tuple[int, int, int, bytes]], most: int) -> None:
        fd = os.open(self._spill_path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.pread(fd, most * ROW_SIZE, self._spill_next - self._words[W_SPILL_BASE])
        finally:
            os.close(fd)
        for at in range(0, len(data) - ROW_SIZE + 1, ROW_SIZE):
            self._take(found, data[at : at + ROW_SIZE], -1)
            self._spill_next += ROW_SIZE

    def commit(self) -> None:
        self._words[W_POSITION] = self._next
        self._words[W_SPILL_DONE] = self._spill_next

    def lag(self) -> int:
        return self._words[W_HEAD] - self._next + self._spill_waiting()

    def sleeping(self, yes: bool) -> None:
        self._words[W_SLEEPING] = int(yes)

    def close(self) -> None:
        self._words.release()
        self._bytes.release()
        self._mapping.close()
