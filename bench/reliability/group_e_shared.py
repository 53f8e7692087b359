"""Processes: what workers share between them, new connections, limits, load; also when one of them is frozen."""

from __future__ import annotations

import os
import signal
import time

from bench.reliability import coherence
from bench.reliability.callers import Callers, load_rate
from bench.reliability.figures import Outcome, figure
from bench.reliability.instance import Instance, instance, wait_until

REPLACED_WITHIN_S = 10.0

TURNED_AWAY_AFTER_S = 1.3
"""One second of silence, and the supervisor's next look."""

BALANCE = 1.3

SLACK = 1.01
"""Of a limit over time: 1 %."""


@figure("E6", guard="tests/processes/test_supervisor.py")
def frozen_worker(quick: bool) -> Outcome:
    """SIGSTOP of one of two workers, under load of fresh connections alone."""
    rounds = 1 if quick else 5
    back: list[float] = []
    late = early = 0
    answered = 0
    with instance() as gateway:
        rate = load_rate(gateway.port, gateway.request())
        for number in range(rounds):
            victim = gateway.pids()[number % 2]
            with Callers(gateway.port, gateway.request(), count=400, rate=rate / 4, fresh=True) as callers:
                time.sleep(1)
                stopped = time.monotonic()
                os.kill(victim, signal.SIGSTOP)
                worker = number % 2
                wait_until(lambda w=worker, v=victim: gateway.pids().get(w, v) != v, "it is killed and replaced")
                back.append(time.monotonic() - stopped)
                wait_until(lambda w=worker: gateway.accepts(w), "its successor accepts")
                time.sleep(2)
            harmed = [one.began - stopped for one in callers.failures]
            early += sum(after <= TURNED_AWAY_AFTER_S for after in harmed)
            late += sum(after > TURNED_AWAY_AFTER_S for after in harmed)
            # Who waited in the frozen one's queue is answered by its successor.
            answered += callers.answered
    values = {
        "rounds": rounds,
        "killed and replaced after at most, s": round(max(back), 2),
        "answered on fresh connections": answered,
        "failed of those begun by the time it was turned away from": early,
        "failed of those begun later": late,
    }
    return Outcome(values, max(back) <= REPLACED_WITHIN_S and not late)


@figure("E8", guard="tests/speedups/test_bucket_processes.py")
def shared_limits(quick: bool) -> Outcome:
    """Keys with 200 requests a second, smooth with a burst of 50 and in fixed windows, asked 500 times a second."""
    seconds, limit, burst = (10.0 if quick else 60.0), 200, 50
    kinds = {
        "smooth": {"requests": limit, "per": "1s", "window": "smooth", "burst": burst},
        "fixed": {"requests": limit, "per": "1s", "window": "fixed"},
    }
    values: dict[str, object] = {"seconds": seconds, "limit a second": limit, "workers": 2}
    kept = True
    with instance() as gateway:
        keys = {name: f"sk-limit-{name:->32}" for name in kinds}
        more = [{"name": name, "value": keys[name], "limits": [kinds[name]]} for name in kinds]
        gateway.reconfigure(lambda config: config["virtual_keys"].extend(more))
        for name, key in keys.items():
            with Callers(gateway.port, gateway.request(key), rate=500) as callers:
                time.sleep(seconds)
            # A fixed window that has begun before may add itself.
            most = (limit * callers.seconds + (burst if name == "smooth" else limit)) * SLACK
            values[f"admitted, {name}"] = callers.statuses[200]
            values[f"at most, {name}"] = round(most)
            kept &= callers.statuses[200] <= most and not callers.failures
    return Outcome(values, kept)


@figure("E9", guard="tests/processes/test_steering.py")
def balance(quick: bool) -> Outcome:
    """1,000 connections kept by callers who ask every two seconds: as they were opened, and after a worker that was
    killed has come back. Connections may be ten seconds old here (``keepalive_max_age``, an hour by default)."""
    age_s = 10
    values: dict[str, object] = {"connections": 1000}
    kept = True
    for workers in (2,) if quick else (2, 4):
        with instance(workers) as gateway:
            gateway.reconfigure(lambda config: config.update(server={"limits": {"keepalive_max_age": f"{age_s}s"}}))
            with Callers(gateway.port, gateway.request(), count=1000, rate=500) as callers:
                wait_until(lambda g=gateway: sum(_held(g)) >= 1000, "all are connected")
                opened = _ratio(gateway)
                victim = gateway.pids()[0]
                os.kill(victim, signal.SIGKILL)
                wait_until(lambda g=gateway, v=victim: g.pids().get(0, v) != v, "it is replaced")
                time.sleep(3)
                after = _ratio(gateway)
                time.sleep(2.5 * age_s)
                aged = [_ratio(gateway) for _ in range(20) if time.sleep(0.5) is None]
            values[f"most / fewest of {workers} workers as opened"] = round(opened, 2)
            values[f"of {workers} once a killed one is back"] = round(after, 2)
            values[f"of {workers} after two ages, worst of 10 s"] = round(max(aged), 2)
            kept &= opened <= BALANCE and max(aged) <= BALANCE
            # In flight when the worker was killed.
            values[f"failed, {workers} workers"] = len(callers.failures)
    return Outcome(values, kept)


def _held(gateway: Instance) -> list[int]:
    return [gateway.arena.connections(gateway.place(index)) for index in range(gateway.workers)]


def _ratio(gateway: Instance) -> float:
    held = _held(gateway)
    return max(held) / max(1, min(held))


__all__ = ["coherence"]
