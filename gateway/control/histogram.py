"""Histograms over integers (microseconds), cheap to add to and quick to render.

Compiled with the types in ``histogram.pxd``.
"""

from __future__ import annotations

LATENCY_US = (
    5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 30_000_000,
    60_000_000, 120_000_000, 300_000_000,
)  # fmt: skip
"""Upper bounds for what a provider takes: an embedding in milliseconds, a long answer in minutes."""

OVERHEAD_US = (5, 10, 20, 30, 50, 75, 100, 150, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000)
"""Upper bounds for what the gateway itself takes: microseconds, with room for what should not happen."""


def _seconds(bound_us: int) -> str:
    return f"{bound_us / 1e6:.10f}".rstrip("0").rstrip(".")


_LES: dict[tuple[int, ...], tuple[str, ...]] = {
    bounds: tuple(map(_seconds, bounds)) for bounds in (LATENCY_US, OVERHEAD_US)
}


class Histogram:
    """Counts a bucket (not cumulative) and the sum; ``counts`` has one more entry than ``bounds``, for what is
    above."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[int, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0

    def add(self, value_us: int) -> None:
        at = 0
        # From below: compiled, a step costs less than calling a search would.
        for bound in self.bounds:
            if value_us <= bound:
                break
            at += 1
        self.counts[at] += 1
        self.total += value_us

    def render(self, name: str, labels: str, out: list[str]) -> None:
        """Append the sample lines, in seconds. ``labels`` without braces, as stored; may be empty."""
        comma = f"{labels}," if labels else ""
        bucket = f"{name}_bucket{{{comma}le="
        running = 0
        for le, count in zip(_LES[self.bounds], self.counts, strict=False):
            running += count
            out.append(f'{bucket}"{le}"}} {running}\n')
        running += self.counts[-1]
        braces = f"{{{labels}}}" if labels else ""
        out.append(
            f'{bucket}"+Inf"}} {running}\n{name}_sum{braces} {self.total / 1e6!r}\n{name}_count{braces} {running}\n'
        )
