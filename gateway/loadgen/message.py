"""The request that is sent: 17 headers as the official Python SDK sends them, and a chat body of a typical size."""

from __future__ import annotations

import orjson

CHAT_BYTES = 850
"""Size of the standard chat body: a short system prompt and one question."""

_TEXT = (
    "Summarise the following notes for a colleague who was not in the meeting, in three sentences, and name the person "
    "who has to act on each of them. The upstream cluster moves to the new region on Thursday; Ana prepares the change "
    "and Joao tells the customers. Latency of the search service has doubled since the last release, nobody knows why "
    "yet, and Mei looks at the traces first. The budget for the third quarter is approved without the second GPU node, "
    "so the evaluation runs have to wait for the night, when prices are lower and the cluster is mostly idle anyway. "
)


def chat_body(model: str, *, stream: bool = False, size: int = CHAT_BYTES) -> bytes:
    """A chat request of ``size`` bytes (more when the fixed parts are longer), asking for a stream when told to."""
    body: dict[str, object] = {"model": model, "temperature": 0.2, "max_tokens": 256}
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    messages = [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": ""}]
    body["messages"] = messages
    missing = size - len(orjson.dumps(body))
    if missing > 0:
        messages[1]["content"] = (_TEXT * (missing // len(_TEXT) + 1))[:missing]
    return orjson.dumps(body)


def headers(host: str, key: str, length: int) -> list[tuple[str, str]]:
    """The 17 headers of a request by openai-python, in its order."""
    return [
        ("Host", host),
        ("Accept-Encoding", "gzip, deflate"),
        ("Connection", "keep-alive"),
        ("Accept", "application/json"),
        ("Content-Type", "application/json"),
        ("User-Agent", "OpenAI/Python 1.99.0"),
        ("X-Stainless-Lang", "python"),
        ("X-Stainless-Package-Version", "1.99.0"),
        ("X-Stainless-OS", "Linux"),
        ("X-Stainless-Arch", "x64"),
        ("X-Stainless-Runtime", "CPython"),
        ("X-Stainless-Runtime-Version", "3.11.7"),
        ("Authorization", f"Bearer {key}"),
        ("X-Stainless-Async", "false"),
        ("x-stainless-retry-count", "0"),
        ("x-stainless-read-timeout", "600"),
        ("Content-Length", str(length)),
    ]


def request(host: str, target: str, key: str, body: bytes) -> bytes:
    """The request as bytes on the wire."""
    lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers(host, key, len(body)))]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body
