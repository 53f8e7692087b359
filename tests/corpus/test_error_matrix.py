"""Every reported and recorded error, told to callers of every dialect, as the official SDKs raise it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
from botocore.parsers import RestJSONParser
from google.genai import errors as google

from providers.dialects import load
from providers.dialects.openai_faults import redacted
from providers.eventstream import frame, header_bytes
from providers.neutral import Done, Fault, Request
from tests.corpus.dialect_rows import ENDPOINTS, rows
from tests.corpus.readout import aws_dialect
from tests.corpus.rows import read

CALLERS = (
    "openai_chat",
    "openai_responses",
    "openai_completions",
    "anthropic",
    "gemini",
    "bedrock",
    "cohere",
    "ollama",
)
DIALECT_OF = {"anthropic": "anthropic", "gemini": "gemini", "vertex": "gemini", "bedrock": "bedrock"}
KINDS = {
    **dict.fromkeys((0, 1, 12, 16, 19, 22, 23, 26, 27, 36, 37, 44), "rate_limit"),
    **dict.fromkeys((2, 3, 11, 29, 30, 31, 32, 40, 43), "quota"),
    **dict.fromkeys((4, 41), "context_length"),
    **dict.fromkeys((5, 6, 7, 8, 13), "server"),
    **dict.fromkeys((14, 15), "content_filter"),
    **dict.fromkeys((18, 24), "auth"),
    **dict.fromkeys((21, 28, 38, 39), "bad_request"),
    9: "overloaded",
    17: "not_found",
    25: "too_large",
}
"""Number of a reported answer -> what it is, as its words and notes tell."""
WAITS = {0: 0.174, 1: 18.642, 16: 86_400.0, 26: 578.016, 27: 50.597142857}
"""Number of a reported answer -> the wait in its text, seconds."""
OPENAI = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
}
ANTHROPIC = {
    400: anthropic.BadRequestError,
    401: anthropic.AuthenticationError,
    403: anthropic.PermissionDeniedError,
    404: anthropic.NotFoundError,
    413: anthropic.RequestTooLargeError,
    422: anthropic.UnprocessableEntityError,
    429: anthropic.RateLimitError,
}


def reported(corpus: Path) -> Iterator[tuple[int, str, int, bytes]]:
    """(number, dialect of the provider, status, body) of the reported answers."""
    for number, row in enumerate(read(corpus / "reported-errors.jsonl")):
        if row["where"] != "response":
            continue
        if "body" in row:
            body = json.dumps(row["body"]).encode()
        elif "HTML" in row["message"] or "text/html" in row["message"]:
            body = b"<html><title>" + row["message"].encode() + b"</title></html>"
        else:
            body = json.dumps({"error": {"message": row["message"]}}).encode()
        yield number, DIALECT_OF.get(row["provider"], "openai_chat"), row["status"], body


def raised(caller: str, status: int, headers: dict[str, str], body: bytes) -> Any:
    """What the caller's SDK makes of the answer: an exception, or the parsed error for AWS."""
    response = httpx.Response(status, headers=headers, content=body, request=httpx.Request("POST", "http://test.test"))
    if caller.startswith("openai"):
        return openai.OpenAI(api_key="x")._make_status_error_from_response(response)
    if caller == "anthropic":
        return anthropic.Anthropic(api_key="x")._make_status_error_from_response(response)
    if caller == "gemini":
        with pytest.raises(google.APIError) as error:
            google.APIError.raise_for_response(response)
        return error.value
    shape = aws_dialect.model().operation_model("Converse").output_shape
    return RestJSONParser().parse({"status_code": status, "headers": headers, "body": body}, shape)["Error"]


def judge(caller: str, fault: Fault) -> str:
    """Empty when the SDK raises what it should, else what is wrong."""
    error = load(caller).encode_fault(fault)
    headers = {"content-type": "application/json", **dict(error.headers)}
    wait = headers.get("retry-after")
    if (wait is not None) != bool(fault.retry_after_s):
        return f"retry-after {wait} for {fault.retry_after_s}"
    if wait is not None and abs(float(wait) - fault.retry_after_s) > 1:
        return f"retry-after {wait} for {fault.retry_after_s}"
    overload = caller == "anthropic" and fault.kind == "overloaded"
    if error.status != fault.status and not overload:
        return f"status {error.status}"
    value = json.loads(error.body)
    if caller in ("cohere", "ollama"):
        said = value.get("message") or value.get("error")
        return "" if said == fault.message else f"message {said!r}"
    found = raised(caller, error.status, headers, error.body)
    if caller.startswith("openai"):
        wanted: Any = OPENAI.get(
            error.status, openai.InternalServerError if error.status >= 500 else openai.APIStatusError
        )
        told = type(found) is wanted and found.body["message"] == fault.message and found.type
    elif caller == "anthropic":
        told = (
            isinstance(found, ANTHROPIC.get(error.status, anthropic.APIStatusError)) and found.body["type"] == "error"
        )
        told = told and (found.status_code, found.body["error"]["message"]) == (error.status, fault.message)
    elif caller == "gemini":
        wanted = google.ClientError if error.status < 500 else google.ServerError
        told = type(found) is wanted and (found.code, found.message) == (error.status, fault.message) and found.status
    else:
        told = found["Message"] == fault.message and found["Code"].endswith(("Exception", "Failure", "Id", "Token"))
    return "" if told else f"raised {found!r}"


