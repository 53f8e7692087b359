"""GET /api/live: what happens, as server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from litestar import Request, get
from litestar.exceptions import ServiceUnavailableException
from litestar.params import Parameter
from litestar.response import Stream

from gateway.control.callers import still_may
from gateway.control.figures import Spread
from gateway.control.live import Filter, Listener, TooManyListeners
from gateway.control.log_entries import LogEntry, entry_of
from gateway.control.named import ids_of
from gateway.control.state import ControlState
from gateway.control.trail import signed
from gateway.stores.protocols import StoreUnavailable

log = logging.getLogger("microgate.api")

BATCH_S = 0.25
"""Between two batches of entries to one listener."""

FIGURES_S = 1.0
"""Between two events of figures."""

ASKED_S = 0.75
"""How often it is asked whether somebody who watches still may: who is logged out sees nothing more after a second."""

COMMENT_S = 15.0
EVENTS = "text/event-stream"

Name = Annotated[str | None, Parameter(max_length=512)]


class LiveRequests(msgspec.Struct):
    """``event: requests``."""

    entries: list[LogEntry]
    skipped: int
    """Requests that are not among the entries because there were too many at once."""


class LiveFigures(msgspec.Struct, kw_only=True):
    """``event: figures``: of the requests that ended within ``interval_s``."""

    at: float
    interval_s: float
    in_flight: int
    """Of all requests, whatever the filter."""
    requests: int
    errors: int
    prompt_tokens: int
    completion_tokens: int
    cost_nanodollars: int
    cache_hits: int
    duration_us: Spread | None
    ttft_us: Spread | None
    overhead_us: Spread | None


@get(
    "/live",
    summary="Requests as they end, and figures every second (SSE)",
    media_type=EVENTS,
)
async def live(
    request: Request[Any, Any, Any],
    provider: Name = None,
    model: Annotated[str | None, Parameter(description="As asked for, or as sent", max_length=512)] = None,
    key: Annotated[str | None, Parameter(description="Name of a virtual key", max_length=512)] = None,
    team: Name = None,
    status: Annotated[int | None, Parameter(ge=0, le=999)] = None,
    errors: bool = False,
) -> Stream:
    """`requests` with up to 100 log entries at most every 250 ms, `figures` every second, `alert`, `config` when a
    configuration comes into force. It ends with the session."""
    state: ControlState = request.app.state.control
    names = state.configuration.names

    def ids(kind: str, name: str | None) -> frozenset[int] | None:
        return None if name is None else frozenset(map(signed, ids_of(kind, name, names)))

    wanted = Filter(ids("provider", provider), ids("virtual_key", key), ids("team", team), model, status, errors)
    try:
        listener = state.live.listen(wanted)
    except TooManyListeners as error:
        raise ServiceUnavailableException(f"{error}: close another live view first") from None
    return Stream(_events(request, state, listener), media_type=EVENTS, headers={"cache-control": "no-store"})


async def _events(request: Request[Any, Any, Any], state: ControlState, listener: Listener) -> AsyncIterator[bytes]:
    clock = asyncio.get_running_loop().time
    asking = asyncio.create_task(_ask_again(request, listener), name="live")
    try:
        yield b": microgate\n\n"
        counted_at = clock()
        figures_at, batch_at, comment_at = counted_at + FIGURES_S, counted_at, counted_at + COMMENT_S
        while not (state.live.closed or listener.over):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(listener.news.wait(), max(0.0, figures_at - clock()))
            now, due_at = clock(), min(batch_at, figures_at)
            if listener.news.is_set() and now < due_at:
                await asyncio.sleep(due_at - now)
                now = clock()
            out: list[bytes] = []
            if listener.news.is_set() and now >= batch_at:
                listener.news.clear()
                while listener.notices:
                    out.append(_event(*listener.notices.popleft()))
                rows, skipped = listener.taken_rows()
                if rows or skipped:
                    names = state.configuration.names
                    out.append(_event("requests", LiveRequests([entry_of(row, names) for row in rows], skipped)))
                    batch_at = now + BATCH_S
            if now >= figures_at:
                out.append(_event("figures", _figures(state, listener, now - counted_at)))
                counted_at, figures_at = now, now + FIGURES_S
                if now >= comment_at:
                    out.append(b": still here\n\n")
                    comment_at = now + COMMENT_S
            if out:
                yield b"".join(out)
    finally:
        asking.cancel()
        state.live.leave(listener)


async def _ask_again(request: Request[Any, Any, Any], listener: Listener) -> None:
    """End it once the session or token counts no more, or the role is too small."""
    try:
        while await still_may(request):
            await asyncio.sleep(ASKED_S)
    except StoreUnavailable:
        log.warning("a live view ends: the database cannot be asked who watches")
    listener.end()


def _event(name: str, body: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(body))


def _figures(state: ControlState, listener: Listener, interval_s: float) -> LiveFigures:
    figures = listener.taken_figures()
    return LiveFigures(
        at=time.time(),
        interval_s=round(interval_s, 3),
        in_flight=state.in_flight(),
        requests=figures.requests,
        errors=figures.errors,
        prompt_tokens=figures.prompt,
        completion_tokens=figures.completion,
        cost_nanodollars=figures.cost,
        cache_hits=figures.cache_hits + figures.similar_hits + figures.shared,
        duration_us=figures.duration.spread(),
        ttft_us=None if figures.ttft is None else figures.ttft.spread(),
        overhead_us=figures.overhead.spread(),
    )


LIVE_HANDLERS = (live,)
