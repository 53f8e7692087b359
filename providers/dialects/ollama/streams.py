"""Lines of a streamed chat: each a whole JSON object, the last one ``done`` with reason and tokens."""

from __future__ import annotations

from typing import Any

import orjson

from providers.dialects import blocks, openai_faults
from providers.dialects.ids import CallIds
from providers.dialects.ollama.answers import (
    DURATIONS,
    counts,
    created_of,
    decode_usage,
    finish_of,
    finish_out,
)
from providers.dialects.ollama.messages import call_out, decode_call, decode_images
from providers.dialects.reading import is_json, items, mapping, text
from providers.framing import LineReader
from providers.neutral import (
    Ended,
    Event,
    Fault,
    Json,
    Malformed,
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
from providers.rfc3339 import moment


class Decoder(blocks.TextDecoder):
    def __init__(self) -> None:
        super().__init__(LineReader())
        self._ids = CallIds()
        self._kind = ""
        self._calls = False

    def _piece(self, data: bytes, out: list[Event]) -> None:
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            value = None
        if not isinstance(value, dict):
            self._fail(out, "The provider's stream holds a line that is no JSON object.")
            return
        if value.get("error"):
            self._break(openai_faults.in_stream(value), out)
            return
        try:
            self._chunk(value, out)
        except Malformed as error:
            self._fail(out, f"The provider's stream is malformed: {error}")

    def _chunk(self, value: Json, out: list[Event]) -> None:
        if not self._started:
            self._started = True
            out.append(Start("", text(value.get("model")), created_of(value.get("created_at"))))
        message = mapping(value.get("message"))
        if said := text(message.get("thinking")):
            self._say("thinking", said, None, out)
        said, logprobs = text(message.get("content")), value.get("logprobs")
        if said or logprobs:
            self._say("text", said, {"content": items(logprobs)} if logprobs else None, out)
        for image in decode_images(message.get("images"), "message.images"):
            self._add(image, out)
        for call in items(message.get("tool_calls")):
            self._calls = True
            self._add(decode_call(call, "message.tool_calls", self._ids), out)
        if value.get("done") is True:
            self._close(out)
            reason = value.get("done_reason")
            out.append(Ended(0, finish_of(reason, self._calls), text(reason)))
            usage = decode_usage(value)
            if usage is not None:
                out.append(usage)
            self._finish(out)

    def _say(self, kind: str, said: str, logprobs: Any, out: list[Event]) -> None:
        if self._kind != kind:
            self._begin(Reasoning() if kind == "thinking" else Text(), out)
            self._kind = kind
        out.append(PartDelta(0, self._open, said, logprobs=logprobs))

    def _close(self, out: list[Event]) -> None:
        super()._close(out)
        self._kind = ""


class Encoder(blocks.Encoder):
    """Calls are written whole, when all of their arguments have come."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        self._head: Json = {"model": request.model, "created_at": moment(0)}
        self._kinds: dict[int, str] = {}
        self._calls: dict[int, ToolCall] = {}
        """Calls that are not written yet."""
        self._count = 0

    def _start(self, event: Start) -> bytes:
        self._head = {"model": event.model or self._head["model"], "created_at": moment(event.created)}
        return b""

    def _end(self, event: Ended) -> bytes:
        return self._write_calls()

    def _fault(self, fault: Fault) -> bytes:
        return orjson.dumps({"error": fault.message}) + b"\n"

    def _line(self, member: str, value: Any, logprobs: Any = None) -> bytes:
        message: Json = {"role": "assistant", "content": ""}
        message[member] = value
        line = self._head | {"message": message, "done": False}
        if logprobs:
            line["logprobs"] = logprobs
        return orjson.dumps(line) + b"\n"

    def _begin_part(self, part: int, content: Part) -> bytes:
        if isinstance(content, ToolCall):
            self._calls[part] = ToolCall(content.id, content.name, content.arguments, content.custom)
        elif isinstance(content, Text | Refusal | Reasoning):
            kind = self._kinds[part] = "thinking" if isinstance(content, Reasoning) else "content"
            if content.text:
                return self._line(kind, content.text)
        elif isinstance(content, Media):
            self._kinds[part] = "content"
            if content.transcript:
                return self._line("content", content.transcript)
        return b""

    def _delta(self, event: PartDelta) -> bytes:
        call = self._calls.get(event.part)
        if call is not None:
            call.arguments += event.text
            return b""
        kind = self._kinds.get(event.part)
        logprobs = mapping(event.logprobs).get("content")
        if kind is None or not (event.text or logprobs):
            return b""
        return self._line(kind, event.text, logprobs)

    def _end_part(self, part: int) -> bytes:
        call = self._calls.get(part)
        if call is None or (call.arguments and not call.custom and not is_json(call.arguments)):
            return b""  # the rest of its arguments follows after other parts
        return self._write(part)

    def _write(self, part: int) -> bytes:
        written = call_out(self._calls.pop(part), self._count)
        self._count += 1
        return self._line("tool_calls", [written])

    def _write_calls(self) -> bytes:
        return b"".join(self._write(part) for part in sorted(self._calls))

    def _finish(self) -> bytes:
        out = self._write_calls()
        ended = self._ended or Ended(0, "stop")
        last: Json = self._head | {"message": {"role": "assistant", "content": ""}, "done": True}
        last["done_reason"] = finish_out(ended.finish, ended.raw_finish if ended.raw_finish == "length" else "")
        return out + orjson.dumps(last | DURATIONS | counts(self._usage)) + b"\n"
