"""What a worker serves from: an immutable, versioned picture of the configuration, as msgpack on tmpfs.

The builder writes it, workers decode it. Virtual keys are not in here: they are rows of the shared table beside it
(``gateway/snapshot/keytable.py``), so that a hundred thousand of them cost a worker nothing. Every entity carries its
stable id; limits, records and ledger rows use ``id_hash(id)``, never names.
"""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import msgspec

from gateway.snapshot.cache import Cache
from gateway.snapshot.compat import Compat
from gateway.snapshot.listen_tls import ListenTls
from gateway.snapshot.tracing import Tracing


def id_hash(stable_id: str) -> int:
    """The 64-bit name of an entity in records, arena and table: BLAKE2b-64 of its stable id, never 0."""
    return int.from_bytes(hashlib.blake2b(stable_id.encode(), digest_size=8).digest(), "little") or 1


class _Base(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True): ...


class Credential(_Base, frozen=True):
    """How a credential is had that is no plain text; what a type has no use for is empty."""

    type: str
    """As ``gateway.credentials.extras.OF_TYPE`` has it."""
    secret: str = ""
    """Client secret, service account (JSON) or secret access key."""
    tenant: str = ""
    client_id: str = ""
    authority: str = ""
    scope: str = ""
    access_key_id: str = ""
    session_token: str = ""
    profile: str = ""
    role_arn: str = ""
    external_id: str = ""
    session_name: str = ""
    region: str = ""
    """For which AWS signatures are made."""


class ProviderKey(_Base, frozen=True):
    id: str
    name: str
    value: str
    """The credential itself; empty for keyless providers."""
    credential: Credential | None = None
    """How it is had instead."""
    weight: float = 1.0
    models: tuple[str, ...] = ()
    """Upstream models it may serve (exact, or a trailing ``*``); empty: all."""
    deny_models: tuple[str, ...] = ()
    enabled: bool = True
    health_slot: int = -1
    """Arena slot of kind HEALTH."""
    pinned: bool = False
    """Some virtual key has its account to itself: nobody else's objects are put there."""


class Timeouts(_Base, frozen=True):
    """Seconds; 0 switches one off (``total`` excepted)."""

    connect: float = 3.0
    first_byte: float = 120.0
    """From the request written to the first byte of the answer."""
    first_token: float = 0.0
    """From a streamed request written to its answer's first content. Off: models that reason are silent for minutes."""
    stream_idle: float = 60.0
    total: float = 600.0


class Health(_Base, frozen=True):
    """When a deployment (a model at a provider) is ejected, and for how long. Figures of Envoy's outlier detection."""

    consecutive: int = 5
    """Failures in a row."""
    volume: int = 50
    """Or this many attempts within ten seconds, of which"""
    failure_share: float = 0.85
    """this share failed."""
    rest: float = 30.0
    """Seconds, times the number of ejections in a row, up to"""
    rest_max: float = 300.0
    throttle: bool = True
    """Leave attempts out by lot when a provider refuses more than half of them."""


class Tls(_Base, frozen=True):
    ca_file: str = ""
    """Empty: the system's trust store."""
    server_name: str = ""
    """Empty: the host of the base URL."""
    client_cert: str = ""
    client_key: str = ""


class PromptCacheAffinity(_Base, frozen=True):
    """Requests go to the key that holds the beginning of their prompt warm (``gateway.routing.affinity``)."""

    ttl: float = 300.0
    """Seconds after its last use for which the provider keeps a prompt: what OpenAI and Anthropic say of theirs."""
    spill: float = 0.5
    """How much busier, in mean loads, a key may be that holds the whole prompt."""
    table: str = ""
    """File name of the memory that workers share, beside the snapshot; empty: each has its own."""


class Provider(_Base, frozen=True):
    id: str
    name: str
    vendor: str
    """Row of ``providers.vendors.VENDORS``; ``custom`` when none."""
    base_url: str
    """scheme://host[:port]/prefix, or unix:/path|/prefix for the gateway's own services."""
    dialects: dict[str, str]
    """operation name -> dialect name, for the operations this provider offers."""
    paths: dict[str, str]
    """operation name -> path appended to base_url; ``{model}`` is replaced by the percent-encoded upstream model."""
    query: str = ""
    """Query string added to every request (``api-version=...``)."""
    auth_header: str = "authorization"
    auth_scheme: str = "Bearer"
    """Empty: the bare credential."""
    headers: tuple[tuple[str, str], ...] = ()
    forward_headers: tuple[str, ...] = ()
    """Request headers of the caller passed on beside the dialect's own allow-list (lower case)."""
    keys: tuple[ProviderKey, ...] = ()
    models: tuple[str, ...] = ()
    """Models declared in configuration, listed by /v1/models as name/model."""
    list_models: bool = False
    """Its own list of models is asked for (``Snapshot.listed``)."""
    stream_usage: str = "never"
    service_tiers: bool = False
    """The price lists' prices of service tiers count."""
    """``ask``: a stream reports usage only when asked by stream_options; ``always``; ``never``."""
    unsupported: Literal["drop", "error", "pass"] = "drop"
    """What becomes of members that its dialect has no place for."""
    cache_breakpoints: Literal["off", "auto"] = "off"
    """``auto``: prompts are marked for its cache where the caller marks nothing (``providers.breakpoints``)."""
    prompt_cache_affinity: PromptCacheAffinity | None = None
    """None: off, as it is where there is nothing to choose among."""
    prefill: str | None = None
    """How it is told to go on with an answer that was begun; None: what is known of it (``providers/prefill.py``)."""
    timeouts: Timeouts = Timeouts()
    max_connections: int = 0
    """Per worker; 0: no limit of its own."""
    max_concurrency: int = 0
    """Attempts under way per worker; those beyond go elsewhere, or are refused. 0: no limit of its own."""
    health: Health = Health()
    deployments: dict[str, int] = {}
    """Upstream model -> arena slot of kind HEALTH; ``""``: of all models that are not named anywhere."""
    proxy: str = ""
    """http://[user:password@]host:port of an HTTP proxy (CONNECT for https)."""
    tls: Tls = Tls()
    enabled: bool = True
    aliases: dict[str, str] = {}
    """caller's model name -> upstream model (Azure deployments)."""
    allow_private: bool = True
    """Whether it may lie in a private network, as what the operator's file names may."""


