"""``GET /v1/usage``: how the limits and budgets of the caller's own key stand, from the arena alone."""

from __future__ import annotations

from typing import Any

import orjson

from _speedups._bytes import monotonic_ns
from gateway.errors import GatewayError, Response, refuse
from gateway.exchange import Exchange
from gateway.phases.admit import unknown
from gateway.phases.refusing import name_of
from gateway.snapshot.standing import standing_of


def serve(x: Exchange) -> Response:
    """Every limit that a request of this key is held to, in the order in which they are looked at."""
    principal, arena = x.principal, x.core.arena
    if principal is None or arena is None:
        error = GatewayError("overloaded", "Limits are not known here.", source="gateway")
        return refuse(error, x.request_id.decode())
    if x.view.snapshot.unknown_before_us:
        return unknown(x)
    now_ns = monotonic_ns()
    limits: list[dict[str, Any]] = []
    for slot in principal.general:
        found = standing_of(arena, slot, now_ns)
        limits.append(found.shown(name_of(x, found.level)))
    for provider, slots in reversed(principal.places):
        limits += [standing_of(arena, slot, now_ns).shown(provider) for slot in slots]
    names = x.view.snapshot.names
    body = {
        "object": "usage",
        "team": names.get(principal.team, "").partition("/")[2] or None,
        "customer": names.get(principal.customer, "").partition("/")[2] or None,
        "limits": [limit for limit in limits if limit["counts"] != "usd"],
        "budgets": [limit for limit in limits if limit["counts"] == "usd"],
    }
    return Response(200, orjson.dumps(body))
