"""Counters and histograms over the records, kept in plain dictionaries.

One record costs one look-up and a handful of additions: the series of its combination of labels holds references to the
cells it adds to, and every cell keeps its label string ready for rendering (``exposition.py``). Written by the ingest
thread, read by whoever renders; a reader copies the list of cells first and may see a record half counted.

Compiled with the types in ``aggregate.pxd``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from gateway.control import trail
from gateway.control.figures import Figures
from gateway.control.histogram import LATENCY_US, OVERHEAD_US, Histogram
from gateway.control.known_models import MAX_FAILED_MODELS, MAX_MODELS, OTHER
from gateway.control.minutes import Minutes
from gateway.control.trail import Values, unsigned
from gateway.records import CacheVerdict, ErrorKind, Flags, Kind, Outcome, UsageSource
from gateway.stores.protocols import LogRow
from providers.operations import Operation

MAX_SERIES = 10_000
"""Combinations of labels counted one by one; what comes later is counted with model and key ``other``. About 10
MiB, and a scrape of well under 0.1 s."""

NONE = "none"

WIDTH = trail.WIDTH
EXCHANGE = int(Kind.EXCHANGE)
SHADOW = int(Kind.SHADOW)
FALLBACK = int(Flags.FALLBACK)
UNPRICED = int(Flags.UNPRICED)
EMBEDDING = int(Flags.EMBEDDING)
ESTIMATE = int(UsageSource.ESTIMATE)
WELL = frozenset((int(Outcome.OK), int(Outcome.CACHED)))

# Places of a record's values.
_place = LogRow._fields.index
VIRTUAL_KEY, PROVIDER, PROVIDER_KEY = _place("virtual_key"), _place("provider"), _place("provider_key")
TOKENS, COST = _place("prompt_tokens"), _place("cost_nanodollars")
QUEUE_US, GATEWAY_US, UPSTREAM_US = _place("queue_us"), _place("gateway_us"), _place("upstream_us")
TTFT_US, TOTAL_US, CHUNKS = _place("ttft_us"), _place("total_us"), _place("chunks")
REQUEST_BYTES, RESPONSE_BYTES = _place("request_bytes"), _place("response_bytes")
FLAGS, KIND, OPERATION, STATUS = _place("flags"), _place("kind"), _place("operation"), _place("status")
ATTEMPT, ATTEMPTS, STREAM = _place("attempt"), _place("attempts"), _place("stream")
OUTCOME, ERROR_KIND, USAGE_SOURCE = _place("outcome"), _place("error_kind"), _place("usage_source")
CACHE_VERDICT, TARGET_MODEL = _place("cache_verdict"), _place("target_model")
STARTED_US, TEAM, CUSTOMER = _place("started_us"), _place("team"), _place("customer")
MINUTE_US = 60_000_000

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
        "prompt", "reasoning", "received", "retries", "sent", "unpriced",
    )  # fmt: skip

    def __init__(self, labels: str) -> None:
        self.labels = labels
        self.prompt = self.completion = self.cached = self.cache_write = self.reasoning = 0
        self.audio_in = self.audio_out = self.cost = self.estimated = self.fallbacks = self.retries = 0
        self.received = self.sent = self.unpriced = 0


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

    __slots__ = (
        "attempts", "customer", "figures", "minute", "overhead", "requests", "round", "team", "timing", "usage",
    )  # fmt: skip

    def __init__(
        self, attempts: Attempts | None, requests: Requests, usage: Usage, timing: Timing, overhead: Overhead
    ) -> None:
        self.attempts = attempts
        """Its last attempt; None when no provider was asked."""
        self.requests = requests
        self.usage = usage
        self.timing = timing
        self.overhead = overhead
        self.figures: Figures | None = None
        """Of ``minute``, ``team`` and ``customer``, in this ``round`` of the minutes."""
        self.minute = self.team = self.customer = self.round = 0


def escape(value: str) -> str:
    """As a label value in the text format."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


