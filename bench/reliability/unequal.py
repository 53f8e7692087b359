"""Callers who take no heed of others: one key that asks for ten times its share, and a flood of wrong keys."""

from __future__ import annotations

import socket
from typing import Any

from bench.load import tree
from bench.reliability.figures import Outcome, figure
from bench.reliability.limited import SHARE, Limited, limited, p99_ms
from gateway.loadgen import message

SLOTS = 400
NORMAL = 0.8
"""Of the slots, for keys of normal priority."""
HELD_S = 1.6
"""For which the slow answer holds a slot."""
WRONG_A_SECOND = 10_000
WRONG_KEYS = 20_000
"""Different ones: more than are remembered."""
AT_ONCE = 50
MIB = 2**20


@figure("D6", guard="tests/overload/test_admission.py")
def one_greedy_key(quick: bool) -> Outcome:
    """Two keys at 400 slots; one keeps to half of its share, the other asks for ten times as much as its own."""
    seconds = 10.0 if quick else 60.0
    share = SLOTS * NORMAL / 2
    rate = share / 2 / HELD_S

    def slots(config: dict[str, Any]) -> None:
        config["server"] = {"overload": {"under_way": SLOTS, "queue": 0}}

    with limited(change=slots) as gateway:
        alone = gateway.load("delay", rate, seconds).result()
        greedy = gateway.load("delay", 10 * share / HELD_S, seconds + 4, key="sk-test-greedy")
        beside = gateway.load("delay", rate, seconds, warmup=4.0).result()
        flood = greedy.result()
    errors = [100 * report["failed"] / report["sent"] for report in (alone, beside)]
    times = p99_ms(beside) / p99_ms(alone)
    values = {
        "slots for both": round(SLOTS * NORMAL),
        "the greedy key asks, a second": round(10 * share / HELD_S),
        "of it refused, %": round(100 * flood["statuses"].get("503", 0) / flood["sent"], 1),
        "the other asks, a second": round(rate),
        "its errors before, %": round(errors[0], 3),
        "its errors beside, %": round(errors[1], 3),
        "its 99th percentile before, ms": round(p99_ms(alone), 1),
        "its 99th percentile beside, ms": round(p99_ms(beside), 1),
        "times": round(times, 2),
    }
    return Outcome(values, errors[1] - errors[0] <= 0.1 and times <= 1.5, beside["void"])


@figure("D7", guard="tests/test_core.py")
def wrong_keys(quick: bool) -> Outcome:
    """A fifth of 10,000 wrong keys a second for a worker with a fifth of a core, beside L with a right one."""
    seconds = 5.0 if quick else 60.0
    with limited() as gateway:
        capacity = gateway.capacity_singly("instant")
        rate = min(2000.0, capacity / 2)
        alone = gateway.load("instant", rate, seconds).result()
        flood = gateway.load("instant", WRONG_A_SECOND * SHARE, seconds + 4, key="sk-wrong")
        beside = gateway.load("instant", rate, seconds, warmup=4.0).result()
        wrong = flood.result()
        cost_us = gateway.cost_us("instant", "sk-wrong")
        rise = _different_keys(gateway)
    times = p99_ms(beside) / p99_ms(alone)
    values = {
        "capacity, requests a second that come singly": round(capacity),
        "good requests a second": round(rate),
        "wrong keys a second": round(WRONG_A_SECOND * SHARE),
        "of these refused with 401": wrong["statuses"].get("401", 0),
        "good ones failed": beside["failed"],
        "99th percentile before, ms": round(p99_ms(alone), 2),
        "99th percentile beside, ms": round(p99_ms(beside), 2),
        "times": round(times, 2),
        "a refusal costs, us": round(cost_us, 1),
        "different wrong keys": WRONG_KEYS,
        "memory more after them, MiB": round(rise / MIB, 1),
    }
    kept = times <= 1.5 and cost_us <= 100 and not beside["failed"] and rise <= 4 * MIB
    return Outcome(values, kept, beside["void"])


def _different_keys(gateway: Limited) -> int:
    """By how many bytes the worker grows."""
    host = f"127.0.0.1:{gateway.port}"
    path, body = gateway.gateway.path("instant"), gateway.gateway.body("instant")
    worker = gateway.worker

    def ask(first: int, count: int) -> None:
        with socket.create_connection(("127.0.0.1", gateway.port), 30) as sock:
            for number in range(first, first + count, AT_ONCE):
                keys = (f"sk-wrong-{one:032d}" for one in range(number, number + AT_ONCE))
                sock.sendall(b"".join(message.request(host, path, key, body) for key in keys))
                refused = 0
                while refused < AT_ONCE:
                    refused += sock.recv(1 << 20).count(b"HTTP/1.1 401")

    ask(0, 5000)
    before = tree.snapshot(worker, memory=True).members[worker].rss
    ask(5000, WRONG_KEYS)
    return tree.snapshot(worker, memory=True).members[worker].rss - before
