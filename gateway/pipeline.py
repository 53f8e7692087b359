"""The phases of a request, in order.

A phase is a function of the exchange. It returns None (go on), a ``Response`` (the end) or an awaitable (awaited, then
its result counts); only what really waits costs a task. Hooks stand between the phases; unused, they cost one test.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from _speedups._bytes import monotonic_ns
from gateway import own
from gateway.errors import UNDER_WAY, GatewayError, Response, refuse, speak
from gateway.exchange import Exchange
from gateway.overload import slots
from gateway.phases.admit import admit
from gateway.phases.authenticate import authenticate
from gateway.phases.cost import reckon
from gateway.phases.forward import forward
from gateway.phases.lookup import lookup
from gateway.phases.parse import parse
from gateway.phases.route import route
from gateway.phases.settle import settle
from gateway.records import Outcome
from gateway.relay import CACHE_FIELDS
from gateway.routing import trail
from gateway.routing.deadline import refused_late
from gateway.routing.options import take_options
from gateway.server import routes
from gateway.server.routes import find
from providers.operations import Dialect

log = logging.getLogger("microgate")

PARSED = 1
ROUTED = 2
ADMITTED = 3
LOOKED_UP = 4
HELD = slots.HELD
OK = int(Outcome.OK)
REFUSED = int(Outcome.REFUSED)
UNREACHABLE = int(Outcome.UNREACHABLE)
INTERNAL = int(Outcome.INTERNAL)
PUBLIC = routes.PUBLIC
DATA = routes.DATA
LAST_OF_OPENAI = int(Dialect.OPENAI_COMPLETIONS)

Hook = Callable[[Exchange], Any]
HOOKS: dict[str, list[Any]] = {"head": [], "parsed": [], "routed": [], "settled": [], "refused": []}
"""Where others step in: at a whole head, before anything is made of it (``compat``); after parsing; before the first
attempt; after the record; and where a refusal or failure of the gateway's own is told, with answer and error."""
HEAD_HOOKS = HOOKS["head"]
PARSED_HOOKS = HOOKS["parsed"]
ROUTED_HOOKS = HOOKS["routed"]
REFUSED_HOOKS = HOOKS["refused"]


def admit_head(x: Exchange) -> Response | None:
    """At a whole head, before the body: the route, and who asks. A ``Response`` turns the request away."""
    if HEAD_HOOKS:
        turned = at_head(x)
        if turned is not None:
            return turned
    entry = find(x.path)
    x.route = entry
    if entry is None:
        if authenticate(x) is None:
            error = GatewayError("not_found", "No such path here. Paths are listed under /docs.")
            return refuse(error, x.request_id.decode())
        return own.unauthorized(x)
    x.operation = entry.operation
    x.dialect = entry.dialect
    scan = x.core.request_head
    unclear = take_options(x, scan) if scan.has_options else None
    x.relayed = entry.relayed
    refusal = None
    if entry.audience != PUBLIC:
        refusal = authenticate(x) if entry.audience == DATA else own.authenticate_operator(x)
        if refusal is not None:
            return refusal
    if x.method not in entry.methods:
        allowed = b", ".join(sorted(entry.methods))
        error = GatewayError("method_not_allowed", "This path does not take this method.")
        response = refuse(error, x.request_id.decode())
        response.headers += b"allow: " + allowed + b"\r\n"
        return response
    if unclear is not None:
        return unclear
    admission = x.core.admission
    if admission.under_way >= admission.easy and entry.audience == DATA and (not entry.own or entry.websocket):
        return admission.at_head(x)
    return None


def at_head(x: Exchange) -> Response | None:
    """What hooks say of a head before its path and its credential are looked at; the first answer counts."""
    for hook in HEAD_HOOKS:
        found: Response | None = hook(x)
        if found is not None:
            return found
    return None


