"""What an answer of a provider is, judged from its head, its body or the first event of its stream."""

from __future__ import annotations

import math
import re
import zlib
from typing import TYPE_CHECKING

import orjson

from gateway.errors import ASKED_AGAIN, NOT_AGAIN
from gateway.records import ErrorKind
from providers.classify import Classified, classify
from providers.operations import Operation

if TYPE_CHECKING:
    from gateway.exchange import Exchange

SECRET_FROM = 8
"""Characters of a credential; shorter ones (``none``, ``EMPTY``) stand for there being none, and are ordinary words."""

_RETRY_AFTER = re.compile(rb"\r\nretry-after:([^\r]*)", re.IGNORECASE)
_SHOULD_RETRY = re.compile(rb"\r\nx-should-retry:[^\r]*\r\n", re.IGNORECASE)

KIND_CHAT = 1
KIND_RESPONSES = 2
KIND_TYPED = 3
STREAM_KINDS = {
    int(Operation.CHAT): KIND_CHAT,
    int(Operation.COMPLETIONS): KIND_CHAT,
    int(Operation.RESPONSES): KIND_RESPONSES,
    int(Operation.RESPONSE_OBJECT): KIND_RESPONSES,
    int(Operation.SPEECH): KIND_TYPED,
    int(Operation.TRANSCRIPTION): KIND_TYPED,
    int(Operation.IMAGE_GENERATION): KIND_TYPED,
    int(Operation.IMAGE_EDIT): KIND_TYPED,
}


def judged(status: int, head: bytes, body: bytes) -> Classified:
    """What an error of a provider asks for: ``head`` is the answer's, ``body`` decoded."""
    found = _RETRY_AFTER.search(head)
    return classify(status, body, found[1] if found is not None else None)


def with_wait(head: bytes, wait_s: float) -> bytes:
    """``head`` with the wait that stands only in the answer's text, in whole seconds (RFC 9110 10.2.3)."""
    if wait_s <= 0 or _RETRY_AFTER.search(head):
        return head
    return head[:-2] + b"retry-after: %d\r\n\r\n" % max(1, math.ceil(wait_s))


def last_head(x: Exchange, status: int, head: bytes, wait_s: float) -> bytes:
    """``head`` of an error that is shown to the caller: with the wait, and, when it was asked again here already, with
    the word that keeps SDKs from multiplying that (B7)."""
    head = with_wait(head, wait_s)
    if x.attempt > 1 and status in ASKED_AGAIN:
        head = _SHOULD_RETRY.sub(b"\r\n", head)[:-2] + NOT_AGAIN + b"\r\n"
    return head


def unquoted(x: Exchange, text: bytes) -> bytes:
    """``text`` of a provider's error without the credential that the provider was sent: some quote it, and it is the
    operator's, not the caller's."""
    target = x.target
    value = target.upstream.values[x.key].encode() if target is not None else b""
    return text.replace(value, b"[provider key]") if len(value) >= SECRET_FROM and value in text else text


def error_kind_of(status: int, reason: str) -> ErrorKind:
    """What a provider's status, and the reason found in its answer, say about the attempt."""
    if status == 402 or reason in ("quota", "credit"):
        return ErrorKind.UPSTREAM_QUOTA
    if status == 429:
        return ErrorKind.UPSTREAM_RATE_LIMITED
    if status in (401, 403) or reason == "key":
        return ErrorKind.UPSTREAM_AUTH
    if status == 404:
        return ErrorKind.UPSTREAM_NOT_FOUND
    if status in (503, 529):
        return ErrorKind.UPSTREAM_OVERLOADED
    return ErrorKind.UPSTREAM_SERVER if status >= 500 else ErrorKind.UPSTREAM_BAD_REQUEST


def decode(encoding: bytes, body: bytes) -> bytes | None:
    """``body`` without its gzip or deflate coding, which was not asked for; None when it is not what it says."""
    name = encoding.lower()
    if name not in (b"gzip", b"x-gzip", b"deflate"):
        return None
    inflater = zlib.decompressobj(47 if name != b"deflate" else 15)
    try:
        out = inflater.decompress(body, 64 << 20)
    except zlib.error:
        return None
    return out if inflater.eof else None


def without_encoding(head: bytes) -> bytes:
    lines = head.split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.lower().startswith(b"content-encoding:"))


def status_in(event: bytes) -> tuple[int, bytes]:
    """HTTP status and body for an error event that came before any token."""
    try:
        value = orjson.loads(event)
    except orjson.JSONDecodeError:
        value = {}
    error = value.get("error") if isinstance(value, dict) else None
    status = 502
    for source in (error, value):
        if isinstance(source, dict):
            for name in ("code", "status", "status_code"):
                number = source.get(name)
                if isinstance(number, str) and number.isdigit():
                    number = int(number)
                if isinstance(number, int) and 400 <= number <= 599:
                    status = number
                    break
    return status, event
