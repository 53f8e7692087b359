"""Handlers under /api. Values are shown by name; ids that no longer have one are shown as they are."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Mapping
from enum import IntEnum
from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.exceptions import ClientException, ServiceUnavailableException
from litestar.params import Parameter

import _speedups
import gateway
from gateway.config.loader import loads
from gateway.config.problems import ConfigError
from gateway.control.configuration import Mistake, ReloadResult
from gateway.control.state import ControlState
from gateway.control.trail import signed, unsigned
from gateway.records import CacheVerdict, ErrorKind, Flags, Kind, Outcome, UsageSource
from gateway.routing.receipt import receipt_in
from gateway.server.forwarded import spelled
from gateway.snapshot.model import id_hash
from gateway.stores.protocols import LogPage, LogQuery, LogRow, StoreUnavailable
from providers.operations import Dialect, Operation

SUFFIXES = {"application/json": "json", "application/toml": "toml", "application/yaml": "yaml"}
"""Media type of a document -> the suffix that names its language; anything else is read as YAML."""


class WorkerHealth(msgspec.Struct):
    index: int
    state: str
    in_flight: int
    restarts: int
    snapshot_version: int | None


class LogHealth(msgspec.Struct):
    available: bool
    size_bytes: int
    segments: int
    waiting_records: int
    notes: tuple[str, ...]


class HealthReport(msgspec.Struct):
    """How the instance is doing, in detail; /readyz of a worker says the same in one word."""

    status: str
    """``ok`` or ``degraded``."""
    reasons: list[str]
    version: str
    implementation: str
    uptime_s: float
    snapshot_version: int
    workers: list[WorkerHealth]
    log: LogHealth
    last_reload: ReloadResult
    notes: list[str]


class ProviderSummary(msgspec.Struct):
    name: str
    vendor: str
    operations: list[str]
    keys: list[str]
    models: list[str]
    listed: list[str]
    """What its own list of models had when it was last asked."""
    enabled: bool


class ConfigReport(msgspec.Struct):
    """What is in force, without any credential. ``file``: path of the configuration file; empty: there is none."""

    version: int
    file: str
    created_at: dt.datetime
    last_reload: ReloadResult
    providers: list[ProviderSummary]
    routes: dict[str, list[str]]
    virtual_keys: int
    shadowed: list[str]
    """Entities of the database that are not in force: the file hides them, or they cannot be used as things stand."""


class CheckResult(msgspec.Struct):
    valid: bool
    mistakes: list[Mistake]
    warnings: list[Mistake]


class ReceiptStep(msgspec.Struct):
    """One target that was asked or passed over."""

    why: str
    target: int
    """Place among the route's targets and, behind them, its fallbacks."""
    result: str
    ms: int | None


class ReceiptEntry(msgspec.Struct):
    """What docs/receipt.md describes, in words."""

    text: str
    steps: list[ReceiptStep]
    left_out: int
    end: str


class LogEntry(msgspec.Struct, kw_only=True):
    """One row of the request log; times in microseconds, cost in nano-dollars."""

    request_id: str
    kind: str
    started_at: dt.datetime
    virtual_key: str
    team: str
    customer: str
    provider: str
    provider_key: str
    route: str
    model: str
    target_model: str
    operation: str
    dialect: str
    target_dialect: str
    status: int
    outcome: str
    error: str
    stream: bool
    attempt: int
    attempts: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    audio_in_tokens: int
    audio_out_tokens: int
    usage_source: str
    cache: str
    cost_nanodollars: int
    queue_us: int
    gateway_us: int
    upstream_us: int
    ttft_us: int
    total_us: int
    request_bytes: int
    response_bytes: int
    chunks: int
    flags: list[str]
    snapshot_version: int
    worker: int
    dropped_parameters: list[str]
    receipt: ReceiptEntry | None
    """Null: the first target answered, or nobody was asked."""
    client: str
    """Address of the caller; empty when it is not known."""


class LogEntries(msgspec.Struct):
    entries: list[LogEntry]
    next: str | None
    """Give it as ``cursor`` for the rows before these; null: there are none. A page may be short and still have one."""


