"""Roll-ups: what requests came to by minute, hour and day, from the ingest thread to whoever asks.

The ingest thread adds each record up in memory (``minutes.py``) and, once a minute, stores all of it as sheets
(``sheets.py``) together with a mark of how far the log's rows are in it. A process that was killed has a successor that
finds where the mark stands, and where the log ends: the rows between the two are a gap, which is filled from the log in
the background. So is the whole of a log that was begun by a program without roll-ups. Every row is therefore in the
roll-ups exactly once, whatever is killed when.

Minutes are added to hours and days afterwards (``maintain``), also on another thread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

from gateway.control.aggregate import Aggregates
from gateway.control.figures import Figures
from gateway.control.known_models import OTHER
from gateway.control.minutes import MAX_SERIES, Key, Minutes, Rate, labels_of
from gateway.control.sheets import OTHER_ID, Group, Labels, Plain, Question, collect, sheet_of, unfold, without_keys
from gateway.control.trail import Values
from gateway.records import Kind
from gateway.stores.protocols import LogRow, LogStore, StoreUnavailable
from gateway.stores.rollups import (
    WITH_KEYS,
    WITHOUT_KEYS,
    Cube,
    Gap,
    Grain,
    RollupLimits,
    RollupReader,
    RollupStore,
    Sheet,
)

log = logging.getLogger("microgate.log")

SETTLED_S = 3
"""Behind the end of a minute until it is stored: nearly all of its records are there by then, so that it is one row."""

FILLED_AT_ONCE = 10_000
"""Rows of a gap that are added up and stored in one transaction: some 100 ms."""

MERGED_AFTER_S = 120
"""Behind the end of an hour until its minutes are added up."""

EXCHANGE, ATTEMPT = int(Kind.EXCHANGE), int(Kind.ATTEMPT)
_KIND, _COST = LogRow._fields.index("kind"), LogRow._fields.index("cost_nanodollars")

Points: TypeAlias = dict[Group, dict[int, bytes]]
"""Group -> beginning of a step -> its figures, packed."""


def merged(sheets: Sequence[bytes]) -> bytes:
    """One sheet with the sums of all, and no more than ``MAX_SERIES`` but for ``other``."""
    series: dict[Plain, Figures] = {}
    for data in sheets:
        unfold(data, series)
        # Minutes may have quite different series: never all of them at once.
        if len(series) > 2 * MAX_SERIES:
            series = _bounded(series)
    return sheet_of(_bounded(series).items())


def _bounded(series: dict[Plain, Figures]) -> dict[Plain, Figures]:
    """Those with most requests; the rest is added up as ``other``, as what is too much for a minute is."""
    if len(series) <= MAX_SERIES:
        return series
    ranked = sorted(series, key=lambda labels: -series[labels].requests)
    found = {labels: series[labels] for labels in ranked[:MAX_SERIES]}
    for labels in ranked[MAX_SERIES:]:
        provider, _, _, _, _, operation, status, cache = labels
        other = (provider, OTHER, OTHER_ID, OTHER_ID, OTHER_ID, operation, status, cache)
        into = found.get(other)
        if into is None:
            into = found[other] = Figures()
        into.merge(series[labels])
    return found


def sheets_of(cells: dict[Key, Figures]) -> list[Sheet]:
    """Of every minute, with and without keys."""
    by_minute: dict[int, list[tuple[Labels, Figures]]] = {}
    for key, figures in cells.items():
        by_minute.setdefault(key[0], []).append((labels_of(key), figures))
    found = []
    for minute, series in sorted(by_minute.items()):
        found.append(Sheet(minute * 60, WITH_KEYS, sheet_of(series)))
        found.append(Sheet(minute * 60, WITHOUT_KEYS, sheet_of(without_keys(series).items())))
    return found


class Rollups:
    """Over a store and the log that it lies beside. ``begin``, ``tend`` and ``finish`` belong to the ingest thread,
    ``fill`` and ``maintain`` to one other, the rest to any."""

    def __init__(
        self,
        store: RollupStore,
        log_store: LogStore,
        aggregates: Aggregates,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self.limits = RollupLimits()
        """May be replaced at any time."""
        self.minutes = Minutes()
        self.filling = False
        self._log_store = log_store
        self._aggregates = aggregates
        self._clock = clock
        self._lock = threading.Lock()
        """Held while cells go from memory to the store, and by whoever looks at both."""
        self._begun = False
        self._stored_at = self._slot()
        self._pending: tuple[dict[Key, Figures], str] | None = None
        """Cells, and the mark with them, of which it is not known whether the store has them."""
        self._gaps: list[Gap] = []

    # -- on the ingest thread, between two batches

    def begin(self) -> None:
        """From here on records are added up; what the log has besides is a gap. Does nothing when that cannot be
        stored: then it is tried again."""
        if self._begun:
            return
        try:
            self.store.begin(self._log_store.mark())
        except StoreUnavailable as error:
            log.debug("%s", error)
            return
        self._begun = True
        self.filling = True
        self._aggregates.minutes = self.minutes

    def tend(self) -> None:
        """Store what is due. All that was counted must be in the log."""
        self.begin()
        slot = self._slot()
        if slot != self._stored_at or len(self.minutes.cells) > 2 * MAX_SERIES:
            self._stored_at = slot
            self.keep()

    def keep(self) -> None:
        """Store what is in memory; nothing is lost when that fails."""
        if not self._begun or not (self.minutes.cells or self._pending):
            return
        try:
            with self._lock:
                self._resolve()
                if not self.minutes.cells:
                    return
                mark = self._log_store.mark()
                self._pending = (self.minutes.take(), mark)
                self.store.keep(sheets_of(self._pending[0]), mark)
                self._pending = None
        except StoreUnavailable as error:
            log.warning("roll-ups: not stored: %s", error)

    def _resolve(self) -> None:
        """Find out what became of the try before."""
        if self._pending is None:
            return
        with self.store.reading() as reader:
            kept = reader.reached == self._pending[1]
        if not kept:
            self.minutes.put_back(self._pending[0])
        self._pending = None

    def _slot(self) -> int:
        return int((self._clock() - SETTLED_S) // 60)

    # -- on another thread

    def fill(self) -> bool:
        """Take in a part of what is missing, the newest gap first; whether there is more to do. Raises
        StoreUnavailable."""
        self._gaps = self.store.gaps()
        if not self._gaps:
            self.filling = False
            return False
        gap = self._gaps[0]
        try:
            rows, reached = self._log_store.between(gap.reached, gap.until, FILLED_AT_ONCE)
        except ValueError:
            log.warning("roll-ups: what was missing before %s cannot be found", gap.until)
            rows, reached = [], gap.until
        self.store.fill(gap, sheets_of(counted(rows)), reached, len(rows))
        return True

    def maintain(self) -> None:
        """Add minutes to hours and days, and drop what is too old. Raises StoreUnavailable."""
        now = self._clock()
        for hour_s in self.store.unmerged(int(now - MERGED_AFTER_S)):
            self.store.merge(hour_s)
        for day_s in self.store.unmerged_days(int(now - MERGED_AFTER_S)):
            self.store.merge_day(day_s)
        self.store.forget(int(now - self.limits.minutes_s), int(now - self.limits.hours_s))

    # -- for whoever asks

    def notes(self) -> list[str]:
        """What is not as it should be, or not yet."""
        found = []
        if problem := self.store.problem():
            found.append(problem if problem.startswith("roll-ups") else f"roll-ups: {problem}")
        if self._gaps:
            rows = sum(gap.rows for gap in self._gaps)
            found.append(f"roll-ups are being made of older rows of the request log: {rows:,} so far")
        return found

    def last(self, seconds: float, by: str = "provider") -> dict[int | str, Rate]:
        """Requests and errors of the last ``seconds`` (an hour at most) and of the rest of the minute in which these
        began; ``by``: ``provider`` (id, unsigned) or ``model``. Since the process began."""
        first = int((self._clock() - min(seconds, 3600.0)) // 60)
        with self._lock:
            return self.minutes.last(first, by == "model")

    def points(self, question: Question, since_s: int, until_s: int, step_s: int) -> Points:
        """The figures of each group in each step of a time whose ends are whole minutes. Raises StoreUnavailable,
        ValueError for a sheet of a later program."""
        cube = WITH_KEYS if question.asks_for_keys() else WITHOUT_KEYS
        minutes_from = int(self._clock() - self.limits.minutes_s) // 3600 * 3600 + 3600
        self._lock.acquire()
        locked = True
        try:
            with self.store.reading() as reader:
                found = self._in_memory(question, reader.reached, since_s, until_s, step_s)
                self._lock.release()
                locked = False
                result: Points = {}
                for at_s in range(since_s // step_s * step_s, until_s, step_s):
                    groups = found.get(at_s, {})
                    until = min(at_s + step_s, until_s)
                    for data in _sheets(reader, cube, max(at_s, since_s), until, minutes_from):
                        collect(data, question, groups)
                    for group, figures in groups.items():
                        packed = bytearray()
                        figures.pack(packed)
                        result.setdefault(group, {})[at_s] = bytes(packed)
        finally:
            if locked:
                self._lock.release()
        return result

    def _in_memory(
        self, question: Question, reached: str | None, since_s: int, until_s: int, step_s: int
    ) -> dict[int, dict[Group, Figures]]:
        tables = [self.minutes.cells]
        if self._pending is not None and self._pending[1] != reached:
            tables.append(self._pending[0])
        found: dict[int, dict[Group, Figures]] = {}
        for table in tables:
            for key, figures in list(table.items()):
                at_s = key[0] * 60
                if not since_s <= at_s < until_s:
                    continue
                group = question.group_of(labels_of(key))
                if group is None:
                    continue
                groups = found.setdefault(at_s // step_s * step_s, {})
                into = groups.get(group)
                if into is None:
                    into = groups[group] = Figures()
                into.merge(figures)
        return found


def counted(rows: Sequence[Sequence[object]]) -> dict[Key, Figures]:
    """Rows of the log as the ingest thread would have added them up."""
    minutes = Minutes()
    for row in rows:
        values: Values = list(row)
        if values[_KIND] == EXCHANGE:
            minutes.add(values, 0)
        elif values[_KIND] == ATTEMPT and values[_COST]:
            minutes.add_cost(values, 0)
    return minutes.cells


def _sheets(reader: RollupReader, cube: Cube, since_s: int, until_s: int, minutes_from: int) -> list[bytes]:
    """Of a time, from the coarsest sheets that fit into it. Minutes that are no longer kept are those of their hour:
    then the hour in which the time begins counts as a whole."""
    found: list[bytes] = []

    def take(grain: Grain, begin: int, end: int) -> None:
        found.extend(reader.sheets(grain, cube, begin, end))

    first, last = -(-since_s // 3600) * 3600, until_s // 3600 * 3600
    if since_s < minutes_from:
        first = since_s // 3600 * 3600
        if until_s <= minutes_from:
            last = -(-until_s // 3600) * 3600
    if first >= last:
        take("minute", since_s, until_s)
        return found
    take("minute", since_s, first)
    first_day, last_day = -(-first // 86400) * 86400, last // 86400 * 86400
    if first_day < last_day:
        take("hour", first, first_day)
        take("day", first_day, last_day)
        take("hour", last_day, last)
    else:
        take("hour", first, last)
    take("minute", last, until_s)
    return found
