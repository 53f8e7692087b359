"""Shadow targets: asked as well, and never noticed."""

from __future__ import annotations

import json
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson

from gateway.records import ErrorKind, Flags, Kind, Outcome
from providers.dialects import load
from providers.neutral import Answer, Choice, Text, Usage
from tests.live.fixtures import Start
from tests.live.instance import Gateway
from tests.live.test_health import asked, body, many, several, upstreams
from tests.live.trail import trail_of
from tests.live.upstreams import CHAT, Act, Received, Step, Upstream, http, stream, stream_events
from tests.live.wire import ask, request
from tests.waiting import wait_for


def shadowed(count: int = 2, share: float = 1.0, **more: Any) -> dict[str, Any]:
    """The route m to u0, with a shadow at each of the others, which have keys of their own."""
    config = several(count, **more)
    for name, provider in config["providers"].items():
        provider["keys"] = [{"name": "k", "value": f"sk-{name}-canary"}]
    shadows = [{"provider": f"u{index}", "model": f"other-{index}", "share": share} for index in range(1, count)]
    config["routes"] = {"m": {"targets": ["u0/m"], "shadow": shadows}}
    return config


def hanging(received: Received) -> list[Step]:
    return [Act.HOLD]


def failing(received: Received) -> list[Step]:
    return [http(b'{"error":{"message":"no"}}', 500)]


def shadow_metrics(gateway: Gateway) -> dict[str, float]:
    return {name: value for name, value in gateway.metrics().items() if name.startswith("microgate_shadow_requests")}


def chats(gateway: Gateway) -> dict[str, float]:
    counted = gateway.metrics().items()
    return {n: value for n, value in counted if n.startswith("microgate_requests_total") and 'operation="chat"' in n}


def test_a_copy_is_sent_with_its_own_model_and_key_and_is_not_shown(start_gateway: Start) -> None:
    def other(received: Received) -> list[Step]:
        return [http(b'{"id":"x","object":"chat.completion","choices":[],"secret":"of the shadow"}')]

    config = shadowed(3)
    with upstreams(config, None, other, None) as made:
        gateway = start_gateway(config)
        sent = body(temperature=0.5)
        answer = ask(gateway.port, request(body=sent, fields=[("openai-beta", "assistants=v2")]))
        assert answer.status == 200
        assert b"of the shadow" not in answer.body
        assert answer.header("x-microgate-provider") == "u0"
        for index in (1, 2):
            made[index].wait(lambda index=index: len(made[index].requests) == 1)  # type: ignore[misc]
            (copy,) = made[index].requests
            assert copy.body == sent.replace(b'"m"', b'"other-%d"' % index), "nothing else differs"
            assert copy.header("authorization") == f"Bearer sk-u{index}-canary"
            assert copy.header("openai-beta") == "assistants=v2"
        request_id = answer.header("x-microgate-request-id") or ""
        # A stop waits for none of them.
        gateway.wait_for_control()
        wait_for(lambda: sum(shadow_metrics(gateway).values()) >= 2, "the records of the copies")
        rows = trail_of(gateway)
        shadows = trail_of(gateway, Kind.SHADOW)
        assert rows[request_id].flags & Flags.SHADOW == 0
        row = shadows[request_id]
        assert row.flags & Flags.SHADOW
        assert (row.route, row.virtual_key) == (rows[request_id].route, rows[request_id].virtual_key)
        assert (row.status, row.outcome, row.attempts) == (200, Outcome.OK, 1)
        assert row.target_model in ("other-1", "other-2")


def test_one_that_hangs_delays_nobody_and_is_bounded(start_gateway: Start) -> None:
    config = shadowed()
    with upstreams(config, None, hanging) as made:
        gateway = start_gateway(config)
        answers = many(gateway, 150, 8)
        assert {answer.status for answer in answers} == {200}
        assert len(made[0].requests) == 150
        made[1].wait(lambda: len(made[1].requests) >= 64)
        assert len(made[1].requests) == 64, "no more than that at a time"


