"""What an upstream's refusal means: try again, take another key, put the key away, or tell the caller.

Pure: status, a few header values and the first bytes of the body in; a verdict and a wait out. The facts are those of
recorded exchanges: a spent quota is a 429 that no wait cures, a prompt over Groq's per-minute limit is a 413 with the
code of a rate limit, a true wait often stands only in the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from providers.refusals import BY_STATUS, Verdict

MAX_WAIT_S = 24 * 3600.0
"""Waits that providers name are capped here: an absurd one must not put a key away for good."""
LOOK_AT_BYTES = 16 * 1024
"""Error bodies are looked at this far."""


@dataclass(frozen=True, slots=True)
class Classified:
    verdict: Verdict
    wait_s: float = 0.0
    """How long the provider said to leave this key alone; 0: it did not say."""
    reason: str = ""
    """A word for the log and the metric."""


_WAIT_LEAD = re.compile(rb"(?:try again|retry|wait|resets?)[^0-9]{0,32}", re.IGNORECASE)
_WAIT_PART = re.compile(rb"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(ms|milli|s|m|h|d)[a-z]{0,8},? ?", re.IGNORECASE)
_UNIT_S = {b"ms": 0.001, b"milli": 0.001, b"s": 1.0, b"m": 60.0, b"h": 3600.0, b"d": 86400.0}


def classify(status: int, body: bytes = b"", retry_after: bytes | None = None) -> Classified:
    """Judge an answer with a status of 400 or more by ``providers.refusals``.

    ``body`` may be cut short or compressed; what is not understood is judged by the status alone.
    """
    body = body[:LOOK_AT_BYTES]
    for said, unless, rule in BY_STATUS.get(status) or BY_STATUS[500]:
        if (said is None or said.search(body)) and (unless is None or not unless.search(body)):
            wait = wait_of(retry_after, body if rule.waits == "text" else b"") if rule.waits else 0.0
            return Classified(rule.verdict, wait, rule.reason)
    raise AssertionError("the last row fits anything")


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


__all__ = ["LOOK_AT_BYTES", "MAX_WAIT_S", "Classified", "Verdict", "classify", "wait_of"]
