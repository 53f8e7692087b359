"""Equal requests that are under way at once share one call, and each of them has its answer."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.cache.flying import (
    OTHER,
    Asked,
    Place,
    Plays,
    asking,
    check_joined,
    gone,
    group,
    joiners,
    run,
    so,
    to_claude,
)
from tests.live.upstreams import (
    CHAT,
    USAGE_EVENT,
    Act,
    Step,
    Upstream,
    chunk,
    chunked_head,
    event,
    http,
    stream_events,
)
from tests.live.wire import Answer
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    plays = Plays()
    with Upstream(plays) as upstream:
        made = Place(tmp_path_factory.mktemp("gateway"), upstream, plays)
        made.gateway.start()
        try:
            yield made
        finally:
            made.gateway.stop()


# --- one call


@pytest.mark.parametrize("streamed", [False, True])
def test_a_thousand_equal_requests_are_one_call(place: Place, streamed: bool) -> None:
    user = f"thousand-{streamed}"
    plays = place.plays
    events = stream_events(6, usage=False)
    streaming: list[Step] = [
        chunked_head(), *map(chunk, events[:3]), plays.gate(user), *map(chunk, events[3:]), chunk(b"")
    ]  # fmt: skip
    plays.steps[user] = [streaming if streamed else [plays.gate(user), http(CHAT)]]

    async def main() -> tuple[Answer, list[Answer]]:
        raw = asking(user, stream=streamed)
        leader, others = await group(place, user, raw, place.many // 2)
        if streamed:
            await leader.until(3)
        others += await joiners(place, user, raw, place.many // 2 - 1)
        plays.open.add(user)
        return await leader.read(), list(await asyncio.gather(*(each.read() for each in others)))

    first, others = run(main())
    assert len(place.calls(user)) == 1
    assert first.header("x-microgate-cache") == "miss"
    assert first.body == (b"".join(events) if streamed else CHAT)
    for answer in others:
        check_joined(answer, first)
    ids = {answer.header("x-microgate-request-id") for answer in [first, *others]}
    assert len(ids) == place.many


def test_requests_that_follow_each_other_are_calls_of_their_own(place: Place) -> None:
    user = "following"
    place.plays.steps[user] = [[http(CHAT)]]

    async def main() -> list[Answer]:
        return [await (await Asked.of(place, asking(user))).read() for _ in range(3)]

    assert [answer.header("x-microgate-cache") for answer in run(main())] == ["miss"] * 3
    assert len(place.calls(user)) == 3


def test_http_10_and_another_key_have_their_own_framing(place: Place) -> None:
    user = "framing"
    plays = place.plays
    events = stream_events(3, usage=False)
    plays.steps[user] = [[chunked_head(), chunk(events[0]), plays.gate(user), *map(chunk, events[1:]), chunk(b"")]]

    async def main() -> tuple[Answer, Answer, Answer]:
        raw = asking(user, stream=True)
        leader, _ = await group(place, user, raw, 0)
        (old,) = await joiners(place, user, raw.replace(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", 1), 1)
        (other,) = await joiners(place, user, asking(user, key=OTHER, stream=True), 1)
        plays.open.add(user)
        return await leader.read(), await old.read(), await other.read()

    first, old, other = run(main())
    check_joined(other, first)
    assert old.body == first.body
    assert old.header("transfer-encoding") is None
    assert old.header("connection") == "close"


def test_a_providers_error_is_told_to_all(place: Place) -> None:
    user = "refused"
    plays = place.plays
    plays.steps[user] = [[plays.gate(user), http(b'{"error":{"message":"no such thing"}}', 400)]]

    async def main() -> tuple[Answer, list[Answer]]:
        leader, others = await group(place, user, asking(user), 3)
        plays.open.add(user)
        return await leader.read(), [await each.read() for each in others]

    first, others = run(main())
    assert first.status == 400
    assert len(place.calls(user)) == 1
    for answer in others:
        check_joined(answer, first)
    assert place.kept(user) == []


# --- the leader leaves


def test_a_leader_that_leaves_at_any_event_takes_nothing_from_the_others(place: Place) -> None:
    plays = place.plays
    events = stream_events(4)

    async def one(k: int) -> None:
        """The leader leaves when ``k`` events have come; some have joined by then, some join later."""
        user = f"leaves-at-{k}"
        wanted = b"".join(each for each in events if each is not USAGE_EVENT)
        steps: list[Step] = [chunked_head()]
        for number, each in enumerate(events):
            steps += [plays.gate(f"{user}-{number}"), chunk(each)]
        plays.steps[user] = [[*steps, plays.gate(f"{user}-end"), chunk(b"")]]
        raw = asking(user, stream=True)
        leader, others = await group(place, user, raw, 2)
        for number in range(k):
            plays.open.add(f"{user}-{number}")
            if events[number] is not USAGE_EVENT:
                await others[0].until(others[0].events + 1)
        others += await joiners(place, user, raw, 1)
        await gone(place, leader)
        others += await joiners(place, user, raw, 1)
        for number in range(k, len(events)):
            plays.open.add(f"{user}-{number}")
        plays.open.add(f"{user}-end")
        for each in others:
            answer = await each.read()
            check_joined(answer)
            assert answer.body == wanted, (k, answer.body, wanted)
        assert len(place.calls(user)) == 1
        await so(lambda: place.kept(user))
        (kept,) = place.kept(user)
        assert kept[3:] == [base64.b64encode(wanted).decode(), True]

    async def main() -> None:
        await asyncio.gather(*(one(k) for k in range(len(events) + 1)))

    run(main())


# --- the leader leaves at every stage before its answer


@dataclass
class Stage:
    """Where a request is when its caller leaves."""

    steps: list[list[Step]]
    """Of its calls; the last of them waits for the gate."""
    model: str = "m"
    streamed: bool = False
    calls: int = 1
    """The leader leaves when so many have been made; 0: it waits for a connection."""
    claude: bool = False
    """Its caller speaks Anthropic's dialect."""


