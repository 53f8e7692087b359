"""Answers and questions as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cache import entry
from gateway.cache.entry import Kept
from gateway.cache.similar import record
from gateway.cache.similar.record import Record

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
KEPT = st.builds(
    Kept,
    dialect=st.integers(0, 255),
    operation=st.integers(0, 255),
    streamed=st.booleans(),
    created_ns=INT64,
    cost_nanodollars=INT64,
    took_us=INT64,
    prompt=INT64,
    completion=INT64,
    content_type=st.binary(max_size=80),
    labels=st.binary(max_size=200),
    body=st.binary(max_size=2000),
).map(lambda kept: kept._replace(form=int(kept.streamed)))
RECORD = st.builds(
    Record,
    id=st.integers(0, (1 << 64) - 1),
    created_ns=INT64,
    rest=st.binary(min_size=32, max_size=32),
    answer_key=st.binary(min_size=48, max_size=48),
    text=st.text(max_size=500),
    features=st.binary(max_size=300),
    vector=st.binary(max_size=400),
)


@given(KEPT)
def test_an_answer_comes_back(kept: Kept) -> None:
    assert entry.unpack(entry.pack(kept)) == kept


@given(RECORD.filter(lambda each: each.text.isascii()))
def test_a_question_comes_back(kept: Record) -> None:
    assert record.unpack(record.pack(kept)) == kept


@given(st.binary(max_size=300))
def test_anything_else_is_none(data: bytes) -> None:
    for unpack in (entry.unpack, record.unpack):
        found = unpack(data)
        assert found is None or data[0] == 1


@pytest.mark.parametrize("cut", [0, 1, 10, 100])
def test_a_question_cut_short_is_none(cut: int) -> None:
    whole = record.pack(Record(7, 1, b"r" * 32, b"k" * 48, "text", b"features", b"vector.."))
    assert record.unpack(whole[:cut]) is None
    assert record.unpack(whole[:-1]) is None


def test_questions_of_others_are_others() -> None:
    ids = {record.id_of(scope, rest, text) for scope in (b"a", b"b") for rest in (b"c", b"d") for text in ("e", "f")}
    scopes = {record.index_scope(scope, rest) for scope in (b"a" * 16, b"b" * 16) for rest in (b"c", b"d")}
    assert (len(ids), len(scopes)) == (8, 4)
    assert record.question_key(b"s" * 16, 7) != record.learned_key(b"s" * 16, 7)
    assert len(record.question_key(b"s" * 16, 7)) == 48
