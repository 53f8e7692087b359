"""Events of a streamed chat.

Contents and tool calls are counted apart. ``message-end`` holds reason and tokens; ``[DONE]`` follows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from providers.dialects import blocks
from providers.dialects.cohere import faults
from providers.dialects.cohere.answers import decode_logprobs, decode_usage, finish_of
from providers.dialects.cohere.parts import PLAN, decode_citation
from providers.dialects.reading import mapping, text
from providers.framing import SseReader
from providers.neutral import (
    Ended,
    Event,
    Json,
    Malformed,
    Part,
    PartDelta,
    Reasoning,
    Start,
    Text,
    ToolCall,
)


class Decoder(blocks.TextDecoder):
    def __init__(self) -> None:
        super().__init__(SseReader())
        self._parts: dict[Any, int] = {}
        """Kind and index of the provider -> number of the part."""
        self._text = -1
        """The last part that is a text, which citations are of."""

    def end(self) -> list[Event]:
        out = super().end()
        if self._ended and not self._over:  # some who speak the dialect leave [DONE] out
            self._finish(out)
        return out

    def _piece(self, data: bytes, out: list[Event]) -> None:
        if data == b"[DONE]":
            if self._ended:
                self._finish(out)
            return
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            self._fail(out, "The provider's stream holds an event that is not JSON.")
            return
        if not isinstance(value, dict):
            return
        kind = text(value.get("type"))
        take = _EVENTS.get(kind)
        if take is None:
            if kind == "error" or (not kind and value.get("message")):
                self._break(faults.in_stream(value), out)
            return
        if not self._started:
            self._started = True
            out.append(Start(text(value.get("id"))))
        try:
            take(self, value, mapping(mapping(value.get("delta")).get("message")), out)
        except Malformed as error:
            self._fail(out, f"The provider's stream is malformed: {error}")

    def _start(self, value: Json, message: Json, out: list[Event]) -> None:
        """``Start`` is told already."""

    def _begin_at(self, key: Any, part: Part, out: list[Event]) -> int:
        number = self._parts[key] = self._begin(part, out)
        return number

    def _content_start(self, value: Json, message: Json, out: list[Event]) -> None:
        content = mapping(message.get("content"))
        thought = content.get("type") == "thinking"
        said = text(content.get("thinking" if thought else "text"))
        number = self._begin_at(("content", _index(value)), Reasoning() if thought else Text(), out)
        if not thought:
            self._text = number
        if said:
            out.append(PartDelta(0, number, said))

    def _content(self, value: Json, message: Json, out: list[Event]) -> None:
        number = self._known(("content", _index(value)))
        content = mapping(message.get("content"))
        said = text(content.get("text")) or text(content.get("thinking"))
        logprobs = None
        if value.get("logprobs"):
            given = value["logprobs"]
            logprobs = {"content": decode_logprobs(given[0] if isinstance(given, list) else given)}
        if said or logprobs:
            out.append(PartDelta(0, number, said, logprobs=logprobs))

    def _known(self, key: Any) -> int:
        number = self._parts.get(key)
        if number is None:
            raise Malformed("a delta of what has not begun")
        return number

    def _content_end(self, value: Json, message: Json, out: list[Event]) -> None:
        if self._parts.get(("content", _index(value))) == self._open:
            self._close(out)

    def _plan(self, value: Json, message: Json, out: list[Event]) -> None:
        number = self._parts.get(PLAN)
        if number is None or number != self._open:
            number = self._begin_at(PLAN, Reasoning(shape=PLAN), out)
        if said := text(message.get("tool_plan")):
            out.append(PartDelta(0, number, said))

    def _call_start(self, value: Json, message: Json, out: list[Event]) -> None:
        call = mapping(message.get("tool_calls"))
        function = mapping(call.get("function"))
        part = ToolCall(text(call.get("id")), text(function.get("name")))
        number = self._begin_at(("call", _index(value)), part, out)
        if said := text(function.get("arguments")):
            out.append(PartDelta(0, number, said))

    def _call(self, value: Json, message: Json, out: list[Event]) -> None:
        number = self._known(("call", _index(value)))
        function = mapping(mapping(message.get("tool_calls")).get("function"))
        if said := text(function.get("arguments")):
            out.append(PartDelta(0, number, said))

    def _call_end(self, value: Json, message: Json, out: list[Event]) -> None:
        if self._parts.get(("call", _index(value))) == self._open:
            self._close(out)

    def _cite(self, value: Json, message: Json, out: list[Event]) -> None:
        given = message.get("citations")
        if not isinstance(given, dict):
            return
        place = given.get("content_index")
        number = self._parts.get(("content", place), self._text) if isinstance(place, int) else self._text
        if number >= 0:
            out.append(PartDelta(0, number, citation=decode_citation(given)))

    def _end(self, value: Json, message: Json, out: list[Event]) -> None:
        delta = mapping(value.get("delta"))
        if isinstance(delta.get("usage"), dict):
            out.append(decode_usage(delta["usage"]))
        said = text(delta.get("error"))
        if said:
            self._break(faults.in_stream({"message": said}), out)
            return
        if not self._ended:
            self._ended = True
            self._close(out)
            reason = text(delta.get("finish_reason"))
            out.append(Ended(0, finish_of(reason) or "stop", reason))


_EVENTS: dict[str, Callable[[Decoder, Json, Json, list[Event]], None]] = {
    "message-start": Decoder._start,
    "content-start": Decoder._content_start,
    "content-delta": Decoder._content,
    "content-end": Decoder._content_end,
    "tool-plan-delta": Decoder._plan,
    "tool-call-start": Decoder._call_start,
    "tool-call-delta": Decoder._call,
    "tool-call-end": Decoder._call_end,
    "citation-start": Decoder._cite,
    "message-end": Decoder._end,
}


def _index(value: Json) -> int:
    index = value.get("index", 0)
    if not isinstance(index, int):
        raise Malformed("an index that is no number")
    return index
