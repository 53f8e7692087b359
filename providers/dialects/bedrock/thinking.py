"""How much a model is to think, which Bedrock leaves to each family's own members (``additionalModelRequestFields``).

Anthropic's ``thinking`` (and ``reasoning_config``, the same under another name) is read whatever the model's name,
since callers know models by names of their own; what is written depends on the model that is asked.
"""

from __future__ import annotations

from providers.dialects.anthropic.thinking import encode_thinking
from providers.dialects.base import Facts
from providers.dialects.bedrock import models
from providers.dialects.reading import mapping, text, whole
from providers.neutral import Json, Losses, Request, Thinking, budget_of, effort_of

_KINDS = frozenset(("enabled", "disabled", "adaptive"))
_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high"}


def decode(fields: Json) -> tuple[Thinking | None, str]:
    """What a model's own members say, and the name of the member that said it."""
    for name in ("thinking", "reasoning_config"):
        given = mapping(fields.get(name))
        kind = given.get("type")
        if isinstance(kind, str) and kind in _KINDS:
            thinking = Thinking(kind != "disabled", adaptive=kind == "adaptive")
            if kind == "enabled" and "budget_tokens" in given:
                thinking.budget = max(whole(given["budget_tokens"]), 0)
            if given.get("display") == "summarized":
                thinking.summary = "auto"
            return thinking, name
    given = mapping(fields.get("reasoningConfig"))  # Nova 2
    if given.get("type") in ("enabled", "disabled"):
        enabled = given["type"] == "enabled"
        return Thinking(enabled, text(given.get("maxReasoningEffort")) if enabled else ""), "reasoningConfig"
    effort = text(fields.get("reasoning_effort"))  # OpenAI's open models
    return (Thinking(effort=effort), "reasoning_effort") if effort else (None, "")


def encode(request: Request, facts: Facts, forced: bool, fields: Json, config: Json, losses: Losses) -> None:
    """Into the model's own ``fields`` and ``outputConfig``; ``forced`` when a tool has to be called."""
    thinking = request.thinking
    if thinking is None:
        return
    model, effort = facts.model, effort_of(thinking)
    if models.thinks_by_effort(model):
        if effort in _EFFORTS:
            fields["reasoning_effort"] = _EFFORTS[effort]
        elif effort == "none":
            losses.lose("thinking")  # they always think
    elif models.thinks_by_config(model):
        if effort in _EFFORTS:
            fields["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": _EFFORTS[effort]}
        elif effort == "none":
            fields["reasoningConfig"] = {"type": "disabled"}
    elif models.is_claude(model) or (effort != "none" and models.is_claude_or_unsaid(model)):
        written: Json = {"tool_choice": {"type": "any"}} if forced else {}
        encode_thinking(request, facts, written, losses)
        if "thinking" in written:
            fields["thinking"] = written["thinking"]
        if "output_config" in written:
            config |= written["output_config"]
    elif budget_of(thinking) != 0:
        losses.lose("thinking")
