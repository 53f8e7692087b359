"""Waits behind wrong passwords."""

from __future__ import annotations

from gateway.operators import lockout
from gateway.operators.lockout import FIRST_WAIT_S, FREE_TRIES, LONGEST_WAIT_S, Lockout


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_five_tries_are_free_and_waits_double() -> None:
    clock = Clock()
    doors = Lockout(clock)
    for _ in range(FREE_TRIES):
        assert doors.wait_s("a") == 0
        doors.wrong("a")
    waits = []
    for _ in range(8):
        waits.append(doors.wait_s("a"))
        clock.now += doors.wait_s("a")
        assert doors.wait_s("a") == 0
        doors.wrong("a")
    assert waits == [30, 60, 120, 240, 480, LONGEST_WAIT_S, LONGEST_WAIT_S, LONGEST_WAIT_S]
    assert doors.wait_s("b") == 0


def test_a_guesser_has_a_hundred_tries_a_day() -> None:
    clock = Clock()
    doors = Lockout(clock)
    tries = 0
    end = clock.now + 24 * 3600
    while clock.now < end:
        tries += 1
        doors.wrong("a")
        clock.now += doors.wait_s("a")
    assert tries <= 110


def test_a_right_password_forgives() -> None:
    clock = Clock()
    doors = Lockout(clock)
    for _ in range(FREE_TRIES):
        doors.wrong("a")
    assert doors.wait_s("a") == FIRST_WAIT_S
    doors.right("a")
    assert doors.wait_s("a") == 0


def test_a_day_later_it_begins_anew() -> None:
    clock = Clock()
    doors = Lockout(clock)
    for _ in range(FREE_TRIES + 5):
        doors.wrong("a")
    clock.now += lockout.FORGET_AFTER_S + 1
    assert doors.wait_s("a") == 0
    doors.wrong("a")
    assert doors.wait_s("a") == 0


def test_names_of_nobody_take_no_memory_without_bound() -> None:
    doors = Lockout(Clock())
    for number in range(lockout.MOST_ACCOUNTS + 100):
        doors.wrong(str(number))
    assert len(doors._tries) == lockout.MOST_ACCOUNTS
