"""Rows for tests of the request log."""

from __future__ import annotations

from gateway.records import Kind
from gateway.stores.protocols import LogRow

_ZERO = LogRow(*[0] * 38, b"", "", "", None, None)


def row(sequence: int, **fields: object) -> LogRow:
    """An exchange of worker 0, epoch 1, started ``sequence`` seconds after the epoch, and ``fields``."""
    values: dict[str, object] = {
        "epoch": 1,
        "sequence": sequence,
        "kind": int(Kind.EXCHANGE),
        "started_us": sequence * 1_000_000,
        "request_id": sequence.to_bytes(16, "big"),
        "status": 200,
        "provider": 7,
        "virtual_key": 9,
        "model": "mock/m",
        "target_model": "m",
    }
    return _ZERO._replace(**(values | fields))  # type: ignore[arg-type]
