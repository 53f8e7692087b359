"""``GET /v1/route?model=NAME``: which way a request would go, without asking anybody.

The way is chosen by ``route`` itself, for an exchange that is like the one asked about; what stands beside it is read
from health, keys and conditions. Nothing is counted, no probe is taken, no lot is drawn for throttling. The text of a
condition is not told: it may name other virtual keys.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import orjson

from _speedups._bytes import monotonic_ns
from _speedups._health import DUE, OUT
from gateway.errors import GatewayError, Response, refuse
from gateway.exchange import Exchange
from gateway.phases.route import route
from gateway.routing import receipt
from gateway.routing.facts import Facts
from gateway.routing.trail import Trail, among, place_of, same, why_of
from gateway.server.routes import DATA, RouteEntry, find
from gateway.serving import Resolution, Target
from providers.operations import Operation

PARAMETERS = ("model", "path", "stream", "max_tokens", "body_bytes")
SWITCHES = {"true": True, "false": False}
MOST_DIGITS = 12
MODEL_BYTES = 512
STATES = {OUT: "out", DUE: "due"}
"""Else ``well``."""
DRAWN = ("weighted", "least-latency", "least-busy", "least-cost")
"""Strategies that draw lots, if only among equals: another request may go another way."""


def serve(x: Exchange) -> Response:
    """The answer to a caller whose virtual key is known."""
    try:
        if not x.view.snapshot.settings.explain:
            raise GatewayError("forbidden", "The operator does not tell which way requests go.")
        asked = asked_about(x, parameters(x.query))
    except GatewayError as error:
        return refuse(error, x.request_id.decode())
    refusal = route(asked)
    if refusal is not None and (asked.targets is None or asked.targets):
        return refusal
    return Response(200, orjson.dumps(explanation(asked, refusal)))


def parameters(query: bytes) -> dict[str, str]:
    """Raises GatewayError for a parameter that is unknown or repeated, and for a missing model."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(query.decode("ascii", "replace"), keep_blank_values=True):
        if name not in PARAMETERS:
            raise bad(name[:64], f"The parameter '{name[:64]}' is none of {', '.join(PARAMETERS)}.")
        if name in found:
            raise bad(name, f"The parameter '{name}' is there more than once.")
        found[name] = value
    if not found.get("model"):
        raise bad("model", "The parameter 'model' is missing.")
    if len(found["model"].encode()) > MODEL_BYTES:
        raise bad("model", f"The parameter 'model' is longer than {MODEL_BYTES} bytes.")
    return found


def asked_about(x: Exchange, said: dict[str, str]) -> Exchange:
    """The exchange that a request with these parameters and the head of ``x`` would be. Raises GatewayError."""
    own = x.path.decode("ascii")
    path = said.get("path") or own.removesuffix("route") + "chat/completions"
    entry = find(path.encode()) if path.isascii() else None
    if entry is None or not explainable(entry):
        raise bad("path", f"No model is asked for by name in a request to '{path[:128]}'.")
    asked = Exchange(None, x.core, x.started_ns)
    asked.view = x.view
    asked.method = b"POST"
    asked.path = path.encode("ascii")
    asked.head = x.head
    asked.request_id = x.request_id
    asked.principal = x.principal
    asked.session, asked.pinned = x.session, x.pinned
    asked.route = entry
    asked.operation, asked.dialect = entry.operation, entry.dialect
    asked.model = said["model"]
    asked.stream = switch(said, "stream") if entry.streams is None else entry.streams
    asked.max_tokens = number(said, "max_tokens", -1)
    asked.body_length = number(said, "body_bytes", 0)
    asked.trail = Trail(True)
    return asked


def explainable(entry: RouteEntry) -> bool:
    return entry.audience == DATA and not entry.own and not entry.relayed and not entry.stateful


def switch(said: dict[str, str], name: str) -> bool:
    value = said.get(name, "false")
    if value not in SWITCHES:
        raise bad(name, f"The parameter '{name}' is 'true' or 'false'.")
    return SWITCHES[value]


def number(said: dict[str, str], name: str, usual: int) -> int:
    value = said.get(name)
    if value is None:
        return usual
    if not (value.isascii() and value.isdecimal() and len(value) <= MOST_DIGITS):
        raise bad(name, f"The parameter '{name}' is a whole number.")
    return int(value)


def bad(parameter: str, message: str) -> GatewayError:
    return GatewayError("bad_request", message, param=parameter)


