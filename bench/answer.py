"""What the benchmark upstreams answer: one chat completion of 1.5 KB with 26 headers, and one event stream.

nginx and ``bench/upstream.py`` send the same bytes, so their figures can stand beside each other.
"""

from __future__ import annotations

import json

CHUNKS = 50
"""Events of content in a stream."""

PACE = 0.02
"""Seconds between two events: 50 tokens a second, as a fast model streams."""

HELD_PACE = 1.0
"""The same in streams that are held in great numbers."""

HELD_CHUNKS = 26
"""Events of content in such a stream: half a minute."""

DELAY = 1.6
"""Seconds of the slow answer: 5,000 requests a second hold 8,000 in flight."""

CHAT_BYTES = 1500

_TEXT = (
    "Three points follow from the meeting. First, Ana prepares the move of the upstream cluster to the new region, "
    "which happens on Thursday, and Joao informs the customers beforehand. Second, the latency of the search service "
    "doubled with the last release; Mei reads the traces before anybody changes code. Third, the budget for the third "
    "quarter is approved without the second GPU node, so the evaluation runs wait for the night, when prices are low. "
)


def chat() -> bytes:
    """A chat completion of exactly CHAT_BYTES bytes. No quote, backslash or dollar sign inside its text: it stands in
    nginx's configuration as it is."""
    body = {
        "id": "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG",
        "object": "chat.completion",
        "created": 1741570283,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "", "refusal": None, "annotations": []},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 171,
            "completion_tokens": 196,
            "total_tokens": 367,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        "service_tier": "default",
        "system_fingerprint": "fp_fc9f1d7035",
    }
    missing = CHAT_BYTES - len(_compact(body))
    body["choices"][0]["message"]["content"] = (_TEXT * (missing // len(_TEXT) + 1))[:missing]  # type: ignore[index]
    return _compact(body)


def message() -> bytes:
    """The same answer as Anthropic's messages have it, for callers of another dialect."""
    body = {
        "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [
            {"type": "text", "text": json.loads(chat())["choices"][0]["message"]["content"], "citations": None}
        ],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 171,
            "output_tokens": 196,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        },
    }
    return _compact(body)


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def events(chunks: int = CHUNKS) -> list[bytes]:
    """The stream: a role, so many pieces of content, a finish, usage and ``[DONE]``; each with its blank line."""

    def event(choices: list[object], usage: object = None) -> bytes:
        head = {"id": "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG", "object": "chat.completion.chunk"}
        chunk = head | {"created": 1741570283, "model": "gpt-4o-mini-2024-07-18", "choices": choices, "usage": usage}
        return b"data: %b\n\n" % _compact(chunk)

    def choice(delta: object, finish: str | None = None) -> list[object]:
        return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]

    usage = {"prompt_tokens": 171, "completion_tokens": chunks, "total_tokens": 171 + chunks}
    return [
        event(choice({"role": "assistant", "content": ""})),
        *(event(choice({"content": f" word{i}"})) for i in range(chunks)),
        event(choice({}, "stop")),
        event([], usage),
        b"data: [DONE]\n\n",
    ]


def held_events() -> list[bytes]:
    """The stream that is held, an event every HELD_PACE seconds."""
    return events(HELD_CHUNKS)


HEADERS = (
    ("access-control-expose-headers", "X-Request-ID"),
    ("openai-organization", "org-bench"),
    ("openai-processing-ms", "412"),
    ("openai-project", "proj_bench"),
    ("openai-version", "2020-10-01"),
    ("x-envoy-upstream-service-time", "418"),
    ("x-ratelimit-limit-requests", "10000"),
    ("x-ratelimit-limit-tokens", "10000000"),
    ("x-ratelimit-remaining-requests", "9999"),
    ("x-ratelimit-remaining-tokens", "9999826"),
    ("x-ratelimit-reset-requests", "6ms"),
    ("x-ratelimit-reset-tokens", "1ms"),
    ("x-request-id", "req_9a1f2c7be4d14c6a8f0e3b5d7c9a1b2d"),
    ("cf-cache-status", "DYNAMIC"),
    ("set-cookie", "__cf_bm=bench; path=/; HttpOnly; Secure; SameSite=None"),
    ("strict-transport-security", "max-age=31536000; includeSubDomains; preload"),
    ("x-content-type-options", "nosniff"),
    ("set-cookie", "_cfuvid=bench; path=/; HttpOnly; Secure; SameSite=None"),
    ("cf-ray", "91f2c7be4d14c6a8-FRA"),
    ("alt-svc", "h3=:443; ma=86400"),
    ("x-openai-proxy-wasm", "v0.1"),
)
"""21, beside Server, Date, Content-Type, Content-Length (or Transfer-Encoding) and Connection: 26 in all."""
