"""Events of a streamed answer (``ConverseStreamOutput``), in frames.

Blocks of text and thoughts come without ``contentBlockStart``. Tokens follow ``messageStop`` in ``metadata``, which is
the last frame.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

import orjson

from providers.dialects import blocks
from providers.dialects.bedrock import citations, faults
from providers.dialects.bedrock.answers import decode_usage, finish_of, stop_of
from providers.dialects.bedrock.parts import ORIGIN, decode_block, redacted
from providers.dialects.reading import items, mapping, text
from providers.eventstream import BadFrame, EventStreamReader, Frame
from providers.neutral import (
    Ended,
    Event,
    Json,
    Malformed,
    Opaque,
    Part,
    PartDelta,
    Reasoning,
    Start,
    Text,
    ToolCall,
)


class Decoder(blocks.Decoder):
    def __init__(self) -> None:
        super().__init__()
        self._reader = EventStreamReader()
        self._parts: dict[int, tuple[int, str]] = {}
        """Provider's index of a block -> number of its part, and kind."""
        self._whole: dict[int, tuple[str, Json, list[Any]]] = {}
        """Blocks that the form takes whole: kind, beginning, pieces."""

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
        except Malformed as error:
            self._fail(out, f"The provider's stream is malformed: {error}")
        return out

    def end(self) -> list[Event]:
        out: list[Event] = []
        if not self._over and self._ended and not self._reader.pending:
            self._finish(out)
        return out

    def _frame(self, frame: Frame, out: list[Event]) -> None:
        fault = faults.of_frame(frame)
        if fault is not None:
            self._break(fault, out)
            return
        headers, value = frame.headers, faults.payload_of(frame)
        take = _EVENTS.get(headers.get(":event-type", ""))
        if take is None:
            return
        if not isinstance(value, dict):
            raise Malformed("an event that is no JSON object")
        if not self._started:
            self._started = True
            out.append(Start())
        take(self, value, out)

    def _start(self, value: Json, out: list[Event]) -> None:
        """``Start`` is told already."""

    def _block(self, value: Json, out: list[Event]) -> None:
        index, start = _index(value), mapping(value.get("start"))
        call = start.get("toolUse")
        if isinstance(call, dict) and call.get("type") != "server_tool_use":
            part = ToolCall(text(call.get("toolUseId")), text(call.get("name")))
            self._begin_at(index, part, "call", out)
        elif start:
            kind = next(iter(start))
            self._whole[index] = (kind, mapping(start[kind]), [])

    def _begin_at(self, index: int, part: Part, kind: str, out: list[Event]) -> int:
        number = self._begin(part, out)
        self._parts[index] = (number, kind)
        return number

    def _delta(self, value: Json, out: list[Event]) -> None:
        index, delta = _index(value), value.get("delta")
        if not isinstance(delta, dict):
            raise Malformed("a delta that is no object")
        pending = self._whole.get(index)
        if pending is not None:
            pending[2].append(next(iter(delta.values()), None))
            return
        if "text" in delta:
            number = self._part(index, "text", out)
            if said := text(delta["text"]):
                out.append(PartDelta(0, number, said))
        elif "toolUse" in delta:
            said = text(mapping(delta["toolUse"]).get("input"))
            number, kind = self._parts.get(index, (-1, ""))
            if kind != "call":
                raise Malformed("the input of a call that has not begun")
            if said:
                out.append(PartDelta(0, number, said))
        elif "reasoningContent" in delta:
            self._thought(index, mapping(delta["reasoningContent"]), out)
        elif isinstance(delta.get("citation"), dict):
            number = self._part(index, "text", out)
            out.append(PartDelta(0, number, citation=citations.decode(delta["citation"])))

    def _part(self, index: int, kind: str, out: list[Event]) -> int:
        """Number of the part, which begins with its first delta."""
        known = self._parts.get(index)
        if known is None:
            return self._begin_at(index, Text() if kind == "text" else Reasoning(), kind, out)
        number, before = known
        if before != kind or number != self._open:
            raise Malformed("a delta that does not belong to its block")
        return number

    def _thought(self, index: int, delta: Json, out: list[Event]) -> None:
        if "redactedContent" in delta:
            self._close(out)
            self._whole[index] = ("redacted", {}, [delta["redactedContent"]])
            return
        number = self._part(index, "thought", out)
        said, signature = text(delta.get("text")), text(delta.get("signature"))
        if said or signature:
            out.append(PartDelta(0, number, said, signature))

    def _stop(self, value: Json, out: list[Event]) -> None:
        index = _index(value)
        pending = self._whole.pop(index, None)
        if pending is not None:
            self._complete(index, *pending, out)
        elif self._parts.get(index, (-2, ""))[0] == self._open:
            self._close(out)

    def _complete(self, index: int, kind: str, start: Json, pieces: list[Any], out: list[Event]) -> None:
        part = _whole(kind, start, pieces)
        if part is not None:
            self._begin_at(index, part, kind, out)
            self._close(out)

    def _message(self, value: Json, out: list[Event]) -> None:
        if self._ended:
            return
        self._ended = True
        for index, pending in self._whole.items():
            self._complete(index, *pending, out)
        self._whole = {}
        self._close(out)
        reason = text(value.get("stopReason"))
        stop = stop_of(value.get("additionalModelResponseFields"))
        out.append(Ended(0, finish_of(reason) or "stop", reason, stop))

    def _metadata(self, value: Json, out: list[Event]) -> None:
        if isinstance(value.get("usage"), dict):
            out.append(decode_usage(value["usage"]))
        if self._ended:
            self._finish(out)


_EVENTS: dict[str, Callable[[Decoder, Json, list[Event]], None]] = {
    "messageStart": Decoder._start,
    "contentBlockStart": Decoder._block,
    "contentBlockDelta": Decoder._delta,
    "contentBlockStop": Decoder._stop,
    "messageStop": Decoder._message,
    "metadata": Decoder._metadata,
}


def _index(value: Json) -> int:
    index = value.get("contentBlockIndex")
    if not isinstance(index, int):
        raise Malformed("a block without an index")
    return index


def _whole(kind: str, start: Json, pieces: list[Any]) -> Part | None:
    """A block whose pieces are complete: unreadable thoughts, a picture, a tool that Bedrock ran itself."""
    if kind == "redacted":
        return redacted(_joined([text(piece) for piece in pieces]))
    if kind == "image":
        source: Json = {}
        for piece in pieces:
            source |= mapping(mapping(piece).get("source"))
        return decode_block({"image": start | {"source": source}}, "image") if source else None
    if kind == "toolUse":
        said = "".join(text(mapping(piece).get("input")) for piece in pieces)
        try:
            value = orjson.loads(said or "{}")
        except orjson.JSONDecodeError:
            raise Malformed("the input of a server's tool is not JSON") from None
        return Opaque(ORIGIN, {"toolUse": start | {"input": value}}, kind)
    if kind == "toolResult":
        content = [one for piece in pieces for one in items(piece)]
        return Opaque(ORIGIN, {"toolResult": start | {"content": content}}, kind)
    return Opaque(ORIGIN, {kind: start}, kind)


def _joined(pieces: list[str]) -> str:
    """Each piece is base64 by itself."""
    if len(pieces) == 1:
        return pieces[0]
    try:
        return b64encode(b"".join(map(b64decode, pieces))).decode()
    except (binascii.Error, ValueError):
        raise Malformed("thoughts that are not base64") from None
