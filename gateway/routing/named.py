"""Fallbacks that the caller names: the body's member ``fallbacks``, resolved like the model and kept from providers.

Routers that providers run themselves call such a list ``models``; that member is left to them.
"""

from __future__ import annotations

import orjson

from _speedups._bytes import monotonic_ns
from gateway.errors import GatewayError, Response, refuse
from gateway.exchange import Exchange
from gateway.routing.arrange import fitting, ordered
from gateway.serving import Choice, Resolution, Target

MOST = 8
MODEL_BYTES = 512
SPACE = b" \t\r\n"
NAMES_ONLY = f"The member 'fallbacks' must be a list of at most {MOST} names of models."


def with_named(x: Exchange, choice: Choice) -> Choice | Response:
    """``choice`` with the targets behind it that the body names; the member is then no longer in ``x.body``.

    An answer that refuses when the member is no list of names, or names what is not known or not for this key.
    """
    principal, entry = x.principal, x.route
    if principal is None or entry is None:
        return choice
    named = names_in(x.body[x.fallbacks_start : x.fallbacks_end])
    if named is None:
        return bad(x, NAMES_ONLY)
    fallbacks = list(choice.fallbacks)
    seen = {(target.upstream.name, target.model) for target in choice.targets}
    for name in named:
        resolution = x.view.resolve(name, entry.prefix)
        if resolution is None:
            near = ", ".join(x.view.candidates(name))
            hint = f" Did you mean: {near}?" if near else ""
            return bad(x, f"The model '{name[:128]}' in 'fallbacks' is not known here.{hint}")
        offered = x.view.choice(principal.ruleset, resolution)
        if offered is None:
            message = f"This key may not use the model '{name[:128]}' in 'fallbacks'."
            return refuse(GatewayError("forbidden", message, param="fallbacks"), x.request_id.decode())
        for target in in_order(x, resolution, offered):
            if (target.upstream.name, target.model) not in seen:
                seen.add((target.upstream.name, target.model))
                fallbacks.append(target)
    take_out(x)
    x.named = True
    return Choice(choice.primary, fallbacks)


def names_in(member: bytes) -> list[str] | None:
    """The names in the member's value, in JSON; None when it is something else. ``null`` names none."""
    try:
        value = orjson.loads(member)
    except orjson.JSONDecodeError:
        return None  # half of a surrogate pair
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > MOST:
        return None
    usable = all(isinstance(name, str) and 0 < len(name) <= MODEL_BYTES and name.isprintable() for name in value)
    return value if usable else None


def in_order(x: Exchange, resolution: Resolution, choice: Choice) -> list[Target]:
    """The targets of one name, a route's by its strategy; how they do is looked at with all the others."""
    if choice.conditional:
        choice = fitting(x, choice)
    return ordered(x, resolution, choice.primary, monotonic_ns()) + choice.fallbacks


def span_of(body: bytes, start: int, end: int) -> tuple[int, int]:
    """Where the member lies whose value is ``body[start:end]``, with the comma that goes when it goes.

    The body is a valid document; a member's name holds no quote, whichever way its letters are written.
    """
    name_end = body.rindex(b'"', 0, start)
    first = body.rindex(b'"', 0, name_end)
    before = len(body[:first].rstrip(SPACE)) - 1
    if body[before : before + 1] == b",":
        return before, end
    after = len(body) - len(body[end:].lstrip(SPACE))
    return first, after + 1 if body[after : after + 1] == b"," else end


def take_out(x: Exchange) -> None:
    """The body without the member, every other byte as it was, and the offsets into it moved along."""
    body = x.body
    start, end = span_of(body, x.fallbacks_start, x.fallbacks_end)
    size = end - start
    x.body = body[:start] + body[end:]
    x.fallbacks_start = x.fallbacks_end = -1
    if x.model_start >= end:
        x.model_start -= size
        x.model_end -= size
    if x.options_start >= end:
        x.options_start -= size
        x.options_end -= size
    x.close -= size
    x.empty = x.body[: x.close].rstrip(SPACE).endswith(b"{")


def bad(x: Exchange, message: str) -> Response:
    return refuse(GatewayError("bad_request", message, param="fallbacks"), x.request_id.decode())
