"""Streamed chats for callers."""

from __future__ import annotations

from typing import Any

import orjson

from providers.dialects import blocks
from providers.dialects.cohere.answers import encode_logprobs, encode_usage, finish_out
from providers.dialects.cohere.parts import PLAN, encode_citation
from providers.dialects.reading import is_json
from providers.framing import sse
from providers.neutral import (
    Citation,
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

_DONE = b"data: [DONE]\n\n"


class Encoder(blocks.Encoder):
    """Contents begin with their first word."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        self._places: dict[int, int] = {}
        """Number of a part -> index of its content or call."""
        self._kinds: dict[int, str] = {}
        self._texts: dict[int, list[str]] = {}
        """What has been said in texts and arguments."""
        self._open: set[int] = set()
        self._contents = self._calls = self._citations = 0

    def _start(self, event: Start) -> bytes:
        message = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
        return _event("message-start", {"id": event.id or "0"}, {"message": message})

    def _end(self, event: Ended) -> bytes:
        return self._stop_all()

    def _fault(self, fault: Fault) -> bytes:
        delta: Json = {"error": fault.message, "finish_reason": "ERROR"}
        return self._stop_all() + _event("message-end", {}, delta) + _DONE

    def _finish(self) -> bytes:
        ended = self._ended or Ended(0, "stop")
        reason = finish_out(ended.finish, ended.raw_finish, self._calls > 0)
        delta = {"finish_reason": reason, "usage": encode_usage(self._usage)}
        return self._stop_all() + _event("message-end", {}, delta) + _DONE

    def _begin_part(self, part: int, content: Part) -> bytes:
        if isinstance(content, ToolCall):
            self._kinds[part] = "call"
            self._texts[part] = []
            index = self._places[part] = self._calls
            self._calls += 1
            self._open.add(part)
            function = {"name": content.name, "arguments": ""}
            call = {"id": content.id or f"call_{index}", "type": "function", "function": function}
            out = _event("tool-call-start", {"index": index}, {"message": {"tool_calls": call}})
            return out + (self._say(part, content.arguments) if content.arguments else b"")
        if isinstance(content, Text | Refusal):
            self._kinds[part] = "text"
            self._texts[part] = []
            out = self._say(part, content.text) if content.text else b""
            for citation in content.citations if isinstance(content, Text) else ():
                out += self._cite(part, citation)
            return out
        if isinstance(content, Reasoning):
            self._kinds[part] = "plan" if content.shape == PLAN else "thinking"
            return self._say(part, content.text) if content.text else b""
        if isinstance(content, Media) and content.kind == "audio":
            self._kinds[part] = "text"
            self._texts[part] = []
            return self._say(part, content.transcript) if content.transcript else b""
        return b""

    def _say(self, part: int, said: str, logprobs: Any = None) -> bytes:
        kind = self._kinds[part]
        if kind == "plan":
            return _event("tool-plan-delta", {}, {"message": {"tool_plan": said}})
        if kind == "call":
            self._texts[part].append(said)
            calls = {"function": {"arguments": said}}
            return _event("tool-call-delta", {"index": self._places[part]}, {"message": {"tool_calls": calls}})
        out = b""
        if part not in self._places:
            self._places[part] = self._contents
            self._contents += 1
            self._open.add(part)
            content = {"type": kind, kind: ""}
            out = _event("content-start", {"index": self._places[part]}, {"message": {"content": content}})
        if kind == "text":
            self._texts[part].append(said)
        head: Json = {"index": self._places[part]}
        if logprobs and (found := encode_logprobs(logprobs)):
            head["logprobs"] = found[0]
        return out + _event("content-delta", head, {"message": {"content": {kind: said}}})

    def _cite(self, part: int, citation: Citation) -> bytes:
        out = b"" if part in self._places else self._say(part, "")
        value = encode_citation(citation, "".join(self._texts[part]), self._places[part])
        head = {"index": self._citations}
        self._citations += 1
        return out + _event("citation-start", head, {"message": {"citations": value}}) + _event("citation-end", head)

    def _delta(self, event: PartDelta) -> bytes:
        kind = self._kinds.get(event.part)
        if kind is None:
            return b""
        out = self._say(event.part, event.text, event.logprobs) if event.text or event.logprobs else b""
        if event.citation is not None and kind == "text":
            out += self._cite(event.part, event.citation)
        return out

    def _end_part(self, part: int) -> bytes:
        if part not in self._open:
            return b""
        if self._kinds[part] == "call" and self._texts[part] and not is_json("".join(self._texts[part])):
            return b""  # the rest of its arguments follows after other parts
        return self._stop(part)

    def _stop(self, part: int) -> bytes:
        self._open.discard(part)
        head = {"index": self._places[part]}
        if self._kinds[part] != "call":
            return _event("content-end", head)
        out = b"" if self._texts[part] else self._say(part, "{}")
        return out + _event("tool-call-end", head)

    def _stop_all(self) -> bytes:
        return b"".join(self._stop(part) for part in sorted(self._open))


def _event(kind: str, head: Json, delta: Json | None = None) -> bytes:
    value: Json = {"type": kind} | head
    if delta is not None:
        value["delta"] = delta
    return sse(orjson.dumps(value), kind.encode())
