"""Requests of chat completions and others, as Anthropic takes them."""

from __future__ import annotations

from typing import Any

import pytest

from providers.dialects.anthropic import models
from providers.dialects.anthropic.requests import closed
from providers.dialects.base import Facts
from providers.neutral import (
    Format,
    Losses,
    Media,
    Message,
    Opaque,
    Reasoning,
    Request,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Unsupported,
)
from tests.providers.dialects.anthropic_cases import (
    ANTHROPIC,
    ASK,
    NEW,
    OLD,
    PDF,
    PNG,
    WEATHER,
    WEATHER_CHAT,
    body,
    from_chat,
    to_chat,
)


def test_messages_of_chat_completions() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    other = {"id": "functions.f:2", "type": "function", "function": {"name": "f", "arguments": ""}}
    out = from_chat(
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": "In French."},
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": "", "tool_calls": [call, other]},
            {"role": "tool", "tool_call_id": "call_1", "content": "sun"},
            {"role": "tool", "tool_call_id": "functions.f:2", "content": [{"type": "text", "text": "rain"}]},
            {"role": "user", "content": "Well?"},
            {"role": "user", "content": [{"type": "text", "text": "So?"}]},
            {"role": "assistant", "content": "It is \n"},
        ],
        max_completion_tokens=7,
    )
    assert out == {
        "model": "claude-sonnet-4-5",
        "max_tokens": 7,
        "system": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "In French."}],
        "messages": [
            {"role": "user", "content": "Weather?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": 1}},
                    {"type": "tool_use", "id": "functions_f_2", "name": "f", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "call_1", "content": "sun"},
                    {
                        "type": "tool_result",
                        "tool_use_id": "functions_f_2",
                        "content": [{"type": "text", "text": "rain"}],
                    },
                    {"type": "text", "text": "Well?"},
                    {"type": "text", "text": "So?"},
                ],
            },
            {"role": "assistant", "content": "It is"},
        ],
    }


def test_results_come_before_what_the_user_said_earlier() -> None:
    out = from_chat(
        messages=[
            {"role": "user", "content": "Wait."},
            {"role": "tool", "tool_call_id": "a", "content": "1"},
        ]
    )
    assert [block["type"] for block in out["messages"][0]["content"]] == ["tool_result", "text"]


