"""What is said to a caller who is turned away: prepared once for each reason and dialect, filled in with its id."""

from __future__ import annotations

from enum import IntEnum

from gateway.errors import GatewayError, Response, refuse, speak
from providers.operations import Dialect


class Reason(IntEnum):
    """Why a request is turned away. Values are places in the worker's counters; ``.name.lower()`` is the label."""

    FULL = 0
    """No slot is free and the queue is full."""
    LATE = 1
    """It has waited as long as a request may."""
    EXPIRED = 2
    """Its caller has stopped waiting."""
    SHARE = 3
    """Its key holds its share already, and others want theirs."""
    LAG = 4
    """The worker's loop is late: it has more to do than its processor can."""
    MEMORY = 5
    """Memory is nearly used up."""


MESSAGES = {
    Reason.FULL: "The gateway is busy: no place is free for another request.",
    Reason.LATE: "The gateway is busy: no place became free in time.",
    Reason.EXPIRED: "The time that the caller allows for an answer was over before a place became free.",
    Reason.SHARE: "The gateway is busy, and this key has its share of it.",
    Reason.LAG: "The gateway is busy: it takes less on until it has caught up.",
    Reason.MEMORY: "The gateway is short of memory.",
}

WAITS_S = (1, 2, 3)
"""Retry-After, in turn: those who are refused together are not to come back together."""

LAST_OF_OPENAI = int(Dialect.OPENAI_COMPLETIONS)
STAND_IN = "0" * 32
"""In the place of a request's id, which has as many digits."""


class Prepared:
    """One refusal but for the id."""

    __slots__ = ("after", "before", "error", "headers")

    def __init__(self, reason: Reason, dialect: int, wait_s: int) -> None:
        self.error = GatewayError(
            "overloaded", MESSAGES[reason], source="gateway", retry=True, retry_after=float(wait_s)
        )
        response = refuse(self.error, STAND_IN)
        if dialect > LAST_OF_OPENAI:
            speak(response, self.error, dialect, STAND_IN)
        self.before, _, self.after = response.body.partition(STAND_IN.encode())
        self.headers = response.headers

    def response(self, request_id: bytes) -> Response:
        """The refusal of the request with this id."""
        body = self.before + request_id + self.after if self.after else self.before
        return Response(503, body, headers=self.headers, error=self.error, spoken=True)


class Refusals:
    """Those of one worker, each made at its first use."""

    def __init__(self) -> None:
        self._prepared: dict[tuple[int, int, int], Prepared] = {}
        self._turn = 0

    def of(self, reason: int, dialect: int, request_id: bytes) -> Response:
        """A refusal for ``reason`` in the caller's dialect; ``Retry-After`` is 1 to 3 s."""
        self._turn = (self._turn + 1) % len(WAITS_S)
        key = reason, dialect, self._turn
        prepared = self._prepared.get(key)
        if prepared is None:
            prepared = self._prepared[key] = Prepared(Reason(reason), dialect, WAITS_S[self._turn])
        return prepared.response(request_id)
