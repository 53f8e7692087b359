"""What an upstream served, and what that costs: the truth that accounting is held against.

A call is what arrived as a whole request. It ends in one of four ways: whole; failed (an error, a page, garbage, a
redirect, or an error inside the stream); cut (by a fault or by the provider behind the proxy); cancelled (the caller
left). Charged is what was sent of an answer with status 2xx: its prompt, and the tokens of its completion, which are
those that the provider says where the answer came to its end, else those of the text that had been sent. A failed call
without any text is free, and so is one whose head was never sent.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from gateway.demo.connection import Request
from gateway.faults import tokens
from gateway.faults.schema import Prices

Ending = Literal["whole", "failed", "cut", "cancelled"]

MAX_IDS = 200_000
"""Request ids that are remembered, 20 MB or so; further ones are counted only."""

MAX_CALLS = 1_000
"""Last calls that ``GET /calls`` shows."""


class Call(msgspec.Struct):
    """One call, as far as it got."""

    number: int
    """From 1, in the order in which an upstream's calls arrived."""
    credential: str
    """Fingerprint of the credential, empty when there was none."""
    request_id: str
    model: str
    stream: bool
    started_s: float
    """Unix time."""
    ending: str = ""
    """Empty while it is under way."""
    status: int = 0
    """0: no head was sent."""
    events: int = 0
    """Events of a stream that were sent."""
    content_events: int = 0
    """Those of them that held text."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False
    """Whether the tokens of the completion were counted from the text."""
    price_nanodollars: int = 0
    faults: list[str] = []
    """Kinds of the faults it met."""
    seconds: float = 0.0


class Tally(msgspec.Struct):
    """Sums over calls that ended, and how many began."""

    begun: int = 0
    whole: int = 0
    failed: int = 0
    cut: int = 0
    cancelled: int = 0
    charged: int = 0
    """Calls that cost something or hold tokens."""
    events: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: int = 0
    """Calls whose completion was counted from the text."""
    price_nanodollars: int = 0

    def add(self, call: Call) -> None:
        """Take in a call that ended."""
        setattr(self, call.ending, getattr(self, call.ending) + 1)
        self.events += call.events
        self.prompt_tokens += call.prompt_tokens
        self.completion_tokens += call.completion_tokens
        self.price_nanodollars += call.price_nanodollars
        self.estimated += call.estimated
        self.charged += bool(call.prompt_tokens or call.completion_tokens)


class Report(msgspec.Struct):
    """One upstream's meter."""

    total: Tally
    open: int
    """Calls under way."""
    connections: int
    """Connections that were accepted."""
    credentials: dict[str, Tally]
    """By fingerprint; the empty one stands for calls without a credential."""
    ids: int
    """Different request ids that were seen."""
    repeated: dict[str, int]
    """Request id -> calls, of those that came more than once."""
    answered_twice: int
    """Request ids of which more than one call was answered whole."""
    ids_beyond: int = 0
    """Calls whose id was not remembered."""


def fingerprint(credential: str) -> str:
    """What stands for a credential in reports: the first 12 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(credential.encode()).hexdigest()[:12] if credential else ""


def credential_of(headers: Mapping[str, str]) -> str:
    """The credential of a request, without the scheme."""
    bearer = headers.get("authorization", "").removeprefix("Bearer ")
    return bearer or headers.get("x-api-key", "") or headers.get("api-key", "") or headers.get("x-goog-api-key", "")


class Meter:
    """Counts and prices the calls of one upstream. For one thread."""

    def __init__(self, prices: Prices, id_headers: tuple[str, ...]) -> None:
        self._prices = prices
        self._id_headers = [name.lower() for name in id_headers]
        self._fingerprints: dict[str, str] = {}
        self.reset()

    def reset(self) -> None:
        """Begin at nothing. Calls that are under way are in no later report."""
        self._total = Tally()
        self._credentials: dict[str, Tally] = {}
        self._open: set[int] = set()
        self._ids: dict[str, list[int]] = {}
        self._beyond = 0
        self.connections = 0
        self.calls: deque[Call] = deque(maxlen=MAX_CALLS)

    def begin(self, request: Request, body: Mapping[str, Any]) -> Call:
        """A request has arrived."""
        self._total.begun += 1
        call = Call(
            self._total.begun,
            self._fingerprint(credential_of(request.headers)),
            next((value for name in self._id_headers if (value := request.headers.get(name))), ""),
            model if isinstance(model := body.get("model"), str) else "",
            body.get("stream") is True,
            time.time(),
        )
        self._tally(call.credential).begun += 1
        self._open.add(id(call))
        if call.request_id:
            self._seen(call.request_id)
        self.calls.append(call)
        return call

    def end(self, call: Call, ending: Ending, read: tokens.Reading, asked: int) -> None:
        """It is over. ``asked`` is what the prompt is charged where the answer does not say it."""
        call.ending = ending
        call.seconds = time.time() - call.started_s
        call.content_events = read.content_events
        if 200 <= call.status < 300 and (ending != "failed" or read.text_bytes):
            call.prompt_tokens = read.prompt or asked
            call.estimated = not read.said or ending != "whole"
            call.completion_tokens = read.completion if not call.estimated else max(read.completion, read.tokens)
            call.price_nanodollars = (
                call.prompt_tokens * self._prices.prompt_nanodollars
                + call.completion_tokens * self._prices.completion_nanodollars
            )
        if id(call) not in self._open:
            return
        self._open.remove(id(call))
        self._total.add(call)
        self._tally(call.credential).add(call)
        if ending == "whole" and call.request_id in self._ids:
            self._ids[call.request_id][1] += 1

    def report(self) -> Report:
        """Everything so far, in objects of its own."""
        repeated = {name: calls for name, (calls, _) in self._ids.items() if calls > 1}
        return Report(
            msgspec.structs.replace(self._total),
            len(self._open),
            self.connections,
            {name: msgspec.structs.replace(tally) for name, tally in self._credentials.items()},
            len(self._ids),
            repeated,
            sum(whole > 1 for _, whole in self._ids.values()),
            self._beyond,
        )

    def _fingerprint(self, credential: str) -> str:
        found = self._fingerprints.get(credential)
        if found is None:
            found = fingerprint(credential)
            if len(self._fingerprints) < MAX_IDS:
                self._fingerprints[credential] = found
        return found

    def _tally(self, credential: str) -> Tally:
        return self._credentials.setdefault(credential, Tally())

    def _seen(self, request_id: str) -> None:
        if request_id in self._ids:
            self._ids[request_id][0] += 1
        elif len(self._ids) < MAX_IDS:
            self._ids[request_id] = [1, 0]
        else:
            self._beyond += 1
