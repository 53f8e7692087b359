"""Answers and errors of generateContent, to and from chat completions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.neutral import (
    Answer,
    Choice,
    Citation,
    Fault,
    Malformed,
    Reasoning,
    Request,
    Text,
    ToolCall,
    Usage,
)
from tests.providers.dialects.gemini_cases import CHAT, GEMINI

ANSWER: dict[str, Any] = {
    "candidates": [
        {
            "content": {
                "role": "model",
                "parts": [
                    {"text": "Hm", "thought": True},
                    {"text": "Zürich lies there.", "thoughtSignature": "c2ln"},
                    {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"},
                ],
            },
            "finishReason": "STOP",
            "index": 0,
            "groundingMetadata": {
                "groundingChunks": [
                    {"web": {"uri": "https://a.example", "title": "A"}},
                    {"retrievedContext": {"title": "B"}},
                ],
                "groundingSupports": [
                    {"segment": {"endIndex": 12, "startIndex": 8, "text": "lies"}, "groundingChunkIndices": [0, 7]}
                ],
            },
        }
    ],
    "usageMetadata": {
        "promptTokenCount": 10, "candidatesTokenCount": 5, "thoughtsTokenCount": 3, "toolUsePromptTokenCount": 2,
        "cachedContentTokenCount": 4, "totalTokenCount": 20, "trafficType": "ON_DEMAND",
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 9}, {"modality": "AUDIO", "tokenCount": 1}],
    },
    "modelVersion": "gemini-3-pro",
    "responseId": "r",
    "createTime": "2026-01-02T03:04:05.678901Z",
}  # fmt: skip


def test_an_answer() -> None:
    answer = GEMINI.decode_answer(ANSWER)
    choice = answer.choices[0]
    assert (choice.finish, choice.raw_finish) == ("tool_calls", "STOP")
    thought, said, call = choice.parts
    assert isinstance(thought, Reasoning)
    assert thought.text == "Hm"
    assert isinstance(said, Text)
    assert said.citations == [Citation("https://a.example", "A", "lies", 7, 11), Citation("", "B")]
    assert isinstance(call, ToolCall)
    assert (call.id, call.name, call.arguments, call.signature) == ("", "f", '{"a":1}', "c2ln")
    usage = answer.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens) == (12, 8, 4, 3)
    assert (usage.audio_in_tokens, usage.total, answer.created) == (1, 20, 1_767_323_045)
    assert GEMINI.encode_answer(answer, Request("gemini")) == ANSWER


def test_an_answer_for_chat() -> None:
    chat = CHAT.encode_answer(GEMINI.decode_answer(ANSWER), Request("openai_chat"))
    message = chat["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("Zürich lies there.", "Hm")
    assert message["annotations"][0]["url_citation"]["start_index"] == 7
    assert message["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"a":1}'}
    assert chat["choices"][0]["finish_reason"] == "tool_calls"
    assert (chat["usage"]["prompt_tokens"], chat["usage"]["completion_tokens"]) == (12, 8)


def test_an_answer_from_elsewhere() -> None:
    cited = Text(
        "Zürich lies there.", [Citation("https://a.example", "A", "", 7, 11), Citation(title="B", source="doc")]
    )
    parts = [Reasoning("Hm", "c2ln"), cited, ToolCall("c1", "f", '{"a":1}'), ToolCall("c2", "g", "[1]")]
    tokens = {
        "content": [{"token": "a", "logprob": -1.0, "bytes": [97], "top_logprobs": [{"token": "b", "logprob": -2.0}]}]
    }
    answer = Answer("openai_chat", "id", "gpt", 5, [Choice(0, parts, "length", "length", logprobs=tokens)])
    answer.usage = Usage(10, 8, 4, 0, 3)
    body = GEMINI.encode_answer(answer, Request("gemini"))
    assert body["createTime"] == "1970-01-01T00:00:05Z"
    assert body["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert body["candidates"][0]["content"]["parts"][3] == {
        "functionCall": {"id": "c2", "name": "g", "args": {"input": "[1]"}}
    }
    assert body["usageMetadata"] == {
        "promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 18, "cachedContentTokenCount": 4,
        "thoughtsTokenCount": 3,
    }  # fmt: skip
    back = GEMINI.decode_answer(body)
    assert back.choices[0].finish == "length"
    assert back.choices[0].logprobs["content"][0]["top_logprobs"][0]["token"] == "b"
    said = back.choices[0].parts[1]
    assert isinstance(said, Text)
    assert said.citations == [
        Citation("https://a.example", "A", "lies", 7, 11),
        Citation("", "B", "", -1, -1, "doc"),
    ]
    assert back.usage == answer.usage or (back.usage is not None and back.usage.total == 18)


def test_a_refused_prompt_is_a_filtered_choice() -> None:
    body = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 1}, "modelVersion": "m"}
    answer = GEMINI.decode_answer(body)
    assert [(choice.finish, choice.raw_finish, choice.parts) for choice in answer.choices] == [
        ("content_filter", "SAFETY", [])
    ]
    written = GEMINI.encode_answer(answer, Request("gemini"))
    assert written["promptFeedback"] == {"blockReason": "SAFETY"}
    assert "candidates" not in written


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        ("STOP", "stop"), (1, "stop"), (2, "length"), ("MAX_TOKENS", "length"), ("RECITATION", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "error"), ("LANGUAGE", "other"), ("NEW", "other"), (None, "other"),
    ],
)  # fmt: skip
def test_finish(word: Any, finish: str) -> None:
    answer = GEMINI.decode_answer({"candidates": [{"finishReason": word}]})
    assert answer.choices[0].finish == finish


@pytest.mark.parametrize(
    "body", [{}, {"candidates": 1}, {"candidates": [1]}, {"candidates": [{"content": {"parts": [1]}}]}]
)
def test_what_is_no_answer(body: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        GEMINI.decode_answer(body)


def test_a_bad_key() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
    error = {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT", "details": details}
    for body in ({"error": error}, [{"error": error}]):
        fault = GEMINI.decode_fault(400, {}, json.dumps(body).encode())
        assert (fault.kind, fault.status, fault.code, fault.message) == (
            "auth",
            400,
            "API_KEY_INVALID",
            "API key not valid.",
        )
    back = json.loads(GEMINI.encode_fault(fault).body)["error"]
    assert (back["status"], back["details"][0]["reason"]) == ("INVALID_ARGUMENT", "API_KEY_INVALID")


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (429, {"status": "RESOURCE_EXHAUSTED", "message": "You exceeded your current quota"}, "rate_limit"),
        (429, {"status": "RESOURCE_EXHAUSTED", "message": "Your prepayment credits are depleted."}, "quota"),
        (
            400,
            {"message": "The input token count (9) exceeds the maximum number of tokens allowed (8)."},
            "context_length",
        ),
        (403, {"status": "PERMISSION_DENIED", "message": "m"}, "permission"),
        (404, {"status": "NOT_FOUND", "message": "m"}, "not_found"),
        (500, {"status": "INTERNAL", "message": "m"}, "server"),
        (503, {"status": "UNAVAILABLE", "message": "m"}, "overloaded"),
        (504, {"status": "DEADLINE_EXCEEDED", "message": "m"}, "timeout"),
        (400, {"status": "INVALID_ARGUMENT", "message": "m"}, "bad_request"),
    ],
)
def test_kinds_of_errors(status: int, error: dict[str, Any], kind: str) -> None:
    fault = GEMINI.decode_fault(status, {}, json.dumps({"error": error | {"code": status}}).encode())
    assert fault.kind == kind
    again = GEMINI.encode_fault(fault)
    assert again.status == status
    assert GEMINI.decode_fault(again.status, {}, again.body).kind == kind


def test_waits_and_members_survive() -> None:
    error = GEMINI.encode_fault(Fault("rate_limit", "m", 429, "rate_limit_exceeded", "model", 48.5, "req_1"))
    assert error.headers == (("retry-after", "48"),)
    fault = GEMINI.decode_fault(429, {}, error.body)
    assert (fault.kind, fault.retry_after_s, fault.param, fault.code) == (
        "rate_limit",
        48.5,
        "model",
        "rate_limit_exceeded",
    )


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"1", b'{"error": "text"}', b'{"error": {"details": [1, {}]}}']
)
def test_any_error_body_has_words(body: bytes) -> None:
    fault = GEMINI.decode_fault(500, {}, body)
    assert fault.message
    assert fault.kind == "server"
