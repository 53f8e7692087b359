"""What callers of the soak ask for, and which answers to it are promised."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass

from bench.reliability.soak.provider import LENGTHS
from gateway.loadgen import message

CHAT, EMBEDDINGS, MESSAGES = "/v1/chat/completions", "/v1/embeddings", "/anthropic/v1/messages"

MARK = "soak-%016x"
"""The mark of a request, which its answer repeats; by its number."""
ANY_MARK = b"soak-"

SIZES = tuple(1024 << power for power in range(6))
"""Bytes of bodies. Prompts of the traces that are longer, four bytes a token, are cut to the longest."""

GOOD = "good"
FAILED_AS_PROMISED = "failed, promised: a fault without a fallback"
OVERLOADED = "refused for overload (503, Retry-After)"
LEFT = "left by the caller"
PROMISED = frozenset((GOOD, FAILED_AS_PROMISED, LEFT))

WRONG_ANSWER = "answer of another request"
CLEAN_END = "clean end on a cut stream"

_FAULTS = frozenset((500, 502, 503, 504))
_OVERLOADED = (b'"overloaded"', b'"overloaded_error"')
"""In OpenAI's form and in Anthropic's."""
_DONE = b"data: [DONE]"
_STOP = b"event: message_stop"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of call."""

    name: str
    share: int
    """Of 1,000 calls."""
    model: str
    path: str = CHAT
    stream: bool = False
    paced: bool = False
    """``model`` is completed by the length of the stream."""
    expected: int = 200
    """Status; anything but 200 is the caller's own mistake, and what it must be told."""
    faulty: bool = False
    """A failure is promised: an error, or a stream that ends with an error event."""
    leaves_after_s: float = -1.0
    """Seconds until the caller leaves; 0: with the first piece of the answer's body."""
    key: str = ""
    body: bytes = b""
    """Instead of a good one."""


KINDS: Sequence[Kind] = (
    Kind("chat", 520, "bench"),
    Kind("stream", 120, "stream-", stream=True, paced=True),
    Kind("embeddings", 90, "embed", EMBEDDINGS),
    Kind("messages", 50, "claude", MESSAGES),
    Kind("messages from chat", 20, "bench", MESSAGES),
    Kind("chat from messages", 40, "claude"),
    Kind("stream from messages", 20, "claude-stream", stream=True),
    Kind("stream of messages", 20, "claude-stream", MESSAGES, stream=True),
    Kind("slow", 30, "slow"),
    Kind("wrong key", 10, "bench", expected=401, key="sk-nobody"),
    Kind("no such model", 5, "nobody", expected=404),
    Kind("no JSON", 5, "bench", expected=400, body=b'{"model": "bench", "messages": [}'),
    Kind("leaves a stream", 10, "stream-", stream=True, paced=True, leaves_after_s=0.0),
    Kind("leaves early", 10, "slow", leaves_after_s=0.1),
    Kind("503, fallback", 5, "rescued-status"),
    Kind("reset, fallback", 5, "rescued-reset"),
    Kind("kept connection reset", 5, "rescued-reused"),
    Kind("slow provider, fallback", 5, "rescued-slow"),
    Kind("garbage, fallback", 5, "rescued-garbage"),
    Kind("429, fallback", 5, "rescued-limited"),
    Kind("error for a stream, fallback", 5, "rescued-event", stream=True),
    Kind("cut before a token, fallback", 5, "rescued-first", stream=True),
    Kind("503", 2, "bare-status", faulty=True),
    Kind("reset", 2, "bare-reset", faulty=True),
    Kind("slow provider", 2, "bare-slow", faulty=True),
    Kind("cut", 2, "bare-cut", stream=True, faulty=True),
    Kind("ended early", 1, "bare-end", stream=True, faulty=True),
    Kind("error within", 1, "bare-event", stream=True, faulty=True),
)  # fmt: skip


def draw(count: int, seed: int) -> list[int]:
    """Numbers of kinds in their shares, in random order."""
    return random.Random(seed).choices(range(len(KINDS)), [kind.share for kind in KINDS], k=count)


def _body(kind: Kind, model: str, size: int) -> bytes:
    if kind.body:
        return kind.body
    if kind.path == EMBEDDINGS:
        return json.dumps({"model": model, "input": "word " * ((size - 60) // 5)}).encode()
    if kind.path == MESSAGES:
        text = "word " * ((size - 120) // 5)
        asked = {"model": model, "max_tokens": 256, "messages": [{"role": "user", "content": text}]}
        return json.dumps(asked | ({"stream": True} if kind.stream else {})).encode()
    return message.chat_body(model, stream=kind.stream, size=size)


def request(kind: Kind, host: str, key: str, size: int, length: int) -> tuple[bytes, bytes]:
    """The bytes before and behind the request's mark; ``size`` and ``length`` are places in SIZES and LENGTHS."""
    model = f"{kind.model}{LENGTHS[length]}" if kind.paced else kind.model
    whole = message.request(host, kind.path, kind.key or key, _body(kind, model, SIZES[size]))
    head, _, body = whole.partition(b"\r\n\r\n")
    return head + b"\r\nX-Client-Request-Id: ", b"\r\n\r\n" + body


def verdict(kind: Kind, mark: bytes, status: int, head: bytes, body: bytes, *, whole: bool) -> str:
    """What an answer is to this call: GOOD, FAILED_AS_PROMISED, OVERLOADED, or what is wrong with it. ``head`` in lower
    case; ``whole``: it had its last chunk, or its length."""
    if status == 200:
        return _served(kind, mark, body, whole) if kind.expected == 200 else f"status 200 instead of {kind.expected}"
    if not whole:
        return f"status {status}, cut"
    if b'"error"' not in body or b"x-microgate-request-id" not in head:
        return f"status {status} without an error that names the request"
    if status == kind.expected:
        return GOOD
    if status == 503 and any(word in body for word in _OVERLOADED) and b"\r\nretry-after:" in head:
        return OVERLOADED
    return FAILED_AS_PROMISED if kind.faulty and status in _FAULTS else f"status {status}"


def _served(kind: Kind, mark: bytes, body: bytes, whole: bool) -> str:
    marks = body.count(mark)
    if body.count(ANY_MARK) != marks:
        return WRONG_ANSWER
    if not kind.stream:
        return (GOOD if marks == 1 else "answer without its request's mark") if whole else "answer cut"
    ended = (_STOP if kind.path == MESSAGES else _DONE) in body
    if whole and ended and marks == 2:
        return GOOD
    if ended:
        return CLEAN_END
    if b'"error"' not in body:
        return CLEAN_END if whole else "stream cut without an error event"
    return FAILED_AS_PROMISED if kind.faulty else "stream ended with an error event"