def run(x: Exchange) -> None:
    """A whole request (or the held part of a large one): every phase until it is answered or under way."""
    x.complete_ns = monotonic_ns()
    x.core.in_flight += 1
    x.running = True
    try:
        entry = x.route
        if entry is not None and not entry.own:
            admission = x.core.admission
            if admission.under_way < admission.easy:
                admission.take(x.principal)
                x.slot = HELD
            elif not admission.enter(x):
                return
        proceed(x, 0)
    except Exception as error:
        fault(x, error)


def go_on(x: Exchange) -> None:
    """The phases of a request that has waited for a slot."""
    try:
        proceed(x, 0)
    except Exception as error:
        fault(x, error)


def proceed(x: Exchange, done: int) -> None:
    """The phases after the ``done`` first."""
    result: Any = None
    if done == 0:
        entry = x.route
        if entry is None or entry.own:
            result = own.serve(x)
            if result is not None:
                end_locally(x, result)
            return
        if x.deadline_ns and monotonic_ns() >= x.deadline_ns:
            end_locally(x, refused_late(x))
            return
        result = parse(x)
        if result is not None:
            finish(x, result, PARSED)
            return
        if PARSED_HOOKS:
            run_hooks("parsed", x)
    if done < ROUTED:
        result = route(x)
        if result is not None:
            finish(x, result, ROUTED)
            return
        if ROUTED_HOOKS:
            run_hooks("routed", x)
    if done < ADMITTED:
        result = admit(x)
        if result is not None:
            finish(x, result, ADMITTED)
            return
    if done < LOOKED_UP:
        result = lookup(x)
        if result is not None:
            finish(x, result, LOOKED_UP)
            return
    forward(x)
    resolution = x.resolution
    if resolution is not None and resolution.shadows is not None:
        resolution.shadows.cast(x)


def finish(x: Exchange, result: Response | Awaitable[Response | None], phase: int) -> None:
    if result is UNDER_WAY:
        return
    if isinstance(result, Response):
        end_locally(x, result)
    else:
        x.core.loop.create_task(resume(x, result, phase))


async def resume(x: Exchange, result: Awaitable[Response | None], phase: int) -> None:
    """The rest of a request whose phase had to wait."""
    try:
        response = await result
        if x.ended or response is UNDER_WAY:
            return
        if response is not None:
            end_locally(x, response)
        else:
            proceed(x, phase)
    except Exception as error:
        fault(x, error)


def run_hooks(point: str, x: Exchange) -> None:
    for hook in HOOKS[point]:
        hook(x)


def end_locally(x: Exchange, response: Response) -> None:
    """Answer with ``response`` and close the books."""
    if x.ended:
        return
    error = response.error
    if error is not None:
        if x.dialect > LAST_OF_OPENAI and not response.spoken:
            speak(response, error, x.dialect, x.request_id.decode())
        elif REFUSED_HOOKS:
            for hook in REFUSED_HOOKS:
                hook(x, response, error)
        x.error_kind = int(error.record)
        outcome = Outcome.INTERNAL if error.kind == "internal" else Outcome.REFUSED
        if error.source == "provider":
            outcome = Outcome.UNREACHABLE
    else:
        outcome = Outcome.OK
    x.sent_status = response.status
    # What the provider has said, before the size of something else stands in its place.
    reckon(x, True)
    x.response_bytes = len(response.body)
    settle(x, int(outcome))
    if x.trail is not None:
        response.headers += trail.field(x)
    if x.cache_verdict:
        response.headers += CACHE_FIELDS[x.cache_verdict]
    caller = x.caller
    if caller is not None:
        caller.respond(x, response)


def fault(x: Exchange, error: BaseException) -> None:
    """A bug of ours: logged with the id that the caller is shown, answered once, never half-way."""
    request_id = x.request_id.decode()
    log.error("request %s failed inside the gateway", request_id, exc_info=error)
    if x.link is not None:
        x.link.cancel()
    if x.head_sent or x.ended:
        # Settled already or not, its caller is waiting for the rest.
        settle(x, int(Outcome.INTERNAL))
        if x.caller is not None:
            x.caller.answered(x, False)
        return
    end_locally(
        x, refuse(GatewayError("internal", "The gateway failed on this request.", source="gateway"), request_id)
    )
