"""The counters of ``aggregate.py`` in Prometheus' text format, from stored label strings.

prometheus-client would take some 14 us a series; this takes under half of one, and prometheus-client's own parser
reads the whole output in the tests. What each family means: docs/metrics.md (a test holds the two together).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from gateway.control.aggregate import Aggregates, Attempts, Overhead, Requests, Timing, Usage
from gateway.control.histogram import Histogram


class Family(NamedTuple):
    """A metric family: its name with its unit, as rendered."""

    name: str
    type: str
    help: str

    def head(self) -> str:
        return f"# HELP {self.name} {self.help}\n# TYPE {self.name} {self.type}\n"


REQUESTS = Family("microgate_requests_total", "counter", "Requests that have ended.")
TOKENS = Family("microgate_tokens_total", "counter", "Tokens by kind, as the provider counted them or estimated.")
COST = Family("microgate_cost_dollars_total", "counter", "What providers charge for them, in US dollars.")
ESTIMATED = Family("microgate_usage_estimated_total", "counter", "Requests whose tokens had to be estimated.")
UNPRICED = Family("microgate_usage_unpriced_total", "counter", "Requests to models whose price is not known.")
RECEIVED = Family("microgate_request_bytes_total", "counter", "Bytes of request bodies received from callers.")
SENT = Family("microgate_response_bytes_total", "counter", "Bytes of answers sent to callers.")
RETRIES = Family("microgate_retries_total", "counter", "Upstream attempts beyond the first of each request.")
FALLBACKS = Family("microgate_fallbacks_total", "counter", "Requests served by another target than their first.")
DURATION = Family("microgate_request_duration_seconds", "histogram", "Whole time of a request, streams to their end.")
TTFT = Family("microgate_time_to_first_token_seconds", "histogram", "Streams: from the request to the first chunk.")
BETWEEN = Family("microgate_inter_chunk_seconds", "histogram", "Streams: mean time between two chunks, by request.")
CHUNKS = Family("microgate_stream_chunks_total", "counter", "Chunks relayed.")
OVERHEAD = Family("microgate_overhead_seconds", "histogram", "Time that the gateway itself took, by request.")
QUEUE = Family("microgate_queue_seconds", "histogram", "Time that queued requests waited for their turn.")
ATTEMPTS = Family("microgate_attempts_total", "counter", "Upstream attempts by provider key and result.")
UPSTREAM = Family("microgate_upstream_seconds", "histogram", "Time of an upstream attempt.")
SHADOW_REQUESTS = Family("microgate_shadow_requests_total", "counter", "Copies of requests sent to shadow targets.")
SHADOW_TOKENS = Family("microgate_shadow_tokens_total", "counter", "Tokens of shadow targets, by kind.")
SHADOW_COST = Family("microgate_shadow_cost_dollars_total", "counter", "What they cost, in US dollars.")
SHADOW_DURATION = Family(
    "microgate_shadow_duration_seconds", "histogram", "Whole time of a copy, streams to their end."
)
SHADOW_TTFT = Family(
    "microgate_shadow_time_to_first_token_seconds", "histogram", "Streamed copies: from the request to the first chunk."
)
EMBEDDING_REQUESTS = Family(
    "microgate_cache_embedding_requests_total", "counter", "Calls for embeddings that the semantic cache made."
)
EMBEDDING_TOKENS = Family("microgate_cache_embedding_tokens_total", "counter", "Tokens of these calls.")
EMBEDDING_COST = Family("microgate_cache_embedding_cost_dollars_total", "counter", "What they cost, in US dollars.")
EMBEDDING_DURATION = Family("microgate_cache_embedding_duration_seconds", "histogram", "Whole time of such a call.")
FOLDED = Family("microgate_folded_records_total", "counter", "Records counted with the label other: too many series.")

FAMILIES = (
    REQUESTS, TOKENS, COST, ESTIMATED, UNPRICED, RECEIVED, SENT, RETRIES, FALLBACKS, DURATION, TTFT, BETWEEN, CHUNKS,
    OVERHEAD, QUEUE, ATTEMPTS, UPSTREAM, SHADOW_REQUESTS, SHADOW_TOKENS, SHADOW_COST, SHADOW_DURATION, SHADOW_TTFT,
    EMBEDDING_REQUESTS, EMBEDDING_TOKENS, EMBEDDING_COST, EMBEDDING_DURATION, FOLDED,
)  # fmt: skip

_TOKEN_TYPES = ("prompt", "completion", "cached", "cache_write", "reasoning", "audio_in", "audio_out")

_PLAIN: tuple[tuple[Family, Callable[[Usage], int]], ...] = (
    (ESTIMATED, lambda usage: usage.estimated),
    (UNPRICED, lambda usage: usage.unpriced),
    (RECEIVED, lambda usage: usage.received),
    (SENT, lambda usage: usage.sent),
    (RETRIES, lambda usage: usage.retries),
    (FALLBACKS, lambda usage: usage.fallbacks),
)


def render(aggregates: Aggregates) -> str:
    """All families that come from records. Kinds of tokens, estimates, retries and fallbacks that never occurred
    have no line."""
    out: list[str] = []
    _requests(list(aggregates.requests.values()), out)
    _usage(list(aggregates.usage.values()), out)
    _timing(list(aggregates.timing.values()), out)
    _overhead(list(aggregates.overhead.values()), out)
    _attempts(list(aggregates.attempts.values()), out)
    out.append(UPSTREAM.head())
    for labels, histogram in list(aggregates.upstream.items()):
        histogram.render(UPSTREAM.name, labels, out)
    _shadows(aggregates, out)
    _embeddings(aggregates, out)
    out.append(f"{FOLDED.head()}{FOLDED.name} {aggregates.folded}\n")
    return "".join(out)


def _shadows(aggregates: Aggregates, out: list[str]) -> None:
    out.append(SHADOW_REQUESTS.head())
    out += [
        f"{SHADOW_REQUESTS.name}{{{cell.labels}}} {cell.count}\n" for cell in list(aggregates.shadow_requests.values())
    ]
    out.append(SHADOW_TOKENS.head())
    for usage in list(aggregates.shadow_usage.values()):
        for kind, value in (("prompt", usage.prompt), ("completion", usage.completion)):
            out.append(f'{SHADOW_TOKENS.name}{{{usage.labels},type="{kind}"}} {value}\n')
    out.append(SHADOW_COST.head())
    costs = [(usage.labels, usage.cost) for usage in list(aggregates.shadow_usage.values())]
    out += [f"{SHADOW_COST.name}{{{labels}}} {cost / 1e9!r}\n" for labels, cost in costs if cost]
    timings = list(aggregates.shadow_timing.values())
    out.append(SHADOW_DURATION.head())
    for timing in timings:
        timing.duration.render(SHADOW_DURATION.name, timing.labels, out)
    out.append(SHADOW_TTFT.head())
    for timing in timings:
        if any(timing.ttft.counts):
            timing.ttft.render(SHADOW_TTFT.name, timing.labels, out)


def _embeddings(aggregates: Aggregates, out: list[str]) -> None:
    out.append(EMBEDDING_REQUESTS.head())
    cells = list(aggregates.embedding_requests.values())
    out += [f"{EMBEDDING_REQUESTS.name}{{{cell.labels}}} {cell.count}\n" for cell in cells]
    usages = list(aggregates.embedding_usage.values())
    out.append(EMBEDDING_TOKENS.head())
    out += [f"{EMBEDDING_TOKENS.name}{{{usage.labels}}} {usage.prompt}\n" for usage in usages]
    out.append(EMBEDDING_COST.head())
    out += [f"{EMBEDDING_COST.name}{{{usage.labels}}} {usage.cost / 1e9!r}\n" for usage in usages if usage.cost]
    out.append(EMBEDDING_DURATION.head())
    for timing in list(aggregates.embedding_timing.values()):
        timing.duration.render(EMBEDDING_DURATION.name, timing.labels, out)


def _requests(cells: Iterable[Requests], out: list[str]) -> None:
    out.append(REQUESTS.head())
    name = REQUESTS.name
    out += [f"{name}{{{cell.labels}}} {cell.count}\n" for cell in cells]


def _usage(cells: list[Usage], out: list[str]) -> None:
    out.append(TOKENS.head())
    name = TOKENS.name
    for cell in cells:
        for kind in _TOKEN_TYPES:
            value = getattr(cell, kind)
            if value:
                out.append(f'{name}{{{cell.labels},type="{kind}"}} {value}\n')
    out.append(COST.head())
    out += [f"{COST.name}{{{cell.labels}}} {cell.cost / 1e9!r}\n" for cell in cells if cell.cost]
    for family, value_of in _PLAIN:
        out.append(family.head())
        name = family.name
        out += [f"{name}{{{cell.labels}}} {value}\n" for cell in cells if (value := value_of(cell))]


def _timing(cells: list[Timing], out: list[str]) -> None:
    histograms: tuple[tuple[Family, Callable[[Timing], Histogram]], ...] = (
        (DURATION, lambda cell: cell.duration),
        (TTFT, lambda cell: cell.ttft),
        (BETWEEN, lambda cell: cell.between),
    )
    for family, histogram_of in histograms:
        out.append(family.head())
        for cell in cells:
            histogram = histogram_of(cell)
            if any(histogram.counts):
                histogram.render(family.name, cell.labels, out)
    out.append(CHUNKS.head())
    out += [f"{CHUNKS.name}{{{cell.labels}}} {cell.chunks}\n" for cell in cells if cell.chunks]


def _overhead(cells: list[Overhead], out: list[str]) -> None:
    out.append(OVERHEAD.head())
    for cell in cells:
        cell.gateway.render(OVERHEAD.name, cell.labels, out)
    out.append(QUEUE.head())
    for cell in cells:
        if any(cell.queue.counts):
            cell.queue.render(QUEUE.name, cell.labels, out)


def _attempts(cells: Iterable[Attempts], out: list[str]) -> None:
    out.append(ATTEMPTS.head())
    name = ATTEMPTS.name
    out += [f"{name}{{{cell.labels}}} {cell.count}\n" for cell in cells]
