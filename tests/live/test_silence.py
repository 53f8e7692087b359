"""Streams that do not begin, stand still, or are silent for a while."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gateway.records import ErrorKind, Flags, Kind, Outcome
from gateway.translation import events_of
from providers.dialects import load
from tests.live.fixtures import Start
from tests.live.instance import configuration
from tests.live.test_translation import CALLERS, NAMES, answer_of, asking, read
from tests.live.trail import trail_of
from tests.live.upstreams import (
    DONE,
    Act,
    Received,
    Step,
    Upstream,
    chunk,
    chunked_head,
    event,
    ordinary,
    stream_events,
)
from tests.live.wire import ask, request

ROLE = event(
    id="c", object="chat.completion.chunk", created=1, model="m", choices=[{"index": 0, "delta": {"role": "assistant"}}]
)
COMMENT = b": ping\n\n"
BODY = b'{"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": true}'
SLOW: dict[str, list[Step]] = {
    "no head": [Act.HOLD],
    "no event": [chunked_head(), Act.HOLD],
    "comments": [chunked_head(), *(step for _ in range(40) for step in (chunk(COMMENT), 0.1)), Act.HOLD],
    "a role": [chunked_head(), chunk(ROLE), Act.HOLD],
    "a role by and by": [chunked_head(), *(step for _ in range(40) for step in (chunk(ROLE), 0.1)), Act.HOLD],
}


def two(first: str, second: str, **more: Any) -> dict[str, Any]:
    """A route with a fallback; the first provider has 300 ms to its first token."""
    config = configuration(first, provider={"timeouts": {"first_token": "300ms"}}, **more)
    config["providers"]["other"] = {**config["providers"]["mock"], "base_url": second, "timeouts": {}}
    config["routes"]["m"] = {"targets": ["mock/m"], "fallbacks": ["other/m"]}
    return config


@pytest.mark.parametrize("how", SLOW)
def test_a_stream_that_does_not_begin_in_time_is_asked_for_elsewhere(start_gateway: Start, how: str) -> None:
    with Upstream(lambda received: SLOW[how]) as slow, Upstream() as sound:
        gateway = start_gateway(two(slow.url, sound.url))
        answer = ask(gateway.port, request(body=BODY))
        assert (answer.status, len(slow.requests), len(sound.requests)) == (200, 1, 1)
        assert answer.body.endswith(DONE)
        assert b"ping" not in answer.body
        assert b"role" not in answer.body, "nothing of the attempt that was given up is shown"
        slow.wait(lambda: slow.open == 0)
        attempts = trail_of(gateway, Kind.ATTEMPT)
        assert [row.error_kind for row in attempts.values()] == [ErrorKind.TIMEOUT_FIRST_TOKEN]
        (row,) = trail_of(gateway).values()
        assert (row.outcome, row.flags & Flags.FALLBACK) == (Outcome.OK, Flags.FALLBACK)


def test_a_deployment_whose_streams_do_not_begin_is_left_out(start_gateway: Start) -> None:
    with Upstream(lambda received: SLOW["a role"]) as slow, Upstream() as sound:
        gateway = start_gateway(two(slow.url, sound.url, health={"consecutive": 2, "rest": "60s"}))
        for _ in range(4):
            assert ask(gateway.port, request(body=BODY)).status == 200
        assert (len(slow.requests), len(sound.requests)) == (2, 4)


def test_without_another_target_what_there_is_is_shown(start_gateway: Start) -> None:
    """Comments and roles go to the caller, and from then on only the idle time-out counts."""
    late: list[Step] = [chunked_head(), chunk(ROLE), 1.5, *map(chunk, stream_events(2)), chunk(b"")]
    with Upstream(lambda received: late) as slow:
        gateway = start_gateway(configuration(slow.url, provider={"timeouts": {"first_token": "1s"}}))
        answer = ask(gateway.port, request(body=BODY))
        assert (answer.status, answer.complete, len(slow.requests)) == (200, True, 1)
        assert answer.body.startswith(ROLE)


def test_the_wait_for_the_first_token_is_no_wait_for_the_second(start_gateway: Start) -> None:
    """Once content has come in time, the pause behind it may be longer than the first one was allowed to be."""
    first, *others = map(chunk, stream_events(2))
    script: list[Step] = [chunked_head(), first, 1.5, *others, chunk(b"")]
    with Upstream(lambda received: script) as slow, Upstream() as sound:
        config = two(slow.url, sound.url)
        config["providers"]["mock"]["timeouts"] = {"first_token": "1s"}
        answer = ask(start_gateway(config).port, request(body=BODY))
        assert (answer.complete, len(sound.requests)) == (True, 0)
        assert answer.body.endswith(DONE)


def test_nobody_left_to_ask_is_a_timeout_with_its_status(start_gateway: Start) -> None:
    with Upstream(lambda received: SLOW["no event"]) as slow:
        config = configuration(slow.url, provider={"timeouts": {"first_token": "300ms"}}, retry={"attempts": 1})
        gateway = start_gateway(config)
        answer = ask(gateway.port, request(body=BODY))
        assert (answer.status, b'"upstream_timeout"' in answer.body) == (504, True)


def test_what_is_no_stream_may_take_its_time(start_gateway: Start) -> None:
    whole = BODY.replace(b'"stream": true', b'"stream": false')
    with Upstream(lambda received: [0.7, *ordinary(received)]) as slow, Upstream() as sound:
        gateway = start_gateway(two(slow.url, sound.url))
        assert ask(gateway.port, request(body=whole)).status == 200
        assert (len(slow.requests), len(sound.requests)) == (1, 0)


def in_every_dialect(url: str, **sections: Any) -> dict[str, Any]:
    """A provider of each dialect, called like it, with its name as the beginning of its paths."""
    origin = url.removesuffix("/v1")
    config = configuration(url, **sections)
    config["providers"] = {
        name.replace("_", "-"): {
            "dialect": name,
            "vendor": "custom",
            "base_url": f"{origin}/{name}",
            "keys": [{"name": "k", "value": "sk-upstream-canary"}],
            **({"operations": ["chat"]} if name == "openai_chat" else {}),
        }
        for name in NAMES
    }
    config["routes"] = {}
    return config


def pieces_of(received: Received, name: str) -> list[bytes]:
    """What a dialect says of each event of an answer; some say nothing."""
    dialect = load(name)
    body = received.json()
    asked = dialect.decode_request(body, model=body.get("model", received.target), stream=True)
    encoder = dialect.stream_encoder(asked)
    return [encoder.encode(event) for event in events_of(answer_of(name))]


def standing_still(received: Received) -> list[Step]:
    """The beginning of a stream in the dialect that stands first in the path."""
    name = received.target.split("/")[1]
    pieces = pieces_of(received, name)
    return [chunked_head(load(name).stream_type), *map(chunk, filter(None, pieces[:3])), Act.HOLD]


def test_a_stream_that_stands_still_ends_with_an_error_in_every_dialect(start_gateway: Start) -> None:
    """C6: whatever caller and provider speak, the caller is told, and the stream has no clean end."""
    with Upstream(standing_still) as upstream:
        config = in_every_dialect(upstream.url, timeouts={"stream_idle": "400ms"}, retry={"attempts": 1})
        gateway = start_gateway(config)
        pairs = [(caller, target) for caller in CALLERS for target in NAMES if target != "bedrock_invoke"]

        def one(pair: tuple[str, str]) -> str:
            caller, target = pair
            answer = ask(
                gateway.port,
                asking(caller, f"{target.replace('_', '-')}/the-model", stream=True),
                timeout=20,
                whole=False,
            )
            collected = read(caller, answer.body)
            name = f"{caller} <- {target}: {answer.status} {answer.body[-300:]!r}"
            told = collected.fault is not None and not collected.done and not answer.complete
            return "" if answer.status == 200 and told else name

        with ThreadPoolExecutor(len(pairs)) as pool:
            assert list(filter(None, pool.map(one, pairs))) == []
        rows = trail_of(gateway).values()
        assert {(row.outcome, row.error_kind) for row in rows} == {(Outcome.TIMEOUT, ErrorKind.TIMEOUT_IDLE)}
        assert len(rows) == len(pairs)


ALIVE = b": keep-alive\n\n"


def silent(received: Received) -> list[Step]:
    """A stream that is silent between two events, or (model ``half``) inside one."""
    name = received.target.split("/")[1]
    pieces = list(filter(None, pieces_of(received, name)))
    whole = b"".join(pieces)
    at = len(b"".join(pieces[:2])) + (9 if "half" in received.head.decode() + received.body.decode() else 0)
    return [chunked_head(load(name).stream_type), chunk(whole[:at]), 1.5, chunk(whole[at:]), chunk(b"")]


@pytest.mark.parametrize("keepalive", ["500ms", None])
def test_comments_keep_a_silent_stream_alive(start_gateway: Start, keepalive: str | None) -> None:
    with Upstream(silent) as upstream:
        config = in_every_dialect(upstream.url, server={"stream_keepalive": keepalive} if keepalive else {})
        gateway = start_gateway(config)
        cases = [
            (caller, target, model)
            for caller in CALLERS
            for target in (caller, "anthropic", "openai_chat")
            for model in ("the-model", "half")
        ]

        def one(case: tuple[str, str, str]) -> str:
            caller, target, model = case
            answer = ask(gateway.port, asking(caller, f"{target.replace('_', '-')}/{model}", stream=True))
            # Google's SDK and readers of frames know no comments; nor may one stand inside an event that is passed on.
            inside = caller == target and model == "half"
            wanted = bool(keepalive) and caller not in ("gemini", "bedrock") and not inside
            collected = read(caller, answer.body.replace(ALIVE, b""))
            right = (ALIVE in answer.body) is wanted and answer.complete and collected.done and not collected.fault
            return "" if right else f"{case}: {answer.body!r}"

        with ThreadPoolExecutor(len(cases)) as pool:
            assert list(filter(None, pool.map(one, cases))) == []
