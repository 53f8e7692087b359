"""Counters and histograms over the records, kept in plain dictionaries.

One record costs one look-up and a handful of additions: the series of its combination of labels holds references to the
cells it adds to, and every cell keeps its label string ready for rendering (``metrics.py``). Written by the ingest
thread, read by whoever renders; a reader copies the list of cells first and may see a record half counted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import TypeVar

from gateway.control.histogram import LATENCY_US, OVERHEAD_US, Histogram
from gateway.control.trail import (
    ATTEMPT,
    CACHE_VERDICT,
    ERROR_KIND,
    EXCHANGE,
    OPERATION,
    OUTCOME,
    PROVIDER,
    PROVIDER_KEY,
    STATUS,
    STREAM,
    TARGET_MODEL,
    UPSTREAM_US,
    VIRTUAL_KEY,
    Fields,
    unsigned,
)
from gateway.records import CacheVerdict, ErrorKind, Flags, Outcome, UsageSource
from providers.operations import Operation

MAX_SERIES = 10_000
"""Combinations of labels counted one by one; what comes later is counted with model and key ``other``. About 10
MiB, and a scrape of well under 0.1 s."""

MAX_MODELS = 500
"""Models of one provider that get a label of their own because a request to them went well..."""

MAX_FAILED_MODELS = 50
"""...and that get one although none did: whoever holds a key can invent names without end."""

OTHER = "other"
NONE = "none"

_FALLBACK = int(Flags.FALLBACK)
_ESTIMATE = int(UsageSource.ESTIMATE)
_OK = int(Outcome.OK)

Cell = TypeVar("Cell")


class Requests:
    """How many requests ended in one particular way."""

    __slots__ = ("count", "labels")

    def __init__(self, labels: str) -> None:
        self.labels = labels
        self.count = 0


class Usage:
    """What the requests of one virtual key to one model came to."""

    __slots__ = (
        "audio_in", "audio_out", "cache_write", "cached", "completion", "cost", "estimated", "fallbacks", "labels",
        "prompt", "reasoning", "received", "retries", "sent",
    )  # fmt: skip

    def __init__(self, labels: str) -> None:
        self.labels = labels
        self.prompt = self.completion = self.cached = self.cache_write = self.reasoning = 0
        self.audio_in = self.audio_out = self.cost = self.estimated = self.fallbacks = self.retries = 0
        self.received = self.sent = 0


class Timing:
    """How long requests for one model took."""

    __slots__ = ("between", "chunks", "duration", "labels", "ttft")

    def __init__(self, labels: str) -> None:
        self.labels = labels
        self.duration = Histogram(LATENCY_US)
        self.ttft = Histogram(LATENCY_US)
        self.between = Histogram(LATENCY_US)
        self.chunks = 0


class Overhead:
    """How long the gateway itself took over requests of one operation."""

    __slots__ = ("gateway", "labels", "queue")

    def __init__(self, labels: str) -> None:
        self.labels = labels
        self.gateway = Histogram(OVERHEAD_US)
        self.queue = Histogram(OVERHEAD_US)


class Attempts:
    """How many upstream attempts ended in one particular way."""

    __slots__ = ("count", "labels", "upstream")

    def __init__(self, labels: str, upstream: Histogram) -> None:
        self.labels = labels
        self.count = 0
        self.upstream = upstream


class _Series:
    """The cells that an exchange with one combination of labels adds to."""

    __slots__ = ("attempts", "overhead", "requests", "timing", "usage")

    def __init__(
        self, attempts: Attempts | None, requests: Requests, usage: Usage, timing: Timing, overhead: Overhead
    ) -> None:
        self.attempts = attempts
        """Its last attempt; None when no provider was asked."""
        self.requests = requests
        self.usage = usage
        self.timing = timing
        self.overhead = overhead


def escape(value: str) -> str:
    """As a label value in the text format."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


