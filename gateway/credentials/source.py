"""One credential in one process: one fetch at a time, renewed ahead of its end, waited for while there is none."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from time import monotonic_ns
from typing import Any

from gateway.credentials.child import AT_ONCE, fetch
from gateway.credentials.extras import SIGNING
from gateway.credentials.outcome import Outcome
from gateway.snapshot.model import Credential

log = logging.getLogger("microgate.credentials")

LEAD_S = 300.0
"""Renewed this long before its end: Google's metadata server gives out a token until about then, and a failing issuer
has that long to recover."""
LEAD_SHARE = 0.2
"""Of what is left, where that is less."""
SOONEST_S = 5.0
"""Between two fetches that succeed."""
SKEW_S = 5.0
"""Before its end a token is no longer sent: the request takes time to arrive, and clocks differ."""
UNENDING_S = 3600.0
"""After which a credential without an end is looked for again: files and variables change."""
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
"""Between fetches that fail: they double from the one to the other."""
FRESH_S = 30.0
"""A token that a provider refuses is renewed if it is older: a new one would be refused as well."""
NEVER_NS = 1 << 62

Fetch = Callable[[Credential], Awaitable[Outcome]]


class Source:
    """``have`` while ``until_ns`` is in the future; ``pending`` while it is fetched for the first time or anew."""

    def __init__(self, sources: Sources, credential: Credential, label: str) -> None:
        self.credential = credential
        self.label = label
        """``provider/key`` of one that uses it, for the log."""
        self.loop = sources.loop
        self.gate = sources.gate
        self.fetch = sources.fetch
        self.have: Outcome | None = None
        self.serial = 0
        """Counts what was had: whoever keeps something made from it compares."""
        self.until_ns = 0
        self.since = 0.0
        self.error = ""
        self.failures = 0
        self.task: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.waiters: dict[Any, asyncio.TimerHandle] = {}

    @property
    def pending(self) -> bool:
        return self.task is not None

    def start(self) -> None:
        """Fetch, unless that is under way."""
        if self.task is None:
            if self.timer is not None:
                self.timer.cancel()
                self.timer = None
            self.task = self.loop.create_task(self.run())

    async def run(self) -> None:
        try:
            async with self.gate:
                outcome = await self.fetch(self.credential)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # Its text is the library's: only its name is certain to hold no credential.
            outcome = Outcome(error="failed", detail=type(error).__name__)
        self.task = None
        if not outcome.error and outcome.expires_in is not None and outcome.expires_in <= SKEW_S:
            outcome = Outcome(error="failed", detail="what came is at its end already")
        if outcome.error:
            self.failed(outcome)
        else:
            self.take(outcome)
        self.wake()

    def take(self, outcome: Outcome) -> None:
        """This one from now on."""
        if self.failures:
            log.info("the credential of provider key %s is there again", self.label)
        self.failures = 0
        self.error = ""
        self.have = outcome
        self.serial += 1
        self.since = self.loop.time()
        if outcome.expires_in is None:
            self.until_ns = NEVER_NS
            self.again(UNENDING_S * random.uniform(0.9, 1.0))
            return
        left = outcome.expires_in - SKEW_S
        self.until_ns = monotonic_ns() + int(left * 1e9)
        lead = min(LEAD_S, left * LEAD_SHARE) * random.uniform(1.0, 1.2)
        renew = left - lead
        if outcome.refresh_in is not None and 0 < outcome.refresh_in < renew:
            renew = outcome.refresh_in
        self.again(max(renew, SOONEST_S if left > SOONEST_S * 2 else left / 2))

    def failed(self, outcome: Outcome) -> None:
        self.error = outcome.error
        pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0**self.failures) * random.uniform(0.8, 1.0)
        level = logging.DEBUG if self.failures else logging.WARNING
        self.failures += 1
        text = "no credential for provider key %s (%s: %s); tried again with growing pauses"
        log.log(level, text, self.label, outcome.error, outcome.detail)
        self.again(pause)

    def again(self, delay: float) -> None:
        if self.timer is not None:
            self.timer.cancel()
        self.timer = self.loop.call_later(delay, self.start)

    def refused(self) -> None:
        """A provider did not take it: perhaps it was revoked, or a clock has jumped."""
        if self.loop.time() - self.since > FRESH_S:
            self.start()

    # --- who waits

    def wait(self, x: Any) -> None:
        """Let ``x`` choose again when the fetch under way is over, or tell it when its own time is."""
        x.waiting = self
        left = max(0.0, (x.answer_deadline_ns - monotonic_ns()) / 1e9)
        self.waiters[x] = self.loop.call_later(left, self.overdue, x)

    def forget(self, x: Any) -> None:
        """Its caller has gone."""
        timer = self.waiters.pop(x, None)
        if timer is not None:
            timer.cancel()

    def wake(self) -> None:
        waiters, self.waiters = self.waiters, {}
        for x, timer in waiters.items():
            timer.cancel()
            # Each in a turn of its own: thousands at once would hold up everybody else.
            self.loop.call_soon(self.resume, x)

    def resume(self, x: Any) -> None:
        if x.waiting is self and not x.ended:
            x.dial_ns += monotonic_ns() - x.asked_ns
            x.attempts.wake(x)

    def overdue(self, x: Any) -> None:
        self.waiters.pop(x, None)
        if x.waiting is self and not x.ended:
            x.waiting = None
            x.attempts.uncredentialed(x, "late")

    def close(self) -> None:
        """Nobody uses it any more; who still waits is told so by choosing again."""
        self.error = self.error or "failed"
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.task is not None:
            self.task.cancel()
            self.task = None
        self.wake()


class Sources:
    """Those of one process; equal credentials of several keys are fetched once."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fetch: Fetch | None = None) -> None:
        self.loop = loop
        self.known: dict[Credential, Source] = {}
        self.fetch: Fetch = fetch if fetch is not None else obtain
        self.gate = asyncio.Semaphore(AT_ONCE)

    def source(self, credential: Credential, label: str) -> Source:
        """Made, and its fetch begun, at the first question."""
        found = self.known.get(credential)
        if found is None:
            found = self.known[credential] = Source(self, credential, label)
            found.start()
        return found

    def keep(self, wanted: Iterable[Credential]) -> None:
        """Give up all others."""
        kept = set(wanted)
        for credential in [known for known in self.known if known not in kept]:
            self.known.pop(credential).close()

    def close(self) -> None:
        self.keep(())


async def obtain(credential: Credential) -> Outcome:
    """From the vendor, through the child."""
    if credential.type in SIGNING:
        from gateway.credentials.signing import prepare

        await prepare()
    if credential.type == "aws_keys":
        pair = credential
        return Outcome(token=pair.secret, access_key_id=pair.access_key_id, session_token=pair.session_token)
    return await fetch(credential)
