"""Processes that are killed while a key with a budget is in use: what the provider was asked for, and what was charged.

Every call asks for a model of its own name, so that a call that the provider has received is found in the ledger, or is
not: the provider is the meter.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, Self

import uvloop

from _speedups._bucket import Arena
from bench.reliability.asking import running
from bench.reliability.books import nanodollars, usage
from bench.reliability.figures import Outcome, figure
from bench.reliability.instance import wait_until
from gateway.processes.heartbeat import SERVING
from gateway.records import Flags
from tests.live.instance import Gateway, configuration
from tests.live.upstreams import CHAT, Received, Step, Upstream, chunk, chunked_head, delta, http, stream_events
from tests.live.wire import KEY, request

PRICES = [{"input": 1000, "output": 1000}]
WORKERS = 4
AT_ONCE = 12
SERVED_S = 1.2
"""A worker that has served for so long is replaced at once."""


class Askers:
    """Callers that ask one after the other, each call over a connection of its own and for a model of its own, whole
    answers and streams; what comes of it is not their business. They run on a thread of their own."""

    def __init__(self, port: int) -> None:
        self.asked = 0
        self._port = port
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Finish what is being asked."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._all())

    async def _all(self) -> None:
        await asyncio.gather(*(self._ask() for _ in range(AT_ONCE)))

    async def _ask(self) -> None:
        while not self._stopped.is_set():
            self.asked += 1
            message = [{"role": "user", "content": "hi"}]
            asked = {"model": f"mock/c{self.asked}", "max_tokens": 20, "messages": message}
            if self.asked % 2:
                asked["stream"] = True
            raw = request(body=json.dumps(asked).encode(), fields=[("Connection", "close")])
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(10):
                    reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                    writer.write(raw)
                    await reader.read()
                    writer.close()
            await asyncio.sleep(0.01)


def _answers(received: Received) -> list[Step]:
    pause = random.random() * 0.1
    if not received.json().get("stream"):
        return [pause, http(CHAT)]
    events = stream_events(usage=True)
    return [chunked_head(), chunk(delta("a")), pause, *map(chunk, events), chunk(b"")]


class Killing:
    """Kills the processes of one gateway, one at a time."""

    def __init__(self, gateway: Gateway, chance: random.Random) -> None:
        self.gateway = gateway
        self.arena = Arena.attach(gateway.paths.arena)
        self.chance = chance
        self.serving: dict[int, tuple[int, float]] = {}
        """Place -> process id, and since when it is seen to serve."""
        self.dead: set[int] = set()
        self.kills: Counter[str] = Counter()

    def close(self) -> None:
        self.arena.close()

    def seasoned(self) -> list[int]:
        """Process ids of workers that have served long enough to be replaced at once."""
        now = time.monotonic()
        for place in range(WORKERS):
            _, pid, _, state, _ = self.arena.status(place)
            if state == SERVING and self.serving.get(place, (0, 0.0))[0] != pid:
                self.serving[place] = pid, now
        alive = [one for one in self.serving.values() if one[0] not in self.dead]
        return [pid for pid, since in alive if now - since >= SERVED_S]

    def worker(self) -> None:
        """One that has served long enough, at a moment of its own."""
        wait_until(self.seasoned, "a worker has served for a while")
        time.sleep(self.chance.random() * 0.1)
        self._kill(self.chance.choice(self.seasoned()))

    def busy_worker(self) -> None:
        """One that has served long enough and has calls in hand. It is stopped to look at it, so that none of them
        ends between the look and the kill: at a random moment a worker of a busy machine may well have none."""
        wait_until(self._kill_busy, "a worker that has served for a while has calls in hand")

    def _kill_busy(self) -> bool:
        for victim in self.seasoned():
            os.kill(victim, signal.SIGSTOP)
            place = next(place for place, (pid, _) in self.serving.items() if pid == victim)
            if self.arena.pending(place):
                self._kill(victim)
                return True
            os.kill(victim, signal.SIGCONT)
        return False

    def _kill(self, victim: int) -> None:
        os.kill(victim, signal.SIGKILL)
        self.dead.add(victim)
        self.kills["worker"] += 1

    def control(self) -> None:
        for pid in self.gateway.children():
            with contextlib.suppress(OSError), open(f"/proc/{pid}/comm") as name:
                if name.read().strip() == "mg-control":
                    os.kill(pid, signal.SIGKILL)
                    self.kills["control"] += 1
                    return


def rows_of(gateway: Gateway) -> list[tuple[str, int, int]]:
    """(model as sent, nano-dollars, flags) of every call in the ledger."""
    with contextlib.closing(sqlite3.connect(f"file:{gateway.paths.control_db}?mode=ro", uri=True)) as database:
        found = database.execute("SELECT target_model, cost_nanodollars, flags FROM ledger WHERE line = 0")
        return [(str(model), int(cost), int(flags)) for model, cost, flags in found]


def _metered(upstream: Upstream) -> set[str]:
    return {received.json()["model"] for received in upstream.requests}


@contextlib.contextmanager
def asked() -> Iterator[tuple[Gateway, Upstream, Askers]]:
    key = {
        "budgets": [{"usd": 10**6, "per": "month"}],
        "limits": [{"requests": 10**9, "per": "day"}, {"concurrency": 10**6}],
    }
    with Upstream(_answers) as upstream:
        config = configuration(
            upstream.url, prices=PRICES, virtual_keys=[{"name": "test", "value": KEY, **key}], retry={"attempts": 1}
        )
        with running(config, workers=WORKERS) as gateway:
            gateway.wait_for_control()
            with Askers(gateway.port) as askers:
                yield gateway, upstream, askers


@figure("G7", guard="tests/live/test_crashes.py")
def killed(quick: bool) -> Outcome:
    """Workers are killed at random under calls of a key with a budget, and control now and then."""
    rounds = 30 if quick else 500
    chance = random.Random(7)
    with asked() as (gateway, upstream, askers):
        time.sleep(1)
        with contextlib.closing(Killing(gateway, chance)) as killing:
            for number in range(rounds):
                if number % 20 == 10:
                    killing.control()
                else:
                    killing.worker()
        askers.stop()
        values, kept = compared(gateway, upstream)
    values = {"rounds": rounds, **{f"{who}s killed": count for who, count in killing.kills.items()}, **values}
    return Outcome(values, kept)


def compared(gateway: Gateway, upstream: Upstream) -> tuple[dict[str, Any], bool]:
    """What the provider has received against the ledger, and the ledger against what is enforced."""
    asked_for = _metered(upstream)
    rows: list[tuple[str, int, int]] = []
    shown: dict[str, Any] = {}

    def agrees() -> bool:
        nonlocal rows, shown
        rows, shown = rows_of(gateway), usage(gateway)
        return asked_for <= {row[0] for row in rows} and not differs(rows, shown)

    with contextlib.suppress(RuntimeError):
        wait_until(agrees, "everything is in the ledger")
    counted = Counter(row[0] for row in rows)
    [budget] = shown["budgets"]
    values = {
        "calls that reached the provider": len(asked_for),
        "unaccounted": len(asked_for - set(counted)),
        "accounted twice": sum(count > 1 for count in counted.values()),
        "recorded for killed workers": sum(bool(row[2] & Flags.REPLAYED) for row in rows),
        "recorded, and killed before they arrived": len(set(counted) - asked_for),
        "left reserved": sum(limit["reserved"] not in (0, "0.00") for limit in (*shown["limits"], budget)),
        "enforced minus ledger, nano-dollars": differs(rows, shown),
    }
    kept = not any(values[name] for name in ("unaccounted", "accounted twice", "left reserved"))
    return values, kept and not differs(rows, shown)


def differs(rows: list[tuple[str, int, int]], shown: dict[str, Any]) -> int:
    [budget] = shown["budgets"]
    return nanodollars(budget["spent"]) - sum(row[1] for row in rows)
