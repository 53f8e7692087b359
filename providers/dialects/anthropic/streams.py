"""Events of streamed messages."""

from __future__ import annotations

from typing import Any

import orjson

from providers.dialects import base
from providers.dialects.anthropic import faults
from providers.dialects.anthropic.answers import block_of, decode_usage, encode_usage, finish_of, finish_out
from providers.dialects.anthropic.parts import decode_citation, decode_part, encode_citation
from providers.dialects.reading import mapping, text, whole
from providers.framing import SseReader, TooLong, sse
from providers.neutral import (
    Done,
    Ended,
    Event,
    Fault,
    Json,
    Malformed,
    Media,
    Opaque,
    PartDelta,
    PartEnd,
    PartStart,
    Ping,
    Reasoning,
    Refusal,
    Start,
    Text,
    ToolCall,
    Usage,
)


class Decoder(base.StreamDecoder):
    def __init__(self) -> None:
        self._reader = SseReader()
        self._usage: Usage | None = None
        self._parts = 0
        self._numbers: dict[int, int] = {}
        """Index of an open block -> number of its part."""
        self._held: dict[int, tuple[Json, list[str]]] = {}
        """Blocks of the provider's own tools: told when they are whole."""
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
        if self._over:
            return
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            self._fail(Fault("server", "The provider's stream holds an event that is not JSON."), out)
            return
        if not isinstance(value, dict):
            return
        kind = value.get("type")
        if kind == "content_block_delta":
            self._delta(whole(value.get("index")), mapping(value.get("delta")), out)
        elif kind == "content_block_start":
            self._start(whole(value.get("index")), mapping(value.get("content_block")), out)
        elif kind == "content_block_stop":
            self._stop(whole(value.get("index")), out)
        elif kind == "message_start":
            message = mapping(value.get("message"))
            usage = mapping(message.get("usage"))
            out.append(Start(text(message.get("id")), text(message.get("model")), 0, text(usage.get("service_tier"))))
            self._usage = decode_usage(usage)
            out.append(self._usage)
        elif kind == "message_delta":
            self._message_delta(value, out)
        elif kind == "message_stop":
            self._over = True
            out.append(Done())
        elif kind == "ping":
            out.append(Ping())
        elif kind == "error":
            self._fail(faults.in_stream(value), out)

    def _message_delta(self, value: Json, out: list[Event]) -> None:
        delta = mapping(value.get("delta"))
        reason = delta.get("stop_reason")
        if isinstance(value.get("usage"), dict):
            self._usage = decode_usage(value["usage"], self._usage)
            out.append(self._usage)
        if isinstance(reason, str):
            for index in list(self._numbers):
                self._stop(index, out)
            out.append(Ended(0, finish_of(reason), reason, text(delta.get("stop_sequence"))))

    def _start(self, index: int, block: Json, out: list[Event]) -> None:
        kind = block.get("type")
        part: Any
        if kind == "tool_use":
            part = ToolCall(text(block.get("id")), text(block.get("name")))
            if block.get("input"):
                part.arguments = orjson.dumps(block["input"]).decode()
        elif kind == "text":
            part = Text(text(block.get("text")))
        elif kind in ("thinking", "redacted_thinking"):
            part = Reasoning(text(block.get("thinking")), text(block.get("signature")), text(block.get("data")))
        else:
            self._held[index] = block, []
            return
        self._numbers[index] = self._parts
        out.append(PartStart(0, self._parts, part))
        self._parts += 1

    def _delta(self, index: int, delta: Json, out: list[Event]) -> None:
        kind = delta.get("type")
        held = self._held.get(index)
        if held is not None:
            if kind == "input_json_delta":
                held[1].append(text(delta.get("partial_json")))
            return
        number = self._numbers.get(index)
        if number is None:
            return
        if kind == "text_delta":
            out.append(PartDelta(0, number, text(delta.get("text"))))
        elif kind == "input_json_delta":
            if delta.get("partial_json"):
                out.append(PartDelta(0, number, text(delta.get("partial_json"))))
        elif kind == "thinking_delta":
            out.append(PartDelta(0, number, text(delta.get("thinking"))))
        elif kind == "signature_delta":
            out.append(PartDelta(0, number, signature=text(delta.get("signature"))))
        elif kind == "citations_delta":
            out.append(PartDelta(0, number, citation=decode_citation(mapping(delta.get("citation")))))

    def _stop(self, index: int, out: list[Event]) -> None:
        held = self._held.pop(index, None)
        if held is not None:
            block, pieces = held
            if pieces:
                try:
                    block = block | {"input": orjson.loads("".join(pieces) or "{}")}
                except orjson.JSONDecodeError:
                    block = block | {"input": {}}
            try:
                part = decode_part(block, "content_block")
            except Malformed:
                return
            out += [PartStart(0, self._parts, part), PartEnd(0, self._parts)]
            self._parts += 1
            return
        number = self._numbers.pop(index, None)
        if number is not None:
            out.append(PartEnd(0, number))

    def _fail(self, fault: Fault, out: list[Event]) -> None:
        self._over = True
        out.append(fault)


