"""Deployments in trouble: left out, probed, throttled, bounded, and no load multiplied."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from gateway.records import Flags
from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.trail import trail_of
from tests.live.upstreams import CHAT, Act, Received, Step, Until, Upstream, http, ordinary, stream, stream_events
from tests.live.wire import Answer, ask, request
from tests.waiting import wait_for

SICK = b'{"error":{"message":"down","type":"server_error"}}'
HEALTH = {"consecutive": 5, "volume": 50, "rest": "60s", "throttle": False}


def failing(received: Received) -> list[Step]:
    return [http(SICK, 503)]


def several(count: int, **more: Any) -> dict[str, Any]:
    """Providers u0, u1, … whose addresses are put in later, behind the route m."""
    config = configuration("http://127.0.0.1:1", **{"health": HEALTH, **more})
    mock = config["providers"].pop("mock")
    config["providers"] = {f"u{index}": dict(mock) for index in range(count)}
    config["routes"] = {"m": {"targets": [f"u{index}/m" for index in range(count)]}}
    return config


@contextmanager
def upstreams(config: dict[str, Any], *scripts: Any) -> Iterator[list[Upstream]]:
    """One for each provider; without a script it answers."""
    with ExitStack() as stack:
        made = [stack.enter_context(Upstream(script) if script else Upstream()) for script in scripts]
        for index, upstream in enumerate(made):
            config["providers"][f"u{index}"]["base_url"] = upstream.url
        yield made


def body(**members: Any) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], **members}).encode()


def asked(made: list[Upstream]) -> list[int]:
    return [len(upstream.requests) for upstream in made]


def many(gateway: Gateway, count: int, at_once: int = 1, **fields: str) -> list[Answer]:
    """``count`` requests, so many of them at the same time."""
    raw = request(body=body(), fields=[(name.replace("_", "-"), value) for name, value in fields.items()])

    async def one(gate: asyncio.Semaphore) -> Answer:
        async with gate:
            return await asyncio.to_thread(ask, gateway.port, raw)

    async def all_of_them() -> list[Answer]:
        gate = asyncio.Semaphore(at_once)
        return list(await asyncio.gather(*(one(gate) for _ in range(count))))

    return asyncio.run(all_of_them())


def test_one_deployment_of_five_that_fails_is_left_out(start_gateway: Start) -> None:
    """B8: after five failures nobody asks it any more, and no caller has noticed."""
    config = several(5)
    with upstreams(config, failing, None, None, None, None) as made:
        gateway = start_gateway(config)
        answers = many(gateway, 300)
        assert Counter(answer.status for answer in answers) == {200: 300}
        assert len(made[0].requests) == 5
        assert min(asked(made)[1:]) > 30, "the others share its part"
        assert "deployment u0/m is left out for" in gateway.stderr()


def test_workers_share_what_they_know(start_gateway: Start) -> None:
    config = several(2)
    config["routes"]["m"] = {"targets": ["u0/m"], "fallbacks": ["u1/m"]}
    with upstreams(config, failing, None) as made:
        gateway = start_gateway(config, workers=2)
        assert {answer.status for answer in many(gateway, 100, 2)} == {200}
        assert 5 <= len(made[0].requests) <= 6, "five failures over both, and what was under way"


def test_it_is_probed_and_comes_back(start_gateway: Start) -> None:
    """B9: when its rest is over one request at a time finds out; the others go elsewhere."""
    config = several(2, retry={"attempts": 2})
    config["health"] = {**HEALTH, "rest": "1s", "rest_max": "1s"}
    config["routes"]["m"] = {"targets": ["u0/m"], "fallbacks": ["u1/m"]}
    mended = False

    def script(received: Received) -> list[Step]:
        return [0.3, http(CHAT)] if mended else [http(SICK, 500)]

    with upstreams(config, script, None) as made:
        gateway = start_gateway(config)
        many(gateway, 5)
        assert len(made[0].requests) == 5
        mended = True
        made[0].clear()

        def probed() -> bool:
            ask(gateway.port, request(body=body()))
            return bool(made[0].requests)

        wait_for(probed, "a probe")
        wait_for(lambda: "deployment u0/m answers again" in gateway.stderr(), "the log")
        made[0].script = ordinary
        assert {answer.header("x-microgate-provider") for answer in many(gateway, 20)} == {"u0"}


def test_two_hundred_callers_make_one_probe(start_gateway: Start) -> None:
    config = several(2)
    config["health"] = {**HEALTH, "rest": "1s", "rest_max": "1s"}
    config["routes"]["m"] = {"targets": ["u0/m"], "fallbacks": ["u1/m"]}
    with upstreams(config, failing, None) as made:
        gateway = start_gateway(config)
        many(gateway, 6)
        for upstream in made:
            upstream.clear()
        # It takes as long as all the others of its round.
        made[0].script = lambda received: [Until(lambda: len(made[1].requests) % 200 == 199), http(SICK, 500)]
        answers: list[Answer] = []

        def due() -> bool:
            answers.extend(many(gateway, 200, 50))
            return len(made[0].requests) > 0

        wait_for(due, "a probe")
        assert {answer.status for answer in answers} == {200}
        assert len(made[0].requests) == 1


def test_when_all_fail_all_are_asked(start_gateway: Start) -> None:
    """B10: never nobody."""
    config = several(3, retry={"attempts": 1})
    with upstreams(config, failing, failing, failing) as made:
        gateway = start_gateway(config)
        many(gateway, 60)
        for upstream in made:
            upstream.clear()
        answers = many(gateway, 60)
        assert {answer.status for answer in answers} == {503}
        assert sum(asked(made)) == 60
        assert min(asked(made)) > 4
        for upstream in made:
            upstream.script = lambda received: [http(CHAT)]
        assert {answer.status for answer in many(gateway, 30)} == {200}, "one that answers is back at once"


def test_neither_limits_nor_callers_mistakes_are_sickness(start_gateway: Start) -> None:
    """B11, B12."""
    config = several(2)
    config["routes"]["m"] = {"targets": ["u0/m"], "fallbacks": ["u1/m"]}
    status = 400

    def script(received: Received) -> list[Step]:
        return [http(b'{"error":{"message":"no","type":"invalid_request_error"}}', status)]

    with upstreams(config, script, None) as made:
        gateway = start_gateway(config)
        assert {answer.status for answer in many(gateway, 100)} == {400}
        assert asked(made) == [100, 0]
        status = 429
        many(gateway, 20)
        assert len(made[0].requests) == 120, "an only key goes on being asked"
        assert "left out" not in gateway.stderr()


def test_a_provider_that_fails_everything_is_not_asked_twice_as_often(start_gateway: Start) -> None:
    """B5: further attempts stay within a fifth of the first ones, whether repeated or sent elsewhere."""
    config = several(2, retry={"attempts": 3, "backoff_initial": "1ms", "backoff_max": "2ms"})
    config["routes"]["m"] = {"targets": ["u0/m"], "fallbacks": ["u1/m"]}
    with upstreams(config, failing, failing) as made:
        gateway = start_gateway(config)
        answers = many(gateway, 1000, 20)
        assert {answer.status for answer in answers} == {503}
        assert sum(asked(made)) <= 1.2 * 1000 + 20, asked(made)


def test_a_fallback_that_is_well_is_always_asked(start_gateway: Start) -> None:
    """However often the first target fails: the budget is for providers in trouble."""
    config = several(2)
    config["health"] = {"consecutive": 1000, "volume": 1_000_000, "throttle": False}
    config["routes"]["m"] = {"targets": ["u0/m"], "fallbacks": ["u1/m"]}
    with upstreams(config, failing, None) as made:
        gateway = start_gateway(config)
        assert {answer.status for answer in many(gateway, 200, 10)} == {200}
        assert asked(made) == [200, 200]


def test_a_provider_that_refuses_most_is_sent_less(start_gateway: Start) -> None:
    """D9."""
    config = several(1, retry={"attempts": 1})
    config["health"] = {"consecutive": 1000, "volume": 1_000_000}
    with upstreams(config, failing) as made:
        gateway = start_gateway(config)
        answers = many(gateway, 600, 4)
        assert len(made[0].requests) < 300
        unsent = [answer for answer in answers if b"was not sent" in answer.body]
        assert len(unsent) == 600 - len(made[0].requests)
        assert {(answer.status, answer.header("retry-after")) for answer in unsent} == {(503, "1")}


def test_a_provider_has_no_more_under_way_than_it_may(start_gateway: Start) -> None:
    """B17: the others are answered meanwhile, at once."""
    config = several(2, retry={"attempts": 1})
    config["providers"]["u0"]["max_concurrency"] = 3
    config["routes"] = {"a": {"targets": ["u0/m"]}, "m": {"targets": ["u1/m"]}}
    with upstreams(config, lambda received: [Act.HOLD], None) as made:
        gateway = start_gateway(config)

        async def main() -> list[Answer]:
            raw = request(body=body().replace(b'"m"', b'"a"', 1))
            hanging = [asyncio.create_task(asyncio.to_thread(ask, gateway.port, raw, timeout=60)) for _ in range(3)]
            await asyncio.to_thread(made[0].wait, lambda: len(made[0].requests) == 3)
            refused = [await asyncio.to_thread(ask, gateway.port, raw) for _ in range(5)]
            well = [await asyncio.to_thread(ask, gateway.port, request(body=body())) for _ in range(5)]
            made[0].each_open(lambda transport: transport.abort())
            ended = await asyncio.gather(*hanging)
            assert {answer.status for answer in ended} == {502}
            again = asyncio.create_task(asyncio.to_thread(ask, gateway.port, raw, timeout=60))
            await asyncio.to_thread(made[0].wait, lambda: len(made[0].requests) == 4)
            made[0].each_open(lambda transport: transport.abort())
            await again
            assert {answer.status for answer in well} == {200}
            return refused

        refused = asyncio.run(main())
        assert {answer.status for answer in refused} == {503}
        assert all(b"as many requests under way as it may have" in answer.body for answer in refused)


def test_a_cut_stream_counts_against_its_deployment(start_gateway: Start) -> None:
    config = several(2)
    config["routes"]["m"] = {"targets": ["u0/m"], "fallbacks": ["u1/m"]}

    def cut(received: Received) -> list[Step]:
        return [*stream(stream_events(3)[:2])[:-1], Act.RESET]

    with upstreams(config, cut, lambda received: stream(stream_events(3))) as made:
        gateway = start_gateway(config)
        raw = request(body=body(stream=True))
        for _ in range(5):
            with pytest.raises(AssertionError, match=r"no whole answer.*stream_cut"):
                ask(gateway.port, raw)
        assert ask(gateway.port, raw).body.endswith(b"[DONE]\n\n")
        assert asked(made) == [5, 1]


def test_the_record_tells_of_the_way(start_gateway: Start) -> None:
    config = several(2)
    config["routes"]["m"] = {"targets": ["u0/m"], "fallbacks": ["u1/m"]}
    with upstreams(config, failing, None):
        gateway = start_gateway(config)
        (answer,) = many(gateway, 1)
        assert answer.header("x-microgate-attempts") == "2"
        assert answer.header("x-microgate-provider") == "u1"
        (row,) = trail_of(gateway).values()
        assert row.flags & Flags.FALLBACK
        assert row.flags & Flags.RETRIED
