"""How much a Gemini model thinks: a level from Gemini 3 on, a budget of tokens before.

Sources: ai.google.dev, "Gemini thinking" (ranges of budgets, levels by model) and "OpenAI compatibility" (what an
effort means for each).
"""

from __future__ import annotations

from providers.dialects.reading import text
from providers.neutral import Json, Losses, Malformed, Request, Thinking, budget_of, effort_of

_LEVELS = frozenset(("minimal", "low", "medium", "high", "xhigh"))
_KNOWN = frozenset(("thinkingBudget", "thinkingLevel", "includeThoughts"))


def generation(model: str) -> int:
    """3 for ``gemini-3.1-pro`` and for the aliases of the newest; 0 for models whose name does not say."""
    name = model.rpartition("/")[2]
    if not name.startswith("gemini-"):
        return 0
    if name.endswith("-latest") and not name[7:8].isdecimal():
        return 3
    number = name[7:8]
    return int(number) if number.isdecimal() else 0


def decode(value: Json) -> Thinking:
    """``thinkingConfig``, its names in camel case. Raises Malformed."""
    thinking = Thinking()
    budget = value.get("thinkingBudget")
    if budget is not None:
        if not isinstance(budget, int) or isinstance(budget, bool):
            raise Malformed("'thinkingBudget' is no whole number.", "generationConfig.thinkingConfig.thinkingBudget")
        thinking.adaptive = budget < 0
        thinking.enabled = budget != 0
        thinking.budget = max(budget, -1)
    level = text(value.get("thinkingLevel")).lower()
    if level in _LEVELS:
        thinking.effort, thinking.enabled = level, True
    if value.get("includeThoughts") is True:
        thinking.summary = "auto"
    thinking.extra = {name: one for name, one in value.items() if name not in _KNOWN} or None
    return thinking


def encode(request: Request, model: str, losses: Losses) -> Json | None:
    """``thinkingConfig`` for a request of another dialect; None when there is nothing to say."""
    thinking = request.thinking
    if thinking is None:
        return None
    member = "reasoning_effort" if request.origin == "openai_chat" else "thinking"
    name = model.rpartition("/")[2]
    number = generation(model)
    config: Json = {}
    off = thinking.enabled is False or thinking.effort == "none" or thinking.budget == 0
    if number in (1, 2) and not name.startswith("gemini-2.5"):
        if not off:
            losses.lose(member)  # models from before thinking refuse the member
        return None
    if number >= 3:
        _level(config, thinking, name, off, member, losses)
    elif off:
        # 2.5 Pro cannot be kept from thinking; 128 is the least that it takes.
        if "2.5-pro" in name:
            losses.lose(member)
            config["thinkingBudget"] = 128
        else:
            config["thinkingBudget"] = 0
    elif thinking.adaptive and thinking.budget < 0 and not thinking.effort:
        config["thinkingBudget"] = -1
    elif (budget := budget_of(thinking)) > 0:
        config["thinkingBudget"] = _fitting(budget, name)
    elif thinking.enabled:
        config["thinkingBudget"] = -1
    if thinking.summary and not off:
        config["includeThoughts"] = True
    return config or None


def _level(config: Json, thinking: Thinking, name: str, off: bool, member: str, losses: Losses) -> None:
    pro = "pro" in name
    if off:
        losses.lose(member)  # Gemini 3 always thinks
        config["thinkingLevel"] = "LOW" if pro else "MINIMAL"
        return
    if thinking.adaptive and not thinking.effort and thinking.budget < 0:
        return  # its default
    effort = effort_of(thinking)
    if effort == "minimal" and pro:
        effort = "low"
    if effort in _LEVELS:
        config["thinkingLevel"] = "HIGH" if effort == "xhigh" else effort.upper()


def _fitting(budget: int, name: str) -> int:
    if "2.5-pro" in name:
        return min(max(budget, 128), 32_768)
    if "2.5-flash-lite" in name:
        return min(max(budget, 512), 24_576)
    return min(budget, 24_576) if "2.5-flash" in name else budget