def test_media_of_chat_completions() -> None:
    out = from_chat(
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": f"data:image/jpg;base64,{PNG}", "detail": "auto"}},
                    {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                    {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PDF}", "filename": "a.pdf"}},
                    {"type": "file", "file": {"file_data": "data:text/csv;base64,YSxi"}},
                    {"type": "text", "text": "See.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
                ],
            }
        ]
    )
    assert out["messages"][0]["content"] == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": PNG}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
            "title": "a.pdf",
        },
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a,b"}},
        {"type": "text", "text": "See.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ]


@pytest.mark.parametrize(
    ("part", "lost"),
    [
        ({"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}, "messages.audio"),
        ({"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}}, "messages.video"),
        ({"type": "file", "file": {"file_id": "file-1"}}, "messages.file"),
        ({"type": "image_url", "image_url": {"url": "data:image/tiff;base64,AA=="}}, "messages.image"),
        ({"type": "image_url", "image_url": {"url": "https://a", "detail": "high"}}, "messages.detail"),
    ],
)
def test_what_no_block_says_is_lost(part: Any, lost: str) -> None:
    losses = Losses()
    messages = [{"role": "user", "content": [{"type": "text", "text": "a"}, part]}]
    assert from_chat(losses=losses, messages=messages)["messages"]
    assert losses.names == [lost]
    with pytest.raises(Unsupported, match=lost):
        from_chat(messages=messages)


@pytest.mark.parametrize(
    ("members", "lost"),
    [
        ({"n": 2}, ["n"]),
        ({"logprobs": True, "top_logprobs": 3}, ["logprobs", "top_logprobs"]),
        ({"frequency_penalty": 0.5, "seed": 0}, ["frequency_penalty", "seed"]),
        ({"presence_penalty": 1}, ["presence_penalty"]),
        ({"logit_bias": {"1": 2}}, ["logit_bias"]),
        ({"response_format": {"type": "json_object"}}, ["response_format"]),
        ({"modalities": ["text", "audio"], "audio": {"voice": "x"}}, ["modalities", "audio"]),
        ({"metadata": {"a": "b"}, "store": True, "service_tier": "flex"}, ["metadata", "service_tier"]),
        ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, ["tools.custom"]),
        ({"temperature": 1.5}, ["temperature"]),
        ({"stop": ["\n", "END"]}, ["stop"]),
        (
            {"n": 1, "logprobs": False, "frequency_penalty": 0, "logit_bias": {}, "modalities": ["text"],
             "response_format": {"type": "text"}, "stream_options": {"include_usage": True}, "user": None},
            [],
        ),
    ],
)  # fmt: skip
def test_what_anthropic_refuses_is_lost(members: Any, lost: list[str]) -> None:
    losses = Losses()
    from_chat(losses=losses, **members)
    assert sorted(losses.names) == sorted(lost)


def test_tools_of_chat_completions() -> None:
    strict = {"type": "function", "function": {"name": "g", "strict": True}, "cache_control": {"type": "ephemeral"}}
    out = from_chat(tools=[WEATHER_CHAT, strict], tool_choice="required", parallel_tool_calls=False)
    assert out["tools"] == [
        WEATHER,
        {
            "name": "g",
            "strict": True,
            "cache_control": {"type": "ephemeral"},
            "input_schema": {"type": "object", "properties": {}},
        },
    ]
    assert out["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", {"type": "auto"}),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        ({"type": "function", "function": {"name": "get_weather"}}, {"type": "tool", "name": "get_weather"}),
    ],
)
def test_tool_choice_both_ways(choice: Any, expected: Any) -> None:
    out = from_chat(tools=[WEATHER_CHAT], tool_choice=choice, parallel_tool_calls=True)
    assert out["tool_choice"] == expected
    assert to_chat(out)["tool_choice"] == choice
    back = to_chat(body(tools=[WEATHER], tool_choice=expected))
    assert back["tool_choice"] == choice
    assert back["tools"] == [WEATHER_CHAT]


def test_a_choice_among_some_tools_has_only_those() -> None:
    request = Request("openai_chat", messages=[Message("user", [Text("a")])], tools=[Tool("f"), Tool("g")])
    request.tool_choice = ToolChoice("required", ["g"])
    out = ANTHROPIC.encode_request(request, OLD, Losses("error"))
    assert [tool["name"] for tool in out["tools"]] == ["g"]
    assert out["tool_choice"] == {"type": "any"}


def test_structured_output_both_ways() -> None:
    schema = {"type": "object", "properties": {"a": {"type": ["object", "null"], "properties": {}}}}
    shut = {
        "type": "object",
        "properties": {"a": {"type": ["object", "null"], "properties": {}, "additionalProperties": False}},
        "additionalProperties": False,
    }
    out = from_chat(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})
    assert out["output_config"] == {"format": {"type": "json_schema", "schema": shut}}
    assert to_chat(out)["response_format"]["json_schema"]["schema"] == shut
    assert closed({"type": "object", "additionalProperties": True}) == {"type": "object", "additionalProperties": True}
    assert closed({"enum": [{"type": "object"}]}) == {"enum": [{"type": "object"}]}


@pytest.mark.parametrize(
    ("facts", "members", "thinking", "effort", "limit"),
    [
        (OLD, {"reasoning_effort": "high"}, {"type": "enabled", "budget_tokens": 24576}, None, 24576 + 4096),
        (OLD, {"reasoning_effort": "low"}, {"type": "enabled", "budget_tokens": 1024}, None, 1024 + 4096),
        (OLD, {"reasoning_effort": "high", "max_tokens": 4000}, {"type": "enabled", "budget_tokens": 2000}, None, 4000),
        (OLD, {"reasoning_effort": "high", "max_tokens": 1500}, {"type": "enabled", "budget_tokens": 1024}, None, 1500),
        (OLD, {"reasoning_effort": "none"}, None, None, 4096),
        (OLD, {}, None, None, 4096),
        (NEW, {"reasoning_effort": "high"}, {"type": "adaptive"}, "high", 4096),
        (NEW, {"reasoning_effort": "minimal"}, {"type": "adaptive"}, "low", 4096),
        (NEW, {"reasoning_effort": "xhigh"}, {"type": "adaptive"}, "xhigh", 4096),
        (Facts("claude-opus-4-6"), {"reasoning_effort": "xhigh"}, {"type": "adaptive"}, "max", 4096),
        (Facts("claude-sonnet-5"), {"reasoning_effort": "none"}, {"type": "disabled"}, None, 4096),
    ],
)
def test_effort_is_said_in_the_model_s_words(
    facts: Facts, members: Any, thinking: Any, effort: str | None, limit: int
) -> None:
    out = from_chat(facts, **members)
    assert out.get("thinking") == thinking
    assert out.get("output_config", {}).get("effort") == effort
    assert out["max_tokens"] == limit


CALLED = [
    ASK,
    {
        "role": "assistant",
        "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "a", "content": "1"},
]


@pytest.mark.parametrize(
    "members",
    [
        {"max_tokens": 1000},
        {"messages": CALLED},
        {"tools": [WEATHER_CHAT], "tool_choice": "required"},
    ],
)
def test_thinking_that_the_request_has_no_room_for_is_lost(members: Any) -> None:
    losses = Losses()
    assert "thinking" not in from_chat(losses=losses, reasoning_effort="high", **members)
    assert losses.names == ["thinking"]


def test_sampling_by_generation() -> None:
    losses = Losses()
    out = from_chat(OLD, losses, temperature=0.3, top_p=0.5, stop="END")
    assert (out["temperature"], out["stop_sequences"], losses.names) == (0.3, ["END"], ["top_p"])
    losses = Losses()
    assert from_chat(NEW, losses, temperature=0.3).keys() == {"model", "max_tokens", "messages"}
    assert losses.names == ["temperature"]
    losses = Losses()
    assert "temperature" not in from_chat(OLD, losses, temperature=0.3, reasoning_effort="low")
    assert losses.names == ["temperature"]
    assert from_chat(Facts("claude-3-opus-20240229"), temperature=0.3, top_p=0.5)["top_p"] == 0.5


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("claude-3-7-sonnet-20250219", (3, 7)),
        ("claude-sonnet-4-20250514", (4, 0)),
        ("claude-opus-4-6", (4, 6)),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", (4, 5)),
        ("claude-sonnet-4-5@20250929", (4, 5)),
        ("anthropic/claude-opus-4.7", (4, 7)),
        ("claude-sonnet-5", (5, 0)),
        ("claude", (0, 0)),
        ("deepseek-v3-2", (0, 0)),
    ],
)
def test_generations(model: str, expected: tuple[int, int]) -> None:
    assert models.version(model) == expected


