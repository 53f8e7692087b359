"""Which calls meet a fault."""

from __future__ import annotations

import random

from gateway.faults.draw import Faults
from gateway.faults.reading import fault


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def met(spec: str, calls: int, *, model: str = "m", stream: bool = False, reused: bool = False) -> list[int]:
    """Numbers of the calls that meet it, from 1."""
    faults = Faults([fault(spec)], random.Random(1))
    return [n for n in range(1, calls + 1) if faults.draw(model, stream, reused)]


def test_first() -> None:
    assert met("status:500,first=2", 5) == [1, 2]


def test_every() -> None:
    assert met("status:500,every=3", 8) == [3, 6]
    assert met("status:500,every=3,first=4", 8) == [3]


def test_share() -> None:
    assert met("status:500,share=0", 100) == []
    assert met("status:500", 100) == list(range(1, 101))
    assert 200 < len(met("status:500,share=0.1", 3000)) < 400
    assert met("status:500,share=0.1", 3000) == met("status:500,share=0.1", 3000), "the dice are seeded"


def test_only_fitting_calls_are_counted() -> None:
    faults = Faults([fault("status:500,first=1,stream=true", models=["a"])], random.Random(1))
    assert not faults.draw("a", False, False)
    assert not faults.draw("b", True, False)
    assert faults.draw("a", True, False)
    assert not faults.draw("a", True, False)


def test_connections() -> None:
    assert met("status:500,connection=fresh", 1) == met("status:500,connection=reused", 1, reused=True) == [1]
    assert met("status:500,connection=fresh", 1, reused=True) == met("status:500,connection=reused", 1) == []


def test_times_count_from_the_setting() -> None:
    clock = Clock()
    faults = Faults([], random.Random(1), clock)
    clock.now = 200.0
    faults.set([fault("status:500,since=10s,until=20s")])
    seen = []
    for now in (200.0, 209.9, 210.0, 219.9, 220.0):
        clock.now = now
        seen.append(bool(faults.draw("m", False, False)))
    assert seen == [False, False, True, True, False]


def test_several_come_in_their_order_and_more_can_be_added() -> None:
    faults = Faults([fault("latency:1s"), fault("status:500,first=1")], random.Random(1))
    assert [type(each).__name__ for each in faults.draw("m", False, False)] == ["Latency", "Status"]
    faults.add([fault("cut")])
    assert [type(each).__name__ for each in faults.draw("m", False, False)] == ["Latency", "Cut"], "counts go on"
    faults.set([])
    assert faults.draw("m", False, False) == ()
