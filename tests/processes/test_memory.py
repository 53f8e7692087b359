"""Memory is given back when the load is gone; while it lasts, what a burst has left."""

from __future__ import annotations

import mmap
import sys

import pytest

from gateway.processes.kernel import own_memory, trim_memory
from gateway.processes.memory import Memory


class Counted:
    def __init__(self) -> None:
        self.collected = 0
        self.trimmed = 0
        self.garbage = 0
        self.own = 0
        self.left = 0
        """What a trim leaves."""
        self.memory = Memory(self.collect, self.trim, lambda: self.garbage, lambda: self.own)

    def collect(self) -> int:
        self.collected += 1
        return 0

    def trim(self) -> bool:
        self.trimmed += 1
        self.own = self.left
        return True


def test_after_a_burst_both_are_given_back_once() -> None:
    seen = Counted()
    for now in range(5):
        assert not seen.memory.observe(1000, 1000, now)
    for now in range(5, 15):
        assert not seen.memory.observe(20, 1000, now)
    assert seen.memory.observe(20, 1000, 15.1)
    assert (seen.collected, seen.trimmed) == (1, 1)
    for now in range(16, 60):
        assert not seen.memory.observe(20, 1000, now)
    # The connections leave later than the requests, and hold memory of their own.
    for now in range(60, 70):
        assert not seen.memory.observe(0, 10, now)
    assert seen.memory.observe(0, 10, 71)
    assert seen.trimmed == 2


def test_a_pause_in_the_load_gives_nothing_back() -> None:
    seen = Counted()
    for now in range(0, 60, 3):
        seen.memory.observe(1000 if now % 2 else 0, 1000, now)
    assert seen.trimmed == 0


def test_a_handful_of_requests_is_not_a_burst() -> None:
    seen = Counted()
    seen.memory.observe(20, 20, 0)
    for now in range(1, 60):
        seen.memory.observe(0, 0, now)
    assert seen.trimmed == 0


def test_garbage_is_collected_when_nothing_runs() -> None:
    seen = Counted()
    seen.garbage = 1_000_000
    seen.memory.observe(1, 1, 0)
    assert seen.collected == 0
    seen.memory.observe(0, 1, 1)
    assert (seen.collected, seen.trimmed, seen.memory.collections) == (1, 0, 1)


def test_a_replaced_snapshot_is_collected_when_nothing_runs() -> None:
    seen = Counted()
    seen.memory.observe(0, 0, 0)
    seen.memory.swapped()
    seen.memory.observe(3, 3, 1)
    assert seen.collected == 0
    seen.memory.observe(0, 3, 2)
    seen.memory.observe(0, 3, 3)
    assert seen.collected == 1


def test_where_something_always_runs_neither_waits_for_longer_than_a_minute() -> None:
    seen = Counted()
    seen.memory.swapped()
    for now in range(60):
        seen.memory.observe(3, 3, now)
    assert seen.collected == 0
    seen.memory.observe(3, 3, 60)
    assert seen.collected == 1
    seen.garbage = 20_000
    for now in range(61, 121):
        seen.memory.observe(3, 3, now)
    assert seen.collected == 1
    seen.memory.observe(3, 3, 121)
    seen.garbage = 0
    for now in range(122, 500):
        seen.memory.observe(3, 3, now)
    assert (seen.collected, seen.trimmed) == (2, 0)


def test_what_a_burst_has_left_is_given_back_under_load() -> None:
    seen = Counted()
    clock = iter(range(1000))

    def half_a_minute() -> int:
        for _ in range(30):
            assert not seen.memory.observe(100, 100, next(clock))
        return seen.trimmed

    seen.memory.observe(100, 100, next(clock))
    seen.own = seen.left = 20 << 20
    assert half_a_minute() == 1
    for grown, trimmed in ((1 << 19, 1), (3 << 20, 2), ((1 << 20) - 1, 2), (1 << 20, 3)):
        seen.own = seen.left + grown
        assert half_a_minute() == trimmed, grown
    assert seen.collected == 0


def test_what_a_process_has_for_itself_is_seen() -> None:
    before = own_memory()
    # New pages: what malloc hands out may have been the process's before.
    with mmap.mmap(-1, 32 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as held:
        held.write(b"x" * (32 << 20))
        assert own_memory() - before >= 31 << 20


def test_the_real_trim_works_with_glibc() -> None:
    assert trim_memory()


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="the interpreter keeps no such names")
def test_names_that_were_looked_up_are_let_go_of() -> None:
    class Looked:
        result = 1

    names = [f"{number}result"[len(str(number)) :] for number in range(500)]
    before = sum(map(sys.getrefcount, names))
    assert sum(getattr(Looked, name) for name in names) == 500
    kept = sum(map(sys.getrefcount, names)) - before
    assert kept > 250
    seen = Counted()
    for now in (0, 1, 12):
        seen.memory.observe(1000 if now == 0 else 0, 0, now)
    assert seen.trimmed == 1
    assert sum(map(sys.getrefcount, names)) - before < 10