def test_a_share(start_gateway: Start) -> None:
    config = shadowed(share=0.2)
    with upstreams(config, None, None) as made:
        many(start_gateway(config), 500, 4)
        assert len(made[0].requests) == 500
        assert 47 < len(made[1].requests) < 153, "six standard deviations"


def test_errors_of_a_shadow_are_its_own(start_gateway: Start) -> None:
    config = shadowed()
    with upstreams(config, None, failing) as made:
        gateway = start_gateway(config)
        answers = many(gateway, 3)
        assert {answer.status for answer in answers} == {200}
        assert {answer.header("x-microgate-attempts") for answer in answers} == {"1"}
        made[1].wait(lambda: len(made[1].requests) == 3)
        gateway.wait_for_control()
        wait_for(lambda: sum(shadow_metrics(gateway).values()) >= 3, "the records of the copies")
        (labels,) = shadow_metrics(gateway)
        assert 'provider="u1",model="other"' in labels or 'model="other-1"' in labels
        assert 'status="500"' in labels
        wait_for(lambda: sum(chats(gateway).values()) >= 3, "the records of the calls")
        counted = gateway.metrics()
        assert sum(shadow_metrics(gateway).values()) == sum(chats(gateway).values()) == 3
        assert all('provider="u0"' in name for name in chats(gateway))
        attempts = [name for name in counted if name.startswith("microgate_attempts_total")]
        assert not any('provider="u1"' in name for name in attempts)
        assert asked(made) == [3, 3], "nothing is asked again"
        assert {row.error_kind for row in trail_of(gateway, Kind.SHADOW).values()} == {ErrorKind.UPSTREAM_SERVER}


def test_one_that_is_out_is_left_alone(start_gateway: Start) -> None:
    config = shadowed()
    with upstreams(config, None, failing) as made:
        gateway = start_gateway(config)
        for number in range(5):
            # One after the other: none is still on its way when it is left out.
            many(gateway, 1)
            made[1].wait(lambda number=number: len(made[1].requests) > number)  # type: ignore[misc]
        wait_for(lambda: "deployment u1/other-1 is left out" in gateway.stderr(), "five failures in a row to eject it")
        made[1].clear()
        many(gateway, 20)
        assert asked(made) == [25, 0]


def test_an_unreachable_one(start_gateway: Start) -> None:
    config = shadowed()
    with upstreams(config, None) as made:
        gateway = start_gateway(config)
        assert {answer.status for answer in many(gateway, 3)} == {200}
        assert len(made[0].requests) == 3
        gateway.wait_for_control()
        wait_for(lambda: sum(shadow_metrics(gateway).values()) >= 3, "the records")
        assert {row.outcome for row in trail_of(gateway, Kind.SHADOW).values()} == {Outcome.UNREACHABLE}


def test_a_stream_is_read_to_its_end_when_the_caller_has_gone(start_gateway: Start) -> None:
    def slowly(received: Received) -> list[Step]:
        return stream(stream_events(20), 0.02)

    config = shadowed()
    with upstreams(config, hanging, slowly) as made:
        gateway = start_gateway(config)
        with socket.create_connection(("127.0.0.1", gateway.port)) as caller:
            caller.sendall(request(body=body(stream=True)))
            made[0].wait(lambda: len(made[0].requests) == 1)
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gateway.wait_for_control()
        wait_for(lambda: sum(shadow_metrics(gateway).values()) >= 1, "the record")
        (row,) = trail_of(gateway, Kind.SHADOW).values()
        assert (row.outcome, row.stream) == (Outcome.OK, 1)
        assert row.completion_tokens > 0
        (own,) = trail_of(gateway).values()
        assert own.outcome == Outcome.CLIENT_ABORT


