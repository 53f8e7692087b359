"""How long what is ready waits for its turn of the loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest

from gateway.overload import probe as module
from gateway.overload.probe import Probe


class Loop:
    """Keeps the reader; the test calls it when its turn has come."""

    def __init__(self) -> None:
        self.readers: dict[int, object] = {}

    def add_reader(self, fd: int, call: object) -> None:
        self.readers[fd] = call

    def remove_reader(self, fd: int) -> None:
        del self.readers[fd]

    def turn(self) -> None:
        for call in self.readers.values():
            call()  # type: ignore[operator]


class Clock:
    now_ns = 1_000_000_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "monotonic_ns", lambda: made.now_ns)
    return made


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def probe(loop: Loop, clock: Clock) -> Iterator[Probe]:
    made = Probe(loop)  # type: ignore[arg-type]
    yield made
    made.close()


def test_it_says_how_long_the_last_ring_waited(probe: Probe, loop: Loop, clock: Clock) -> None:
    assert probe.look() == 0
    clock.now_ns += 7
    loop.turn()
    clock.now_ns += 100
    assert probe.look() == 7
    loop.turn()
    assert probe.look() == 0


def test_a_ring_that_is_not_heard_yet_counts_from_when_it_rang(probe: Probe, loop: Loop, clock: Clock) -> None:
    probe.look()
    clock.now_ns += 100
    assert probe.look() == 100
    clock.now_ns += 100
    assert probe.look() == 200
    loop.turn()
    assert probe.look() == 200
    loop.turn()
    assert probe.look() == 0


def test_nothing_is_left_of_it(loop: Loop, clock: Clock) -> None:
    made = Probe(loop)  # type: ignore[arg-type]
    (fd,) = loop.readers
    made.close()
    made.close()
    assert not loop.readers
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_a_loop_of_asyncio_hears_it() -> None:
    async def whole() -> bool:
        made = Probe(asyncio.get_running_loop())
        made.look()
        while made._rung_ns:
            await asyncio.sleep(0)
        made.close()
        return made._worst_ns > 0

    assert asyncio.run(whole())
