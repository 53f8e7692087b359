"""Every recorded answer, served to callers of every other dialect, against what the provider's own SDK reads in it."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise

import orjson

from providers.dialects import DIALECTS, base, load
from providers.neutral import Done, Event, Fault, Losses, Malformed, Request, Unsupported
from tests.corpus.dialect_rows import Row, rows
from tests.corpus.matrix_rules import adapted
from tests.corpus.readout import Reader, Said, anthropic_dialect, aws_dialect, google_dialect, openai_dialects, others

READERS: dict[str, Reader] = {
    "openai_chat": openai_dialects.CHAT,
    "openai_responses": openai_dialects.RESPONSES,
    "openai_completions": openai_dialects.COMPLETIONS,
    "anthropic": anthropic_dialect.READER,
    "gemini": google_dialect.READER,
    "bedrock": aws_dialect.READER,
    "cohere": others.COHERE,
    "ollama": others.OLLAMA,
}
NAMES = sorted(DIALECTS)


@dataclass
class Cell:
    """One provider's dialect read in one caller's."""

    checked: int = 0
    equal: int = 0
    unequal: list[str] = field(default_factory=list)


def request_for(row: Row, source: str, target: str) -> Request:
    """The request that a caller of ``target`` would have sent for this answer."""
    if row.request is not None:
        try:
            asked = load(source).decode_request(row.request, model="the-model", stream=row.streaming)
            body = load(target).encode_request(asked, base.Facts("the-model", "", True), Losses())
            body = orjson.loads(orjson.dumps(body))
            request = load(target).decode_request(body, model="the-model", stream=row.streaming)
            request.include_usage = True
            return request
        except (Malformed, Unsupported):
            pass
    return Request(target, "the-model", include_usage=True)


def translated(row: Row, source: str, target: str) -> bytes | None:
    """The answer as the caller gets it; None where the recording is an error, which has tests of its own."""
    request = request_for(row, source, target)
    if not row.streaming:
        return orjson.dumps(load(target).encode_answer(load(source).decode_answer(row.json()), request))
    decoder, encoder = load(source).stream_decoder(), load(target).stream_encoder(request)
    dice = random.Random(row.id)
    places = sorted({0, len(row.answer), *(dice.randrange(len(row.answer) + 1) for _ in range(9))})
    events: list[Event] = []
    for start, end in pairwise(places):
        events += decoder.feed(row.answer[start:end])
    events += decoder.end()
    if any(isinstance(event, Fault) for event in events):
        return None
    assert any(isinstance(event, Done) for event in events), "no end"
    return b"".join(map(encoder.encode, events))


@cache
def candidates(source: str) -> list[tuple[Row, Said]]:
    """Recorded answers, each with what the provider's own SDK reads in it."""
    reader = READERS[source]
    return [
        (row, (reader.stream if row.streaming else reader.whole)(row.answer, False))
        for row in rows(source)
        if row.status < 300 and not row.cut and answers(row, source)
    ]


def answers(row: Row, source: str) -> bool:
    """Whether the recording holds an answer, and not an error or a thing that is still under way."""
    if row.streaming:
        return True
    value = row.json()
    return not (value.get("status") in ("queued", "in_progress") and source == "openai_responses")


def differences(wanted: Said, found: Said) -> list[str]:
    out = []
    for name in ("text", "reasoning", "calls", "finish", "usage"):
        first, second = getattr(wanted, name), getattr(found, name)
        if name == "reasoning":
            # Thoughts come in paragraphs, which every dialect parts in its own way.
            first, second = "".join(first.split()), "".join(second.split())
        if first != second:
            out.append(f"{name}: {str(second)[:160]!r} for {str(first)[:160]!r}")
    return out


def run(source: str, target: str) -> tuple[Cell, Counter[str]]:
    cell, used = Cell(), Counter[str]()
    for row, wanted in candidates(source):
        try:
            answer = translated(row, source, target)
            if answer is None:
                continue
            cell.checked += 1
            reading = READERS[target]
            picture = target == "anthropic" and b'{"type":"image","source"' in answer
            used["picture"] += picture
            found = (reading.stream if row.streaming else reading.whole)(answer, not picture)
        except Exception as error:
            cell.unequal.append(
                f"{row.id}{'s' if row.streaming else ''} {row.provider}: {type(error).__name__}: {str(error)[:300]}"
            )
            continue
        expected, found = adapted(wanted, found, source, target, used)
        wrong = differences(expected, found)
        if wrong:
            cell.unequal.append(f"{row.id}{'s' if row.streaming else ''} {row.provider}: " + "; ".join(wrong))
        else:
            cell.equal += 1
    return cell, used
