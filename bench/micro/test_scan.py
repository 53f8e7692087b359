"""What the scan costs: ``pytest bench/micro/test_scan.py``; bytes a second stand in ``extra_info``."""

from __future__ import annotations

import json
from types import ModuleType

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tests.speedups.twins import twins

SCANS = twins("_scan")

SENTENCE = "The quick brown fox jumps over the lazy dog. "
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather in a place",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string", "description": "City and country"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                "days": {"type": "integer", "minimum": 1, "maximum": 10},
            },
            "required": ["location", "unit"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}


def chat(text: str) -> bytes:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], "stream": True}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


# P10: 100 KB each.
BODIES = {
    "chat-850B": chat(SENTENCE * 17),
    "one-long-message": chat(SENTENCE * 2222),
    "one-long-message-lines": chat((SENTENCE + "\n") * 2100),
    "one-long-message-german": chat("Der schnelle Fuchs läuft über die Straße \u2013 für immer. " * 1750),
    "one-long-message-chinese": chat("今天天气很好\uff0c我们去公园散步吧。" * 2083),
    "tool-schemas": json.dumps({"model": "m", "tools": [TOOL] * 260}, separators=(",", ":")).encode(),
    "tool-schemas-spaced": json.dumps({"model": "m", "tools": [TOOL] * 235}).encode(),
    "tool-schemas-indented": json.dumps({"model": "m", "tools": [TOOL] * 120}, indent=2).encode(),
}
CHUNK = (
    b'data: {"id":"chatcmpl-AbCdEf0123456789","object":"chat.completion.chunk","created":1718345013,'
    b'"model":"gpt-4o-mini-2024-07-18","system_fingerprint":"fp_0123456789","choices":[{"index":0,'
    b'"delta":{"content":" word"},"logprobs":null,"finish_reason":null}]}\n\n'
)
ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": SENTENCE * 28}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 200, "completion_tokens": 300, "total_tokens": 500},
    }
).encode()
REQUEST = b"\r\n".join(
    [
        *(b"POST /v1/chat/completions HTTP/1.1", b"Host: 127.0.0.1:8099", b"Accept: application/json"),
        *(b"Accept-Encoding: gzip, deflate", b"Connection: keep-alive", b"Content-Type: application/json"),
        *(b"User-Agent: OpenAI/Python 1.55.0", b"X-Stainless-Lang: python", b"X-Stainless-Package-Version: 1.55.0"),
        *(b"X-Stainless-OS: Linux", b"X-Stainless-Arch: x64", b"X-Stainless-Runtime: CPython"),
        *(b"X-Stainless-Runtime-Version: 3.11.7", b"Authorization: Bearer sk-0123456789abcdef0123456789abcdef"),
        *(b"X-Stainless-Async: false", b"x-stainless-retry-count: 0", b"x-stainless-read-timeout: 600"),
        *(b"Content-Length: 850", b"", b""),
    ]
)
RESPONSE = b"\r\n".join(
    [
        *(b"HTTP/1.1 200 OK", b"Date: Tue, 18 Jun 2024 10:00:00 GMT", b"Content-Type: application/json"),
        *(
            b"Content-Length: 1500",
            b"Connection: keep-alive",
            b"openai-organization: org",
            b"openai-processing-ms: 500",
        ),
        *[b"x-ratelimit-value-%d: %d" % (n, n) for n in range(12)],
        *(b"openai-version: 2020-10-01", b"x-request-id: req_0123456789abcdef", b"CF-Cache-Status: DYNAMIC"),
        *(b"Set-Cookie: __cf_bm=a; path=/", b"X-Content-Type-Options: nosniff", b"Server: cloudflare"),
        *(b"CF-RAY: 8959abcdef-AMS", b'alt-svc: h3=":443"; ma=86400', b"", b""),
    ]
)


@pytest.fixture(params=SCANS.values(), ids=SCANS.keys())
def scan(request: pytest.FixtureRequest) -> ModuleType:
    module: ModuleType = request.param
    return module


@pytest.mark.parametrize("name", BODIES)
def test_body(benchmark: BenchmarkFixture, scan: ModuleType, name: str) -> None:
    body = BODIES[name]
    assert benchmark(scan.JsonScan().scan, body)
    if benchmark.stats:
        benchmark.extra_info["gigabytes_per_second"] = len(body) / benchmark.stats["median"] / 1e9


@pytest.mark.parametrize("hide", [False, True], ids=["plain", "hiding"])
def test_stream_chunk(benchmark: BenchmarkFixture, scan: ModuleType, hide: bool) -> None:
    assert benchmark(scan.StreamScan(scan.CHAT, hide).feed, CHUNK) is CHUNK


def test_stream_chunk_raw(benchmark: BenchmarkFixture, scan: ModuleType) -> None:
    assert benchmark(scan.StreamScan(scan.RAW).feed, CHUNK) is CHUNK


def test_usage_of_an_answer(benchmark: BenchmarkFixture, scan: ModuleType) -> None:
    usage = scan.UsageScan()
    benchmark(usage.feed, ANSWER)
    assert usage.total == 500


def test_request_head(benchmark: BenchmarkFixture, scan: ModuleType) -> None:
    assert benchmark(scan.HeadScan().request, REQUEST)


def test_response_head(benchmark: BenchmarkFixture, scan: ModuleType) -> None:
    assert benchmark(scan.HeadScan().response, RESPONSE)


def test_copy_request_headers(benchmark: BenchmarkFixture, scan: ModuleType) -> None:
    names = [b"accept", b"accept-language", b"content-type", b"user-agent", b"openai-beta", b"openai-organization"]
    copy = scan.HeaderFilter(names, [b"x-stainless-"], keep=True).copy
    assert benchmark(copy, REQUEST).count(b"\r\n") == 12


def test_copy_response_headers(benchmark: BenchmarkFixture, scan: ModuleType) -> None:
    names = [b"set-cookie", b"connection", b"content-length", b"server", b"openai-organization", b"alt-svc", b"trailer"]
    copy = scan.HeaderFilter(names, [b"x-ratelimit-", b"cf-"], keep=False).copy
    assert benchmark(copy, RESPONSE).count(b"\r\n") == 6
