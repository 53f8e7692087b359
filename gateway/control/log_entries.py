"""Rows of the request log as the API shows them: values by name; ids that no longer have one are shown as they are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from enum import IntEnum

import msgspec

from gateway.control.trail import unsigned
from gateway.records import CacheVerdict, ErrorKind, Flags, Kind, Outcome, UsageSource
from gateway.routing.receipt import receipt_in
from gateway.server.forwarded import spelled
from gateway.stores.protocols import LogPage, LogRow
from providers.operations import Dialect, Operation


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


class SnippetPart(msgspec.Struct):
    text: str
    hit: bool
    """It is what was searched."""


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
    snippet: list[SnippetPart] = []
    """Of what was said, around what was searched; empty: it was found in names, or nothing was searched."""


class LogEntries(msgspec.Struct):
    entries: list[LogEntry]
    next: str | None
    """Give it as ``cursor`` for the rows before these; null: there are none. A page may be short and still have one."""


def entries_of(page: LogPage, names: Mapping[int, str]) -> LogEntries:
    return LogEntries([entry_of(row, names) for row in page.rows], page.next)


def entry_of(row: LogRow, names: Mapping[int, str]) -> LogEntry:
    def name(identity: int) -> str:
        if not identity:
            return ""
        known = names.get(unsigned(identity))
        return f"id:{unsigned(identity):016x}" if known is None else known.partition("/")[2]

    return LogEntry(
        request_id=row.request_id.hex(),
        kind=_spelling(Kind, row.kind),
        started_at=dt.datetime.fromtimestamp(row.started_us / 1e6, dt.UTC),
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
