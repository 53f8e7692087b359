"""What OpenTelemetry's conventions for generative AI count of requests, added up as records come.

A record costs one look-up and some additions; an export costs by series. The buckets are those that the conventions
advise (https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/, as of 1.37), so nothing is converted. Copies
for shadow targets and calls of the cache are nobody's requests.

Compiled with the types in ``calls.pxd``.
"""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

from gateway.control import trail
from gateway.control.histogram import OVERHEAD_US, Histogram
from gateway.control.known_models import OTHER, KnownModels
from gateway.control.trail import Values
from gateway.records import Flags, Kind, Outcome
from gateway.stores.protocols import LogRow

MAX_SERIES = 2000
"""Combinations of labels, as many as OpenTelemetry's SDK keeps of a metric; later ones are counted as model
``other``."""

DURATIONS_US = (
    10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 640_000, 1_280_000, 2_560_000, 5_120_000, 10_240_000, 20_480_000,
    40_960_000, 81_920_000,
)  # fmt: skip
FIRST_US = (
    1_000, 5_000, 10_000, 20_000, 40_000, 60_000, 80_000, 100_000, 250_000, 500_000, 750_000, 1_000_000, 2_500_000,
    5_000_000, 7_500_000, 10_000_000,
)  # fmt: skip
EACH_NS = (
    10_000_000, 25_000_000, 50_000_000, 75_000_000, 100_000_000, 150_000_000, 200_000_000, 300_000_000, 400_000_000,
    500_000_000, 750_000_000, 1_000_000_000, 2_500_000_000,
)  # fmt: skip
TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)

# Places of a record's values.
_place = LogRow._fields.index
PROVIDER, OPERATION, STATUS = _place("provider"), _place("operation"), _place("status")
OUTCOME, ERROR_KIND, KIND = _place("outcome"), _place("error_kind"), _place("kind")
FLAGS, ATTEMPT, STREAM = _place("flags"), _place("attempt"), _place("stream")
PROMPT, COMPLETION, COST = _place("prompt_tokens"), _place("completion_tokens"), _place("cost_nanodollars")
GATEWAY_US, UPSTREAM_US = _place("gateway_us"), _place("upstream_us")
TTFT_US, TOTAL_US, TARGET_MODEL = _place("ttft_us"), _place("total_us"), _place("target_model")

WIDTH = trail.WIDTH
EXCHANGE, PLAIN_ATTEMPT, EMBEDDING = int(Kind.EXCHANGE), int(Kind.ATTEMPT), int(Flags.EMBEDDING)
OK, CACHED = int(Outcome.OK), int(Outcome.CACHED)


class CallLabels(NamedTuple):
    """What tells a series from others: the values of its records."""

    operation: int
    provider: int
    """Signed, as in records; 0: none was asked."""
    model: str
    """As sent to the provider."""
    status: int
    outcome: int
    error_kind: int
    """Of what went well: ``NONE``, with a status of 0 and ``OK``, however it was answered."""


class CallSeries:
    """What the calls of one combination came to."""

    __slots__ = ("cost", "duration", "each", "first", "input", "output", "request")

    def __init__(self) -> None:
        self.duration = Histogram(DURATIONS_US)
        """Of attempts at the provider."""
        self.input = Histogram(TOKENS)
        self.output = Histogram(TOKENS)
        self.request = Histogram(DURATIONS_US)
        """As callers saw them."""
        self.first = Histogram(FIRST_US)
        self.each = Histogram(EACH_NS)
        """Nanoseconds."""
        self.cost = 0


class Calls:
    """From its beginning on. ``put`` as of a tap: any thread; a reader holds ``lock``."""

    def __init__(self) -> None:
        self.sums = True
        """As of a tap."""
        self.lock = threading.Lock()
        self.began_ns = time.time_ns()
        self.series: dict[tuple[int, int, str, int, int, int], CallSeries] = {}
        """By what is equal to ``CallLabels``."""
        self.overhead: dict[int, Histogram] = {}
        """Of the gateway itself, by operation."""
        self._models = KnownModels()

    def put(self, values: Values) -> None:
        """Count records."""
        with self.lock:
            for at in range(0, len(values), WIDTH):
                self._add(values, at)

    def _add(self, values: Values, at: int) -> None:
        kind, flags = values[at + KIND], values[at + FLAGS]
        if kind not in (EXCHANGE, PLAIN_ATTEMPT) or flags & EMBEDDING:
            return
        outcome = values[at + OUTCOME]
        operation, provider, model = values[at + OPERATION], values[at + PROVIDER], values[at + TARGET_MODEL]
        if outcome in (OK, CACHED):
            key = (operation, provider, model, 0, OK, 0)
        else:
            key = (operation, provider, model, values[at + STATUS], outcome, values[at + ERROR_KIND])
        series = self.series.get(key)
        if series is None:
            series = self._new(key)
        attempt = values[at + ATTEMPT]
        prompt, completion = values[at + PROMPT], values[at + COMPLETION]
        if attempt:
            upstream_us, cost = values[at + UPSTREAM_US], values[at + COST]
            series.duration.add(upstream_us)
            series.cost += cost
            if prompt:
                series.input.add(prompt)
            if completion:
                series.output.add(completion)
        if kind != EXCHANGE:
            return
        total_us, stream = values[at + TOTAL_US], values[at + STREAM]
        series.request.add(total_us)
        overhead = self.overhead.get(operation)
        if overhead is None:
            overhead = self.overhead[operation] = Histogram(OVERHEAD_US)
        overhead.add(values[at + GATEWAY_US])
        ttft_us = values[at + TTFT_US]
        if stream and ttft_us:
            series.first.add(ttft_us)
            if completion > 1:
                rest_us = total_us - ttft_us
                if rest_us < 0:
                    rest_us = 0
                series.each.add(rest_us * 1000 // (completion - 1))

    def _new(self, key: tuple[int, int, str, int, int, int]) -> CallSeries:
        """Of a combination that is met for the first time, or that is one too many."""
        operation, provider, model, status, outcome, error_kind = key
        known = self._models.name(provider, model, outcome == OK) if provider else ""
        if len(self.series) >= MAX_SERIES:
            known = OTHER
        key = (operation, provider, known, status, outcome, error_kind)
        series = self.series.get(key)
        if series is None:
            series = self.series[key] = CallSeries()
        return series
