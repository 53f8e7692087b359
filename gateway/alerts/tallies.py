"""What the counters of records say of providers, at a look and since looks before.

Read from ``Aggregates``, whose cells are labelled with text: each label is taken apart once.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from gateway.control.aggregate import Aggregates, Attempts, Requests
from gateway.records import ErrorKind, Outcome

ALL = ""
"""In place of a provider's name: every request, whoever was asked."""

FAILED = {
    each.name.lower()
    for each in (
        Outcome.UPSTREAM_ERROR,
        Outcome.UNREACHABLE,
        Outcome.TRUNCATED,
        Outcome.FAILED_STREAM,
        Outcome.TIMEOUT,
        Outcome.INTERNAL,
    )
}
CALLERS_OWN = {
    each.name.lower()
    for each in (
        ErrorKind.BAD_REQUEST,
        ErrorKind.TOO_LARGE,
        ErrorKind.UPSTREAM_BAD_REQUEST,
        ErrorKind.UPSTREAM_NOT_FOUND,
        ErrorKind.CONTENT_FILTER,
        ErrorKind.TIMEOUT_BODY,
        ErrorKind.TIMEOUT_WRITE,
        ErrorKind.CLIENT_GONE,
    )
}
"""Mistakes of the caller, whoever told of them."""
GOOD = Outcome.OK.name.lower()
COUNTED = FAILED | {GOOD, Outcome.CACHED.name.lower()}
"""Outcomes that say something; refusals and callers who left do not."""


class Tally(NamedTuple):
    requests: int = 0
    failed: int = 0
    good: int = 0

    def since(self, before: Tally) -> Tally:
        return Tally(self.requests - before.requests, self.failed - before.failed, self.good - before.good)

    def plus(self, count: int, result: str) -> Tally:
        failed, good = count * (result == "failed"), count * (result == "good")
        return Tally(self.requests + count, self.failed + failed, self.good + good)


class Tallies:
    """Sums since the process began, and those of earlier looks."""

    def __init__(self, aggregates: Aggregates) -> None:
        self._aggregates = aggregates
        self._attempts: dict[str, tuple[str, str]] = {}
        self._requests: dict[str, tuple[str, str]] = {}
        self._looks: deque[tuple[float, dict[str, Tally]]] = deque()
        self.now: dict[str, Tally] = {}
        """Provider -> attempts; ``ALL`` -> requests of callers."""
        self.refused: dict[str, int] = {}
        """Virtual key -> requests refused for a budget."""

    def look(self, now_s: float, keep_s: float) -> None:
        """Count, and remember it for ``keep_s``. On a thread: it reads as many cells as there are series."""
        now: dict[str, Tally] = {}
        refused: dict[str, int] = {}
        # Copies: the thread that counts adds to them meanwhile.
        for attempts in list(self._aggregates.attempts.values()):
            provider, result = self._attempts.get(attempts.labels) or self._of_attempts(attempts)
            if result:
                now[provider] = now.get(provider, Tally()).plus(attempts.count, result)
        everything = Tally()
        for requests in list(self._aggregates.requests.values()):
            key, result = self._requests.get(requests.labels) or self._of_requests(requests)
            if result == "budget":
                refused[key] = refused.get(key, 0) + requests.count
            elif result:
                everything = everything.plus(requests.count, result)
        now[ALL] = everything
        self.now, self.refused = now, refused
        self._looks.append((now_s, now))
        # One that is older than the window stays: it is where the window begins.
        while len(self._looks) > 1 and self._looks[1][0] <= now_s - keep_s:
            self._looks.popleft()

    def within(self, name: str, seconds: float) -> tuple[Tally, bool]:
        """What came in the last ``seconds``, and whether they were watched in full."""
        at_s, now = self._looks[-1]
        began_s, before = self._looks[0]
        for each in self._looks:
            if each[0] > at_s - seconds:
                break
            began_s, before = each
        return now.get(name, Tally()).since(before.get(name, Tally())), began_s <= at_s - seconds

    def names(self) -> list[str]:
        return list(self.now)

    def _of_attempts(self, cell: Attempts) -> tuple[str, str]:
        labels = parsed(cell.labels)
        found = labels["provider"], how(labels["outcome"], labels["error"])
        self._attempts[cell.labels] = found
        return found

    def _of_requests(self, cell: Requests) -> tuple[str, str]:
        labels = parsed(cell.labels)
        budget = labels["error"] == ErrorKind.BUDGET.name.lower()
        found = labels["virtual_key"], "budget" if budget else how(labels["outcome"], labels["error"])
        self._requests[cell.labels] = found
        return found


def how(outcome: str, error: str) -> str:
    """``failed``, ``good``, ``other``; empty for what says nothing of a provider."""
    if outcome not in COUNTED or error in CALLERS_OWN:
        return ""
    return "failed" if outcome in FAILED else "good" if outcome == GOOD else "other"


def parsed(labels: str) -> dict[str, str]:
    """``a="x",b="y"`` of ``aggregate.py``; what is looked for here holds no quotation marks."""
    return {name: value for name, _, value in (each.partition('="') for each in labels[:-1].split('",'))}
