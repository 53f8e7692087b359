"""Streams of streamGenerateContent: whole responses one after the other, each with what is new."""

from __future__ import annotations

from typing import Any

import orjson

from providers import rfc3339
from providers.dialects import base
from providers.dialects.gemini import citations, faults
from providers.dialects.gemini.answers import (
    blocked,
    decode_logprobs,
    decode_usage,
    encode_logprobs,
    encode_part,
    encode_usage,
    finish_of,
    finish_out,
    finish_word,
)
from providers.dialects.gemini.arrays import ArrayReader
from providers.dialects.gemini.partial import PartialArguments
from providers.dialects.gemini.parts import decode_part
from providers.dialects.reading import items, mapping, text, whole
from providers.framing import SseReader, TooLong
from providers.neutral import (
    Done,
    Ended,
    Event,
    Fault,
    Json,
    Malformed,
    Media,
    Opaque,
    Part,
    PartDelta,
    PartEnd,
    PartStart,
    Reasoning,
    Start,
    Text,
    ToolCall,
    Usage,
)


class _Candidate:
    """Where a candidate's stream stands."""

    __slots__ = ("calls", "finish", "open", "partial", "parts", "said", "signed", "thinks")

    def __init__(self) -> None:
        self.parts = 0
        self.open = -1
        self.thinks = False
        """The open part is a thought."""
        self.signed = False
        """The open part has its signature: nothing more belongs to it."""
        self.said: list[str] = []
        """The open text, which citations count in."""
        self.calls = False
        self.partial: PartialArguments | None = None
        """Of the open call, whose arguments come in pieces."""
        self.finish = ""


