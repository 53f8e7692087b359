"""How soon every worker goes by a changed configuration: asked one by one, over connections to all of them."""

from __future__ import annotations

import json
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from _speedups._bucket import Arena
from bench.reliability.asking import running
from bench.reliability.figures import Outcome, figure
from tests.live.instance import Gateway, configuration
from tests.live.test_virtual_keys_api import PATH, Desk
from tests.live.upstreams import Upstream
from tests.live.wire import KEY, Answer, AnswerReader, request

WORKERS = 4
CONNECTIONS = 16
WITHIN_S = 1.0
GOAL_S = 0.2
COST = "x-microgate-cost"


class Line:
    """A kept connection, which one worker has."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket = self._connected()
        self.lost = 0
        """Times at which it was closed, and whoever took the next one went on."""

    def _connected(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), timeout=10)

    def ask(self, raw: bytes) -> Answer:
        answer = self._asked(raw)
        if answer.header("connection") == "close":
            self._socket.close()
            self._socket = self._connected()
            self.lost += 1
        return answer

    def _asked(self, raw: bytes) -> Answer:
        self._socket.sendall(raw)
        reader = AnswerReader()
        while not (reader.final and reader.final[-1].complete):
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError("closed")
            reader.feed(data)
        return reader.final[-1]

    def close(self) -> None:
        self._socket.close()


@contextmanager
def lines(gateway: Gateway) -> Iterator[list[Line]]:
    """Connections to every worker."""
    opened: list[Line] = []
    arena = Arena.attach(gateway.paths.arena)
    try:
        while True:
            opened += [Line(gateway.port) for _ in range(CONNECTIONS)]
            # Workers tell how many they have four times a second.
            time.sleep(0.6)
            if all(arena.connections(index) for index in range(gateway.workers)):
                break
        yield opened
    finally:
        arena.close()
        for each in opened:
            each.close()


def until(opened: list[Line], raw: bytes, changed: Callable[[Answer], bool], began: float) -> float:
    """Seconds until the last worker has answered as it does from then on."""
    waiting = list(opened)
    while waiting:
        waiting = [line for line in waiting if not changed(line.ask(raw))]
        if time.monotonic() - began > 20:
            raise RuntimeError(f"{len(waiting)} connections are still answered as before")
    return time.monotonic() - began


def summed(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1000:.0f}, {max(seconds) * 1000:.0f}"


@figure("E7", guard="tests/live/test_virtual_keys_api.py")
def coherence(quick: bool) -> Outcome:
    """Through the API: a key revoked, a route made, a key's limit changed; through the file: a price changed. From the
    moment at which the change is sent or written until the last of four workers goes by it."""
    rounds = 3 if quick else 30
    took: dict[str, list[float]] = {"key revoked": [], "model added": [], "limit changed": [], "price changed": []}
    stale = 0
    with Upstream() as upstream:
        config = configuration(upstream.url, prices=[{"input": 1, "output": 1}])
        with running(config, workers=WORKERS) as gateway:
            desk = Desk(gateway)
            with lines(gateway) as opened:
                for number in range(rounds):
                    key = desk.made(f"key-{number}", limits=[{"requests": 1000, "per": "1h"}])
                    chat = request(key=key["key"])
                    if any(line.ask(chat).status != 200 for line in opened):
                        stale += 1
                    # Whose limit is another.
                    took["limit changed"].append(_limit(desk, key, opened))
                    version = desk.ask("GET", f"{PATH}/{key['id']}").header("etag") or ""
                    began = time.monotonic()
                    desk.ask("DELETE", f"{PATH}/{key['id']}", version=int(version.strip('"')))
                    took["key revoked"].append(until(opened, chat, lambda answer: answer.status == 401, began))
                    took["model added"].append(_route(desk, number, opened))
                    # All that is derived from routes is of the same version.
                    listed = json.loads(opened[0].ask(request("GET", "/v1/models", None)).body)["data"]
                    stale += f"added-{number}" not in {model["id"] for model in listed}
                    took["price changed"].append(_price(gateway, config, number, opened))
    values: dict[str, Any] = {"workers": WORKERS, "connections": len(opened), "rounds": rounds}
    if lost := sum(line.lost for line in opened):
        values["connections made anew"] = lost
    for what, seconds in took.items():
        values[f"{what}: median, worst, ms"] = summed(seconds)
    values["answers of two versions"] = stale
    worst = max(map(max, took.values()))
    values["within the goal of 200 ms"] = f"{sum(s <= GOAL_S for each in took.values() for s in each)} of {4 * rounds}"
    return Outcome(values, worst <= WITHIN_S and not stale)


def _limit(desk: Desk, key: dict[str, Any], opened: list[Line]) -> float:
    spec = {"spec": {"limits": [{"requests": 2000, "per": "1h"}]}}

    def changed(answer: Answer) -> bool:
        return bool(json.loads(answer.body)["limits"][0]["limit"] == 2000)

    began = time.monotonic()
    answer = desk.ask("PUT", f"{PATH}/{key['id']}", spec, version=key["version"])
    if answer.status != 200:
        raise RuntimeError(answer.body.decode())
    return until(opened, request("GET", "/v1/usage", None, key["key"]), changed, began)


def _route(desk: Desk, number: int, opened: list[Line]) -> float:
    raw = request(body=json.dumps({"model": f"added-{number}", "messages": []}).encode())
    began = time.monotonic()
    answer = desk.ask("POST", "/api/routes", {"name": f"added-{number}", "spec": {"targets": ["mock/m"]}})
    if answer.status != 201:
        raise RuntimeError(answer.body.decode())
    return until(opened, raw, lambda answer: answer.status == 200, began)


def _price(gateway: Gateway, config: dict[str, Any], number: int, opened: list[Line]) -> float:
    price = number + 2
    expected = f"{13 * price * 1000 / 1e9:.9f}"
    config["prices"] = [{"input": price, "output": price}]
    began = time.monotonic()
    gateway.configure(config)
    return until(opened, request(key=KEY), lambda answer: answer.header(COST) == expected, began)


__all__ = ["coherence"]
