"""What stands between a caller and a provider for one exchange when bytes cannot simply pass: a dialect on each side.

Where both speak the same one, the bytes do pass, and the stream is only listened to: usage, errors and the true end are
known to its own decoder. Elsewhere requests, answers, events and errors go through the neutral form.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from gateway.exchange import Exchange
from gateway.serving import Plan, Target
from providers.breakpoints import placed
from providers.dialects import load
from providers.dialects.base import Dialect, Facts, StreamDecoder, StreamEncoder, WireError
from providers.dialects.openai_chat.answers import counted
from providers.dialects.openai_faults import redacted
from providers.dialects.reading import whole
from providers.framing import JsonArray
from providers.neutral import (
    STATUS,
    Answer,
    Choice,
    Done,
    Ended,
    Event,
    Fault,
    FaultKind,
    Json,
    Losses,
    Malformed,
    PartDelta,
    PartEnd,
    PartStart,
    Ping,
    Request,
    Start,
    Usage,
)
from providers.operations import Dialect as DialectNumber

NAMES = {int(number): number.name.lower() for number in DialectNumber if number}
ANTHROPIC_OVERLOADED = 529
GEMINI = int(DialectNumber.GEMINI)
LAST_OF_OPENAI = int(DialectNumber.OPENAI_COMPLETIONS)

KINDS: dict[str, FaultKind] = {
    "bad_request": "bad_request",
    "invalid_json": "bad_request",
    "unsupported_operation": "bad_request",
    "unauthorized": "auth",
    "forbidden": "permission",
    "not_found": "not_found",
    "model_not_found": "not_found",
    "method_not_allowed": "bad_request",
    "request_timeout": "timeout",
    "too_large": "too_large",
    "rate_limited": "rate_limit",
    "budget_exceeded": "quota",
    "price_unknown": "quota",
    "internal": "server",
    "upstream": "server",
    "overloaded": "overloaded",
    "upstream_timeout": "timeout",
}
"""The gateway's own kinds of error -> those of the neutral form; ``bad_request`` for the rest."""


def needed(caller: int, target: int) -> bool:
    """Whether an exchange between these dialects goes through a ``Translation``."""
    return caller != target or caller > LAST_OF_OPENAI


class Open:
    """What a stream has begun and not ended."""

    def __init__(self) -> None:
        self.parts: dict[tuple[int, int], None] = {}
        self.choices: dict[int, None] = {0: None}
        self.ended: set[int] = set()

    def note(self, event: Event) -> None:
        if isinstance(event, PartStart):
            self.parts[event.choice, event.part] = None
            self.choices[event.choice] = None
        elif isinstance(event, PartEnd):
            self.parts.pop((event.choice, event.part), None)
        elif isinstance(event, Ended):
            self.ended.add(event.choice)

    def closed(self, usage: Usage) -> list[Event]:
        """The events that end it."""
        parts: list[Event] = [PartEnd(choice, part) for choice, part in self.parts]
        ends: list[Event] = [Ended(choice, "length") for choice in self.choices if choice not in self.ended]
        return [*parts, *ends, usage, Done()]