class Decoder(base.StreamDecoder):
    """``Ended`` is told at the connection's end: early models gave each response a ``finishReason``."""

    def __init__(self) -> None:
        self._sse: SseReader | None = None
        self._array: ArrayReader | None = None
        self._started = False
        self._over = False
        self._candidates: dict[int, _Candidate] = {}
        self._blocked = ""

    def feed(self, data: bytes) -> list[Event]:
        out: list[Event] = []
        if self._over:
            return out
        if self._sse is None and self._array is None:
            data = data.lstrip()
            if not data:
                return out
            if data.startswith((b"[", b"{")):
                self._array = ArrayReader()
            else:
                self._sse = SseReader()
        try:
            if self._sse is not None:
                for event in self._sse.feed(data):
                    self._response(event.data, out)
            elif self._array is not None:
                for one in self._array.feed(data):
                    self._response(one, out)
        except TooLong as error:
            self._fail(out, Fault("server", str(error), 500))
        return out

    def end(self) -> list[Event]:
        out: list[Event] = []
        if self._over:
            return out
        if self._sse is not None:
            for event in self._sse.end():
                self._response(event.data, out, True)
        self._finish(out)
        return out

    def _finish(self, out: list[Event]) -> None:
        if self._over or (self._array is not None and not self._array.closed):
            return
        if not self._candidates and self._blocked:
            out.append(Ended(0, "content_filter", self._blocked))
        elif self._candidates and all(candidate.finish for candidate in self._candidates.values()):
            for index, candidate in self._candidates.items():
                self._close(index, candidate, out)
                out.append(Ended(index, finish_of(candidate.finish, candidate.calls) or "other", candidate.finish))
        else:
            return
        self._over = True
        out.append(Done())

    def _fail(self, out: list[Event], fault: Fault) -> None:
        self._over = True
        out.append(fault)

    def _response(self, data: bytes, out: list[Event], last: bool = False) -> None:
        if self._over:
            return
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            if not last:  # half an event at the end is a cut, which needs no word of ours
                self._fail(out, Fault("server", "The provider's stream holds an event that is not JSON.", 500))
            elif self._candidates:
                self._over = True
            return
        if isinstance(value, list) and value:
            value = value[0]
        if not isinstance(value, dict):
            return
        if value.get("error") is not None:
            self._fail(out, faults.in_stream(value))
            return
        try:
            self._take(value, out)
        except Malformed as error:
            self._fail(out, Fault("server", f"The provider's stream is not what it should be: {error}", 500))

    def _take(self, value: Json, out: list[Event]) -> None:
        usage = value.get("usageMetadata")
        if not self._started:
            self._started = True
            tier = text(mapping(usage).get("serviceTier"))
            created = rfc3339.seconds(text(value["createTime"])) if "createTime" in value else 0
            out.append(Start(text(value.get("responseId")), text(value.get("modelVersion")), created, tier))
        candidates = items(value.get("candidates"))
        if not candidates and not self._blocked:
            self._blocked = blocked(value)
        for at, candidate in enumerate(candidates):
            if isinstance(candidate, dict):
                number = candidate.get("index")
                self._candidate(whole(number) if number is not None else at, candidate, out)
        if isinstance(usage, dict):
            out.append(decode_usage(usage))

    def _candidate(self, index: int, value: Json, out: list[Event]) -> None:
        candidate = self._candidates.get(index)
        if candidate is None:
            candidate = self._candidates[index] = _Candidate()
        logprobs = value.get("logprobsResult")
        told = decode_logprobs(logprobs) if isinstance(logprobs, dict) else None
        for given in items(mapping(value.get("content")).get("parts")):
            call = given.get("functionCall") if isinstance(given, dict) else None
            if isinstance(call, dict) and ("willContinue" in call or "partialArgs" in call or candidate.partial):
                self._piece(index, candidate, given, call, out)
                continue
            part = decode_part(given, "candidates.content.parts")
            if isinstance(part, Text | Reasoning):
                self._say(index, candidate, part, told, out)
                told = None
            else:
                self._whole(index, candidate, part, out)
        if "groundingMetadata" in value or "citationMetadata" in value:
            self._cite(index, candidate, value, out)
        word = finish_word(value.get("finishReason"))
        if word and word != "FINISH_REASON_UNSPECIFIED":
            candidate.finish = word

    def _say(self, index: int, candidate: _Candidate, part: Text | Reasoning, logprobs: Any, out: list[Event]) -> None:
        if not part.text and not part.signature and logprobs is None:
            return
        thinks = isinstance(part, Reasoning)
        if candidate.open < 0 or candidate.thinks != thinks or candidate.signed or candidate.partial is not None:
            self._open(index, candidate, thinks, out)
        out.append(PartDelta(index, candidate.open, part.text, part.signature, logprobs=logprobs))
        candidate.signed = bool(part.signature)
        if not thinks:
            candidate.said.append(part.text)

    def _open(self, index: int, candidate: _Candidate, thinks: bool, out: list[Event]) -> None:
        self._close(index, candidate, out)
        candidate.open, candidate.thinks, candidate.signed = candidate.parts, thinks, False
        candidate.said = []
        candidate.parts += 1
        out.append(PartStart(index, candidate.open, Reasoning() if thinks else Text()))

    def _whole(self, index: int, candidate: _Candidate, part: Part, out: list[Event]) -> None:
        """A part that comes at once."""
        self._close(index, candidate, out)
        number = candidate.parts
        candidate.parts += 1
        if isinstance(part, ToolCall):
            candidate.calls = True
            arguments, part.arguments = part.arguments or "{}", ""
            out.append(PartStart(index, number, part))
            out.append(PartDelta(index, number, arguments))
        else:
            out.append(PartStart(index, number, part))
        out.append(PartEnd(index, number))

    def _piece(self, index: int, candidate: _Candidate, part: Json, call: Json, out: list[Event]) -> None:
        """A call whose arguments come in pieces: told whole when it is complete, since half an object is no text. An
        object that says nothing at all ends it."""
        if candidate.partial is None or call.get("name"):
            self._close(index, candidate, out)
            candidate.partial = PartialArguments()
            candidate.calls, candidate.open = True, candidate.parts
            candidate.parts += 1
            signature = text(part.get("thoughtSignature"))
            start = ToolCall(text(call.get("id")), text(call.get("name")), signature=signature)
            out.append(PartStart(index, candidate.open, start))
        candidate.partial.add(call.get("partialArgs"))
        if isinstance(call.get("args"), dict):
            candidate.partial.value |= call["args"]
        if call.get("willContinue") is not True:
            self._close(index, candidate, out)

    def _cite(self, index: int, candidate: _Candidate, value: Json, out: list[Event]) -> None:
        """Citations come with the last response, whose text is mostly still open; if it is not, they stand in an empty
        one."""
        found = citations.decode(value, ["".join(candidate.said)])
        if not found:
            return
        if candidate.open < 0 or candidate.thinks or candidate.partial is not None:
            self._open(index, candidate, False, out)
        for _, citation in found:
            out.append(PartDelta(index, candidate.open, citation=citation))

    def _close(self, index: int, candidate: _Candidate, out: list[Event]) -> None:
        if candidate.partial is not None:
            arguments = orjson.dumps(candidate.partial.value).decode()
            out.append(PartDelta(index, candidate.open, arguments))
            candidate.partial = None
        if candidate.open >= 0:
            out.append(PartEnd(index, candidate.open))
            candidate.open = -1


