"""Equal requests that are under way at once, as a configured cache sees them: one call for each scope."""

from __future__ import annotations

import asyncio
from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.cache.flying import OTHER, Asked, Place, Plays, asking, run
from tests.live.fixtures import Start
from tests.live.instance import configuration
from tests.live.upstreams import CHAT, Step, Upstream, chunk, chunked_head, http, stream_events
from tests.live.wire import KEY, Answer, request


async def read_by_now(place: Place) -> None:
    """The worker has read what was sent before: it has answered who came behind it, more than once."""
    for _ in range(3):
        await (await Asked.of(place, request("GET", "/readyz", None))).read()


@pytest.mark.parametrize("streamed", [False, True])
def test_a_thousand_requests_of_two_keys_are_two_calls(start_gateway: Start, streamed: bool) -> None:
    plays = Plays()
    events = stream_events(6, usage=False)
    streaming: list[Step] = [
        chunked_head(), *map(chunk, events[:3]), plays.gate("go"), *map(chunk, events[3:]), chunk(b"")
    ]  # fmt: skip
    plays.steps["all"] = [streaming if streamed else [plays.gate("go"), http(CHAT)]]
    with Upstream(plays) as upstream:
        keys = [{"name": "test", "value": KEY}, {"name": "other", "value": OTHER}]
        gateway = start_gateway(configuration(upstream.url, cache={"enabled": True}, virtual_keys=keys))
        place = cast(Place, SimpleNamespace(gateway=gateway))

        async def main() -> list[list[Answer]]:
            async def many(key: str, count: int) -> list[Asked]:
                raw = asking("all", key=key, stream=streamed, temperature=0)
                return list(await asyncio.gather(*(Asked.of(place, raw) for _ in range(count))))

            made: list[list[Any]] = [await many(KEY, 500), await many(OTHER, 100)]
            await read_by_now(place)
            # Late: the head and what has come so far are told again.
            made[0] += await many(KEY, 400)
            await read_by_now(place)
            plays.open.add("go")
            return [list(await asyncio.gather(*(each.read() for each in those))) for those in made]

        by_key = run(main())
        assert len(plays.calls["all"]) == 2
        for answers in by_key:
            told = Counter(answer.header("x-microgate-cache") for answer in answers)
            assert told == {"miss": 1, "joined": len(answers) - 1}
            assert {answer.body for answer in answers} == {b"".join(events) if streamed else CHAT}
            assert all(answer.complete for answer in answers)
