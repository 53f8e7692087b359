"""Waits behind wrong passwords: of a name from one address, of an address, of a name."""

from __future__ import annotations

import itertools

import pytest

from gateway.operators import lockout
from gateway.operators.lockout import (
    FIRST_WAIT_S,
    FREE_OF_ADDRESS,
    FREE_OF_NAME,
    FREE_TRIES,
    LONGEST_WAIT_S,
    Lockout,
    network_of,
)

HERE, THERE = "192.0.2.1", "192.0.2.2"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def address(number: int) -> str:
    return f"198.51.{number // 250}.{number % 250}"


@pytest.mark.parametrize("source", [HERE, ""], ids=["known", "unknown"])
def test_five_tries_are_free_and_waits_double(source: str) -> None:
    clock = Clock()
    doors = Lockout(clock)
    for _ in range(FREE_TRIES):
        assert doors.wait_s("a", source) == 0
        doors.wrong("a", source)
    waits = []
    for _ in range(8):
        waits.append(doors.wait_s("a", source))
        clock.now += doors.wait_s("a", source)
        assert doors.wait_s("a", source) == 0
        doors.wrong("a", source)
    assert waits == [30, 60, 120, 240, 480, LONGEST_WAIT_S, LONGEST_WAIT_S, LONGEST_WAIT_S]
    assert doors.wait_s("b", source) == 0


def test_a_guesser_has_a_hundred_tries_a_day() -> None:
    clock = Clock()
    doors = Lockout(clock)
    tries = 0
    end = clock.now + 24 * 3600
    while clock.now < end:
        tries += 1
        doors.wrong("a", HERE)
        clock.now += doors.wait_s("a", HERE)
    assert tries <= 110


def test_one_address_locks_nobody_out_elsewhere() -> None:
    clock = Clock()
    doors = Lockout(clock)
    for _ in range(1000):
        clock.now += doors.wait_s("a", HERE)
        doors.wrong("a", HERE)
    assert doors.wait_s("a", HERE) > 0
    assert doors.wait_s("a", THERE) == 0
    # Nor with the other names it may have tried.
    assert doors.wait_s("b", THERE) == 0


def test_one_address_does_not_try_one_password_at_every_name() -> None:
    doors = Lockout(Clock())
    for number in range(FREE_OF_ADDRESS):
        assert doors.wait_s(f"n{number}", HERE) == 0
        doors.wrong(f"n{number}", HERE)
    assert doors.wait_s("another", HERE) == FIRST_WAIT_S
    assert doors.wait_s("another", THERE) == 0
    # Having an account of one's own gives no more tries at others'.
    doors.wrong("own", HERE)
    doors.right("own", HERE)
    assert doors.wait_s("another", HERE) == FIRST_WAIT_S


def test_many_addresses_do_not_guess_at_one_name_without_end() -> None:
    clock = Clock()
    doors = Lockout(clock)
    for tries in itertools.count():
        if doors.wait_s("a", address(tries)):
            break
        doors.wrong("a", address(tries))
    assert tries == FREE_OF_NAME


def test_who_was_right_from_there_is_kept_out_by_nobody_elsewhere() -> None:
    clock = Clock()
    doors = Lockout(clock)
    doors.wrong("a", HERE)
    doors.right("a", HERE)
    for number in range(FREE_OF_NAME):
        doors.wrong("a", address(number))
        doors.wrong(f"n{number}", HERE)
    assert doors.wait_s("a", HERE) == 0
    assert doors.wait_s("a", THERE) > 0
    assert doors.wait_s("b", HERE) > 0
    clock.now += lockout.FAMILIAR_FOR_S + 1
    for number in range(FREE_OF_NAME):
        doors.wrong("a", address(number))
    assert doors.wait_s("a", HERE) > 0


def test_of_an_unknown_address_names_alone_are_counted() -> None:
    """Everybody behind a proxy that says nothing has the same."""
    doors = Lockout(Clock())
    for number in range(FREE_OF_ADDRESS + 1):
        doors.wrong(f"n{number}", "")
    assert doors.wait_s("another", "") == 0


def test_an_address_of_ipv6_is_its_network() -> None:
    assert network_of("2001:db8:1:2::3") == network_of("2001:db8:1:2:ffff::9") != network_of("2001:db8:1:3::3")
    assert network_of("fe80::1%eth0") == network_of("fe80::2")
    assert network_of(HERE) == HERE
    assert network_of("::no") == "::no"
    doors = Lockout(Clock())
    for number in range(FREE_TRIES):
        doors.wrong("a", f"2001:db8::{number:x}")
    assert doors.wait_s("a", "2001:db8::ffff") == FIRST_WAIT_S


def test_a_right_password_forgives() -> None:
    doors = Lockout(Clock())
    for _ in range(FREE_TRIES):
        doors.wrong("a", HERE)
    assert doors.wait_s("a", HERE) == FIRST_WAIT_S
    doors.right("a", HERE)
    assert doors.wait_s("a", HERE) == 0


def test_a_day_later_it_begins_anew() -> None:
    clock = Clock()
    doors = Lockout(clock)
    for _ in range(FREE_TRIES + 5):
        doors.wrong("a", HERE)
    clock.now += lockout.FORGET_AFTER_S + 1
    assert doors.wait_s("a", HERE) == 0
    doors.wrong("a", HERE)
    assert doors.wait_s("a", HERE) == 0


def test_names_and_addresses_of_nobody_take_no_memory_without_bound() -> None:
    doors = Lockout(Clock())
    for number in range(lockout.MOST_ACCOUNTS + 100):
        doors.wrong(str(number), f"{number % 250}.{number // 250}.1.1")
        doors.right(f"r{number}", f"{number % 250}.{number // 250}.1.1")
    kept = (doors._here, doors._addresses, doors._names, doors._familiar)
    assert [len(each) for each in kept] == [lockout.MOST_ACCOUNTS] * 4
