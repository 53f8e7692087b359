"""What a family of models is to Bedrock's invoke, and how its pieces are framed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from base64 import b64encode

import orjson

from providers.dialects import base
from providers.dialects.bedrock import faults
from providers.dialects.bedrock_invoke.listening import METRICS
from providers.eventstream import frame, header_bytes
from providers.neutral import Answer, Done, Event, Fault, Json, Request, Usage

_CHUNK = header_bytes({":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"})


class Pieces(ABC):
    """Writes a stream's pieces, each one JSON object."""

    @abstractmethod
    def of(self, event: Event) -> list[Json]: ...


class Family(ABC):
    """One form of body."""

    @abstractmethod
    def decode(self, body: Json, model: str, stream: bool) -> Request:
        """Raises Malformed."""

    @abstractmethod
    def answer(self, answer: Answer, request: Request) -> Json: ...

    @abstractmethod
    def pieces(self, request: Request) -> Pieces: ...


class Encoder(base.StreamEncoder):
    """A family's pieces in frames. The last piece is kept back until the counts that belong into it are known."""

    def __init__(self, family: Family, request: Request) -> None:
        self._pieces = family.pieces(request)
        self._last: Json | None = None
        self._usage = Usage()

    def encode(self, event: Event) -> bytes:
        if isinstance(event, Fault):
            kind, payload = faults.exception_of(event)
            headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
            return self._flush() + frame(header_bytes(headers), payload)
        if isinstance(event, Usage):
            self._usage = event
        out = b""
        for piece in self._pieces.of(event):
            out += self._flush()
            self._last = piece
        if isinstance(event, Done):
            usage, cached = self._usage, self._usage.cached_tokens + self._usage.cache_write_tokens
            counts = {"inputTokenCount": usage.input_tokens - cached, "outputTokenCount": usage.output_tokens}
            if cached:
                counts["cacheReadInputTokenCount"] = usage.cached_tokens
                counts["cacheWriteInputTokenCount"] = usage.cache_write_tokens
            self._last = (self._last or {}) | {METRICS: counts | {"invocationLatency": 0, "firstByteLatency": 0}}
            out += self._flush()
        return out

    def _flush(self) -> bytes:
        piece, self._last = self._last, None
        if piece is None:
            return b""
        return frame(_CHUNK, b'{"bytes":"%b"}' % b64encode(orjson.dumps(piece)))
