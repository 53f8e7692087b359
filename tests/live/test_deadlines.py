"""A caller's own deadline over everything that is done for its request: attempts, pauses, places, connections."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import closing
from typing import Any

import pytest

from gateway.records import ErrorKind
from tests.live.blackhole import blackhole
from tests.live.fixtures import Start
from tests.live.frames import End, Provider, connect, handshake, run
from tests.live.instance import Gateway, configuration
from tests.live.trail import trail_of
from tests.live.upstreams import CHAT, Act, Received, Step, Upstream, chunk, chunked_head, delta, http
from tests.live.wire import AnswerReader, ask, request

SICK = b'{"error":{"message":"down","type":"server_error"}}'
FIELD = "x-microgate-timeout"
LEFT_OUT = "is left out for"
PATHS = {
    "/v1/chat/completions": lambda body: body["error"]["code"] == "upstream_timeout",
    "/anthropic/v1/messages": lambda body: body["error"]["type"] == "timeout_error",
    "/genai/v1beta/models/m:generateContent": lambda body: body["error"]["status"] == "DEADLINE_EXCEEDED",
}


def asking(timeout: str = "0.3", path: str = "/v1/chat/completions", **members: Any) -> bytes:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5, **members}
    if "genai" in path:
        body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    return request(path=path, body=json.dumps(body).encode(), fields=[(FIELD, timeout)])


def patient(url: str, **more: Any) -> dict[str, Any]:
    """Whose own deadlines are all far away."""
    retry = {"attempts": 20, "backoff_initial": "30s", "backoff_max": "30s", "budget": 10}
    return configuration(url, retry=retry, **more)


def hanging(received: Received) -> list[Step]:
    return [Act.HOLD]


@pytest.mark.parametrize("path", PATHS)
def test_a_provider_that_hangs_is_given_up(path: str, start_gateway: Start) -> None:
    with Upstream(hanging) as upstream:
        gateway = start_gateway(patient(upstream.url))
        answer = ask(gateway.port, asking(path=path), timeout=60)
        assert PATHS[path](json.loads(answer.body)), answer.body
        assert answer.status == 504
        upstream.wait(lambda: not upstream.open)
        row = trail_of(gateway)[answer.header("x-microgate-request-id") or ""]
        assert (row.error_kind, row.status) == (ErrorKind.TIMEOUT_TOTAL, 504)


def test_connections_that_do_not_come_are_not_waited_for(start_gateway: Start) -> None:
    with blackhole() as url:
        gateway = start_gateway(patient(url, provider={"timeouts": {"connect": "50s"}}))
        assert ask(gateway.port, asking(), timeout=40).status == 504


def test_a_place_that_does_not_come_free_is_not_waited_for(start_gateway: Start) -> None:
    """The only connection there may be is in use."""
    with Upstream(hanging) as upstream:
        gateway = start_gateway(patient(upstream.url, provider={"max_connections": 1}))
        with closing(socket.create_connection(("127.0.0.1", gateway.port), 60)) as first:
            first.sendall(asking("30"))
            upstream.wait(lambda: len(upstream.requests) == 1)
            answer = ask(gateway.port, asking(), timeout=20)
        assert len(upstream.requests) == 1
        assert answer.status == 504


def test_the_total_deadline_holds_for_who_waits_for_a_place(start_gateway: Start) -> None:
    """A session has the only connection for as long as it likes: the others' time is over, and they never begin."""
    with Provider() as provider:
        bounds = {"max_connections": 1, "timeouts": {"total": "1s"}}
        gateway = start_gateway(configuration(provider.url, provider=bounds, retry={"attempts": 1}))

        async def main() -> list[int]:
            session = await connect(gateway.port, handshake("/v1/realtime?model=m"))
            assert isinstance(session, End)
            asked = (asyncio.to_thread(ask, gateway.port, request(), timeout=60) for _ in range(3))
            answers = await asyncio.gather(*asked)
            # It still has it.
            await session.json()
            session.abort()
            return [answer.status for answer in answers]

        assert run(main()) == [504] * 3
        assert len(provider.heads) == 1


def test_no_pause_goes_beyond_it(start_gateway: Start) -> None:
    """The provider's error is told at once instead."""
    with Upstream(lambda received: [http(SICK, 503, fields=["Retry-After: 20"])]) as upstream:
        gateway = start_gateway(patient(upstream.url))
        answer = ask(gateway.port, asking("15"), timeout=60)
        assert (answer.status, answer.body) == (503, SICK)
        assert len(upstream.requests) == 1


def test_fallbacks_share_it(start_gateway: Start) -> None:
    with Upstream(lambda received: [http(SICK, 503)]) as sick, Upstream(hanging) as slow:
        config = patient(sick.url)
        config["providers"]["slow"] = {**config["providers"]["mock"], "base_url": slow.url}
        config["routes"]["m"] = {"targets": ["mock/m"], "fallbacks": ["slow/m"]}
        gateway = start_gateway(config)
        answer = ask(gateway.port, asking("1.5"), timeout=60)
        assert (len(sick.requests), len(slow.requests)) == (1, 1)
        assert answer.status == 504
        first, second = (float(u.requests[0].header(FIELD) or 0) for u in (sick, slow))
        assert 0 < second <= first <= 1.5


def test_a_stream_is_cut_with_an_error_event(start_gateway: Start) -> None:
    def script(received: Received) -> list[Step]:
        return [chunked_head(), chunk(delta("begun")), Act.HOLD]

    with Upstream(script) as upstream:
        gateway = start_gateway(patient(upstream.url))
        answer = ask(gateway.port, asking("1", stream=True), timeout=60, whole=False)
        assert answer.status == 200
        assert b"begun" in answer.body
        assert FIELD.encode() in answer.body.rpartition(b"data: ")[2]
        assert b"[DONE]" not in answer.body
        upstream.wait(lambda: not upstream.open)


