"""Equal requests that are under way at once share one call, and each of them has its answer."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.live.fixtures import BUILDS
from tests.live.instance import Gateway, configuration
from tests.live.upstreams import (
    CHAT,
    USAGE_EVENT,
    Received,
    Step,
    Until,
    Upstream,
    chunk,
    chunked_head,
    http,
    stream_events,
)
from tests.live.wire import KEY, Answer, AnswerReader, request
from tests.waiting import PATIENCE_S

OTHER = "sk-other-5e1d2c3b4a5968778695a4b3"
ROUTES = {
    "m": {"targets": ["mock/m"]},
    "narrow": {"targets": ["narrow/m"]},
    "claude": {"targets": ["claude/m"]},
    "two": {"targets": ["mock/m"], "fallbacks": ["claude/m"]},
    "hedged": {"targets": ["mock/m", "narrow/m"], "hedge": {"after": "20ms", "share": 1}},
}


class Plays:
    """What the upstream does about requests of each ``user``: steps, one list a call."""

    def __init__(self) -> None:
        self.steps: dict[str, list[list[Step]]] = {}
        self.calls: dict[str, list[Received]] = {}
        self.open: set[str] = set()

    def __call__(self, received: Received) -> Iterable[Step]:
        body = received.json()
        user = body.get("user") or body.get("metadata", {}).get("user_id", "")
        calls = self.calls.setdefault(user, [])
        calls.append(received)
        steps = self.steps[user]
        return steps[min(len(calls), len(steps)) - 1]

    def gate(self, name: str) -> Until:
        """A pause until ``name`` is in ``open``."""
        return Until(lambda: name in self.open)


class Place:
    """A gateway, its upstream, and what the stand-in of its cache has written down."""

    def __init__(self, folder: Path, env: dict[str, str], upstream: Upstream, plays: Plays, **more: Any) -> None:
        self.notes = folder / "notes"
        self.notes.mkdir()
        self.upstream = upstream
        self.plays = plays
        claude = {"dialect": "anthropic", "base_url": upstream.url, "keys": [{"name": "k", "value": "sk-canary-2"}]}
        narrow = {
            "dialect": "openai_chat", "base_url": upstream.url.replace("127.0.0.1", "localhost"),
            "keys": [{"name": "k", "value": "sk-canary-3"}], "max_connections": 1,
        }  # fmt: skip
        config = configuration(
            upstream.url,
            provider={"stream_usage": "ask"},
            routes=ROUTES,
            virtual_keys=[
                {"name": "test", "value": KEY, "limits": [{"requests": 1_000_000, "per": "1h"}]},
                {"name": "other", "value": OTHER},
            ],
            retry={"attempts": 2, "backoff_initial": "1ms", "backoff_max": "2ms"},
            **more,
        )
        config["providers"] |= {"claude": claude, "narrow": narrow}
        self.gateway = Gateway(folder, config, env={**env, "MICROGATE_TEST_NOTES": str(self.notes)})
        self.gateway.launcher = [sys.executable, "-m", "tests.cache.launch"]

    def lines(self, name: str) -> list[str]:
        path = self.notes / name
        return path.read_text().splitlines() if path.exists() else []

    def entered(self, user: str) -> list[str]:
        return [word for each, word in map(str.split, self.lines("entered")) if each == user]

    def kept(self, user: str) -> list[list[Any]]:
        return [told for told in map(json.loads, self.lines("kept")) if told[0] == user]

    def calls(self, user: str) -> list[Received]:
        return self.plays.calls.get(user, [])


@pytest.fixture(scope="module", params=BUILDS)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    plays = Plays()
    with Upstream(plays) as upstream:
        made = Place(tmp_path_factory.mktemp("gateway"), BUILDS[request.param], upstream, plays)
        made.gateway.start()
        try:
            yield made
        finally:
            made.gateway.stop()


class Asked:
    """One request on a connection of its own, and as much of its answer as has been read."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.answers = AnswerReader()

    @classmethod
    async def of(cls, place: Place, raw: bytes) -> Asked:
        # What is not read stays in the socket, where the gateway notices it.
        made = cls(*await asyncio.open_connection("127.0.0.1", place.gateway.port, limit=4096))
        made.writer.write(raw)
        return made

    @property
    def answer(self) -> Answer:
        assert len(self.answers.final) == 1, self.answers.answers
        return self.answers.final[0]

    @property
    def events(self) -> int:
        return self.answers.final[0].body.count(b"\n\n") if self.answers.final else 0

    async def until(self, events: int) -> None:
        while self.events < events:
            data = await self.reader.read(65536)
            assert data, f"ended after {self.events} events"
            self.answers.feed(data)

    async def read(self) -> Answer:
        """To its end, or to the connection's."""
        while not (self.answers.final and self.answers.final[0].complete):
            data = await self.reader.read(65536)
            if not data:
                self.answers.eof()
                break
            self.answers.feed(data)
        self.writer.close()
        return self.answer

    def leave(self) -> None:
        self.writer.transport.abort()