def test_a_shadow_of_another_dialect(start_gateway: Start) -> None:
    def claude(received: Received) -> list[Step]:
        dialect = load("anthropic")
        said = dialect.decode_request(received.json())
        answer = Answer("test", "id-1", "m", 1_700_000_000, [Choice(0, [Text("Yes.")], "stop")], Usage(31, 17))
        return [http(orjson.dumps(dialect.encode_answer(answer, said)))]

    config = shadowed()
    config["providers"]["u1"].update(dialect="anthropic", vendor="custom")
    with upstreams(config, None, claude) as made:
        config["providers"]["u1"]["base_url"] = made[1].url.removesuffix("/v1")
        gateway = start_gateway(config)
        assert {answer.status for answer in many(gateway, 1)} == {200}
        made[1].wait(lambda: len(made[1].requests) == 1)
        (copy,) = made[1].requests
        assert copy.target == "/v1/messages"
        assert copy.header("x-api-key") == "sk-u1-canary"
        told = copy.json()
        assert told["model"] == "other-1"
        assert told["messages"] == [{"role": "user", "content": "hi"}]
        gateway.wait_for_control()
        wait_for(lambda: sum(shadow_metrics(gateway).values()) >= 1, "the record")
        (row,) = trail_of(gateway, Kind.SHADOW).values()
        assert (row.prompt_tokens, row.completion_tokens) == (31, 17)


def test_what_is_not_copied(start_gateway: Start) -> None:
    """What names objects of an account, what is pinned, what makes no answer, and what a key may not show to others."""
    config = shadowed()
    config["virtual_keys"].append({"name": "kept", "value": "sk-kept-test-0123456789", "providers": ["u0"]})
    with upstreams(config, None, None) as made:
        gateway = start_gateway(config)
        pinned = request(body=body(), fields=[("x-microgate-provider", "u0")])
        kept = request(body=body(), key="sk-kept-test-0123456789")
        stored = json.dumps({"model": "m", "input": "hi", "previous_response_id": "resp_1"}).encode()
        moderation = json.dumps({"model": "m", "input": "hi"}).encode()
        for raw, path in (
            (pinned, ""), (kept, ""), (stored, "/v1/responses"), (moderation, "/v1/moderations"),
        ):  # fmt: skip
            ask(gateway.port, request(path=path, body=raw) if path else raw)
        unknown = request(body=body().replace(b'"m"', b'"u0/m"'))
        assert ask(gateway.port, unknown).status == 200, "by the provider's name: no route"
        embedding = json.dumps({"model": "m", "input": "hi"}).encode()
        ask(gateway.port, request(path="/v1/embeddings", body=embedding))
        made[1].wait(lambda: len(made[1].requests) == 1)
        assert [received.target for received in made[1].requests] == ["/v1/embeddings"]


def test_limits_of_the_caller_do_not_count_it(start_gateway: Start) -> None:
    config = shadowed()
    config["virtual_keys"][0]["limits"] = [{"requests": 5, "per": "1h"}]
    with upstreams(config, None, None) as made:
        statuses = [answer.status for answer in many(start_gateway(config), 6)]
        assert statuses == [200] * 5 + [429]
        made[1].wait(lambda: len(made[1].requests) == 5)


def test_callers_come_first_at_a_bounded_provider(start_gateway: Start) -> None:
    config = shadowed()
    config["providers"]["u1"]["max_concurrency"] = 4
    with upstreams(config, None, hanging) as made:
        gateway = start_gateway(config)
        many(gateway, 20)
        made[1].wait(lambda: len(made[1].requests) >= 2)
        assert len(made[1].requests) == 2, "half of what it may have"
        made[1].script = lambda received: [0.3, http(CHAT)]
        direct = request(body=body().replace(b'"m"', b'"u1/m"'))
        with ThreadPoolExecutor(4) as callers:
            answers = list(callers.map(lambda _: ask(gateway.port, direct), range(4)))
        assert [answer.status for answer in answers] == [200] * 4, "the two shadows that hang take no place"


def test_a_stop_does_not_wait_for_it(start_gateway: Start, upstream: Upstream) -> None:
    config = shadowed(server={"drain_timeout": "30s"})
    with upstreams(config, None, hanging) as made:
        gateway = start_gateway(config)
        many(gateway, 2)
        made[1].wait(lambda: len(made[1].requests) == 2)
        rows = trail_of(gateway, Kind.SHADOW)
        assert {row.outcome for row in rows.values()} == {Outcome.DRAINED}
        assert len(rows) == 2
