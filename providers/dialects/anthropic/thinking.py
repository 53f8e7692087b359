"""How much another dialect's caller wants a model to think, in the words of its generation."""

from __future__ import annotations

from providers.dialects.anthropic import models
from providers.dialects.anthropic.messages import thinks_before_last_call
from providers.dialects.base import Facts
from providers.neutral import BUDGETS, Json, Losses, Request, budget_of, effort_of

LEAST_BUDGET = 1_024
"""Anthropic takes no smaller one (its SDK's ``thinking_config_enabled_param``)."""


def encode_thinking(request: Request, facts: Facts, body: Json, losses: Losses) -> None:
    """``thinking`` and ``output_config.effort``."""
    thinking = request.thinking
    if thinking is None:
        return
    generation = models.version(facts.model)
    budget = budget_of(thinking)
    if budget == 0:
        # Before, none is what they do unless asked, and the oldest do not know the member.
        if generation >= models.THINKS_UNASKED or generation == (0, 0):
            body["thinking"] = {"type": "disabled"}
        return
    if budget < 0 and not thinking.enabled and not thinking.adaptive:
        if thinking.summary or thinking.extra:
            losses.lose("thinking")
        return
    if generation >= models.ADAPTIVE:
        body["thinking"] = {"type": "adaptive"}
        if thinking.summary:
            body["thinking"]["display"] = "summarized"
        if thinking.effort or budget > 0:
            body["output_config"] = {"effort": models.effort_word(effort_of(thinking), generation)}
    else:
        budget = max(budget if budget > 0 else BUDGETS["medium"], LEAST_BUDGET)
        if request.max_tokens is not None and budget >= request.max_tokens:
            # The caller's limit stands: half of it is for the answer.
            budget = max(request.max_tokens // 2, LEAST_BUDGET)
        if (request.max_tokens is not None and budget >= request.max_tokens) or not thinks_before_last_call(
            request.messages
        ):
            losses.lose("thinking")
            return
        body["thinking"] = {"type": "enabled", "budget_tokens": budget}
    choice = body.get("tool_choice")
    if choice is not None and choice["type"] in ("any", "tool"):
        # A call that is forced and thoughts exclude each other; the call is what the caller's program waits for.
        losses.lose("thinking")
        del body["thinking"]
