"""What the tests of Google's dialect begin with."""

from __future__ import annotations

import json
from typing import Any

from providers.dialects import load
from providers.dialects.base import Facts
from providers.neutral import Event

GEMINI = load("gemini")
CHAT = load("openai_chat")
THREE = Facts("gemini-3-pro-preview", "gemini")
TWO = Facts("gemini-2.5-flash", "gemini")
OPENAI = Facts("gpt-5", "openai")
USER = {"role": "user", "parts": [{"text": "Hi"}]}


def response(*parts: Any, **more: Any) -> dict[str, Any]:
    return {
        "candidates": [{"content": {"parts": list(parts), "role": "model"}, "index": 0} | more],
        "modelVersion": "m",
    }


def sse(values: list[Any]) -> bytes:
    return b"".join(b"data: %b\r\n\r\n" % json.dumps(value).encode() for value in values)


def array(values: list[Any]) -> bytes:
    return b"[" + b"\n,\r\n".join(json.dumps(value, indent=2).encode() for value in values) + b"\n]\n"


def read(data: bytes, size: int = 1 << 20) -> list[Event]:
    decoder = GEMINI.stream_decoder()
    out: list[Event] = []
    for at in range(0, len(data), size):
        out += decoder.feed(data[at : at + size])
    return out + decoder.end()
