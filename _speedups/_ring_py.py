"""Records and the rings that carry them to the control process: pure twin of ``_ring.pyx``, same bytes."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from typing import Any, Final

from _speedups._ring_file import (
    HEAD_SIZE,
    RECORD_SIZE,
    RING_HEADER,
    ROW_SIZE,
    SCHEMA,
    SPILL_BIT,
    STAGE_ROWS,
    W_DROPPED,
    W_EPOCH,
    W_HEAD,
    W_POSITION,
    W_ROWS,
    W_SLEEPING,
    W_SPILL_DONE,
    W_SPILL_MOVED,
    W_SPILL_SEQUENCE,
    W_SPILLED,
    Spill,
    SpillReader,
    map_ring,
    open_ring,
    stage_of,
)

__all__ = ["RECORD_SIZE", "Record", "RingReader", "RingWriter"]

MODEL_BYTES: Final = 96
DROPPED_BYTES: Final = 64
RECEIPT_BYTES: Final = 48

_MASK64: Final = (1 << 64) - 1
_PRIME: Final = (1 << 61) - 1
_ROW_HEAD: Final = struct.Struct("<QQQQQ24x")
_RECORD: Final = struct.Struct("<6Q7qq5q3qI8H9B3x16s96s96s64s48s16s2Q80x")
_VALUES: Final = struct.Struct("<Q5q7qq5q3qI8H9B3x16s96s96s64s48s16s2q80x")
"""The record as SQL has it: ids are signed there."""
assert _RECORD.size == _VALUES.size == RECORD_SIZE
assert _ROW_HEAD.size == HEAD_SIZE


def checksum(record: bytes | memoryview, sequence: int, epoch: int) -> int:
    """64 bits over a packed record and its identity: the record as one number modulo 2**61 - 1, so that a changed word
    always shows, spread by odd multipliers."""
    value = int.from_bytes(record, "little") % _PRIME
    value ^= (sequence * 0x9E3779B97F4A7C15 + epoch * 0xC2B2AE3D27D4EB4F) & _MASK64
    return (value * 0xD6E8FEB86659FD93 + 1) & _MASK64


class Record:
    """One row of the trail; see the contract for the fields."""

    __slots__ = (
        "attempt", "attempts", "audio_in_tokens", "audio_out_tokens", "cache_verdict", "cache_write_tokens",
        "cached_tokens", "chunks", "client", "completion_tokens", "cost_nanodollars", "customer", "dialect", "dropped",
        "error_kind", "flags", "gateway_us", "kind", "model", "operation", "outcome", "prompt_tokens", "provider",
        "provider_key", "queue_us", "reasoning_tokens", "receipt", "request_bytes", "request_id", "response_bytes",
        "route", "schema", "snapshot", "started_ns", "status", "stream", "target_dialect", "target_model", "team",
        "total_us", "ttft_us", "upstream_us", "usage_source", "virtual_key",
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
        self.request_id = self.model = self.target_model = self.dropped = self.receipt = self.client = b""
        self.team = self.customer = 0

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
            self.request_id, self.model, self.target_model, self.dropped, self.receipt, self.client,
            self.team, self.customer,
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
            r.request_id, r.model, r.target_model, r.dropped, r.receipt, r.client,
            r.team, r.customer,
        ) = _RECORD.unpack_from(data)  # fmt: skip
        r.model, r.target_model = r.model[:model], r.target_model[:target]
        r.dropped, r.receipt = r.dropped[:dropped], r.receipt[:receipt]
        return r


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
        self._spill = Spill(spill_path, self._mapping)

    def push(self, record: Record) -> bool:
        words, payload = self._words, record.pack()
        sequence = words[W_HEAD]
        if sequence - words[W_POSITION] >= self._rows:
            return self._push_to_stage(payload)
        at = RING_HEADER + sequence % self._rows * ROW_SIZE
        self._bytes[at : at + ROW_SIZE] = self._row(payload, sequence)
        words[W_HEAD] = sequence + 1
        self._tell()
        return True

    def _row(self, payload: bytes, sequence: int) -> bytes:
        total = checksum(payload, sequence, self._epoch)
        return _ROW_HEAD.pack(sequence, self._epoch, self._slot, total, RECORD_SIZE) + payload

    def _tell(self) -> None:
        if self._event_fd >= 0 and self._words[W_SLEEPING]:
            self._words[W_SLEEPING] = 0
            os.eventfd_write(self._event_fd, 1)

    def _push_to_stage(self, payload: bytes) -> bool:
        words = self._words
        sequence = words[W_SPILL_SEQUENCE]
        if sequence - words[W_SPILL_MOVED] >= STAGE_ROWS:
            self._spill.tend()
            if sequence - words[W_SPILL_MOVED] >= STAGE_ROWS:
                words[W_DROPPED] += 1
                self._tell()
                return False
        at = stage_of(self._rows) + sequence % STAGE_ROWS * ROW_SIZE
        self._bytes[at : at + ROW_SIZE] = self._row(payload, sequence | SPILL_BIT)
        words[W_SPILL_SEQUENCE] = sequence + 1
        words[W_SPILLED] += 1
        self._tell()
        return True

    @property
    def untidy(self) -> bool:
        return self._spill.untidy

    def tend(self) -> None:
        self._spill.tend()

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
        self._next = self._words[W_POSITION]
        self._spill = SpillReader(spill_path, self._mapping)

    def read(self, most: int) -> list[Any]:
        values: list[Any] = []
        head = self._words[W_HEAD]
        while self._next < head and most > 0:
            at = RING_HEADER + self._next % self._rows * ROW_SIZE
            most -= self._take(values, bytes(self._bytes[at : at + ROW_SIZE]), self._next)
            self._next += 1
        if not values:
            for row in self._spill.read(most):
                self._take(values, row, -1)
        return values

    @staticmethod
    def _take(values: list[Any], row: bytes, expected: int) -> int:
        sequence, epoch, slot, total, size = _ROW_HEAD.unpack_from(row)
        if expected not in (-1, sequence) or size != RECORD_SIZE or total != checksum(row[HEAD_SIZE:], sequence, epoch):
            return 0
        f = _VALUES.unpack_from(row, HEAD_SIZE)
        model, target_model, dropped, receipt = (
            field[:length].decode("utf-8", "replace") for field, length in zip(f[41:45], f[36:40], strict=True)
        )
        values += (slot, epoch, sequence, f[0] // 1000)
        values += f[1:24]
        values += f[25:36]
        values += (bytearray(f[40]), model, target_model, dropped, receipt, bytearray(f[45]), *f[46:48])
        return 1

    def resume(self, stored: Iterable[tuple[int, int]]) -> int:
        words = self._words
        self._next = done = words[W_POSITION]
        self._spill.next = words[W_SPILL_DONE]
        skipped = 0
        for epoch, sequence in stored:
            if sequence & SPILL_BIT:
                skipped += self._spill.skip(epoch, sequence)
            elif done <= sequence < words[W_HEAD]:
                at = RING_HEADER + sequence % self._rows * ROW_SIZE
                if _ROW_HEAD.unpack_from(self._bytes, at)[:2] == (sequence, epoch):
                    skipped += sequence + 1 - self._next
                    self._next = sequence + 1
        return skipped

    def commit(self) -> None:
        self._words[W_POSITION] = self._next
        self._words[W_SPILL_DONE] = self._spill.next

    def lag(self) -> int:
        return self._words[W_HEAD] - self._next + self._spill.waiting()

    def sleeping(self, yes: bool) -> None:
        self._words[W_SLEEPING] = int(yes)

    def close(self) -> None:
        self._spill.close()
        self._words.release()
        self._bytes.release()
        self._mapping.close()