def explanation(asked: Exchange, refusal: Response | None) -> dict[str, Any]:
    resolution, trail = asked.resolution, asked.trail
    assert resolution is not None
    now_ns = monotonic_ns()
    order = asked.targets or []
    others = [target for target in offered(asked, resolution) if not among(order, target)]
    reasons = {place_of(asked, told.target): told.step.result for told in trail.told}
    shown = [shape(asked, target, passed_over(asked, target, now_ns), now_ns) for target in order]
    # Of several whose probe is due only the first is tried.
    usual = "pinned" if asked.pinned else receipt.EJECTED
    shown += [shape(asked, target, reasons.get(place_of(asked, target), usual), now_ns) for target in others]
    asked.target = next((target for target, told in zip(order, shown, strict=False) if not told["passed"]), None)
    for place, told in enumerate((told for told in shown[: len(order)] if not told["passed"]), 1):
        told["order"] = place
    named = resolution.route
    return {
        "object": "route.explanation",
        "model": asked.model,
        "operation": Operation(asked.operation).name.lower(),
        "route": None if named is None else resolution.name,
        "strategy": None if named is None else named.strategy,
        "drawn": named is not None and named.strategy in DRAWN and not asked.session and len(resolution.primary) > 1,
        "because": None if asked.target is None else because(asked, now_ns),
        "targets": shown,
        "refusal": None if refusal is None or refusal.error is None else refusal.error.message,
    }


def offered(asked: Exchange, resolution: Resolution) -> list[Target]:
    """The targets that the virtual key may use, as configured."""
    principal = asked.principal
    choice = None if principal is None else asked.view.choice(principal.ruleset, resolution)
    return [] if choice is None else choice.targets


def because(asked: Exchange, now_ns: int) -> str:
    """Why the first one is asked."""
    target = asked.target
    if target is not None and not asked.regardless and target.health.state(now_ns) == DUE:
        return "probe"
    return why_of(asked, asked.trail)


def passed_over(asked: Exchange, target: Target, now_ns: int) -> str | None:
    """Why ``Asking.ask`` would not ask this one of those that are to be tried; None: it would."""
    upstream = target.upstream
    if not asked.regardless and target.health.state(now_ns) == OUT:
        return receipt.EJECTED
    if upstream.in_flight >= upstream.max_concurrency:
        return receipt.FULL
    plan = upstream.plans.get(asked.operation)
    below = asked.route is not None and asked.route.below
    if plan is None or (plan.operation != asked.operation and below):
        return receipt.UNABLE
    if usable(target, now_ns):
        return None
    if upstream.credentials is not None and upstream.credentials.why(target.mask):
        return receipt.NO_TOKEN
    return receipt.RESTING if upstream.keys.next_ready_ns(target.mask, now_ns) >= 0 else receipt.NO_KEY


def usable(target: Target, now_ns: int) -> int:
    """Bit mask of the keys that may serve the target and are well."""
    upstream = target.upstream
    mask = target.mask if upstream.credentials is None else upstream.credentials.hopeful(target.mask)
    well = [index for index in range(upstream.key_count) if mask >> index & 1 and upstream.keys.usable(index, now_ns)]
    return sum(1 << index for index in well)


def shape(asked: Exchange, target: Target, passed: str | None, now_ns: int) -> dict[str, Any]:
    upstream, resolution, health = target.upstream, asked.resolution, target.health
    failures, ejections, left_ns = health.figures(now_ns)
    ready_ns = upstream.keys.next_ready_ns(target.mask, now_ns)
    return {
        "order": None,
        "index": place_of(asked, target),
        "target": f"{upstream.name}/{target.model}",
        "fallback": resolution is not None and not among(resolution.primary, target),
        "weight": target.weight,
        "passed": passed,
        "condition": judged(asked, target),
        "health": {
            "state": STATES.get(health.state(now_ns), "well"),
            "failures": failures,
            "ejections": ejections,
            "out_for_s": round(left_ns / 1e9, 3),
            "left_out_share": round(health.refusing(now_ns), 3) if upstream.throttles else 0.0,
            "under_way": health.busy(),
            "ttft_ms": round(health.latency_ns(now_ns) / 1e6, 3),
        },
        "keys": {
            "allowed": target.mask.bit_count(),
            "usable": usable(target, now_ns).bit_count(),
            "ready_in_s": round(max(0, ready_ns - now_ns) / 1e9, 3) if ready_ns >= 0 else None,
        },
    }


def judged(asked: Exchange, target: Target) -> dict[str, Any] | None:
    """What the target's condition says; a pin has made a target of its own for it."""
    known = [] if asked.resolution is None else [*asked.resolution.primary, *asked.resolution.fallbacks]
    condition = next((each.condition for each in (target, *known) if same(each, target) and each.condition), None)
    if condition is None:
        return None
    holds, why = condition.explain(Facts(asked))
    return {"uses": sorted(condition.uses - {"principal"}), "holds": holds, "why": why}
