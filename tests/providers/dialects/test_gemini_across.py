"""Requests of generateContent to and from chat completions."""

from __future__ import annotations

from typing import Any

import pytest

from providers.dialects.base import Facts
from providers.dialects.gemini.schemas import json_schema
from providers.neutral import (
    Losses,
    Malformed,
    Message,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Unsupported,
)
from tests.providers.dialects.gemini_cases import CHAT, GEMINI, OPENAI, THREE, TWO, USER


def to_chat(body: dict[str, Any], losses: Losses | None = None) -> Any:
    return CHAT.encode_request(GEMINI.decode_request(body, model="m"), OPENAI, losses or Losses("error"))


def from_chat(body: dict[str, Any], facts: Facts = THREE, losses: Losses | None = None) -> Any:
    full = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]} | body
    return GEMINI.encode_request(CHAT.decode_request(full), facts, losses or Losses("error"))


def test_to_chat() -> None:
    chat = to_chat(
        {
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "contents": [
                {
                    "role": "user",
                    "parts": [{"text": "Look"}, {"inlineData": {"mimeType": "image/png", "data": "aGk="}}],
                },
                {
                    "role": "model",
                    "parts": [
                        {"functionCall": {"name": "f", "args": {"a": 1}}},
                        {"functionCall": {"name": "g", "args": {}}},
                        {"functionCall": {"name": "f", "args": {"a": 2}}},
                    ],
                },
                {
                    "role": "user",
                    "parts": [
                        {"functionResponse": {"name": "g", "response": {"output": "G"}}},
                        {"functionResponse": {"name": "f", "response": {"x": 1}}},
                        {"functionResponse": {"name": "f", "response": {"error": "F"}}},
                    ],
                },
            ],
            "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT", "nullable": True}}]}],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
            "generationConfig": {
                "temperature": 0.5,
                "maxOutputTokens": 9,
                "stopSequences": ["a"],
                "candidateCount": 2,
                "responseMimeType": "application/json",
                "responseSchema": {"type": "OBJECT", "minProperties": "1"},
                "thinkingConfig": {"thinkingLevel": "LOW"},
                "responseLogprobs": True,
                "logprobs": 2,
            },
        }
    )
    calls = [("call_0", "f", '{"a":1}'), ("call_1", "g", "{}"), ("call_2", "f", '{"a":2}')]
    assert chat["messages"] == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": call, "type": "function", "function": {"name": name, "arguments": said}}
                for call, name, said in calls
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "G"},
        {"role": "tool", "tool_call_id": "call_0", "content": '{"x":1}'},
        {"role": "tool", "tool_call_id": "call_2", "content": "F"},
    ]
    assert chat["tools"][0]["function"] == {"name": "f", "parameters": {"type": ["object", "null"]}}
    assert chat["tool_choice"] == {"type": "function", "function": {"name": "f"}}
    assert chat["response_format"]["json_schema"]["schema"] == {"type": "object", "minProperties": 1}
    assert (chat["temperature"], chat["max_completion_tokens"], chat["stop"], chat["n"]) == (0.5, 9, ["a"], 2)
    assert (chat["reasoning_effort"], chat["logprobs"], chat["top_logprobs"]) == ("low", True, 2)


def test_what_chat_cannot_be_told_is_named() -> None:
    losses = Losses()
    body = {
        "contents": [USER, {"role": "model", "parts": [{"executableCode": {}}, {"text": "Hm", "thought": True}]}],
        "tools": [{"googleSearch": {}, "urlContext": {}}],
        "toolConfig": {"retrievalConfig": {"languageCode": "en"}},
        "generationConfig": {"speechConfig": {"languageCode": "en"}},
        "safetySettings": [{}],
        "cachedContent": "cachedContents/1",
    }
    to_chat(body, losses)
    assert sorted(losses.names) == [
        "cachedContent", "generationConfig.speechConfig", "messages.executableCode", "messages.reasoning",
        "safety_settings", "toolConfig.retrievalConfig", "tools.googleSearch", "tools.urlContext",
    ]  # fmt: skip


