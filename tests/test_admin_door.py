"""Who gets as far as the control process."""

from __future__ import annotations

import pytest

from gateway import admin_door
from gateway.admin_door import (
    OF_ALL_BURST,
    OF_ALL_PER_S,
    OF_ONE_BURST,
    OF_ONE_PER_S,
    OPEN_BYTES,
    OPEN_PATHS,
    PAGES_OF_ONE_BURST,
    Knock,
    Knocking,
    is_ours,
    lets_in,
)
from gateway.operator_ticket import API_TOKEN, COOKIE, SESSION, in_cookies, is_issued, issue

PEPPER, TOKEN = b"p" * 32, b"mga-0123"
LOGIN = b"/api/login"
KNOCK = Knock(b"GET", b"/api/me", b"", b"", b"", b"gateway.test:8080", 0)


def may(**more: object) -> bool:
    return lets_in(KNOCK._replace(**more), TOKEN, PEPPER)


def ticket(kind: str, pepper: bytes = PEPPER) -> bytes:
    return issue(pepper, kind).encode()


def test_the_page_in_which_one_logs_in_is_anybodys_to_read() -> None:
    for path in (b"/ui", b"/ui/", b"/ui/login", b"/ui/assets/index.js"):
        assert may(path=path)
        assert may(path=path, method=b"HEAD")
        assert not may(path=path, method=b"POST")
        assert not may(path=path, origin=b"http://elsewhere.test")
    assert not may(path=b"/uix")


def test_what_was_issued_here_is_let_in() -> None:
    assert may(credential=TOKEN)
    assert may(credential=ticket(API_TOKEN))
    assert may(cookie=f"theme=dark; {COOKIE}=".encode() + ticket(SESSION) + b"; a=b")


@pytest.mark.parametrize(
    "shown",
    [
        {}, {"credential": b"mga-0124"}, {"credential": b"sk-0123456789"}, {"credential": ticket(API_TOKEN, b"q" * 32)},
        # Each in its own place only.
        {"credential": ticket(SESSION)}, {"cookie": f"{COOKIE}=".encode() + ticket(API_TOKEN)},
        {"cookie": f"{COOKIE}=".encode() + TOKEN}, {"cookie": f"x{COOKIE}=".encode() + ticket(SESSION)},
        {"credential": ticket(API_TOKEN)[:-1]}, {"credential": ticket(API_TOKEN).upper()},
        # A credential that is wrong is not mended by a cookie.
        {"credential": b"wrong", "cookie": f"{COOKIE}=".encode() + ticket(SESSION)},
    ],
)  # fmt: skip
def test_everything_else_is_not(shown: dict[str, bytes]) -> None:
    assert not may(**shown)


def test_without_a_token_nothing_opens_with_an_empty_one() -> None:
    assert not lets_in(KNOCK, b"", PEPPER)
    assert not lets_in(KNOCK._replace(credential=b"x"), b"", PEPPER)


def test_setting_up_and_logging_in_are_open_in_few_bytes() -> None:
    assert {b"/api/setup", b"/api/login"} == OPEN_PATHS
    for path in OPEN_PATHS:
        assert may(method=b"POST", path=path, length=OPEN_BYTES)
        assert not may(method=b"POST", path=path, length=OPEN_BYTES + 1)
        assert not may(method=b"POST", path=path, length=-1)
        assert not may(method=b"GET", path=path)
        assert not may(method=b"POST", path=path + b"/")


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        (b"http://gateway.test:8080", b"gateway.test:8080", True),
        (b"https://Gateway.test:8080", b"gateway.test:8080", True),
        (b"http://gateway.test", b"gateway.test:8080", False),
        (b"http://evil.test", b"gateway.test:8080", False),
        (b"http://gateway.test:8080.evil.test", b"gateway.test:8080", False),
        (b"null", b"gateway.test:8080", False),
        (b"file://gateway.test:8080", b"gateway.test:8080", False),
        (b"\xff", b"gateway.test:8080", False),
        (b"http://[", b"gateway.test:8080", False),
        (b"http://gateway.test:8080; http://evil.test", b"gateway.test:8080", False),
    ],
)
def test_no_other_page_speaks_for_a_browser(origin: bytes, host: bytes, same: bool) -> None:
    shown = {"credential": TOKEN, "origin": origin, "host": host}
    assert may(**shown) is same
    assert may(method=b"POST", path=b"/api/login", length=10, origin=origin, host=host) is same


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        (b"localhost", True), (b"LOCALHOST:8080", True), (b"localhost.:8080", True), (b"mg.localhost", True),
        (b"127.0.0.1:8080", True), (b"10.1.2.3", True), (b"[::1]:8080", True), (b"[2001:db8::1]", True),
        (b"gw.example.com", True), (b"GW.example.com:443", True), (b"gw.example.com.", True),
        (b"evil.test", False), (b"evil.test:8080", False), (b"gw.example.com.evil.test", False), (b"", False),
        (b"xgw.example.com", False), (b"localhost.evil.test", False), (b"evillocalhost", False),
        (b"127.0.0.1.evil.test", False), (b"127.1", False), (b"0x7f.1", False), (b"2130706433", False),
        (b"localhost@evil.test", False), (b"evil.test@localhost", False), (b"localhost/evil", False),
        (b"localhost:8080:1", False), (b"localhost:x", False), (b"localhost:99999", False), (b"[::1", False),
        (b"localhost; evil.test", False), (b"local\xffhost", False), (b"localhost?x", False), (b"localhost#x", False),
    ],
)  # fmt: skip
def test_a_name_that_somebody_else_owns_is_none_of_ours(host: bytes, ours: bool) -> None:
    assert is_ours(host, ("gw.example.com", "")) is ours


