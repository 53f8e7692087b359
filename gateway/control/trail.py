"""A packed record as a plain tuple, and as a row of the request log.

Reading 46 fields with one ``struct`` call costs under a microsecond, through an object's attributes several. A test
holds this layout to what ``_speedups._bucket.Record`` writes.
"""

from __future__ import annotations

import struct
from typing import Any, TypeAlias

from _speedups._bucket import RECORD_SIZE
from gateway.records import Kind

Fields: TypeAlias = tuple[Any, ...]
"""Integers up to ``REQUEST_ID``, bytes from there."""

# Ids are read as signed integers, which is all that SQL knows; nothing else in a record comes near 2**63.
RECORD = struct.Struct("<6q7qq5q3qI8H9B3x16s96s96s64s48s16s96x")
if RECORD.size != RECORD_SIZE:  # pragma: no cover
    raise AssertionError("layout of the record")

# Places in the tuple.
STARTED_NS, SNAPSHOT, VIRTUAL_KEY, PROVIDER, PROVIDER_KEY, ROUTE = range(6)
PROMPT, COMPLETION, CACHED, CACHE_WRITE, REASONING, AUDIO_IN, AUDIO_OUT, COST = range(6, 14)
QUEUE_US, GATEWAY_US, UPSTREAM_US, TTFT_US, TOTAL_US, REQUEST_BYTES, RESPONSE_BYTES, CHUNKS = range(14, 22)
FLAGS, KIND, SCHEMA, OPERATION, DIALECT, TARGET_DIALECT, STATUS, ATTEMPT, ATTEMPTS = range(22, 31)
STREAM, OUTCOME, ERROR_KIND, USAGE_SOURCE, CACHE_VERDICT = range(31, 36)
MODEL_LENGTH, TARGET_LENGTH, DROPPED_LENGTH, RECEIPT_LENGTH = range(36, 40)
REQUEST_ID, MODEL, TARGET_MODEL, DROPPED, RECEIPT, CLIENT = range(40, 46)

unpack = RECORD.unpack_from

EXCHANGE = int(Kind.EXCHANGE)

NAMES_KEPT = 8192
"""Decoded model names remembered; forgotten all at once when there are more (callers can invent names)."""


def signed(id_hash: int) -> int:
    """A 64-bit id as records and the log hold it here."""
    return id_hash - (1 << 64) if id_hash >= 1 << 63 else id_hash


def unsigned(value: int) -> int:
    """The inverse of ``signed``."""
    return value & 0xFFFFFFFFFFFFFFFF


class Texts(dict[bytes, str]):
    """Zero-padded bytes -> text; most records name the same few models."""

    def __missing__(self, raw: bytes) -> str:
        if len(self) >= NAMES_KEPT:
            self.clear()
        text = self[raw] = raw.rstrip(b"\0").decode("utf-8", "replace")
        return text


def log_row(slot: int, epoch: int, sequence: int, f: Fields, texts: Texts) -> tuple[object, ...]:
    """The record as a ``LogRow``'s values."""
    dropped = texts[f[43]] if f[38] else None
    receipt = texts[f[44]] if f[39] else None
    texts_of_it = (f[40], texts[f[41]], texts[f[42]], dropped, receipt, f[45])
    head: tuple[object, ...] = (slot, epoch, sequence, f[0] // 1000)
    # Added up rather than unpacked into one display: that would go through a list.
    return head + f[1:24] + f[25:36] + texts_of_it
