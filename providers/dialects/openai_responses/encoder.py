"""Writing the events of streamed responses."""

from __future__ import annotations

import orjson

from providers.dialects import base, openai_faults
from providers.dialects.openai_responses.answers import (
    call_item,
    end,
    item_of,
    message_item,
    reasoning_item,
    skeleton,
)
from providers.dialects.openai_responses.items import encode_annotation
from providers.framing import sse
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
    Request,
    Start,
    Text,
    ToolCall,
    Usage,
)


class _Open:
    """A part being written."""

    __slots__ = ("annotations", "index", "item", "part", "pieces")

    def __init__(self, part: Text | Refusal | ToolCall | Reasoning, index: int, item: str) -> None:
        self.part = part
        self.index = index
        self.item = item
        self.pieces: list[str] = []
        self.annotations: list[Json] = []

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class Encoder(base.StreamEncoder):
    """Choices beyond the first have no place."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._response: Json = skeleton("", request.model, 0, request)
        self._output: list[Json] = []
        self._open: dict[int, _Open] = {}
        self._items = 0
        self._sequence = 0
        self._usage: Usage | None = None
        self._finish = "stop"

    def encode(self, event: Event) -> bytes:
        if isinstance(event, PartDelta):
            return self._delta(event) if event.choice == 0 else b""
        if isinstance(event, PartStart):
            return self._start_part(event) if event.choice == 0 else b""
        if isinstance(event, PartEnd):
            opened = self._open.pop(event.part, None) if event.choice == 0 else None
            return b"" if opened is None else self._end_part(opened)
        if isinstance(event, Start):
            self._response = skeleton(event.id, event.model, event.created, self._request)
            created = self._event("response.created", {"response": self._response})
            return created + self._event("response.in_progress", {"response": self._response})
        if isinstance(event, Usage):
            self._usage = event
        elif isinstance(event, Ended):
            if event.choice == 0:
                self._finish = event.finish
        elif isinstance(event, Fault):
            error = orjson.loads(openai_faults.encode(event).body)["error"]
            members = {"code": error["code"] or "server_error", "message": event.message, "param": event.param or None}
            self._response["status"] = "failed"
            self._response["error"] = {"code": members["code"], "message": event.message}
            # OpenAI says it twice, and some look at the second event only (Codex).
            return self._event("error", members) + self._event("response.failed", {"response": self._response})
        elif isinstance(event, Done):
            self._response["output"] = self._output
            end(self._response, self._finish, self._usage)
            return self._event(f"response.{self._response['status']}", {"response": self._response})
        return b""

    def _event(self, kind: str, members: Json) -> bytes:
        body = {"type": kind, "sequence_number": self._sequence, **members}
        self._sequence += 1
        return sse(orjson.dumps(body), kind.encode())

    def _start_part(self, event: PartStart) -> bytes:
        part, index = event.content, self._items
        item: Json | None
        if isinstance(part, Text | Refusal):
            item = message_item(index, [], "in_progress")
        elif isinstance(part, ToolCall):
            item = call_item(ToolCall(part.id, part.name, custom=part.custom), index, "in_progress")
        elif isinstance(part, Reasoning):
            item = reasoning_item(Reasoning(id=part.id), index)
        else:
            item = item_of(part, index)
            if item is None:
                return b""
            self._items += 1
            self._output.append(item)
            added = self._event("response.output_item.added", {"output_index": index, "item": item})
            return added + self._event("response.output_item.done", {"output_index": index, "item": item})
        self._items += 1
        opened = self._open[event.part] = _Open(part, index, item["id"])
        out = self._event("response.output_item.added", {"output_index": index, "item": item})
        place = {"item_id": opened.item, "output_index": index}
        if isinstance(part, Text):
            empty = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            out += self._event("response.content_part.added", place | {"content_index": 0, "part": empty})
        elif isinstance(part, Refusal):
            refusal = {"type": "refusal", "refusal": ""}
            out += self._event("response.content_part.added", place | {"content_index": 0, "part": refusal})
        elif isinstance(part, Reasoning):
            summary = {"type": "summary_text", "text": ""}
            out += self._event("response.reasoning_summary_part.added", place | {"summary_index": 0, "part": summary})
        said = part.arguments if isinstance(part, ToolCall) else part.text
        return out + (self._say(opened, said) if said else b"")

    def _delta(self, event: PartDelta) -> bytes:
        opened = self._open.get(event.part)
        if opened is None:
            return b""
        out = self._say(opened, event.text) if event.text else b""
        if event.citation is not None and isinstance(opened.part, Text):
            annotation = encode_annotation(event.citation, len(opened.text))
            if annotation is not None:
                place = {"item_id": opened.item, "output_index": opened.index, "content_index": 0}
                members = place | {"annotation_index": len(opened.annotations), "annotation": annotation}
                opened.annotations.append(annotation)
                out += self._event("response.output_text.annotation.added", members)
        return out

    def _say(self, opened: _Open, said: str) -> bytes:
        opened.pieces.append(said)
        place = {"item_id": opened.item, "output_index": opened.index, "delta": said}
        part = opened.part
        if isinstance(part, Text):
            return self._event("response.output_text.delta", place | {"content_index": 0, "logprobs": []})
        if isinstance(part, Refusal):
            return self._event("response.refusal.delta", place | {"content_index": 0})
        if isinstance(part, Reasoning):
            return self._event("response.reasoning_summary_text.delta", place | {"summary_index": 0})
        kind = "custom_tool_call_input" if part.custom else "function_call_arguments"
        return self._event(f"response.{kind}.delta", place)

    def _end_part(self, opened: _Open) -> bytes:
        part, said = opened.part, opened.text
        place = {"item_id": opened.item, "output_index": opened.index}
        if isinstance(part, Text | Refusal):
            content: Json
            if isinstance(part, Text):
                content = {"type": "output_text", "text": said, "annotations": opened.annotations, "logprobs": []}
                members = place | {"content_index": 0, "text": said, "logprobs": []}
                out = self._event("response.output_text.done", members)
            else:
                content = {"type": "refusal", "refusal": said}
                out = self._event("response.refusal.done", place | {"content_index": 0, "refusal": said})
            out += self._event("response.content_part.done", place | {"content_index": 0, "part": content})
            item = message_item(opened.index, [content], "completed")
        elif isinstance(part, ToolCall):
            item = call_item(ToolCall(part.id, part.name, said, part.custom), opened.index, "completed")
            if part.custom:
                out = self._event("response.custom_tool_call_input.done", place | {"input": said})
            else:
                members = place | {"name": part.name, "arguments": item["arguments"]}
                out = self._event("response.function_call_arguments.done", members)
        else:
            summary = {"type": "summary_text", "text": said}
            members = place | {"summary_index": 0, "text": said}
            out = self._event("response.reasoning_summary_text.done", members)
            out += self._event("response.reasoning_summary_part.done", place | {"summary_index": 0, "part": summary})
            item = reasoning_item(Reasoning(said, id=part.id), opened.index)
        self._output.append(item)
        return out + self._event("response.output_item.done", {"output_index": opened.index, "item": item})
