"""What happened to each request of a run, by its number: arrays of moments, counted when the run is over.

While a run lasts a request costs stores into arrays and no object of its own.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence

from gateway.loadgen.report import LATE_US, Tally


class Marks:
    """Moments are nanoseconds of ``time.monotonic_ns``, 0 where nothing happened."""

    __slots__ = (
        "bytes_in", "ended", "failures", "first", "first_measured", "gaps", "header", "reads", "sent", "statuses",
    )  # fmt: skip

    def __init__(self, count: int, first_measured: int) -> None:
        self.first_measured = first_measured
        """Number of the first request that is not warm-up."""
        self.sent = array("q", bytes(8 * count))
        self.first = array("q", bytes(8 * count))
        """First byte of the answer's body."""
        self.ended = array("q", bytes(8 * count))
        """Last byte of it."""
        self.statuses = array("h", bytes(2 * count))
        self.gaps = array("q")
        """Nanoseconds between two reads of one answer's body."""
        self.header = array("q")
        """Values of the answer header that was asked for, in microseconds."""
        self.failures: Counter[str] = Counter()
        self.reads = 0
        self.bytes_in = 0

    def failed(self, number: int, reason: str) -> None:
        """The request got no whole answer."""
        if number >= self.first_measured:
            self.failures[reason] += 1

    def tally(self, start_ns: int, moments_ns: Sequence[int], offered: int) -> Tally:
        """The figures of the measured ones among the first ``offered`` requests, meant to leave at ``start_ns`` plus
        their moment."""
        tally = Tally(failures=self.failures, chunks=self.reads, bytes_in=self.bytes_in)
        for number in range(self.first_measured, offered):
            tally.sent += 1
            intended, sent = start_ns + moments_ns[number], self.sent[number]
            if not sent:
                continue
            late = (sent - intended) // 1000
            tally.late.record(late)
            tally.late_count += late > LATE_US
            if self.first[number]:
                tally.first.record((self.first[number] - intended) // 1000)
            ended, status = self.ended[number], self.statuses[number]
            if not ended:
                continue
            tally.statuses[status] += 1
            if 200 <= status < 300:
                tally.completed += 1
                tally.latency.record((ended - intended) // 1000)
                tally.service.record((ended - sent) // 1000)
            else:
                tally.failures[f"status {status}"] += 1
        for gap in self.gaps:
            tally.gap.record(gap // 1000)
        for value in self.header:
            tally.header.record(value)
        return tally

    def sending_seconds(self, offered: int) -> float:
        """From the first measured request's departure to the last one's."""
        moments = [moment for moment in self.sent[self.first_measured : offered] if moment]
        return (max(moments) - min(moments)) / 1e9 if moments else 0.0
