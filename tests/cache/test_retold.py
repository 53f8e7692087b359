"""An answer kept in one form says the same in every other."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import orjson
import pytest

from gateway.cache.retold import Form, answer_of, retold, same
from gateway.translation import NAMES, events_of
from providers.dialects import load
from providers.framing import JsonArray
from providers.neutral import Answer, Choice, Malformed, Request, Text, ToolCall, Usage
from providers.operations import Dialect

DIALECTS = (
    Dialect.OPENAI_CHAT, Dialect.OPENAI_RESPONSES, Dialect.ANTHROPIC, Dialect.GEMINI, Dialect.BEDROCK, Dialect.COHERE
)  # fmt: skip
FORMS = [*(Form(int(dialect), stream) for dialect in DIALECTS for stream in (False, True)),
         Form(int(Dialect.GEMINI), True, array=True)]  # fmt: skip


def ids(form: Form) -> str:
    return NAMES[form.dialect] + ("-array" if form.array else "-stream" if form.stream else "")


SPOKEN = Answer(
    "openai_chat",
    "id-1",
    "model-1",
    1_700_000_000,
    [Choice(0, [Text('Rain in Zürich \U0001f327, "soon".\n')], "stop", "stop")],
    Usage(11, 7),
)
CALLING = Answer(
    "openai_chat",
    "id-2",
    "model-1",
    1_700_000_000,
    [
        Choice(
            0,
            [Text("Let me see."), ToolCall("call_1", "weather", '{"city":"Bonn","days":2}')],
            "tool_calls",
            "tool_calls",
        )
    ],
    Usage(20, 9),
)


def request_for(form: Form) -> Request:
    return Request(NAMES[form.dialect], "m", stream=form.stream, include_usage=form.usage)


def kept(answer: Answer, form: Form) -> bytes:
    """``answer`` as a provider of this dialect tells it."""
    dialect = load(NAMES[form.dialect])
    if not form.stream:
        return orjson.dumps(dialect.encode_answer(answer, request_for(form)))
    encoder = dialect.stream_encoder(request_for(form))
    body = b"".join(map(encoder.encode, events_of(answer)))
    if form.array:
        array = JsonArray()
        return array.feed(body) + array.end()
    return body


def says(answer: Answer) -> list[Any]:
    (choice,) = answer.choices
    parts: list[Any] = []
    for part in choice.parts:
        if isinstance(part, Text):
            parts.append(part.text)
        else:
            assert isinstance(part, ToolCall)
            parts.append((part.name, json.loads(part.arguments)))
    assert answer.usage is not None
    return [parts, choice.finish, answer.usage.input_tokens, answer.usage.output_tokens]


@pytest.mark.parametrize("answer", [SPOKEN, CALLING], ids=["spoken", "calling"])
@pytest.mark.parametrize(("form", "wanted"), list(product(FORMS, FORMS)), ids=ids)
def test_it_says_the_same(form: Form, wanted: Form, answer: Answer) -> None:
    told = retold(kept(answer, form), form, wanted, request_for(wanted))
    if wanted.array:
        assert isinstance(json.loads(told.body), list)
    assert says(answer_of(told.body, wanted)) == says(answer)
    streams = wanted.stream and not wanted.array
    assert (told.content_type.partition(";")[0] != "application/json") is streams


def test_usage_is_told_to_who_asks() -> None:
    form = Form(int(Dialect.ANTHROPIC), False)
    body = kept(SPOKEN, form)
    for usage in (False, True):
        wanted = Form(int(Dialect.OPENAI_CHAT), True, usage)
        told = retold(body, form, wanted, request_for(wanted)).body
        assert (b'"prompt_tokens":11' in told) is usage
        assert told.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("form", [form for form in FORMS if form.stream], ids=ids)
def test_a_stream_that_was_cut_is_no_answer(form: Form) -> None:
    body = kept(SPOKEN, form)
    wanted = Form(int(Dialect.OPENAI_CHAT), False)
    for part in (b"", body[: len(body) // 2], body[: len(body) // 4]):
        with pytest.raises(Malformed):
            retold(part, form, wanted, request_for(wanted))


@pytest.mark.parametrize("form", FORMS, ids=ids)
def test_what_is_no_answer(form: Form) -> None:
    for body in (b"[]", b"no JSON", b'{"error":{"message":"no","type":"x"}}', b"data: nothing\n\n"):
        with pytest.raises(Malformed):
            answer_of(body, form)


def test_a_fault_is_no_answer() -> None:
    body = b'data: {"error":{"message":"overloaded","type":"server_error"}}\n\n'
    with pytest.raises(Malformed, match="overloaded"):
        answer_of(body, Form(int(Dialect.OPENAI_CHAT), True))


def test_what_can_be_given_as_it_is() -> None:
    for form, wanted in product(FORMS, FORMS):
        assert same(form, wanted) is (form == wanted)
    chat, messages = int(Dialect.OPENAI_CHAT), int(Dialect.ANTHROPIC)
    assert not same(Form(chat, True, True), Form(chat, True, False))
    assert same(Form(chat, False, True), Form(chat, False, False))
    assert same(Form(messages, True, True), Form(messages, True, False))
