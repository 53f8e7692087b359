"""Handlers under /api about the instance: how it is doing, and what is in force."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.exceptions import ClientException

import _speedups
import gateway
from gateway.config.loader import loads
from gateway.config.problems import ConfigError
from gateway.control.configuration import Mistake, ReloadResult
from gateway.control.state import ControlState

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
        notes=[*state.notes, *state.rollups.notes()],
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


class _AnyVariable(dict[str, str]):
    """An environment in which every variable is set, to a placeholder."""

    def __missing__(self, name: str) -> str:
        return f"value-of-{name}"

    def __contains__(self, name: object) -> bool:
        return True

    def get(self, name: str, default: Any = None) -> Any:
        return self[name]


def _time(us: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(us / 1e6, dt.UTC)


CONTROL_HANDLERS = (health, config, check)
