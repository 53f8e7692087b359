"""The figures of the minutes that are not stored yet, by series, as the ingest thread adds them up.

A request belongs to the minute in which it ended. How many series a minute has is bounded: what comes later is added up
as model, key, team and customer ``other``. So are models of a provider that never answered well: whoever holds a key
can invent names without end.

Compiled with the types in ``minutes.pxd``.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from gateway.control.figures import Figures
from gateway.control.known_models import OTHER, KnownModels
from gateway.control.sheets import OTHER_ID, Labels
from gateway.control.trail import Values, unsigned
from gateway.records import Outcome
from gateway.stores.protocols import LogRow

MAX_SERIES = 10_000
"""Of one minute."""

MAX_CELLS = 60_000
"""Of all minutes that wait for the store: at most some 100 MB, when it takes nothing for hours."""

MINUTES_KEPT = 65
"""For ``last``."""

WELL = frozenset((int(Outcome.OK), int(Outcome.CACHED)))

_place = LogRow._fields.index
STARTED_US, TOTAL_US, COST = _place("started_us"), _place("total_us"), _place("cost_nanodollars")
VIRTUAL_KEY, PROVIDER, TARGET_MODEL = _place("virtual_key"), _place("provider"), _place("target_model")
OPERATION, STATUS = _place("operation"), _place("status")
OUTCOME, CACHE_VERDICT = _place("outcome"), _place("cache_verdict")
TEAM, CUSTOMER = _place("team"), _place("customer")
MINUTE_US = 60_000_000

Key: TypeAlias = tuple[int, int, str, int, int, int, int, int, int]
"""Minute since 1970, and ``Labels`` with ids as records have them (signed)."""


class Rate(NamedTuple):
    """How many requests there were lately, and how many of them had a status of 400 and above or none."""

    requests: int
    errors: int


class Minutes:
    """Written by the thread that reads the rings; read by others under ``RollupKeeper``'s lock."""

    def __init__(self) -> None:
        self.cells: dict[Key, Figures] = {}
        self.round = 0
        """Grows when cells were taken away: whoever holds one has to ask for it again."""
        self._series: dict[int, int] = {}
        """Minute -> how many series it has."""
        self._models = KnownModels()
        self._recent: dict[int, dict[tuple[int, str], tuple[int, int]]] = {}
        """Minute -> (provider, model) -> requests and errors, of what was taken away."""

    def of(self, values: Values, at: int, minute: int) -> Figures:
        """What the record whose values begin ``at`` there is added to."""
        key = (
            minute, values[at + PROVIDER], values[at + TARGET_MODEL], values[at + VIRTUAL_KEY], values[at + TEAM],
            values[at + CUSTOMER], values[at + OPERATION], values[at + STATUS], values[at + CACHE_VERDICT],
        )  # fmt: skip
        found = self.cells.get(key)
        return self._new(key, values[at + OUTCOME] in WELL) if found is None else found

    def add(self, values: Values, at: int) -> None:
        """Count an exchange."""
        ended_us = values[at + STARTED_US] + values[at + TOTAL_US]
        self.of(values, at, ended_us // MINUTE_US).add(values, at)

    def add_cost(self, values: Values, at: int) -> None:
        """What an attempt cost that another one followed; it is no request."""
        ended_us = values[at + STARTED_US] + values[at + TOTAL_US]
        self.of(values, at, ended_us // MINUTE_US).charge(values[at + COST])

    def _new(self, key: Key, well: bool) -> Figures:
        minute, provider, model = key[:3]
        known = self._models.name(provider, model, well)
        series = self._series.get(minute, 0)
        if series >= MAX_SERIES or len(self.cells) >= MAX_CELLS:
            key = (minute, provider, OTHER, OTHER_ID, OTHER_ID, OTHER_ID, *key[6:])
        elif known != model:
            key = (minute, provider, known, *key[3:])
        found = self.cells.get(key)
        if found is None:
            found = self.cells[key] = Figures()
            self._series[minute] = series + 1
        return found

    def take(self) -> dict[Key, Figures]:
        """All cells; from now on it begins anew."""
        taken, self.cells = self.cells, {}
        self.round += 1
        self._series = {}
        self._remember(taken)
        return taken

    def put_back(self, taken: dict[Key, Figures]) -> None:
        """They could not be stored."""
        for key, figures in taken.items():
            recent = self._recent.get(key[0], {})
            requests, errors = recent.get(key[1:3], (0, 0))
            recent[key[1:3]] = (requests - figures.requests, errors - figures.errors)
            if key in self.cells:
                figures.merge(self.cells[key])
            self.cells[key] = figures
            self._series[key[0]] = self._series.get(key[0], 0) + 1
        self.round += 1

    def _remember(self, taken: dict[Key, Figures]) -> None:
        for key, figures in taken.items():
            minute = self._recent.setdefault(key[0], {})
            requests, errors = minute.get(key[1:3], (0, 0))
            minute[key[1:3]] = (requests + figures.requests, errors + figures.errors)
        if len(self._recent) > MINUTES_KEPT:
            for old in sorted(self._recent)[:-MINUTES_KEPT]:
                del self._recent[old]

    def last(self, first_minute: int, by_model: bool) -> dict[int | str, Rate]:
        """Rates since the beginning of a minute, by provider id (unsigned) or by model."""
        found: dict[int | str, Rate] = {}

        def count(provider: int, model: str, requests: int, errors: int) -> None:
            name = model if by_model else unsigned(provider)
            before = found.get(name, Rate(0, 0))
            found[name] = Rate(before.requests + requests, before.errors + errors)

        for minute, rates in list(self._recent.items()):
            if minute >= first_minute:
                for (provider, model), (requests, errors) in list(rates.items()):
                    count(provider, model, requests, errors)
        for key, figures in list(self.cells.items()):
            if key[0] >= first_minute:
                count(key[1], key[2], figures.requests, figures.errors)
        return found


def labels_of(key: Key) -> Labels:
    """Of a cell."""
    _, provider, model, virtual_key, team, customer, operation, status, cache = key
    ids = unsigned(virtual_key), unsigned(team), unsigned(customer)
    return Labels(unsigned(provider), model, *ids, operation, status, cache)
