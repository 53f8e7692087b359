"""Events of streamed messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from providers.dialects import blocks
from providers.dialects.anthropic import faults
from providers.dialects.anthropic.answers import (
    decode_usage,
    finish_of,
    tier_of,
)
from providers.dialects.anthropic.parts import ORIGIN, decode_block, decode_citation, dump
from providers.dialects.reading import mapping, text
from providers.framing import SseReader
from providers.neutral import (
    Ended,
    Event,
    Json,
    Malformed,
    Opaque,
    Part,
    PartDelta,
    Ping,
    Reasoning,
    Start,
    ToolCall,
)

_STREAMED = frozenset(("text", "thinking", "tool_use"))
"""Blocks that the form streams as well; the others it takes whole."""


class Decoder(blocks.TextDecoder):
    def __init__(self) -> None:
        super().__init__(SseReader())
        self._parts: dict[Any, int] = {}
        """Provider's index of a block -> number of its part."""
        self._whole: dict[Any, tuple[Json, list[str]]] = {}
        """Blocks that the form takes whole, and the pieces of their input or content."""
        self._usage: Json = {}

    def _piece(self, data: bytes, out: list[Event]) -> None:
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            if data != b"[DONE]":  # some followers say it
                self._fail(out, "The provider's stream holds an event that is not JSON.")
            return
        if not isinstance(value, dict):
            return
        kind = text(value.get("type"))
        if kind == "error" or (not kind and value.get("error") is not None):
            self._break(faults.in_stream(value), out)
        elif (take := _EVENTS.get(kind)) is not None:
            try:
                take(self, value, out)
            except Malformed as error:
                self._fail(out, f"The provider's stream is malformed: {error}")

    def _start(self, value: Json, out: list[Event]) -> None:
        message = mapping(value.get("message"))
        self._usage = mapping(message.get("usage")).copy()
        if not self._started:
            self._started = True
            out.append(Start(text(message.get("id")), text(message.get("model")), 0, tier_of(self._usage)))
        if self._usage:
            out.append(decode_usage(self._usage))

    def _block(self, value: Json, out: list[Event]) -> None:
        if not self._started or self._ended:
            raise Malformed("a block outside of the message")
        index, block = _index(value), mapping(value.get("content_block"))
        kind = block.get("type")
        if not isinstance(kind, str) or kind not in _STREAMED:
            self._whole[index] = (block, [])
            return
        if kind == "text":
            part: Part = decode_block({"text": ""} | block, "content_block", 0)
        elif kind == "thinking":
            part = Reasoning(text(block.get("thinking")), text(block.get("signature")))
        else:
            given = block.get("input")
            extra = {"caller": block["caller"]} if "caller" in block else None
            arguments = dump(given) if given and isinstance(given, dict) else ""
            part = ToolCall(text(block.get("id")), text(block.get("name")), arguments, extra=extra)
        self._parts[index] = self._begin(part, out)

    def _delta(self, value: Json, out: list[Event]) -> None:
        index, delta = _index(value), mapping(value.get("delta"))
        kind = text(delta.get("type"))
        pending = self._whole.get(index)
        if pending is not None:
            pending[1].append(text(delta.get("partial_json")) or text(delta.get("content")))
            return
        part = self._parts.get(index)
        if part is None:
            raise Malformed("a delta of a block that has not begun")
        if kind == "citations_delta":
            if isinstance(delta.get("citation"), dict):
                out.append(PartDelta(0, part, citation=decode_citation(delta["citation"])))
        elif kind == "signature_delta":
            if said := text(delta.get("signature")):
                out.append(PartDelta(0, part, signature=said))
        elif said := text(delta.get(_SAID.get(kind, ""))):
            out.append(PartDelta(0, part, said))

    def _stop(self, value: Json, out: list[Event]) -> None:
        index = _index(value)
        pending = self._whole.pop(index, None)
        if pending is not None:
            self._add(_complete(*pending), out)
        elif self._parts.get(index) == self._open:
            self._close(out)

    def _message(self, value: Json, out: list[Event]) -> None:
        delta = mapping(value.get("delta"))
        usage = value.get("usage")
        if isinstance(usage, dict):
            self._usage |= {name: number for name, number in usage.items() if number is not None}
            out.append(decode_usage(self._usage))
        reason = text(delta.get("stop_reason"))
        if reason and not self._ended:
            self._ended = True
            self._close(out)
            out.append(Ended(0, finish_of(reason), reason, text(delta.get("stop_sequence"))))

    def _stop_message(self, value: Json, out: list[Event]) -> None:
        if not self._started:
            raise Malformed("an end without a beginning")
        self._close(out)
        self._finish(out)

    def _ping(self, value: Json, out: list[Event]) -> None:
        out.append(Ping())


_EVENTS: dict[str, Callable[[Decoder, Json, list[Event]], None]] = {
    "message_start": Decoder._start,
    "content_block_start": Decoder._block,
    "content_block_delta": Decoder._delta,
    "content_block_stop": Decoder._stop,
    "message_delta": Decoder._message,
    "message_stop": Decoder._stop_message,
    "ping": Decoder._ping,
}
_SAID = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
"""Type of a delta -> its member that goes on with the part."""


def _index(value: Json) -> int:
    index = value.get("index")
    if not isinstance(index, int):
        raise Malformed("a block without an index")
    return index


def _complete(block: Json, pieces: list[str]) -> Part:
    """A block that came whole, or in pieces of ``input`` (server tools) or ``content`` (compaction)."""
    said = "".join(pieces)
    if said and "input" in block:
        try:
            block = block | {"input": orjson.loads(said)}
        except orjson.JSONDecodeError:
            raise Malformed("the input of a server's tool is not JSON") from None
    elif said:
        block = block | {"content": said}
    if block.get("type") == "redacted_thinking":
        return decode_block(block, "content_block", 0)
    return Opaque(ORIGIN, block, text(block.get("type")))