class Target(_Base, frozen=True):
    provider: str
    """Provider's name."""
    model: str
    weight: float = 1.0
    when: str = ""
    """Condition (``gateway/routing/cel.py``) without which it is passed over."""


class PriceRule(_Base, frozen=True):
    """What the operator says that models cost."""

    source: str
    """Where it stands in the configuration: ``prices[2]``, or ``price`` and its name."""
    prices: dict[str, Any]
    """As a model of ``providers/models`` has them."""
    tiers: dict[str, dict[str, Any]] = {}
    """Service tier -> prices that hold instead for answers that name it."""
    provider: str = ""
    """Provider's name (exact, or a trailing ``*``); empty: any."""
    model: str = ""
    """Likewise, as callers or as the provider call it."""
    virtual_keys: tuple[int, ...] = ()
    """id_hash of those it is for; empty: all that no other rule names."""
    id: str = ""


Strategy = Literal["weighted", "order", "least-latency", "least-cost", "least-busy", "hash"]


class Hedge(_Base, frozen=True):
    """A second attempt beside the first, when its first byte takes long."""

    after: float = 0.0
    """Seconds; 0: learned, the time that 97 % of first bytes do not take longer than."""
    share: float = 0.05
    """Of the requests, at most."""


class Shadow(_Base, frozen=True):
    """Gets copies of a route's requests (``gateway.routing.shadow``)."""

    provider: str
    model: str
    share: float


class Route(_Base, frozen=True):
    id: str
    name: str
    targets: tuple[Target, ...]
    """One is chosen by ``strategy``; the others follow, then ``fallbacks``."""
    fallbacks: tuple[Target, ...] = ()
    strategy: Strategy = "weighted"
    hash_on: str = ""
    """For ``hash``: a header field's name (small letters); empty: the session, else the virtual key."""
    hedge: Hedge | None = None
    shadow: tuple[Shadow, ...] = ()
    continue_on_cut: bool = False
    """A stream that breaks off goes on with another attempt (``gateway/phases/continuing.py``)."""


class Retry(_Base, frozen=True):
    attempts: int = 3
    """In all, the first included, over all targets and keys."""
    statuses: tuple[int, ...] = (408, 424, 429, 498, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529)
    backoff_initial: float = 0.1
    backoff_max: float = 2.0
    budget: float = 0.2
    """Further attempts per first one, over 10 s (ten in any case); always made where a deployment's last was good."""


class ServerLimits(_Base, frozen=True):
    """Bounds of the listening side; sizes in bytes, times in seconds."""

    header_bytes: int = 32768
    header_count: int = 100
    target_bytes: int = 8192
    json_body_bytes: int = 32 << 20
    binary_hold_bytes: int = 8 << 20
    binary_body_bytes: int = 512 << 20
    header_timeout: float = 10.0
    body_timeout: float = 300.0
    body_min_rate: int = 1024
    body_grace: float = 5.0
    keepalive_timeout: float = 75.0
    keepalive_max_age: float = 3600.0
    write_timeout: float = 60.0
    response_json_bytes: int = 64 << 20
    websocket_message_bytes: int = 16 << 20
    websocket_idle_timeout: float = 300.0
    """0: none, as for the next."""
    websocket_session_timeout: float = 3600.0
    connections: int = 0
    """Per worker; 0: (RLIMIT_NOFILE - 256) / 2."""


class Overload(_Base, frozen=True):
    """Of one worker; times in seconds, memory in bytes."""

    under_way: int = 0  # by memory and connections
    queue: int = 1000
    queue_wait: float = 1.0
    queue_target: float = 0.1
    loop_lag: float = 0.1
    """0: any."""
    memory: int = 0
    """0: what the control group or the machine has."""