def claude_stream(count: int) -> list[bytes]:
    """Anthropic's events, each under its name."""
    usage = {"input_tokens": 20, "output_tokens": 1}
    message = {"id": "x", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": usage}
    told = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": f"{i} "}}
          for i in range(count)),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
         "usage": {"output_tokens": count}},
        {"type": "message_stop"},
    ]  # fmt: skip
    return [b"event: %b\n" % each["type"].encode() + event(**each) for each in told]


CLAUDE = json.dumps(
    {
        "id": "x", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
        "stop_sequence": None, "content": [{"type": "text", "text": "hello"}],
        "usage": {"input_tokens": 9, "output_tokens": 4},
    }
).encode()  # fmt: skip


def stages(plays: Plays, name: str) -> Stage:
    gate = plays.gate(name)
    events = stream_events(2, usage=False)
    whole = http(CHAT)
    streamed: list[Step] = [*map(chunk, events), chunk(b"")]
    garbage = http(b"<html>", content_type="text/html")
    pause = http(b"{}", 503, fields=["Retry-After: 1"])
    translated = claude_stream(3)
    return {
        "waits for a connection": Stage([[whole]], "narrow", calls=0),
        "has been sent": Stage([[gate, whole]]),
        "pauses before it is asked again": Stage([[pause], [gate, whole]]),
        "is asked again": Stage([[garbage], [gate, whole]], calls=2),
        "is held": Stage([[whole[:-9], gate, whole[-9:]]]),
        "is looked at": Stage([[chunked_head(), chunk(b": soon\n\n"), gate, *streamed]], streamed=True),
        "is hedged": Stage([[gate, Act.HOLD], [gate, whole]], "hedged", calls=2),
        "is translated": Stage([[gate, http(CLAUDE)]], "claude"),
        "is translated as a stream": Stage(
            [[chunked_head(), chunk(translated[0]), gate, *map(chunk, translated[1:]), chunk(b"")]], "claude", True
        ),
        "is listened to": Stage(
            [[chunked_head(), *map(chunk, translated[:3]), gate, *map(chunk, translated[3:]), chunk(b"")]],
            "claude", True, claude=True,
        ),
        "is put into another dialect": Stage(
            [[chunked_head(), *map(chunk, events[:1]), gate, *streamed[1:]]], "m", True, claude=True
        ),
    }[name]  # fmt: skip


