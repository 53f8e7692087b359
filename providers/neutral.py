"""The one form between all dialects: requests, answers, events of a stream, faults.

A dialect's module (``providers/dialects/``) decodes its wire format into these values and encodes these values into
it, so N dialects translate into each other with 2 N modules. What the form has no place for stays in ``extra`` (members
of the object at hand, as they came) or in ``Opaque`` (a whole part), and is written back only where both sides speak
the same dialect; elsewhere ``Losses`` is told its name, so that nothing is lost in silence. ``shape`` is a dialect's
own note of which of several ways of saying the same it found (null or absent, string or list); nobody else reads it.

Conventions. Texts are ``str``, JSON values are what ``orjson.loads`` gives. Binary contents are base64 text, as all
wire formats carry them. Tool arguments are JSON *text*: models write them, and may write them wrong. ``None`` and the
empty string mean "not said". Tokens: ``input_tokens`` holds cached and cache-written ones, ``output_tokens`` holds
reasoning.
"""

from __future__ import annotations

import copy
from typing import Any, Literal, TypeAlias

from msgspec import Struct, field

Json: TypeAlias = dict[str, Any]


class Malformed(ValueError):
    """What was to be decoded is not what its dialect says. ``member`` names the place, as a path with dots."""

    def __init__(self, message: str, member: str = "") -> None:
        super().__init__(message)
        self.member = member


class Unsupported(ValueError):
    """The target has no place for ``member``, and its policy is ``error``."""

    def __init__(self, member: str) -> None:
        super().__init__(f"'{member}' cannot be said to this provider.")
        self.member = member


Policy: TypeAlias = Literal["drop", "error", "pass"]


_STATE = frozenset(("previous_response_id", "conversation"))
_HARMLESS = frozenset(
    ("store", "include", "truncation", "prompt_cache_key", "prompt_cache_options", "safety_identifier")
)


class Losses:
    """What a target could not take, by policy: dropped and named, an error, or passed on as it came."""

    __slots__ = ("names", "policy")

    def __init__(self, policy: Policy = "drop") -> None:
        self.policy = policy
        self.names: list[str] = []

    def lose(self, member: str) -> None:
        """Note that ``member`` is left out. Raises Unsupported when the policy says so."""
        if self.policy == "error":
            raise Unsupported(member)
        if member not in self.names:
            self.names.append(member)

    def leave(self, extra: Json | None, target: Json) -> None:
        """Members that only the caller's dialect knows: put into ``target`` under policy ``pass``, else lost. Members
        that say nothing (null, false, empty), and such as change nothing about the answer, are no loss. What refers to
        a conversation kept by the provider can't be left out: Unsupported, whatever the policy."""
        if not extra:
            return
        for name, value in extra.items():
            if value in (None, False, [], {}):
                continue
            if name in _STATE:
                raise Unsupported(name)
            if self.policy == "pass":
                target.setdefault(name, value)
            elif name not in _HARMLESS:
                self.lose(name)


# --- parts of messages and answers


class CacheMark(Struct):
    """The prompt up to here is worth caching (Anthropic ``cache_control``, Bedrock ``cachePoint``)."""

    ttl: str = ""
    """``5m`` or ``1h``; empty: the provider's default."""


class Citation(Struct):
    """Where a stretch of text comes from."""

    url: str = ""
    title: str = ""
    cited_text: str = ""
    start: int = -1
    """Place of the stretch in the text, characters; -1: not said."""
    end: int = -1
    source: str = ""
    """Id or name of the document, where it is none of the web."""
    extra: Json | None = None
    """The citation as its dialect (``origin`` of the message's owner) wrote it."""


class Text(Struct):
    text: str = ""
    citations: list[Citation] = field(default_factory=list)
    cache: CacheMark | None = None
    signature: str = ""
    """Gemini signs texts as well (``thoughtSignature``)."""
    shape: Any = None
    extra: Json | None = None


class Media(Struct):
    """An image, sound, film or document: exactly one of ``data`` (base64), ``url``, ``file_id`` and ``text`` is set."""

    kind: Literal["image", "audio", "video", "file"]
    media_type: str = ""
    """As ``image/png``; empty: not said."""
    data: str = ""
    url: str = ""
    """Never fetched by the gateway."""
    file_id: str = ""
    """Belongs to one provider account."""
    text: str = ""
    """A document that is plain text."""
    name: str = ""
    detail: str = ""
    """Of images, OpenAI's word: ``low``, ``high``, ``auto``."""
    transcript: str = ""
    """Of sound in answers."""
    shape: Any = None
    cache: CacheMark | None = None
    extra: Json | None = None


