"""The demo upstream in the dialects that are none of OpenAI's: the same words, tools, delays and faults in each.

A request is decoded into the neutral form and the answer is encoded from it, so that a dialect costs a row of
``_PATHS``. Ids and signatures are made of the request: equal requests get equal answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

import orjson

from gateway.demo import stream, wording
from gateway.demo.connection import Reply, Request
from gateway.demo.faults import RETRIED, Counter, before_answer, error_for
from gateway.demo.scenario import MAX_CHOICES, Scenario, from_request
from providers import eventstream, neutral
from providers.dialects import load
from providers.dialects.base import Dialect, StreamEncoder
from providers.neutral import (
    Answer,
    Choice,
    Done,
    Ended,
    Event,
    Fault,
    FaultKind,
    Malformed,
    PartDelta,
    PartEnd,
    PartStart,
    Reasoning,
    Start,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)

_PATHS: tuple[tuple[re.Pattern[str], str, bool | None], ...] = (
    (re.compile(r"/anthropic/v1/messages"), "anthropic", None),
    (re.compile(r"/gemini/v1(?:alpha|beta)?/models/(.+):generateContent"), "gemini", False),
    (re.compile(r"/gemini/v1(?:alpha|beta)?/models/(.+):streamGenerateContent"), "gemini", True),
    (re.compile(r"/bedrock/model/(.+)/converse"), "bedrock", False),
    (re.compile(r"/bedrock/model/(.+)/converse-stream"), "bedrock", True),
    (re.compile(r"/bedrock/model/(.+)/invoke"), "bedrock_invoke", False),
    (re.compile(r"/bedrock/model/(.+)/invoke-with-response-stream"), "bedrock_invoke", True),
    (re.compile(r"/cohere/v2/chat"), "cohere", None),
    (re.compile(r"/ollama/api/chat"), "ollama", None),
)
"""Path, dialect, and whether the answer is streamed; None: the body says it."""

_CALL_IDS: Mapping[str, str] = {"anthropic": "toolu_", "bedrock": "tooluse_"}
"""Dialect -> what the ids of its tool calls begin with."""

_FAULTS: Mapping[int, FaultKind] = {
    401: "auth",
    402: "quota",
    403: "permission",
    404: "not_found",
    408: "timeout",
    413: "too_large",
    429: "rate_limit",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a path says."""

    dialect: Dialect
    model: str
    streams: bool | None


def find(path: str) -> Asked | None:
    """Which dialect is spoken at ``path``, if one is."""
    for pattern, name, streams in _PATHS:
        if found := pattern.fullmatch(path):
            return Asked(load(name), unquote(found[1]) if pattern.groups else "", streams)
    return None


async def answer(asked: Asked, request: Request, reply: Reply, counter: Counter) -> None:
    """Answer one request in its dialect; errors as well."""
    dialect = asked.dialect
    try:
        body = orjson.loads(request.body)
        if not isinstance(body, dict):
            raise Malformed("The body is no JSON object.")
        wanted = dialect.decode_request(body, model=asked.model, stream=asked.streams is True)
    except (orjson.JSONDecodeError, Malformed) as mistake:
        await _refuse(dialect, reply, Fault("bad_request", str(mistake), 400))
        return
    model = wanted.model or asked.model
    scenario = from_request(model, body)

    async def refuse(reply: Reply, status: int) -> None:
        wait = 1.0 if status in RETRIED else 0.0
        await _refuse(dialect, reply, Fault(kind_for(status), error_for(status)[2], status, retry_after_s=wait))

    if await before_answer(reply, scenario, model, counter, stream=wanted.stream, refuse=refuse):
        return
    made = _answer(wanted, model, scenario, request.body)
    if not wanted.stream:
        await reply.json(200, dialect.encode_answer(made, wanted))
        return
    encoder = dialect.stream_encoder(wanted)
    kind = dialect.stream_type.partition(";")[0]

    def error(_: bytes) -> bytes:
        return encoder.encode(Fault("server", stream.MISHAP))

    await stream.play(reply, scenario, _frames(kind, encoder, _events(made)), error, _BROKEN[kind], kind)


def kind_for(status: int) -> FaultKind:
    """What an error with this status is to the neutral form."""
    return _FAULTS.get(status, "bad_request" if status < 500 else "server")


async def _refuse(dialect: Dialect, reply: Reply, fault: Fault) -> None:
    error = dialect.encode_fault(fault)
    reply.headers += error.headers
    # The status is the one that was asked for, also where a dialect would prefer another for this kind of error.
    await reply.body(fault.status, "application/json", error.body)


# --- what is said


def _tool_wanted(wanted: neutral.Request) -> neutral.Tool | None:
    """The tool to call: the one that is forced, else the first, until a result is in the last message."""
    choice = wanted.tool_choice
    forced = choice is not None and choice.mode in ("required", "tool")
    if (choice is not None and choice.mode == "none") or (not forced and _result(wanted)):
        return None
    names = choice.names if choice is not None else []
    return next((t for t in wanted.tools if t.own is None and (not names or t.name in names)), None)


