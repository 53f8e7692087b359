"""One fetch at a time, renewal ahead of the end, pauses after failures, and who waits."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest

from gateway.credentials import source as module
from gateway.credentials.outcome import Outcome
from gateway.credentials.source import Source, Sources
from gateway.snapshot.model import Credential

WANTED = Credential(type="service_account", secret="key-canary")


class Issuing:
    """A fetch that waits until it is told its outcome."""

    def __init__(self) -> None:
        self.asked: list[Credential] = []
        self.answers: asyncio.Queue[Outcome | Exception] = asyncio.Queue()

    async def __call__(self, credential: Credential) -> Outcome:
        self.asked.append(credential)
        outcome = await self.answers.get()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class Waiting:
    """An exchange, as far as a source knows it."""

    def __init__(self, seconds: float = 60.0) -> None:
        self.answer_deadline_ns = time.monotonic_ns() + int(seconds * 1e9)
        self.asked_ns = time.monotonic_ns()
        self.dial_ns = 0
        self.waiting: Any = None
        self.ended = False
        self.woken = 0
        self.told: list[str] = []
        self.attempts = self

    def wake(self, x: Waiting) -> None:
        self.woken += 1
        x.waiting = None

    def uncredentialed(self, x: Waiting, why: str) -> None:
        self.told.append(why)


class Timers:
    """What the loop was asked to do later, instead of waiting for it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.asked: list[tuple[float, Callable[..., object]]] = []
        self.loop = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loop, name)

    def call_later(self, delay: float, act: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        self.asked.append((delay, act))
        return self.loop.call_later(3600, act, *args)

    def next(self) -> float:
        """Seconds until the last thing asked for; it is done now."""
        delay, act = self.asked[-1]
        act()
        return delay


def sourced(test: Callable[[Sources, Issuing, Timers], Any]) -> None:
    async def main() -> None:
        issuing = Issuing()
        timers = Timers(asyncio.get_running_loop())
        sources = Sources(timers, issuing)  # type: ignore[arg-type]
        try:
            await test(sources, issuing, timers)
        finally:
            sources.close()

    asyncio.run(main())


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def had(sources: Sources, issuing: Issuing, outcome: Outcome) -> Source:
    source = sources.source(WANTED, "p/k")
    issuing.answers.put_nowait(outcome)
    await turns()
    return source


def test_fifty_wait_for_one_fetch() -> None:
    async def test(sources: Sources, issuing: Issuing, timers: Timers) -> None:
        source = sources.source(WANTED, "p/k")
        waiting = [Waiting() for _ in range(50)]
        for x in waiting:
            source.start()
            source.wait(x)
        await turns()
        assert len(issuing.asked) == 1
        issuing.answers.put_nowait(Outcome(token="t", expires_in=3600))
        await turns()
        assert [x.woken for x in waiting] == [1] * 50
        assert len(issuing.asked) == 1
        assert not source.waiters

    sourced(test)


def test_what_is_at_its_end_already_is_a_failure() -> None:
    async def test(sources: Sources, issuing: Issuing, timers: Timers) -> None:
        source = await had(sources, issuing, Outcome(token="t", expires_in=module.SKEW_S))
        assert (source.have, source.error, source.pending) == (None, "failed", False)
        assert timers.next() <= 1.0

    sourced(test)


def test_equal_credentials_are_fetched_once_and_others_apart() -> None:
    async def test(sources: Sources, issuing: Issuing, timers: Timers) -> None:
        first = sources.source(WANTED, "p/k")
        same = sources.source(Credential(type="service_account", secret="key-canary"), "q/k")
        other = sources.source(Credential(type="service_account", secret="key-canary", scope="s"), "r/k")
        await turns()
        assert first is same
        assert first is not other
        assert len(issuing.asked) == 2

    sourced(test)


@pytest.mark.parametrize(("life", "soonest", "latest"), [(3600, 3235, 3295), (600, 452, 476), (40, 26, 28), (8, 1, 3)])
def test_it_is_renewed_before_its_end(life: float, soonest: float, latest: float) -> None:
    async def test(sources: Sources, issuing: Issuing, timers: Timers) -> None:
        source = await had(sources, issuing, Outcome(token="t1", expires_in=life))
        assert source.have is not None
        assert source.until_ns > time.monotonic_ns()
        delay = timers.next()
        assert soonest <= delay <= latest
        await turns()
        # The first one is good until the second is there.
        assert source.until_ns > time.monotonic_ns()
        assert source.have.token == "t1"
        issuing.answers.put_nowait(Outcome(token="t2", expires_in=life))
        await turns()
        assert (source.have.token, source.serial, len(issuing.asked)) == ("t2", 2, 2)

    sourced(test)


def test_an_issuer_may_want_it_renewed_earlier() -> None:
    async def test(sources: Sources, issuing: Issuing, timers: Timers) -> None:
        await had(sources, issuing, Outcome(token="t", expires_in=86400, refresh_in=43200))
        assert timers.next() == 43200

    sourced(test)


def test_what_has_no_end_is_looked_for_again() -> None:
    async def test(sources: Sources, issuing: Issuing, timers: Timers) -> None:
        source = await had(sources, issuing, Outcome(token="t"))
        assert source.until_ns == module.NEVER_NS
        assert 3200 < timers.next() <= 3600

    sourced(test)


def test_failures_are_repeated_with_growing_pauses_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async def test(sources: Sources, issuing: Issuing, timers: Timers) -> None:
        source = sources.source(WANTED, "p/k")
        pauses = []
        for _ in range(10):
            issuing.answers.put_nowait(Outcome(error="refused", detail="AADSTS1"))
            await turns()
            assert (source.pending, source.error) == (False, "refused")
            pauses.append(timers.next())
            assert source.pending
        assert all(0.8 * 2**n <= pause <= 2**n for n, pause in enumerate(pauses[:6]))
        assert all(48 <= pause <= 60 for pause in pauses[7:])
        issuing.answers.put_nowait(Outcome(token="t", expires_in=3600))
        await turns()
        assert (source.error, source.failures) == ("", 0)

    with caplog.at_level(logging.INFO, "microgate.credentials"):
        sourced(test)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "no credential for provider key p/k (refused: AADSTS1)" in caplog.text
    assert "canary" not in caplog.text


def test_a_failing_renewal_leaves_what_is_still_good() -> None:
    async def test(sources: Sources, issuing: Issuing, timers: Timers) -> None:
        source = await had(sources, issuing, Outcome(token="t", expires_in=3600))
        timers.next()
        issuing.answers.put_nowait(Outcome(error="unreachable"))
        await turns()
        assert source.until_ns > time.monotonic_ns()
        assert timers.next() <= 1.0

    sourced(test)


def test_who_waits_for_a_fetch_that_fails_chooses_again() -> None:
    async def test(sources: Sources, issuing: Issuing, timers: Timers) -> None:
        source = sources.source(WANTED, "p/k")
        x = Waiting()
        source.wait(x)
        issuing.answers.put_nowait(RuntimeError("key-canary"))
        await turns()
        assert (x.woken, source.pending, source.error) == (1, False, "failed")

    sourced(test)


def test_who_has_gone_or_has_been_answered_is_not_woken() -> None:
    async def test(sources: Sources, issuing: Issuing, timers: Timers) -> None:
        source = sources.source(WANTED, "p/k")
        gone, ended, elsewhere = Waiting(), Waiting(), Waiting()
        for x in (gone, ended, elsewhere):
            source.wait(x)
        source.forget(gone)
        gone.waiting = None
        ended.ended = True
        elsewhere.waiting = None
        issuing.answers.put_nowait(Outcome(token="t", expires_in=3600))
        await turns()
        assert [x.woken for x in (gone, ended, elsewhere)] == [0, 0, 0]

    sourced(test)


def test_who_has_no_time_left_is_told() -> None:
    async def test(sources: Sources, issuing: Issuing, timers: Timers) -> None:
        source = sources.source(WANTED, "p/k")
        x = Waiting(2.0)
        source.wait(x)
        delay, _ = timers.asked[-1]
        assert 1.5 < delay <= 2.0
        source.overdue(x)
        assert (x.told, x.waiting) == (["late"], None)
        issuing.answers.put_nowait(Outcome(token="t", expires_in=3600))
        await turns()
        assert x.woken == 0

    sourced(test)


def test_a_refused_token_is_renewed_unless_it_is_new() -> None:
    async def test(sources: Sources, issuing: Issuing, timers: Timers) -> None:
        source = await had(sources, issuing, Outcome(token="t", expires_in=3600))
        source.refused()
        assert not source.pending
        source.since -= module.FRESH_S + 1
        source.refused()
        source.refused()
        await turns()
        assert len(issuing.asked) == 2

    sourced(test)


def test_what_nobody_uses_any_more_is_given_up() -> None:
    async def test(sources: Sources, issuing: Issuing, timers: Timers) -> None:
        source = sources.source(WANTED, "p/k")
        x = Waiting()
        source.wait(x)
        await turns()
        other = Credential(type="google_adc")
        sources.source(other, "q/k")
        sources.keep([other])
        await turns()
        assert (x.woken, source.pending, list(sources.known)) == (1, False, [other])

    sourced(test)


def test_no_more_fetches_at_once_than_there_is_room_for() -> None:
    async def test(sources: Sources, issuing: Issuing, timers: Timers) -> None:
        for number in range(module.AT_ONCE * 2):
            sources.source(Credential(type="google_adc", scope=str(number)), "p/k")
        await turns()
        assert len(issuing.asked) == module.AT_ONCE
        issuing.answers.put_nowait(Outcome(token="t", expires_in=3600))
        await turns()
        assert len(issuing.asked) == module.AT_ONCE + 1

    sourced(test)


def test_a_key_pair_is_asked_of_nobody() -> None:
    async def main() -> Outcome:
        pair = Credential(type="aws_keys", access_key_id="A", secret="b", session_token="c", region="us-east-1")
        return await module.obtain(pair)

    outcome = asyncio.run(main())
    assert (outcome.access_key_id, outcome.token, outcome.session_token) == ("A", "b", "c")
    assert outcome.expires_in is None
