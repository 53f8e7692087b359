"""CONNECT requests are written, and any answer of a proxy is read, in pieces of any size."""

from __future__ import annotations

import pytest

from gateway.upstream.proxy import REPLY_BYTES, ConnectReply, Proxy


def test_an_address_with_credentials_is_read() -> None:
    proxy = Proxy.parse("http://user:p%40ss@proxy.test:3128")
    assert (proxy.host, proxy.port) == ("proxy.test", 3128)
    assert proxy.authorization_field == b"Proxy-Authorization: Basic dXNlcjpwQHNz\r\n"
    assert Proxy.parse("http://proxy.test") == Proxy("proxy.test", 80)
    assert Proxy.parse("http://proxy.test").authorization_field == b""


@pytest.mark.parametrize("url", ["https://p:1", "socks5://p:1", "http://", "http://p:1/path", "p:3128", "http://p:x"])
def test_other_addresses_are_refused_without_showing_credentials(url: str) -> None:
    with pytest.raises(ValueError, match=r"proxy|ort") as caught:
        Proxy.parse(url.replace("//", "//secret:secret@", 1))
    assert "secret" not in str(caught.value)


def test_the_tunnel_request_names_only_the_target() -> None:
    proxy = Proxy.parse("http://u:p@proxy.test:3128")
    assert proxy.connect_request("api.test", 443) == (
        b"CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\nProxy-Authorization: Basic dTpw\r\n\r\n"
    )
    assert Proxy.parse("http://proxy.test").connect_request("2001:db8::1", 8443) == (
        b"CONNECT [2001:db8::1]:8443 HTTP/1.1\r\nHost: [2001:db8::1]:8443\r\n\r\n"
    )


REPLIES = [
    (b"HTTP/1.1 200 Connection established\r\n\r\n", 200, False),
    (b"HTTP/1.0 200\r\nVia: x\r\n\r\n", 200, False),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 200, False),
    (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 4\r\n\r\n", 407, False),
    (b"HTTP/1.1 200 OK\r\n\r\nearly", 0, True),
    (b"SSH-2.0-OpenSSH\r\n\r\n", 0, True),
    (b"HTTP/1.1 2000 OK\r\n\r\n", 0, True),
    (b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n", 0, True),
    (b"HTTP/2 200 OK\r\n\r\n", 0, True),
    (b"\r\n\r\n", 0, True),
]


@pytest.mark.parametrize(("data", "status", "error"), REPLIES)
def test_an_answer_is_read_whole_and_bytewise(data: bytes, status: int, error: bool) -> None:
    whole = ConnectReply()
    assert whole.feed(data)
    assert (whole.status, bool(whole.error)) == (status, error)
    bytewise = ConnectReply()
    head_end = data.rfind(b"\r\n\r\n") + 4
    ends = [bytewise.feed(data[i : i + 1]) for i in range(head_end)]
    assert ends == [False] * (head_end - 1) + [True]
    assert bytewise.status == status or b"early" in data


def test_an_endless_answer_is_cut_off() -> None:
    reply = ConnectReply()
    fed = 0
    while not reply.feed(b"x" * 1000):
        fed += 1000
    assert fed <= REPLY_BYTES
    assert reply.error
