"""Streamed messages for callers."""

from __future__ import annotations

import orjson

from providers.dialects import blocks
from providers.dialects.anthropic import faults
from providers.dialects.anthropic.answers import (
    block_out,
    encode_usage,
    finish_out,
    stop_of,
    tier_out,
)
from providers.dialects.anthropic.blocks import encode_citation
from providers.framing import sse
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


class Encoder(blocks.Encoder):
    """Blocks are begun when there is something to say in them, since callers send what they got back and an empty text
    is refused then."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        self._request = request
        self._places: dict[int, int] = {}
        """Number of a part -> index of its block."""
        self._pending: dict[int, Part] = {}
        """Parts that have begun without a word."""
        self._arguments: dict[int, list[str]] = {}
        self._open: set[int] = set()
        self._count = 0
        self._refused = False
        self._kinds: dict[int, str] = {}

    def _ping(self) -> bytes:
        return _PING

    def _end(self, event: Ended) -> bytes:
        return self._stop_all()

    def _fault(self, fault: Fault) -> bytes:
        return sse(orjson.dumps(faults.body_of(fault)), b"error")

    def _start(self, event: Start) -> bytes:
        usage = encode_usage(self._usage)
        usage["service_tier"] = tier_out(event.service_tier)
        message: Json = {
            "id": event.id or "msg_0",
            "type": "message",
            "role": "assistant",
            "model": event.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }
        return sse(orjson.dumps({"type": "message_start", "message": message}), b"message_start")

    def _begin_part(self, part: int, content: Part) -> bytes:
        if isinstance(content, ToolCall):
            self._kinds[part] = "tool_use"
            self._arguments[part] = []
            block: Json = {"type": "tool_use", "id": content.id or f"toolu_{self._count}", "name": content.name}
            block["input"] = {}
            if content.extra and content.extra.get("caller") is not None:
                block["caller"] = content.extra["caller"]
            return self._begin(part, block) + (self._say(part, content.arguments) if content.arguments else b"")
        if isinstance(content, Text | Refusal):
            self._kinds[part] = "text"
            self._refused = self._refused or isinstance(content, Refusal)
            cited = content.citations if isinstance(content, Text) else []
            if not content.text and not cited:
                self._pending[part] = content
                return b""
            out = self._begin(part, {"type": "text", "text": ""})
            out += self._say(part, content.text) if content.text else b""
            return out + b"".join(self._cite(part, encode_citation(one)) for one in cited)
        if isinstance(content, Reasoning) and (not content.redacted or content.text or content.id):
            self._kinds[part] = "thinking"
            if not content.text and not content.signature:
                self._pending[part] = content
                return b""
            out = self._begin(part, dict(_THINKING))
            out += self._say(part, content.text) if content.text else b""
            return out + (self._sign(part, content.signature) if content.signature else b"")
        if isinstance(content, Media) and content.kind == "audio":
            self._kinds[part] = "text"
            if content.transcript:
                return self._begin(part, {"type": "text", "text": ""}) + self._say(part, content.transcript)
            self._pending[part] = content
            return b""
        found = block_out(content, self._count)
        return b"" if found is None else self._whole(part, found)

    def _whole(self, part: int, block: Json) -> bytes:
        """A block that is complete, in the pieces in which Anthropic itself sends it."""
        pieces = b""
        if isinstance(block.get("input"), dict) and block["input"]:
            self._kinds[part] = "whole"
            pieces, block = _delta(self._count, _input(orjson.dumps(block["input"]).decode())), block | {"input": {}}
        elif block.get("type") == "compaction" and isinstance(block.get("content"), str):
            delta = {"type": "compaction_delta", "content": block["content"]}
            pieces, block = _delta(self._count, delta), block | {"content": None}
        return self._begin(part, block) + pieces

    def _begin(self, part: int, block: Json) -> bytes:
        index = self._places[part] = self._count
        self._count += 1
        self._open.add(part)
        start = {"type": "content_block_start", "index": index, "content_block": block}
        return sse(orjson.dumps(start), b"content_block_start")

    def _say(self, part: int, said: str) -> bytes:
        kind = self._kinds[part]
        if kind == "text":
            delta = {"type": "text_delta", "text": said}
        elif kind == "thinking":
            delta = {"type": "thinking_delta", "thinking": said}
        else:
            self._arguments[part].append(said)
            delta = _input(said)
        return _delta(self._places[part], delta)

    def _sign(self, part: int, signature: str) -> bytes:
        return _delta(self._places[part], {"type": "signature_delta", "signature": signature})

    def _cite(self, part: int, citation: Json | None) -> bytes:
        if citation is None:
            return b""
        return _delta(self._places[part], {"type": "citations_delta", "citation": citation})

    def _delta(self, event: PartDelta) -> bytes:
        part = event.part
        kind = self._kinds.get(part)
        if kind is None or kind == "whole":
            return b""
        citation = encode_citation(event.citation) if event.citation is not None and kind == "text" else None
        signature = event.signature if kind == "thinking" else ""
        if not event.text and not signature and citation is None:
            return b""
        out = b""
        if part in self._pending:
            del self._pending[part]
            out = self._begin(part, dict(_THINKING) if kind == "thinking" else {"type": "text", "text": ""})
        if event.text:
            out += self._say(part, event.text)
        if signature:
            out += self._sign(part, signature)
        return out + self._cite(part, citation)

    def _end_part(self, part: int) -> bytes:
        if part in self._arguments and not _is_complete(self._arguments[part]):
            return b""  # the rest of its arguments follows after other parts
        return self._stop(part) if part in self._open else b""

    def _stop(self, part: int) -> bytes:
        self._open.discard(part)
        return b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n' % self._places[part]

    def _stop_all(self) -> bytes:
        return b"".join(self._stop(part) for part in sorted(self._open))

    def _finish(self) -> bytes:
        """Tokens are often told after the reason, and stand beside it here: both are written at the end."""
        out = self._stop_all()
        ended = self._ended or Ended(0, "stop")
        reason = finish_out(ended.finish, ended.raw_finish, bool(self._arguments), self._refused)
        delta = {"stop_reason": reason, "stop_sequence": stop_of(reason, ended.stop_sequence, self._request)}
        value = {"type": "message_delta", "delta": delta, "usage": encode_usage(self._usage)}
        return out + sse(orjson.dumps(value), b"message_delta") + _END


_THINKING = {"type": "thinking", "thinking": "", "signature": ""}
_PING = b'event: ping\ndata: {"type": "ping"}\n\n'
_END = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


def _input(said: str) -> Json:
    return {"type": "input_json_delta", "partial_json": said}


def _delta(index: int, delta: Json) -> bytes:
    value = {"type": "content_block_delta", "index": index, "delta": delta}
    return sse(orjson.dumps(value), b"content_block_delta")


def _is_complete(pieces: list[str]) -> bool:
    if not pieces:
        return True
    try:
        orjson.loads("".join(pieces))
    except orjson.JSONDecodeError:
        return False
    return True