def test_only_system_messages_are_what_the_user_asks() -> None:
    out = from_chat(messages=[{"role": "system", "content": "Say a."}])
    assert "system" not in out
    assert out["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Say a."}]}]


def test_ids_are_made_where_there_are_none() -> None:
    request = Request(
        "gemini",
        messages=[
            Message("user", [Text("a")]),
            Message("assistant", [ToolCall("", "f", "{}"), ToolCall("", "g", "[1]"), ToolCall("", "f", "no json")]),
            Message("user", [ToolResult("", "g", [Text("1")]), ToolResult("", "f", []), ToolResult("", "f", [])]),
        ],
    )
    out = ANTHROPIC.encode_request(request, OLD, Losses("error"))
    calls, results = out["messages"][1]["content"], out["messages"][2]["content"]
    assert [call["id"] for call in calls] == ["toolu_0", "toolu_1", "toolu_2"]
    assert [call["input"] for call in calls] == [{}, {"input": [1]}, {"input": "no json"}]
    assert [result["tool_use_id"] for result in results] == ["toolu_1", "toolu_0", "toolu_2"]


def test_thoughts_go_where_their_signature_counts() -> None:
    parts: list[Any] = [Reasoning("Hm.", "c2ln"), Reasoning(redacted="cmVk"), Text("a")]
    for origin, kept in (("bedrock", 2), ("gemini", 0), ("openai_responses", 0)):
        losses = Losses()
        request = Request(origin, messages=[Message("user", [Text("a")]), Message("assistant", parts)])
        out = ANTHROPIC.encode_request(request, OLD, losses)
        said = out["messages"][1]["content"]
        assert len(said) == 1 + kept
        assert losses.names == ([] if kept else ["messages.reasoning"])


def test_what_only_others_know_is_lost() -> None:
    losses = Losses()
    request = Request(
        "gemini",
        messages=[
            Message("system", [Text("s"), Media("image", "image/png", PNG)]),
            Message("user", [Text("a", signature="x"), Opaque("gemini", {}, "codeExecution")], name="joe"),
        ],
        tools=[Tool("googleSearch", own={"googleSearch": {}})],
        tool_choice=ToolChoice("required"),
        safety=[],
        format=Format("json_object"),
        sampling=Sampling(count=2),
        extra={"labels": {"a": "b"}},
    )
    out = ANTHROPIC.encode_request(request, OLD, losses)
    assert out.keys() == {"model", "max_tokens", "messages", "system"}
    assert set(losses.names) == {
        "messages.system", "messages.signature", "messages.codeExecution", "messages.name", "tools.googleSearch",
        "tool_choice", "safety_settings", "response_format", "n", "labels",
    }  # fmt: skip


def test_budgets_become_efforts_and_the_other_way() -> None:
    request = Request("gemini", messages=[Message("user", [Text("a")])], thinking=Thinking(budget=3000))
    assert ANTHROPIC.encode_request(request, NEW, Losses())["output_config"] == {"effort": "low"}
    assert to_chat(body(thinking={"type": "enabled", "budget_tokens": 10000}))["reasoning_effort"] == "medium"
    assert to_chat(body(output_config={"effort": "max"}))["reasoning_effort"] == "xhigh"
    request = Request(
        "gemini", messages=[Message("user", [Text("a")])], thinking=Thinking(adaptive=True, summary="auto")
    )
    out = ANTHROPIC.encode_request(request, NEW, Losses())
    assert out["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert ANTHROPIC.encode_request(request, OLD, Losses())["thinking"]["budget_tokens"] == 8192


def test_what_is_not_known_is_passed_on_where_that_is_wanted() -> None:
    out = from_chat(losses=Losses("pass"), messages=[ASK | {"weight": 1}, ASK | {"rank": 2}], store=True)
    assert out["store"] is True
    assert out["messages"][0].keys() == {"role", "content", "weight", "rank"}
