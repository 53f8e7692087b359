"""However a request ends, wherever it was put: nothing stays reserved, and what is enforced is what the ledger says."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _speedups._bucket import MONEY, Arena
from bench.reliability.asking import running
from bench.reliability.books import held, in_ledger, limits, nanodollars
from bench.reliability.endpoints import Endpoint, endpoints
from bench.reliability.figures import Outcome, figure
from bench.reliability.instance import wait_until
from tests.live.instance import Gateway, configuration
from tests.live.upstreams import CHAT, Act, Received, Script, Step, Upstream, chunk, chunked_head, delta, http
from tests.live.wire import KEY, ask

CLAUDE_KEY = "sk-claude-012345678901234567"
PRICES = [{"input": 1000, "output": 1000}]
LIMITS = [{"concurrency": 500}, {"requests": 10**6, "per": "day"}, {"tokens": 10**9, "per": "1h", "window": "rolling"}]
BUDGETS = [{"usd": 10**6, "per": "month"}]
AT_ONCE = 24
SETTLED_WITHIN_S = 15.0


@dataclass(frozen=True, slots=True)
class Ending:
    script: Script
    """What the provider does."""
    gone_s: float = 10.0
    """The caller hangs up after so long."""
    stream: bool = False
    """Where the endpoint has streams."""


def _seldom(good: bool) -> Script:
    number = iter(range(1_000_000_000))
    return lambda _: [http(CHAT)] if good and next(number) % 2 else [http("{}", 503)]


ENDINGS: dict[str, Ending] = {
    "ok": Ending(lambda _: [http(CHAT)]),
    "4xx": Ending(lambda _: [http('{"error":{"message":"no"}}', 400)]),
    "5xx": Ending(lambda _: [http("{}", 500)]),
    "time-out": Ending(lambda _: [5.0, http(CHAT)]),
    "caller gone before the first byte": Ending(lambda _: [0.5, http(CHAT)], gone_s=0.2),
    "caller gone in a stream": Ending(
        lambda _: [chunked_head(), chunk(delta("a")), 5.0, chunk(delta("b"))], gone_s=0.4, stream=True
    ),
    "connection reset": Ending(lambda _: [Act.RESET]),
    "stream cut": Ending(lambda _: [chunked_head(), chunk(delta("a")), Act.RESET], stream=True),
    "another attempt, good": Ending(_seldom(True)),
    "another attempt, bad": Ending(_seldom(False)),
}
"""Those that provider and caller bring about."""

HOOKS = """
import sys
from gateway.pipeline import HOOKS

def broken(x):
    raise RuntimeError("a hook of the test's own")

HOOKS[{point!r}].append(broken)
from gateway.cli.main import main
sys.argv[1:] = sys.argv[sys.argv.index("serve"):]
sys.exit(main())
"""
"""A gateway with a hook that raises: there is no way to load one yet."""


class Place:
    """A provider that does what it is told for the moment."""

    def __init__(self) -> None:
        self.script: Script = ENDINGS["ok"].script

    def __call__(self, received: Received) -> Sequence[Step]:
        return list(self.script(received))


def configured(url: str) -> dict[str, Any]:
    """Two keys of one team, each with an account of its own for stored objects; the limits are the team's."""
    keys = [
        {"name": "test", "value": KEY, "team": "all", "stateful": "mock/k1"},
        {"name": "claude", "value": CLAUDE_KEY, "team": "all", "stateful": "claude/k1"},
    ]
    config = configuration(
        url,
        prices=PRICES,
        teams={"all": {"limits": LIMITS, "budgets": BUDGETS}},
        virtual_keys=keys,
        timeouts={"first_byte": "1s", "total": "2s"},
        retry={"attempts": 2, "backoff_initial": "10ms", "backoff_max": "20ms"},
    )
    account = [{"name": "k1", "value": "sk-upstream-canary-2"}]
    config["providers"]["claude"] = {"dialect": "anthropic", "base_url": url.removesuffix("/v1"), "keys": account}
    return config


def asked(gateway: Gateway, all_of: Sequence[Endpoint], gone_s: float) -> None:
    """Ask at all of them, some at a time; what comes of it is another's business."""

    def one(endpoint: Endpoint) -> None:
        # ValueError: a session's frames are no answer.
        with contextlib.suppress(OSError, AssertionError, ValueError):
            ask(gateway.port, endpoint.raw, timeout=gone_s, methods=[endpoint.method], whole=False)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(one, all_of))


