"""Metrics by OpenTelemetry's conventions for generative AI, of every record, sampled or not."""

from __future__ import annotations

from opentelemetry.sdk.metrics import MeterProvider

import gateway
from gateway.records import Flags, Kind
from gateway.snapshot.model import Provider
from gateway.stores.protocols import LogRow
from gateway.tracing.vocabulary import common_of, error_type

DURATIONS_S = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]
FIRST_TOKEN_S = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0]
PER_TOKEN_S = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5]
TOKENS = [1.0, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864]
"""Bounds as the conventions advise."""


class Measures:
    """Instruments of one exporter."""

    def __init__(self, provider: MeterProvider) -> None:
        meter = provider.get_meter("microgate", gateway.__version__)

        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration", "s", "How long a call to a provider took.",
            explicit_bucket_boundaries_advisory=DURATIONS_S,
        )  # fmt: skip
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage", "{token}", "Tokens of a call to a provider.",
            explicit_bucket_boundaries_advisory=TOKENS,
        )  # fmt: skip
        self._request = meter.create_histogram(
            "gen_ai.server.request.duration", "s", "How long a request took, at the gateway.",
            explicit_bucket_boundaries_advisory=DURATIONS_S,
        )  # fmt: skip
        self._first = meter.create_histogram(
            "gen_ai.server.time_to_first_token", "s", "Streams: until the first byte of the answer.",
            explicit_bucket_boundaries_advisory=FIRST_TOKEN_S,
        )  # fmt: skip
        self._each = meter.create_histogram(
            "gen_ai.server.time_per_output_token", "s", "Streams: for each token behind the first.",
            explicit_bucket_boundaries_advisory=PER_TOKEN_S,
        )  # fmt: skip
        self._cost = meter.create_counter("microgate.cost", "{USD}", "What providers charge.")
        self._overhead = meter.create_histogram(
            "microgate.overhead", "s", "What the gateway itself took.",
            explicit_bucket_boundaries_advisory=[0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.005, 0.05],
        )  # fmt: skip

    def take(self, row: LogRow, provider: Provider | None) -> None:
        """Count a record; copies for shadow targets and calls of the cache are nobody's requests."""
        if row.kind not in (Kind.EXCHANGE, Kind.ATTEMPT) or row.flags & Flags.EMBEDDING:
            return
        attributes = common_of(row, provider)
        attributes["gen_ai.request.model"] = row.target_model if provider is not None else "none"
        error = error_type(row)
        failed = {**attributes, "error.type": error} if error else attributes
        if row.attempt:
            self._duration.record(row.upstream_us / 1e6, failed)
            for kind, count in (("input", row.prompt_tokens), ("output", row.completion_tokens)):
                if count:
                    self._tokens.record(count, {**attributes, "gen_ai.token.type": kind})
            if row.cost_nanodollars:
                self._cost.add(row.cost_nanodollars / 1e9, attributes)
        if row.kind != Kind.EXCHANGE:
            return
        self._request.record(row.total_us / 1e6, failed)
        self._overhead.record(row.gateway_us / 1e6, {"gen_ai.operation.name": attributes["gen_ai.operation.name"]})
        if row.stream and row.ttft_us:
            self._first.record(row.ttft_us / 1e6, attributes)
            if row.completion_tokens > 1:
                rest_us = max(0, row.total_us - row.ttft_us)
                self._each.record(rest_us / 1e6 / (row.completion_tokens - 1), attributes)
