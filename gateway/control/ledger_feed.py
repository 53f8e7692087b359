"""From records to the ledger: what reached a provider becomes a row, and a row is kept before its record is freed.

The ledger and the request log are two databases, so no transaction covers both. A batch is posted to the ledger before
the log commits its rows and positions; a process that dies in between has a successor that reads the batch again, and
the ledger leaves out what it has. So each record is in both exactly once, whatever is killed when.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from gateway.stores.ledger import LedgerRow
from gateway.stores.ledger_spool import LedgerSpool
from gateway.stores.protocols import LedgerStore, StoreUnavailable

log = logging.getLogger("microgate.ledger")

PAUSE_S = 0.5
"""Between two attempts at a ledger that could not be written: well under the 5 s in which it must recover."""

REPLAYED_S = 0.05
"""How long rows of the spool are posted before the rings are looked at again."""


class LedgerFeed:
    """Used by the thread that reads the rings."""

    def __init__(self, store: LedgerStore, spool: LedgerSpool, is_ready: Callable[[], bool] = lambda: True) -> None:
        """``is_ready``: whether the ledger has its tables yet. Until then rows go to the spool."""
        self._store = store
        self._spool = spool
        self._is_ready = is_ready
        self._not_before = 0.0
        self.posted = 0
        """Rows that were new to the ledger."""
        self.spooled = 0
        """Rows that had to wait in the spool."""

    @property
    def waiting_bytes(self) -> int:
        """Of rows in the spool."""
        return self._spool.waiting_bytes

    def keep(self, rows: list[LedgerRow]) -> None:
        """Post rows, or let them wait in the spool: either way they are durable when this returns. Raises
        StoreUnavailable when neither can be had."""
        if not rows:
            return
        if self._may_post():
            try:
                self.posted += self._store.post(rows)
            except StoreUnavailable:
                self._not_before = time.monotonic() + PAUSE_S
            else:
                return
        self._spool.append(rows)
        self.spooled += len(rows)

    def replay(self) -> None:
        """Post what waits in the spool, for a while."""
        end = time.monotonic() + REPLAYED_S
        while self._spool.waiting_bytes and self._may_post():
            try:
                waiting = self._spool.next()
                if waiting is None:
                    return
                rows, until = waiting
                self.posted += self._store.post(rows)
            except StoreUnavailable as error:
                log.debug("%s", error)
                self._not_before = time.monotonic() + PAUSE_S
                return
            self._spool.posted(until)
            if time.monotonic() > end:
                return

    def _may_post(self) -> bool:
        return time.monotonic() >= self._not_before and self._is_ready()
