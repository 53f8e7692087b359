"""How long a caller waits: what its header says, of which only the time in the queue is held to."""

from __future__ import annotations

import re

NEVER_NS = 1 << 62
"""A moment that does not come."""

LONGEST_S = 86_400.0
"""Whoever names more, or nothing that can be read, is taken to wait for ever."""

_FIELD = re.compile(
    rb"\r\n(x-microgate-timeout|x-stainless-read-timeout|x-stainless-timeout)[ \t]*:"
    rb"[ \t]*([0-9]{1,9}(?:\.[0-9]{1,9})?)[ \t]*(ms|s)?[ \t]*(?=\r\n)",
    re.IGNORECASE,
)
"""The SDKs of OpenAI and Anthropic say how long they wait for the next byte: ``x-stainless-read-timeout`` in Python,
``x-stainless-timeout`` in TypeScript and of Anthropic's requests that do not stream, both in seconds."""


def patience_ns(head: bytes) -> int:
    """For how long the caller of a request with this head waits for a byte, in nanoseconds; ``NEVER_NS`` where it does
    not say. ``x-microgate-timeout`` (seconds, or with ``ms`` behind it) goes before what SDKs send, the shorter of
    which counts."""
    least = NEVER_NS
    for name, figure, unit in _FIELD.findall(head):
        wait_s = float(figure) / (1000.0 if unit.lower() == b"ms" else 1.0)
        if not 0.0 < wait_s <= LONGEST_S:
            continue
        wait_ns = int(wait_s * 1e9)
        if name.lower() == b"x-microgate-timeout":
            return wait_ns
        least = min(least, wait_ns)
    return least