class Aggregates:
    """All counters that come from records."""

    def __init__(self, minutes: Minutes | None = None) -> None:
        """``minutes``: where the same records are added up for the roll-ups."""
        self.minutes = minutes
        self.requests: dict[str, Requests] = {}
        self.usage: dict[str, Usage] = {}
        self.timing: dict[str, Timing] = {}
        self.overhead: dict[str, Overhead] = {}
        self.attempts: dict[str, Attempts] = {}
        self.upstream: dict[str, Histogram] = {}
        self.shadow_requests: dict[str, Requests] = {}
        """Of shadow targets, whose figures are in none of the others."""
        self.shadow_usage: dict[str, Usage] = {}
        self.shadow_timing: dict[str, Timing] = {}
        self.embedding_requests: dict[str, Requests] = {}
        """Of the semantic cache's own calls, apart from all others as well."""
        self.embedding_usage: dict[str, Usage] = {}
        self.embedding_timing: dict[str, Timing] = {}
        self.records = 0
        self.folded = 0
        """Records counted under ``other`` because there were too many combinations."""
        self._names: Mapping[int, str] = {}
        self._exchange_series: dict[tuple[object, ...], _Series] = {}
        self._attempt_series: dict[tuple[object, ...], Attempts] = {}
        self._models: dict[int, dict[str, str]] = {}
        self._failed_models: dict[int, dict[str, str]] = {}
        self._unnamed: set[tuple[object, ...]] = set()

    def rename(self, names: Mapping[int, str]) -> None:
        """``names``: id hash -> ``kind/name``. Series of ids that had no name when they were first seen are counted
        under their names from now on; what was counted under the bare id stays there, as a counter must never fall."""
        self._names = names
        unnamed, self._unnamed = self._unnamed, set()
        for key in unnamed:
            self._exchange_series.pop(key, None)
            self._attempt_series.pop(key, None)

    def add(self, values: Values) -> None:
        """Count records."""
        for at in range(0, len(values), WIDTH):
            kind = values[at + KIND]
            if kind == EXCHANGE:
                self._add_exchange(values, at)
            elif kind == SHADOW:
                self._add_shadow(values, at)
            else:
                self._add_attempt(values, at)
            self.records += 1

    def _add_exchange(self, values: Values, at: int) -> None:
        """Count the record whose values begin ``at`` there."""
        attempts = values[at + ATTEMPTS]
        key = (
            values[at + PROVIDER], values[at + TARGET_MODEL], values[at + VIRTUAL_KEY], values[at + PROVIDER_KEY],
            values[at + OPERATION], values[at + STATUS], values[at + OUTCOME], values[at + ERROR_KIND],
            values[at + STREAM], values[at + CACHE_VERDICT], attempts > 1,
        )  # fmt: skip
        series = self._exchange_series.get(key)
        if series is None:
            series = self._new_series(key, values[at : at + WIDTH])
        series.requests.count += 1
        attempt = series.attempts
        if attempt is not None:
            attempt.count += 1
            attempt.upstream.add(values[at + UPSTREAM_US])
        usage = series.usage
        received, sent = values[at + REQUEST_BYTES], values[at + RESPONSE_BYTES]
        usage.received += received
        usage.sent += sent
        prompt, completion = values[at + TOKENS], values[at + TOKENS + 1]
        if prompt or completion:
            usage.prompt += prompt
            usage.completion += completion
            cached, cache_write, reasoning = values[at + TOKENS + 2], values[at + TOKENS + 3], values[at + TOKENS + 4]
            audio_in, audio_out = values[at + TOKENS + 5], values[at + TOKENS + 6]
            usage.cached += cached
            usage.cache_write += cache_write
            usage.reasoning += reasoning
            usage.audio_in += audio_in
            usage.audio_out += audio_out
            source = values[at + USAGE_SOURCE]
            if source == ESTIMATE:
                usage.estimated += 1
        cost = values[at + COST]
        usage.cost += cost
        if attempts > 1:
            usage.retries += attempts - 1
        flags = values[at + FLAGS]
        if flags & UNPRICED:
            usage.unpriced += 1
        if flags & FALLBACK:
            usage.fallbacks += 1
        overhead = series.overhead
        overhead.gateway.add(values[at + GATEWAY_US])
        queue_us = values[at + QUEUE_US]
        if queue_us:
            overhead.queue.add(queue_us)
        timing = series.timing
        total_us = values[at + TOTAL_US]
        timing.duration.add(total_us)
        stream = values[at + STREAM]
        if stream:
            chunks, ttft_us = values[at + CHUNKS], values[at + TTFT_US]
            timing.chunks += chunks
            if ttft_us:
                timing.ttft.add(ttft_us)
                if chunks > 1:
                    timing.between.add((total_us - ttft_us) // (chunks - 1))
        minutes = self.minutes
        if minutes is None:
            return
        started_us, team, customer = values[at + STARTED_US], values[at + TEAM], values[at + CUSTOMER]
        minute = (started_us + total_us) // MINUTE_US
        figures, is_new = series.figures, series.round != minutes.round or series.minute != minute
        if figures is None or is_new or series.team != team or series.customer != customer:
            figures = series.figures = minutes.of(values, at, minute)
            series.minute, series.team, series.customer, series.round = minute, team, customer, minutes.round
        figures.add(values, at)

    def _add_attempt(self, values: Values, at: int) -> None:
        key = (
            values[at + PROVIDER], values[at + PROVIDER_KEY], values[at + STATUS], values[at + OUTCOME],
            values[at + ERROR_KIND], values[at + ATTEMPT] > 1,
        )  # fmt: skip
        attempts = self._attempt_series.get(key)
        if attempts is None:
            attempts = self._attempts_of(key, values[at : at + WIDTH])
            if len(self._attempt_series) < MAX_SERIES:
                self._attempt_series[key] = attempts
        attempts.count += 1
        attempts.upstream.add(values[at + UPSTREAM_US])
        if values[at + COST]:
            self._add_cost(key, values[at : at + WIDTH])
            if self.minutes is not None:
                self.minutes.add_cost(values, at)

    def _add_cost(self, key: tuple[object, ...], f: Values) -> None:
        """What an attempt cost that another one followed; its tokens are those of no request."""
        folded = len(self.usage) >= MAX_SERIES
        model, principal = (OTHER, OTHER) if folded else (self._model(f), self._name(f[VIRTUAL_KEY], key))
        labels = f'provider="{self._name(f[PROVIDER], key)}",model="{model}",virtual_key="{principal}"'
        usage: Usage = _cell(self.usage, labels, Usage)
        usage.cost += f[COST]

    def _add_shadow(self, values: Values, at: int) -> None:
        f = values[at : at + WIDTH]
        by_model = f'provider="{self._name(f[PROVIDER], ())}",model="{self._model(f)}"'
        labels = (
            f'{by_model},operation="{_enum(Operation, f[OPERATION])}",stream="{"true" if f[STREAM] else "false"}",'
            f'status="{f[STATUS]}",outcome="{_enum(Outcome, f[OUTCOME])}",error="{_enum(ErrorKind, f[ERROR_KIND])}"'
        )
        embedding = f[FLAGS] & EMBEDDING
        requests: Requests = _cell(self.embedding_requests if embedding else self.shadow_requests, labels, Requests)
        usage: Usage = _cell(self.embedding_usage if embedding else self.shadow_usage, by_model, Usage)
        timing: Timing = _cell(self.embedding_timing if embedding else self.shadow_timing, by_model, Timing)
        requests.count += 1
        usage.prompt += f[TOKENS]
        usage.completion += f[TOKENS + 1]
        usage.cost += f[COST]
        timing.duration.add(f[TOTAL_US])
        if f[STREAM] and f[TTFT_US]:
            timing.ttft.add(f[TTFT_US])

    # -- the first record of a kind

    def _new_series(self, key: tuple[object, ...], f: Values) -> _Series:
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

    def _attempts_of(self, key: tuple[object, ...], f: Values) -> Attempts:
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

    def _model(self, f: Values) -> str:
        """The label of the model that was sent to the provider. A name that a caller made up is not worth a series."""
        raw, provider = f[TARGET_MODEL], f[PROVIDER]
        if not provider:
            return NONE
        models = self._models.setdefault(provider, {})
        label = models.get(raw)
        if label is not None:
            return label
        failed = self._failed_models.setdefault(provider, {})
        table, room = (models, MAX_MODELS) if f[OUTCOME] in WELL else (failed, MAX_FAILED_MODELS)
        if raw not in table and len(table) >= room:
            return failed.get(raw, OTHER)
        label = table[raw] = failed.get(raw) or escape(raw) or NONE
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
