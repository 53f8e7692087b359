"""What a run measured, as one JSON object and as a few lines of text."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from gateway.loadgen.histogram import Histogram

LATE_US = 1_000
"""A request that leaves a millisecond after its moment counts as late: five intervals at 5,000 a second."""

MAX_LATE_SHARE = 0.05
"""More late requests than this, or a schedule that took this much longer than planned, and the run is void: the
generator, not the server, was measured."""


@dataclass(slots=True)
class Tally:
    """Figures of the requests of one part of a run (warm-up and measurement are kept apart). Microseconds."""

    latency: Histogram = field(default_factory=Histogram)
    """From the intended moment to the end of the answer."""
    service: Histogram = field(default_factory=Histogram)
    """From the moment the request was really written."""
    late: Histogram = field(default_factory=Histogram)
    """From the intended moment to the write."""
    first: Histogram = field(default_factory=Histogram)
    """From the intended moment to the first byte of the answer's body (TTFT of a stream)."""
    gap: Histogram = field(default_factory=Histogram)
    """Between two reads of one answer's body."""
    header: Histogram = field(default_factory=Histogram)
    """Values of the answer header that was asked for."""
    statuses: Counter[int] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    completed: int = 0
    late_count: int = 0
    bytes_in: int = 0
    chunks: int = 0


@dataclass(slots=True)
class Report:
    """A whole run."""

    tally: Tally
    rate: float
    """Offered requests a second."""
    seconds: float
    """Planned length of the measured part."""
    sending_seconds: float
    """How long sending it took."""
    cpu_us_per_request: float
    """The generator's own user and system time."""
    peak_in_flight: int
    connections_opened: int
    unsent: int = 0
    """Requests whose moment came but whose turn did not before the run was given up."""

    @property
    def void(self) -> str:
        """Why the run says nothing about the server; empty when it does."""
        if not self.tally.sent:
            return "nothing was sent"
        if self.unsent:
            return f"{self.unsent} requests were never sent"
        if self.sending_seconds > self.seconds * (1 + MAX_LATE_SHARE) + 0.05:
            return f"sending took {self.sending_seconds:.2f} s instead of {self.seconds:.2f} s"
        share = self.tally.late_count / self.tally.sent
        if share > MAX_LATE_SHARE:
            return f"{share:.1%} of the requests left more than {LATE_US} us late"
        return ""

    @property
    def failed(self) -> int:
        """Requests that got no whole 2xx answer."""
        return sum(self.tally.failures.values())

    def as_json(self) -> dict[str, object]:
        """Plain values, microseconds in names ending in ``_us``."""
        tally = self.tally
        return {
            "void": self.void,
            "offered_per_s": round(self.rate, 3),
            "seconds": self.seconds,
            "sending_seconds": round(self.sending_seconds, 3),
            "sent": tally.sent,
            "completed": tally.completed,
            "failed": self.failed,
            "failures": dict(tally.failures),
            "statuses": {str(status): count for status, count in sorted(tally.statuses.items())},
            "latency_us": tally.latency.summary(),
            "service_us": tally.service.summary(),
            "late_us": tally.late.summary(),
            "late_share": round(tally.late_count / tally.sent, 5) if tally.sent else 0,
            "ttft_us": tally.first.summary(),
            "gap_us": tally.gap.summary(),
            "header_us": tally.header.summary(),
            "chunks": tally.chunks,
            "bytes_in": tally.bytes_in,
            "peak_in_flight": self.peak_in_flight,
            "connections_opened": self.connections_opened,
            "generator_cpu_us_per_request": round(self.cpu_us_per_request, 2),
        }

    def as_text(self) -> str:
        """A screenful for a terminal."""
        tally = self.tally

        def line(name: str, histogram: Histogram) -> str:
            if not histogram.count:
                return ""
            shown = (histogram.percentile(percent) / 1000 for percent in (50, 90, 99, 99.9))
            figures = "".join(f"{figure:>11.3f}" for figure in shown)
            return f"{name:<22}{figures}{histogram.highest / 1000:>11.3f}\n"

        text = (
            f"{tally.sent} requests, {self.rate:.1f} a second offered, {tally.completed} answered, "
            f"{self.failed} failed\n"
            f"in flight at most {self.peak_in_flight}, {self.connections_opened} connections opened, "
            f"own CPU {self.cpu_us_per_request:.1f} us a request\n\n"
            f"{'milliseconds':<22}{'p50':>11}{'p90':>11}{'p99':>11}{'p99.9':>11}{'max':>11}\n"
        )
        text += line("latency", tally.latency) + line("after the write", tally.service)
        text += line("first byte of body", tally.first) + line("between reads", tally.gap)
        text += line("answer header", tally.header) + line("left late by", tally.late)
        for reason, count in tally.failures.most_common():
            text += f"failed: {count} x {reason}\n"
        if self.void:
            text += f"VOID: {self.void}\n"
        return text
