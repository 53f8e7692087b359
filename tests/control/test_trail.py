from __future__ import annotations

import pytest

from gateway.control.trail import WIDTH, signed, unsigned
from gateway.stores.protocols import LogRow
from tests.control.trail_records import exchange, values_of


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
    found = values_of(exchange(started_ns=5_000_999, **values), exchange(), slot=4, epoch=5)
    assert len(found) == 2 * WIDTH
    row = LogRow(*found[:WIDTH])
    expected = values | {"model": "m" * 96, "target_model": "schön", "dropped": "logprobs,n", "receipt": "r1"}
    assert row._asdict() == {"slot": 4, "epoch": 5, "sequence": row.sequence, "started_us": 5000, **expected}
    assert LogRow(*found[WIDTH:]).sequence == row.sequence + 1
    assert LogRow(*found[WIDTH:]).dropped == LogRow(*found[WIDTH:]).receipt == ""


@pytest.mark.parametrize("identity", [1, 2**63 - 1, 2**63, 2**64 - 1])
def test_ids_survive_the_way_into_sql_and_back(identity: int) -> None:
    row = LogRow(*values_of(exchange(provider=identity)))
    assert row.provider == signed(identity)
    assert -(2**63) <= signed(identity) < 2**63
    assert unsigned(signed(identity)) == identity


def test_bytes_that_are_no_text_do_no_harm() -> None:
    row = LogRow(*values_of(exchange(model=b"\xff\xfe", target_model=b"")))
    assert row.model == "\ufffd\ufffd"
    assert row.target_model == ""