class Settings(_Base, frozen=True):
    retry: Retry = Retry()
    limits: ServerLimits = ServerLimits()
    overload: Overload = Overload()
    drain_timeout: float = 30.0
    stream_keepalive: float = 0.0
    """Seconds of silence in a stream after which its caller is sent a comment; 0: none."""
    metrics_token_sha256: str = ""
    """Hex; empty: /metrics is served to loopback only."""
    trusted_proxies: tuple[str, ...] = ()
    forward_rate_limit_headers: bool = False
    explain: bool = True
    """Callers may ask which way their request went."""
    log_level: str = "info"
    log_format: str = "text"
    admin_listen: str = ""
    """host:port at which control serves administration and metrics itself; empty: workers relay them to it."""
    admin_hosts: tuple[str, ...] = ()
    """Names under which administration may be asked, in lower case; addresses and localhost always may."""
    secure_cookies: bool = False
    """Browsers send sessions over TLS alone, whatever this process can tell of it."""
    model_refresh: float = 3600.0
    """Seconds after which a provider is asked for its list of models again; 0: none is ever asked."""
    unknown_price: Literal["deny", "estimate"] = "deny"
    """Of a model whose price nobody knows: keys with a budget may not use it, or it is charged as the dearest one."""
    demo: bool = False
    listen_tls: ListenTls | None = None
    cache: Cache = Cache()
    tracing: Tracing = Tracing()
    compat: Compat = Compat()
    log_content: Literal["off", "metadata", "full"] = "metadata"
    """What the request log keeps of a request: no row, a row, or a row and what was said."""
    log_content_max: int = 65536
    """Bytes of each side."""


class ProviderConfig(_Base, frozen=True):
    """What holds for a virtual key at one provider."""

    provider: str
    """Provider's name."""
    keys: tuple[str, ...] = ()
    """Names of the provider's keys that it may use; empty: all."""
    weight: float = -1.0
    """Among the targets of a route; negative: the target's own."""
    limits: int = 0
    """How many of its row's slots are limits there."""


class Ruleset(_Base, frozen=True):
    """What virtual keys may use; shared by all with equal rules: a row names its index."""

    models: tuple[str, ...] = ()
    """Models as the caller writes them (exact, or a trailing ``*``); empty: all."""
    providers: tuple[str, ...] = ()
    """Provider names; empty: all."""
    configs: tuple[ProviderConfig, ...] = ()
    """Their limits stand behind all others in the row, in this order."""
    cache: Literal["off", "read", "write", "on"] = "on"
    log_content: Literal["", "off", "metadata", "full"] = ""
    """What the request log keeps; empty: as the settings say."""


class Snapshot(_Base, frozen=True):
    version: int
    created_ns: int
    providers: dict[str, Provider]
    """By name."""
    routes: dict[str, Route]
    rulesets: tuple[Ruleset, ...] = (Ruleset(),)
    settings: Settings = Settings()
    table: str = ""
    """File name of the virtual-key table, beside the snapshot."""
    virtual_keys: int = 0
    pepper: bytes = b""
    """32 bytes: the HMAC key of the table's digests."""
    listed: dict[str, tuple[str, ...]] = {}
    """Provider's name -> models of its own list, shown by /v1/models beside the declared ones."""
    facts: dict[str, bytes] = {}
    """Provider's name -> JSON of what is known of its models (``gateway/snapshot/facts.py``), shown by /v1/models."""
    price_lists: dict[str, bytes] = {}
    """File of ``providers/models`` -> JSON of what it says about money, for the vendors of the providers."""
    price_rules: tuple[PriceRule, ...] = ()
    """The most exact first."""
    time_zones: tuple[str, ...] = ()
    """Of periods of the calendar; a limit's label has the index."""
    names: dict[int, str] = {}
    """id_hash -> ``kind/name`` of every entity but virtual keys (control keeps theirs)."""
    principals: dict[int, str] = {}
    """id_hash -> name of every virtual key, where some condition asks for ``principal.name``."""
    principal_ids: dict[int, str] = {}
    """Likewise its stable id, for ``principal.id``."""
    unknown_before_us: int = 0
    """Wall clock: what requests before have spent is unknown yet, so keys with a budget are refused; 0: all known."""


class Delta(_Base, frozen=True):
    """The way from one version to the next: whole entities that changed, names that went away."""

    base: int
    version: int
    created_ns: int = 0
    providers: dict[str, Provider] = {}
    gone_providers: tuple[str, ...] = ()
    routes: dict[str, Route] = {}
    gone_routes: tuple[str, ...] = ()
    rulesets: tuple[Ruleset, ...] | None = None
    settings: Settings | None = None
    table: str = ""
    virtual_keys: int = -1
    listed: dict[str, tuple[str, ...]] | None = None
    facts: dict[str, bytes] = {}
    """Empty bytes: none any more."""
    price_lists: dict[str, bytes] = {}
    """Likewise."""
    price_rules: tuple[PriceRule, ...] | None = None
    time_zones: tuple[str, ...] | None = None
    names: dict[int, str] = {}
    principals: dict[int, str] | None = None
    principal_ids: dict[int, str] | None = None
    unknown_before_us: int = 0
