"""Recorded requests, answers, streams and errors through each dialect's own decoder and encoder."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import pytest

from providers.dialects import DIALECTS, base, load
from providers.neutral import Collector, Done, Event, Fault, Losses
from tests.corpus.dialect_rows import Row, directory, rows

pytestmark = pytest.mark.skipif(directory() is None, reason="the recorded exchanges are not here")

NAMES = sorted(DIALECTS)


def facts(row: Row) -> base.Facts:
    model = row.request.get("model", "") if row.request else ""
    return base.Facts(model, "openai")


def path_says(row: Row) -> dict[str, Any]:
    """What dialects that name the model in the path are told from there."""
    return {"model": "", "stream": row.streaming}


@pytest.mark.parametrize("name", NAMES)
def test_a_request_comes_back_as_it_was(name: str) -> None:
    dialect = load(name)
    seen, wrong = 0, []
    for row in rows(name):
        if row.request is None or row.status >= 400:
            continue
        seen += 1
        losses = Losses("error")
        try:
            again = dialect.encode_request(dialect.decode_request(row.request, **path_says(row)), facts(row), losses)
        except ValueError as error:
            wrong.append((row.id, repr(error)))
            continue
        if json.loads(json.dumps(again)) != row.request:
            wrong.append((row.id, difference(row.request, again)))
    assert seen > 0
    assert wrong == [], f"{len(wrong)} of {seen}: {wrong[:10]}"


def difference(a: Any, b: Any, place: str = "") -> str:
    """Where two JSON values first differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        for name in {**a, **b}:
            if name not in a or name not in b:
                what = "added" if name not in a else "missing"
                return f"{place}.{name} {what}: {str((b if name in b else a)[name])[:80]}"
            if found := difference(a[name], b[name], f"{place}.{name}"):
                return found
        return ""
    if isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            return f"{place}: {len(a)} items, then {len(b)}"
        for at, (left, right) in enumerate(zip(a, b, strict=True)):
            if found := difference(left, right, f"{place}.{at}"):
                return found
        return ""
    return "" if a == b else f"{place}: {str(a)[:80]} became {str(b)[:80]}"


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_decodes_and_is_written_again(name: str) -> None:
    dialect = load(name)
    seen = 0
    for row in rows(name):
        if row.streaming or row.status >= 300 or row.cut or row.json().get("status") in ("queued", "in_progress"):
            continue
        seen += 1
        answer = dialect.decode_answer(row.json())
        assert answer.choices, row.id
        assert all(choice.finish for choice in answer.choices), row.id
        request = dialect.decode_request(row.request or {}, **path_says(row)) if row.request else None
        if request is not None:
            written = dialect.encode_answer(answer, request)
            again = dialect.decode_answer(json.loads(json.dumps(written)))
            for first, second in zip(answer.choices, again.choices, strict=False):
                # Not every dialect has a word for an answer that failed.
                assert second.finish == first.finish or (first.finish == "error" and second.finish != "stop"), row.id
                assert said(second.parts) == said(first.parts), row.id
    assert seen > 0


def events_of(dialect: base.Dialect, data: bytes, cuts: list[int]) -> list[Event]:
    decoder = dialect.stream_decoder()
    out: list[Event] = []
    for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        out += decoder.feed(data[begin:end])
    return out + decoder.end()


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_is_the_same_at_every_split(name: str) -> None:
    dialect = load(name)
    draw = random.Random(7)
    seen = 0
    ends: Counter[str] = Counter()
    for row in rows(name):
        if not row.streaming or row.status >= 300:
            continue
        seen += 1
        whole = events_of(dialect, row.answer, [])
        collected = Collector(name)
        for event in whole:
            collected.add(event)
        assert collected.answer.choices or collected.fault is not None, row.id
        if row.cut:
            ends["cut"] += 1
        elif collected.fault is None:
            assert collected.done, row.id
            assert isinstance(whole[-1], Done), row.id
            assert all(choice.finish for choice in collected.answer.choices), row.id
            ends["done"] += 1
        else:
            assert isinstance(whole[-1], Fault), row.id
            ends["fault"] += 1
        size = len(row.answer)
        for _ in range(3):
            cuts = sorted(draw.randrange(size + 1) for _ in range(draw.randrange(1, 40)))
            assert events_of(dialect, row.answer, cuts) == whole, row.id
        if size < 20_000:
            assert events_of(dialect, row.answer, list(range(1, size))) == whole, row.id
    assert seen > 0 or name in ("openai_completions", "ollama")


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_that_is_cut_never_ends_well(name: str) -> None:
    dialect = load(name)
    for row in rows(name):
        if not row.streaming or row.status >= 300 or row.cut:
            continue
        whole = events_of(dialect, row.answer, [])
        if not isinstance(whole[-1], Done):
            continue
        half = events_of(dialect, row.answer[: len(row.answer) // 2], [])
        assert not any(isinstance(event, Done) for event in half), row.id


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_written_again_says_the_same(name: str) -> None:
    dialect = load(name)
    for row in rows(name):
        if not row.streaming or row.status >= 300 or row.cut or row.request is None:
            continue
        whole = events_of(dialect, row.answer, [])
        if not isinstance(whole[-1], Done):
            continue
        request = dialect.decode_request(row.request, **path_says(row))
        request.include_usage = True
        encoder = dialect.stream_encoder(request)
        again = events_of(dialect, b"".join(encoder.encode(event) for event in whole), [])
        first, second = Collector(name), Collector(name)
        for event in whole:
            first.add(event)
        for event in again:
            second.add(event)
        assert second.done, row.id
        for before, after in zip(first.answer.choices, second.answer.choices, strict=True):
            assert said(after.parts) == said(before.parts), row.id
            assert after.finish == before.finish, row.id
        if first.answer.usage is not None:
            assert second.answer.usage is not None, row.id
            assert second.answer.usage.input_tokens == first.answer.usage.input_tokens, row.id
            assert second.answer.usage.output_tokens == first.answer.usage.output_tokens, row.id


def said(parts: list[Any]) -> list[Any]:
    """What of an answer's parts has to arrive, whatever the dialect: kinds and words."""
    out: list[Any] = []
    for part in parts:
        kind = type(part).__name__
        if kind == "ToolCall":
            out.append((kind, part.name, part.arguments or "{}"))
        elif hasattr(part, "text") and part.text:
            out.append((kind, part.text))
    return out


@pytest.mark.parametrize("name", NAMES)
def test_an_error_decodes_and_is_written(name: str) -> None:
    dialect = load(name)
    for row in rows(name):
        if row.status < 400:
            continue
        fault = dialect.decode_fault(row.status, row.headers, row.answer)
        assert fault.message, row.id
        assert fault.status == row.status, row.id
        error = dialect.encode_fault(fault)
        assert error.status == row.status, row.id
        assert dialect.decode_fault(error.status, dict(error.headers), error.body).message == fault.message, row.id
