"""How much of each budget is spent, from the arena, as ``/api/*/limits`` tells it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from _speedups._bucket import Arena
from gateway.alerts.alert import FOREVER_S, Finding
from gateway.config.levels import BudgetEntry, VirtualKeyEntry
from gateway.config.schema import Config
from gateway.snapshot.entities import declared
from gateway.snapshot.levels import customer_id, limit_id, team_id
from gateway.snapshot.model import id_hash
from gateway.snapshot.plan import virtual_key_id
from gateway.snapshot.standing import Standing, standing_of, usd

AT_A_LOOK = 4000
"""Budgets that are looked at in one go, some 20 ms; with more a round takes several looks."""
CLEAR = 0.05
"""So far below the threshold a share must fall before the alert is over."""
IDS = {"virtual_key": virtual_key_id, "team": team_id, "customer": customer_id}
TITLES = {"virtual_key": "Virtual key", "team": "Team", "customer": "Customer"}
_SPANS = {"minute", "hour", "day", "week", "month", "quarter", "year"}


class Budget(NamedTuple):
    """One budget of one owner."""

    kind: str
    name: str
    entry: BudgetEntry
    limit_id: str

    @property
    def subject(self) -> str:
        return f"{self.kind}/{self.name}"

    @property
    def window(self) -> str:
        """``month``, ``30d``; empty: once for all."""
        per = self.entry.per
        if per is None:
            return ""
        return per.calendar or f"{float(per):g}s"


def budgets_of(config: Config) -> list[Budget]:
    """All budgets of customers, teams and keys that are switched on."""
    found = []
    for kind in ("customer", "team", "virtual_key"):
        for name, entry in declared(config, kind).items():
            if not entry.enabled:
                continue
            owner = IDS[kind](name, entry.id)
            found += [Budget(kind, name, each, limit_id(owner, each)) for each in entry.budgets]
    return found


class Budgets:
    """Looks at them in turn. Used on one thread at a time."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._config: Config | None = None
        self._all: Sequence[Budget] = ()
        self._slots: dict[str, int] = {}
        self._next = 0
        self._members: Mapping[str, Sequence[str]] = {}
        self._refused: dict[str, int] = {}

    def follow(self, config: Config) -> None:
        """The configuration in force."""
        if config is self._config:
            return
        self._config = config
        self._all = budgets_of(config)
        self._slots = {}
        self._next = 0
        self._members = {entry.name: _owners(config, entry) for entry in config.virtual_keys}

    def known(self, thresholds: Sequence[float]) -> set[str]:
        """Keys of all findings that there can be."""
        return {key_of(each, threshold) for each in self._all for threshold in thresholds}

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._all)

    def standings(self, most: int) -> Iterator[tuple[Budget, Standing]]:
        """The first ``most`` of them that have a place in the arena."""
        now_ns = time.monotonic_ns()
        for each in self._all[:most]:
            if (slot := self._slot(each)) >= 0:
                yield each, standing_of(self._arena, slot, now_ns)

    def look(self, thresholds: Sequence[float], refused: Mapping[str, int], now_s: float) -> list[Finding]:
        """The next of them. ``refused``: virtual key -> requests refused for a budget so far."""
        short = self._just_refused(refused)
        chosen = self._all[self._next : self._next + AT_A_LOOK]
        self._next = self._next + AT_A_LOOK if self._next + AT_A_LOOK < len(self._all) else 0
        now_ns = time.monotonic_ns()
        found: list[Finding] = []
        for each in chosen:
            slot = self._slot(each)
            if slot < 0:
                continue
            standing = standing_of(self._arena, slot, now_ns)
            short_of = each.subject in short
            found += [self._finding(each, standing, threshold, short_of, now_s) for threshold in thresholds]
        return found

    def _slot(self, budget: Budget) -> int:
        slot = self._slots.get(budget.limit_id, -1)
        if slot < 0:
            slot = self._slots[budget.limit_id] = self._arena.find(id_hash(budget.limit_id))
        return slot

    def _just_refused(self, refused: Mapping[str, int]) -> set[str]:
        """Owners of which some budget has so little left that requests were refused for it since the last look."""
        new = [key for key, count in refused.items() if count > self._refused.get(key, 0)]
        self._refused = dict(refused)
        return {owner for key in new for owner in self._members.get(key, ())}

    @staticmethod
    def _finding(budget: Budget, standing: Standing, threshold: float, short: bool, now_s: float) -> Finding:
        share = standing.spent / standing.limit if standing.limit else 1.0
        # What is left may be too little for any request: then it is used up, whatever the figure says.
        used_up = short and threshold <= 1 and share + standing.reserved / max(1, standing.limit) > 1 - CLEAR
        holds: bool | None = share >= threshold or used_up
        if not holds and share >= threshold - CLEAR:
            holds = None
        period = budget.entry.per
        fixed = period is not None and budget.entry.window == "fixed"
        if period is None:
            quiet_until_s = FOREVER_S
        else:
            quiet_until_s = now_s + (standing.reset_ns / 1e9 if fixed else float(period))
        return Finding(
            key=key_of(budget, threshold),
            kind="budget",
            subject=budget.subject,
            level="warning" if threshold < 1 else "critical",
            holds=holds,
            message=message_of(budget, standing, share, used_up),
            value=share,
            threshold=threshold,
            quiet_until_s=quiet_until_s,
            measure=standing.limit,
            anew=fixed,
        )


def key_of(budget: Budget, threshold: float) -> str:
    return f"budget:{budget.limit_id}:{threshold:g}"


def message_of(budget: Budget, standing: Standing, share: float, used_up: bool) -> str:
    """A sentence."""
    window = budget.window
    per = "" if not window else f" per {window}" if window in _SPANS else f" per {standing.window or window}"
    who, whole, spent = (
        f"{TITLES[budget.kind]} {budget.name}",
        f"${usd(standing.limit)}{per}",
        f"${usd(standing.spent)}",
    )
    if share >= 1:
        return f"{who} has used up its budget of {whole}: {spent} spent"
    if used_up:
        return f"{who} has so little left of its budget of {whole} that requests are refused: {spent} spent"
    return f"{who} has spent {int(share * 100)} % of its budget of {whole}: {spent}"


def _owners(config: Config, entry: VirtualKeyEntry) -> Sequence[str]:
    """Whom a virtual key's requests are charged to."""
    team = config.teams.get(entry.team or "")
    customer = team.customer if team is not None else entry.customer
    above = [f"{kind}/{name}" for kind, name in (("team", entry.team), ("customer", customer)) if name]
    return [f"virtual_key/{entry.name}", *above]