def run(main: Awaitable[Any]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(PATIENCE_S):
            return await main

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(bounded())


async def so(condition: Callable[[], object], what: str = "") -> None:
    while not condition():
        await asyncio.sleep(0.002)


def asking(user: str, model: str = "m", key: str = KEY, **members: Any) -> bytes:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "user": user, **members}
    return request(body=json.dumps(body).encode(), key=key)


def to_claude(user: str, model: str = "claude", **members: Any) -> bytes:
    """The same in Anthropic's dialect."""
    body = {
        "model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}],
        "metadata": {"user_id": user}, "user": user, **members,
    }  # fmt: skip
    return request(path="/anthropic/v1/messages", body=json.dumps(body).encode())


async def group(place: Place, user: str, raw: bytes, count: int) -> tuple[Asked, list[Asked]]:
    """A leader, and ``count`` that have joined it."""
    before = len(place.entered(user))
    leader = await Asked.of(place, raw)
    await so(lambda: len(place.entered(user)) == before + 1)
    return leader, await joiners(place, user, raw, count)


async def gone(place: Place, *those: Asked) -> None:
    """They leave, and the gateway has noticed: it has answered somebody who came later."""
    for each in those:
        each.leave()
    for _ in range(2):
        await (await Asked.of(place, request("GET", "/readyz", None))).read()


async def joiners(place: Place, user: str, raw: bytes, count: int) -> list[Asked]:
    before = place.entered(user).count("joined")
    made = list(await asyncio.gather(*(Asked.of(place, raw) for _ in range(count))))
    await so(lambda: place.entered(user).count("joined") == before + count)
    return made


def check_joined(answer: Answer, like: Answer | None = None) -> None:
    """It has all of the leader's answer, and says whose it is."""
    assert answer.complete
    assert answer.header("x-microgate-cache") == "joined"
    assert answer.header("x-microgate-attempts") == "0"
    assert answer.header("x-microgate-cost") == "0"
    assert 0 <= int(answer.header("x-microgate-overhead-us") or -1) < PATIENCE_S * 1e6
    if like is not None:
        assert answer.status == like.status
        assert answer.body == like.body
        for name in ("content-type", "content-length", "transfer-encoding", "x-microgate-provider"):
            assert answer.header(name) == like.header(name)
        assert answer.header("x-microgate-request-id") != like.header("x-microgate-request-id")


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
        leader, others = await group(place, user, raw, 500)
        if streamed:
            await leader.until(3)
        others += await joiners(place, user, raw, 499)
        plays.open.add(user)
        return await leader.read(), list(await asyncio.gather(*(each.read() for each in others)))

    first, others = run(main())
    assert len(place.calls(user)) == 1
    assert first.header("x-microgate-cache") == "miss"
    assert first.body == (b"".join(events) if streamed else CHAT)
    for answer in others:
        check_joined(answer, first)
    ids = {answer.header("x-microgate-request-id") for answer in [first, *others]}
    assert len(ids) == 1000


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
        assert place.kept(user)[0][3:] == [base64.b64encode(wanted).decode(), True]

    async def main() -> None:
        await asyncio.gather(*(one(k) for k in range(len(events) + 1)))

    run(main())
