"""Chunks of streamed completions."""

from __future__ import annotations

import orjson

from providers.dialects import base, openai_faults
from providers.dialects.openai_chat.answers import decode_usage, encode_usage, finish_of
from providers.dialects.openai_completions.answers import finish_word
from providers.dialects.reading import items, mapping, text, whole
from providers.framing import SseReader, TooLong, sse
from providers.neutral import (
    Done,
    Ended,
    Event,
    Fault,
    PartDelta,
    PartEnd,
    PartStart,
    Refusal,
    Request,
    Start,
    Text,
    Usage,
)


class Decoder(base.StreamDecoder):
    def __init__(self) -> None:
        self._reader = SseReader()
        self._started = False
        self._open: set[int] = set()
        self._seen: set[int] = set()
        self._ended: set[int] = set()
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
        if self._over:
            return out
        for event in self._reader.end():
            self._event(event.data, out)
        if self._seen and self._seen == self._ended:
            self._finish(out)
        return out

    def _event(self, data: bytes, out: list[Event]) -> None:
        if self._over:
            return
        if data == b"[DONE]":
            self._finish(out)
            return
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            self._fail(Fault("server", "The provider's stream holds an event that is not JSON."), out)
            return
        if not isinstance(value, dict):
            return
        if value.get("error"):
            self._fail(openai_faults.in_stream(value), out)
            return
        if not self._started:
            self._started = True
            out.append(Start(text(value.get("id")), text(value.get("model")), whole(value.get("created"))))
        for one in items(value.get("choices")):
            choice = mapping(one)
            index, said, finish = whole(choice.get("index")), text(choice.get("text")), choice.get("finish_reason")
            if index not in self._seen:
                self._seen.add(index)
                self._open.add(index)
                out.append(PartStart(index, 0, Text()))
            if said and index in self._open:
                out.append(PartDelta(index, 0, said))
            if isinstance(finish, str) and finish and index in self._open:
                self._open.discard(index)
                self._ended.add(index)
                out += [PartEnd(index, 0), Ended(index, finish_of(finish), finish)]
        if isinstance(value.get("usage"), dict):
            out.append(decode_usage(value["usage"]))

    def _finish(self, out: list[Event]) -> None:
        if self._over:
            return
        self._over = True
        out += [PartEnd(index, 0) for index in sorted(self._open)]
        out.append(Done())

    def _fail(self, fault: Fault, out: list[Event]) -> None:
        self._over = True
        out.append(fault)


class Encoder(base.StreamEncoder):
    """Only texts have a place."""

    def __init__(self, request: Request) -> None:
        self._include_usage = request.include_usage
        self._usage: Usage | None = None
        self._texts: set[tuple[int, int]] = set()
        self._head = {"id": "cmpl-0", "object": "text_completion", "created": 0, "model": ""}

    def encode(self, event: Event) -> bytes:
        if isinstance(event, PartDelta):
            return self._chunk(event.choice, event.text) if (event.choice, event.part) in self._texts else b""
        if isinstance(event, PartStart):
            if isinstance(event.content, Text | Refusal):
                self._texts.add((event.choice, event.part))
                return self._chunk(event.choice, event.content.text) if event.content.text else b""
        elif isinstance(event, Start):
            self._head |= {"id": event.id or "cmpl-0", "created": event.created, "model": event.model}
        elif isinstance(event, Ended):
            return self._chunk(event.choice, "", finish_word(event.finish))
        elif isinstance(event, Usage):
            self._usage = event
        elif isinstance(event, Fault):
            return sse(openai_faults.encode(event).body)
        elif isinstance(event, Done):
            last = b"data: [DONE]\n\n"
            if self._include_usage and self._usage is not None:
                last = sse(orjson.dumps(self._head | {"choices": [], "usage": encode_usage(self._usage)})) + last
            return last
        return b""

    def _chunk(self, index: int, said: str, finish: str | None = None) -> bytes:
        choice = {"index": index, "text": said, "logprobs": None, "finish_reason": finish}
        return sse(orjson.dumps(self._head | {"choices": [choice]}))
