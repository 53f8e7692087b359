"""The service tier that an answer says it was made at (OpenAI's ``service_tier``), where prices depend on it.

Only answers of models with such a price are listened to, and only between OpenAI's dialects, where bytes pass unread:
the decoders of the others tell it with the rest. It is read from the parsed document: what callers can put into an
answer, as metadata or text, sets no price.
"""

from __future__ import annotations

from typing import Any

import orjson

from _speedups._head import MEDIA_EVENTS, MEDIA_JSON
from gateway.exchange import Exchange
from providers.operations import Operation

NAME = b'"service_tier"'
MOST_HELD = 1 << 20
"""Of a line of a stream that has not ended: the last event of a response holds the whole of it."""
RESPONSES = int(Operation.RESPONSES)


class Listening:
    """Stands where ids are sealed (``Exchange.sealing``), before whoever does that."""

    def __init__(self, inner: Any, last_counts: bool) -> None:
        """``last_counts``: the first events say what was asked for, the last one what it became."""
        self.inner = inner
        self.last_counts = last_counts
        self.tier = ""
        self.rest = b""

    def whole(self, body: bytes) -> bytes:
        """A complete answer."""
        self.read(body)
        return body if self.inner is None else self.inner.whole(body)

    def feed(self, data: bytes, complete: bool) -> bytes:
        """A piece of a stream, which is not held back."""
        if self.last_counts or not self.tier:
            lines = self.rest + data
            end = len(lines) if complete else lines.rfind(b"\n") + 1
            if NAME in lines[:end]:
                for line in lines[:end].splitlines():
                    if line.startswith(b"data:") and NAME in line:
                        self.read(line[5:])
            self.rest = lines[end:] if len(lines) - end <= MOST_HELD else b""
        return data if self.inner is None else self.inner.feed(data, complete)

    def read(self, document: bytes) -> None:
        """Take the tier from a document that may name one."""
        if NAME not in document:
            return
        try:
            value = orjson.loads(document)
        except orjson.JSONDecodeError:
            return
        if isinstance(value, dict) and isinstance(value.get("response"), dict):
            value = value["response"]
        tier = value.get("service_tier") if isinstance(value, dict) else None
        if isinstance(tier, str):
            self.tier = tier


def listening(x: Exchange, media: int) -> Any:
    """What listens to the answer of ``x``, whose sealing, if it has any, goes on; what is no document says nothing."""
    return Listening(x.sealing, x.operation == RESPONSES) if media in (MEDIA_EVENTS, MEDIA_JSON) else x.sealing


def tier_of(x: Exchange) -> str:
    """What the answer says; empty: nothing, or nobody listened."""
    if isinstance(x.sealing, Listening):
        return x.sealing.tier
    return "" if x.translation is None else str(x.translation.tier)
