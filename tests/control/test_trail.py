from __future__ import annotations

import random

import pytest

from gateway.control import trail
from gateway.control.trail import Texts, log_row, signed, unpack, unsigned
from gateway.stores.protocols import LogRow
from tests.control.trail_records import exchange

TEXTS = ("request_id", "model", "target_model", "dropped", "receipt", "client")


def test_a_row_has_every_field_of_the_record_under_its_name() -> None:
    """Each field gets a value of its own, so that two that changed places would show."""
    names = [name for name in LogRow._fields if name not in ("slot", "epoch", "sequence", "started_us")]
    small = {"stream", "outcome", "error_kind", "usage_source", "cache_verdict"}
    values: dict[str, object] = {name: (i + 1 if name in small else 1000 + i) for i, name in enumerate(names)}
    values |= {"request_id": bytes(range(16)), "model": b"m" * 96, "target_model": "schön".encode()}
    values |= {
        "dropped": b"logprobs,n",
        "receipt": b"r1",
        "client": bytes(range(16, 32)),
        "kind": 2,
        "attempt": 2,
        "attempts": 3,
    }
    record = exchange(started_ns=5_000_999, **values)
    row = LogRow._make(log_row(4, 5, 6, unpack(record.pack()), Texts()))
    expected = values | {"model": "m" * 96, "target_model": "schön", "dropped": "logprobs,n", "receipt": "r1"}
    assert row._asdict() == {"slot": 4, "epoch": 5, "sequence": 6, "started_us": 5000, **expected}


def test_places_have_the_names_of_the_fields() -> None:
    record = exchange(status=429, ttft_us=77, chunks=9, cost_nanodollars=5, error_kind=8)
    fields = unpack(record.pack())
    assert fields[trail.STATUS] == 429
    assert fields[trail.TTFT_US] == 77
    assert fields[trail.CHUNKS] == 9
    assert fields[trail.COST] == 5
    assert fields[trail.ERROR_KIND] == 8
    assert fields[trail.KIND] == 2
    assert fields[trail.TARGET_MODEL].rstrip(b"\0") == b"m"


@pytest.mark.parametrize("identity", [1, 2**63 - 1, 2**63, 2**64 - 1])
def test_ids_survive_the_way_into_sql_and_back(identity: int) -> None:
    fields = unpack(exchange(provider=identity).pack())
    assert fields[trail.PROVIDER] == signed(identity)
    assert -(2**63) <= signed(identity) < 2**63
    assert unsigned(signed(identity)) == identity


def test_bytes_that_are_no_text_do_no_harm() -> None:
    texts = Texts()
    assert texts[b"\xff\xfe\0\0"] == "\ufffd\ufffd"
    for _ in range(trail.NAMES_KEPT + 10):
        texts[random.randbytes(96)]
    assert len(texts) <= trail.NAMES_KEPT
