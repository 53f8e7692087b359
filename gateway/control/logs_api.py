"""Handlers under /api/logs: pages of the request log, one request, everything as a file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, get
from litestar.di import NamedDependency, Provide
from litestar.exceptions import ClientException, NotFoundException, ServiceUnavailableException
from litestar.params import Parameter
from litestar.response import Stream

from gateway.control.log_entries import LogEntries, LogEntry, SnippetPart, entries_of, entry_of
from gateway.control.log_export import FORMATS, TooManyExports, exported
from gateway.control.log_filters import log_filters
from gateway.control.state import ControlState
from gateway.records import Kind
from gateway.stores.contents import StoredContent
from gateway.stores.log_query import LogQuery
from gateway.stores.protocols import LogRow, StoreUnavailable

Filters = NamedDependency[LogQuery]
FILTERED = {"filters": Provide(log_filters)}
_ORDER = {int(Kind.EXCHANGE): 0, int(Kind.ATTEMPT): 1}


class LogContent(msgspec.Struct):
    """What was said, as far as it is kept."""

    request: str
    response: str
    request_truncated: bool
    response_truncated: bool
    redacted: bool
    media_type: str
    """Of the response; of a stream of events, ``response`` is the text that they make up."""


class RequestLog(msgspec.Struct):
    """All that is known of one request: the exchange first, then its attempts in their order."""

    entries: list[LogEntry]
    content: LogContent | None
    """Null: none was kept."""


@get("/logs", summary="The request log, newest first", dependencies=FILTERED)
async def logs(
    request: Request[Any, Any, Any],
    filters: Filters,
    limit: Annotated[int, Parameter(ge=1, le=1000)] = 50,
    cursor: Annotated[str | None, Parameter(description="`next` of the page before", max_length=512)] = None,
) -> LogEntries:
    state = _state(request)
    try:
        page = await state.reading.page(msgspec.structs.replace(filters, limit=limit, cursor=cursor))
        snippets = await state.reading.snippets(page.rows, filters.search) if filters.search else []
    except StoreUnavailable:
        raise ServiceUnavailableException("the request log cannot be read now") from None
    except (ValueError, OverflowError) as error:
        raise ClientException(str(error)) from None
    entries = entries_of(page, state.configuration.names)
    for entry, snippet in zip(entries.entries, snippets, strict=False):
        entry.snippet = [SnippetPart(*part) for part in snippet]
    return entries


@get("/logs/{request_id:str}", summary="One request with its attempts and what was said")
async def log_of_request(request: Request[Any, Any, Any], request_id: str) -> RequestLog:
    state = _state(request)
    try:
        identity = bytes.fromhex(request_id)
    except ValueError:
        raise NotFoundException("the request log has no such request") from None
    try:
        rows, content = await state.reading.find(identity)
    except StoreUnavailable:
        raise ServiceUnavailableException("the request log cannot be read now") from None
    if not rows:
        raise NotFoundException("the request log has no such request")
    rows.sort(key=_place)
    entries = [entry_of(row, state.configuration.names) for row in rows]
    return RequestLog(entries, None if content is None else _shown(content))


@get(
    "/logs/export",
    summary="All rows that the filters let through, as a file",
    dependencies=FILTERED,
)
async def export_logs(
    request: Request[Any, Any, Any],
    filters: Filters,
    format: Literal["csv", "jsonl"] = "csv",  # noqa: A002 - the parameter's name in the API
) -> Stream:
    """Newest first. A file that breaks off is not complete: it ends without the end of the answer."""
    state = _state(request)
    media, name = FORMATS[format]
    try:
        chunks = await exported(state.reading, filters, format, state.configuration.names)
    except StoreUnavailable:
        raise ServiceUnavailableException("the request log cannot be read now") from None
    except TooManyExports as error:
        raise ServiceUnavailableException(str(error), headers={"retry-after": "5"}) from None
    return Stream(chunks, media_type=media, headers={"content-disposition": f'attachment; filename="{name}"'})


def _shown(content: StoredContent) -> LogContent:
    return LogContent(
        content.request,
        content.response,
        content.request_truncated,
        content.response_truncated,
        content.redacted,
        content.media_type,
    )


def _place(row: LogRow) -> tuple[int, int, int]:
    return _ORDER.get(row.kind, 2), row.attempt, row.started_us


def _state(request: Request[Any, Any, Any]) -> ControlState:
    state: ControlState = request.app.state.control
    return state


LOG_HANDLERS = (logs, log_of_request, export_logs)
