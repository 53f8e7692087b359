"""What a configuration file says about the port that callers connect to, and what is bounded there."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from gateway.config.references import FilePath
from gateway.config.units import Duration, Size


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of every section."""


class ServerTlsEntry(Entry, frozen=True):
    """TLS on the listening port."""

    cert: Annotated[FilePath, Meta(description="Path of the certificate chain (PEM).")]
    key: Annotated[FilePath, Meta(description="Path of the private key (PEM).")]


class ServerLimitsEntry(Entry, frozen=True):
    """Bounds of the listening side."""

    header_bytes: Annotated[Size | None, Meta(description="Of a request's head; at most 32KiB.")] = None
    header_count: Annotated[
        Annotated[int, Meta(ge=1, le=100)] | None, Meta(description="Header fields of a request.")
    ] = None
    target_bytes: Annotated[Size | None, Meta(description="Of a request's path and query; at most 8KiB.")] = None
    json_body_bytes: Size | None = None
    binary_hold_bytes: Size | None = None
    binary_body_bytes: Size | None = None
    header_timeout: Duration | None = None
    body_timeout: Duration | None = None
    body_min_rate: Annotated[Size | None, Meta(description="Bytes a second a slow body must reach.")] = None
    body_grace: Duration | None = None
    keepalive_timeout: Duration | None = None
    keepalive_max_age: Annotated[
        Duration | None, Meta(description="Longest life of a caller's connection; up to a fifth less, by lot.")
    ] = None
    write_timeout: Duration | None = None
    response_json_bytes: Annotated[
        Size | None, Meta(description="Of a provider's JSON answer; a longer one is cut off, or refused with 502.")
    ] = None
    websocket_message_bytes: Annotated[Size | None, Meta(description="Of a message of a realtime session.")] = None
    websocket_idle_timeout: Annotated[
        Duration | None, Meta(description="Of a realtime session without a message; 0: none.")
    ] = None
    websocket_session_timeout: Annotated[
        Duration | None, Meta(description="Longest realtime session; 0: no bound.")
    ] = None
    connections: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="Per worker; 0: from the limit of open files.")
    ] = None


class OverloadEntry(Entry, frozen=True):
    """What a worker does when there is too much."""

    under_way: Annotated[
        Annotated[int, Meta(ge=0, le=2**30)] | None,
        Meta(description="Requests under way at a time, per worker; 0: from the memory and the connections there are."),
    ] = None
    queue: Annotated[
        Annotated[int, Meta(ge=0, le=100_000)] | None, Meta(description="Requests that wait for a slot, per worker.")
    ] = None
    queue_wait: Annotated[Duration | None, Meta(description="Longest wait for a slot.")] = None
    queue_target: Annotated[
        Duration | None, Meta(description="Longest wait while the queue has not been empty for queue_wait.")
    ] = None
    loop_lag: Annotated[
        Duration | None, Meta(description="How late a worker may be before it takes less on; 0: any.")
    ] = None
    memory: Annotated[
        Size | None, Meta(description="What counts as all the memory; 0: that of the control group or the machine.")
    ] = None


class ServerEntry(Entry, frozen=True):
    """The port callers connect to."""

    host: Annotated[str | None, Meta(description="Address; --host decides, this is held against it.")] = None
    port: Annotated[
        Annotated[int, Meta(ge=0, le=65535)] | None, Meta(description="Port; --port decides, this is held against it.")
    ] = None
    workers: Annotated[
        Annotated[int, Meta(ge=1, le=256)] | None,
        Meta(description="Worker processes; --workers decides, this is held against it."),
    ] = None
    tls: ServerTlsEntry | None = None
    limits: ServerLimitsEntry = ServerLimitsEntry()
    overload: OverloadEntry = OverloadEntry()
    drain_timeout: Annotated[Duration | None, Meta(description="What running requests get at a shutdown.")] = None
    stream_keepalive: Annotated[
        Duration | None,
        Meta(description="Longest silence of a stream before its caller gets a comment; 0, the default: none is sent."),
    ] = None
    trusted_proxies: Annotated[
        list[str] | None, Meta(description="Addresses or networks whose X-Forwarded-For or Forwarded is believed.")
    ] = None
    forward_rate_limit_headers: Annotated[
        bool | None, Meta(description="Pass the provider's rate-limit header fields on.")
    ] = None
    explain: Annotated[
        bool | None, Meta(description="Tell callers who ask which way their request went, and which one it would go.")
    ] = None