def test_from_chat() -> None:
    body = from_chat(
        {
            "messages": [
                {"role": "system", "content": "A"},
                {"role": "user", "content": [
                    {"type": "text", "text": "B"},
                    {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
                ]},
                {"role": "assistant", "content": "C", "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}},
                    {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "oops"}},
                ]},
                {"role": "tool", "tool_call_id": "c1", "content": "R1"},
                {"role": "tool", "tool_call_id": "c2", "content": "R2"},
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a.example/b.webp?x=1"}}]},
                {"role": "developer", "content": "D"},
            ],
            "tools": [{"type": "function", "function": {"name": "f", "description": "F", "parameters": {"a": 1}}}],
            "tool_choice": "required", "temperature": 1, "top_p": 0.5, "max_tokens": 7, "stop": "x", "seed": 3, "n": 2,
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
            "reasoning_effort": "medium",
        }
    )  # fmt: skip
    assert body == {
        "systemInstruction": {"parts": [{"text": "A"}, {"text": "D"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "B"}, {"inlineData": {"mimeType": "audio/wav", "data": "aGk="}}]},
            {"role": "model", "parts": [
                {"text": "C"},
                {
                    "functionCall": {"id": "c1", "name": "f", "args": {"a": 1}},
                    "thoughtSignature": "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=",
                },
                {"functionCall": {"id": "c2", "name": "g", "args": {"input": "oops"}}},
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "c1", "name": "f", "response": {"output": "R1"}}},
                {"functionResponse": {"id": "c2", "name": "g", "response": {"output": "R2"}}},
            ]},
            {"role": "user", "parts": [{"fileData": {"mimeType": "image/webp", "fileUri": "https://a.example/b.webp?x=1"}}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "f", "description": "F", "parametersJsonSchema": {"a": 1}}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        "generationConfig": {
            "temperature": 1, "topP": 0.5, "maxOutputTokens": 7, "stopSequences": ["x"], "seed": 3, "candidateCount": 2,
            "responseMimeType": "application/json", "responseJsonSchema": {"type": "object"},
            "thinkingConfig": {"thinkingLevel": "MEDIUM"},
        },
    }  # fmt: skip


DETAILED = {"url": "data:image/png;base64,aGk=", "detail": "low"}
NAMED = {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="}


@pytest.mark.parametrize(
    ("chat", "facts", "lost"),
    [
        ({"logit_bias": {"1": 1}}, THREE, "logit_bias"),
        ({"parallel_tool_calls": False}, THREE, "parallel_tool_calls"),
        ({"user": "u"}, THREE, "user"),
        ({"metadata": {"a": "B"}}, Facts("m", "vertex"), "metadata"),
        ({"metadata": {"a": "b"}}, THREE, "metadata"),
        ({"reasoning_effort": "none"}, THREE, "reasoning_effort"),
        ({"reasoning_effort": "high"}, Facts("gemini-2.0-flash"), "reasoning_effort"),
        ({"stop": ["a", "b", "c", "d", "e", "f"]}, THREE, "stop"),
        ({"prediction": {"type": "content"}}, THREE, "prediction"),
        ({"tools": [{"type": "web_search"}]}, THREE, "tools.web_search"),
        ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, THREE, "tools.c"),
        (
            {"response_format": {"type": "json_object"}, "tools": [{"type": "function", "function": {"name": "f"}}]},
            TWO,
            "response_format",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a/b"}}]}]},
            Facts("gemini-2.0-flash", "gemini"),
            "messages.image",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}]},
            THREE,
            "messages.file",
        ),
        ({"messages": [{"role": "assistant", "content": "a", "reasoning_content": "b"}]}, THREE, "messages.reasoning"),
        ({"messages": [{"role": "user", "content": "a", "name": "b"}]}, THREE, "messages.name"),
        ({"messages": [{"role": "assistant", "content": "a", "prefix": True}]}, THREE, "messages.prefix"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": DETAILED}]}]},
            THREE,
            "messages.detail",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": NAMED}]}]}, THREE, "messages.filename"),
    ],
)
def test_what_gemini_cannot_be_told_is_named(chat: dict[str, Any], facts: Facts, lost: str) -> None:
    losses = Losses()
    from_chat(chat, facts, losses)
    assert losses.names == [lost]
    with pytest.raises(Unsupported):
        from_chat(chat, facts, Losses("error"))


@pytest.mark.parametrize(
    ("effort", "model", "config"),
    [
        ("low", "gemini-3-flash-preview", {"thinkingLevel": "LOW"}),
        ("minimal", "gemini-3.1-pro-preview", {"thinkingLevel": "LOW"}),
        ("minimal", "gemini-3-flash-preview", {"thinkingLevel": "MINIMAL"}),
        ("xhigh", "gemini-flash-latest", {"thinkingLevel": "HIGH"}),
        ("none", "gemini-2.5-flash", {"thinkingBudget": 0}),
        ("high", "gemini-2.5-flash", {"thinkingBudget": 24_576}),
        ("xhigh", "gemini-2.5-pro", {"thinkingBudget": 32_768}),
    ],
)
def test_effort_by_model(effort: str, model: str, config: dict[str, Any]) -> None:
    body = from_chat({"reasoning_effort": effort}, Facts(model, "gemini"))
    assert body["generationConfig"] == {"thinkingConfig": config}


def test_labels_and_addresses_on_vertex() -> None:
    image = [{"type": "image_url", "image_url": {"url": "https://a.example/b"}}]
    chat = {"metadata": {"team": "a-1"}, "messages": [{"role": "user", "content": image}]}
    body = from_chat(chat, Facts("tuned", "vertex"))
    assert body["labels"] == {"team": "a-1"}
    assert body["contents"][0]["parts"] == [{"fileData": {"mimeType": "image/jpeg", "fileUri": "https://a.example/b"}}]


def test_a_system_message_alone_is_a_content() -> None:
    body = from_chat({"messages": [{"role": "system", "content": "A"}]})
    assert body == {"contents": [{"role": "user", "parts": [{"text": "A"}]}]}