def books(gateway: Gateway) -> tuple[list[str], int]:
    """What is still reserved, and what is enforced minus what the ledger says: when both are nothing, or after a
    while."""
    left: list[str] = []
    difference = 0

    def even() -> bool:
        nonlocal left, difference
        shown = limits(gateway)
        left = [limit["counts"] for limit in shown if held(limit)]
        difference = nanodollars(shown[-1]["spent"]) - in_ledger(gateway)[1]
        return not left and not difference

    with contextlib.suppress(RuntimeError):
        wait_until(even, "the books are even", SETTLED_WITHIN_S)
    return left, difference


def _under_way(gateway: Gateway, upstream: Upstream, all_of: Sequence[Endpoint], then: Any) -> None:
    """Do ``then`` while the provider has a request of every caller that may ask at once."""
    before = len(upstream.requests)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(asked, gateway, all_of[:AT_ONCE], 20.0)
        wait_until(lambda: len(upstream.requests) - before >= len(all_of[:AT_ONCE]), "they are under way", 20)
        then()
        asking.result()


def killed(gateway: Gateway, upstream: Upstream, place: Place, all_of: Sequence[Endpoint]) -> None:
    """Kill the worker under requests at these endpoints, and wait for its successor."""
    place.script = lambda _: [Act.HOLD]
    for at in range(0, len(all_of), AT_ONCE):
        [pid] = gateway.worker_pids()
        _under_way(gateway, upstream, all_of[at:], lambda pid=pid: os.kill(pid, signal.SIGKILL))
        wait_until(lambda pid=pid: gateway.worker_pids() != [pid] and _serves(gateway), "its successor serves")


def _serves(gateway: Gateway) -> bool:
    with contextlib.suppress(OSError, AssertionError):
        return gateway.get("/readyz").status == 200
    return False


def drained(gateway: Gateway, upstream: Upstream, place: Place, all_of: Sequence[Endpoint]) -> tuple[list[str], int]:
    """SIGTERM under requests that outlast the drain. What is left is read from the arena, which this process still
    has; the rest as ``books``."""
    place.script = lambda _: [Act.HOLD]
    arena = Arena.attach(gateway.paths.arena)
    try:
        _under_way(gateway, upstream, all_of, gateway.stop)
        pending = arena.pending()
        now_ns = time.monotonic_ns()
        budget = next(slot for slot in range(arena.capacity) if arena.about(slot)[0] == MONEY)
        return ["reservations"] * bool(pending), arena.used(budget, now_ns) - in_ledger(gateway)[1]
    finally:
        arena.close()


@contextlib.contextmanager
def hooked(point: str, url: str) -> Iterator[Gateway]:
    """A gateway with a hook at this point that raises."""
    with tempfile.TemporaryDirectory(prefix="microgate-bench-", ignore_cleanup_errors=True) as folder:
        gateway = Gateway(Path(folder), configured(url))
        gateway.launcher = [sys.executable, "-c", HOOKS.format(point=point)]
        try:
            yield gateway.start()
        finally:
            # Not stopped: its log is full of the hook's own error.
            gateway.kill()


@figure("G4", guard="tests/live/test_endings.py")
def leaks(quick: bool) -> Outcome:
    """Every metered endpoint of the table of routes, once for each ending."""
    plain = list(endpoints(KEY, CLAUDE_KEY, unions=False))
    streamed = list(endpoints(KEY, CLAUDE_KEY, unions=False, stream=True))
    if quick:
        plain, streamed = plain[::6], streamed[::6]
    left: list[str] = []
    differing: list[str] = []

    def note(name: str, found: tuple[list[str], int]) -> None:
        left.extend(f"{name}: {counts}" for counts in found[0])
        differing.extend([f"{name}: {found[1]}"] * bool(found[1]))

    place = Place()
    with Upstream(place) as upstream:
        with running(configured(upstream.url)) as gateway:
            gateway.wait_for_control()
            for name, ending in ENDINGS.items():
                place.script = ending.script
                asked(gateway, streamed if ending.stream else plain, ending.gone_s)
                note(name, books(gateway))
            killed(gateway, upstream, place, plain)
            note("worker killed", books(gateway))
            note("drained", drained(gateway, upstream, place, plain))
        for point in ("parsed", "routed", "settled"):
            place.script = ENDINGS["ok"].script
            with hooked(point, upstream.url) as gateway:
                gateway.wait_for_control()
                asked(gateway, plain, 10.0)
                note(f"exception in a hook ({point})", books(gateway))
    values = {
        "endings": len(ENDINGS) + 3,
        "endpoints": len(plain),
        "left reserved": ", ".join(left) or "nothing",
        "enforced otherwise than the ledger says": ", ".join(differing) or "never",
        "cache hit": "there is no cache yet",
    }
    return Outcome(values, not left and not differing)
