"""What a caller is told of a limit or a budget that is used up: whose it is, its figures, when it starts anew.

The same figures are in ``GET /v1/usage`` and in the admin's view of a key, since all read them from the arena.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.errors import GatewayError
from gateway.exchange import Exchange
from gateway.records import ErrorKind
from gateway.snapshot.standing import Standing, amount, standing_of

if TYPE_CHECKING:
    from _speedups._bucket import ArenaWorker, LimitSet
    from gateway.serving import Target

NEVER_NS = (1 << 63) - 1


def used_up(
    x: Exchange, arena: ArenaWorker, limits: LimitSet, slots: tuple[int, ...], which: int, now_ns: int, at: str = ""
) -> GatewayError:
    """Limit ``which`` of ``limits`` has no room for the request. ``at``: the provider's name, of a limit there."""
    found = standing_of(arena, slots[which], now_ns)
    wait_ns = arena.retry_after_ns(limits, which, now_ns)
    whose = owner(x, found, at)
    if found.counts == "concurrency":
        message = f"{whose[0].upper()}{whose[1:]} may have {found.limit} requests under way at a time."
        return GatewayError(
            "rate_limited",
            message,
            retry=True,
            retry_after=1.0,
            record=ErrorKind.CONCURRENCY,
            details=details(x, found, at),
            fields=fields(found),
        )
    rest = f"{amount(found, found.spent)} spent, {amount(found, found.reserved)} reserved"
    again = f"it resets in {found.reset_s} s" if found.reset_ns else "it does not reset"
    per = f" per {found.window}" if found.window else ""
    if found.counts == "usd":
        message = f"The budget of {amount(found, found.limit)}{per} of {whose} is used up: {rest}; {again}."
        kind, record, retry = "budget_exceeded", ErrorKind.BUDGET, False
    else:
        counted = found.counts.replace("_", " ")
        message = f"The limit of {found.limit} {counted}{per} of {whose} is used up: {rest}; {again}."
        kind, record, retry = "rate_limited", ErrorKind.RATE_LIMITED, True
    return GatewayError(
        kind,
        message,
        retry=retry,
        retry_after=0.0 if wait_ns >= NEVER_NS else wait_ns / 1e9,
        record=record,
        details=details(x, found, at),
        fields=fields(found),
    )


def used_up_there(x: Exchange, target: Target, which: int, now_ns: int) -> GatewayError:
    """The same of the key's own limits at a provider."""
    principal, arena = x.principal, x.core.arena
    name = target.upstream.name
    if principal is None or arena is None or principal.there is None:
        return GatewayError("rate_limited", "A limit is used up.", retry=True)
    if which >= 999:
        return GatewayError("overloaded", "Too many requests are under way.", source="gateway", retry=True)
    if target.price.of_key(principal.id_hash).refused and principal.budgeted:
        return unknown_price(x)
    limits = principal.there[name]
    slots = next(slots for provider, slots in principal.places if provider == name)
    return used_up(x, arena, limits, slots, which, now_ns, name)


def owner(x: Exchange, found: Standing, at: str) -> str:
    """In a sentence."""
    if found.level == "virtual_key":
        return "this key"
    if found.level == "provider":
        return f"this key at the provider '{at}'"
    return f"the {found.level} '{name_of(x, found.level)}'"


def name_of(x: Exchange, level: str) -> str:
    """Name of the key's team or customer."""
    principal = x.principal
    if principal is None:
        return ""
    identity = principal.team if level == "team" else principal.customer if level == "customer" else 0
    return x.view.snapshot.names.get(identity, "").partition("/")[2]


def details(x: Exchange, found: Standing, at: str) -> dict[str, Any]:
    """The member ``limit`` of the error."""
    return found.shown(at if found.level == "provider" else name_of(x, found.level))


def fields(found: Standing) -> bytes:
    """``x-ratelimit-*`` as OpenAI has them, of requests or of tokens."""
    if found.counts == "usd":
        return b""
    family = b"requests" if found.counts in ("requests", "concurrency") else b"tokens"
    out = b"x-ratelimit-limit-%b: %d\r\nx-ratelimit-remaining-%b: %d\r\n" % (
        family, found.limit, family, found.remaining,
    )  # fmt: skip
    if found.reset_ns:
        out += b"x-ratelimit-reset-%b: %.3fs\r\n" % (family, found.reset_ns / 1e9)
    return out


def unknown_price(x: Exchange) -> GatewayError:
    """Of a key with a budget, for a model whose price nobody knows."""
    message = f"The price of '{x.model[:128]}' is not known here, so a key with a budget may not use it."
    return GatewayError("price_unknown", message, param="model")