class Aggregates:
    """All counters that come from records."""

    def __init__(self) -> None:
        self.requests: dict[str, Requests] = {}
        self.usage: dict[str, Usage] = {}
        self.timing: dict[str, Timing] = {}
        self.overhead: dict[str, Overhead] = {}
        self.attempts: dict[str, Attempts] = {}
        self.upstream: dict[str, Histogram] = {}
        self.records = 0
        self.folded = 0
        """Records counted under ``other`` because there were too many combinations."""
        self._names: Mapping[int, str] = {}
        self._exchange_series: dict[tuple[object, ...], _Series] = {}
        self._attempt_series: dict[tuple[object, ...], Attempts] = {}
        self._models: dict[int, dict[bytes, str]] = {}
        self._failed_models: dict[int, dict[bytes, str]] = {}
        self._unnamed: set[tuple[object, ...]] = set()

    def rename(self, names: Mapping[int, str]) -> None:
        """``names``: id hash -> ``kind/name``. Series of ids that had no name when they were first seen are counted
        under their names from now on; what was counted under the bare id stays there, as a counter must never fall."""
        self._names = names
        unnamed, self._unnamed = self._unnamed, set()
        for key in unnamed:
            self._exchange_series.pop(key, None)
            self._attempt_series.pop(key, None)

    def add(self, f: Fields) -> None:
        """Count one record."""
        # All names at once: 46 places of a tuple cost less to unpack than a dozen of them to index.
        (
            _, _, virtual_key, provider, provider_key, _,
            prompt, completion, cached, cache_write, reasoning, audio_in, audio_out, cost,
            queue_us, gateway_us, upstream_us, ttft_us, total_us, request_bytes, response_bytes, chunks,
            flags, kind, _, operation, _, _, status, _, attempts,
            stream, outcome, error_kind, usage_source, cache_verdict, _, _, _, _, _, _, target_model, _, _, _,
        ) = f  # fmt: skip
        self.records += 1
        if kind != EXCHANGE:
            self._add_attempt(f)
            return
        key = (
            provider, target_model, virtual_key, provider_key, operation, status, outcome, error_kind, stream,
            cache_verdict, attempts > 1,
        )  # fmt: skip
        series = self._exchange_series.get(key)
        if series is None:
            series = self._new_series(key, f)
        series.requests.count += 1
        attempt = series.attempts
        if attempt is not None:
            attempt.count += 1
            histogram = attempt.upstream
            histogram.counts[bisect_left(LATENCY_US, upstream_us)] += 1
            histogram.total += upstream_us
        usage = series.usage
        usage.received += request_bytes
        usage.sent += response_bytes
        if prompt or completion:
            usage.prompt += prompt
            usage.completion += completion
            if cost:
                usage.cost += cost
            if cached or cache_write or reasoning or audio_in or audio_out:
                usage.cached += cached
                usage.cache_write += cache_write
                usage.reasoning += reasoning
                usage.audio_in += audio_in
                usage.audio_out += audio_out
            if usage_source == _ESTIMATE:
                usage.estimated += 1
        if attempts > 1:
            usage.retries += attempts - 1
        if flags & _FALLBACK:
            usage.fallbacks += 1
        overhead = series.overhead
        histogram = overhead.gateway
        histogram.counts[bisect_left(OVERHEAD_US, gateway_us)] += 1
        histogram.total += gateway_us
        if queue_us:
            overhead.queue.add(queue_us)
        timing = series.timing
        histogram = timing.duration
        histogram.counts[bisect_left(LATENCY_US, total_us)] += 1
        histogram.total += total_us
        if stream:
            timing.chunks += chunks
            if ttft_us:
                timing.ttft.add(ttft_us)
                if chunks > 1:
                    timing.between.add((total_us - ttft_us) // (chunks - 1))

    def _add_attempt(self, f: Fields) -> None:
        key = (f[PROVIDER], f[PROVIDER_KEY], f[STATUS], f[OUTCOME], f[ERROR_KIND], f[ATTEMPT] > 1)
        attempts = self._attempt_series.get(key)
        if attempts is None:
            attempts = self._attempts_of(key, f)
            if len(self._attempt_series) < MAX_SERIES:
                self._attempt_series[key] = attempts
        attempts.count += 1
        attempts.upstream.add(f[UPSTREAM_US])

    # -- the first record of a kind

    def _new_series(self, key: tuple[object, ...], f: Fields) -> _Series:
        provider = self._name(f[PROVIDER], key)
        if len(self._exchange_series) < MAX_SERIES:
            model, principal = self._model(f), self._name(f[VIRTUAL_KEY], key)
        else:
            # Not kept under its own key: the table must not grow, so these records take this slower way every time.
            self.folded += 1
            model = principal = OTHER
        operation = _enum(Operation, f[OPERATION])
        stream = "true" if f[STREAM] else "false"
        by_model = f'provider="{provider}",model="{model}"'
        by_key = f'{by_model},virtual_key="{principal}"'
        series = _Series(
            self._attempts_of(key, f) if f[ATTEMPT] else None,
            _cell(
                self.requests,
                f'{by_key},operation="{operation}",stream="{stream}",status="{f[STATUS]}",'
                f'outcome="{_enum(Outcome, f[OUTCOME])}",error="{_enum(ErrorKind, f[ERROR_KIND])}",'
                f'cache="{_enum(CacheVerdict, f[CACHE_VERDICT])}"',
                Requests,
            ),
            _cell(self.usage, by_key, Usage),
            _cell(self.timing, f'{by_model},operation="{operation}",stream="{stream}"', Timing),
            _cell(self.overhead, f'operation="{operation}",stream="{stream}"', Overhead),
        )
        if len(self._exchange_series) < MAX_SERIES:
            self._exchange_series[key] = series
        return series

    def _attempts_of(self, key: tuple[object, ...], f: Fields) -> Attempts:
        provider, provider_key = self._name(f[PROVIDER], key), self._name(f[PROVIDER_KEY], key)
        if len(self.attempts) >= MAX_SERIES:
            provider_key = OTHER
        upstream = _cell(self.upstream, f'provider="{provider}"', lambda _: Histogram(LATENCY_US))
        labels = (
            f'provider="{provider}",provider_key="{provider_key}",status="{f[STATUS]}",'
            f'outcome="{_enum(Outcome, f[OUTCOME])}",error="{_enum(ErrorKind, f[ERROR_KIND])}",'
            f'retry="{"true" if f[ATTEMPT] > 1 else "false"}"'
        )
        return _cell(self.attempts, labels, lambda text: Attempts(text, upstream))

    def _name(self, id_hash: int, key: tuple[object, ...]) -> str:
        if not id_hash:
            return NONE
        name = self._names.get(unsigned(id_hash))
        if name is None:
            if len(self._unnamed) < MAX_SERIES:
                self._unnamed.add(key)
            return f"id:{unsigned(id_hash):016x}"
        return escape(name.rpartition("/")[2])

    def _model(self, f: Fields) -> str:
        """The label of the model that was sent to the provider. A name that a caller made up is not worth a series."""
        raw, provider = f[TARGET_MODEL], f[PROVIDER]
        if not provider:
            return NONE
        models = self._models.setdefault(provider, {})
        label = models.get(raw)
        if label is not None:
            return label
        failed = self._failed_models.setdefault(provider, {})
        table, room = (models, MAX_MODELS) if f[OUTCOME] == _OK else (failed, MAX_FAILED_MODELS)
        if raw not in table and len(table) >= room:
            return failed.get(raw, OTHER)
        label = table[raw] = failed.get(raw) or escape(raw.rstrip(b"\0").decode("utf-8", "replace")) or NONE
        return label


def _enum(enum: Callable[[int], Operation | Outcome | ErrorKind | CacheVerdict], value: int) -> str:
    """The value's spelling; its number when a newer program wrote it."""
    try:
        return enum(value).name.lower()
    except ValueError:
        return str(value)


def _cell(table: dict[str, Cell], labels: str, make: Callable[[str], Cell]) -> Cell:
    cell = table.get(labels)
    if cell is None:
        cell = table[labels] = make(labels)
    return cell
