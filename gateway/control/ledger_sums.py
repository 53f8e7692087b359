"""What was spent, added up by hour and by day for reports: on a thread that gives way, when many rows have come."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor

from gateway.control.database import ControlDatabase
from gateway.control.log_reading import give_way
from gateway.stores.protocols import StoreUnavailable

EVERY_S = 30.0
"""How often it is looked whether many rows have come."""

PAUSE_S = 0.5
"""Between two lots of a ledger that was kept for long before it was added up."""


class LedgerSums:
    """Of one control process."""

    def __init__(self, database: ControlDatabase) -> None:
        self._database = database
        # Started when there is work for it.
        self._thread = ThreadPoolExecutor(1, "ledger-sums", initializer=give_way)

    async def run(self) -> None:
        """Until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(EVERY_S)
            with contextlib.suppress(StoreUnavailable):
                while self._database.is_ready and await loop.run_in_executor(
                    self._thread, self._database.ledger.sum_up
                ):
                    await asyncio.sleep(PAUSE_S)

    def close(self) -> None:
        """What is under way ends by itself, or is undone."""
        self._thread.shutdown(wait=False, cancel_futures=True)
