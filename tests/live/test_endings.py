"""However a request ends, nothing stays reserved, and what it took is counted once: in the arena as in the ledger."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from bench.reliability.books import held, limits, nanodollars
from bench.reliability.endings import (
    CLAUDE_KEY,
    ENDINGS,
    Place,
    asked,
    books,
    configured,
    drained,
    hooked,
    killed,
)
from bench.reliability.endpoints import Endpoint, endpoints
from bench.reliability.spending import NONSENSE, PER_TOKEN, body, spending
from tests.live.fixtures import Start
from tests.live.instance import Gateway
from tests.live.upstreams import CHAT, Act, Received, Step, Upstream, chunk, chunked_head, delta, http
from tests.live.wire import KEY, ask
from tests.waiting import PATIENCE_S, wait_for

BUDGETS = [{"usd": 10**6, "per": "month"}, {"usd": 10**6, "per": "30d", "window": "rolling"}]
EVEN: tuple[list[str], int] = ([], 0)


class World(NamedTuple):
    gateway: Gateway
    upstream: Upstream
    place: Place


def some(*, stream: bool = False) -> list[Endpoint]:
    """One endpoint of each kind of request."""
    all_of = endpoints(KEY, CLAUDE_KEY, unions=False, stream=stream)
    return list({(one.operation, one.anthropic): one for one in all_of}.values())


@pytest.fixture(scope="module")
def world(start_for_module: Start) -> Iterator[World]:
    place = Place()
    with Upstream(place) as upstream:
        gateway = start_for_module(configured(upstream.url))
        gateway.wait_for_control()
        yield World(gateway, upstream, place)
        gateway.stop()


@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_stays_reserved(ending: str, world: World) -> None:
    how = ENDINGS[ending]
    world.place.script = how.script
    asked(world.gateway, some(stream=how.stream), how.gone_s)
    assert books(world.gateway) == EVEN


def test_a_killed_worker_leaves_nothing_reserved_and_nothing_uncharged(world: World) -> None:
    killed(world.gateway, world.upstream, world.place, some())
    assert books(world.gateway) == EVEN


def test_a_drain_leaves_nothing_reserved_and_nothing_uncharged(start_gateway: Start) -> None:
    place = Place()
    with Upstream(place) as upstream:
        gateway = start_gateway({**configured(upstream.url), "server": {"drain_timeout": "500ms"}})
        gateway.wait_for_control()
        assert drained(gateway, upstream, place, some()) == EVEN


@pytest.mark.parametrize("point", ["parsed", "settled"])
def test_a_hook_that_raises_leaves_nothing_reserved(point: str) -> None:
    with Upstream() as upstream, hooked(point, upstream.url) as gateway:
        gateway.wait_for_control()
        answer = ask(gateway.port, body("/v1/chat/completions"))
        # What a hook behind the end does is no longer the caller's business.
        assert answer.status == (500 if point == "parsed" else 200)
        assert books(gateway) == EVEN
        assert "a hook of the test's own" in gateway.stderr()


def settled(gateway: Any) -> list[dict[str, Any]]:
    """Limits and budgets once nothing is reserved."""
    shown: list[dict[str, Any]] = []

    def free() -> bool:
        shown[:] = limits(gateway)
        return not any(map(held, shown))

    wait_for(free, "nothing is reserved")
    return shown


@pytest.mark.parametrize("many", [1, 7])
def test_a_stream_that_is_left_costs_what_it_brought(many: int) -> None:
    def script(_: Received) -> list[Step]:
        return [chunked_head(), *(chunk(delta(f"t{n} ")) for n in range(many)), Act.HOLD]

    with spending(script, workers=1, budgets=BUDGETS) as (gateway, _):
        with socket.create_connection(("127.0.0.1", gateway.port), PATIENCE_S) as leaving:
            leaving.sendall(body("/v1/chat/completions", stream=True, max_tokens=100))
            brought = b""
            while brought.count(b"data: ") < many:
                brought += leaving.recv(65536)
            # A caller that only stopped sending would still get what comes.
            leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        fixed, rolling = settled(gateway)
        assert nanodollars(fixed["spent"]) == many * PER_TOKEN
        assert nanodollars(rolling["spent"]) == pytest.approx(many * PER_TOKEN, abs=2**20)


def test_usage_that_cannot_be_gives_nothing_back() -> None:
    value: Any = None

    def script(_: Received) -> list[Step]:
        whole = json.loads(CHAT)
        whole["usage"] = {"prompt_tokens": value, "completion_tokens": value, "total_tokens": value}
        return [http(json.dumps(whole))]

    with spending(script, workers=1, budgets=BUDGETS) as (gateway, _):
        before = 0
        for value in NONSENSE:
            assert ask(gateway.port, body("/v1/chat/completions", max_tokens=10)).status == 200
            fixed, rolling = settled(gateway)
            assert nanodollars(fixed["spent"]) >= before, value
            assert not held(fixed)
            assert not held(rolling)
            before = nanodollars(fixed["spent"])
