"""Deployments in trouble: who is left out, who is probed, who must not be, and whom trouble must not reach."""

from __future__ import annotations

import itertools
import re
import statistics as stats
import time
from collections import Counter
from typing import Any

from bench.reliability.asking import ask_all, chat, load, routed, running, statuses, usual_request
from bench.reliability.callers import Callers
from bench.reliability.figures import Outcome, figure
from bench.reliability.provider import SICK, Manner, Providers
from gateway.records import Flags
from tests.live.instance import Gateway
from tests.live.trail import trail_of
from tests.live.upstreams import CHAT, Received, Step, Upstream, http
from tests.waiting import wait_for

FIVE = "abcde"
_LEFT_OUT = re.compile(r"deployment (\S+) is left out for (\d+) s \((\d+) failures in a row, ejection (\d+)\)")


def ejections(gateway: Gateway) -> list[tuple[str, int, int]]:
    """What the log says: deployment, seconds, number of its ejection."""
    return [(row[1], int(row[2]), int(row[4])) for row in _LEFT_OUT.finditer(gateway.stderr())]


@figure("B8", guard="tests/live/test_health.py")
def left_out(quick: bool) -> Outcome:
    """One of five fails, always or nine times in ten; the rest as it grows."""
    values: dict[str, Any] = {}
    with Providers(**{name: Manner() for name in FIVE}) as providers:
        route = {"targets": [f"{name}/m" for name in FIVE]}
        # One attempt: with more of them callers would notice nothing at all.
        config = routed(providers, route, retry={"attempts": 1})
        providers.become(a=Manner(status=503))
        with running(config) as gateway:
            told = ask_all(gateway, [chat()] * 500)
            before = providers.calls("a")
            with Callers(gateway.port, usual_request(gateway), rate=300, count=32) as callers:
                time.sleep(5 if quick else 100)
            values["always: calls until left out"] = before
            values["always: failures, of requests in 100 s"] = (
                f"{sum(callers.statuses.values()) - callers.answered} of {sum(callers.statuses.values())}"
            )
            share = 1 - callers.answered / sum(callers.statuses.values())
            always = ejections(gateway)
            values["always: left out for, s"] = ", ".join(str(seconds) for _, seconds, _ in always)
            kept = before == 5 and share < 0.005 and statuses(told).get(503) == 5
            kept &= all(30 * n <= seconds <= 36 * n + 1 for _, seconds, n in always[:9])
        providers.clear()
        # Five in a row alone would soon do: here only the share of failures decides.
        providers.become(a=Manner())
        config["health"] = {"consecutive": 1000, "throttle": False}
        with Upstream(nine_in_ten(), keep=False) as often:
            config["providers"]["a"]["base_url"] = often.url
            with running(config) as gateway:
                ask_all(gateway, [chat()] * 600, at_once=4)
                values["nine in ten: calls until left out"] = often.served
                kept &= 50 <= often.served <= 60 and len(ejections(gateway)) == 1
        config["health"] = {"rest": "1s", "rest_max": "4s"}
        providers.become(a=Manner(status=503))
        config["providers"]["a"]["base_url"] = providers.url("a")
        with running(config) as gateway, Callers(gateway.port, usual_request(gateway), rate=200, count=16):
            wait_for(lambda: len(ejections(gateway)) >= 4, "four ejections")
            rests = [seconds for _, seconds, _ in ejections(gateway)[:5]]
        values["with rests of 1 s, at most 4 s: left out for, s"] = ", ".join(map(str, rests))
        kept &= all(min(n, 4) <= rest <= min(n, 4) * 1.2 + 1 for n, rest in enumerate(rests, 1))
    return Outcome(values, kept)


def nine_in_ten() -> Any:
    calls = 0

    def script(received: Received) -> list[Step]:
        nonlocal calls
        calls += 1
        return [http(CHAT)] if calls % 10 == 0 else [http(SICK, 503)]

    return script


