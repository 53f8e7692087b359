"""Ids of tool calls, for dialects that want them, of callers whose dialect has none."""

from __future__ import annotations


class CallIds:
    """Made from the calls' places, and found again for their results by name and order."""

    __slots__ = ("_count", "_lost", "_open", "_prefix")

    def __init__(self, prefix: str = "call_", lost: str = "") -> None:
        """``lost``: of a result that no call is left for."""
        self._prefix = prefix
        self._lost = lost
        self._count = 0
        self._open: list[tuple[str, str]] = []

    def made(self, name: str) -> str:
        identity = f"{self._prefix}{self._count}"
        self._count += 1
        self._open.append((name, identity))
        return identity

    def found(self, name: str) -> str:
        for at, (called, identity) in enumerate(self._open):
            if not name or called == name:
                del self._open[at]
                return identity
        return self._open.pop(0)[1] if self._open else self._lost
