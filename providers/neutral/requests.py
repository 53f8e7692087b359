"""A request for a generated answer: tools, the form of the answer, thinking, sampling."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from providers.neutral.losses import Json
from providers.neutral.messages import CacheMark, Message, ToolCall


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
