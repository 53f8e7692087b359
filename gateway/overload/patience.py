"""How long a caller waits for a byte, as SDKs say it: only the time in the queue is held to that. What bounds a whole
request is its own field (``gateway.routing.deadline``)."""

from __future__ import annotations

import re

NEVER_NS = 1 << 62
"""A moment that does not come."""

LONGEST_S = 86_400.0
"""Whoever names more, or nothing that can be read, is taken to wait for ever."""

_FIELD = re.compile(
    rb"\r\nx-stainless-(?:read-)?timeout[ \t]*:[ \t]*([0-9]{1,9}(?:\.[0-9]{1,9})?)[ \t]*(?=\r\n)",
    re.IGNORECASE,
)
"""The SDKs of OpenAI and Anthropic say how long they wait for the next byte: ``x-stainless-read-timeout`` in Python,
``x-stainless-timeout`` in TypeScript and of Anthropic's requests that do not stream, both in seconds."""


def patience_ns(head: bytes) -> int:
    """For how long the caller of a request with this head waits for a byte, in nanoseconds; ``NEVER_NS`` where it does
    not say. Of several, the shortest counts."""
    waits = [float(figure) for figure in _FIELD.findall(head)]
    return min((int(wait_s * 1e9) for wait_s in waits if 0.0 < wait_s <= LONGEST_S), default=NEVER_NS)