class Clock:
    now = 5.0

    def __call__(self) -> float:
        return self.now


def test_one_address_knocks_a_few_times_and_then_slowly() -> None:
    clock = Clock()
    doors = Knocking(clock)
    assert [doors.wait_s(LOGIN, b"a") for _ in range(OF_ONE_BURST)] == [0.0] * OF_ONE_BURST
    assert doors.wait_s(LOGIN, b"a") == pytest.approx(1 / OF_ONE_PER_S)
    # Who is told to wait is not counted, and nobody else has to.
    assert doors.wait_s(LOGIN, b"a") == pytest.approx(1 / OF_ONE_PER_S)
    assert doors.wait_s(LOGIN, b"b") == 0
    clock.now += 1 / OF_ONE_PER_S
    assert doors.wait_s(LOGIN, b"a") == 0
    assert doors.wait_s(LOGIN, b"a") > 0


def test_all_of_them_together_have_a_bound() -> None:
    clock = Clock()
    doors = Knocking(clock)
    got_in = sum(doors.wait_s(LOGIN, b"%d" % number) == 0 for number in range(1000))
    assert got_in == OF_ALL_BURST
    clock.now += 10
    got_in = sum(doors.wait_s(LOGIN, b"") == 0 for _ in range(1000))
    assert got_in == OF_ALL_BURST
    clock.now += 1
    assert sum(doors.wait_s(LOGIN, b"") == 0 for _ in range(1000)) == OF_ALL_PER_S


def test_the_page_is_given_often_and_not_without_end() -> None:
    clock = Clock()
    doors = Knocking(clock)
    files = [b"/ui/", b"/ui/assets/index.js", b"/ui/login"]
    got_in = sum(doors.wait_s(files[number % 3], b"a") == 0 for number in range(2000))
    assert got_in == PAGES_OF_ONE_BURST
    # Nobody is kept from logging in, and what is behind a credential is not counted here.
    assert doors.wait_s(LOGIN, b"a") == 0
    assert [doors.wait_s(b"/api/me", b"a") for _ in range(2000)] == [0.0] * 2000


def test_addresses_take_no_memory_without_bound() -> None:
    clock = Clock()
    doors = Knocking(clock)
    for number in range(admin_door.MOST_SOURCES + 50):
        clock.now += 1
        assert doors.wait_s(LOGIN, b"%d" % number) == 0
    assert len(doors._logins._of) == admin_door.MOST_SOURCES


def test_two_sessions_are_none() -> None:
    one, two = ticket(SESSION), ticket(SESSION)
    field = f"{COOKIE}=".encode()
    assert in_cookies(field + one) == one
    assert in_cookies(field + one + b"; " + field + two) == b""
    assert in_cookies(b"") == b""


def test_every_bit_of_a_ticket_counts() -> None:
    whole = ticket(API_TOKEN)
    assert is_issued(PEPPER, whole)
    for at in range(4, len(whole)):
        for other in b"ab":
            changed = whole[:at] + bytes((other,)) + whole[at + 1 :]
            assert is_issued(PEPPER, changed) == (changed == whole)
