"""The decision receipt as a record holds it: whom a request was sent to and why, who was passed over, what came of it.

docs/receipt.md has the grammar; ``gateway/routing/trail.py`` collects what is in it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from gateway.records import ErrorKind

MOST_BYTES = 48
"""As many as a record has room for."""
MOST_MS = 9_999_999

WHYS = {
    "weighted": "w", "order": "o", "least-latency": "l", "least-cost": "c", "least-busy": "b", "hash": "h",
    "only": "u", "pinned": "p", "session": "s", "next": "n", "fallback": "f", "again": "r", "other-key": "k",
    "hedge": "x", "probe": "t", "panic": "a", "continued": "z", "passed": "-",
}  # fmt: skip
"""Why a target was asked -> its letter in a record. Records outlive the program: append, never reuse a letter."""
PASSED = "passed"
"""In the place of a reason: it was not asked."""
ENDS = {"attempts": "a", "budget": "b", "deadline": "d", "nowhere": "n"}
"""Why no further attempt was made -> its letter."""

CAUSES = {
    ErrorKind.DNS: "dns", ErrorKind.CONNECT: "refused", ErrorKind.TLS: "tls", ErrorKind.RESET: "cut",
    ErrorKind.PROTOCOL: "garbled", ErrorKind.TIMEOUT_CONNECT: "connect", ErrorKind.TIMEOUT_FIRST_BYTE: "timeout",
    ErrorKind.TIMEOUT_IDLE: "idle", ErrorKind.TIMEOUT_TOTAL: "total", ErrorKind.TIMEOUT_FIRST_TOKEN: "token",
    ErrorKind.STREAM_ERROR: "stream", ErrorKind.CLIENT_GONE: "gone", ErrorKind.DRAINING: "drained",
    ErrorKind.ANSWER_TOO_LARGE: "large", ErrorKind.INTERNAL: "fault", ErrorKind.UNSUPPORTED: "unable",
    ErrorKind.TIMEOUT_WRITE: "unread", ErrorKind.OVERLOADED: "shed",
}  # fmt: skip
"""What came of an attempt that brought no status; else ``failed``."""
LOST = "lost"
"""Given up for the other of two attempts."""

EJECTED = "ejected"
FULL = "full"
THROTTLED = "throttled"
RESTING = "resting"
LIMITED = "limited"
NO_TOKEN = "no-token"
NO_KEY = "no-key"
UNABLE = "unable"
CONDITION = "condition"
"""Why a target was passed over: out; ``max_concurrency``; left out by lot; every key rests; the virtual
key's limits there are used up; no credential could be had;
no key may serve the model; the operation is none of its provider's; its condition is false."""


class Step(NamedTuple):
    """One target that was asked or passed over."""

    why: str
    """Of ``WHYS``."""
    place: int
    """Among the route's targets and, behind them, its fallbacks, from 0 on; then those that the body names."""
    result: str
    """A status; or a word of what came instead, or of why it was passed over."""
    took_ms: int = -1
    """From its beginning to the end of the attempt, or to the answer's head; -1: it was passed over."""


class Receipt(NamedTuple):
    """What a record tells."""

    steps: list[Step]
    left_out: int
    """Steps for which there was no room."""
    end: str
    """Of ``ENDS``; empty: nothing was left to do."""


def pack(steps: list[Step], end: str) -> bytes:
    """In ``MOST_BYTES``: as many steps as there is room for, rather those that were asked, and how many are missing."""
    kept = list(steps)
    while True:
        missing = len(steps) - len(kept)
        words = [f"{WHYS[step.why]}{step.place}:{step.result}{took(step)}" for step in kept]
        words += [f"+{missing}"] if missing else []
        words += [f"={ENDS[end]}"] if end else []
        text = " ".join(words)
        if len(text) <= MOST_BYTES:
            return text.encode()
        at = next((at for at in reversed(range(len(kept))) if kept[at].took_ms < 0), len(kept) - 1)
        del kept[at]


def took(step: Step) -> str:
    return f"/{min(step.took_ms, MOST_MS)}" if step.took_ms >= 0 else ""


_STEP = re.compile(r"([a-z-])([0-9]+):([0-9a-z-]+)(?:/([0-9]+))?", re.ASCII)
_WHY = {letter: why for why, letter in WHYS.items()}
_END = {letter: end for end, letter in ENDS.items()}


def receipt_in(text: str) -> Receipt | None:
    """What a record's receipt says; None: it has none. What a newer program wrote stands under its own letter, and what
    is no word of a receipt is counted as left out."""
    if not text:
        return None
    steps, left_out, end = [], 0, ""
    for word in text.split(" "):
        found = _STEP.fullmatch(word)
        if found is not None:
            why = _WHY.get(found[1], found[1])
            steps.append(Step(why, int(found[2]), found[3], int(found[4]) if found[4] else -1))
        elif word[:1] == "+" and word[1:].isdecimal():
            left_out += int(word[1:])
        elif word[:1] == "=":
            end = _END.get(word[1:], word[1:])
        else:
            left_out += 1
    return Receipt(steps, left_out, end)
