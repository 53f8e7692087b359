"""What was spent before the arena was made (the machine was rebooted, the number of workers is another one), put into
it from the ledger.

The boot does it before there are workers, whenever the ledger can be read; else the snapshot says that it is not known
yet (``Snapshot.unknown_before_us``), keys with a budget are refused, and the control process does it when it can.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import NamedTuple

from _speedups._bucket import INPUT_TOKENS, MONEY, OUTPUT_TOKENS, REQUESTS, ROLLING, TOKENS, USD, WINDOW, Arena
from _speedups._ring import RingReader
from gateway.control.ledger_rows import rows_of
from gateway.control.trail import signed
from gateway.processes.paths import Paths
from gateway.snapshot.calendar import EVEN, begin_of, offset_of, zone_of
from gateway.snapshot.levels import LimitPlan
from gateway.snapshot.limits import CUSTOMER, KEY, PERIODS, PROVIDER, TEAM
from gateway.snapshot.model import id_hash
from gateway.snapshot.plan import Plan
from gateway.stores.ledger import LedgerRow, Line, Spent, spent_by
from gateway.stores.ledger_spool import LedgerSpool
from gateway.stores.protocols import LedgerStore

_SUB_WINDOWS = 60
_ALWAYS_NS = 1 << 62


class Owner(NamedTuple):
    """Whose spending a limit counts; ids as the ledger has them."""

    level: int
    identity: int
    provider: int = 0
    """Of a limit at a provider."""


class Span(NamedTuple):
    """What limits that look at the same stretch of time have in common."""

    rolling: bool
    period_ns: int
    period: int
    time_zone: str


class Stretch(NamedTuple):
    """The running period of a span on the wall clock, in parts."""

    base_ns: int
    part_ns: int


def refill(
    arena: Arena,
    plan: Plan,
    ledger: LedgerStore,
    waiting: Iterable[LedgerRow] = (),
    until_us: int | None = None,
) -> int:
    """Add to every fixed and rolling limit of ``plan`` what its running period has used already, by requests that began
    before ``until_us``; how many limits that were. ``waiting`` are rows that the ledger may not have yet. Limits of the
    kind ``smooth`` begin full, and nothing is under way. Raises StoreUnavailable; then nothing was added."""
    spans: dict[Span, list[tuple[Owner, LimitPlan, int]]] = {}
    for owner, limit in _limits(plan):
        slot = arena.find(limit.id_hash)
        if slot >= 0:
            span = Span(limit.kind == ROLLING, limit.period_ns, limit.period, limit.time_zone)
            spans.setdefault(span, []).append((owner, limit, slot))
    missing = _missing(ledger, waiting) if spans else []
    now_ns = time.monotonic_ns()
    stretches = {span: _stretch(span, arena.wall_offset, now_ns) for span in spans}
    amounts = {span: _spent(ledger, stretch, missing, until_us) for span, stretch in stretches.items()}
    filled = 0
    # Nothing is asked from here on: the ledger fails before the first limit or not at all.
    for span, limits in spans.items():
        for owner, limit, slot in limits:
            parts = amounts[span].get(owner, {})
            for part, spent in parts.items():
                age = max(0, _SUB_WINDOWS - 1 - part) if span.rolling else 0
                arena.add(slot, _counted(limit, owner, spent), now_ns, age)
            filled += bool(parts)
    return filled


def waiting_rows(paths: Paths) -> Iterator[LedgerRow]:
    """What was on its way to the ledger when the processes ended: rows in the spool, records in rings. Nothing is
    taken from there. Raises StoreUnavailable."""
    yield from chain.from_iterable(LedgerSpool(paths.ledger_spool).waiting())
    for name in os.listdir(paths.runtime_dir):
        if not name.startswith("ring-"):
            continue
        place = int(name.removeprefix("ring-"))
        try:
            reader = RingReader(paths.ring(place), paths.spill(place))
        except (OSError, ValueError):
            # Of another layout: the control process leaves it alone as well.
            continue
        try:
            while values := reader.read(64):
                for row in rows_of(values):
                    yield LedgerRow(*row)
        finally:
            reader.close()


def _limits(plan: Plan) -> Iterator[tuple[Owner, LimitPlan]]:
    """Every limit that can be filled, once."""
    seen: set[int] = set()
    for key in plan.keys:
        whose = {KEY: key.id_hash, TEAM: key.team, CUSTOMER: key.customer}
        there = [
            plan.providers.get(config.provider)
            for config in plan.rulesets[key.ruleset].configs
            for _ in range(config.limits)
        ]
        general = len(key.limits) - len(there)
        for place, limit in enumerate(key.limits):
            if limit.id_hash in seen or limit.kind not in (WINDOW, ROLLING, MONEY):
                continue
            seen.add(limit.id_hash)
            if limit.level != PROVIDER:
                yield Owner(limit.level, signed(whose[limit.level])), limit
            elif (provider := there[place - general]) is not None:
                yield Owner(PROVIDER, signed(key.id_hash), signed(id_hash(provider.id))), limit


def _stretch(span: Span, wall_offset: int, now_ns: int) -> Stretch:
    ahead_ns = time.time_ns() - now_ns
    if span.rolling:
        part_ns = -(-span.period_ns // (_SUB_WINDOWS - 1))
        return Stretch((now_ns // part_ns - _SUB_WINDOWS + 1) * part_ns + ahead_ns, part_ns)
    if not span.period_ns:
        return Stretch(0, _ALWAYS_NS)
    name, offset_ns = PERIODS[span.period], wall_offset
    if span.period and name not in EVEN:
        begin = begin_of(datetime.fromtimestamp((now_ns + ahead_ns) / 1e9, UTC), name, zone_of(span.time_zone))
        return Stretch(round(begin.timestamp()) * 1_000_000_000, _ALWAYS_NS)
    if span.period:
        offset_ns = offset_of(zone_of(span.time_zone), wall_offset, now_ns)
    return Stretch((now_ns + offset_ns) // span.period_ns * span.period_ns - offset_ns + ahead_ns, _ALWAYS_NS)


def _missing(ledger: LedgerStore, waiting: Iterable[LedgerRow]) -> list[LedgerRow]:
    """Those that the ledger does not have, each once."""
    rows = {(bytes(row.request_id), row.attempt, row.line): row for row in waiting}
    known = ledger.find([request_id for request_id, _, _ in rows])
    there = {(row.request_id, row.attempt, row.line) for row in known}
    return [row for key, row in rows.items() if key not in there]


def _spent(
    ledger: LedgerStore, stretch: Stretch, missing: Iterable[LedgerRow], until_us: int | None
) -> dict[Owner, dict[int, list[int]]]:
    """Owner -> part -> the figures of ``Spent`` from ``requests`` on, added up."""
    further = (
        spent_by(row, *stretch)
        for row in missing
        if row.line != Line.SHADOW
        and row.started_us * 1000 >= stretch.base_ns
        and (until_us is None or row.started_us < until_us)
    )
    found: dict[Owner, dict[int, list[int]]] = {}
    for spent in chain(ledger.spent(*stretch, until_us), further):
        owners = (
            Owner(KEY, spent.virtual_key),
            Owner(TEAM, spent.team),
            Owner(CUSTOMER, spent.customer),
            Owner(PROVIDER, spent.virtual_key, spent.provider),
        )
        for owner in owners:
            sums = found.setdefault(owner, {}).setdefault(spent.part, [0] * len(_FIGURES))
            for place, amount in enumerate(spent[-len(_FIGURES) :]):
                sums[place] += amount
    return found


_FIGURES = Spent._fields[Spent._fields.index("requests") :]


def _counted(limit: LimitPlan, owner: Owner, sums: list[int]) -> int:
    """What this limit counts of them: at a provider every attempt is a request."""
    requests, attempts, prompt, completion, cost = sums
    if limit.kind == MONEY or limit.unit == USD:
        return cost
    return {
        REQUESTS: attempts if owner.level == PROVIDER else requests,
        TOKENS: prompt + completion,
        INPUT_TOKENS: prompt,
        OUTPUT_TOKENS: completion,
    }[limit.unit]