class Encoder(base.StreamEncoder):
    """Calls are written whole, in their order, as soon as their arguments are an object; the reasons and the usage
    stand in the last response, as Google has them."""

    def __init__(self) -> None:
        self._tail = b""
        self._open: dict[tuple[int, int], Part] = {}
        """(choice, part) -> what is known of it: its kind for deltas, of calls all that came."""
        self._waiting: dict[int, list[ToolCall]] = {}
        """Choice -> its calls that are not written yet, in their order."""
        self._ended: list[Json] = []
        self._cited: dict[int, tuple[list[Json], list[Json]]] = {}
        self._said: dict[int, list[str]] = {}
        self._usage: Usage | None = None

    def encode(self, event: Event) -> bytes:
        if isinstance(event, PartDelta):
            return self._delta(event)
        if isinstance(event, PartStart):
            return self._begin(event)
        if isinstance(event, PartEnd):
            part = self._open.get((event.choice, event.part))
            return self._calls(event.choice, False) if isinstance(part, ToolCall) else b""
        if isinstance(event, Start):
            head: Json = {"modelVersion": event.model}
            if event.id:
                head["responseId"] = event.id
            self._tail = b"," + orjson.dumps(head)[1:] + b"\r\n\r\n"
            return b""
        if isinstance(event, Ended):
            return self._end(event)
        if isinstance(event, Usage):
            self._usage = event
            return b""
        if isinstance(event, Fault):
            return b"data: %b\r\n\r\n" % faults.encode(event).body
        if isinstance(event, Done):
            last: Json = {"candidates": self._ended}
            if self._usage is not None:
                last["usageMetadata"] = encode_usage(self._usage)
            return b"data: %b%b" % (orjson.dumps(last)[:-1], self._tail or b"}\r\n\r\n")
        return b""

    def _write(self, choice: int, part: Json, logprobs: Any = None) -> bytes:
        candidate: Json = {"content": {"parts": [part], "role": "model"}, "index": choice}
        if logprobs is not None and (result := encode_logprobs(logprobs)) is not None:
            candidate["logprobsResult"] = result
        return b'data: {"candidates":[%b]%b' % (orjson.dumps(candidate), self._tail or b"}\r\n\r\n")

    def _begin(self, event: PartStart) -> bytes:
        part = event.content
        self._open[event.choice, event.part] = part
        if isinstance(part, ToolCall):
            # The caller's event is not to change, and deltas are added to this one.
            call = ToolCall(part.id, part.name, part.arguments, part.custom, part.signature)
            self._open[event.choice, event.part] = call
            self._waiting.setdefault(event.choice, []).append(call)
            return b""
        if isinstance(part, Text):
            self._said[event.choice] = [part.text]
        if isinstance(part, Text | Reasoning):
            if not part.text and not part.signature:
                return b""
        elif not isinstance(part, Media | Opaque) and not getattr(part, "text", ""):  # an empty refusal, a result
            return b""
        written = encode_part(part, False)
        return b"" if written is None else self._write(event.choice, written)

    def _delta(self, event: PartDelta) -> bytes:
        part = self._open.get((event.choice, event.part))
        if isinstance(part, ToolCall):
            part.arguments += event.text
            part.signature += event.signature
            return b""
        if isinstance(part, Media):
            out = b""
            if event.data:
                blob = {"mimeType": part.media_type or "audio/pcm", "data": event.data}
                out = self._write(event.choice, {"inlineData": blob})
            return out + self._write(event.choice, {"text": event.text}) if event.text else out
        said = self._said.setdefault(event.choice, [])
        if event.citation is not None:
            chunks, supports = self._cited.setdefault(event.choice, ([], []))
            citations.add(event.citation, "".join(said), 0, chunks, supports)
        if not event.text and not event.signature and event.logprobs is None:
            return b""
        value: Json = {"text": event.text}
        if isinstance(part, Reasoning):
            value["thought"] = True
        else:
            said.append(event.text)
        if event.signature:
            value["thoughtSignature"] = event.signature
        return self._write(event.choice, value, event.logprobs)

    def _calls(self, choice: int, all_of_them: bool) -> bytes:
        """The calls that are complete, up to the first that is not: arguments may come interleaved, after a call's
        end."""
        waiting = self._waiting.get(choice)
        out = b""
        while waiting and (all_of_them or waiting[0].custom or _complete(waiting[0].arguments)):
            written = encode_part(waiting.pop(0), False)
            if written is not None:
                out += self._write(choice, written)
        return out

    def _end(self, event: Ended) -> bytes:
        out = self._calls(event.choice, True)
        raw = event.raw_finish
        content = {"parts": [{"text": ""}], "role": "model"}
        candidate: Json = {"content": content, "finishReason": finish_out(event.finish, raw), "index": event.choice}
        if (cited := self._cited.get(event.choice)) is not None:
            candidate["groundingMetadata"] = citations.metadata(*cited)
        self._ended.append(candidate)
        return out


def _complete(arguments: str) -> bool:
    if not arguments:
        return False
    try:
        return isinstance(orjson.loads(arguments), dict)
    except orjson.JSONDecodeError:
        return False