def test_consecutive_words_of_the_model_are_one_content() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "A"},
        {"role": "assistant", "content": "B"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "C"},
        {"role": "user", "content": "D"},
    ]
    contents = from_chat({"messages": messages})["contents"]
    assert [(content["role"], len(content["parts"])) for content in contents] == [
        ("user", 1), ("model", 2), ("user", 1), ("user", 1),
    ]  # fmt: skip


def test_files_have_names_on_vertex() -> None:
    body = from_chat(
        {"messages": [{"role": "user", "content": [{"type": "file", "file": NAMED}]}]}, Facts("m", "vertex")
    )
    blob = {"mimeType": "application/pdf", "data": "aGk=", "displayName": "a.pdf"}
    assert body["contents"][0]["parts"] == [{"inlineData": blob}]


def test_made_ids_are_no_others() -> None:
    parts = [{"functionCall": {"id": "call_0", "name": "f"}}, {"functionCall": {"name": "g"}}]
    results = [{"functionResponse": {"name": "g", "response": {}}}]
    body = {"contents": [{"role": "model", "parts": parts}, {"role": "user", "parts": results}]}
    messages = to_chat(body)["messages"]
    assert [call["id"] for call in messages[0]["tool_calls"]] == ["call_0", "call_1"]
    assert messages[1]["tool_call_id"] == "call_1"
    assert GEMINI.encode_request(GEMINI.decode_request(body), THREE, Losses("error")) == body


def test_ids_that_come_again_name_the_latest_call() -> None:
    messages: list[dict[str, Any]] = []
    for name in ("f", "g"):
        function = {"name": name, "arguments": "{}"}
        messages.append(
            {"role": "assistant", "tool_calls": [{"id": "call_0", "type": "function", "function": function}]}
        )
        messages.append({"role": "tool", "tool_call_id": "call_0", "content": "R"})
    contents = from_chat({"messages": messages})["contents"]
    assert [contents[at]["parts"][0]["functionResponse"]["name"] for at in (1, 3)] == ["f", "g"]


def test_results_with_pictures_by_generation() -> None:
    request = Request("anthropic")
    picture = CHAT.decode_request(
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}]}
            ]
        }
    ).messages[0]
    result = ToolResult("c", parts=[Text("R"), *picture.parts], is_error=True)
    request.messages = [Message("assistant", [ToolCall("c", "f", signature="c2ln")]), Message("user", [result])]
    blob = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}
    inner = {"id": "c", "name": "f", "response": {"error": "R"}}
    written = GEMINI.encode_request(request, THREE, Losses("error"))["contents"]
    assert written[0]["parts"][0]["thoughtSignature"] == "c2ln"
    assert written[1]["parts"] == [{"functionResponse": inner | {"parts": [blob]}}]
    written = GEMINI.encode_request(request, TWO, Losses("error"))["contents"]
    assert written[1]["parts"] == [{"functionResponse": inner}, blob]


def test_signatures_come_back_through_chat() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    call["extra_content"] = {"google": {"thought_signature": "c2ln"}}
    body = from_chat({"messages": [{"role": "assistant", "tool_calls": [call]}]})
    assert body["contents"][0]["parts"][0]["thoughtSignature"] == "c2ln"


def test_allowed_tools() -> None:
    request = GEMINI.decode_request(
        {
            "contents": [USER],
            "tools": [{"functionDeclarations": [{"name": "f"}, {"name": "g"}]}],
            "toolConfig": {"functionCallingConfig": {"mode": "VALIDATED", "allowedFunctionNames": ["f", "g"]}},
        }
    )
    assert request.tool_choice is not None
    assert (request.tool_choice.mode, request.tool_choice.names) == ("auto", ["f", "g"])
    chat = CHAT.encode_request(request, OPENAI, Losses("error"))
    back = GEMINI.encode_request(CHAT.decode_request(chat), THREE, Losses("error"))
    assert back["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED", "allowedFunctionNames": ["f", "g"]}}


def test_schemas() -> None:
    google = {
        "type": 6,
        "properties": {
            "type": {"type": "STRING", "format": "enum", "enum": ["a"], "nullable": True, "max_length": "3"}
        },
        "propertyOrdering": ["type"],
        "anyOf": [{"type": "ARRAY", "items": {"type": "NUMBER", "example": 1}}],
    }
    assert json_schema(google, "parameters") == {
        "type": "object",
        "properties": {"type": {"type": ["string", "null"], "enum": ["a", None], "maxLength": 3}},
        "anyOf": [{"type": "array", "items": {"type": "number", "examples": [1]}}],
    }
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"items": deep}
    with pytest.raises(Malformed):
        json_schema(deep, "parameters")


def test_tools_of_another_dialect_share_one_object() -> None:
    request = Request(
        "anthropic", messages=[Message("user", [Text("a")])], tools=[Tool("f"), Tool("g", own={"type": "x"})]
    )
    losses = Losses()
    assert GEMINI.encode_request(request, THREE, losses)["tools"] == [{"functionDeclarations": [{"name": "f"}]}]
    assert losses.names == ["tools.g"]
