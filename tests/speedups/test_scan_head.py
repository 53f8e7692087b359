"""Heads: what an HTTP parser leaves to its user is checked, and header fields are copied unchanged or not at all."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.speedups.twins import twins

ATTRIBUTES = (
    "fields",
    "host",
    "content_length",
    "content_type",
    "content_encoding",
    "transfer_encoding",
    "connection",
    "expect",
    "upgrade",
    "authorization",
    "x_api_key",
    "api_key",
    "x_goog_api_key",
    "x_microgate_key",
    "retry_after",
    "has_options",
    "error",
    "why",
)


def state(head: Any) -> dict[str, Any]:
    return {name: getattr(head, name) for name in ATTRIBUTES}


def request(*lines: bytes, first: bytes = b"POST /v1/x HTTP/1.1", host: bytes = b"Host: a.test") -> bytes:
    return b"\r\n".join([first, *([host] if host else []), *lines, b"", b""])


def refusal(scan: ModuleType, head: bytes, strict_host: bool = True) -> tuple[int, str]:
    found = scan.HeadScan()
    assert found.request(head, strict_host) is (found.error == 0)
    return found.error, found.why


def test_fields_of_a_request(scan: ModuleType) -> None:
    found = scan.HeadScan()
    assert found.request(
        request(
            b"CONTENT-length: 12",
            b"content-type:application/json \t",
            b"Content-Encoding: gzip",
            b"Connection: keep-alive",
            b"connection: x-a",
            b"Expect: 100-continue",
            b"Upgrade: websocket",
            b"Authorization: Bearer  a b",
            b"X-API-Key: k1",
            b"Api-Key: k2",
            b"x-goog-api-key: k3",
            b"X-Microgate-Key: k4",
            b"X-Empty:",
        )
    )
    assert state(found) == {
        "fields": 14,
        "host": b"a.test",
        "content_length": 12,
        "content_type": b"application/json",
        "content_encoding": b"gzip",
        "transfer_encoding": None,
        "connection": b"keep-alive, x-a",
        "expect": b"100-continue",
        "upgrade": b"websocket",
        "authorization": b"Bearer  a b",
        "x_api_key": b"k1",
        "api_key": b"k2",
        "x_goog_api_key": b"k3",
        "x_microgate_key": b"k4",
        "retry_after": None,
        "has_options": False,
        "error": 0,
        "why": "",
    }
    assert found.value_of(b"x-empty") == b""
    assert found.value_of(b"authorization") == b"Bearer  a b"
    assert found.value_of(b"x-absent") is None
    assert found.value_of(b"x-empty:") is None
    assert found.request(request())
    assert (found.fields, found.authorization, found.content_length, found.connection) == (1, None, -1, None)


@pytest.mark.parametrize(
    ("name", "option"),
    [
        (b"x-microgate-", True),
        (b"X-Microgate-Provider", True),
        (b"x-microgate-" + b"a" * 50, True),
        *((b"x-microgate-abcdefgh"[:length], True) for length in range(13, 20)),
        (b"x-microgate-key", False),
        (b"x-microgat", False),
        (b"y-microgate-timeout", False),
    ],
)
def test_options(scan: ModuleType, name: bytes, option: bool) -> None:
    found = scan.HeadScan()
    assert found.request(request(name + b": 5"))
    assert found.has_options is option
    assert found.value_of(name.lower()) == b"5"


@pytest.mark.parametrize(
    "host",
    [b"a", b"A.test:80", b"127.0.0.1:8080", b"[::1]", b"[2001:db8::1]:443", b"a_b", b"a:", b"0.0.0.0=5000", b"xn--a.b"],
)
def test_good_hosts(scan: ModuleType, host: bytes) -> None:
    assert refusal(scan, request(host=b"Host: " + host)) == (0, "")


@pytest.mark.parametrize(
    "host",
    [
        *(
            b"",
            b"a b",
            b"a/b",
            b"u@a",
            b"a:80a",
            b"a:80:80",
            b"a\\b",
            b":80",
            b"[::1",
            b"[]",
            b"[g]",
            b"::1",
            b"a#b",
            b"a?b",
        ),
        *(b"a:123456", b"[::1]a", b"\xc3\xa9.test", b"a,b:1:2", b"[::1]:x", b'"a"', b"<a>", b"a%zz\x80"),
    ],
)
def test_bad_hosts(scan: ModuleType, host: bytes) -> None:
    assert refusal(scan, request(host=b"Host: " + host)) == (400, "Host is invalid")
    assert refusal(scan, request(host=b"Host: " + host), strict_host=False) == (0, "")


def test_a_host_may_be_missing_only_before_1_1(scan: ModuleType) -> None:
    assert refusal(scan, request(host=b"")) == (400, "Host is missing")
    assert refusal(scan, request(host=b""), strict_host=False) == (0, "")
    assert refusal(scan, request(host=b"", first=b"GET / HTTP/1.0")) == (0, "")
    assert refusal(scan, request(b"host: a.test"), strict_host=False) == (400, "repeated Host")


@pytest.mark.parametrize(
    ("first", "error", "why"),
    [
        (b"GET / HTTP/1.1", 0, ""),
        (b"GET http://a.test/x HTTP/1.1", 0, ""),
        (b"GET HTTPS://a.test HTTP/1.1", 0, ""),
        (b"GET /" + b"a" * 8191 + b" HTTP/1.1", 0, ""),
        (b"GET /" + b"a" * 8192 + b" HTTP/1.1", 414, "request target too long"),
        (b"GET / HTTP/0.9", 400, "HTTP version not supported"),
        (b"GET / HTTP/2.0", 400, "HTTP version not supported"),
        (b"GET / HTTP/1.2", 400, "HTTP version not supported"),
        (b"GET / http/1.1", 400, "HTTP version not supported"),
        (b"GET / RTSP/1.0", 400, "HTTP version not supported"),
        (b"GET / ", 400, "HTTP version not supported"),
        (b"GET /", 400, "malformed request line"),
        (b"GET  / HTTP/1.1", 400, "malformed request line"),
        (b"GET / x HTTP/1.1", 400, "malformed request line"),
        (b" GET / HTTP/1.1", 400, "malformed request line"),
        (b" / HTTP/1.1", 400, "malformed request target"),
        (b"GET * HTTP/1.1", 400, "malformed request target"),
        (b"CONNECT a.test:443 HTTP/1.1", 400, "malformed request target"),
        (b"GET ftp://a.test/ HTTP/1.1", 400, "malformed request target"),
        (b"GET file:///etc/passwd HTTP/1.1", 400, "malformed request target"),
        (b"GET htt HTTP/1.1", 400, "malformed request target"),
        (b"GET http:/ HTTP/1.1", 400, "malformed request target"),
        (b"GET /\ta HTTP/1.1", 400, "malformed request target"),
        (b"GET /\x7f HTTP/1.1", 400, "malformed request target"),
        (b"G(T / HTTP/1.1", 400, "malformed request target"),
        (b"TRACE / HTTP/1.1", 405, "method not allowed"),
        (b"", 400, "malformed request line"),
    ],
)
def test_request_lines(scan: ModuleType, first: bytes, error: int, why: str) -> None:
    if first:
        assert refusal(scan, request(first=first)) == (error, why)
        assert refusal(scan, b"\r\n\r\n" + request(first=first)) == (error, why)
    else:
        assert (
            refusal(scan, b"") == refusal(scan, b"\r\n\r\n") == refusal(scan, b"GET / HTTP/1.1\n\r\n") == (error, why)
        )


@pytest.mark.parametrize(
    ("lines", "error", "why"),
    [
        ([b"Authorization: a", b"authorization: a"], 400, "repeated credential"),
        ([b"x-api-key: a", b"x-api-key: b"], 400, "repeated credential"),
        ([b"api-key: a", b"api-key: b"], 400, "repeated credential"),
        ([b"x-goog-api-key: a", b"x-goog-api-key: b"], 400, "repeated credential"),
        ([b"x-microgate-key: a", b"x-microgate-key: b"], 400, "repeated credential"),
        ([b"Content-Length: 5", b"content-length: 5"], 400, "repeated Content-Length"),
        ([b"Content-Length: 5, 5"], 400, "malformed Content-Length"),
        ([b"Content-Length: +5"], 400, "malformed Content-Length"),
        ([b"Content-Length: -1"], 400, "malformed Content-Length"),
        ([b"Content-Length: 0x5"], 400, "malformed Content-Length"),
        ([b"Content-Length:"], 400, "malformed Content-Length"),
        ([b"Content-Length: 1000000000000000000"], 400, "malformed Content-Length"),
        ([b"Content-Length: 999999999999999999"], 0, ""),
        ([b"Transfer-Encoding: chunked"], 0, ""),
        ([b"Transfer-Encoding: CHUNKED"], 0, ""),
        ([b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"], 400, "repeated Transfer-Encoding"),
        ([b"Transfer-Encoding: chunked, chunked"], 400, "Transfer-Encoding is not one exact chunked"),
        ([b"Transfer-Encoding: chunked,"], 400, "Transfer-Encoding is not one exact chunked"),
        ([b"Transfer-Encoding:"], 400, "Transfer-Encoding is not one exact chunked"),
        ([b"Transfer-Encoding: gzip, chunked"], 501, "Transfer-Encoding is not one exact chunked"),
        ([b"Transfer-Encoding: identity"], 501, "Transfer-Encoding is not one exact chunked"),
        ([b"Transfer-Encoding: chunked;x=1"], 501, "Transfer-Encoding is not one exact chunked"),
        ([b"Transfer-Encoding: xchunked"], 501, "Transfer-Encoding is not one exact chunked"),
        ([b"Transfer-Encoding: chunked", b"Content-Length: 5"], 400, "both Transfer-Encoding and Content-Length"),
        ([b"X-A : 1"], 400, "malformed field name"),
        ([b" X-A: 1"], 400, "malformed field name"),
        ([b"\tfolded"], 400, "malformed field name"),
        ([b": 1"], 400, "malformed field name"),
        ([b"X-A"], 400, "malformed field name"),
        ([b"X\x80A: 1"], 400, "malformed field name"),
        ([b"X(A): 1"], 400, "malformed field name"),
        ([b"X\x00A: 1"], 400, "malformed field name"),
        ([b"X-A: a\rb"], 400, "control character in a field value"),
        ([b"X-A: a\x00b"], 400, "control character in a field value"),
        ([b"X-A: a\x7f"], 400, "control character in a field value"),
        ([b"X-A: a\nX-B: b"], 400, "a line does not end with CRLF"),
        ([b"\nX-B: b"], 400, "a line does not end with CRLF"),
        ([b"X-A: a\tb \x80\xff"], 0, ""),
        ([b"", b"more"], 400, "bytes behind the head"),
        ([b"X-%d: 1" % n for n in range(99)], 0, ""),
        ([b"X-%d: 1" % n for n in range(100)], 431, "too many fields"),
        ([b"X-A: " + b"a" * 32_768], 431, "request head too large"),
    ],
)
def test_request_fields(scan: ModuleType, lines: list[bytes], error: int, why: str) -> None:
    assert refusal(scan, request(*lines)) == (error, why)


def test_the_largest_head(scan: ModuleType) -> None:
    room = 32_768 - len(request(b"X-A: "))
    assert refusal(scan, request(b"X-A: " + b"a" * room)) == (0, "")
    assert refusal(scan, request(b"X-A: " + b"a" * (room + 1))) == (431, "request head too large")


def test_transfer_encoding_under_1_0(scan: ModuleType) -> None:
    head = request(b"Transfer-Encoding: chunked", first=b"POST / HTTP/1.0")
    assert refusal(scan, head) == (400, "Transfer-Encoding under HTTP/1.0")


def test_every_prefix_of_a_head_is_refused(scan: ModuleType) -> None:
    head = request(b"Content-Length: 5", b"X-A: " + b"a" * 40)
    for length in range(len(head)):
        assert refusal(scan, head[:length])[0] == 400


@pytest.mark.parametrize("place", range(40))
def test_a_control_character_is_seen_at_every_place(scan: ModuleType, place: int) -> None:
    for control in (0, 10, 13, 31, 127):
        value = bytearray(b"a" * 40)
        value[place] = control
        assert refusal(scan, request(b"X-A: " + value))[0] == 400


# ---- responses ----


def response(*lines: bytes, first: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join([first, *lines, b"", b""])


def test_fields_of_a_response(scan: ModuleType) -> None:
    found = scan.HeadScan()
    lines = [
        b"content-length: 5",
        b"Content-Type: a/b",
        b"Content-Encoding: br",
        b"Connection: close",
        b"Retry-After: 7",
    ]
    assert found.response(response(*lines, b"Authorization: x", b"Host: y", b"x-microgate-a: b"))
    assert (found.fields, found.content_length, found.content_type, found.content_encoding) == (8, 5, b"a/b", b"br")
    assert (found.connection, found.retry_after, found.authorization, found.host) == (b"close", b"7", None, None)
    assert (found.has_options, found.error) == (False, 0)
    assert found.value_of(b"x-microgate-a") == b"b"


@pytest.mark.parametrize(
    "first",
    [b"HTTP/1.0 200 OK", b"HTTP/1.1 204 ", b"HTTP/1.1 204", b"HTTP/1.1 599 A\tB", b"HTTP/1.1 200 \xe9"],
)
def test_good_status_lines(scan: ModuleType, first: bytes) -> None:
    assert scan.HeadScan().response(response(first=first))


@pytest.mark.parametrize(
    "first",
    [
        *(
            b"HTTP/2 200 OK",
            b"HTTP/1.2 200 OK",
            b"HTTP/1.1 20 OK",
            b"HTTP/1.1 2000 OK",
            b"HTTP/1.1 000 OK",
            b"HTTP/1.1",
        ),
        *(b"HTTP/1.1  200 OK", b"HTTP/1.1 200 O\x1bK", b"http/1.1 200 OK", b"", b"HTTP/1.1 abc", b"HTTP/1.1 -20"),
    ],
)
def test_bad_status_lines(scan: ModuleType, first: bytes) -> None:
    found = scan.HeadScan()
    assert not found.response(response(first=first))
    assert (found.error, found.why) == (502, "malformed status line")
    assert found.value_of(b"x-a") is None


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([b"Content-Length: 5", b"Content-Length: 5"], ""),
        ([b"Content-Length: 5", b"Content-Length: 6"], "repeated Content-Length"),
        ([b"Content-Length: x"], "malformed Content-Length"),
        ([b"Content-Length: 5", b"Transfer-Encoding: chunked"], "both Transfer-Encoding and Content-Length"),
        ([b"Transfer-Encoding: gzip"], "Transfer-Encoding is not one exact chunked"),
        ([b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"], "repeated Transfer-Encoding"),
        ([b"X-A: a\x00"], "control character in a field value"),
        ([b"X-%d: 1" % n for n in range(256)], ""),
        ([b"X-%d: 1" % n for n in range(257)], "too many fields"),
        ([b"X-A: " + b"a" * 65_536], "response head too large"),
    ],
)
def test_response_fields(scan: ModuleType, lines: list[bytes], why: str) -> None:
    found = scan.HeadScan()
    assert found.response(response(*lines)) is (why == "")
    assert (found.error, found.why) == (502 if why else 0, why)


# ---- copying ----


def test_an_allow_list(scan: ModuleType) -> None:
    head = request(
        b"Accept: a", b"X-Stainless-OS:  Linux ", b"Cookie: c", b"user-AGENT:u", b"X-Stainles: no", b"accept: b"
    )
    copy = scan.HeaderFilter([b"accept", b"user-agent"], [b"x-stainless-"], keep=True).copy
    assert copy(head) == b"Accept: a\r\nX-Stainless-OS:  Linux \r\nuser-AGENT:u\r\naccept: b\r\n"


def test_a_drop_list(scan: ModuleType) -> None:
    head = response(b"Set-Cookie: a", b"X-A: 1", b"X-RateLimit-Limit: 5", b"SERVER: s", b"X-Rate: 2", b"Empty:")
    copy = scan.HeaderFilter([b"set-cookie", b"server"], (b"x-ratelimit-",), keep=False).copy
    assert copy(head) == b"X-A: 1\r\nX-Rate: 2\r\nEmpty:\r\n"


def test_what_connection_names_is_not_copied(scan: ModuleType) -> None:
    head = response(
        b"X-A: 1", b"Connection: close, X-Secret ,,x-b", b"x-secret: 1", b"X-B: 2", b"connection: X-a", b"X-C: 3"
    )
    assert scan.HeaderFilter([], keep=False).copy(head) == (
        b"Connection: close, X-Secret ,,x-b\r\nconnection: X-a\r\nX-C: 3\r\n"
    )
    assert scan.HeaderFilter([b"x-a", b"x-secret", b"x-c"], keep=True).copy(head) == b"X-C: 3\r\n"


@pytest.mark.parametrize(
    "line", [b"X-A: a\x00b", b"X-A: a\rb", b"X-A: a\nb", b"X(A): 1", b" X-A: 1", b"X-A", b": 1", b"X A: 1"]
)
def test_malformed_lines_are_left_out(scan: ModuleType, line: bytes) -> None:
    copy = scan.HeaderFilter([], keep=False).copy
    assert copy(response(b"X-1: 1", line, b"X-2: 2")) == b"X-1: 1\r\nX-2: 2\r\n"


def test_the_end_of_a_head(scan: ModuleType) -> None:
    copy = scan.HeaderFilter([], keep=False).copy
    assert copy(response(b"X-1: 1") + b"X-2: 2\r\n") == b"X-1: 1\r\n"
    assert copy(b"HTTP/1.1 200 OK\r\nX-1: 1\r\nX-2: 2") == b"X-1: 1\r\n"
    assert copy(b"HTTP/1.1 200 OK") == copy(b"") == copy(response()) == b""


def test_many_names_and_many_lines(scan: ModuleType) -> None:
    names = [b"x-%d" % n for n in range(0, 1000, 2)]
    head = response(*[b"X-%d: %d" % (n, n) for n in range(1000)])
    kept = scan.HeaderFilter(names, keep=True).copy(head)
    assert kept == b"".join([b"X-%d: %d\r\n" % (n, n) for n in range(0, 1000, 2)])
    assert len(scan.HeaderFilter(names, keep=False).copy(head)) + len(kept) == len(head) - len(response())


def test_no_copied_byte_can_end_a_line(scan: ModuleType) -> None:
    copy = scan.HeaderFilter([], keep=False).copy
    for code in range(256):
        for line in (b"X-A: a%cb" % code, b"X%cA: b" % code):
            for field in copy(response(line)).split(b"\r\n"):
                assert not {0, 10, 13} & set(field)


# ---- both implementations agree ----

SCANS = twins("_scan")

lines = st.sampled_from(
    [
        *(b"Host: a.test", b"Host: a b", b"host:", b"Content-Length: 5", b"content-length: 05", b"Content-Length: x"),
        *(
            b"Transfer-Encoding: chunked",
            b"Transfer-Encoding: gzip",
            b"Connection: x-a",
            b"Connection: close,X-B",
            b"X-A: 1",
        ),
        *(
            b"X-B: 2",
            b"Authorization: Bearer a",
            b"x-api-key:k",
            b"Expect: 100-continue",
            b"Upgrade: h2c",
            b"Retry-After: 1",
        ),
        *(
            b"x-microgate-a: 1",
            b"x-microgate-key: 1",
            b"",
            b" x: 1",
            b"X: \x00",
            b"X: a\rb",
            b"X: a\nb",
            b"novalue",
            b":",
        ),
        *(b"x-stainless-os: l", b"Content-Type: a", b"Content-Type: b", b"Content-Encoding: gzip", b"\n", b"\r"),
    ]
)
firsts = st.sampled_from(
    [
        *[b"POST /v1/x HTTP/1.1"] * 3,
        b"GET / HTTP/1.0",
        b"GET * HTTP/1.1",
        b"TRACE / HTTP/1.1",
        b"GET /",
        b"HTTP/1.1 200 OK",
    ]
)
heads = st.builds(
    lambda first, fields, end: b"\r\n".join([first, *fields]) + end,
    firsts,
    st.lists(lines, max_size=8),
    st.sampled_from([*[b"\r\n\r\n"] * 4, b"\r\n", b"", b"\n\n", b"\r\n\r\nx"]),
)


@pytest.mark.parametrize("guilty", [name for name in SCANS if name != "py"])
@given(head=heads | st.binary(max_size=60), strict=st.booleans())
def test_twins_agree_on_heads(guilty: str, head: bytes, strict: bool) -> None:
    ours, theirs = SCANS[guilty].HeadScan(), SCANS["py"].HeadScan()
    for asked in (
        lambda scan: scan.request(head, strict),
        lambda scan: scan.value_of(b"x-b"),
        lambda scan: scan.response(head),
        lambda scan: scan.value_of(b"x-b"),
    ):
        assert asked(ours) == asked(theirs)
        assert state(ours) == state(theirs)


@pytest.mark.parametrize("guilty", [name for name in SCANS if name != "py"])
@given(head=heads | st.binary(max_size=60), keep=st.booleans())
def test_twins_agree_on_copies(guilty: str, head: bytes, keep: bool) -> None:
    lists = ([b"host", b"x-a", b"content-type", b"connection"], [b"x-stainless-", b"ret"])
    ours, theirs = SCANS[guilty].HeaderFilter(*lists, keep=keep), SCANS["py"].HeaderFilter(*lists, keep=keep)
    assert ours.copy(head) == theirs.copy(head)


def test_only_bytes_are_a_head(scan: ModuleType) -> None:
    for head in (None, "GET / HTTP/1.1"):
        for ask in (scan.HeadScan().request, scan.HeadScan().response, scan.HeaderFilter([], keep=True).copy):
            with pytest.raises((TypeError, AttributeError)):
                ask(head)
