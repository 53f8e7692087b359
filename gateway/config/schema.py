"""Everything a configuration file may say: one schema for YAML, JSON and TOML, the JSON Schema and the documentation.

Unknown fields are errors. Values that differ from what the snapshot calls them are turned into it by
``gateway/snapshot/plan.py``; what one field cannot know about another is judged in ``validate.py``. A time or size
that is not given (None) has the default of ``gateway/snapshot/model.py``.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.config.alerts import AlertsEntry
from gateway.config.cache import CacheEntry
from gateway.config.credentials import CredentialEntry
from gateway.config.levels import CustomerEntry, TeamEntry, VirtualKeyEntry
from gateway.config.log import LogEntry
from gateway.config.names import HeaderName, ModelName, Name
from gateway.config.prices import PriceEntry
from gateway.config.references import FilePath, Secret, Text
from gateway.config.routes import RouteEntry
from gateway.config.server import ServerEntry
from gateway.config.telemetry import AccessLogEntry, OtelEntry
from gateway.config.units import Duration

DialectName = Literal[
    "openai_chat", "openai_responses", "openai_completions", "anthropic", "gemini", "bedrock", "cohere", "ollama"
]
OperationName = Literal[
    "chat",
    "completions",
    "responses",
    "embeddings",
    "moderations",
    "speech",
    "transcription",
    "translation",
    "image_generation",
    "image_edit",
    "image_variation",
    "models",
    "files",
    "batches",
    "response_object",
    "passthrough",
    "rerank",
    "realtime",
    "invoke",
    "count_tokens",
    "ocr",
    "videos",
]


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of every section."""


class KeyEntry(Entry, frozen=True):
    """One credential at a provider."""

    name: Name
    value: Annotated[Secret | None, Meta(description="The credential; usually env.NAME or file.PATH.")] = None
    credential: Annotated[
        CredentialEntry | None, Meta(description="Instead of a value: how vendors with their own ways are satisfied.")
    ] = None
    weight: Annotated[
        float, Meta(ge=0, le=1e6, description="Share of the requests. 0: only when no other is left.")
    ] = 1.0
    models: Annotated[
        list[ModelName], Meta(description="Upstream models it may serve, exact or with a trailing *. Empty: all.")
    ] = []
    deny_models: Annotated[list[ModelName], Meta(description="Upstream models it may not serve.")] = []
    enabled: bool = True
    id: Annotated[str, Meta(description="Stable id that survives a rename.")] = ""


class AuthEntry(Entry, frozen=True):
    """How the credential is sent."""

    header: Annotated[HeaderName | None, Meta(description="Header field, e.g. api-key.")] = None
    scheme: Annotated[
        Annotated[str, Meta(pattern=r"^[!-~]*$")] | None, Meta(description="Word before the credential; empty: none.")
    ] = None


class TimeoutsEntry(Entry, frozen=True):
    """Time limits of one upstream attempt; 0 switches one off (total excepted)."""

    connect: Annotated[Duration | None, Meta(description="Until connected, TLS included.")] = None
    first_byte: Annotated[
        Duration | None, Meta(description="From the request sent to the first byte of the answer.")
    ] = None
    first_token: Annotated[
        Duration | None,
        Meta(description="From a streamed request sent to the first content of its answer; 0, the default: no limit."),
    ] = None
    stream_idle: Annotated[Duration | None, Meta(description="Between two pieces of a stream.")] = None
    total: Annotated[Duration | None, Meta(description="Of the whole request, over all attempts.")] = None


class HealthEntry(Entry, frozen=True):
    """When a deployment (a model at a provider) is left out, and for how long."""

    consecutive: Annotated[
        Annotated[int, Meta(ge=1, le=1000)] | None, Meta(description="Failures in a row that eject it.")
    ] = None
    volume: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)] | None,
        Meta(description="Or this many attempts within ten seconds, of which"),
    ] = None
    failure_share: Annotated[Annotated[float, Meta(ge=0.01, le=1)] | None, Meta(description="this share failed.")] = (
        None
    )
    rest: Annotated[Duration | None, Meta(description="How long it is out, times its ejections in a row.")] = None
    rest_max: Duration | None = None
    throttle: Annotated[
        bool | None, Meta(description="Send less to a provider that refuses more than half of what it is sent.")
    ] = None