class ToolCall(Struct):
    id: str = ""
    """Empty where the dialect has none (Gemini, Ollama); encoders of dialects that want one make it from its place."""
    name: str = ""
    arguments: str = ""
    """JSON text of an object; of a ``custom`` tool free text."""
    custom: bool = False
    signature: str = ""
    """Gemini's ``thoughtSignature``, which it wants back."""
    shape: Any = None
    cache: CacheMark | None = None
    extra: Json | None = None


class ToolResult(Struct):
    call_id: str = ""
    name: str = ""
    """Of the tool, where it is said (Gemini wants it; ``Request.tool_names`` finds it by the call)."""
    parts: list[Part] = field(default_factory=list)
    """``Text`` and ``Media``."""
    is_error: bool = False
    plain: bool = False
    """The content was one bare string."""
    custom: bool = False
    shape: Any = None
    value: Any = None
    """The result where it is a JSON value and no text (Gemini ``response``, Bedrock ``json``); ``parts`` then hold its
    JSON text."""
    cache: CacheMark | None = None
    extra: Json | None = None


class Reasoning(Struct):
    text: str = ""
    """Thoughts, or a summary of them."""
    signature: str = ""
    """Proof of the provider that they are its own, wanted back unchanged."""
    redacted: str = ""
    """Thoughts in a form that only the provider reads (Anthropic ``redacted_thinking``, OpenAI
    ``encrypted_content``)."""
    id: str = ""
    summaries: list[str] = field(default_factory=list)
    """Where the thoughts are told as several summaries (Responses); ``text`` then is all of them, with blank lines."""
    shape: Any = None
    extra: Json | None = None


class Refusal(Struct):
    text: str = ""


class Opaque(Struct):
    """A part that one dialect alone knows (a provider's own tools and their results)."""

    dialect: str
    value: Any
    kind: str = ""


Part: TypeAlias = Text | Media | ToolCall | ToolResult | Reasoning | Refusal | Opaque

Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]


class Message(Struct):
    role: Role
    parts: list[Part] = field(default_factory=list)
    plain: bool = False
    """The content was one bare string, which some old providers insist on."""
    name: str = ""
    shape: Any = None
    extra: Json | None = None


# --- requests


class Tool(Struct):
    name: str = ""
    description: str = ""
    parameters: Json | None = None
    """JSON schema of the arguments, as it came."""
    strict: bool | None = None
    custom: bool = False
    """Takes free text (OpenAI ``custom``); its format stands in ``extra``."""
    cache: CacheMark | None = None
    own: Json | None = None
    """A tool that the provider runs itself (web search, code interpreter ...), as ``origin`` writes it; its type stands
    in ``name``, nothing else is set."""
    shape: Any = None
    extra: Json | None = None


class ToolChoice(Struct):
    mode: Literal["auto", "none", "required", "tool"] = "auto"
    """``tool``: exactly ``names[0]``."""
    names: list[str] = field(default_factory=list)
    """With ``auto`` and ``required``: only these are allowed."""
    extra: Json | None = None


class Format(Struct):
    """The form the answer's text is to have."""

    kind: Literal["text", "json_object", "json_schema"] = "text"
    schema: Json | None = None
    name: str = ""
    description: str = ""
    strict: bool | None = None
    extra: Json | None = None


class Thinking(Struct):
    """How much the model is to think. A budget and an effort are turned into each other by ``budget_of`` and
    ``effort_of`` where a target knows only the other."""

    enabled: bool | None = None
    effort: str = ""
    """``none``, ``minimal``, ``low``, ``medium``, ``high``, ``xhigh``."""
    budget: int = -1
    """Tokens; -1: not said."""
    adaptive: bool = False
    """The model decides itself how much (Anthropic ``adaptive``, Gemini budget -1)."""
    summary: str = ""
    """OpenAI's ``auto``, ``concise``, ``detailed``; other dialects that show thoughts at all: ``auto``."""
    extra: Json | None = None