def _state(request: Request[Any, Any, Any]) -> ControlState:
    state: ControlState = request.app.state.control
    return state


@get("/health", summary="Readiness in detail")
async def health(request: Request[Any, Any, Any]) -> HealthReport:
    state = _state(request)
    problems, status = state.problems(), state.log_status()
    workers = [
        WorkerHealth(worker.index, worker.state, worker.in_flight, max(0, worker.epoch - 1), worker.version)
        for worker in state.workers()
    ]
    return HealthReport(
        status="degraded" if problems else "ok",
        reasons=problems,
        version=gateway.__version__,
        implementation=_speedups.IMPLEMENTATION,
        uptime_s=state.uptime_s(),
        snapshot_version=state.configuration.snapshot.version,
        workers=workers,
        log=LogHealth(status.ok, status.bytes, status.segments, sum(state.ingest.lag().values()), status.notes),
        last_reload=state.configuration.last,
        notes=state.notes,
    )


@get("/config", summary="The configuration in force")
async def config(request: Request[Any, Any, Any]) -> ConfigReport:
    state = _state(request)
    configuration, snapshot = state.configuration, state.configuration.snapshot
    return ConfigReport(
        version=snapshot.version,
        file=state.context.config_path,
        created_at=_time(snapshot.created_ns // 1000),
        last_reload=configuration.last,
        providers=[
            ProviderSummary(
                name,
                provider.vendor,
                sorted(provider.dialects),
                [key.name for key in provider.keys],
                list(provider.models),
                list(snapshot.listed.get(name, ())),
                provider.enabled,
            )
            for name, provider in snapshot.providers.items()
        ],
        routes={
            name: [f"{target.provider}/{target.model}" for target in (*route.targets, *route.fallbacks)]
            for name, route in snapshot.routes.items()
        },
        virtual_keys=snapshot.virtual_keys,
        shadowed=[left.label for left in configuration.left_out],
    )


@post("/config/check", status_code=200, summary="Check a configuration document without using it")
async def check(request: Request[Any, Any, Any]) -> CheckResult:
    """The body is the document, in YAML, JSON or TOML by its media type. An ``env.`` reference
    stands for a placeholder, so that no message can hold what a variable holds."""
    body = await request.body()
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ClientException("the document is not UTF-8 text") from None
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        loaded = await asyncio.to_thread(loads, text, f"document.{SUFFIXES.get(media, 'yaml')}", _AnyVariable())
    except ConfigError as error:
        told = [Mistake.of(problem) for problem in error.problems]
        return CheckResult(False, [m for m in told if not m.warning], [m for m in told if m.warning])
    return CheckResult(True, [], list(map(Mistake.of, loaded.warnings)))


@get("/logs", summary="The request log, newest first")
async def logs(
    request: Request[Any, Any, Any],
    since: Annotated[float | None, Parameter(description="Unix time in seconds")] = None,
    until: Annotated[float | None, Parameter(description="Unix time in seconds")] = None,
    provider: str | None = None,
    model: Annotated[str | None, Parameter(description="As asked for, or as sent to the provider")] = None,
    key: Annotated[str | None, Parameter(description="Name of a virtual key")] = None,
    status: int | None = None,
    errors: bool = False,
    request_id: str | None = None,
    attempts: Annotated[
        bool, Parameter(description="Also attempts that their request does not tell of, and shadows")
    ] = False,
    limit: Annotated[int, Parameter(ge=1, le=1000)] = 50,
    cursor: str | None = None,
) -> LogEntries:
    state = _state(request)
    names = state.configuration.names
    try:
        query = LogQuery(
            since_us=_microseconds(since),
            until_us=_microseconds(until),
            provider=None if provider is None else _hash_of(f"provider/{provider}", names),
            model=model,
            virtual_key=None if key is None else _hash_of(f"virtual_key/{key}", names),
            status=status,
            errors_only=errors,
            request_id=None if request_id is None else bytes.fromhex(request_id),
            kind=None if attempts else int(Kind.EXCHANGE),
            limit=limit,
            cursor=cursor,
        )
        page = await asyncio.to_thread(state.log_store.page, query)
    except StoreUnavailable:
        raise ServiceUnavailableException("the request log cannot be read now") from None
    except (ValueError, OverflowError) as error:
        raise ClientException(str(error)) from None
    return _entries(page, names)


class _AnyVariable(dict[str, str]):
    """An environment in which every variable is set, to a placeholder."""

    def __missing__(self, name: str) -> str:
        return f"value-of-{name}"

    def __contains__(self, name: object) -> bool:
        return True

    def get(self, name: str, default: Any = None) -> Any:
        return self[name]


def _microseconds(seconds: float | None) -> int | None:
    if seconds is None:
        return None
    if not abs(seconds) < 1e12:
        raise ValueError("not a Unix time")
    return int(seconds * 1e6)


def _hash_of(name: str, names: Mapping[int, str]) -> int:
    """A name as records have it. A name that nothing has any more is tried as the id of a file's entity."""
    for identity, known in names.items():
        if known == name:
            return signed(identity)
    return signed(id_hash(f"file:{name}"))


def _time(us: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(us / 1e6, dt.UTC)


def _entries(page: LogPage, names: Mapping[int, str]) -> LogEntries:
    return LogEntries([_entry(row, names) for row in page.rows], page.next)


def _entry(row: LogRow, names: Mapping[int, str]) -> LogEntry:
    def name(identity: int) -> str:
        if not identity:
            return ""
        known = names.get(unsigned(identity))
        return f"id:{unsigned(identity):016x}" if known is None else known.partition("/")[2]

    return LogEntry(
        request_id=row.request_id.hex(),
        kind=_spelling(Kind, row.kind),
        started_at=_time(row.started_us),
        virtual_key=name(row.virtual_key),
        team=name(row.team),
        customer=name(row.customer),
        provider=name(row.provider),
        provider_key=name(row.provider_key),
        route=name(row.route),
        model=row.model,
        target_model=row.target_model,
        operation=_spelling(Operation, row.operation),
        dialect=_spelling(Dialect, row.dialect),
        target_dialect=_spelling(Dialect, row.target_dialect),
        status=row.status,
        outcome=_spelling(Outcome, row.outcome),
        error=_spelling(ErrorKind, row.error_kind),
        stream=bool(row.stream),
        attempt=row.attempt,
        attempts=row.attempts,
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        cached_tokens=row.cached_tokens,
        cache_write_tokens=row.cache_write_tokens,
        reasoning_tokens=row.reasoning_tokens,
        audio_in_tokens=row.audio_in_tokens,
        audio_out_tokens=row.audio_out_tokens,
        usage_source=_spelling(UsageSource, row.usage_source),
        cache=_spelling(CacheVerdict, row.cache_verdict),
        cost_nanodollars=row.cost_nanodollars,
        queue_us=row.queue_us,
        gateway_us=row.gateway_us,
        upstream_us=row.upstream_us,
        ttft_us=row.ttft_us,
        total_us=row.total_us,
        request_bytes=row.request_bytes,
        response_bytes=row.response_bytes,
        chunks=row.chunks,
        flags=[flag.name.lower() for flag in Flags if row.flags & flag and flag.name],
        snapshot_version=row.snapshot,
        worker=row.slot,
        dropped_parameters=row.dropped.split(",") if row.dropped else [],
        receipt=_receipt(row.receipt or ""),
        client=spelled(row.client or b""),
    )


def _receipt(text: str) -> ReceiptEntry | None:
    found = receipt_in(text)
    if found is None:
        return None
    steps = [
        ReceiptStep(step.why, step.place, step.result, step.took_ms if step.took_ms >= 0 else None)
        for step in found.steps
    ]
    return ReceiptEntry(text, steps, found.left_out, found.end)


def _spelling(enum: type[IntEnum], value: int) -> str:
    """Empty for nothing; the number itself when a newer program wrote it."""
    try:
        return enum(value).name.lower() if value else ""
    except ValueError:
        return str(value)


CONTROL_HANDLERS = (health, config, check, logs)
