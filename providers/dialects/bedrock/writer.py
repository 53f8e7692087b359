"""Streamed answers for callers, in frames."""

from __future__ import annotations

from typing import Any

import orjson

from providers.dialects import blocks
from providers.dialects.bedrock import citations, faults
from providers.dialects.bedrock.answers import block_out, encode_usage, finish_out
from providers.dialects.bedrock.blocks import clip, reasoning_out
from providers.dialects.reading import is_json
from providers.eventstream import frame, header_bytes
from providers.neutral import (
    Ended,
    Fault,
    Json,
    Media,
    Part,
    PartDelta,
    Reasoning,
    Refusal,
    Request,
    Start,
    Text,
    ToolCall,
)


def _headers(kind: str) -> bytes:
    return header_bytes({":event-type": kind, ":content-type": "application/json", ":message-type": "event"})


_START = frame(_headers("messageStart"), b'{"role":"assistant"}')
_BLOCK = _headers("contentBlockStart")
_DELTA = _headers("contentBlockDelta")
_STOP = _headers("contentBlockStop")
_END = _headers("messageStop")
_METADATA = _headers("metadata")


class Encoder(blocks.Encoder):
    """Blocks begin with their first word: an empty one is refused when callers send it back."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        self._places: dict[int, int] = {}
        """Number of a part -> index of its block."""
        self._kinds: dict[int, str] = {}
        self._arguments: dict[int, list[str]] = {}
        self._open: set[int] = set()
        self._count = 0
        self._tier = ""
        self._refused = False

    def _start(self, event: Start) -> bytes:
        self._tier = event.service_tier
        return _START

    def _fault(self, fault: Fault) -> bytes:
        kind, payload = faults.exception_of(fault)
        headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
        return frame(header_bytes(headers), payload)

    def _begin_part(self, part: int, content: Part) -> bytes:
        if isinstance(content, ToolCall):
            self._kinds[part] = "call"
            self._arguments[part] = []
            index = self._place(part)
            call = {"toolUseId": clip(content.id) or f"tooluse_{index}", "name": content.name}
            out = frame(_BLOCK, orjson.dumps({"contentBlockIndex": index, "start": {"toolUse": call}}))
            return out + (self._say(part, content.arguments) if content.arguments else b"")
        if isinstance(content, Text | Refusal):
            self._kinds[part] = "text"
            self._refused = self._refused or isinstance(content, Refusal)
            out = self._say(part, content.text) if content.text else b""
            for citation in content.citations if isinstance(content, Text) else ():
                out += self._cite(part, citations.encode(citation))
            return out
        if isinstance(content, Reasoning) and (not content.redacted or content.text or content.id):
            self._kinds[part] = "thought"
            out = self._say(part, content.text) if content.text else b""
            return out + (self._sign(part, content.signature) if content.signature else b"")
        if isinstance(content, Media) and content.kind == "audio":
            self._kinds[part] = "text"
            return self._say(part, content.transcript) if content.transcript else b""
        return self._whole(part, content)

    def _whole(self, part: int, content: Part) -> bytes:
        """A part that came complete, in the pieces in which Bedrock itself sends it."""
        if isinstance(content, Reasoning):
            delta = {"reasoningContent": reasoning_out(content)["reasoningContent"]}
            return self._piece(part, delta)
        block = block_out(content, self._count, False)
        if block is None:
            return b""
        kind = next(iter(block))
        value: Json = block[kind]
        if kind == "image":
            start: Json = {"format": value.get("format")}
            pieces: Json = {"image": {"source": value.get("source")}}
        elif kind == "toolUse":
            start = {name: member for name, member in value.items() if name != "input"}
            pieces = {"toolUse": {"input": orjson.dumps(value.get("input")).decode()}}
        elif kind == "toolResult":
            start = {name: member for name, member in value.items() if name != "content"}
            pieces = {"toolResult": value.get("content")}
        else:
            return b""
        index = self._place(part)
        return frame(_BLOCK, orjson.dumps({"contentBlockIndex": index, "start": {kind: start}})) + self._piece(
            part, pieces
        )

    def _place(self, part: int) -> int:
        index = self._places.get(part)
        if index is None:
            index = self._places[part] = self._count
            self._count += 1
            self._open.add(part)
        return index

    def _piece(self, part: int, delta: Any) -> bytes:
        return frame(_DELTA, orjson.dumps({"contentBlockIndex": self._place(part), "delta": delta}))

    def _say(self, part: int, said: str) -> bytes:
        kind = self._kinds[part]
        if kind == "text":
            return self._piece(part, {"text": said})
        if kind == "thought":
            return self._piece(part, {"reasoningContent": {"text": said}})
        self._arguments[part].append(said)
        return self._piece(part, {"toolUse": {"input": said}})

    def _sign(self, part: int, signature: str) -> bytes:
        return self._piece(part, {"reasoningContent": {"signature": signature}})

    def _cite(self, part: int, citation: Json) -> bytes:
        return self._piece(part, {"citation": citation}) if citation else b""

    def _delta(self, event: PartDelta) -> bytes:
        part = event.part
        kind = self._kinds.get(part)
        if kind is None:
            return b""
        out = self._say(part, event.text) if event.text else b""
        if kind == "thought" and event.signature:
            out += self._sign(part, event.signature)
        if kind == "text" and event.citation is not None:
            out += self._cite(part, citations.encode(event.citation))
        return out

    def _end_part(self, part: int) -> bytes:
        if part not in self._open:
            return b""
        pieces = self._arguments.get(part)
        if pieces and not is_json("".join(pieces)):
            return b""  # the rest of its arguments follows after other parts
        return self._stop(part)

    def _stop(self, part: int) -> bytes:
        self._open.discard(part)
        out = b""
        if self._arguments.get(part) == []:
            out = self._say(part, "{}")  # callers read the pieces together as JSON
        return out + frame(_STOP, b'{"contentBlockIndex":%d}' % self._places[part])

    def _end(self, event: Ended) -> bytes:
        out = b"".join(self._stop(part) for part in sorted(self._open))
        value: Json = {"stopReason": finish_out(event.finish, event.raw_finish, bool(self._arguments), self._refused)}
        if event.stop_sequence:
            value["additionalModelResponseFields"] = {"stop_sequence": event.stop_sequence}
        return out + frame(_END, orjson.dumps(value))

    def _finish(self) -> bytes:
        out = b"" if self._ended else self._end(Ended(0, "stop"))
        value: Json = {"usage": encode_usage(self._usage), "metrics": {"latencyMs": 0}}
        if self._tier:
            value["serviceTier"] = {"type": self._tier}
        return out + frame(_METADATA, orjson.dumps(value))