@figure("B9", guard="tests/live/test_health.py")
def one_probe(quick: bool) -> Outcome:
    """200 callers at once while a deployment is half-open, and its probe takes long; 2 workers."""
    times: list[float] = []

    def script(received: Received) -> list[Step]:
        times.append(received.at)
        return [0.5, http(SICK, 503)] if len(times) > 5 else [http(SICK, 503)]

    values: dict[str, Any] = {}
    with Upstream(script) as sick, Providers(a=Manner(), b=Manner()) as providers:
        config = routed(providers, {"targets": ["a/m"], "fallbacks": ["b/m"]}, health={"rest": "2s", "rest_max": "2s"})
        config["providers"]["a"]["base_url"] = sick.url
        with running(config, workers=2) as gateway:
            wait_for(lambda: ask_all(gateway, [chat()] * 20) and ejections(gateway), "the ejection")
            times.clear()
            times += [0.0] * 6
            providers.clear()
            began = time.monotonic()
            answered: Counter[int] = Counter()
            with Callers(gateway.port, usual_request(gateway), rate=1000, count=200) as callers:
                time.sleep(4 if quick else 20)
            answered = callers.statuses
            probes = times[6:]
        values["requests of 200 callers"] = sum(answered.values())
        values["failed"] = sum(answered.values()) - callers.answered + len(callers.failures)
        values["probes"] = len(probes)
        gaps = [later - earlier for earlier, later in itertools.pairwise(probes)]
        values["between two probes at least, s"] = round(min(gaps), 2) if gaps else "one only"
        values["seconds"] = round(time.monotonic() - began)
    kept = values["failed"] == 0 and len(probes) >= 1 and all(gap >= 2 for gap in gaps)
    return Outcome(values, kept, "Rests of 2 s; a probe fails after half a second.")


@figure("B10", guard="tests/live/test_health.py")
def all_fail(quick: bool) -> Outcome:
    """Of five deployments two fail, then three, then all; then they answer again."""
    values: dict[str, Any] = {}
    kept = True
    with Providers(**{name: Manner() for name in FIVE}) as providers:
        config = routed(providers, {"targets": [f"{name}/m" for name in FIVE]}, retry={"attempts": 1})
        config["health"] = {"throttle": False}
        with running(config) as gateway:
            for failing in (2, 3, 5):
                providers.become(**{name: Manner(status=503) for name in FIVE[:failing]})
                ask_all(gateway, [chat()] * 400, at_once=4)
                providers.clear()
                told = ask_all(gateway, [chat()] * (100 if quick else 1000), at_once=4)
                calls = [providers.calls(name) for name in FIVE]
                values[f"{failing} of 5 fail: calls of each"] = ", ".join(map(str, calls))
                kept &= sum(calls) == len(told) and all(calls) == (failing > 2)
            providers.become(**{name: Manner() for name in FIVE})
            told = ask_all(gateway, [chat()] * 200, at_once=4)
            values["all answer again: failed of 200"] = sum(one.answer.status != 200 for one in told)
            kept &= not values["all answer again: failed of 200"]
    return Outcome(values, kept)


@figure("B11", guard="tests/live/test_refusals.py")
def limited_key(quick: bool) -> Outcome:
    """One of three keys is rate-limited for 4 s, again and again."""
    asked: list[tuple[float, str]] = []
    limited = b'{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}'

    def script(received: Received) -> list[Step]:
        key = (received.header("authorization") or "").removeprefix("Bearer ")
        asked.append((received.at, key))
        return [http(limited, 429, fields=["Retry-After: 4"])] if key == "sk-one" else [http(CHAT)]

    with Upstream(script, keep=False) as upstream, Providers(a=Manner()) as providers:
        config = routed(providers, {"targets": ["a/m"]})
        names = ("one", "two", "three")
        keys = [{"name": name, "value": f"sk-{name}"} for name in names]
        config["providers"]["a"] |= {"base_url": upstream.url, "keys": keys}
        with running(config) as gateway:
            with Callers(gateway.port, usual_request(gateway), rate=100, count=16) as callers:
                time.sleep(9 if quick else 41)
            left = ejections(gateway)
    moments = [at for at, key in asked if key == "sk-one"]
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    # Requests that were under way when the first limit was met belong to it.
    gaps = [gap for gap in gaps if gap > 0.1]
    counts = Counter(key for _, key in asked)
    values = {
        "requests": sum(callers.statuses.values()),
        "failed": sum(callers.statuses.values()) - callers.answered,
        "the limited key was asked": len(moments),
        "it rested, s": f"{min(gaps):.2f} to {max(gaps):.2f}",
        "the others were asked": f"{counts['sk-two']} and {counts['sk-three']} times",
        "deployments left out": len(left),
    }
    kept = not values["failed"] and not left and all(4 <= gap <= 4.3 for gap in gaps)
    return Outcome(values, kept)