class Translation:
    """Made at the first attempt that needs it, kept over attempts; ``turn_to`` is called for each."""

    def __init__(self, x: Exchange) -> None:
        self.kind = 0
        """The operation, where it is no generated answer."""
        self.caller: Dialect = load(NAMES[x.dialect])
        self.request: Request | None = None
        self.target: Dialect = self.caller
        self.same = False
        self.losses = Losses()
        self.decoder: StreamDecoder | None = None
        self.encoder: StreamEncoder | None = None
        self.usage: Usage | None = None
        self.fault: Fault | None = None
        self.begun = False
        """Something of the answer itself has come."""
        self.done = False
        self.open = Open()
        self.tier = ""
        """The service tier that the answer names."""
        self.contents = 0
        """Events that carried contents: what stands in for usage that was not said."""
        self.streaming = False
        self.array: JsonArray | None = None
        """Google's streams are one JSON array for callers who do not ask for events."""
        self.wait_s = 0.0
        """How long the provider's error says to wait."""

    def turn_to(self, x: Exchange, target: Target, plan: Plan) -> bytes | None:
        """The body for this target; None: the caller's own, with the model spliced in. Raises Malformed and
        Unsupported."""
        self.target = load(NAMES[plan.dialect])
        self.same = self.target is self.caller
        self.losses = Losses(target.upstream.unsupported)
        self.decoder = self.encoder = None
        self.usage = self.fault = None
        self.tier = ""
        self.open = Open()
        self.begun = self.done = self.streaming = False
        self.array = None
        if self.same:
            return None
        request = self.decoded(x)
        if target.upstream.spec.cache_breakpoints == "auto":
            request = placed(request, x.body, self.target.name, target.model)
        facts = Facts(target.model, target.upstream.spec.vendor, target.upstream.ask_usage)
        body = self.target.encode_request(request, facts, self.losses)
        if plan.members:
            body = {**dict(plan.members), **{name: value for name, value in body.items() if name != "model"}}
        return orjson.dumps(body)

    def path_of(self, plan: Plan, stream: bool) -> tuple[str, str]:
        """Path and query at the provider."""
        return self.target.stream_path(plan.path) if stream else (plan.path, "")

    def decoded(self, x: Exchange) -> Request:
        """The caller's request. Raises Malformed."""
        if self.request is None:
            body = orjson.loads(x.body)
            if not isinstance(body, dict):
                raise Malformed("The body is no JSON object.")
            self.request = self.caller.decode_request(body, model=x.model, stream=x.stream)
            self.request.stream = x.stream
        return self.request

    # --- answers

    def answer(self, x: Exchange, body: bytes) -> bytes:
        """A whole answer for the caller. Raises Malformed."""
        answer = self.target.decode_answer(object_of(body))
        self.usage = answer.usage
        self.tier = answer.service_tier
        if self.same:
            return body
        request = self.decoded(x)
        if x.stream:
            # Asked for a stream, the provider answered whole.
            self.frame(x)
            encoder = self.caller.stream_encoder(request)
            return self.framed(b"".join(map(encoder.encode, events_of(answer))), True)
        return orjson.dumps(self.caller.encode_answer(answer, request))

    def error(self, status: int, head: bytes, body: bytes) -> WireError:
        """A provider's error for the caller."""
        fault = self.target.decode_fault(status, fields_of(head), body)
        fault.message = redacted(fault.message)
        self.wait_s = fault.retry_after_s
        if fault.status == ANTHROPIC_OVERLOADED and self.caller.name != "anthropic":
            fault.status = STATUS["overloaded"]  # nobody else's SDK knows it
        return self.caller.encode_fault(fault)

    # --- streams

    def begin_stream(self, x: Exchange) -> None:
        """A stream of the provider's begins."""
        self.streaming = True
        self.frame(x)
        self.decoder = self.target.stream_decoder()
        if not self.same:
            self.encoder = self.caller.stream_encoder(self.decoded(x))

    def feed(self, data: bytes, complete: bool) -> bytes:
        """What the caller gets of a piece of the provider's stream."""
        decoder, encoder = self.decoder, self.encoder
        if decoder is None:
            return data
        if encoder is None:
            return b"" if self.done else self.heard(decoder, data, complete)
        events = decoder.feed(data) if data else []
        if complete:
            events += decoder.end()
        self.note(events)
        return b"".join(map(encoder.encode, events))

    def heard(self, decoder: StreamDecoder, data: bytes, complete: bool) -> bytes:
        """Listen to what passes; nothing passes behind the stream's own last event (C12)."""
        start = 0
        while start < len(data):
            # A decoder does not say where in its bytes the end was, so it gets them event by event.
            end = data.find(b"\n\n", start) + 2
            if end == 1:
                end = len(data)
            self.note(decoder.feed(data[start:end]))
            start = end
            if self.done:
                return data[:end]
        if complete:
            self.note(decoder.end())
        return data

    def frame(self, x: Exchange) -> None:
        if x.dialect == GEMINI and b"alt=sse" not in x.query:
            self.array = JsonArray()

    def framed(self, out: bytes, complete: bool) -> bytes:
        """``out`` as the caller wants streams to be framed; ``complete``: it is the last of one that ended as such."""
        if self.array is None:
            return out
        return self.array.feed(out) + (self.array.end() if complete else b"")

    @property
    def stream_type(self) -> bytes:
        """Content type of the stream; empty: the provider's own."""
        if self.array is not None:
            return b"application/json; charset=UTF-8"
        return b"" if self.same else self.caller.stream_type.encode()

    def note(self, events: list[Event]) -> None:
        """Keep what the books need of ``events``."""
        for event in events:
            if isinstance(event, PartDelta):
                self.contents += 1
                self.begun = True
            elif isinstance(event, Usage):
                self.usage = event
            elif isinstance(event, Fault):
                event.message = redacted(event.message)
                self.fault = event
            elif isinstance(event, Done):
                self.done = self.begun = True
            elif isinstance(event, Start):
                self.tier = event.service_tier or self.tier
            elif not isinstance(event, Ping):
                self.begun = True
                self.open.note(event)

    def cut(self, message: str, timed_out: bool) -> bytes:
        """The event that says that the stream has broken off."""
        fault = Fault("timeout" if timed_out else "server", message)
        encoder = self.encoder or self.caller.stream_encoder(Request(self.caller.name))
        return self.framed(encoder.encode(fault), False)

    # --- books

    def usage_json(self) -> bytes:
        """The usage as the scanner of answers reads it; empty when none was said."""
        return b"" if self.usage is None else orjson.dumps({"usage": counted(self.usage)})

    @property
    def billed(self) -> tuple[int, int] | None:
        """Tokens of input and output that are charged for, where the provider says that these are others (Cohere)."""
        extra = None if self.usage is None else self.usage.extra
        billed = extra.get("billed_units") if extra else None
        if not isinstance(billed, dict):
            return None
        return whole(billed.get("input_tokens")), whole(billed.get("output_tokens"))

    @property
    def dropped(self) -> bytes:
        """Names of what the target could not be told, as a record has room for them."""
        return ",".join(self.losses.names).encode("utf-8", "replace")


