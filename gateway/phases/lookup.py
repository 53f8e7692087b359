"""Is the answer known already: exact, in flight, similar."""

from __future__ import annotations

from collections.abc import Awaitable

from gateway.errors import Response
from gateway.exchange import Exchange


def lookup(x: Exchange) -> Response | Awaitable[Response | None] | None:
    """None: ask a provider. Without a cache it always is."""
    cache = x.core.cache
    if cache is None:
        return None
    found: Response | Awaitable[Response | None] | None = cache.look(x)
    return found
