"""Anthropic's requests as they come, and to chat completions."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from providers.dialects.base import Facts
from providers.neutral import (
    Format,
    Losses,
    Malformed,
    Request,
)
from tests.providers.dialects.anthropic_cases import ANTHROPIC, OLD, PNG, ROUND, WEATHER, body, says, to_chat


@pytest.mark.parametrize("name", ROUND)
def test_a_request_comes_back_as_it_was(name: str) -> None:
    given = ROUND[name]
    request = ANTHROPIC.decode_request(copy.deepcopy(given))
    before = copy.deepcopy(request)
    assert ANTHROPIC.encode_request(request, Facts(given["model"]), Losses("error")) == given
    assert request == before


@pytest.mark.parametrize("name", ROUND)
def test_a_request_goes_to_chat_completions(name: str) -> None:
    json.dumps(to_chat(ROUND[name], Losses()))


def test_an_empty_text_is_never_sent() -> None:
    given = says({"type": "text", "text": ""}, {"type": "text", "text": "a"})
    out = ANTHROPIC.encode_request(ANTHROPIC.decode_request(given), OLD, Losses("error"))
    assert out["messages"][0]["content"] == [{"type": "text", "text": "a"}]


def test_messages_to_chat_completions() -> None:
    out = to_chat(
        body(
            system="Be brief.",
            messages=[
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "See."},
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
                    ],
                },
                {
                    "role": "assistant",
                    "content": [
                        {"type": "text", "text": "Well."},
                        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
                        {"type": "tool_use", "id": "toolu_2", "name": "f", "input": {}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "sun"},
                        {
                            "type": "tool_result",
                            "tool_use_id": "toolu_2",
                            "content": [{"type": "text", "text": "rain"}],
                        },
                        {"type": "text", "text": "So?"},
                    ],
                },
            ],
            stop_sequences=["END"],
            temperature=0.5,
            metadata={"user_id": "u"},
            service_tier="standard_only",
            tools=[WEATHER],
            tool_choice={"type": "auto", "disable_parallel_tool_use": True},
        )
    )
    assert out["messages"] == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "See."},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                {"type": "text", "text": "words"},
            ],
        },
        {
            "role": "assistant",
            "content": "Well.",
            "tool_calls": [
                {"id": "toolu_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
                {"id": "toolu_2", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "toolu_1", "content": "sun"},
        {"role": "tool", "tool_call_id": "toolu_2", "content": "rain"},
        {"role": "user", "content": "So?"},
    ]
    assert (out["stop"], out["temperature"], out["user"], out["service_tier"]) == (["END"], 0.5, "u", "default")
    assert (out["tool_choice"], out["parallel_tool_calls"]) == ("auto", False)
    assert out["max_completion_tokens"] == 100


@pytest.mark.parametrize(
    ("given", "member"),
    [
        ({"model": "m"}, "messages"),
        (body(messages=None), "messages"),
        (body(messages={}), "messages"),
        (body(messages=["a"]), "messages.0"),
        (body(messages=[{"role": "tool", "content": "a"}]), "messages.0.role"),
        (body(messages=[{"role": [], "content": "a"}]), "messages.0.role"),
        (body(messages=[{"role": "user"}]), "messages.0.content"),
        (body(messages=[{"role": "user", "content": None}]), "messages.0.content"),
        (says("a"), "messages.0.content.0"),
        (says({"text": "a"}), "messages.0.content.0.type"),
        (says({"type": "text"}), "messages.0.content.0.text"),
        (says({"type": "image"}), "messages.0.content.0.source"),
        (says({"type": "image", "source": {"type": "base64", "data": 1}}), "messages.0.content.0.source.media_type"),
        (says({"type": "tool_use", "id": "a", "name": "f", "input": "{}"}), "messages.0.content.0.input"),
        (says({"type": "tool_use", "name": "f", "input": {}}), "messages.0.content.0.id"),
        (says({"type": "tool_result", "content": "a"}), "messages.0.content.0.tool_use_id"),
        (says({"type": "tool_result", "tool_use_id": "a", "content": 1}), "messages.0.content.0.content"),
        (says({"type": "thinking"}), "messages.0.content.0.thinking"),
        (body(system=1), "system"),
        (body(max_tokens="100"), "max_tokens"),
        (body(max_tokens=True), "max_tokens"),
        (body(temperature="0"), "temperature"),
        (body(stop_sequences="END"), "stop_sequences"),
        (body(stream="yes"), "stream"),
        (body(tools={}), "tools"),
        (body(tools=[{"input_schema": {}}]), "tools.0.name"),
        (body(tools=[{"name": "f", "input_schema": "x"}]), "tools.0.input_schema"),
        (body(tool_choice="auto"), "tool_choice"),
        (body(tool_choice={"type": "some"}), "tool_choice.type"),
        (body(tool_choice={"type": "tool"}), "tool_choice.name"),
        (body(thinking={"type": "enabled"}), "thinking.budget_tokens"),
        (body(thinking="on"), "thinking"),
        (body(output_config={"format": {"type": "text"}}), "output_config.format.type"),
        (body(metadata="u"), "metadata"),
    ],
)
def test_what_is_wrong_is_told(given: Any, member: str) -> None:
    with pytest.raises(Malformed) as error:
        ANTHROPIC.decode_request(given)
    assert error.value.member == member
    assert member.rpartition(".")[2] in str(error.value)


def deep(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels):
        value = {"a": value}
    return value


def test_depth_is_no_way_to_break_it() -> None:
    with pytest.raises(Malformed):
        ANTHROPIC.decode_request(says({"type": "tool_use", "id": "a", "name": "f", "input": deep(5000)}))
    with pytest.raises(Malformed):
        ANTHROPIC.encode_request(Request("openai_chat", format=Format("json_schema", deep(5000))), OLD, Losses())
    nested: Any = "a"
    for _ in range(900):
        nested = [{"type": "tool_result", "tool_use_id": "a", "content": nested}]
    ANTHROPIC.decode_request(says(*nested))
    ANTHROPIC.decode_fault(500, {}, b'{"error":' * 1000 + b"1" + b"}" * 1000)