BUDGETS: dict[str, int] = {"minimal": 1_024, "low": 1_024, "medium": 8_192, "high": 24_576, "xhigh": 32_768}
"""Effort -> thinking budget in tokens: the values of Google's own OpenAI-compatible endpoint (ai.google.dev, "OpenAI
compatibility", thinking); ``xhigh`` is 4/3 of high. Anthropic takes no budget under 1,024."""


def budget_of(thinking: Thinking) -> int:
    """Tokens for a target that wants a number; 0: no thinking, -1: nothing was said."""
    if thinking.enabled is False or thinking.effort == "none":
        return 0
    return thinking.budget if thinking.budget >= 0 else BUDGETS.get(thinking.effort, -1)


def effort_of(thinking: Thinking) -> str:
    """``none`` to ``high`` for a target that wants a word; empty: nothing was said."""
    if thinking.effort:
        return thinking.effort
    if thinking.enabled is False or thinking.budget == 0:
        return "none"
    if thinking.budget < 0:
        return "medium" if thinking.enabled or thinking.adaptive else ""
    return "low" if thinking.budget <= 4_096 else "medium" if thinking.budget <= 16_384 else "high"


class Sampling(Struct):
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: list[str] = field(default_factory=list)
    count: int | None = None
    """Answers to one request (``n``)."""
    logprobs: bool | None = None
    top_logprobs: int | None = None
    logit_bias: Json | None = None


class Request(Struct):
    """A request for a generated answer."""

    origin: str
    """Dialect it was decoded from; encoders of that dialect write ``extra`` and ``Opaque`` back."""
    model: str = ""
    messages: list[Message] = field(default_factory=list)
    tools: list[Tool] = field(default_factory=list)
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    format: Format | None = None
    sampling: Sampling = field(default_factory=Sampling)
    max_tokens: int | None = None
    thinking: Thinking | None = None
    stream: bool = False
    include_usage: bool = False
    """Usage is wanted at the end of a stream by a dialect that asks for it (OpenAI chat); others always say it."""
    service_tier: str = ""
    metadata: Json | None = None
    user: str = ""
    """Who asks, in the caller's own terms."""
    modalities: list[str] = field(default_factory=list)
    """``text``, ``audio``, ``image``; empty: not said."""
    safety: Any = None
    """Google's safety settings, Bedrock's guardrail configuration, as they came."""
    shape: Any = None
    extra: Json | None = None
    """Members of the body that the form has no place for."""

    def tool_names(self) -> dict[str, str]:
        """Call id -> tool name, over all messages."""
        return {part.id: part.name for message in self.messages for part in message.parts if isinstance(part, ToolCall)}


def merged(messages: list[Message]) -> list[Message]:
    """Turns of the assistant that follow each other put together, as dialects with one message a turn want them; others
    as they are."""
    out: list[Message] = []
    for message in messages:
        if out and message.role == "assistant" == out[-1].role:
            out[-1] = Message("assistant", out[-1].parts + message.parts, out[-1].plain and message.plain)
        else:
            out.append(message)
    return out


# --- answers


Finish: TypeAlias = Literal["", "stop", "stop_sequence", "length", "tool_calls", "content_filter", "refusal", "pause",
                            "error", "other"]  # fmt: skip
"""Why a choice ended; empty: it has not ended, or it was not said."""


class Usage(Struct):
    """Tokens. Also an event of a stream: of several, the last one counts."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    audio_in_tokens: int = 0
    audio_out_tokens: int = 0
    total: int = -1
    """As the provider said it; -1: input and output together."""
    extra: Json | None = None

    @property
    def total_tokens(self) -> int:
        return self.total if self.total >= 0 else self.input_tokens + self.output_tokens


class Choice(Struct):
    index: int = 0
    parts: list[Part] = field(default_factory=list)
    finish: Finish = ""
    raw_finish: str = ""
    """The provider's own word for it."""
    stop_sequence: str = ""
    logprobs: Any = None
    """OpenAI's form: ``{"content": [{"token", "logprob", "bytes", "top_logprobs"}]}``."""
    extra: Json | None = None


class Answer(Struct):
    origin: str
    id: str = ""
    model: str = ""
    created: int = 0
    """Seconds since 1970; 0: not said."""
    choices: list[Choice] = field(default_factory=list)
    usage: Usage | None = None
    service_tier: str = ""
    extra: Json | None = None


# --- events of a stream


class Start(Struct):
    """The first event of every stream."""

    id: str = ""
    model: str = ""
    created: int = 0
    service_tier: str = ""


