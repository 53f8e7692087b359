"""What the cache has been good for: counts in all and by day, which outlive the process."""

from __future__ import annotations

import contextlib
import logging
import os
from datetime import UTC, datetime

import msgspec

log = logging.getLogger("microgate.cache")

DAYS_KEPT = 90


class _Saved(msgspec.Struct):
    totals: dict[str, int] = {}
    days: dict[str, dict[str, int]] = {}


class Figures:
    """Names of counts -> sums; ``days`` by date (UTC)."""

    def __init__(self, directory: str) -> None:
        self._path = os.path.join(directory, "figures.json")
        saved = _Saved()
        with contextlib.suppress(OSError, msgspec.MsgspecError), open(self._path, "rb") as file:
            saved = msgspec.json.decode(file.read(), type=_Saved)
        self.totals = saved.totals
        self.days = saved.days

    def add(self, counts: dict[str, int]) -> None:
        """Count what has just happened."""
        today = self.days.setdefault(datetime.now(UTC).date().isoformat(), {})
        for sums in (self.totals, today):
            for name, count in counts.items():
                sums[name] = sums.get(name, 0) + count
        while len(self.days) > DAYS_KEPT:
            del self.days[min(self.days)]

    def save(self) -> None:
        """To the disk, whole or not at all; one that is full keeps what was saved before."""
        temporary = f"{self._path}.new"
        try:
            with open(temporary, "wb") as file:
                file.write(msgspec.json.encode(_Saved(self.totals, self.days)))
            os.replace(temporary, self._path)
        except OSError as error:
            log.warning("what the cache has been good for is not saved: %s", error)
