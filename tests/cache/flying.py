"""A gateway in whose workers equal requests share calls, an upstream that plays its part for each of them, and callers
who read as much as they are told to."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import uvloop

from tests.live.instance import Gateway, configuration
from tests.live.upstreams import (
    Received,
    Step,
    Until,
    Upstream,
)
from tests.live.wire import KEY, Answer, AnswerReader, request
from tests.waiting import PATIENCE_S

OTHER = "sk-other-5e1d2c3b4a5968778695a4b3"
ROUTES = {
    "m": {"targets": ["mock/m"]},
    "narrow": {"targets": ["narrow/m"]},
    "claude": {"targets": ["claude/m"]},
    "hedged": {"targets": ["mock/m"], "fallbacks": ["narrow/m"], "hedge": {"after": "20ms", "share": 1}},
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

    def __init__(self, folder: Path, upstream: Upstream, plays: Plays, **key: Any) -> None:
        self.notes = folder / "notes"
        self.notes.mkdir()
        self.upstream = upstream
        self.plays = plays
        self.many = 100 if os.environ.get("MICROGATE_PURE") else 1000
        """Requests at once, as the build is quick or slow."""
        claude = {
            "dialect": "anthropic", "base_url": upstream.url.removesuffix("/v1"),
            "keys": [{"name": "k", "value": "sk-canary-2"}],
        }  # fmt: skip
        narrow = {
            "dialect": "openai_chat", "base_url": upstream.url.replace("127.0.0.1", "localhost"),
            "keys": [{"name": "k", "value": "sk-canary-3"}], "max_connections": 1,
        }  # fmt: skip
        config = configuration(
            upstream.url,
            provider={"stream_usage": "ask"},
            routes=ROUTES,
            virtual_keys=[
                {"name": "test", "value": KEY, "limits": [{"requests": 1_000_000, "per": "1h"}], **key},
                {"name": "other", "value": OTHER},
            ],
            retry={"attempts": 2, "backoff_initial": "1ms", "backoff_max": "1s"},
            prices=[{"model": "m", "input": 1.5, "output": 6}],
        )
        config["providers"] |= {"claude": claude, "narrow": narrow}
        self.gateway = Gateway(folder, config, env={"MICROGATE_TEST_NOTES": str(self.notes)})
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


class Asked:
    """One request on a connection of its own, and as much of its answer as has been read."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.answers = AnswerReader()
        self.events = 0
        """Of the stream, as far as it has been read."""
        self.counted = 0
        """Bytes of it in which they were counted."""

    @classmethod
    async def of(cls, place: Place, raw: bytes) -> Asked:
        made = cls(*await asyncio.open_connection("127.0.0.1", place.gateway.port))
        made.writer.write(raw)
        return made

    @property
    def answer(self) -> Answer:
        assert len(self.answers.final) == 1, self.answers.answers
        return self.answers.final[0]

    def count(self) -> int:
        if self.answers.final:
            body = self.answers.final[0].body
            self.events += body.count(b"\n\n", self.counted)
            self.counted = len(body) - (body.endswith(b"\n") and not body.endswith(b"\n\n"))
        return self.events

    async def until(self, events: int) -> None:
        while self.count() < events:
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
        """With a reset: who only closes may still be listening, for all that the other end knows."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
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
