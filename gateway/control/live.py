"""What is happening now, for those who watch: requests as they end, and the figures of each second.

The ingest thread hands over the values of what it reads while somebody watches, and not a thing otherwise. Each
listener keeps what it has not been sent yet, at most ``MOST_ENTRIES`` of it: whoever reads slowly is told how much was
skipped.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import NamedTuple

from gateway.control.figures import Figures
from gateway.control.trail import WIDTH, Values
from gateway.records import Kind
from gateway.stores.protocols import LogRow

MOST_LISTENERS = 64

MOST_ENTRIES = 100
"""Of one listener, between two of its batches."""

MOST_WAITING = 20_000
"""Records on their way from the ingest thread to the loop; more are skipped, and counted."""

MOST_NOTICES = 32
"""Of a listener: alerts and versions that it has not been told yet."""

EXCHANGE = int(Kind.EXCHANGE)
_place = LogRow._fields.index
KIND, STATUS, MODEL, TARGET_MODEL = _place("kind"), _place("status"), _place("model"), _place("target_model")
VIRTUAL_KEY, PROVIDER, TEAM = _place("virtual_key"), _place("provider"), _place("team")


class TooManyListeners(Exception):
    """All places are taken."""


class Filter(NamedTuple):
    """Which requests one wants to see. None: no restriction. Ids as records have them, any of several."""

    provider: frozenset[int] | None = None
    virtual_key: frozenset[int] | None = None
    team: frozenset[int] | None = None
    model: str | None = None
    """As asked for, or as sent to the provider."""
    status: int | None = None
    errors: bool = False

    def passes(self, values: Values, at: int) -> bool:
        """Whether it wants the record whose values begin ``at`` there."""
        return (
            (self.provider is None or values[at + PROVIDER] in self.provider)
            and (self.virtual_key is None or values[at + VIRTUAL_KEY] in self.virtual_key)
            and (self.team is None or values[at + TEAM] in self.team)
            and (self.model is None or self.model in (values[at + TARGET_MODEL], values[at + MODEL]))
            and (self.status is None or self.status == values[at + STATUS])
            and not (self.errors and 0 < values[at + STATUS] < 400)
        )


class Listener:
    """One who watches, on the loop."""

    def __init__(self, wanted: Filter) -> None:
        self.wanted = wanted
        self.figures = Figures()
        """Of all that passed the filter since they were last taken."""
        self.rows: list[Values] = []
        self.skipped = 0
        self.notices: deque[tuple[str, object]] = deque(maxlen=MOST_NOTICES)
        """Name and body of other events."""
        self.news = asyncio.Event()
        self.over = False

    def end(self) -> None:
        """Nothing more is to be told."""
        self.over = True
        self.news.set()

    def take(self, values: Values, at: int) -> None:
        if not self.wanted.passes(values, at):
            return
        self.figures.add(values, at)
        if len(self.rows) < MOST_ENTRIES:
            self.rows.append(values[at : at + WIDTH])
        else:
            self.skipped += 1
        self.news.set()

    def taken_rows(self) -> tuple[list[LogRow], int]:
        """What has come since the last time, oldest first, and how many more there were."""
        rows, skipped = self.rows, self.skipped
        self.rows, self.skipped = [], 0
        return [LogRow(*row) for row in rows], skipped

    def taken_figures(self) -> Figures:
        figures, self.figures = self.figures, Figures()
        return figures


class Live:
    """``offer`` belongs to the ingest thread, everything else to the loop."""

    def __init__(self) -> None:
        self.wanted = False
        """Somebody watches."""
        self.closed = False
        self._listeners: set[Listener] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._waiting: list[Values] = []
        self._records = 0
        self._skipped = 0

    def offer(self, values: Values) -> None:
        """Records that the log has by now, or would not take."""
        records = len(values) // WIDTH
        with self._lock:
            if self._records + records > MOST_WAITING:
                self._skipped += records
                return
            first = not self._waiting
            self._waiting.append(values)
            self._records += records
        loop = self._loop
        if first and loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._hand_out)

    def _hand_out(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
            skipped, self._skipped = self._skipped, 0
            self._records = 0
        for values in waiting:
            for at in range(0, len(values), WIDTH):
                if values[at + KIND] == EXCHANGE:
                    for listener in self._listeners:
                        listener.take(values, at)
        if skipped:
            for listener in self._listeners:
                listener.skipped += skipped

    def listen(self, wanted: Filter) -> Listener:
        """A new listener, to be given back with ``leave``. Raises TooManyListeners."""
        if len(self._listeners) >= MOST_LISTENERS:
            raise TooManyListeners(f"{MOST_LISTENERS} watch already")
        self._loop = asyncio.get_running_loop()
        listener = Listener(wanted)
        self._listeners.add(listener)
        self.wanted = True
        return listener

    def leave(self, listener: Listener) -> None:
        self._listeners.discard(listener)
        self.wanted = bool(self._listeners)

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    def tell(self, event: str, body: object) -> None:
        """An event for everybody who watches: ``alert``, ``config``. On the loop."""
        for listener in self._listeners:
            listener.notices.append((event, body))
            listener.news.set()

    def close(self) -> None:
        """Everybody is sent away: the process ends."""
        self.closed = True
        for listener in self._listeners:
            listener.news.set()
