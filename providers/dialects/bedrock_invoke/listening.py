"""What the books need of answers that pass through as they are, whichever family wrote them."""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Any

import orjson

from providers.dialects import blocks
from providers.dialects.bedrock import faults
from providers.dialects.reading import items, mapping, text, whole
from providers.eventstream import BadFrame, EventStreamReader, Frame
from providers.neutral import Answer, Choice, Done, Event, Json, PartDelta, Start, Usage

METRICS = "amazon-bedrock-invocationMetrics"
"""Member of a stream's last piece."""
_SILENT = frozenset(("message_start", "ping", "content_block_start", "content_block_stop", "message_delta"))
_SILENT_MEMBERS = frozenset(("messageStart", "contentBlockStart", "contentBlockStop", "messageStop", "metadata"))


def answer(body: Json) -> Answer:
    """A whole answer, of which only the usage is read."""
    return Answer("bedrock_invoke", choices=[Choice(finish="stop")], usage=_usage(body))


def _usage(body: Json) -> Usage | None:
    said = mapping(body.get("usage"))
    if "inputTokens" in said:
        cached = whole(said.get("cacheReadInputTokenCount", said.get("cacheReadInputTokens")))
        written = whole(said.get("cacheWriteInputTokenCount", said.get("cacheWriteInputTokens")))
        return _counted(whole(said["inputTokens"]), whole(said.get("outputTokens")), cached, written)
    if "input_tokens" in said:
        cached, written = whole(said.get("cache_read_input_tokens")), whole(said.get("cache_creation_input_tokens"))
        usage = _counted(whole(said["input_tokens"]), whole(said.get("output_tokens")), cached, written)
        usage.cache_write_1h_tokens = whole(mapping(said.get("cache_creation")).get("ephemeral_1h_input_tokens"))
        return usage
    if "prompt_tokens" in said:
        return Usage(whole(said["prompt_tokens"]), whole(said.get("completion_tokens")))
    if "prompt_token_count" in body:
        return Usage(whole(body["prompt_token_count"]), whole(body.get("generation_token_count")))
    if "inputTextTokenCount" in body:
        written = sum(whole(mapping(one).get("tokenCount")) for one in items(body.get("results")))
        return Usage(whole(body["inputTextTokenCount"]), written)
    return None


def _counted(fresh: int, output: int, cached: int, written: int) -> Usage:
    return Usage(fresh + cached + written, output, cached, written)


class Decoder(blocks.Decoder):
    """``Done`` follows the piece with the metrics, which is the last of every family's; a guardrail that steps in sends
    none."""

    def __init__(self) -> None:
        super().__init__()
        self._reader = EventStreamReader()
        self._closed: Usage | None = None
        """What was counted when the last piece came, of a stream that a guardrail ended."""

    def feed(self, data: bytes) -> list[Event]:
        out: list[Event] = []
        if self._over:
            return out
        try:
            for frame in self._reader.feed(data):
                if not self._over:
                    self._frame(frame, out)
        except BadFrame as error:
            self._fail(out, f"The provider's stream is damaged: {error}.")
        return out

    def end(self) -> list[Event]:
        if self._over or self._closed is None or self._reader.pending:
            return []
        self._over = True
        return [self._closed, Done()]

    def _frame(self, frame: Frame, out: list[Event]) -> None:
        fault = faults.of_frame(frame)
        if fault is not None:
            self._break(fault, out)
            return
        if frame.headers.get(":event-type") != "chunk":
            return
        value = faults.payload_of(frame)
        try:
            piece = _json(b64decode(text(mapping(value).get("bytes")), validate=True))
        except (binascii.Error, ValueError):
            piece = None
        if not isinstance(piece, dict):
            self._fail(out, "The provider's stream is malformed: a piece that is no JSON object")
            return
        if not self._started:
            self._started = True
            out.append(Start(model=text(piece.get("model"))))
        if text(piece.get("type")) not in _SILENT and not _SILENT_MEMBERS & piece.keys():
            out.append(PartDelta(0, 0))
        if piece.get("amazon-bedrock-guardrailAction") == "INTERVENED":
            self._closed = Usage(whole(piece.get("inputTextTokenCount")), whole(piece.get("totalOutputTextTokenCount")))
        metrics = piece.get(METRICS)
        if isinstance(metrics, dict):
            self._over = True
            cached, written = (
                whole(metrics.get("cacheReadInputTokenCount")),
                whole(metrics.get("cacheWriteInputTokenCount")),
            )
            fresh = whole(metrics.get("inputTokenCount"))
            out.append(_counted(fresh, whole(metrics.get("outputTokenCount")), cached, written))
            out.append(Done())


def _json(data: bytes) -> Any:
    try:
        return orjson.loads(data or b"{}")
    except orjson.JSONDecodeError:
        return None