class UpstreamTlsEntry(Entry, frozen=True):
    """TLS towards a provider; certificates are always verified."""

    ca_file: Annotated[FilePath | None, Meta(description="CA bundle instead of the system's.")] = None
    server_name: Annotated[Text | None, Meta(description="Name to verify instead of the host of base_url.")] = None
    client_cert: FilePath | None = None
    client_key: FilePath | None = None


class PromptCacheAffinityEntry(Entry, frozen=True):
    """Among several keys the one whose account holds a prompt's beginning warm: prompt-caching.md."""

    ttl: Annotated[
        Duration | None, Meta(description="How long the provider keeps a prompt after its last use; 1s to 1d.")
    ] = None
    spill: Annotated[
        Annotated[float, Meta(ge=0, le=100)] | None,
        Meta(description="How much busier, in mean loads, a key may be that holds the whole prompt. 0: not at all."),
    ] = None


class ProviderEntry(Entry, frozen=True):
    """Where requests can be sent."""

    vendor: Annotated[
        str | None, Meta(description="Row of the vendor table; the provider's own name when it is one, else custom.")
    ] = None
    dialect: Annotated[DialectName | None, Meta(description="Wire format it speaks.")] = None
    base_url: Annotated[
        Text | None, Meta(description="scheme://host[:port][/prefix], the part before /chat/completions.")
    ] = None
    address: Annotated[
        dict[str, Text], Meta(description="What the vendor's own base_url has in braces, e.g. region: us-east-1.")
    ] = {}
    keys: list[KeyEntry] = []
    headers: Annotated[dict[HeaderName, Text], Meta(description="Header fields added to every request.")] = {}
    auth: AuthEntry = AuthEntry()
    paths: Annotated[
        dict[OperationName, Annotated[str, Meta(pattern=r"^/[!-~]*$")]],
        Meta(description="Path of an operation after base_url; {model} stands for the model."),
    ] = {}
    query: Annotated[Text | None, Meta(description="Query string of every request, e.g. api-version=2025-04-01.")] = (
        None
    )
    operations: Annotated[
        list[OperationName] | None, Meta(description="Operations it offers, instead of the vendor's.")
    ] = None
    models: Annotated[list[ModelName], Meta(description="Models listed by /v1/models in any case.")] = []
    list_models: Annotated[
        bool | None,
        Meta(description="Merge its own list of models into /v1/models; by default that of every vendor of the table."),
    ] = None
    aliases: Annotated[
        dict[ModelName, ModelName], Meta(description="Model as asked for -> model (or deployment) upstream.")
    ] = {}
    timeouts: TimeoutsEntry = TimeoutsEntry()
    max_connections: Annotated[int, Meta(ge=0, le=100_000, description="Per worker; 0: no limit of its own.")] = 0
    max_concurrency: Annotated[
        int,
        Meta(
            ge=0,
            le=60_000,
            description="Requests under way per worker; more go to other targets or are refused. 0: no bound.",
        ),
    ] = 0
    health: HealthEntry = HealthEntry()
    proxy: Annotated[Secret | None, Meta(description="http://[user:password@]host:port")] = None
    tls: UpstreamTlsEntry = UpstreamTlsEntry()
    forward_headers: Annotated[list[HeaderName], Meta(description="Caller's header fields passed on.")] = []
    stream_usage: Annotated[
        Literal["ask", "always", "never"] | None, Meta(description="Whether a stream reports usage only when asked.")
    ] = None
    service_tiers: Annotated[
        bool, Meta(description="Charge the price lists' prices of the service tier that answers name.")
    ] = False
    unsupported: Annotated[
        Literal["drop", "error", "pass"],
        Meta(description="What becomes of parameters that its dialect has no place for; the record names them."),
    ] = "drop"
    cache_breakpoints: Annotated[
        Literal["off", "auto"],
        Meta(description="Mark prompts of Claude's models for the provider's cache where the caller marks nothing."),
    ] = "off"
    prompt_cache_affinity: Annotated[
        Literal["off", "on"] | PromptCacheAffinityEntry,
        Meta(description="Requests that begin alike go to the key whose account holds their beginning warm."),
    ] = "off"
    prefill: Annotated[
        Literal["never", "turn", "prefix", "partial", "final_message"] | None,
        Meta(
            description="How it is told to go on with an answer that was begun; by default what is known: streams.md."
        ),
    ] = None
    enabled: bool = True
    id: Annotated[str, Meta(description="Stable id that survives a rename.")] = ""


