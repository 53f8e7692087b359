"""Limits and budgets as the arena counts them, against what a plain account of the same events says."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from _speedups._bucket import GAUGE, GCRA, MONEY, OUTPUT_TOKENS, TOKENS, WINDOW, Arena, LimitSet
from bench.reliability.figures import Outcome, figure

S = 10**9
NOW = 10**15
WORKERS = 4
LONG = 10**8 * S


@contextmanager
def workers(count: int = WORKERS) -> Iterator[tuple[Arena, list[Any]]]:
    """An arena and its workers, all in this process."""
    with tempfile.TemporaryDirectory(prefix="microgate-bench-") as folder:
        arena = Arena.create(str(Path(folder) / "arena"), workers=count, capacity=256, reservations=256)
        places = [arena.worker(index) for index in range(count)]
        try:
            yield arena, places
        finally:
            for place in places:
                place.close()
            arena.close()


@figure("G1", guard="tests/speedups/test_bucket_units.py")
def conservation(quick: bool) -> Outcome:
    """Reservations, deliveries and settlements of 8 keys in 4 teams of 2 customers, over 4 workers; each level has a
    budget, requests, tokens and tokens of output."""
    operations, chance = (100_000 if quick else 1_000_000), random.Random(1)
    kinds = ((MONEY, 0), (WINDOW, 0), (WINDOW, TOKENS), (WINDOW, OUTPUT_TOKENS))
    ledger: Counter[tuple[str, int]] = Counter()
    with workers() as (arena, places):
        slots: dict[tuple[str, int], list[int]] = {}
        for level, members in (("key", 8), ("team", 4), ("customer", 2)):
            for member in range(members):
                slots[level, member] = []
                for kind, unit in kinds:
                    slot = arena.allocate()
                    arena.define(slot, slot + 1, kind, 1 << 60, LONG, unit=unit)
                    slots[level, member].append(slot)
        sets = [LimitSet([*slots["key", k], *slots["team", k // 2], *slots["customer", k // 4]]) for k in range(8)]
        held: list[tuple[int, int, int]] = []
        done = 0
        while done < operations:
            done += 1
            if len(held) < 100 and chance.random() < 0.5:
                key, place = chance.randrange(8), chance.randrange(WORKERS)
                tokens = chance.randrange(4000)
                handle = places[place].reserve(sets[key], 1, tokens, chance.randrange(10**9), NOW, tokens // 2)
                held.append((key, place, handle))
            elif held:
                key, place, handle = held.pop(chance.randrange(len(held)))
                if chance.random() < 0.2:
                    places[place].deliver(handle, 5, 5, 5)
                    held.append((key, place, handle))
                    continue
                sent, tokens, money = chance.random() < 0.9, chance.randrange(5000), chance.randrange(10**9)
                true = (int(sent), tokens * sent, money * sent, tokens // 3 * sent)
                places[place].settle(handle, true[0], true[1], true[2], NOW, true[3])
                for owner in (("key", key), ("team", key // 2), ("customer", key // 4)):
                    for n, amount in enumerate((true[2], true[0], true[1], true[3])):
                        ledger[owner[0], slots[owner][n]] += amount
        for _, place, handle in held:
            places[place].settle(handle, 0, 0, 0, NOW)
        wrong = sum(arena.used(slot, NOW) != amount for (_, slot), amount in ledger.items())
        sums = {
            level: sum(arena.used(own[0], NOW) for (name, _), own in slots.items() if name == level)
            for level in ("key", "team", "customer")
        }
    values = {
        "operations": operations,
        "limits that differ from the ledger": wrong,
        "spent over all keys, nano-dollars": sums["key"],
        "levels that sum to something else": sum(value != sums["key"] for value in sums.values()),
    }
    return Outcome(values, not wrong and len(set(sums.values())) == 1)


@figure("G11", guard="tests/speedups/test_bucket_sets.py")
def all_or_none(quick: bool) -> Outcome:
    """A limit of any level that refuses, among 15, with other workers at the same limits."""
    trials, chance, partial, refused = (2_000 if quick else 50_000), random.Random(2), 0, 0
    with workers() as (arena, places):
        slots = [arena.allocate() for _ in range(15)]
        for n, slot in enumerate(slots):
            kind = (WINDOW, MONEY, GAUGE, WINDOW, WINDOW)[n % 5]
            arena.define(slot, slot + 1, kind, 1 << 50, LONG if kind != GAUGE else 0, unit=TOKENS if n % 5 == 3 else 0)
        limits = LimitSet(slots)
        for _ in range(trials):
            tight = chance.choice(slots)
            before = [arena.used(slot, NOW) for slot in slots]
            kind, unit, _, period = arena.about(tight)
            arena.define(tight, tight + 1, kind, 0, period, unit=unit)
            verdict = places[chance.randrange(WORKERS)].reserve(limits, 1, 50, 1000, NOW, 10)
            refused += verdict == -1 - slots.index(tight)
            partial += [arena.used(slot, NOW) for slot in slots] != before
            arena.define(tight, tight + 1, kind, 1 << 50, period, unit=unit)
            place = places[chance.randrange(WORKERS)]
            place.settle(place.reserve(limits, 1, 50, 1000, NOW, 10), 1, 20, 500, NOW, 5)
    values = {"trials": trials, "refused by the tight one": refused, "taken in part": partial}
    return Outcome(values, refused == trials and not partial)


@figure("G12", guard="tests/speedups/test_bucket_calendar.py")
def resets(quick: bool) -> Outcome:
    """Settlements before, at and behind the end of the period in which the request was admitted."""
    trials, chance, wrong = (200 if quick else 1_000), random.Random(3), 0
    day = 86_400 * S
    with workers(2) as (arena, places):
        slot = arena.allocate()
        alone = LimitSet([slot])
        for trial in range(trials):
            arena.define(slot, trial + 1, MONEY, 1 << 60, day, ends=(NOW + day, NOW + 2 * day))
            end = NOW + arena.standing(slot, NOW)[3]
            spent: Counter[int] = Counter()
            held = []
            now = end - 50
            for _ in range(20):
                now += chance.randrange(10)
                if held and chance.random() < 0.5:
                    place, handle, admitted = held.pop(chance.randrange(len(held)))
                    amount = chance.randrange(1000)
                    place.settle(handle, 1, 0, amount, now)
                    spent[admitted] += amount
                else:
                    place = places[chance.randrange(2)]
                    held.append((place, place.reserve(alone, 1, 0, 500, now), int(now >= end)))
            for place, handle, admitted in held:
                place.settle(handle, 1, 0, 7, now)
                spent[admitted] += 7
            if now >= end:
                wrong += arena.used(slot, now) != spent[1]
            else:
                wrong += arena.used(slot, now) != spent[0]
    return Outcome({"trials": trials, "amounts lost or doubled": wrong}, not wrong)


@figure("G14", guard="tests/speedups/test_bucket_limits.py")
def limiter(quick: bool) -> Outcome:
    """Arrivals at random times over 4 workers, at a smooth limit of requests and one of tokens; no more than the burst
    and the rate allow in any span."""
    arrivals, chance, broken = (50_000 if quick else 1_000_000), random.Random(4), 0
    rate, burst = 100, 20
    admitted: list[int] = []
    with workers() as (arena, places):
        requests, tokens = arena.allocate(), arena.allocate()
        arena.define(requests, 1, GCRA, rate, S, burst=burst)
        arena.define(tokens, 2, GCRA, 60_000, 60 * S, burst=10_000, unit=TOKENS)
        sets = LimitSet([requests]), LimitSet([tokens])
        now, posted, began = NOW, 0, NOW
        for _ in range(arrivals):
            now += int(chance.expovariate(3 * rate) * S)
            place = places[chance.randrange(WORKERS)]
            handle = place.reserve(sets[0], 1, 0, 0, now)
            if handle >= 0:
                place.settle(handle, 1, 0, 0, now)
                admitted.append(now)
                if len(admitted) > burst:
                    # In the span of the last burst + n there were no more than burst + rate * span.
                    for back in (burst, min(len(admitted) - 1, 50), min(len(admitted) - 1, 400)):
                        span_s = (now - admitted[-1 - back]) / S
                        broken += back + 1 > burst + rate * span_s + 1e-6
            handle = place.reserve(sets[1], 1, 300, 0, now)
            if handle >= 0:
                true = chance.randrange(100, 301)
                place.settle(handle, 1, true, 0, now)
                posted += true
        seconds = (now - began) / S
        most = 10_000 + 1000 * seconds
    values = {
        "arrivals": arrivals,
        "requests admitted a second": round(len(admitted) / seconds, 2),
        "spans with more than burst + rate x time": broken,
        "tokens posted": posted,
        "tokens at most": round(most),
    }
    return Outcome(values, not broken and posted <= most)
