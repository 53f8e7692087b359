"""What an upstream's refusal means: try again, take another key, put the key away, or tell the caller.

Pure: status, a few header values and the first bytes of the body in; a verdict and a wait out. The facts are those of
recorded exchanges: a spent quota is a 429 that no wait cures, a prompt over Groq's per-minute limit is a 413 with the
code of a rate limit, a true wait often stands only in the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

MAX_WAIT_S = 24 * 3600.0
"""Waits that providers name are capped here: an absurd one must not put a key away for good."""
LOOK_AT_BYTES = 16 * 1024
"""Error bodies are looked at this far."""


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


@dataclass(frozen=True, slots=True)
class Classified:
    verdict: Verdict
    wait_s: float = 0.0
    """How long the provider said to leave this key alone; 0: it did not say."""
    reason: str = ""
    """A word for the log and the metric."""


_RETRY_STATUSES = frozenset((408, 409, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 529, 530))
_SPENT = re.compile(
    rb"insufficient_quota|insufficient_balance|billing_hard_limit_reached|billing_not_active|account_deactivated"
    rb"|exceeded your current quota|insufficient balance|credit balance is too low|out of credits|spending limit"
    rb"|used all available credits",
    re.IGNORECASE,
)
_NOT_SPENT = re.compile(rb"RESOURCE_EXHAUSTED")
"""Google's ordinary rate limit speaks of a quota too."""
_TOO_DEAR = re.compile(rb"to run this request|can only afford|requires more credits", re.IGNORECASE)
_TOO_LARGE_FOR_LIMIT = re.compile(rb"rate_limit_exceeded|tokens per minute|request too large for model", re.IGNORECASE)
_BAD_KEY = re.compile(rb"invalid_api_key|incorrect api key|API_KEY_INVALID|api key not valid", re.IGNORECASE)
_NOT_FOR_THIS = re.compile(
    rb"model_not_found|does not have access to model|model_not_available|model_terms|missing scopes"
    rb"|insufficient permissions for this operation",
    re.IGNORECASE,
)
_CALLERS_OWN = re.compile(rb"moderation|flagged|unsupported_country|<html", re.IGNORECASE)
# A 400 may quote the caller's own words, which must not be able to put a key away: only the beginning of the message
# counts, and a quoted one cannot begin a member, since its quotes are escaped.
_TOLD_AS_400 = re.compile(
    rb'"message"\s*:\s*"(?:(api key not valid|incorrect api key)|your credit balance is too low)', re.IGNORECASE
)
_WAIT_LEAD = re.compile(rb"(?:try again|retry|wait|resets?)[^0-9]{0,32}", re.IGNORECASE)
_WAIT_PART = re.compile(rb"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(ms|milli|s|m|h|d)[a-z]{0,8},? ?", re.IGNORECASE)
_UNIT_S = {b"ms": 0.001, b"milli": 0.001, b"s": 1.0, b"m": 60.0, b"h": 3600.0, b"d": 86400.0}


def classify(status: int, body: bytes = b"", retry_after: bytes | None = None) -> Classified:
    """Judge an answer with a status of 400 or more, of a provider of the OpenAI dialects.

    ``body`` may be cut short or compressed; what is not understood is judged by the status alone.
    """
    body = body[:LOOK_AT_BYTES]
    if status == 429:
        if _SPENT.search(body) and not _NOT_SPENT.search(body):
            return Classified(Verdict.DISABLE_KEY, reason="quota")
        return Classified(Verdict.ROTATE_KEY, wait_of(retry_after, body), "rate_limit")
    if status == 402:
        if _TOO_DEAR.search(body):
            # OpenRouter: the balance would do for a smaller request.
            return Classified(Verdict.ROTATE_KEY, reason="credit")
        return Classified(Verdict.DISABLE_KEY, reason="credit")
    if status in (401, 403):
        # A moderated prompt is the caller's, and its answer may quote it: looked for first.
        if status == 403 and _CALLERS_OWN.search(body):
            return Classified(Verdict.CALLER, reason="forbidden")
        # One model or operation that a key may not use says nothing about the others.
        if _NOT_FOR_THIS.search(body) and not _BAD_KEY.search(body):
            return Classified(Verdict.ROTATE_KEY, reason="model")
        return Classified(Verdict.DISABLE_KEY, reason="credit" if _SPENT.search(body) else "key")
    if status == 413 and _TOO_LARGE_FOR_LIMIT.search(body):
        # Groq: the prompt alone is over the limit, so waiting is useless; another key's account may have a larger one.
        return Classified(Verdict.CALLER, reason="too_large")
    if status == 400 and (told := _TOLD_AS_400.search(body)):
        return Classified(Verdict.DISABLE_KEY, reason="key" if told[1] else "credit")
    if status in _RETRY_STATUSES or status >= 500:
        if status in (501, 505):
            return Classified(Verdict.CALLER, reason="unsupported")
        return Classified(Verdict.RETRY, wait_of(retry_after, b""), "upstream")
    return Classified(Verdict.CALLER, reason="request")


def wait_of(retry_after: bytes | None, body: bytes = b"") -> float:
    """Seconds the provider asks for, from ``Retry-After`` or, failing that, from the text ("try again in 9m38.016s").

    0 when it does not say, or not in a way that is understood; capped at ``MAX_WAIT_S``. The HTTP-date form is not
    read: it needs a clock that agrees with the provider's.
    """
    if retry_after is not None:
        text = retry_after.strip()
        if re.fullmatch(rb"[0-9]{1,9}(?:\.[0-9]{1,9})?", text):
            return min(float(text), MAX_WAIT_S)
    lead = _WAIT_LEAD.search(body)
    at = lead.end() if lead is not None else len(body)
    total = 0.0
    while part := _WAIT_PART.match(body, at):
        total += float(part[1]) * _UNIT_S[part[2].lower()]
        at = part.end()
    return min(total, MAX_WAIT_S)