def test_what_is_late_already_is_not_begun(start_gateway: Start, upstream: Upstream) -> None:
    """No connection is made for it, and its record names no provider."""
    gateway = start_gateway(patient(upstream.url))
    answers = [ask(gateway.port, asking("0.000000001")) for _ in range(3)]
    assert {answer.status for answer in answers} == {504}
    assert upstream.visits == []
    assert {row.attempts for row in trail_of(gateway).values()} == {0}


def test_callers_in_a_hurry_eject_no_deployment(start_gateway: Start) -> None:
    with Upstream(hanging) as upstream:
        config = patient(upstream.url, health={"consecutive": 2, "throttle": False})
        gateway = start_gateway(config)
        for _ in range(4):
            assert ask(gateway.port, asking("0.5"), timeout=60).status == 504
        assert len(upstream.requests) >= 2
        assert LEFT_OUT not in gateway.stderr()


def test_what_comes_in_time_leaves_no_alarm(start_gateway: Start, upstream: Upstream) -> None:
    """One that is left would end the next request on the connection."""
    gateway = start_gateway(patient(upstream.url))
    with closing(socket.create_connection(("127.0.0.1", gateway.port), 60)) as kept:
        for value, pause_s in (("3", 0), ("60", 3.0), ("60", 0)):
            upstream.script = lambda received, pause_s=pause_s: [pause_s, http(CHAT)]
            answers = AnswerReader()
            kept.sendall(asking(value))
            while not answers.final:
                answers.feed(kept.recv(65536))
            assert answers.final[0].status == 200


def test_only_another_gateway_is_told(start_gateway: Start, upstream: Upstream) -> None:
    """A known vendor does not learn of it, and the caller's own field never passes."""
    config = patient(upstream.url)
    mock = config["providers"].pop("mock")
    config["providers"] = {"custom": mock, "groq": {**mock, "vendor": "groq"}}
    config["routes"] = {}
    gateway = start_gateway(config)
    for model in ("custom/m", "groq/m"):
        assert ask(gateway.port, asking("30", model=model)).status == 200
    custom, groq = upstream.requests
    assert custom.body == groq.body
    assert 10 < float(custom.header(FIELD) or 0) <= 30
    assert groq.header(FIELD) is None
    assert ask(gateway.port, request(body=b'{"model":"custom/m","messages":[]}')).status == 200
    assert upstream.requests[-1].header(FIELD) is None


@pytest.mark.parametrize(
    "value", ["", "0", "0.0", "-1", "1e3", "5m", "1_0", " ", "٣", "nan", "inf", "1,5", ".5", "5.", "0x1"]
)
def test_what_is_no_time_is_refused(value: str, shared_gateway: Gateway, shared_upstream: Upstream) -> None:
    shared_upstream.clear()
    raw = asking("@").replace(b"@", value.encode(), 1)
    answer = ask(shared_gateway.port, raw)
    assert answer.status == 400
    error = json.loads(answer.body)["error"]
    assert error["param"] == FIELD
    assert FIELD in error["message"]
    assert shared_upstream.requests == []


def test_credentials_come_before_it(shared_gateway: Gateway) -> None:
    raw = request(key="sk-wrong", fields=[(FIELD, "never")])
    assert ask(shared_gateway.port, raw).status == 401


@pytest.mark.parametrize("path", PATHS)
def test_a_refusal_speaks_the_callers_dialect(path: str, shared_gateway: Gateway) -> None:
    answer = ask(shared_gateway.port, asking("never", path=path))
    error = json.loads(answer.body)["error"]
    assert (answer.status, "never" in error["message"]) == (400, True)
    assert ("status" in error, "code" in error) == ("genai" in path, "anthropic" not in path)


def test_who_waits_for_a_slot_is_refused_at_its_time(start_gateway: Start) -> None:
    """Its place in the queue is free again, and no provider is asked."""
    with Upstream(hanging) as upstream:
        server = {"overload": {"under_way": 1, "queue": 1, "queue_wait": "50s", "loop_lag": 0}}
        gateway = start_gateway(patient(upstream.url, server=server))
        with closing(socket.create_connection(("127.0.0.1", gateway.port), 60)) as first:
            first.sendall(asking("50"))
            upstream.wait(lambda: len(upstream.requests) == 1)
            for _ in range(3):
                answer = ask(gateway.port, asking(), timeout=40)
                assert answer.status == 503
                assert b"the caller allows" in answer.body
        assert len(upstream.requests) == 1


def test_a_stream_whose_time_is_over_goes_on_nowhere(start_gateway: Start) -> None:
    def script(received: Received) -> list[Step]:
        return [chunked_head(), chunk(delta("begun")), Act.HOLD]

    with Upstream(script) as upstream:
        config = patient(upstream.url)
        config["routes"]["m"] = {"targets": ["mock/m"], "continue_on_cut": True}
        config["providers"]["mock"]["prefill"] = "turn"
        gateway = start_gateway(config)
        answer = ask(gateway.port, asking("1", stream=True), timeout=60, whole=False)
        assert FIELD.encode() in answer.body
        assert len(upstream.requests) == 1


def test_the_providers_own_total_is_told_as_such(start_gateway: Start) -> None:
    """A caller that would have waited for longer."""
    with Upstream(hanging) as upstream:
        gateway = start_gateway(patient(upstream.url, provider={"timeouts": {"total": "1s"}}))
        answer = ask(gateway.port, asking("30"), timeout=60)
        assert (answer.status, FIELD.encode() in answer.body) == (504, False)
