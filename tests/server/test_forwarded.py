"""Whose address a request has, with and without proxies in between."""

from __future__ import annotations

import pytest

from _speedups._head import HeadScan
from gateway.server.forwarded import MOST_HOPS, UNKNOWN, Forwarded, is_loopback, names_a_client, packed, spelled

PROXIES = Forwarded(["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"])


def scanned(*lines: str) -> HeadScan:
    scan = HeadScan()
    assert scan.request("\r\n".join(["GET / HTTP/1.1", "Host: x", *lines, "", ""]).encode("latin-1"))
    return scan


def client(peer: str, *lines: str) -> str:
    return spelled(PROXIES.client(packed(peer), scanned(*lines)))


@pytest.mark.parametrize("address", ["127.0.0.1", "203.0.113.9", "2001:db8::1", "::1", "fe80::1"])
def test_addresses_survive_packing(address: str) -> None:
    assert spelled(packed(address)) == address
    assert len(packed(address)) == 16


def test_an_address_has_one_form() -> None:
    assert packed("::ffff:192.0.2.7") == packed("192.0.2.7")
    assert packed("fe80::1%eth0") == packed("fe80::1")


@pytest.mark.parametrize("text", ["", "unix", "256.1.1.1", "1.2.3", "01.2.3.4", "::g", "1.2.3.4\0", "unknown"])
def test_what_is_no_address_is_unknown(text: str) -> None:
    assert packed(text) == UNKNOWN
    assert spelled(UNKNOWN) == "" == spelled(b"")


@pytest.mark.parametrize(
    ("address", "local"), [("127.0.0.1", 1), ("127.9.9.9", 1), ("::1", 1), ("128.0.0.1", 0), ("::", 0)]
)
def test_loopback(address: str, local: int) -> None:
    assert is_loopback(packed(address)) is bool(local)
    assert not is_loopback(UNKNOWN)


@pytest.mark.parametrize("line", ["X-Forwarded-For: 1.2.3.4", "Forwarded: for=1.2.3.4", "x-forwarded-for: 10.0.0.1"])
@pytest.mark.parametrize("peer", ["203.0.113.9", "11.0.0.1", "2001:db9::1", "127.0.0.1"])
def test_a_stranger_is_not_believed(peer: str, line: str) -> None:
    assert client(peer, line) == peer


@pytest.mark.parametrize("peer", ["10.1.2.3", "192.0.2.1", "2001:db8::9", "::ffff:10.1.2.3"])
def test_a_proxy_that_names_nobody_is_the_caller(peer: str) -> None:
    assert client(peer) == spelled(packed(peer))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["X-Forwarded-For: 203.0.113.9"], "203.0.113.9"),
        (["X-Forwarded-For: 203.0.113.9:4711"], "203.0.113.9"),
        (["X-Forwarded-For: 2001:db9::5"], "2001:db9::5"),
        (["X-Forwarded-For: [2001:db9::5]:80"], "2001:db9::5"),
        # What the caller wrote itself stands to the left of what the proxy saw.
        (["X-Forwarded-For: 6.6.6.6, 203.0.113.9"], "203.0.113.9"),
        (["X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 203.0.113.9"], "203.0.113.9"),
        (["X-Forwarded-For: 6.6.6.6, 203.0.113.9, 10.0.0.7,10.0.0.8"], "203.0.113.9"),
        (["X-Forwarded-For: 10.0.0.5, 10.0.0.7"], "10.0.0.5"),
        (["X-Forwarded-For: 6.6.6.6, unknown, 10.0.0.7"], ""),
        (["X-Forwarded-For: 6.6.6.6, , 10.0.0.7"], ""),
        (["X-Forwarded-For: 127.0.0.1, <script>"], ""),
        (["X-Forwarded-For:"], ""),
        (["Forwarded: for=203.0.113.9"], "203.0.113.9"),
        (['Forwarded: proto=https;For="[2001:db9::5]:80";by=10.0.0.1'], "2001:db9::5"),
        (["Forwarded: for=6.6.6.6, for=203.0.113.9;proto=http, for=10.0.0.7"], "203.0.113.9"),
        (["Forwarded: for=_hidden, for=10.0.0.7"], ""),
        (["Forwarded: proto=https"], ""),
        (["Forwarded: forx=203.0.113.9"], ""),
        # Only one of them is the proxy's.
        (["Forwarded: for=127.0.0.1", "X-Forwarded-For: 203.0.113.9"], ""),
        (["Forwarded: for=203.0.113.9", "X-Forwarded-For: 203.0.113.9"], "203.0.113.9"),
    ],
)
def test_a_proxy_is_believed_from_the_right(lines: list[str], expected: str) -> None:
    assert client("10.1.2.3", *lines) == expected


def test_a_long_chain_ends() -> None:
    hops = ", ".join(["203.0.113.9"] + ["10.0.0.1"] * (MOST_HOPS + 5))
    assert client("10.1.2.3", f"X-Forwarded-For: {hops}") == "10.0.0.1"


def test_networks_of_one_family_hold_nothing_of_the_other() -> None:
    assert Forwarded(["0.0.0.0/0"]).trusts(packed("8.8.8.8"))
    assert not Forwarded(["0.0.0.0/0"]).trusts(packed("2001:db8::1"))
    assert not Forwarded(["0.0.0.0/0"]).trusts(UNKNOWN)
    with pytest.raises(ValueError, match="does not appear to be"):
        Forwarded(["proxy.internal"])


def test_a_head_tells_whether_it_was_passed_on() -> None:
    assert not names_a_client(scanned("X-Forwarded-Proto: https"))
    assert names_a_client(scanned("FORWARDED: for=x"))
    assert names_a_client(scanned("x-Forwarded-For: 1.2.3.4"))
