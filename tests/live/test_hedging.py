"""A second attempt beside a slow first one: who wins, who pays, and that the caller gets one answer."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from typing import Any

import pytest

from gateway.records import Flags, Kind, Outcome, UsageSource
from tests.live.fixtures import Start
from tests.live.test_health import asked, body, many, several, upstreams
from tests.live.trail import trail_of
from tests.live.upstreams import CHAT, Act, Received, Step, Until, Upstream, http, stream, stream_events
from tests.live.wire import ask, request


def hanging(received: Received) -> list[Step]:
    return [Act.HOLD]


def hedged(count: int = 2, **rules: Any) -> dict[str, Any]:
    config = several(count, retry={"attempts": 2, "backoff_initial": "1ms", "backoff_max": "2ms"})
    first, *others = (f"u{index}/m" for index in range(count))
    config["routes"]["m"] = {"targets": [first], "fallbacks": others, "hedge": {"after": "100ms", "share": 1, **rules}}
    return config


def once_hedged(made: list[Upstream], *steps: Step) -> list[Step]:
    """What the first provider does as soon as the second one has been asked too."""
    return [Until(lambda: made[1].requests), *steps]


def closed(upstream: Upstream) -> bool:
    return all(visit.closed for visit in upstream.visits)


@pytest.mark.parametrize("streamed", [False, True])
def test_the_second_one_answers(start_gateway: Start, streamed: bool) -> None:
    config = hedged()
    with upstreams(config, hanging, lambda received: stream(stream_events(2)) if streamed else [http(CHAT)]) as made:
        gateway = start_gateway(config)
        answer = ask(gateway.port, request(body=body(stream=streamed)))
        assert answer.status == 200
        assert answer.header("x-microgate-provider") == "u1"
        assert answer.header("x-microgate-attempts") == "2"
        assert answer.body.endswith(b"[DONE]\n\n") if streamed else json.loads(answer.body)["object"]
        made[0].wait(lambda: closed(made[0]))
        assert asked(made) == [1, 1]
        (row,) = trail_of(gateway).values()
        assert row.flags & Flags.HEDGED
        assert (row.outcome, row.attempt, row.attempts) == (Outcome.OK, 2, 2)


def test_the_loser_is_recorded(start_gateway: Start) -> None:
    config = hedged()
    with upstreams(config, hanging, None):
        gateway = start_gateway(config)
        many(gateway, 1)
        (row,) = trail_of(gateway, Kind.ATTEMPT).values()
        assert (row.outcome, row.attempt, row.error_kind) == (Outcome.CANCELLED, 1, 0)
        # Its provider may charge for what it had begun.
        assert (row.usage_source, row.completion_tokens) == (UsageSource.ESTIMATE, 0)
        assert row.prompt_tokens > 0


def test_the_first_one_answers_after_all(start_gateway: Start) -> None:
    config = hedged()
    with upstreams(config, lambda received: once_hedged(made, http(CHAT)), hanging) as made:
        gateway = start_gateway(config)
        (answer,) = many(gateway, 1)
        assert answer.header("x-microgate-provider") == "u0"
        assert answer.header("x-microgate-attempts") == "2"
        made[1].wait(lambda: closed(made[1]))
        assert asked(made) == [1, 1]
        (row,) = trail_of(gateway).values()
        assert (row.attempt, row.attempts) == (1, 2)


def test_a_quick_answer_is_not_hedged(start_gateway: Start) -> None:
    config = hedged(after="2s")
    with upstreams(config, None, None) as made:
        many(start_gateway(config), 50)
        assert asked(made) == [50, 0]


def test_a_second_one_that_fails_changes_nothing(start_gateway: Start) -> None:
    config = hedged()
    with upstreams(
        config, lambda received: once_hedged(made, 0.2, http(CHAT)), lambda received: [http(b"{}", 500)]
    ) as made:
        gateway = start_gateway(config)
        (answer,) = many(gateway, 1)
        assert (answer.status, answer.header("x-microgate-provider")) == (200, "u0")
        assert asked(made) == [1, 1]


@pytest.mark.parametrize("how", [http(b'{"error":{"message":"no"}}', 500), Act.RESET])
def test_a_first_one_that_fails_leaves_it_to_the_second(start_gateway: Start, how: Step) -> None:
    config = hedged()
    with upstreams(config, lambda received: once_hedged(made, how), lambda received: [0.4, http(CHAT)]) as made:
        gateway = start_gateway(config)
        (answer,) = many(gateway, 1)
        assert (answer.status, answer.header("x-microgate-provider")) == (200, "u1")
        assert asked(made) == [1, 1], "no third attempt while one is under way"


def test_both_fail(start_gateway: Start) -> None:
    config = hedged()
    first, second = http(b'{"error":{"message":"first"}}', 500), http(b'{"error":{"message":"x"}}', 503)
    with upstreams(config, lambda received: once_hedged(made, first), lambda received: [0.4, second]) as made:
        gateway = start_gateway(config)
        (answer,) = many(gateway, 1)
        assert answer.status == 503


def test_a_mistake_of_the_callers_is_told_at_once(start_gateway: Start) -> None:
    config = hedged()
    mistake = http(b'{"error":{"message":"no"}}', 400)
    with upstreams(config, lambda received: once_hedged(made, mistake), hanging) as made:
        gateway = start_gateway(config)
        (answer,) = many(gateway, 1)
        assert answer.status == 400
        made[1].wait(lambda: closed(made[1]))


def test_no_more_than_the_share(start_gateway: Start) -> None:
    """Of 300 requests that all take long: a twentieth, and what was saved."""
    config = hedged(after="20ms", share=0.05)
    config["health"] = {"consecutive": 1000, "volume": 1_000_000, "throttle": False}
    with upstreams(config, lambda received: [0.06, http(CHAT)], lambda received: [0.06, http(CHAT)]) as made:
        many(start_gateway(config), 300, 20)
        assert len(made[1].requests) <= 5 + 0.05 * 300
        assert len(made[1].requests) >= 5


def test_one_key_one_target(start_gateway: Start) -> None:
    """The same provider is asked again; with several keys by another one."""
    config = hedged(1)
    config["routes"]["m"] = {"targets": ["u0/m"], "hedge": {"after": "100ms", "share": 1}}
    config["providers"]["u0"]["keys"] = [{"name": name, "value": f"sk-{name}-canary"} for name in ("ka", "kb")]

    def second_only(received: Received) -> list[Step]:
        return [http(CHAT)] if len(made[0].requests) > 1 else [Act.HOLD]

    with upstreams(config, second_only) as made:
        gateway = start_gateway(config)
        (answer,) = many(gateway, 1)
        assert answer.status == 200
        assert len({received.header("authorization") for received in made[0].requests}) == 2


def test_a_caller_who_leaves_ends_both(start_gateway: Start) -> None:
    config = hedged()
    with upstreams(config, hanging, hanging) as made:
        gateway = start_gateway(config)

        async def main() -> None:
            _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            writer.write(request(body=body()))
            await asyncio.to_thread(made[1].wait, lambda: len(made[1].requests) == 1)
            reset = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            writer.transport.abort()
            for upstream in made:
                await asyncio.to_thread(upstream.wait, lambda upstream=upstream: closed(upstream))

        asyncio.run(main())
        (row,) = trail_of(gateway).values()
        assert (row.outcome, row.attempts) == (Outcome.CLIENT_ABORT, 2)


def test_across_dialects(start_gateway: Start) -> None:
    """The second target speaks another dialect: the caller gets its own."""
    config = hedged()
    config["providers"]["u1"] = {**config["providers"]["u1"], "dialect": "anthropic"}
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "from the second"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 4},
    }
    with upstreams(config, hanging, lambda received: [http(json.dumps(message))]):
        gateway = start_gateway(config)
        (answer,) = many(gateway, 1)
        said = json.loads(answer.body)
        assert said["choices"][0]["message"]["content"] == "from the second"
        assert said["usage"]["completion_tokens"] == 4


def test_the_delay_is_learned(start_gateway: Start) -> None:
    """From a hundred answers on; then one that hangs is asked again long before any time-out."""
    config = hedged()
    del config["routes"]["m"]["hedge"]["after"]
    hang = False
    with upstreams(config, lambda received: [Act.HOLD] if hang else [http(CHAT)], None) as made:
        gateway = start_gateway(config)
        many(gateway, 120)
        assert len(made[1].requests) < 20, "few of the ordinary ones take longer than 97 % do"
        hang = True
        (answer,) = many(gateway, 1)
        assert answer.header("x-microgate-provider") == "u1", "long before any time-out of ours"
