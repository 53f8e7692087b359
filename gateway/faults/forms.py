"""In whose words a provider speaks at a path: which form the errors have that the proxy puts in its mouth."""

from __future__ import annotations

import re

from gateway.demo import natives
from gateway.demo.connection import Reply
from gateway.demo.faults import error_for
from gateway.demo.stream import MISHAP, chat_error
from providers import neutral
from providers.dialects import load

_SUFFIXES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?:/v1)?/messages"), "/anthropic/v1/messages"),
    (re.compile(r"(?:/v1(?:alpha|beta)?)(/models/.+:(?:streamG|g)enerateContent)"), r"/gemini/v1beta\1"),
    (re.compile(r"(/model/.+/(?:converse|converse-stream|invoke|invoke-with-response-stream))"), r"/bedrock\1"),
    (re.compile(r"(?:/v2)?/chat"), "/cohere/v2/chat"),
    (re.compile(r"/api/chat"), "/ollama/api/chat"),
)
"""What vendors' own paths are called by the demo, whose answers are played."""


def played(path: str) -> str:
    """The demo's path for a vendor's own, for instance ``/v1/messages``."""
    if natives.find(path) is None:
        for pattern, name in _SUFFIXES:
            if found := pattern.fullmatch(path):
                return found.expand(name)
    return path


def dialect(path: str) -> str:
    """The dialect that is spoken at a path, the vendor's own or the demo's; OpenAI's where nothing else is known."""
    asked = natives.find(played(path))
    return asked.dialect.name if asked is not None else "openai_chat"


async def refuse(reply: Reply, path: str, status: int) -> None:
    """The error that the provider would answer with this status, without any ``Retry-After``."""
    name = dialect(path)
    if name == "openai_chat":
        kind, code, message = error_for(status)
        await reply.error(status, kind, message, code)
        return
    fault = neutral.Fault(natives.kind_for(status), error_for(status)[2], status)
    error = load(name).encode_fault(fault)
    reply.headers += error.headers
    await reply.body(status, "application/json", error.body)


def error_event(path: str, event: bytes) -> bytes:
    """The error that stands in place of ``event`` in the provider's stream."""
    name = dialect(path)
    if name in ("openai_chat", "openai_responses"):
        return chat_error(event)
    encoder = load(name).stream_encoder(neutral.Request(name, stream=True))
    return encoder.encode(neutral.Fault("overloaded", MISHAP, 529))


def spoilt(event: bytes, what: str) -> bytes:
    """An event of a stream with data that is no JSON: half of it, words or nothing."""
    head, mark, data = event.partition(b"data: ")
    data = data if mark else event
    wrong = {"truncated": data.rstrip()[: len(data) // 2], "words": b"upstream says hello"}.get(what, b"")
    if not mark:
        return wrong + b"\n"
    return head + mark + wrong + b"\n\n"


def spoilt_body(content: bytes, what: str) -> bytes:
    """The same for a whole body."""
    return {"truncated": content[: len(content) // 2], "words": b"upstream says hello"}.get(what, b"")


NOT_HTTP = b"\x16\x03\x01\x00\x00 this is not HTTP\r\n\r\n"
