"""What answers with an error mean, as a table: the first row that fits decides.

Each row says why, and where that is known from: ``recorded`` (exchanges with the provider), ``reported`` (by its
users), ``docs`` (by its documentation). docs/errors.md is rendered from it.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Literal, NamedTuple


class Verdict(IntEnum):
    """What to do about an attempt that was answered with an error."""

    CALLER = 0
    """The caller's own mistake: pass the answer on, never ask again."""
    RETRY = 1
    """The provider's trouble: another attempt may succeed, with any key."""
    ROTATE_KEY = 2
    """This key is limited for now: cool it, ask with another one."""
    DISABLE_KEY = 3
    """This key is refused or has no credit: put it away and say so, ask with another one."""


class Rule(NamedTuple):
    """A row."""

    statuses: tuple[int, ...]
    """Empty: any."""
    said: str
    """Regular expression that has to be found in the first 16 KiB of the body, in capitals or not; empty: anything."""
    verdict: Verdict
    reason: str
    """A word for the log and the metric."""
    why: str
    who: str = "all"
    evidence: Literal["recorded", "reported", "docs"] = "docs"
    unless: str = ""
    """Likewise, must not be found."""
    waits: Literal["", "header", "text"] = ""
    """Where a wait is looked for: nowhere, in ``Retry-After``, or there and failing that in the text."""


_SPENT = (
    r"insufficient_quota|insufficient_balance|billing_hard_limit_reached|billing_not_active|account_deactivated"
    r"|exceeded your current quota|insufficient balance|credit balance is too low|out of credits|spending limit"
    r"|used all available credits"
)
_BAD_KEY = r"invalid_api_key|incorrect api key|API_KEY_INVALID|api key not valid"
_NOT_FOR_THIS = (
    r"model_not_found|does not have access to model|access to the model with the specified|model_not_available"
    r"|model_terms|missing scopes|insufficient permissions for this operation|not authorized to perform: bedrock"
)
# A 400 may quote the caller's own words, which must not be able to put a key away: only the beginning of the message
# counts, and a quoted one cannot begin a member, since its quotes are escaped.
_BEGINS = r'"message"\s*:\s*"'

RULES: tuple[Rule, ...] = (
    Rule(
        (429,),
        _SPENT,
        Verdict.DISABLE_KEY,
        "quota",
        "No credit or quota is left on the account: a limit that no wait cures.",
        "openai, xai, perplexity",
        "reported",
        unless="RESOURCE_EXHAUSTED",
    ),
    Rule(
        (429,),
        "",
        Verdict.ROTATE_KEY,
        "rate_limit",
        "A limit over time. The wait often stands in the text alone: `174ms`, `9m38.016s`, `86400 seconds`, `48s`.",
        "all",
        "recorded",
        waits="text",
    ),
    Rule(
        (402,),
        r"to run this request|can only afford|requires more credits",
        Verdict.ROTATE_KEY,
        "credit",
        "The balance would do for a smaller request, so the key is of use to others.",
        "openrouter",
        "reported",
    ),
    Rule((402,), "", Verdict.DISABLE_KEY, "credit", "No credit is left.", "deepseek, openrouter", "reported"),
    Rule(
        (403,),
        "moderation|flagged|unsupported_country|<html",
        Verdict.CALLER,
        "forbidden",
        "The prompt was moderated, or an outer server refuses the place that it came from. Such answers quote prompts, "
        "so this is looked for first.",
        "openrouter, openai",
        "recorded",
    ),
    Rule(
        (401, 403),
        _NOT_FOR_THIS,
        Verdict.ROTATE_KEY,
        "model",
        "This key may not use one model or operation, which says nothing about the others.",
        "openai, bedrock, together",
        "recorded",
        unless=_BAD_KEY,
    ),
    Rule((401, 403), _SPENT, Verdict.DISABLE_KEY, "credit", "No credit is left.", "xai, zai", "docs"),
    Rule((401, 403), "", Verdict.DISABLE_KEY, "key", "The key is refused.", "all", "recorded"),
    Rule(
        (413,),
        "rate_limit_exceeded|tokens per minute|request too large for model",
        Verdict.CALLER,
        "too_large",
        "The prompt alone is over the limit of a minute: it has the code of a rate limit, and no wait cures it.",
        "groq",
        "recorded",
    ),
    Rule(
        (400,),
        _BEGINS + "(?:api key not valid|incorrect api key)",
        Verdict.DISABLE_KEY,
        "key",
        "A refused key, told as a mistake of the caller's.",
        "gemini, xai",
        "recorded",
    ),
    Rule(
        (400,),
        _BEGINS + "your credit balance is too low",
        Verdict.DISABLE_KEY,
        "credit",
        "No credit, told as a mistake of the caller's.",
        "anthropic",
        "reported",
    ),
    Rule(
        (408, 409, 425, 500, 502, 503, 504, 529),
        "",
        Verdict.RETRY,
        "upstream",
        "The provider's own trouble; 529 is Anthropic's overload.",
        "all",
        "recorded",
        waits="header",
    ),
    Rule(
        (520, 521, 522, 523, 524, 525, 526, 530),
        "",
        Verdict.RETRY,
        "upstream",
        "Cloudflare in front of the provider, often as a page that names addresses: it is never passed on.",
        "openai, anthropic, ollama",
        "reported",
        waits="header",
    ),
    Rule(
        (424,),
        "",
        Verdict.RETRY,
        "upstream",
        "`ModelErrorException`: the model failed while it worked.",
        "bedrock",
        waits="header",
    ),
    Rule((498,), "", Verdict.RETRY, "upstream", "No capacity on the flex tier at the moment.", "groq", waits="header"),
    Rule((501, 505), "", Verdict.CALLER, "unsupported", "What is asked for is not there, and will not be.", "all"),
    Rule((), "", Verdict.RETRY, "upstream", "Any other status of 500 and more.", "all", "docs", waits="header"),
    Rule((), "", Verdict.CALLER, "request", "Any other status: the request is at fault.", "all", "recorded"),
)
SERVER_TROUBLE = RULES[-2]
"""Of the two rows without a status, that of 500 and more."""


class Compiled(NamedTuple):
    said: re.Pattern[bytes] | None
    unless: re.Pattern[bytes] | None
    rule: Rule


def _pattern(text: str) -> re.Pattern[bytes] | None:
    return re.compile(text.encode(), re.IGNORECASE) if text else None


def _rows(status: int) -> tuple[Compiled, ...]:
    fitting = [
        rule
        for rule in RULES
        if status in rule.statuses or (not rule.statuses and (status >= 500 or rule is not SERVER_TROUBLE))
    ]
    last = next(at for at, rule in enumerate(fitting) if not rule.said and not rule.unless)
    return tuple(Compiled(_pattern(rule.said), _pattern(rule.unless), rule) for rule in fitting[: last + 1])


BY_STATUS: dict[int, tuple[Compiled, ...]] = {status: _rows(status) for status in range(400, 600)}
"""Status -> the rows that may fit, in order; the last fits anything."""
