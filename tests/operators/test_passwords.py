"""Argon2id, one at a time."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator

import pytest

from gateway.operators import passwords
from gateway.operators.passwords import Passwords, TooBusy, UnfitPassword

GOOD = "correct horse battery"


@pytest.fixture
def hasher() -> Iterator[Passwords]:
    made = Passwords()
    yield made
    made.close()


def test_what_is_stored_opens_with_its_password_alone(hasher: Passwords) -> None:
    async def look() -> None:
        stored = await hasher.hashed(GOOD)
        assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert GOOD not in stored
        assert stored != await hasher.hashed(GOOD)
        assert await hasher.verify(stored, GOOD)
        for wrong in ("", GOOD[:-1], GOOD + " ", GOOD.upper(), stored):
            assert not await hasher.verify(stored, wrong)

    asyncio.run(look())


def test_nobody_has_no_password(hasher: Passwords) -> None:
    async def look() -> None:
        for guess in ("", GOOD, "the password of nobody"):
            assert not await hasher.verify("", guess)
        assert not await hasher.verify("no argon2 text", GOOD)

    asyncio.run(look())


@pytest.mark.parametrize("unfit", ["", "eleven char", "x" * 257])
def test_what_is_too_short_or_too_long_is_refused(hasher: Passwords, unfit: str) -> None:
    with pytest.raises(UnfitPassword, match="a password has 12 to 256 characters"):
        asyncio.run(hasher.hashed(unfit))
    assert asyncio.run(hasher.verify("", unfit)) is False


def test_the_line_is_short(hasher: Passwords) -> None:
    async def crowd() -> tuple[int, int]:
        stored = await hasher.hashed(GOOD)
        asked = [hasher.verify(stored, GOOD) for _ in range(50)]
        done = await asyncio.gather(*asked, return_exceptions=True)
        refused = sum(isinstance(each, TooBusy) for each in done)
        # The line is open again.
        assert await hasher.verify(stored, GOOD)
        return done.count(True), refused

    assert asyncio.run(crowd()) == (passwords.MOST_WAITING, 50 - passwords.MOST_WAITING)


def test_a_full_line_is_known_before_anything_is_looked_up(hasher: Passwords) -> None:
    async def crowd() -> None:
        asked = [asyncio.ensure_future(hasher.verify("", GOOD)) for _ in range(passwords.MOST_WAITING)]
        hasher.refuse_if_busy()
        await asyncio.sleep(0)
        with pytest.raises(TooBusy):
            hasher.refuse_if_busy()
        await asyncio.gather(*asked)
        hasher.refuse_if_busy()

    asyncio.run(crowd())


def test_whoever_else_wants_the_processor_goes_first(hasher: Passwords) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    found = asyncio.run(hasher._run(lambda: str(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))))
    assert int(found) == max(own, passwords.NICENESS)
    assert os.getpriority(os.PRIO_PROCESS, 0) == own


def test_guesses_have_what_nobody_else_wants(hasher: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a few wrong passwords in a short time; and an operator who mistypes is none."""
    monkeypatch.setattr(passwords, "REST", 0)
    monkeypatch.setattr(passwords, "FEW_WRONG", 2)
    # It stands still: what nobody else wants may be next to nothing, and wrong ones are forgiven with time.
    clock = [passwords.time.monotonic()]
    monkeypatch.setattr(passwords.time, "monotonic", lambda: clock[0])
    # Not by this thread's own: the tests themselves may run so.
    own = os.sched_getscheduler(0)

    def policy() -> int:
        return os.sched_getscheduler(threading.get_native_id())

    async def looks(count: int) -> tuple[int, int]:
        for _ in range(count):
            assert not await hasher.verify("", GOOD)
        name = await hasher._run(lambda: threading.current_thread().name.partition("_")[0])
        return await hasher._run(policy), name

    assert asyncio.run(looks(passwords.FEW_WRONG)) == (own, "passwords")
    assert asyncio.run(looks(2)) == (os.SCHED_IDLE, "guesses")
    assert os.sched_getscheduler(0) == own
    # A while later it is over.
    clock[0] += 3 * passwords.FORGIVEN_EVERY_S
    assert asyncio.run(looks(0)) == (own, "passwords")


def test_a_flood_has_a_quarter_of_a_processor(hasher: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    rests: list[float] = []

    def rest(seconds: float) -> None:
        rests.append(seconds)
        clock[0] += seconds

    def work() -> None:
        clock[0] += 0.04

    monkeypatch.setattr(passwords.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(passwords.time, "thread_time", lambda: clock[0])
    monkeypatch.setattr(passwords.time, "sleep", rest)
    for _ in range(3):
        hasher._paced(work)
    assert rests == pytest.approx([0, 0.12, 0.12])
    clock[0] += 60
    hasher._paced(work)
    assert rests[3] == 0
