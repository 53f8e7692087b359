"""What a request may look like on the wire, and what a caller gets who writes it otherwise."""

from __future__ import annotations

import asyncio
import gzip
import socket
from typing import Any

import pytest
import uvloop

from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.rounds import measured, rounds
from tests.live.upstreams import CHAT, Received, Step, Upstream, http
from tests.live.wire import KEY, AnswerReader, Outcome, ask, request, split_bytes, split_whole, talk
from tests.waiting import PATIENCE_S

GET = b"GET /v1/models HTTP/1.1\r\nHost: gw.test\r\n\r\n"
SMUGGLED = b"GET /__smuggled__ HTTP/1.1\r\nHost: gw.test\r\n\r\n"


def say(gateway: Gateway, *pieces: bytes, **options: Any) -> Outcome:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(talk(gateway.port, pieces, **{"quiet": 0.1, **options}))


def head(*lines: str, version: str = "HTTP/1.1", target: str = "/v1/models", method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {target} {version}", *lines, "", ""]).encode("latin-1")


HOST = "Host: gw.test"
POST = {"method": "POST", "target": "/v1/chat/completions"}

REFUSED: dict[str, bytes] = {
    "no-host": head(),
    "two-hosts": head(HOST, HOST),
    "host-with-path": head("Host: gw.test/x"),
    "host-with-space": head("Host: gw test"),
    "host-with-userinfo": head("Host: a@gw.test"),
    "host-bad-port": head("Host: gw.test:80a"),
    "version-1.2": head(HOST, version="HTTP/1.2"),
    "version-2.0": head(HOST, version="HTTP/2.0"),
    "version-0.9": head(HOST, version="HTTP/0.9"),
    "connect": head(HOST, method="CONNECT", target="gw.test:443"),
    "trace": head(HOST, method="TRACE"),
    "asterisk": head(HOST, method="GET", target="*"),
    "foreign-scheme": head(HOST, target="ftp://gw.test/v1/models"),
    "target-9k": head(HOST, target="/" + "a" * 9000),
    "fields-101": head(HOST, *(f"X-{i}: 1" for i in range(101))),
    "head-33k": head(HOST, "X-A: " + "a" * 33_000),
    "two-authorizations": head(HOST, "Authorization: Bearer a", "Authorization: Bearer b"),
    "te-gzip": head(HOST, "Transfer-Encoding: gzip", **POST) + b"x",
    "te-gzip-chunked": head(HOST, "Transfer-Encoding: gzip, chunked", **POST) + b"0\r\n\r\n",
    "te-chunked-twice": head(HOST, "Transfer-Encoding: chunked, chunked", **POST) + b"0\r\n\r\n",
    "te-repeated": head(HOST, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked", **POST) + b"0\r\n\r\n",
    "te-and-length": head(HOST, "Transfer-Encoding: chunked", "Content-Length: 3", **POST) + b"0\r\n\r\n",
    "te-under-1.0": head(HOST, "Transfer-Encoding: chunked", version="HTTP/1.0", **POST) + b"0\r\n\r\n",
    "te-vertical-tab": head(HOST, "Transfer-Encoding: \x0bchunked", **POST) + b"0\r\n\r\n",
    "two-lengths": head(HOST, "Content-Length: 2", "Content-Length: 3", **POST) + b"{}",
    "length-plus": head(HOST, "Content-Length: +2", **POST) + b"{}",
    "length-underscore": head(HOST, "Content-Length: 1_0", **POST) + b"{}",
    "length-negative": head(HOST, "Content-Length: -1", **POST) + b"{}",
    "folded-field": head(HOST, "X-A: 1", " folded"),
    "space-before-colon": head(HOST, "X-A : 1"),
    "no-colon": head(HOST, "X-A"),
    "empty-name": head(HOST, ": 1"),
    "nul-in-value": head(HOST, "X-A: a\0b"),
    "bare-cr-in-value": head(HOST, "X-A: a\rb"),
    "bare-lf": b"GET /v1/models HTTP/1.1\nHost: gw.test\n\n",
    "chunk-size-sign": head(HOST, "Transfer-Encoding: chunked", **POST) + b"+2\r\n{}\r\n0\r\n\r\n",
    "chunk-size-huge": head(HOST, f"Authorization: Bearer {KEY}", "Transfer-Encoding: chunked", **POST)
    + b"ffffffffffffffff\r\n{}",
    "chunk-without-end": head(HOST, "Transfer-Encoding: chunked", **POST) + b"2\r\n{}XX0\r\n\r\n",
    "tls-hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 32,
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("way", [split_whole, split_bytes], ids=["whole", "bytes"])
def test_malformed_requests_get_one_error_and_the_end(name: str, way: Any, shared_gateway: Gateway) -> None:
    outcome = say(shared_gateway, *way(REFUSED[name] + GET), until_closed=True)
    assert outcome.closed
    assert not outcome.error
    assert len(outcome.statuses) == 1
    assert 400 <= outcome.statuses[0] < 500 or outcome.statuses[0] in (501, 505)
    assert outcome.answers[0].header("connection") == "close"


@pytest.mark.parametrize("way", [split_whole, split_bytes], ids=["whole", "bytes"])
def test_a_client_of_http2_is_told_to_use_the_one_before(way: Any, shared_gateway: Gateway) -> None:
    settings = b"\0\0\0\x04\0\0\0\0\0"
    outcome = say(shared_gateway, *way(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings + GET), until_closed=True)
    assert outcome.closed
    assert outcome.received.startswith(settings)
    goaway = outcome.received[9:]
    size = int.from_bytes(goaway[:3])
    assert (size, goaway[3]) == (len(goaway) - 9, 7)
    assert goaway[9:17] == b"\0\0\0\0\0\0\0\x0d"  # no stream, HTTP_1_1_REQUIRED
    assert b"HTTP/1.1" in goaway[17:]
    near = say(shared_gateway, b"PRI * HTTP/2.0\r\nHost: gw.test\r\n\r\n", until_closed=True)
    assert near.statuses == [400]


UPGRADES = {
    "length": f"Content-Length: {len(SMUGGLED)}",
    "chunked": "Transfer-Encoding: chunked",
    "nothing": "X-A: 1",
}


@pytest.mark.parametrize("framing", UPGRADES)
@pytest.mark.parametrize("segments", ["same", "later"])
@pytest.mark.parametrize("protocol", ["websocket", "h2c", "foo"])
def test_what_follows_an_upgrade_is_never_a_request(
    framing: str, segments: str, protocol: str, shared_gateway: Gateway, shared_upstream: Upstream
) -> None:
    shared_upstream.clear()
    asked = head(
        HOST, f"Authorization: Bearer {KEY}", "Connection: Upgrade", f"Upgrade: {protocol}", UPGRADES[framing], **POST
    )
    pieces = [asked + SMUGGLED] if segments == "same" else [asked, SMUGGLED]
    outcome = say(shared_gateway, *pieces, until_closed=True)
    assert len(outcome.statuses) == 1
    assert outcome.statuses[0] >= 400
    assert outcome.closed
    assert not shared_upstream.requests


def test_an_absolute_target_and_a_leading_empty_line_are_understood(shared_gateway: Gateway) -> None:
    key = f"Authorization: Bearer {KEY}"
    assert say(shared_gateway, head(HOST, key, target="http://gw.test/v1/models"), expect=1).statuses == [200]
    assert say(shared_gateway, b"\r\n" + head(HOST, key), expect=1).statuses == [200]


def test_expect_is_answered_before_the_body_is_sent(shared_gateway: Gateway) -> None:
    body = b'{"model":"m","messages":[]}'
    raw = request(body=body, fields=[("Expect", "100-continue")])
    with socket.create_connection(("127.0.0.1", shared_gateway.port), PATIENCE_S) as sock:
        sock.sendall(raw[: -len(body)])
        assert sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert sock.recv(1000).startswith(b"HTTP/1.1 200")
    assert say(shared_gateway, request(fields=[("Expect", "a-miracle")]), expect=1).statuses == [417]
    # Whoever has no credential is told so before sending a body.
    refused = say(
        shared_gateway, request(body=body, key="", fields=[("Expect", "100-continue")])[: -len(body)], expect=1
    )
    assert refused.statuses == [401]
    assert b"100 Continue" not in refused.received


def test_head_has_no_body_and_1_0_ends_with_its_answer(shared_gateway: Gateway) -> None:
    key = f"Authorization: Bearer {KEY}"
    outcome = say(shared_gateway, head(HOST, key, method="HEAD") + head(HOST, key), methods=["HEAD", "GET"], expect=2)
    assert outcome.statuses == [200, 200]
    assert outcome.answers[0].body == b""
    assert outcome.answers[0].header("content-length") == outcome.answers[1].header("content-length")
    assert say(shared_gateway, head(key, version="HTTP/1.0"), until_closed=True).closed
    kept = say(shared_gateway, head(key, "Connection: keep-alive", version="HTTP/1.0"), expect=1, quiet=0.3)
    assert (kept.statuses, kept.closed) == ([200], False)


@pytest.mark.parametrize("split", [split_whole, split_bytes])
@pytest.mark.parametrize(
    "raw",
    [
        head(HOST, "X\0: 1", method="HEAD"),
        head(HOST, "Content-Length: 1", "Content-Length: 2", method="HEAD"),
        head(HOST, "X-A: " + "a" * 33_000, method="HEAD"),
        head(HOST, method="HEAD", version="HTTP/7.1"),
        head(method="HEAD"),
    ],
    ids=["null-in-name", "two-lengths", "head-33k", "version-7.1", "no-host"],
)
def test_a_refused_head_has_no_body_either(shared_gateway: Gateway, raw: bytes, split: Any) -> None:
    """Also behind a request of another method, and when httptools gives up before it has the whole head."""
    for before, statuses in ((b"", []), (GET, [401])):
        pieces = [*split(raw)]
        outcome = say(shared_gateway, before, *pieces, methods=["GET"] * len(statuses) + ["HEAD"], until_closed=True)
        assert not outcome.error
        assert outcome.statuses[:-1] == statuses
        assert 400 <= outcome.statuses[-1] < 506
        assert int(outcome.answers[-1].header("content-length") or 0) > 0
        assert outcome.received.endswith(b"\r\n\r\n")


def test_a_half_closed_caller_is_answered(shared_gateway: Gateway) -> None:
    outcome = say(shared_gateway, request(), half_close=True, until_closed=True)
    assert outcome.statuses == [200]
    assert outcome.closed


def test_bodies_over_the_cap_are_refused(start_gateway: Start, upstream: Upstream) -> None:
    config = configuration(upstream.url, server={"limits": {"json_body_bytes": "1MiB"}})
    gateway = start_gateway(config)
    declared = head(HOST, f"Authorization: Bearer {KEY}", f"Content-Length: {10 << 30}", **POST)
    assert say(gateway, declared, until_closed=True).statuses == [413]
    piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
    endless = head(HOST, f"Authorization: Bearer {KEY}", "Transfer-Encoding: chunked", **POST) + piece * 64
    rss = gateway.rss_bytes()
    outcome = say(gateway, endless, until_closed=True)
    assert outcome.statuses == [413]
    assert gateway.rss_bytes() - rss < 8 << 20
    fits = b'{"model":"m","messages":["' + b"x" * 1_000_000 + b'"]}'
    assert ask(gateway.port, request(body=fits)).status == 200
    assert len(upstream.requests) == 1


def test_chunk_framing_may_not_outweigh_the_data(shared_gateway: Gateway) -> None:
    start = head(HOST, f"Authorization: Bearer {KEY}", "Transfer-Encoding: chunked", **POST)
    floods = {
        "extension": start + b"2;" + b"a" * 60_000 + b"\r\n{}\r\n0\r\n\r\n",
        "many-extensions": start
        + b"1;a=b\r\n{\r\n"
        + b"1;aaaaaaaaaaaaaaaaaaaa=b\r\n \r\n" * 3000
        + b"1\r\n}\r\n0\r\n\r\n",
        "trailers": start + b"2\r\n{}\r\n0\r\n" + b"X-A: 1\r\n" * 5000 + b"\r\n",
    }
    for name, raw in floods.items():
        outcome = say(shared_gateway, raw, until_closed=True)
        assert outcome.closed, name
        assert len(outcome.statuses) == 1, name
        assert 400 <= outcome.statuses[0] < 500, name


def test_many_small_chunks_cost_little(shared_gateway: Gateway) -> None:
    body = b'{"model":"m","messages":["' + b"x" * 2950 + b'"]}'
    start = head(HOST, f"Authorization: Bearer {KEY}", "Transfer-Encoding: chunked", **POST)
    raw = start + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    before = shared_gateway.cpu_s()
    assert say(shared_gateway, raw, expect=1).statuses == [200]
    assert shared_gateway.cpu_s() - before <= 0.2


def test_compressed_bodies_are_refused_undecoded(shared_gateway: Gateway) -> None:
    bomb = gzip.compress(b" " * (64 << 20))
    rss = shared_gateway.rss_bytes()
    for coding, body in {"gzip": bomb, "br": b"x", "x-unknown": b"{}", "deflate": b"\0"}.items():
        answer = ask(shared_gateway.port, request(body=body, fields=[("Content-Encoding", coding)]))
        assert answer.status == 415
    assert shared_gateway.rss_bytes() - rss < 32 << 20
    assert ask(shared_gateway.port, request(fields=[("Content-Encoding", "identity")])).status == 200


def test_pipelined_answers_keep_their_order(start_gateway: Start) -> None:
    """Mixed requests with ids, the upstream answering at different speeds: every answer belongs to its request."""
    count = rounds(300, 10_000)

    def echo(received: Received) -> list[Step]:
        number = received.json()["user"]
        answer = http(CHAT.replace(b'"hello"', b'"%s"' % number.encode()))
        return [answer] if int(number) % 7 else [0.003, answer]

    with Upstream(echo, keep=False) as upstream:
        gateway = start_gateway(configuration(upstream.url))
        requests, wanted = [], []
        for i in range(count):
            if i % 5 == 4:
                requests.append(request("GET", f"/v1/models/none-{i}", None))
                wanted.append((404, f"none-{i}"))
            else:
                requests.append(request(body=b'{"model":"m","messages":[],"user":"%d"}' % i))
                wanted.append((200, f'"{i}"'))
        outcome = say(gateway, b"".join(requests), expect=count, total=60 + count / 50)
    assert len(outcome.answers) == count
    for answer, (status, text) in zip(outcome.answers, wanted, strict=True):
        assert answer.status == status
        assert text.encode() in answer.body


def test_pipelined_requests_wait_outside_when_nobody_reads(shared_gateway: Gateway) -> None:
    """The caller sends and sends and never reads: the gateway stops reading, and memory stays where it was."""
    count = rounds(200_000, 1_000_000)  # more bytes than both sockets' buffers may grow to
    raw = request("GET", "/v1/models", None)
    assert ask(shared_gateway.port, raw).status == 200
    rss = shared_gateway.rss_bytes()
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", shared_gateway.port))
        sock.settimeout(1.0)
        block = raw * 1000
        sent = 0
        try:
            while sent < count * len(raw):
                sent += sock.send(block)
        except TimeoutError:
            pass
        assert sent < count * len(raw)
        risen = shared_gateway.rss_bytes() - rss
        measured("A12 memory of pipelined requests nobody reads answers of", f"{risen / 1024:.0f} KiB", "1 MiB")
        assert risen <= 2 << 20
        # What it did take is answered in full once the caller reads.
        reader = AnswerReader()
        sock.settimeout(PATIENCE_S)
        while len(reader.final) < 200:
            reader.feed(sock.recv(65536))
        assert {a.status for a in reader.final if a.complete} == {200}
