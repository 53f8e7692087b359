"""What is known of a request when its way is chosen: the names that conditions may use."""

from __future__ import annotations

import re
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

    def header(self, name: str) -> str | None:
        """Value of the first header field called ``name`` (small letters); None when there is none."""
        if name in HIDDEN or not TOKEN.fullmatch(name):
            return None
        if not self._lowered:
            self._lowered = self.x.head.lower()
        line_start = f"\r\n{name}:".encode()
        at = self._lowered.find(line_start)
        if at < 0:
            return None
        start = at + len(line_start)
        return self.x.head[start : self.x.head.index(b"\r\n", start)].strip(b" \t").decode("utf-8", "replace")

    def body_bytes(self) -> int:
        """Of an upload that passes through its declared length; 0 where none is declared."""
        return len(self.x.body) or max(self.x.body_length, 0)

    def principal_name(self) -> str:
        """Of the virtual key; empty where the snapshot does not tell."""
        principal = self.x.principal
        return "" if principal is None else self.x.view.snapshot.principals.get(principal.id_hash, "")

    def principal_id(self) -> str:
        """Its stable id, which a new name leaves as it is."""
        principal = self.x.principal
        return "" if principal is None else self.x.view.snapshot.principal_ids.get(principal.id_hash, "")


TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
"""What a field may be called (RFC 9110 5.6.2). Anything else could reach beyond a line, to what is hidden."""

HIDDEN = frozenset(
    (
        "api-key",
        "authorization",
        "cookie",
        "proxy-authorization",
        "x-amz-security-token",
        "x-api-key",
        "x-goog-api-key",
        "x-microgate-key",
    )
)
"""Credentials: a dry run tells what was compared."""


def header_of(x: Exchange, name: bytes) -> bytes:
    """Value of the request's first header field called ``name`` (small letters); empty when there is none."""
    value = Facts(x).header(name.decode())
    return b"" if value is None else value.encode()


FACTS: dict[str, tuple[str, Callable[[Facts], Any]]] = {
    "principal.name": ("string", Facts.principal_name),
    "principal.id": ("string", Facts.principal_id),
    "model": ("string", lambda facts: facts.x.model),
    "operation": ("string", lambda facts: Operation(facts.x.operation).name.lower()),
    "dialect": ("string", lambda facts: Dialect(facts.x.dialect).name.lower()),
    "stream": ("bool", lambda facts: bool(facts.x.stream)),
    "body_bytes": ("int", Facts.body_bytes),
    "prompt_tokens": ("int", lambda facts: facts.body_bytes() >> BYTES_PER_TOKEN_BITS),
    "max_tokens": ("int", lambda facts: facts.x.max_tokens),
    "budget_left": ("double", lambda facts: float("inf")),
    "now": ("timestamp", lambda facts: datetime.now(UTC)),
}
"""Name -> type, and what computes it. ``budget_left`` is without bound: no virtual key has a budget."""