def test_reported_errors_are_what_they_mean(corpus: Path) -> None:
    seen = 0
    for number, dialect, status, body in reported(corpus):
        fault = load(dialect).decode_fault(status, {}, body)
        assert (fault.kind, fault.status) == (KINDS[number], status), number
        assert fault.retry_after_s == pytest.approx(WAITS.get(number, 0.0)), number
        assert b"<html" not in fault.message.encode(), number
        seen += 1
    assert seen == 39


def test_reported_errors_reach_callers_of_every_dialect(corpus: Path) -> None:
    wrong = []
    for number, dialect, status, body in reported(corpus):
        for caller in CALLERS:
            fault = load(dialect).decode_fault(status, {}, body)
            fault.message = redacted(fault.message)
            if found := judge(caller, fault):
                wrong.append(f"{number} for {caller}: {found}")
    assert wrong == []


def test_recorded_errors_reach_callers_of_every_dialect(corpus: Path) -> None:
    wrong, seen = [], 0
    for source in ENDPOINTS:
        for row in rows(source):
            if row.status < 400:
                continue
            seen += 1
            for caller in CALLERS:
                fault = load(source).decode_fault(row.status, row.headers, row.answer)
                fault.message = redacted(fault.message)
                if found := judge(caller, fault):
                    wrong.append(f"{row.id} {row.provider} for {caller}: {found}")
    assert wrong == []
    assert seen > 40


def test_names_of_accounts_and_keys_are_left_out() -> None:
    said = (
        "Incorrect API key provided: sk-proj-****abcd in org-9xYz1234AbCd; gsk_abcdefgh AIzaSyA1b2c3d4; task-5, organ"
    )
    assert redacted(said) == (
        "Incorrect API key provided: [redacted] in [redacted]; [redacted] [redacted]; task-5, organ"
    )


# --- inside streams that began with 200

SAID = {
    "openai_chat": b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,'
    b'"delta":{"role":"assistant","content":"Hel"},"finish_reason":null}]}\n\n',
    "anthropic": b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","type":"message","role":'
    b'"assistant","model":"c","content":[],"stop_reason":null,"usage":{"input_tokens":1,"output_tokens":1}}}\n\n'
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":'
    b'""}}\n\nevent: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta",'
    b'"text":"Hel"}}\n\n',
    "bedrock": b"".join(
        frame(header_bytes({":event-type": kind, ":content-type": "application/json", ":message-type": "event"}), body)
        for kind, body in (
            ("messageStart", b'{"role":"assistant"}'),
            ("contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":"Hel"}}'),
        )
    ),
    "ollama": b'{"model":"m","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"Hel"},'
    b'"done":false}\n',
}
"""Dialect -> a stream that has begun."""
IN_CHOICE = {
    "choices": [
        {
            "index": 0,
            "delta": {},
            "finish_reason": "error",
            "error": {"message": "Error processing stream", "code": 502},
        }
    ]
}
EMPTY = {"choices": [], "error": {"message": "Worker local total request limit reached (33/32)", "code": 429}}


def streams(corpus: Path) -> Iterator[tuple[int, str, bytes]]:
    """(number, dialect, what comes behind the beginning)."""
    rows_ = read(corpus / "reported-errors.jsonl")
    told = json.dumps(rows_[10]["body"]).encode()
    yield 10, "anthropic", b"event: error\ndata: " + told + b"\n\n"
    headers = {":exception-type": "throttlingException", ":message-type": "exception"}
    yield 20, "bedrock", frame(header_bytes(headers), b'{"message":"Too many requests, please wait."}')
    for number, body in ((33, rows_[33]["body"]), (34, IN_CHOICE), (35, EMPTY)):
        yield number, "openai_chat", b"data: " + json.dumps(body).encode() + b"\n\ndata: [DONE]\n\n"
    yield 42, "openai_chat", b'data: {"id":"c","object":"chat.comp'
    yield 45, "ollama", json.dumps({"error": "an error was encountered while running the model"}).encode() + b"\n"


@pytest.mark.parametrize("began", [False, True])
def test_errors_inside_streams_are_no_silent_success(corpus: Path, began: bool) -> None:
    seen = 0
    for number, dialect, rest in streams(corpus):
        seen += 1
        data = (SAID[dialect] if began else b"") + rest
        decoder = load(dialect).stream_decoder()
        events = decoder.feed(data) + decoder.end()
        faults = [event for event in events if isinstance(event, Fault)]
        assert not any(isinstance(event, Done) for event in events), number
        assert len(faults) == 1, number
        for caller in CALLERS:
            encoder = load(caller).stream_encoder(Request(caller, "m", include_usage=True))
            out = b"".join(map(encoder.encode, events))
            reader = load(caller).stream_decoder()
            read_again = reader.feed(out) + reader.end()
            assert any(isinstance(event, Fault) for event in read_again), (number, caller)
            assert not any(isinstance(event, Done) for event in read_again), (number, caller)
    assert seen == 7
