"""What of a request is embedded, and what is digested, in each dialect."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from gateway.cache.similar.turns import MARKER, Rules, last_turn
from providers.operations import Dialect

ASKED = "How far is the moon?"
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}

BODIES: list[tuple[Dialect, dict[str, Any], dict[str, Any]]] = [
    (
        Dialect.OPENAI_CHAT,
        {"model": "m", "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": ASKED}]},
        {"model": "m", "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": MARKER}]},
    ),
    (
        Dialect.OPENAI_CHAT,
        {"messages": [{"role": "user", "name": "n", "content": [{"type": "text", "text": ASKED}]}]},
        {"messages": [{"role": "user", "name": "n", "content": [{"type": "text", "text": MARKER}]}]},
    ),
    (Dialect.OPENAI_RESPONSES, {"input": ASKED, "instructions": "i"}, {"input": MARKER, "instructions": "i"}),
    (
        Dialect.OPENAI_RESPONSES,
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": ASKED}]}]},
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": MARKER}]}]},
    ),
    (Dialect.OPENAI_COMPLETIONS, {"prompt": ASKED, "suffix": "x"}, {"prompt": MARKER, "suffix": "x"}),
    (Dialect.OPENAI_COMPLETIONS, {"prompt": [ASKED]}, {"prompt": [MARKER]}),
    (
        Dialect.ANTHROPIC,
        {
            "system": "s",
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": ASKED, "cache_control": {"type": "ephemeral"}}]}
            ],
        },
        {
            "system": "s",
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": MARKER, "cache_control": {"type": "ephemeral"}}]}
            ],
        },
    ),
    (Dialect.GEMINI, {"contents": [{"parts": [{"text": ASKED}]}]}, {"contents": [{"parts": [{"text": MARKER}]}]}),
    (
        Dialect.BEDROCK,
        {"messages": [{"role": "user", "content": [{"text": ASKED}, {"cachePoint": {"type": "default"}}]}]},
        {"messages": [{"role": "user", "content": [{"text": MARKER}, {"cachePoint": {"type": "default"}}]}]},
    ),
    (
        Dialect.COHERE,
        {"messages": [{"role": "user", "content": ASKED}], "documents": ["d"]},
        {"messages": [{"role": "user", "content": MARKER}], "documents": ["d"]},
    ),
]


@pytest.mark.parametrize(("dialect", "body", "rest"), BODIES)
def test_the_last_turn_is_taken_out(dialect: Dialect, body: dict[str, Any], rest: dict[str, Any]) -> None:
    before = copy.deepcopy(body)
    question = last_turn(dialect, body)
    assert question is not None
    assert question.text == ASKED
    assert question.rest == rest
    assert body == before, "the caller's body is sent on as it came"


def chat(*messages: dict[str, Any]) -> dict[str, Any]:
    return {"messages": list(messages)}


def user(content: object) -> dict[str, Any]:
    return {"role": "user", "content": content}


def text_part(text: object) -> dict[str, Any]:
    return {"type": "text", "text": text}


NOTHING: list[tuple[str, Dialect, dict[str, Any]]] = [
    ("the model has spoken last", Dialect.OPENAI_CHAT, chat(user(ASKED), {"role": "assistant", "content": "x"})),
    ("a tool has", Dialect.OPENAI_CHAT, chat(user(ASKED), {"role": "tool", "content": "x", "tool_call_id": "1"})),
    ("an image", Dialect.OPENAI_CHAT, chat(user([text_part(ASKED), IMAGE]))),
    ("audio", Dialect.OPENAI_CHAT, chat(user([text_part(ASKED), {"type": "input_audio", "input_audio": {}}]))),
    ("no text", Dialect.OPENAI_CHAT, chat(user([]))),
    ("null", Dialect.OPENAI_CHAT, chat(user(None))),
    ("a text that is none", Dialect.OPENAI_CHAT, chat(user([text_part(5)]))),
    ("a part that is none", Dialect.OPENAI_CHAT, chat(user([ASKED]))),
    ("blank", Dialect.OPENAI_CHAT, chat(user("  \n \t       "))),
    ("too short", Dialect.OPENAI_CHAT, chat(user("why?"))),
    ("too long", Dialect.OPENAI_CHAT, chat(user("x" * 2001))),
    ("two turns", Dialect.OPENAI_CHAT, chat(user("a"), {"role": "assistant", "content": "x"}, user(ASKED))),
    ("no messages", Dialect.OPENAI_CHAT, {"messages": []}),
    ("messages of another kind", Dialect.OPENAI_CHAT, {"messages": "x"}),
    ("a message of another kind", Dialect.OPENAI_CHAT, {"messages": [ASKED]}),
    ("turns elsewhere", Dialect.OPENAI_RESPONSES, {"input": ASKED, "previous_response_id": "resp_1"}),
    ("a conversation", Dialect.OPENAI_RESPONSES, {"input": ASKED, "conversation": "conv_1"}),
    ("a call's output", Dialect.OPENAI_RESPONSES, {"input": [{"type": "function_call_output", "output": ASKED}]}),
    ("a file", Dialect.OPENAI_RESPONSES, {"input": [user([{"type": "input_file", "file_id": "f"}])]}),
    ("several prompts", Dialect.OPENAI_COMPLETIONS, {"prompt": [ASKED, ASKED]}),
    ("tokens", Dialect.OPENAI_COMPLETIONS, {"prompt": [1, 2, 3, 4, 5, 6]}),
    ("a tool's result", Dialect.ANTHROPIC, chat(user([{"type": "tool_result", "content": ASKED}, text_part(ASKED)]))),
    ("a document", Dialect.ANTHROPIC, chat(user([{"type": "document", "source": {}}, text_part(ASKED)]))),
    ("the model's first words", Dialect.ANTHROPIC, chat(user(ASKED), {"role": "assistant", "content": "It"})),
    ("inline data", Dialect.GEMINI, {"contents": [{"parts": [{"text": ASKED}, {"inlineData": {"data": ""}}]}]}),
    ("a thought", Dialect.GEMINI, {"contents": [{"parts": [{"text": ASKED, "thought": True}]}]}),
    ("the model's", Dialect.GEMINI, {"contents": [{"role": "model", "parts": [{"text": ASKED}]}]}),
    ("a function's", Dialect.GEMINI, {"contents": [{"role": "user", "parts": [{"functionResponse": {}}]}]}),
    ("guarded content", Dialect.BEDROCK, chat(user([{"guardContent": {"text": {"text": ASKED}}}]))),
    ("a cache point alone", Dialect.BEDROCK, chat(user([{"cachePoint": {}}]))),
    ("a model's own body", Dialect.BEDROCK_INVOKE, chat(user(ASKED))),
    ("no body", Dialect.OPENAI_CHAT, {}),
]


@pytest.mark.parametrize(("why", "dialect", "body"), NOTHING)
def test_nothing_similar_is_looked_for(why: str, dialect: Dialect, body: dict[str, Any]) -> None:
    assert last_turn(dialect, body) is None, why


def test_later_turns_on_request() -> None:
    body = chat(user("first"), {"role": "assistant", "content": "x"}, user(ASKED))
    question = last_turn(Dialect.OPENAI_CHAT, body, Rules(max_turns=2))
    assert question is not None
    assert question.rest["messages"] == [*body["messages"][:-1], user(MARKER)]


def test_parts_are_joined_and_stay_counted() -> None:
    question = last_turn(Dialect.OPENAI_CHAT, chat(user([text_part("How far"), text_part("is it?")])))
    assert question is not None
    assert question.text == "How far\nis it?"
    assert question.rest == chat(user([text_part(MARKER), text_part(MARKER)]))


def test_lengths_are_the_rules() -> None:
    assert last_turn(Dialect.OPENAI_CHAT, chat(user("why?")), Rules(min_chars=4)) is not None
    assert last_turn(Dialect.OPENAI_CHAT, chat(user("x" * 11)), Rules(max_chars=10)) is None
