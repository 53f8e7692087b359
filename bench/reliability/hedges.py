"""Hedging: what a second attempt brings, what it costs, and when it stops."""

from __future__ import annotations

from typing import Any

from bench.reliability.asking import ask_all, chat, load, routed, running
from bench.reliability.figures import Outcome, figure
from bench.reliability.provider import Manner, Providers
from gateway.records import Kind
from gateway.records import Outcome as Ended
from tests.live.trail import trail_of
from tests.live.upstreams import CHAT, Act, Received, Step, Upstream, http

MOST_MORE = 0.05
MOST_TTFT = 0.5
CANCELLED_WITHIN_S = 0.1
USUAL_BETWEEN = 24
RATE = 100.0

USUAL = Manner(delay_s=0.02, spread_s=0.01, slow_share=0.02, slow_s=1.5)
SLOW = Manner(delay_s=0.02, spread_s=0.01, slow_share=0.3, slow_s=0.4)


@figure("B23", guard="tests/live/test_hedging.py")
def hedged(quick: bool) -> Outcome:
    """2 % of the answers take 1.5 s, the others 20 to 30 ms; an open loop, plain and streamed, the delay learned."""
    values: dict[str, Any] = {}
    kept = True
    failed = late_load = 0
    seconds = 10 if quick else 60
    with Providers(a=USUAL) as providers:
        for stream in (False, True):
            form = "streamed" if stream else "plain"
            ttft: dict[bool, float] = {}
            for hedges in (False, True):
                route: dict[str, Any] = {"targets": ["a/m"]}
                if hedges:
                    route["hedge"] = {"share": MOST_MORE}
                with running(routed(providers, route)) as gateway:
                    # Enough of them for the delay to be learned.
                    load(gateway, RATE, 5, stream=stream)
                    left = providers.left("a")
                    providers.clear()
                    report = load(gateway, RATE, seconds, stream=stream)
                    # Of its own warm-up, which is not measured, the calls count as well.
                    asked = report["sent"] + RATE
                    more = providers.calls() / asked - 1
                    if hedges:
                        left += providers.left("a")
                        rows = trail_of(gateway, Kind.ATTEMPT).values()
                        losers = sum(row.outcome == Ended.CANCELLED for row in rows)
                ttft[hedges] = report["ttft_us"]["p99"] / 1000
                failed += report["failed"]
                late_load += bool(report["void"])
                if hedges:
                    kept &= more <= MOST_MORE
                    values[f"{form}: more calls"] = f"{more:.2%}"
                    values[f"{form}: recorded as cancelled, given up at the provider"] = f"{losers}, {left}"
            values[f"{form}: 99th percentile of the first byte, ms"] = (
                f"{ttft[True]:.0f} hedged, {ttft[False]:.0f} not: {ttft[True] / ttft[False]:.3f}"
            )
            kept &= ttft[True] <= MOST_TTFT * ttft[False]
        route = {"targets": ["a/m"], "hedge": {"after": "100ms", "share": 1}}
        with running(routed(providers, route)) as gateway:
            load(gateway, RATE, 5)
            providers.become(a=SLOW)
            load(gateway, RATE, 5 if quick else 10)
            providers.clear()
            report = load(gateway, RATE, 5 if quick else 20)
            more = providers.calls() / (report["sent"] + RATE) - 1
            values["a fixed delay, 30 % slower than it: more calls"] = f"{more:.2%}"
            kept &= more <= 0.01
    late = cancelled_after(40 if quick else 200)
    values["failed"] = failed
    if late_load:
        values["void: runs whose load generator was late"] = late_load
    values["loser's connection closed after, at most ms"] = round(max(late) * 1000, 1)
    return Outcome(values, kept and not failed and not late_load and max(late) <= CANCELLED_WITHIN_S)


def cancelled_after(count: int) -> list[float]:
    """Seconds from the winner's request to the end of the loser's connection, one hedged request after the other; with
    more than one in twenty of them, nothing would be hedged in the end."""

    def slow_at_times(received: Received) -> list[Step]:
        return [Act.HOLD] if received.json()["user"] == "slow" else [http(CHAT)]

    with Upstream(slow_at_times) as loser, Upstream() as winner, Providers(a=Manner()) as providers:
        hedge = {"after": "50ms", "share": 1}
        config = routed(providers, {"strategy": "order", "targets": ["a/m"], "fallbacks": ["b/m"], "hedge": hedge})
        config["providers"]["b"] = {**config["providers"]["a"], "base_url": winner.url}
        config["providers"]["a"]["base_url"] = loser.url
        config["health"] = {"consecutive": 1000, "throttle": False}
        late = []
        with running(config) as gateway:
            for _ in range(count):
                ask_all(gateway, [chat(user="usual")] * USUAL_BETWEEN)
                before = len(winner.requests)
                ask_all(gateway, [chat(user="slow")])
                loser.wait(lambda: not loser.open)
                if len(winner.requests) > before:
                    late.append(loser.visits[-1].closed - winner.requests[-1].at)
    return late
