"""OpenTelemetry's names for what records say: the semantic conventions for generative AI, as of 1.37.

https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/ and .../gen-ai-metrics/. ``gen_ai.response.model`` and
``gen_ai.response.finish_reasons`` are not told: records do not have them, and what was asked for is not what answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from gateway.control.calls import CallLabels
from gateway.control.trail import unsigned
from gateway.records import CacheVerdict, ErrorKind, Flags, Outcome, UsageSource
from gateway.snapshot.model import Provider
from gateway.stores.protocols import LogRow
from providers.operations import Operation

OPERATIONS = {
    Operation.CHAT: "chat",
    Operation.RESPONSES: "chat",
    Operation.INVOKE: "chat",
    Operation.REALTIME: "chat",
    Operation.COMPLETIONS: "text_completion",
    Operation.EMBEDDINGS: "embeddings",
}
"""Others are told by the gateway's own names, as the convention has it for what it has no name for."""

PROVIDERS = {
    "azure": "azure.ai.openai",
    "azure_deployments": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "bedrock_mantle": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
"""Vendor -> ``gen_ai.provider.name``, where the convention's name is another."""

DIALECTS_OF_OWN = "custom"
FINE = (Outcome.OK, Outcome.CACHED)

Attributes = dict[str, str | int | float | bool]


class Server(NamedTuple):
    """Where a provider is asked."""

    address: str
    port: int


def operation_of(row: LogRow | CallLabels) -> str:
    try:
        operation = Operation(row.operation)
    except ValueError:
        return str(row.operation)
    return OPERATIONS.get(operation, operation.name.lower())


def provider_name(provider: Provider | None) -> str:
    """``gen_ai.provider.name``: which kind of API answers, not what the operator calls it."""
    if provider is None:
        return ""
    if provider.vendor != DIALECTS_OF_OWN:
        return PROVIDERS.get(provider.vendor, provider.vendor)
    # Of one whose vendor nobody knows: whose API it speaks.
    dialects = set(provider.dialects.values())
    return next((name for name in ("anthropic", "cohere") if name in dialects), "openai")


def server_of(provider: Provider) -> Server:
    parts = urlsplit(provider.base_url)
    return Server(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))


def error_type(row: LogRow | CallLabels) -> str:
    """``error.type``; empty: it went well."""
    if row.outcome in FINE:
        return ""
    if row.error_kind:
        return _spelled(ErrorKind, row.error_kind)
    return str(row.status) if row.status >= 400 else _spelled(Outcome, row.outcome)


def usage_of(row: LogRow) -> Attributes:
    """Tokens, where any were counted."""
    if not row.prompt_tokens and not row.completion_tokens:
        return {}
    found: Attributes = {
        "gen_ai.usage.input_tokens": row.prompt_tokens,
        "gen_ai.usage.output_tokens": row.completion_tokens,
    }
    more = {
        "gen_ai.usage.cache_read.input_tokens": row.cached_tokens,
        "gen_ai.usage.cache_creation.input_tokens": row.cache_write_tokens,
        "gen_ai.usage.reasoning.output_tokens": row.reasoning_tokens,
    }
    return found | {name: count for name, count in more.items() if count}


def common_of(row: LogRow | CallLabels, provider: Provider | None) -> Attributes:
    """Of spans and metrics alike: few enough values for a metric."""
    found: Attributes = {"gen_ai.operation.name": operation_of(row)}
    name = provider_name(provider)
    if provider is not None:
        # The older name of the same, which many dashboards still read.
        found |= {"gen_ai.provider.name": name, "gen_ai.system": name, "microgate.provider": provider.name}
        server = server_of(provider)
        if server.address:
            found |= {"server.address": server.address, "server.port": server.port}
    return found


def request_of(row: LogRow, names: Mapping[int, str]) -> Attributes:
    """Of a request's own span, what only a gateway knows."""
    found: Attributes = {
        "microgate.request_id": row.request_id.hex(),
        "microgate.cache": _spelled(CacheVerdict, row.cache_verdict),
        "microgate.cost_usd": row.cost_nanodollars / 1e9,
        "microgate.overhead_us": row.gateway_us,
        "microgate.queue_us": row.queue_us,
        "microgate.attempts": row.attempts,
        "microgate.fallback": bool(row.flags & Flags.FALLBACK),
        "microgate.usage_source": _spelled(UsageSource, row.usage_source),
    }
    for attribute in ("virtual_key", "team", "customer", "route"):
        if identity := getattr(row, attribute):
            found[f"microgate.{attribute}"] = name_of(identity, names)
    return found


def name_of(identity: int, names: Mapping[int, str]) -> str:
    """What an id of a record is called."""
    known = names.get(unsigned(identity))
    return f"id:{unsigned(identity):016x}" if known is None else known.partition("/")[2]


def _spelled(enum: Any, value: int) -> str:
    try:
        return str(enum(value).name).lower()
    except ValueError:
        return str(value)
