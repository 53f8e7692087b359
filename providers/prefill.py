"""Which providers go on with an answer whose beginning stands as the last message, and how they are told to.

The rows are what vendors document. Claude takes such a beginning up to its generation 4.5 and refuses it from 4.6 on
(platform.claude.com, "What's new in Claude 4.6", prefill removal), never with white space at its end and never with
thinking. Mistral repeats the beginning in its answer. DeepSeek offers it under ``/beta`` only. OpenAI has no way.
"""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple

import msgspec

from providers.neutral import Json, Message, Request, Text

Setting = Literal["never", "turn", "prefix", "partial", "final_message"]


Members = tuple[tuple[str, Any], ...]


class Prefill(NamedTuple):
    """How a beginning is said."""

    message: Members = ()
    """Members of the message that holds it."""
    body: Members = ()
    """Members of the request."""
    trimmed: bool = False
    """White space at its end is refused."""
    echoed: bool = False
    """The answer repeats it."""


TURN = Prefill()
PREFIX = Prefill((("prefix", True),))
PARTIAL = Prefill((("partial", True),))
FINAL_MESSAGE = Prefill(body=(("continue_final_message", True), ("add_generation_prompt", False)))

BY_SETTING: dict[str, Prefill] = {"turn": TURN, "prefix": PREFIX, "partial": PARTIAL, "final_message": FINAL_MESSAGE}
_TURNS = frozenset(("anthropic", "bedrock", "gemini", "ollama"))
_TRIMMING = frozenset(("anthropic", "bedrock"))
BY_VENDOR: dict[str, Prefill] = {
    "alibaba": PARTIAL,
    "deepseek": PREFIX,
    "groq": TURN,
    "mistral": PREFIX._replace(echoed=True),
    "moonshot": PARTIAL,
    "openrouter": TURN,
    "sglang": FINAL_MESSAGE,
    "vllm": FINAL_MESSAGE,
}
"""Of those that speak OpenAI's chat. Others are not known to continue anything."""

_CLAUDE = re.compile(r"claude-(?:2|instant|3[-.])|claude-(?:opus|sonnet|haiku)-4(?:[-.][0-5](?!\d))?(?:-\d{8}|[@:]|$)")
"""Generations up to 4.5, as Anthropic, AWS, Google and OpenRouter spell them."""
_ON_BEDROCK = re.compile(r"claude|nova")
"""Llama and Mistral want the user to speak last there."""


def prefill_of(dialect: str, vendor: str, model: str, base_url: str, setting: str | None) -> Prefill | None:
    """How this model at this provider is told to go on; None: it can't be. ``setting``: what the operator says."""
    found = _known(dialect, vendor, model, base_url) if setting is None else BY_SETTING.get(setting)
    if found is None or not ("claude" in model or dialect in _TRIMMING):
        return found
    return found._replace(trimmed=True)


def _known(dialect: str, vendor: str, model: str, base_url: str) -> Prefill | None:
    if "claude" in model and not _CLAUDE.search(model):
        return None
    if dialect == "openai_chat":
        return None if vendor == "deepseek" and not base_url.endswith("/beta") else BY_VENDOR.get(vendor)
    if dialect == "bedrock" and not _ON_BEDROCK.search(model):
        return None
    return TURN if dialect in _TURNS else None


def continuable(request: Request) -> bool:
    """Whether an answer to this request may be put together from two: one plain text, and nothing that a model says or
    plans beside it."""
    sampling, thinking = request.sampling, request.thinking
    if request.format is not None and request.format.kind != "text":
        return False
    if (sampling.count or 1) > 1 or sampling.logprobs or set(request.modalities) - {"text"}:
        return False
    if thinking is not None and (
        thinking.enabled or thinking.adaptive or thinking.budget > 0 or thinking.effort not in ("", "none")
    ):
        return False
    if not request.messages or request.messages[-1].role != "assistant":
        return bool(request.messages)
    return all(isinstance(part, Text) for part in request.messages[-1].parts)


def continued(request: Request, said: str, spent: int) -> Request:
    """``request`` with ``said`` as the beginning of its answer (empty: as it was), of whose ``max_tokens`` about
    ``spent`` are used up. ``request`` is not changed."""
    messages = list(request.messages)
    if said:
        before = ""
        if messages[-1].role == "assistant":  # the caller gave a beginning of its own
            before = "".join(part.text for part in messages.pop().parts if isinstance(part, Text))
        messages.append(Message("assistant", [Text(before + said)], plain=True))
    left = None if request.max_tokens is None else max(1, request.max_tokens - spent)
    return msgspec.structs.replace(request, messages=messages, max_tokens=left, stream=True)


def written(body: Json, way: Prefill) -> Json:
    """The provider's body, whose last message is the beginning, with what tells the provider so."""
    body.update(way.body)
    if way.message:
        body["messages"][-1].update(way.message)
    return body
