"""Figures as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.control.figures import Figures, Reader, Spread

SUMS = (
    "requests", "errors", "refused", "cache_hits", "similar_hits", "shared", "fallbacks", "retries", "prompt_tokens",
    "completion_tokens", "cached_tokens", "reasoning_tokens", "cost_nanodollars", "saved_nanodollars", "request_bytes",
    "response_bytes",
)  # fmt: skip
"""Members of a ``FiguresEntry`` that are sums, as ``Figures.pack`` has them: before everything else."""

SPREADS = ("duration_us", "ttft_us", "overhead_us", "tokens_per_second")
COLUMNS = (*SUMS, *(f"{spread}.{field}" for spread in SPREADS for field in Spread.__struct_fields__))
"""What can be told of a step by itself."""


class FiguresEntry(msgspec.Struct, kw_only=True):
    """What requests came to. Times in microseconds; percentiles are within 4 %."""

    requests: int
    errors: int
    """With a status of 400 and above, or none."""
    refused: int
    """By the gateway itself: no credential, a limit, a malformed request."""
    cache_hits: int
    similar_hits: int
    shared: int
    fallbacks: int
    retries: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost_nanodollars: int
    saved_nanodollars: int
    """What answers of the caches would have cost at their providers; 0 where no record tells."""
    request_bytes: int
    response_bytes: int
    duration_us: Spread | None
    ttft_us: Spread | None
    """Of streams: until the first content."""
    overhead_us: Spread | None
    """What the gateway itself took."""
    tokens_per_second: Spread | None
    """Of answers by a provider, from their first content on where they were streamed."""


def entry_of(figures: Figures) -> FiguresEntry:
    """As the API shows it."""
    return FiguresEntry(
        requests=figures.requests,
        errors=figures.errors,
        refused=figures.refused,
        cache_hits=figures.cache_hits,
        similar_hits=figures.similar_hits,
        shared=figures.shared,
        fallbacks=figures.fallbacks,
        retries=figures.retries,
        prompt_tokens=figures.prompt,
        completion_tokens=figures.completion,
        cached_tokens=figures.cached,
        reasoning_tokens=figures.reasoning,
        cost_nanodollars=figures.cost,
        saved_nanodollars=figures.saved,
        request_bytes=figures.received,
        response_bytes=figures.sent,
        duration_us=figures.duration.spread(),
        ttft_us=None if figures.ttft is None else figures.ttft.spread(),
        overhead_us=figures.overhead.spread(),
        tokens_per_second=None if figures.speed is None else figures.speed.spread(1000.0),
    )


def columns_of(steps: Sequence[Sequence[bytes]], names: Sequence[str]) -> dict[str, list[float | None]]:
    """Of each step, whose figures are packed in pieces, what is called so in ``COLUMNS``; None in a step without any
    requests."""
    if all(name in SUMS for name in names):
        places = [SUMS.index(name) for name in names]
        rows = [_sums(pieces, places) for pieces in steps]
    else:
        rows = [_values(pieces, names) for pieces in steps]
    return {name: [row[at] for row in rows] for at, name in enumerate(names)}


def _sums(pieces: Sequence[bytes], places: Sequence[int]) -> list[float | None]:
    """Without the histograms behind them, which take nearly all of the time."""
    if not pieces:
        return [None] * len(places)
    total = [0] * len(SUMS)
    for data in pieces:
        reader = Reader(data)
        for at in range(len(SUMS)):
            total[at] += reader.number()
    return [total[at] for at in places]


def _values(pieces: Sequence[bytes], names: Sequence[str]) -> list[float | None]:
    if not pieces:
        return [None] * len(names)
    figures = Figures()
    for data in pieces:
        figures.unpack(Reader(data))
    entry = entry_of(figures)
    found: list[float | None] = []
    for name in names:
        member, _, field = name.partition(".")
        value = getattr(entry, member)
        found.append(getattr(value, field) if field and value is not None else value)
    return found
