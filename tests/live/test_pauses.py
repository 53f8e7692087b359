"""Pauses before a repeated attempt: drawn by lot, and what providers say of them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.live.fixtures import Start
from tests.live.instance import configuration
from tests.live.upstreams import CHAT, Received, Step, Upstream, http
from tests.live.wire import Answer, ask, request

SICK = b'{"error":{"message":"down","type":"server_error"}}'
RETRY = {"attempts": 2, "backoff_initial": "1s", "backoff_max": "1s", "budget": 10}


class Once:
    """Fails each request the first time; what lay between that and the second, in seconds."""

    def __init__(self, *fields: str) -> None:
        self.fields = fields
        self.first: dict[str, float] = {}
        self.pauses: list[float] = []

    def __call__(self, received: Received) -> list[Step]:
        user = received.json()["user"]
        if user not in self.first:
            self.first[user] = received.at
            return [http(SICK, 503, fields=self.fields)]
        self.pauses.append(received.at - self.first[user])
        return [http(CHAT)]


def asking(user: str) -> bytes:
    return request(body=json.dumps({"model": "m", "messages": [], "user": user}).encode())


def repeating(url: str, **retry: Any) -> dict[str, Any]:
    return configuration(url, retry={**RETRY, **retry})


def test_pauses_are_drawn_from_nothing_to_the_longest(start_gateway: Start) -> None:
    """Full jitter: callers that failed together do not come back together."""
    script = Once()
    with Upstream(script) as upstream:
        gateway = start_gateway(repeating(upstream.url))

        async def all_of_them() -> list[Answer]:
            asked = (asyncio.to_thread(ask, gateway.port, asking(str(number)), timeout=60) for number in range(30))
            return list(await asyncio.gather(*asked))

        assert {answer.status for answer in asyncio.run(all_of_them())} == {200}
        assert len(script.pauses) == 30
        assert len({int(pause * 10) for pause in script.pauses}) >= 4, "of ten parts that they may be in"


def test_a_wait_that_the_provider_names_is_kept(start_gateway: Start) -> None:
    script = Once("Retry-After: 1")
    with Upstream(script) as upstream:
        gateway = start_gateway(repeating(upstream.url, backoff_initial="1ms"))
        assert ask(gateway.port, asking("a"), timeout=60).status == 200
        assert script.pauses[0] >= 1


def test_a_wait_beyond_the_longest_is_the_callers(start_gateway: Start) -> None:
    script = Once("Retry-After: 3600")
    with Upstream(script) as upstream:
        gateway = start_gateway(repeating(upstream.url))
        answer = ask(gateway.port, asking("a"))
        assert (answer.status, answer.header("retry-after")) == (503, "3600")
        assert len(upstream.requests) == 1


@pytest.mark.parametrize("wait", ["soon", "-5", "nan", "1e999", "9" * 400, "0x10", ""])
def test_garbage_is_no_wait(wait: str, start_gateway: Start) -> None:
    script = Once(f"Retry-After: {wait}")
    with Upstream(script) as upstream:
        gateway = start_gateway(repeating(upstream.url, backoff_initial="1ms"))
        assert ask(gateway.port, asking("a")).status == 200
        assert len(upstream.requests) == 2