class Encoder(base.StreamEncoder):
    """Choices beyond the first have no place."""

    def __init__(self) -> None:
        self._indices: dict[int, int] = {}
        """Part -> index of its block."""
        self._kinds: dict[int, str] = {}
        self._blocks = 0
        self._calls = 0
        self._usage: Usage | None = None
        self._ended: Ended | None = None

    def encode(self, event: Event) -> bytes:
        if isinstance(event, PartDelta):
            return self._delta(event) if event.choice == 0 else b""
        if isinstance(event, PartStart):
            return self._start(event) if event.choice == 0 else b""
        if isinstance(event, PartEnd):
            index = self._indices.pop(event.part, None) if event.choice == 0 else None
            return b"" if index is None else _event("content_block_stop", {"index": index})
        if isinstance(event, Start):
            message: Json = {
                "id": event.id or "msg_0", "type": "message", "role": "assistant", "model": event.model, "content": [],
                "stop_reason": None, "stop_sequence": None, "usage": encode_usage(self._usage),
            }  # fmt: skip
            return _event("message_start", {"message": message})
        if isinstance(event, Usage):
            self._usage = event
        elif isinstance(event, Ended):
            if event.choice == 0:
                self._ended = event
        elif isinstance(event, Ping):
            return _event("ping", {})
        elif isinstance(event, Fault):
            return sse(faults.encode(event).body, b"error")
        else:
            return self._done()
        return b""

    def _done(self) -> bytes:
        ended = self._ended or Ended(0, "stop")
        finish = "tool_calls" if self._calls and ended.finish in ("stop", "other") else ended.finish
        delta = {"stop_reason": finish_out(finish), "stop_sequence": ended.stop_sequence or None}
        last = _event("message_delta", {"delta": delta, "usage": encode_usage(self._usage)})
        return last + _event("message_stop", {})

    def _start(self, event: PartStart) -> bytes:
        part = event.content
        index = self._blocks
        block: Json
        after: Json | None = None
        if isinstance(part, ToolCall):
            self._calls += 1
            kind = "input"
            block = {"type": "tool_use", "id": part.id or f"toolu_{index}", "name": part.name, "input": {}}
            if part.arguments:
                after = {"type": "input_json_delta", "partial_json": part.arguments}
        elif isinstance(part, Reasoning) and part.redacted and not part.text:
            kind, block = "redacted", {"type": "redacted_thinking", "data": part.redacted}
        elif isinstance(part, Reasoning):
            kind, block = "thinking", {"type": "thinking", "thinking": "", "signature": ""}
            if part.text:
                after = {"type": "thinking_delta", "thinking": part.text}
        elif isinstance(part, Text | Refusal):
            kind, block = "text", {"type": "text", "text": "", "citations": None}
            if part.text:
                after = {"type": "text_delta", "text": part.text}
        else:
            return self._whole(part)
        self._blocks += 1
        self._indices[event.part] = index
        self._kinds[event.part] = kind
        out = _event("content_block_start", {"index": index, "content_block": block})
        if after is not None:
            out += _event("content_block_delta", {"index": index, "delta": after})
        if isinstance(part, Reasoning) and part.signature and kind == "thinking":
            delta = {"type": "signature_delta", "signature": part.signature}
            out += _event("content_block_delta", {"index": index, "delta": delta})
        return out

    def _whole(self, part: Media | Opaque | Any) -> bytes:
        block = block_of(part, self._blocks)
        if block is None:
            return b""
        index, self._blocks = self._blocks, self._blocks + 1
        start = _event("content_block_start", {"index": index, "content_block": block})
        return start + _event("content_block_stop", {"index": index})

    def _delta(self, event: PartDelta) -> bytes:
        index = self._indices.get(event.part)
        if index is None:
            return b""
        kind = self._kinds[event.part]
        out = b""
        if event.text and kind != "redacted":
            if kind == "input":
                delta = {"type": "input_json_delta", "partial_json": event.text}
            elif kind == "thinking":
                delta = {"type": "thinking_delta", "thinking": event.text}
            else:
                delta = {"type": "text_delta", "text": event.text}
            out = _event("content_block_delta", {"index": index, "delta": delta})
        if event.signature and kind == "thinking":
            signed = {"type": "signature_delta", "signature": event.signature}
            out += _event("content_block_delta", {"index": index, "delta": signed})
        if event.citation is not None and kind == "text":
            cited = {"type": "citations_delta", "citation": encode_citation(event.citation)}
            out += _event("content_block_delta", {"index": index, "delta": cited})
        return out


def _event(kind: str, members: Json) -> bytes:
    return sse(orjson.dumps({"type": kind, **members}), kind.encode())
