"""Figures as the API shows them."""

from __future__ import annotations

import msgspec

from gateway.control.figures import Figures, Spread


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