def _result(wanted: neutral.Request) -> str:
    """What the tools of the last message said."""
    parts = wanted.messages[-1].parts if wanted.messages else []
    return " ".join(_texts(part.parts) for part in parts if isinstance(part, ToolResult))


def _texts(parts: Iterable[neutral.Part]) -> str:
    return " ".join(part.text for part in parts if isinstance(part, Text) and part.text)


def _prompt(wanted: neutral.Request) -> str:
    for roles in (("user",), ("system", "developer")):
        for message in reversed(wanted.messages):
            if message.role in roles and (text := _texts(message.parts)):
                return text
    return ""


def _choice(wanted: neutral.Request, scenario: Scenario, seed: bytes, index: int) -> Choice:
    parts: list[neutral.Part] = []
    if scenario.thinking:
        thoughts = " ".join(["hm"] * scenario.thinking)
        parts.append(Reasoning(thoughts, wording.identifier("", seed)))
    tool = _tool_wanted(wanted)
    if tool is not None:
        prefix = _CALL_IDS.get(wanted.origin, "call_")
        arguments = orjson.dumps(wording.fitting(tool.parameters) or {}).decode()
        parts.append(ToolCall(wording.identifier(prefix, seed + bytes([index])), tool.name, arguments))
        return Choice(index, parts, "tool_calls")
    result, prompt, form = _result(wanted), _prompt(wanted), wanted.format
    chosen = wording.json_answer({"type": form.kind, "schema": form.schema}, prompt) if form is not None else None
    said = chosen or (f"The tool said: {result}" if result else wording.answer_to(prompt, scenario))
    text, cut = wording.shorten(said, wanted.max_tokens)
    parts.append(Text(text))
    return Choice(index, parts, "length" if cut else "stop")


def _answer(wanted: neutral.Request, model: str, scenario: Scenario, seed: bytes) -> Answer:
    count = min(max(wanted.sampling.count or 1, 1), MAX_CHOICES)
    choices = [_choice(wanted, scenario, seed, index) for index in range(count)]
    given = sum(
        wording.tokens(part.text if isinstance(part, Text) else part.arguments)
        for choice in choices
        for part in choice.parts
        if isinstance(part, Text | ToolCall)
    )
    asked = sum(wording.tokens(_texts(message.parts)) + 3 for message in wanted.messages)
    usage = Usage(asked, given + scenario.thinking, reasoning_tokens=scenario.thinking)
    return Answer(wanted.origin, wording.identifier("msg_", seed), model, choices=choices, usage=usage)


# --- how it is streamed


def _events(made: Answer) -> Iterator[Event]:
    yield Start(made.id, made.model)
    for choice in made.choices:
        for number, part in enumerate(choice.parts):
            yield from _pieces(choice.index, number, part)
        yield Ended(choice.index, choice.finish)
    if made.usage is not None:
        yield made.usage
    yield Done()


def _pieces(choice: int, number: int, part: neutral.Part) -> Iterator[Event]:
    if isinstance(part, ToolCall):
        yield PartStart(choice, number, ToolCall(part.id, part.name))
        for start in range(0, len(part.arguments), 8):
            yield PartDelta(choice, number, part.arguments[start : start + 8])
    elif isinstance(part, Text | Reasoning):
        yield PartStart(choice, number, type(part)())
        for piece in wording.pieces(part.text):
            yield PartDelta(choice, number, piece)
        if part.signature:
            yield PartDelta(choice, number, signature=part.signature)
    yield PartEnd(choice, number)


_FRAME: Mapping[str, re.Pattern[bytes]] = {
    "text/event-stream": re.compile(rb".+?\r?\n\r?\n", re.DOTALL),
    "application/x-ndjson": re.compile(rb".+\n"),
}


def _frames(kind: str, encoder: StreamEncoder, events: Iterable[Event]) -> Iterator[bytes]:
    """What ``events`` are on the wire, event by event as a client counts them."""
    reader = eventstream.EventStreamReader()
    for event in events:
        data = encoder.encode(event)
        if kind == eventstream.CONTENT_TYPE:
            for frame in reader.feed(data):
                yield eventstream.frame(eventstream.header_bytes(frame.headers), frame.payload)
        else:
            yield from _FRAME[kind].findall(data)


def _broken_event(frame: bytes) -> bytes:
    head, colon, data = frame.partition(b"data: ")
    return head + colon + data[: len(data) // 2] + b"\n\n"


def _broken_line(frame: bytes) -> bytes:
    return frame[: len(frame) // 2] + b"\n"


def _broken_frame(frame: bytes) -> bytes:
    (found,) = eventstream.EventStreamReader().feed(frame)
    return eventstream.frame(eventstream.header_bytes(found.headers), found.payload[: len(found.payload) // 2])


_BROKEN = {
    "text/event-stream": _broken_event,
    "application/x-ndjson": _broken_line,
    eventstream.CONTENT_TYPE: _broken_frame,
}
"""Content type of a stream -> its event with half of its document."""
