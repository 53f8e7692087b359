"""Recorded requests ask what they ask in any dialect, and recorded answers are told in every other."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest

from _speedups._canonical import Canonical
from gateway.cache.asked import RULES
from gateway.cache.neutral import SHARED, digest_of
from gateway.cache.retold import Form, answer_of, retold
from providers.dialects import load
from providers.neutral import Answer, Malformed, Media, Reasoning, Refusal, Request, Text, ToolCall
from providers.operations import Dialect, Operation
from tests.corpus.dialect_rows import Row, directory, rows
from tests.corpus.test_dialects import path_says

pytestmark = pytest.mark.skipif(directory() is None, reason="the recorded exchanges are not here")

KINDS = [(Dialect(dialect), operation) for dialect, operation in RULES if operation in SHARED]
NAMES = [dialect.name.lower() for dialect, _ in KINDS]
DIFFERENT = (b"stream", b"stream_options")
"""Members that are not asked in this mode."""


def answered(name: str) -> list[Row]:
    return [row for row in rows(name) if row.status < 300 and not row.cut and isinstance(row.request, dict)]


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_other_questions_have_other_digests(kind: tuple[Dialect, Operation]) -> None:
    """Two recorded requests of one neutral digest differ in nothing that the dialect's own digest keeps apart."""
    dialect, drop = load(kind[0].name.lower()), RULES[kind].drop
    own = Canonical((*map(str.encode, drop), *DIFFERENT))
    forms: defaultdict[bytes, set[bytes]] = defaultdict(set)
    for row in answered(dialect.name):
        digest = digest_of(dialect.decode_request(row.request, **path_says(row)), b"m", drop)
        form = own.form(json.dumps(plain(row.request)).encode("utf-8", "surrogatepass"))
        assert digest is not None, row.id
        assert form is not None, row.id
        forms[digest].add(form)
    assert len(forms) > 30
    assert [sorted(group) for group in forms.values() if len(group) > 1] == []


def plain(value: Any) -> Any:
    """A body without ids of calls, which are numbered, and marks for the prompt cache; its limit under one name, a lone
    question as a turn, the form of the answer only where it is another than text."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    out = {name: plain(inner) for name, inner in value.items() if name not in IDS}
    if "max_completion_tokens" in out:
        out["max_tokens"] = out.pop("max_completion_tokens")
    if isinstance(out.get("input"), str):
        out["input"] = [{"role": "user", "content": out["input"]}]
    if out.get("text") == {"format": {"type": "text"}}:
        del out["text"]
    if out.get("tools") == []:
        del out["tools"]
    return out


IDS = {"id", "call_id", "tool_call_id", "tool_use_id", "toolUseId", "cache_control", "cachePoint"}
SEVERAL = (Dialect.OPENAI_CHAT, Dialect.GEMINI)
"""Dialects that have several answers to one request."""


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_answers_in_other_forms(kind: tuple[Dialect, Operation]) -> None:
    seen = 0
    for row in answered(kind[0].name.lower()):
        form = Form(int(kind[0]), row.streaming)
        try:
            answer = answer_of(row.answer, form)
        except Malformed:
            continue  # a fault, a stream without its end, an answer that is not there yet
        if any(isinstance(part, Media) for choice in answer.choices for part in choice.parts):
            continue  # sound is told by its transcript, or not at all
        seen += 1
        for other, _ in KINDS:
            for stream in (False, True):
                wanted = Form(int(other), stream)
                request = Request(other.name.lower(), "m", stream=stream, include_usage=True)
                again = answer_of(retold(row.answer, form, wanted, request).body, wanted)
                most = None if other in SEVERAL else 1
                assert words(again, most) == words(answer, most), (row.id, other.name, stream)
    assert seen > 40


def words(answer: Answer, most: int | None) -> list[Any]:
    """Of each choice what it says, thinks and calls. Some dialects have one text where others have several."""
    out = []
    for choice in answer.choices[:most]:
        texts = "".join(part.text for part in choice.parts if isinstance(part, Text | Refusal))
        thoughts = "".join(part.text for part in choice.parts if isinstance(part, Reasoning))
        calls = [(part.name, arguments(part)) for part in choice.parts if isinstance(part, ToolCall)]
        out.append((texts, "".join(thoughts.split()), calls))
    return out


def arguments(call: ToolCall) -> Any:
    try:
        return json.loads(call.arguments or "{}")
    except json.JSONDecodeError:
        return call.arguments