class PartStart(Struct):
    """Part number ``part`` (0, 1, ... within its choice) begins. ``content`` is what is known of it: mostly an empty
    text, a tool call without arguments; a part that comes whole (``Media``, ``Opaque``) is complete here."""

    choice: int
    part: int
    content: Part


class PartDelta(Struct):
    """More of a part: ``text`` of Text, Reasoning, Refusal; ``arguments`` of ToolCall; ``transcript`` of sound."""

    choice: int
    part: int
    text: str = ""
    signature: str = ""
    citation: Citation | None = None
    data: str = ""
    """Sound, base64: pieces that are decoded one by one."""
    logprobs: Any = None
    """Of this delta, in OpenAI's form."""


class PartEnd(Struct):
    """A part is complete. Decoders end every part they have begun, before ``Ended``. At most one part of a choice is
    open at a time; the arguments of a call that comes interleaved with another's follow as deltas of an ended part."""

    choice: int
    part: int


class Ended(Struct):
    """A choice is complete."""

    choice: int
    finish: Finish
    raw_finish: str = ""
    stop_sequence: str = ""


class Ping(Struct):
    """Sign of life."""


class Done(Struct):
    """The true end of a stream, after everything else. A stream without it was cut."""


FaultKind: TypeAlias = Literal["bad_request", "context_length", "content_filter", "auth", "permission", "not_found",
                               "too_large", "rate_limit", "quota", "overloaded", "server", "timeout"]  # fmt: skip


class Fault(Struct):
    """An error, as an answer or inside a stream."""

    kind: FaultKind
    message: str
    status: int = 0
    """HTTP status that it came with, or that its kind means (``STATUS``)."""
    code: str = ""
    """The provider's own word."""
    param: str = ""
    retry_after_s: float = 0.0
    request_id: str = ""


STATUS: dict[str, int] = {
    "bad_request": 400, "context_length": 400, "content_filter": 400, "auth": 401, "permission": 403, "not_found": 404,
    "too_large": 413, "rate_limit": 429, "quota": 429, "overloaded": 503, "server": 500, "timeout": 504,
}  # fmt: skip

Event: TypeAlias = Start | PartStart | PartDelta | PartEnd | Ended | Usage | Fault | Ping | Done


class Collector:
    """Puts the events of a stream together to an answer: for callers that did not ask for a stream, and for tests.

    ``fault`` is set when the stream brought an error, ``done`` when it came to its end.
    """

    def __init__(self, origin: str) -> None:
        self.answer = Answer(origin)
        self.fault: Fault | None = None
        self.done = False
        self._choices: dict[int, Choice] = {}

    def add(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, PartDelta):
            self._extend(event)
        elif isinstance(event, PartStart):
            choice = self._choice(event.choice)
            if event.part != len(choice.parts):
                raise Malformed(f"part {event.part} begins when there are {len(choice.parts)}")
            part = copy.copy(event.content)  # it grows, the event does not
            if isinstance(part, Text):
                part.citations = list(part.citations)
            choice.parts.append(part)
        elif isinstance(event, Ended):
            choice = self._choice(event.choice)
            choice.finish, choice.raw_finish = event.finish, event.raw_finish
            choice.stop_sequence = event.stop_sequence
        elif isinstance(event, Usage):
            self.answer.usage = event
        elif isinstance(event, Start):
            answer = self.answer
            answer.id, answer.model, answer.created = event.id, event.model, event.created
            answer.service_tier = event.service_tier
        elif isinstance(event, Fault):
            self.fault = event
        elif isinstance(event, Done):
            self.done = True

    def _choice(self, index: int) -> Choice:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = Choice(index)
            self.answer.choices.append(choice)
        return choice

    def _extend(self, event: PartDelta) -> None:
        choice = self._choice(event.choice)
        part = choice.parts[event.part]
        if event.logprobs is not None:
            content = (choice.logprobs or {"content": []})["content"] or []
            choice.logprobs = {"content": content + (event.logprobs.get("content") or [])}
        if isinstance(part, ToolCall):
            part.arguments += event.text
            part.signature += event.signature
        elif isinstance(part, Text | Reasoning):
            part.text += event.text
            part.signature += event.signature
            if event.citation is not None and isinstance(part, Text):
                part.citations.append(event.citation)
        elif isinstance(part, Refusal):
            part.text += event.text
        elif isinstance(part, Media):
            part.transcript += event.text
            part.data += event.data
