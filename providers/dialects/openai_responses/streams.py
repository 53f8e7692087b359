"""Reading the events of streamed responses."""

from __future__ import annotations

import orjson

from providers.dialects import base, openai_faults
from providers.dialects.openai_responses.answers import decode_output, decode_usage, finish_of
from providers.dialects.openai_responses.items import decode_annotations
from providers.dialects.reading import mapping, text, whole
from providers.framing import SseReader, TooLong
from providers.neutral import (
    Done,
    Ended,
    Event,
    Fault,
    Json,
    PartDelta,
    PartEnd,
    PartStart,
    Reasoning,
    Refusal,
    Start,
    Text,
    ToolCall,
)

_DELTAS = frozenset(
    (
        "response.output_text.delta", "response.refusal.delta", "response.function_call_arguments.delta",
        "response.custom_tool_call_input.delta", "response.reasoning_text.delta",
    )
)  # fmt: skip
_ENDS = frozenset(("response.completed", "response.incomplete"))

Key = tuple[int, int]
"""(output index, content index); the latter is -1 for items that are one part."""


class Decoder(base.StreamDecoder):
    def __init__(self) -> None:
        self._reader = SseReader()
        self._parts = 0
        self._open: dict[Key, int] = {}
        self._said: set[Key] = set()
        """Parts of which something has come."""
        self._summaries: dict[int, int] = {}
        self._calls = False
        self._started = False
        self._over = False

    def feed(self, data: bytes) -> list[Event]:
        out: list[Event] = []
        if self._over:
            return out
        try:
            for event in self._reader.feed(data):
                self._event(event.data, out)
        except TooLong as error:
            self._fail(Fault("server", str(error)), out)
        return out

    def end(self) -> list[Event]:
        out: list[Event] = []
        if not self._over:
            for event in self._reader.end():
                self._event(event.data, out)
        return out

    def _event(self, data: bytes, out: list[Event]) -> None:
        if self._over or data == b"[DONE]":
            return
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            self._fail(Fault("server", "The provider's stream holds an event that is not JSON."), out)
            return
        if not isinstance(value, dict):
            return
        kind = text(value.get("type"))
        index = whole(value.get("output_index"))
        if kind in _DELTAS:
            self._delta(kind, index, value, out)
        elif kind == "response.reasoning_summary_text.delta":
            self._summary(index, value, out)
        elif kind == "response.output_item.added":
            self._added(index, mapping(value.get("item")), out)
        elif kind == "response.output_item.done":
            self._done(index, mapping(value.get("item")), out)
        elif kind == "response.content_part.added":
            self._content(index, value, out)
        elif kind == "response.content_part.done":
            self._close((index, whole(value.get("content_index"))), out)
        elif kind == "response.output_text.annotation.added":
            key = (index, whole(value.get("content_index")))
            number = self._open.get(key)
            if number is not None:
                found = decode_annotations([value.get("annotation")])
                out += [PartDelta(0, number, citation=citation) for citation in found]
        elif kind in ("response.created", "response.in_progress"):
            self._start(mapping(value.get("response")), out)
        elif kind in _ENDS:
            self._end(mapping(value.get("response")), out)
        elif kind == "response.failed":
            error = mapping(mapping(value.get("response")).get("error"))
            self._fail(openai_faults.in_stream({"error": error or {"message": "The response failed."}}), out)
        elif kind == "error" or value.get("error"):
            self._fail(openai_faults.in_stream(value), out)

    def _start(self, response: Json, out: list[Event]) -> None:
        if self._started:
            return
        self._started = True
        created = whole(response.get("created_at"))
        tier = text(response.get("service_tier"))
        out.append(Start(text(response.get("id")), text(response.get("model")), created, tier))

    def _begin(self, key: Key, part: Text | Refusal | Reasoning | ToolCall, out: list[Event]) -> int:
        number = self._open[key] = self._parts
        self._parts += 1
        out.append(PartStart(0, number, part))
        return number

    def _added(self, index: int, item: Json, out: list[Event]) -> None:
        kind = item.get("type")
        if kind in ("function_call", "custom_tool_call"):
            self._calls = True
            call = ToolCall(text(item.get("call_id")), text(item.get("name")), custom=kind == "custom_tool_call")
            self._begin((index, -1), call, out)
        elif kind == "reasoning":
            self._begin((index, -1), Reasoning(id=text(item.get("id"))), out)

    def _content(self, index: int, value: Json, out: list[Event]) -> None:
        part = mapping(value.get("part"))
        key = (index, whole(value.get("content_index")))
        if part.get("type") == "refusal":
            self._begin(key, Refusal(), out)
        elif part.get("type") == "output_text" and key not in self._open:
            self._begin(key, Text(), out)

    def _delta(self, kind: str, index: int, value: Json, out: list[Event]) -> None:
        whole_item = kind not in ("response.output_text.delta", "response.refusal.delta")
        key = (index, -1 if whole_item else whole(value.get("content_index")))
        number = self._open.get(key)
        if number is None:
            if whole_item:
                return
            number = self._begin(key, Refusal() if "refusal" in kind else Text(), out)
        self._said.add(key)
        logprobs = value.get("logprobs")
        shown = {"content": logprobs} if isinstance(logprobs, list) and logprobs else None
        out.append(PartDelta(0, number, text(value.get("delta")), logprobs=shown))

    def _summary(self, index: int, value: Json, out: list[Event]) -> None:
        number = self._open.get((index, -1))
        if number is None:
            return
        place = whole(value.get("summary_index"))
        before = self._summaries.get(index, place)
        self._summaries[index] = place
        self._said.add((index, -1))
        out.append(PartDelta(0, number, ("\n\n" if place != before else "") + text(value.get("delta"))))

    def _done(self, index: int, item: Json, out: list[Event]) -> None:
        kind = item.get("type")
        key = (index, -1)
        number = self._open.get(key)
        if number is not None:
            if key not in self._said:
                # Nothing came in pieces: what there is stands in the item.
                (part,) = decode_output(item)[:1] or [Reasoning()]
                said = part.arguments if isinstance(part, ToolCall) else getattr(part, "text", "")
                if said:
                    out.append(PartDelta(0, number, said))
            self._close(key, out)
        elif kind == "message":
            if not any(at == index for at, _ in (*self._open, *self._said)):
                for part in decode_output(item):
                    self._whole(part, out)
            for open_key in [one for one in self._open if one[0] == index]:
                self._close(open_key, out)
        elif kind not in ("reasoning", "function_call", "custom_tool_call"):
            for part in decode_output(item):
                self._whole(part, out)

    def _whole(self, part: object, out: list[Event]) -> None:
        out += [PartStart(0, self._parts, part), PartEnd(0, self._parts)]  # type: ignore[arg-type] # one of its parts
        self._parts += 1

    def _close(self, key: Key, out: list[Event]) -> None:
        number = self._open.pop(key, None)
        if number is not None:
            out.append(PartEnd(0, number))

    def _end(self, response: Json, out: list[Event]) -> None:
        self._start(response, out)
        for key in list(self._open):
            self._close(key, out)
        if isinstance(response.get("usage"), dict):
            out.append(decode_usage(response["usage"]))
        out += [Ended(0, finish_of(response, self._calls), text(response.get("status"))), Done()]
        self._over = True

    def _fail(self, fault: Fault, out: list[Event]) -> None:
        self._over = True
        out.append(fault)