class RetryEntry(Entry, frozen=True):
    """Further attempts before the first byte has gone to the caller."""

    attempts: Annotated[Annotated[int, Meta(ge=1, le=20)] | None, Meta(description="In all, the first included.")] = (
        None
    )
    statuses: Annotated[
        list[Annotated[int, Meta(ge=400, le=599)]] | None,
        Meta(description="Upstream statuses worth another attempt, beside refusals of a key."),
    ] = None
    backoff_initial: Duration | None = None
    backoff_max: Duration | None = None
    budget: Annotated[
        Annotated[float, Meta(ge=0, le=10)] | None,
        Meta(
            description="Further attempts at deployments in trouble, as a share of first ones; ten more to begin with."
        ),
    ] = None


class AdminEntry(Entry, frozen=True):
    """Administration (/api, /ui, /docs) and /metrics."""

    listen: Annotated[
        str | None,
        Meta(description="host:port of their own, with the TLS of server.tls; not at the server's port then."),
    ] = None
    hosts: Annotated[
        list[Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,253}$")]],
        Meta(description="Names by which they may be asked, beside addresses, localhost and the host listened on."),
    ] = []
    secure_cookies: Annotated[
        bool, Meta(description="Sessions for TLS only, also where the gateway cannot know that a proxy speaks it.")
    ] = False


class ModelListsEntry(Entry, frozen=True):
    """The providers' own lists of models."""

    refresh: Annotated[
        Duration | None, Meta(description="How often they are asked for, once a second at most; 0: never.")
    ] = None


class MetricsEntry(Entry, frozen=True):
    """/metrics."""

    token: Annotated[Secret | None, Meta(description="Bearer token; without one only loopback is served.")] = None


class CompatEntry(Entry, frozen=True):
    """Callers of other gateways that are understood: migration.md."""

    litellm: Annotated[
        bool | None, Meta(description="LiteLLM's header fields, members of bodies, paths and form of errors.")
    ] = None
    bifrost: Annotated[bool | None, Meta(description="Bifrost's header fields.")] = None


class SecretsEntry(Entry, frozen=True):
    """What secrets in the database are encrypted with: secrets.md. Read at the start."""

    master_keys: Annotated[
        list[Secret],
        Meta(description="64 hexadecimal digits each; the first encrypts, the others still open. Usually env.NAME."),
    ] = []
    master_key_command: Annotated[
        list[str], Meta(description="Program and arguments that print them instead, one a line.")
    ] = []


class Config(Entry, frozen=True):
    """The whole document."""

    providers: dict[Name, ProviderEntry] = {}
    routes: Annotated[
        dict[Annotated[str, Meta(pattern=r"^[!-~]{1,256}$")], RouteEntry], Meta(description="Model names of your own.")
    ] = {}
    customers: Annotated[dict[Name, CustomerEntry], Meta(description="Whom teams and virtual keys belong to.")] = {}
    teams: dict[Name, TeamEntry] = {}
    virtual_keys: list[VirtualKeyEntry] = []
    prices: Annotated[
        list[PriceEntry], Meta(description="What models cost, instead of what the bundled lists say.")
    ] = []
    unknown_price: Annotated[
        Literal["deny", "estimate"] | None,
        Meta(
            description="Models whose price is not known: refused to keys with a budget, or charged as much as the "
            "dearest known model."
        ),
    ] = None
    time_zone: Annotated[
        Annotated[str, Meta(max_length=64)] | None,
        Meta(description="Of periods of the calendar that name none of their own: Europe/Berlin."),
    ] = None
    retry: RetryEntry = RetryEntry()
    timeouts: Annotated[TimeoutsEntry, Meta(description="For every provider that does not say otherwise.")] = (
        TimeoutsEntry()
    )
    health: Annotated[HealthEntry, Meta(description="For every provider that does not say otherwise.")] = HealthEntry()
    server: ServerEntry = ServerEntry()
    admin: AdminEntry = AdminEntry()
    log: LogEntry = LogEntry()
    metrics: MetricsEntry = MetricsEntry()
    alerts: AlertsEntry = AlertsEntry()
    otel: OtelEntry = OtelEntry()
    access_log: AccessLogEntry = AccessLogEntry()
    cache: CacheEntry = CacheEntry()
    compat: CompatEntry = CompatEntry()
    model_lists: ModelListsEntry = ModelListsEntry()
    secrets: SecretsEntry = SecretsEntry()
