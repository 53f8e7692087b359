"""A request that has joined another one's call is a request like any other: slow, gone, overdue or cut by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.cache.flying import Place, Plays, asking, check_joined, gone, group, joiners, run, so, to_claude
from tests.live.upstreams import Act, Step, Upstream, chunk, chunked_head, delta, event, http, stream_events
from tests.live.wire import Answer

LONG = [delta(f"{number} " + "x" * 30_000) for number in range(30)]
"""Less than is kept of an answer, more than sockets hold."""


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


def streaming(*steps: Step) -> list[Step]:
    return [chunked_head(), *steps, chunk(b"")]


def test_a_slow_one_keeps_nobody_waiting(place: Place) -> None:
    """It has everything in the end; the leader and the others have it before."""
    user = "slow"
    plays = place.plays
    events = [*LONG, *stream_events(1, usage=False)]
    plays.steps[user] = [streaming(chunk(events[0]), plays.gate(user), *map(chunk, events[1:]))]

    async def main() -> list[Answer]:
        leader, (slow, other) = await group(place, user, asking(user, stream=True), 2)
        await slow.until(1)
        slow.writer.transport.pause_reading()
        plays.open.add(user)
        answers = [await leader.read(), await other.read()]
        slow.writer.transport.resume_reading()
        return [*answers, await slow.read()]

    first, *others = run(main())
    assert first.body == b"".join(events)
    for answer in others:
        check_joined(answer, first)


def test_a_slow_leader_keeps_nobody_waiting(place: Place) -> None:
    user = "slow-leader"
    plays = place.plays
    events = [*LONG, *stream_events(1, usage=False)]
    plays.steps[user] = [streaming(chunk(events[0]), plays.gate(user), *map(chunk, events[1:]))]

    async def main() -> list[Answer]:
        leader, (other,) = await group(place, user, asking(user, stream=True), 1)
        await leader.until(1)
        leader.writer.transport.pause_reading()
        plays.open.add(user)
        answer = await other.read()
        leader.writer.transport.resume_reading()
        return [answer, await leader.read()]

    answer, first = run(main())
    assert first.body == b"".join(events)
    check_joined(answer, first)


def test_what_is_too_long_to_be_kept_goes_on_as_it_comes(place: Place) -> None:
    """Nobody joins it any more, and it is not stored."""
    user = "too-long"
    plays = place.plays
    many = LONG * 2
    plays.steps[user] = [
        streaming(
            plays.gate(f"{user}-1"), *map(chunk, many), plays.gate(user), *map(chunk, stream_events(1, usage=False))
        ),
        [http(b"{}", 400)],
    ]

    async def main() -> tuple[list[Answer], Answer]:
        leader, others = await group(place, user, asking(user, stream=True), 2)
        plays.open.add(f"{user}-1")
        await asyncio.gather(*(each.until(len(many)) for each in (leader, *others)))
        late, _ = await group(place, user, asking(user, stream=True), 0)
        plays.open.add(user)
        return [await each.read() for each in (leader, *others)], await late.read()

    (first, *others), late = run(main())
    assert first.body.startswith(b"".join(many))
    for answer in others:
        check_joined(answer, first)
    assert (late.status, late.header("x-microgate-cache")) == (400, "miss")
    assert place.kept(user) == []


def test_one_that_leaves_is_not_missed(place: Place) -> None:
    user = "one-leaves"
    plays = place.plays
    events = stream_events(3, usage=False)
    plays.steps[user] = [streaming(*map(chunk, events[:2]), plays.gate(user), *map(chunk, events[2:]))]

    async def main() -> list[Answer]:
        leader, others = await group(place, user, asking(user, stream=True), 3)
        await others[0].until(2)
        await gone(place, others[0], others[1])
        plays.open.add(user)
        return [await leader.read(), await others[2].read()]

    first, other = run(main())
    assert first.body == b"".join(events)
    check_joined(other, first)


def test_an_answer_that_breaks_off_breaks_off_for_all(place: Place) -> None:
    user = "broken"
    plays = place.plays
    events = stream_events(3, usage=False)
    plays.steps[user] = [[chunked_head(), *map(chunk, events[:2]), plays.gate(user), Act.RESET]]

    async def main() -> list[Answer]:
        leader, others = await group(place, user, asking(user, stream=True), 2)
        await leader.until(2)
        others += await joiners(place, user, asking(user, stream=True), 1)
        plays.open.add(user)
        return [await each.read() for each in (leader, *others)]

    for answer in run(main()):
        assert not answer.complete
        assert answer.body.startswith(b"".join(events[:2]))
        assert answer.body.count(b'"code":"stream_cut"') == 1
        assert (answer.header("x-microgate-request-id") or "-").encode() in answer.body
    assert place.kept(user) == []


def test_the_break_is_told_in_the_callers_dialect(place: Place) -> None:
    user = "broken-claude"
    plays = place.plays
    events = stream_events(3, usage=False)
    plays.steps[user] = [[chunked_head(), *map(chunk, events[:2]), plays.gate(user), Act.RESET]]

    async def main() -> list[Answer]:
        leader, others = await group(place, user, to_claude(user, "m", stream=True), 2)
        await leader.until(2)
        plays.open.add(user)
        return [await each.read() for each in (leader, *others)]

    first, *others = run(main())
    assert b"event: error\n" in first.body
    for answer in others:
        assert not answer.complete
        assert answer.body == first.body


def test_an_error_inside_a_stream_is_not_kept(place: Place) -> None:
    user = "failed"
    plays = place.plays
    fault = event(error={"message": "out of luck", "type": "server_error"})
    plays.steps[user] = [streaming(chunk(delta("t0 ")), plays.gate(user), chunk(fault), chunk(b"data: [DONE]\n\n"))]

    async def main() -> list[Answer]:
        leader, others = await group(place, user, asking(user, stream=True), 2)
        plays.open.add(user)
        return [await each.read() for each in (leader, *others)]

    first, *others = run(main())
    for answer in others:
        check_joined(answer, first)
    assert place.kept(user) == []


def test_a_request_with_a_deadline_of_its_own_shares_nothing(place: Place) -> None:
    user = "deadline"
    plays = place.plays
    plays.steps[user] = [[plays.gate(user), http(b"{}", 400)]]
    timed = asking(user).replace(b"\r\n\r\n", b"\r\nx-microgate-timeout: 50\r\n\r\n", 1)

    async def main() -> list[Answer]:
        made = [(await group(place, user, raw, 0))[0] for raw in (timed, asking(user), timed)]
        await so(lambda: len(place.calls(user)) == 3)
        plays.open.add(user)
        return [await each.read() for each in made]

    assert [answer.header("x-microgate-cache") for answer in run(main())] == ["miss"] * 3
