"""Anthropic's answers and errors, to and from chat completions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.neutral import (
    Answer,
    Choice,
    Fault,
    Malformed,
    Refusal,
    Request,
    Sampling,
    ToolCall,
)
from tests.providers.dialects.anthropic_cases import ANSWER, ANTHROPIC, CHAT


def test_an_answer_comes_back_as_it_was() -> None:
    answer = ANTHROPIC.decode_answer(ANSWER)
    assert answer.usage is not None
    usage = answer.usage
    assert (usage.input_tokens, usage.cached_tokens, usage.cache_write_tokens) == (18, 5, 3)
    assert (usage.output_tokens, usage.reasoning_tokens, answer.service_tier) == (7, 2, "default")
    assert ANTHROPIC.encode_answer(answer, Request("anthropic")) == ANSWER


def test_an_answer_goes_to_chat_completions() -> None:
    out = CHAT.encode_answer(ANTHROPIC.decode_answer(ANSWER), Request("openai_chat"))
    choice = out["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    message = choice["message"]
    assert (message["content"], message["reasoning_content"]) == ("Sunny.", "Hm.")
    assert message["annotations"][0]["url_citation"]["url"] == "https://example.com"
    assert message["tool_calls"] == [
        {"id": "toolu_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    ]
    assert (out["usage"]["prompt_tokens"], out["usage"]["completion_tokens"]) == (18, 7)


def test_an_answer_of_chat_completions() -> None:
    given = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "reasoning_content": "Hm.",
                    "content": "Sunny.",
                    "annotations": [{"type": "url_citation", "url_citation": {"url": "https://a", "title": "T"}}],
                    "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
                },
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 5}},
        "service_tier": "flex",
    }
    assert ANTHROPIC.encode_answer(CHAT.decode_answer(given), Request("anthropic")) == {
        "id": "chatcmpl-1",
        "type": "message",
        "role": "assistant",
        "model": "gpt",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": ""},
            {
                "type": "text",
                "text": "Sunny.",
                "citations": [
                    {
                        "type": "web_search_result_location",
                        "cited_text": "",
                        "encrypted_index": "",
                        "title": "T",
                        "url": "https://a",
                    }
                ],
            },
            {"type": "tool_use", "id": "call_1", "name": "f", "input": {}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 4,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 5,
            "output_tokens": 4,
            "service_tier": None,
        },
    }


@pytest.mark.parametrize(
    ("word", "finish", "back"),
    [
        ("end_turn", "stop", "end_turn"),
        ("max_tokens", "length", "max_tokens"),
        ("model_context_window_exceeded", "length", "model_context_window_exceeded"),
        ("stop_sequence", "stop_sequence", "stop_sequence"),
        ("tool_use", "tool_calls", "tool_use"),
        ("pause_turn", "pause", "pause_turn"),
        ("refusal", "refusal", "refusal"),
        ("of_tomorrow", "other", "end_turn"),
    ],
)
def test_stop_reasons(word: str, finish: str, back: str) -> None:
    answer = ANTHROPIC.decode_answer(ANSWER | {"content": [], "stop_reason": word, "stop_sequence": "END"})
    assert answer.choices[0].finish == finish
    out = ANTHROPIC.encode_answer(answer, Request("anthropic"))
    assert out["stop_reason"] == back
    assert out["stop_sequence"] == ("END" if word == "stop_sequence" else None)


def test_reasons_of_others() -> None:
    request = Request("anthropic", sampling=Sampling(stop=["END"]))

    def reason(finish: Any, *parts: Any) -> tuple[str, str | None]:
        out = ANTHROPIC.encode_answer(Answer("openai_chat", choices=[Choice(0, list(parts), finish)]), request)
        return out["stop_reason"], out["stop_sequence"]

    assert reason("content_filter") == ("refusal", None)
    assert reason("stop", Refusal("No.")) == ("refusal", None)
    assert reason("stop", ToolCall("a", "f")) == ("tool_use", None)
    assert reason("error") == ("end_turn", None)
    assert reason("stop_sequence") == ("stop_sequence", "END")


@pytest.mark.parametrize("given", [{}, {"type": "error"}, {"content": "a"}, {"content": [{"type": "text"}]}])
def test_what_a_provider_sends_wrong(given: Any) -> None:
    with pytest.raises(Malformed):
        ANTHROPIC.decode_answer(given)


@pytest.mark.parametrize(
    ("status", "word", "message", "kind"),
    [
        (400, "invalid_request_error", "max_tokens: Field required", "bad_request"),
        (400, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum", "context_length"),
        (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API.", "quota"),
        (401, "authentication_error", "invalid x-api-key", "auth"),
        (402, "billing_error", "Pay.", "quota"),
        (403, "permission_error", "Not yours.", "permission"),
        (404, "not_found_error", "model: x", "not_found"),
        (413, "request_too_large", "Too large.", "too_large"),
        (429, "rate_limit_error", "Slow down.", "rate_limit"),
        (500, "api_error", "Oops.", "server"),
        (504, "timeout_error", "Late.", "timeout"),
        (529, "overloaded_error", "Overloaded", "overloaded"),
    ],
)
def test_errors_both_ways(status: int, word: str, message: str, kind: str) -> None:
    given = {"type": "error", "error": {"type": word, "message": message}, "request_id": "req_1"}
    fault = ANTHROPIC.decode_fault(status, {"retry-after": "3"}, json.dumps(given).encode())
    assert (fault.kind, fault.status, fault.message, fault.request_id) == (kind, status, message, "req_1")
    error = ANTHROPIC.encode_fault(fault)
    assert error.status == status
    assert dict(error.headers)["request-id"] == "req_1"
    assert json.loads(error.body)["error"]["message"] == message
    if kind != "quota" or word == "billing_error":
        assert json.loads(error.body) == given


def test_errors_of_others() -> None:
    error = ANTHROPIC.encode_fault(Fault("overloaded", "Busy.", 503, "server_error", retry_after_s=2))
    assert (error.status, dict(error.headers)) == (529, {"retry-after": "2"})
    assert json.loads(error.body) == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "Busy."},
        "request_id": None,
    }
    assert ANTHROPIC.decode_fault(502, {"request-id": "r"}, b"<html>").request_id == "r"
