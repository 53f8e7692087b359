"""Further attempts: how soon, how many, until when."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai

from bench.reliability.asking import ask_all, chat, ms, routed, running, statuses, usual_request
from bench.reliability.callers import Callers
from bench.reliability.figures import Outcome, figure
from bench.reliability.provider import SICK, Manner, Providers
from tests.live.blackhole import blackhole
from tests.live.upstreams import CHAT, Received, Step, Upstream, http
from tests.live.wire import KEY

MOST_CALLS = 1.2
MOST_SDK_CALLS = 3.6
START_CALLS = 10
"""Of the retry budget, to begin with."""
DEADLINE_S = 5.0


@figure("B1", guard="tests/corpus/test_slow.py")
def unreachable(quick: bool) -> Outcome:
    """The first target refuses connections, or swallows them; the fallback is well."""
    values: dict[str, Any] = {}
    kept = True
    with Providers(a=Manner(), b=Manner()) as providers, blackhole() as hole:
        for name, url in (("refused", "http://127.0.0.1:9/v1"), ("swallowed", hole)):
            config = routed(providers, {"strategy": "order", "targets": ["a/m"], "fallbacks": ["b/m"]})
            config["providers"]["a"]["base_url"] = url
            with running(config) as gateway:
                ask_all(gateway, [chat(model="b/m")])
                first = [ask_all(gateway, [chat()])[0] for _ in range(5)]
                after = ask_all(gateway, [chat()] * (50 if quick else 500))
            values[f"{name}: fallback's answer at most, s"] = round(max(one.seconds for one in first), 3)
            values[f"{name}: breaker open, median ms"] = ms([one.seconds for one in after], 0.5)
            values[f"{name}: 99th percentile ms"] = ms([one.seconds for one in after], 0.99)
            kept &= statuses([*first, *after]) == {200: len(first) + len(after)}
            kept &= max(one.seconds for one in first) <= 3.1 and values[f"{name}: 99th percentile ms"] <= 5
    return Outcome(values, kept)


@figure("B4", guard="tests/live/test_deadlines.py")
def one_deadline(quick: bool) -> Outcome:
    """Callers allow 5 s; providers hang, fail again and again, swallow handshakes, or stream without end."""
    said: list[str] = []

    def failing(received: Received) -> list[Step]:
        said.append(received.header("x-microgate-timeout") or "")
        return [0.9, http(SICK, 503)]

    def endless(received: Received) -> list[Step]:
        return [http(CHAT)[:-40], 60.0]

    fields = [("x-microgate-timeout", str(DEADLINE_S))]
    values: dict[str, Any] = {}
    kept = True
    retry = {"attempts": 20, "backoff_initial": "400ms", "backoff_max": "400ms", "budget": 10}
    with Upstream(failing) as sick, Upstream(endless) as slow, Providers(b=Manner(hangs=True)) as providers:
        with blackhole() as hole:
            config = routed(providers, {"targets": ["b/m"]}, retry=retry)
            base = config["providers"]["b"]
            config["providers"] |= {
                "sick": {**base, "base_url": sick.url},
                "hole": {**base, "base_url": hole},
                "slow": {**base, "base_url": slow.url},
            }
            config["health"] = {"consecutive": 1000, "throttle": False}
            routes = {
                "hanging": (["b/m"], []),
                "failing": (["sick/m"], []),
                "failing-then-hanging": (["sick/m"], ["b/m"]),
                "handshakes-swallowed": (["hole/m"], []),
                "swallowed-then-hanging": (["hole/m"], ["b/m"]),
                "an-answer-without-end": (["slow/m"], []),
            }
            config["routes"] = {name: {"targets": to, "fallbacks": then} for name, (to, then) in routes.items()}
            with running(config) as gateway:
                for name in list(routes)[: 2 if quick else None]:
                    raws = [chat(model=name, fields=fields), chat(model=name, stream=True, fields=fields)]
                    told = ask_all(gateway, raws * (1 if quick else 3), at_once=6)
                    longest = max(one.seconds for one in told)
                    values[f"{name}: longest s"] = round(longest, 3)
                    values[f"{name}: statuses"] = str(statuses(told)).strip("{}")
                    kept &= longest <= DEADLINE_S + 0.05 and set(statuses(told)) <= {503, 504}
                    kept &= name == "failing" or set(statuses(told)) == {504}
                left = [float(each) for each in said if each]
                began = len(said)
                told = ask_all(gateway, [chat(model="failing", fields=[("x-microgate-timeout", "0.000001")])] * 20)
                values["late before it was asked for: statuses"] = str(statuses(told)).strip("{}")
                values["attempts of these"] = len(said) - began
    values["attempts told how long is left"] = f"{len(left)} of {began}, {min(left)} to {max(left)} s"
    kept &= len(left) == began and 0 < min(left) <= max(left) <= DEADLINE_S and len(said) == began
    return Outcome(values, kept)


@figure("B5", guard="tests/live/test_health.py")
def everything_fails(quick: bool) -> Outcome:
    """All attempts get 503, with one target and with a fallback, plain and streamed, at L and at low rates."""
    values: dict[str, Any] = {}
    worst = 0.0
    with Providers(a=Manner(status=503), b=Manner(status=503)) as providers:
        for health in ("as shipped", "never left out"):
            for fallbacks in ([], ["b/m"]):
                for stream in (False, True):
                    route = {"targets": ["a/m"], "fallbacks": fallbacks}
                    more = {} if health == "as shipped" else {"health": {"consecutive": 1000, "throttle": False}}
                    config = routed(providers, route, **more)
                    name = f"{health}, {'streamed' if stream else 'plain'}, {1 + len(fallbacks)} targets"
                    ratios = []
                    for low in (0.0, 20.0, 2.0):
                        if low and (quick or health == "as shipped"):
                            continue
                        with running(config) as gateway:
                            asked = usual_request(gateway, stream=stream)
                            rate = low or min(2000.0, load_rate_of_failures(gateway.port, asked))
                            # What a start may repeat for nothing is seen in full at L alone.
                            providers.clear()
                            with Callers(gateway.port, asked, rate=rate, count=64 if not low else 4) as callers:
                                time.sleep(3 if quick else 20 if not low else 60)
                        client = sum(callers.statuses.values())
                        ratio = providers.calls() / client
                        ratios.append(f"{ratio:.3f} at {client / callers.seconds:.0f}/s")
                        worst = max(worst, (providers.calls() - START_CALLS) / client)
                        values.setdefault("failed otherwise", 0)
                        values["failed otherwise"] += len(callers.failures)
                    values[f"{name}: upstream calls a request"] = ", ".join(ratios)
    note = f"A start may repeat {START_CALLS} requests beyond its share: these are seen at low rates only."
    return Outcome(values, worst <= MOST_CALLS and not values["failed otherwise"], note)


def load_rate_of_failures(port: int, asked: bytes) -> float:
    """L, of answers that are none: half of what callers get in two seconds."""
    with Callers(port, asked) as callers:
        time.sleep(2)
    return sum(callers.statuses.values()) / callers.seconds / 2


@figure("B6", guard="tests/live/test_pauses.py")
def pauses(quick: bool) -> Outcome:
    """1,000 calls fail once each; then waits that providers name, sensible and not."""
    count = 100 if quick else 1000
    first: dict[str, float] = {}
    gaps: list[float] = []
    field: list[str] = []

    def once(received: Received) -> list[Step]:
        user = received.json()["user"]
        if user in first:
            gaps.append(received.at - first.pop(user))
            return [http(CHAT)]
        first[user] = received.at
        return [http(SICK, 503, fields=field)]

    retry = {"attempts": 2, "backoff_initial": "2s", "backoff_max": "3s", "budget": 10}
    values: dict[str, Any] = {"calls": count}
    with Upstream(once, keep=False) as upstream, Providers(a=Manner()) as providers:
        config = routed(providers, {"targets": ["a/m"]}, retry=retry)
        config["providers"]["a"]["base_url"] = upstream.url
        config["health"] = {"consecutive": 1000, "volume": 1_000_000, "throttle": False}
        with running(config) as gateway:
            told = ask_all(gateway, [chat(user=str(number)) for number in range(count)], at_once=100)
            buckets = Counter(int(gap * 10) for gap in gaps)
            mean = len(gaps) / 20
            values["answered"] = sum(one.answer.status == 200 for one in told)
            values["pauses, s"] = f"{min(gaps):.2f} to {max(gaps):.2f}"
            values["fullest 100 ms, times the mean"] = round(max(buckets.values()) / mean, 2)
            kept = values["answered"] == count and max(buckets.values()) <= 3 * mean and max(buckets) <= 20
            for wait, least, most in (
                ("2.5", 2.5, 2.6), ("3600", None, None), ("soon", 0, 2.1), ("-5", 0, 2.1), ("1e999", 0, 2.1),
                ("nan", 0, 2.1), ("9" * 400, 0, 2.1),
            ):  # fmt: skip
                field[:] = [f"Retry-After: {wait}"]
                gaps.clear()
                (one,) = ask_all(gateway, [chat(user=f"wait {wait} {random.random()}")])
                shown = wait if len(wait) < 9 else f"{wait[:3]}… ({len(wait)} digits)"
                values[f"Retry-After {shown}"] = f"{gaps[0]:.2f} s" if gaps else f"told after {one.seconds:.2f} s"
                if least is None:
                    # Beyond the longest pause nobody waits in here: the caller is told, and may.
                    kept &= not gaps and one.seconds < 1
                else:
                    kept &= len(gaps) == 1 and least <= gaps[0] <= (most or 0)
    return Outcome(values, kept)


@figure("B7", guard="tests/sdks/test_repeating.py")
def repeated_by_sdks(quick: bool) -> Outcome:
    """openai-python as it comes (2 retries) before a gateway whose providers all fail."""
    values: dict[str, Any] = {}
    worst = 0.0
    count = 40 if quick else 300
    with Providers(a=Manner(status=503), b=Manner(status=503)) as providers:
        for name, status, fallbacks in (("one target", 503, []), ("a fallback", 503, ["b/m"]), ("429", 429, [])):
            providers.become(a=Manner(status=status), b=Manner(status=status))
            config = routed(providers, {"targets": ["a/m"], "fallbacks": fallbacks})
            config["health"] = {"consecutive": 1000, "throttle": False}
            with running(config) as gateway:
                providers.clear()
                ended = ask_by_sdk(f"{gateway.base_url}/v1", count)
            values[f"{name}: upstream calls a user's call"] = round(providers.calls() / count, 3)
            values[f"{name}: ended with"] = ", ".join(f"{what} {n}" for what, n in ended.most_common())
            worst = max(worst, (providers.calls() - START_CALLS) / count)
    note = f"{count} calls each; a start may repeat {START_CALLS} beyond its share, once."
    return Outcome(values, worst <= MOST_SDK_CALLS, note)


def ask_by_sdk(base_url: str, count: int) -> Counter[str]:
    """``count`` calls, 20 at a time; what each of them ended with."""
    ended: Counter[str] = Counter()
    lock = threading.Lock()
    # What it would read from the environment is none of the figure's business.
    os.environ.pop("OPENAI_BASE_URL", None)
    with openai.OpenAI(base_url=base_url, api_key=KEY) as client:

        def one(number: int) -> None:
            try:
                client.chat.completions.create(model="m", messages=[{"role": "user", "content": str(number)}])
                what = "an answer"
            except openai.APIError as error:
                what = type(error).__name__
            with lock:
                ended[what] += 1

        with ThreadPoolExecutor(20) as pool:
            list(pool.map(one, range(count)))
    return ended