@figure("B12", guard="tests/live/test_health.py")
def wrong_requests(quick: bool) -> Outcome:
    """10,000 requests that the provider answers 400; then one that refuses a key."""
    count = 500 if quick else 10_000
    values: dict[str, Any] = {"wrong requests": count}
    with Providers(a=Manner(status=400), b=Manner()) as providers:
        config = routed(providers, {"targets": ["a/m"], "fallbacks": ["b/m"]})
        with running(config) as gateway:
            told = ask_all(gateway, [chat()] * count, at_once=16)
            values |= {
                "answered": str(statuses(told)).strip("{}"),
                "calls of its target, of the fallback": f"{providers.calls('a')}, {providers.calls('b')}",
                "deployments left out": len(ejections(gateway)),
            }
            kept = statuses(told) == {400: count} and providers.calls("a") == count and not providers.calls("b")
            kept &= not ejections(gateway)
            rows = trail_of(gateway).values()
            repeated = sum(bool(row.flags & Flags.RETRIED) for row in rows)
            values["repeated, of the records"] = f"{repeated} of {len(rows)}"
            kept &= repeated == 0
    refusal = b'{"error":{"message":"Incorrect API key provided","code":"invalid_api_key"}}'
    asked: Counter[str] = Counter()

    def script(received: Received) -> list[Step]:
        key = (received.header("authorization") or "").removeprefix("Bearer ")
        asked[key] += 1
        return [http(refusal, 401)] if key == "sk-bad" else [http(CHAT)]

    with Upstream(script, keep=False) as upstream, Providers(a=Manner()) as providers:
        config = routed(providers, {"targets": ["a/m"]})
        keys = [{"name": name, "value": f"sk-{name}"} for name in ("bad", "good")]
        config["providers"]["a"] |= {"base_url": upstream.url, "keys": keys}
        with running(config) as gateway:
            told = ask_all(gateway, [chat()] * 200)
            lines = gateway.stderr().count("provider key a/bad is refused")
            values |= {"refused key: asked, of 200": asked["sk-bad"], "refused key: lines in the log": lines}
            kept &= statuses(told) == {200: 200} and asked["sk-bad"] == 1 and lines == 1
    return Outcome(values, kept)


@figure("B17", guard="tests/live/test_health.py")
def hanging_neighbour(quick: bool) -> Outcome:
    """One provider hangs with 200 callers; another is asked meanwhile, and without them, in turns."""
    alone: list[float] = []
    beside: list[float] = []
    failed = refused = 0
    rounds, seconds = (2, 2.0) if quick else (8, 5.0)
    with Providers(a=Manner(delay_s=seconds + 2), b=Manner(delay_s=0.02)) as providers:
        config = routed(providers, {"targets": ["b/m"]})
        config["providers"]["a"]["max_concurrency"] = 100
        config["routes"]["hang"] = {"targets": ["a/m"]}
        with running(config) as gateway:
            load(gateway, 100, 1)
            for number in range(rounds * 2):
                # The order turns, so that what else the machine does meets both.
                if number % 4 in (0, 3):
                    report = load(gateway, 200, seconds)
                    alone.append(report["latency_us"]["p99"] / 1000)
                else:
                    with Callers(gateway.port, chat(model="hang"), count=200, rate=200) as callers:
                        wait_for(lambda: providers.under_way("a") >= 100, "hanging requests")
                        report = load(gateway, 200, seconds)
                    beside.append(report["latency_us"]["p99"] / 1000)
                    refused += callers.statuses[503]
                failed += report["failed"]
        most = providers.most("a")
    usual, disturbed = stats.median(alone), stats.median(beside)
    values = {
        "99th percentile alone, ms": round(usual, 2),
        "beside the hanging one, ms": round(disturbed, 2),
        "ratio": round(disturbed / usual, 3),
        "failed": failed,
        "most under way at the hanging one": most,
        "requests for it that were refused": refused,
    }
    kept = disturbed <= 1.1 * usual and not failed and most <= 100
    return Outcome(values, kept, f"Medians of {rounds} rounds each, in turn; at most 100 may be under way at it.")