def object_of(body: bytes) -> Json:
    """A provider's answer. Raises Malformed."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Malformed("The provider's answer is not valid JSON.") from None
    if not isinstance(value, dict):
        raise Malformed("The provider's answer is no JSON object.")
    return value


def fields_of(head: bytes) -> dict[str, str]:
    """Header fields of an answer, names in small letters."""
    fields: dict[str, str] = {}
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            fields[name.strip().lower()] = value.strip()
    return fields


def events_of(answer: Answer) -> Iterable[Event]:
    """A whole answer as the events of a stream."""
    yield Start(answer.id, answer.model, answer.created, answer.service_tier)
    for choice in answer.choices:
        yield from _events_of(choice)
    if answer.usage is not None:
        yield answer.usage
    yield Done()


def _events_of(choice: Choice) -> Iterable[Event]:
    for number, part in enumerate(choice.parts):
        yield PartStart(choice.index, number, part)
        yield PartEnd(choice.index, number)
    yield Ended(choice.index, choice.finish or "stop", choice.raw_finish, choice.stop_sequence)


def own_error(dialect: int, kind: str, status: int, message: str, param: str | None, code: str, request_id: str) -> Any:
    """An error of the gateway's own in a dialect that is none of OpenAI's: a ``WireError``."""
    fault = Fault(KINDS.get(kind, "bad_request"), message, status, code, param or "", request_id=request_id)
    return load(NAMES[dialect]).encode_fault(fault)