STAGES = (
    "waits for a connection", "has been sent", "pauses before it is asked again", "is asked again", "is held",
    "is looked at", "is hedged", "is translated", "is translated as a stream", "is listened to",
    "is put into another dialect",
)  # fmt: skip


def test_a_leader_that_leaves_at_any_stage_takes_nothing_from_the_others(place: Place) -> None:
    plays = place.plays

    async def one(name: str) -> None:
        user = name.replace(" ", "-")
        stage = stages(plays, name)
        plays.steps[user] = stage.steps
        raw = (to_claude if stage.claude else asking)(user, stage.model, stream=stage.streamed)
        busy: list[Asked] = []
        if not stage.calls:
            plays.steps[f"alone-{user}"] = [[plays.gate(name), http(CHAT)]]
            busy.append(await Asked.of(place, asking(f"alone-{user}", stage.model)))
            await so(lambda: place.calls(f"alone-{user}"))
        leader, others = await group(place, user, raw, 2)
        await so(lambda: len(place.calls(user)) == stage.calls)
        await gone(place, leader)
        others += await joiners(place, user, raw, 1)
        plays.open.add(name)
        first, *rest = [await each.read() for each in [*others, *busy]][: len(others)]
        check_joined(first)
        assert first.status == 200, (name, first)
        assert b"hello" in first.body or b"t1 " in first.body or b"2 " in first.body
        for answer in rest:
            check_joined(answer, first)
        assert len(place.calls(user)) == len(stage.steps)

    async def main() -> None:
        # One after the other: the narrow provider has one connection.
        await one(STAGES[0])
        await asyncio.gather(*map(one, STAGES[1:]))

    run(main())


# --- the leader fails


def test_who_joined_a_leader_without_an_answer_is_not_told_its_failure(place: Place) -> None:
    """The first of them asks for the others."""
    user = "page-first"
    page = http(b"<html>", content_type="text/html")
    place.plays.steps[user] = [[page], [place.plays.gate(user), page], [http(CHAT)]]

    async def main() -> tuple[Answer, list[Answer]]:
        leader, others = await group(place, user, asking(user), 5)
        place.plays.open.add(user)
        return await leader.read(), [await each.read() for each in others]

    first, others = run(main())
    assert (first.status, first.header("x-microgate-cache")) == (502, "miss")
    assert [answer.status for answer in others] == [200] * 5
    assert [answer.header("x-microgate-cache") for answer in others].count("miss") == 1
    assert len(place.calls(user)) == 3
    wait_for(lambda: place.kept(user), "what is kept")
    assert len(place.kept(user)) == 1


def test_after_two_failures_each_asks_for_itself(place: Place) -> None:
    user = "pages"
    page = http(b"<html>", content_type="text/html")
    place.plays.steps[user] = [[page], [place.plays.gate(user), page], [page], [page], [http(CHAT)]]

    async def main() -> list[Answer]:
        leader, others = await group(place, user, asking(user), 5)
        place.plays.open.add(user)
        return [await each.read() for each in [leader, *others]]

    answers = run(main())
    assert sorted(answer.status for answer in answers) == [200] * 4 + [502] * 2
    assert {answer.header("x-microgate-cache") for answer in answers} == {"miss"}
    assert len(place.calls(user)) == 4 + 4
