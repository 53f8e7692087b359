"""Records for tests of the control process."""

from __future__ import annotations

import os
import tempfile

from _speedups._bucket import Record, RingReader, RingWriter
from gateway.control.trail import Values
from gateway.records import Kind, Outcome, UsageSource
from gateway.snapshot.model import id_hash
from providers.operations import Dialect, Operation

SMALL_RING = 64 << 10
"""Bytes: some 80 records, so that the spill file takes part."""

PROVIDER = "file:provider/mock"
PROVIDER_KEY = "file:provider_key/mock/k1"
VIRTUAL_KEY = "file:virtual_key/alice"
NAMES = {
    id_hash(PROVIDER): "provider/mock",
    id_hash(PROVIDER_KEY): "provider_key/mock/k1",
    id_hash(VIRTUAL_KEY): "virtual_key/alice",
}


def exchange(number: int = 1, **fields: object) -> Record:
    """A chat request of alice's that mock answered well, and ``fields``."""
    record = Record()
    values: dict[str, object] = {
        "kind": int(Kind.EXCHANGE),
        "schema": 1,
        "request_id": number.to_bytes(16, "big"),
        "started_ns": 1_800_000_000_000_000_000 + number,
        "snapshot": 3,
        "virtual_key": id_hash(VIRTUAL_KEY),
        "provider": id_hash(PROVIDER),
        "provider_key": id_hash(PROVIDER_KEY),
        "operation": int(Operation.CHAT),
        "dialect": int(Dialect.OPENAI_CHAT),
        "target_dialect": int(Dialect.OPENAI_CHAT),
        "status": 200,
        "attempt": 1,
        "attempts": 1,
        "outcome": int(Outcome.OK),
        "usage_source": int(UsageSource.PROVIDER),
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "gateway_us": 11,
        "upstream_us": 900,
        "total_us": 950,
        "request_bytes": 850,
        "response_bytes": 1500,
        "model": b"mock/m",
        "target_model": b"m",
    }
    for name, value in (values | fields).items():
        setattr(record, name, value)
    return record


def values_of(*records: Record, slot: int = 0, epoch: int = 1) -> Values:
    """What the control process reads when a worker has pushed them."""
    with tempfile.TemporaryDirectory() as place:
        names = os.path.join(place, "ring"), os.path.join(place, "spill")
        writer = RingWriter(names[0], slot, epoch, names[1], 4096 + 704 * max(8, len(records)))
        for record in records:
            assert writer.push(record)
        reader = RingReader(*names)
        values = reader.read(len(records))
        reader.close()
        writer.close()
    return values
