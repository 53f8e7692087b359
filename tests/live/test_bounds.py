"""Bounds and addresses that the configuration sets, over a live server."""

from __future__ import annotations

import asyncio
import json

import pytest

from gateway.records import ErrorKind
from gateway.server.forwarded import spelled
from gateway.stores.protocols import LogRow
from tests.live.fixtures import Start
from tests.live.instance import configuration
from tests.live.trail import trail_of
from tests.live.upstreams import Received, Step, Upstream, chunk, chunked_head, http
from tests.live.wire import Answer, ask, request, talk

FORGED = [("X-Forwarded-For", "203.0.113.9"), ("Forwarded", "for=203.0.113.9")]


def client_in_log(answer: Answer, trail: dict[str, LogRow]) -> str:
    return spelled(trail[answer.header("x-microgate-request-id") or ""].client or b"")


@pytest.mark.parametrize(("trusted", "expected"), [([], "127.0.0.1"), (["127.0.0.0/8", "::1"], "203.0.113.9")])
def test_the_record_has_the_caller_that_can_be_believed(
    trusted: list[str], expected: str, upstream: Upstream, start_gateway: Start
) -> None:
    gateway = start_gateway(configuration(upstream.url, server={"trusted_proxies": trusted}))
    direct = ask(gateway.port)
    named = ask(gateway.port, request(fields=FORGED))
    assert direct.status == named.status == 200
    assert [r.header(name) for r in upstream.requests for name in ("x-forwarded-for", "forwarded", "via")] == [None] * 6
    trail = trail_of(gateway)
    assert client_in_log(direct, trail) == "127.0.0.1"
    assert client_in_log(named, trail) == expected


@pytest.mark.parametrize("trusted", [[], ["127.0.0.0/8"]])
def test_metrics_are_not_for_those_whom_a_proxy_brings(
    trusted: list[str], upstream: Upstream, start_gateway: Start
) -> None:
    """A proxy on this machine would otherwise make everybody a local caller."""
    gateway = start_gateway(configuration(upstream.url, server={"trusted_proxies": trusted}))
    gateway.wait_for_control()
    for field in FORGED:
        assert ask(gateway.port, request("GET", "/metrics", None, "", fields=[field])).status == 401
    local = ask(gateway.port, request("GET", "/metrics", None, "", fields=[("X-Forwarded-For", "127.0.0.1")]))
    assert (local.status == 401) is (not trusted)


@pytest.mark.parametrize(
    ("limits", "fields", "target", "status", "code"),
    [
        ({"header_count": 8}, [(f"X-{i}", "1") for i in range(9)], "", 431, "headers_too_large"),
        ({"header_count": 20}, [(f"X-{i}", "1") for i in range(9)], "", 200, ""),
        ({"header_bytes": 600}, [("X", "x" * 600)], "", 431, "headers_too_large"),
        ({"target_bytes": 100}, [], "?" + "x" * 100, 414, "uri_too_long"),
    ],
)
def test_heads_are_bounded_as_configured(
    limits: dict[str, int],
    fields: list[tuple[str, str]],
    target: str,
    status: int,
    code: str,
    upstream: Upstream,
    start_gateway: Start,
) -> None:
    gateway = start_gateway(configuration(upstream.url, server={"limits": limits}))
    answer = ask(gateway.port, request(path="/v1/chat/completions" + target, fields=fields))
    assert answer.status == status
    if code:
        assert json.loads(answer.body)["error"]["code"] == code
        assert upstream.requests == []


LARGE = json.dumps({"choices": [], "padding": "x" * 400_000}).encode()
ENDLESS = b'{"choices":[],"padding":"' + b"x" * 60_000


@pytest.mark.parametrize("bound", [2_000, 300_000])
def test_a_json_answer_that_says_it_is_too_long_is_refused(bound: int, start_gateway: Start) -> None:
    def answer(received: Received) -> list[Step]:
        return [http(LARGE)]

    with Upstream(answer) as upstream:
        limits = {"limits": {"response_json_bytes": bound}}
        gateway = start_gateway(configuration(upstream.url, server=limits, retry={"attempts": 3}))
        got = ask(gateway.port)
        assert got.status == 502
        assert str(bound) in json.loads(got.body)["error"]["message"]
        assert len(upstream.requests) == 1, "asked again for what was too much the first time"


def test_a_json_answer_without_an_end_is_cut(start_gateway: Start) -> None:
    def answer(received: Received) -> list[Step]:
        return [chunked_head("application/json"), *[chunk(ENDLESS)] * 40]

    with Upstream(answer) as upstream:
        limits = {"limits": {"response_json_bytes": 1_000_000}}
        gateway = start_gateway(configuration(upstream.url, server=limits))
        outcome = asyncio.run(talk(gateway.port, [request()]))
        got = outcome.answers[0]
        assert not got.complete
        assert 256_000 < len(got.body) <= 1_000_000
        upstream.wait(lambda: not upstream.open)
        trail = trail_of(gateway)
        row = trail[got.header("x-microgate-request-id") or ""]
        assert row.error_kind == ErrorKind.ANSWER_TOO_LARGE


def test_an_answer_within_its_bound_is_relayed(start_gateway: Start) -> None:
    with Upstream(lambda received: [http(LARGE)]) as upstream:
        limits = {"limits": {"response_json_bytes": len(LARGE)}}
        gateway = start_gateway(configuration(upstream.url, server=limits))
        assert ask(gateway.port).body == LARGE
