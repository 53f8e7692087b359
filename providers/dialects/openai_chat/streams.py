"""Chunks of streamed chat completions."""

from __future__ import annotations

from typing import Any

import orjson

from providers.dialects import base, openai_faults
from providers.dialects.openai_chat.answers import (
    arguments_text,
    decode_usage,
    encode_usage,
    finish_of,
    finish_out,
    signature_of,
    signature_out,
    tier_out,
)
from providers.dialects.openai_chat.parts import decode_citations, encode_citation
from providers.dialects.reading import items, mapping, text, whole
from providers.framing import SseReader, TooLong, sse
from providers.neutral import (
    Citation,
    Done,
    Ended,
    Event,
    Fault,
    Json,
    Media,
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

_KINDS: dict[str, type[Text | Reasoning | Refusal]] = {"text": Text, "reasoning": Reasoning, "refusal": Refusal}


class _Choice:
    """Where a choice's stream stands."""

    __slots__ = ("calls", "ended", "open", "open_kind", "parts")

    def __init__(self) -> None:
        self.parts = 0
        self.open = -1
        self.open_kind = ""
        self.calls: dict[int, int] = {}
        """Provider's index of a tool call -> number of its part."""
        self.ended = False


class Decoder(base.StreamDecoder):
    def __init__(self) -> None:
        self._reader = SseReader()
        self._started = False
        self._choices: dict[int, _Choice] = {}
        self._over = False
        self._usage: Json | None = None

    def feed(self, data: bytes) -> list[Event]:
        out: list[Event] = []
        if self._over:
            return out
        try:
            events = self._reader.feed(data)
        except TooLong as error:
            return self._fail(out, Fault("server", str(error)))
        for event in events:
            self._event(event.name, event.data, out)
        return out

    def end(self) -> list[Event]:
        out: list[Event] = []
        if self._over:
            return out
        for event in self._reader.end():
            self._event(event.name, event.data, out)
        # Some followers leave [DONE] out: a stream whose choices have all given their reason is complete.
        if self._choices and all(choice.ended for choice in self._choices.values()):
            self._finish(out)
        return out

    def _event(self, name: bytes, data: bytes, out: list[Event]) -> None:
        if self._over:
            return
        if data == b"[DONE]":
            self._finish(out)
            return
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            self._fail(out, Fault("server", "The provider's stream holds an event that is not JSON."))
            return
        if not isinstance(value, dict):
            return
        if name == b"error" or value.get("error"):
            self._fail(out, openai_faults.in_stream(value))
            return
        self._chunk(value, out)

    def _chunk(self, value: Json, out: list[Event]) -> None:
        if not self._started:
            self._started = True
            out.append(
                Start(
                    text(value.get("id")), text(value.get("model")), whole(value.get("created")),
                    text(value.get("service_tier")),
                )
            )  # fmt: skip
        for choice in items(value.get("choices")):
            if isinstance(choice, dict):
                if choice.get("error") is not None:  # OpenRouter
                    self._fail(out, openai_faults.in_stream(choice))
                    return
                self._one(choice, out)
        usage = value.get("usage") or mapping(value.get("x_groq")).get("usage")
        if isinstance(usage, dict):
            self._usage = usage
            out.append(decode_usage(usage))

    def _one(self, value: Json, out: list[Event]) -> None:
        index = whole(value.get("index"))
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice()
        delta = value.get("delta")
        if isinstance(delta, dict):
            self._delta(index, choice, delta, value.get("logprobs"), out)
        finish = value.get("finish_reason")
        if isinstance(finish, str) and finish and not choice.ended:
            choice.ended = True
            self._close(index, choice, out)
            neutral = finish_of(finish)
            if neutral == "stop" and choice.calls:
                neutral = "tool_calls"
            out.append(Ended(index, neutral, finish))

    def _delta(self, index: int, choice: _Choice, delta: Json, logprobs: Any, out: list[Event]) -> None:
        thoughts = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(thoughts, str) and thoughts:
            self._say(index, choice, "reasoning", thoughts, None, out)
        content = delta.get("content")
        if isinstance(content, str):
            if content or logprobs:
                self._say(index, choice, "text", content, logprobs, out)
        elif content:
            self._content_list(index, choice, items(content), out)
        refusal = delta.get("refusal")
        if isinstance(refusal, str) and refusal:
            self._say(index, choice, "refusal", refusal, logprobs, out)
        for citation in decode_citations(delta.get("annotations")):
            if choice.open_kind != "text":
                self._say(index, choice, "text", "", None, out)
            out.append(PartDelta(index, choice.open, citation=citation))
        for image in items(delta.get("images")):
            self._whole_image(index, choice, image, out)
        audio = delta.get("audio")
        if isinstance(audio, dict):
            self._audio(index, choice, audio, out)
        for call in items(delta.get("tool_calls")):
            if isinstance(call, dict):
                self._call(index, choice, call, out)
        legacy = delta.get("function_call")
        if isinstance(legacy, dict):
            self._call(index, choice, {"index": 0, "function": legacy}, out)

    def _content_list(self, index: int, choice: _Choice, content: list[Any], out: list[Event]) -> None:
        """Mistral streams thoughts as content parts."""
        for part in content:
            value = mapping(part)
            if value.get("type") == "thinking":
                for thought in items(value.get("thinking")):
                    self._say(index, choice, "reasoning", text(mapping(thought).get("text")), None, out)
            elif text(value.get("text")):
                self._say(index, choice, "text", value["text"], None, out)

    def _say(self, index: int, choice: _Choice, kind: str, said: str, logprobs: Any, out: list[Event]) -> None:
        if choice.open_kind != kind:
            self._close(index, choice, out)
            choice.open, choice.open_kind = choice.parts, kind
            choice.parts += 1
            out.append(PartStart(index, choice.open, _KINDS[kind]()))
        out.append(PartDelta(index, choice.open, said, logprobs=logprobs))

    def _whole_image(self, index: int, choice: _Choice, image: Any, out: list[Event]) -> None:
        from providers.dialects.reading import data_url

        url = text(mapping(mapping(image).get("image_url")).get("url"))
        if not url:
            return
        self._close(index, choice, out)
        found = data_url(url)
        media = Media("image", url=url) if found is None else Media("image", *found)
        out.append(PartStart(index, choice.parts, media))
        out.append(PartEnd(index, choice.parts))
        choice.parts += 1

    def _audio(self, index: int, choice: _Choice, audio: Json, out: list[Event]) -> None:
        if choice.open_kind != "audio":
            self._close(index, choice, out)
            choice.open, choice.open_kind = choice.parts, "audio"
            choice.parts += 1
            out.append(PartStart(index, choice.open, Media("audio", file_id=text(audio.get("id")))))
        said, data = text(audio.get("transcript")), text(audio.get("data"))
        if said or data:
            out.append(PartDelta(index, choice.open, said, data=data))

    def _call(self, index: int, choice: _Choice, call: Json, out: list[Event]) -> None:
        custom = call.get("type") == "custom"
        inner = mapping(call.get("custom" if custom else "function"))
        number = call.get("index")
        identity, name = text(call.get("id")), text(inner.get("name"))
        if not isinstance(number, int):
            # Whole calls without an index follow each other (Mistral once, Ollama, Google).
            number = len(choice.calls) if identity or name or not choice.calls else len(choice.calls) - 1
        part = choice.calls.get(number)
        if part is None:
            self._close(index, choice, out)
            part = choice.calls[number] = choice.parts
            choice.open, choice.open_kind = part, "call"
            choice.parts += 1
            out.append(PartStart(index, part, ToolCall(identity, name, "", custom, signature_of(call))))
        arguments = arguments_text(inner.get("input" if custom else "arguments"))
        if arguments:
            out.append(PartDelta(index, part, arguments))

    def _close(self, index: int, choice: _Choice, out: list[Event]) -> None:
        if choice.open >= 0:
            out.append(PartEnd(index, choice.open))
            choice.open, choice.open_kind = -1, ""

    def _finish(self, out: list[Event]) -> None:
        if self._over:
            return
        for index, choice in self._choices.items():
            self._close(index, choice, out)
        self._over = True
        out.append(Done())

    def _fail(self, out: list[Event], fault: Fault) -> list[Event]:
        self._over = True
        out.append(fault)
        return out


class Encoder(base.StreamEncoder):
    def __init__(self, request: Request) -> None:
        self._include_usage = request.include_usage
        self._usage: Usage | None = None
        self._head = b""
        """Of every chunk, up to its choices."""
        self._calls: dict[tuple[int, int], int] = {}
        """(choice, part) -> index of the tool call."""
        self._counts: dict[int, int] = {}
        self._kinds: dict[tuple[int, int], str] = {}
        self._lengths: dict[int, int] = {}
        self._cited: dict[int, int] = {}
        self._begun: set[int] = set()

    def encode(self, event: Event) -> bytes:
        if isinstance(event, PartDelta):
            return self._delta(event)
        if isinstance(event, PartStart):
            return self._start_part(event)
        if isinstance(event, Start):
            head = {"id": event.id or "chatcmpl-0", "object": "chat.completion.chunk", "created": event.created}
            head["model"] = event.model
            if tier := tier_out(event.service_tier):
                head["service_tier"] = tier
            self._head = b"data: " + orjson.dumps(head)[:-1] + b',"choices":'
            return self._chunk(0, {"role": "assistant", "content": ""})
        if isinstance(event, Ended):
            calls = self._counts.get(event.choice, 0)
            finish = "tool_calls" if calls and event.finish in ("stop", "other") else finish_out(event.finish)
            return self._chunk(event.choice, {}, finish or "stop")
        if isinstance(event, Usage):
            self._usage = event
            return b""
        if isinstance(event, Fault):
            return sse(openai_faults.encode(event).body)
        if isinstance(event, Done):
            usage = b""
            if self._include_usage and self._usage is not None:
                usage = b'%b[],"usage":%b}\n\n' % (self._head, orjson.dumps(encode_usage(self._usage)))
            return usage + b"data: [DONE]\n\n"
        return b""

    def _chunk(self, index: int, delta: Json, finish: str | None = None, logprobs: Any = None) -> bytes:
        first = b""
        if index not in self._begun:
            self._begun.add(index)
            if index:
                first = self._chunk(index, {"role": "assistant", "content": ""})
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return b"%b%b[%b]}\n\n" % (first, self._head, orjson.dumps(choice))

    def _start_part(self, event: PartStart) -> bytes:
        content = event.content
        key = (event.choice, event.part)
        if isinstance(content, ToolCall):
            place = self._calls[key] = self._counts.get(event.choice, 0)
            self._counts[event.choice] = place + 1
            kind, member = ("custom", "input") if content.custom else ("function", "arguments")
            self._kinds[key] = kind
            inner = {"name": content.name, member: content.arguments}
            call = {"index": place, "id": content.id or f"call_{place}", "type": kind, kind: inner}
            return self._chunk(event.choice, {"tool_calls": [call | signature_out(content)]})
        if isinstance(content, Media):
            if content.kind == "image" and (content.data or content.url):
                url = content.url or f"data:{content.media_type};base64,{content.data}"
                image = {"type": "image_url", "image_url": {"url": url}, "index": 0}
                return self._chunk(event.choice, {"images": [image]})
            self._kinds[key] = "audio"
            return self._chunk(event.choice, {"audio": {"id": content.file_id or "audio_0"}})
        if isinstance(content, Text | Reasoning | Refusal):
            self._kinds[key] = (
                "content" if isinstance(content, Text)
                else "reasoning_content" if isinstance(content, Reasoning) else "refusal"
            )  # fmt: skip
            out = self._chunk(event.choice, {self._kinds[key]: content.text}) if content.text else b""
            if isinstance(content, Text):
                self._lengths[event.choice] = self._lengths.get(event.choice, 0) + len(content.text)
                for citation in content.citations:
                    out += self._cite(event.choice, citation)
            return out
        return b""

    def _cite(self, choice: int, citation: Citation) -> bytes:
        annotation = encode_citation(citation, self._lengths.get(choice, 0))
        if annotation is None:
            return b""
        # What gathers the pieces of a list wants to know which of its entries each belongs to.
        index = self._cited[choice] = self._cited.get(choice, -1) + 1
        return self._chunk(choice, {"annotations": [annotation | {"index": index}]})

    def _delta(self, event: PartDelta) -> bytes:
        key = (event.choice, event.part)
        kind = self._kinds.get(key, "content")
        if kind in ("function", "custom"):
            if not event.text:
                return b""
            inner = {"input" if kind == "custom" else "arguments": event.text}
            return self._chunk(event.choice, {"tool_calls": [{"index": self._calls[key], kind: inner}]})
        if kind == "audio":
            audio = {"transcript": event.text} if event.text else {}
            return self._chunk(event.choice, {"audio": audio | ({"data": event.data} if event.data else {})})
        out = b""
        if event.text or event.logprobs:
            out = self._chunk(event.choice, {kind: event.text}, logprobs=event.logprobs)
            if kind == "content":
                self._lengths[event.choice] = self._lengths.get(event.choice, 0) + len(event.text)
        if event.citation is not None:
            out += self._cite(event.choice, event.citation)
        return out
