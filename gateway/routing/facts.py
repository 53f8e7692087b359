"""What is known of a request when its way is chosen: the names that conditions may use."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from gateway.exchange import Exchange
from providers.operations import Dialect, Operation

BYTES_PER_TOKEN_BITS = 2
"""As in the estimate that limits use."""


class Facts:
    """Of one exchange; computed when asked for."""

    __slots__ = ("_lowered", "x")

    def __init__(self, x: Exchange) -> None:
        self.x = x
        self._lowered = b""

    def header(self, name: bytes) -> str | None:
        """Value of the first header field called ``name`` (small letters); None when there is none."""
        if name in HIDDEN:
            return None
        if not self._lowered:
            self._lowered = self.x.head.lower()
        at = self._lowered.find(b"\r\n" + name + b":")
        if at < 0 or not name:
            return None
        start = at + len(name) + 3
        return self.x.head[start : self.x.head.index(b"\r\n", start)].strip(b" \t").decode("utf-8", "replace")

    def principal_name(self) -> str:
        """Of the virtual key; empty where the snapshot does not tell."""
        principal = self.x.principal
        return "" if principal is None else self.x.view.snapshot.principals.get(principal.id_hash, "")


HIDDEN = frozenset(
    (
        b"authorization",
        b"x-api-key",
        b"api-key",
        b"x-goog-api-key",
        b"x-microgate-key",
        b"cookie",
        b"proxy-authorization",
    )
)


def header_of(x: Exchange, name: bytes) -> bytes:
    """Value of the request's first header field called ``name`` (small letters); empty when there is none."""
    value = Facts(x).header(name)
    return b"" if value is None else value.encode()


FACTS: dict[str, tuple[str, Callable[[Facts], Any]]] = {
    "principal.name": ("string", Facts.principal_name),
    "model": ("string", lambda facts: facts.x.model),
    "operation": ("string", lambda facts: Operation(facts.x.operation).name.lower()),
    "dialect": ("string", lambda facts: Dialect(facts.x.dialect).name.lower()),
    "stream": ("bool", lambda facts: bool(facts.x.stream)),
    "body_bytes": ("int", lambda facts: len(facts.x.body)),
    "prompt_tokens": ("int", lambda facts: len(facts.x.body) >> BYTES_PER_TOKEN_BITS),
    "max_tokens": ("int", lambda facts: facts.x.max_tokens),
    "budget_left": ("double", lambda facts: float("inf")),
    "now": ("timestamp", lambda facts: datetime.now(UTC)),
}
"""Name -> type, and what computes it. ``budget_left`` is without bound: no virtual key has a budget."""
