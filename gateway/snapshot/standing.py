"""How a limit stands: its figures and what they mean, as refusals, ``/v1/usage`` and the admin API show them."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from _speedups._bucket import GAUGE, GCRA, INPUT_TOKENS, MONEY, OUTPUT_TOKENS, REQUESTS, ROLLING, TOKENS, USD
from gateway.snapshot.limits import LEVELS, PERIODS, label_of

COUNTS = {
    REQUESTS: "requests",
    TOKENS: "tokens",
    INPUT_TOKENS: "input_tokens",
    OUTPUT_TOKENS: "output_tokens",
    USD: "usd",
}
_UNITS = ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)


class Limits(Protocol):
    """What is asked of the arena: by a worker of its own view, by control of the whole."""

    def about(self, slot: int) -> tuple[int, int, int, int]: ...
    def standing(self, slot: int, now_ns: int) -> tuple[int, int, int, int]: ...


class Standing(NamedTuple):
    """Amounts in what the limit counts; money in nano-dollars."""

    level: str
    counts: str
    kind: str
    """``fixed``, ``rolling``, ``smooth``; empty for what is under way."""
    window: str
    """``1m``, ``month``; empty: none."""
    limit: int
    spent: int
    reserved: int
    reset_ns: int
    """From now on; 0: it does not reset."""

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.spent - self.reserved)

    @property
    def reset_s(self) -> int:
        return max(1, -(-self.reset_ns // 1_000_000_000)) if self.reset_ns else 0

    def shown(self, name: str) -> dict[str, Any]:
        """As JSON has it. ``name``: of the team, the customer or the provider; the key's own is not known here."""
        figures = {name: getattr(self, name) for name in ("limit", "spent", "reserved", "remaining")}
        if self.counts == "usd":
            figures = {name: usd(value) for name, value in figures.items()}
        return {
            "level": self.level,
            "name": name or None,
            "counts": self.counts,
            "window": self.window or None,
            "kind": self.kind or None,
            **figures,
            "reset_seconds": self.reset_s or None,
        }


def standing_of(arena: Limits, slot: int, now_ns: int) -> Standing:
    """How the limit in this slot stands. Raises IndexError for a slot outside the arena."""
    kind, unit, label, period_ns = arena.about(slot)
    limit, used, reserved, reset_ns = arena.standing(slot, now_ns)
    level, period, _ = label_of(label)
    counts = "concurrency" if kind == GAUGE else "usd" if kind == MONEY else COUNTS[unit]
    spent = max(0, used - reserved)
    if kind == GAUGE:
        spent, reserved = 0, used
    return Standing(
        LEVELS[level],
        counts,
        "" if kind == GAUGE else "rolling" if kind == ROLLING else "smooth" if kind == GCRA else "fixed",
        PERIODS[period] or span(period_ns),
        limit,
        spent,
        reserved,
        reset_ns,
    )


def span(period_ns: int) -> str:
    """``90s`` of nanoseconds, in the largest unit in which it is a whole number; a sub-window's rest is not shown."""
    milliseconds = period_ns // 1_000_000
    for unit, size in _UNITS:
        if milliseconds >= size and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return ""


def amount(found: Standing, value: int) -> str:
    """A figure of the limit in a sentence."""
    return f"${usd(value)}" if found.counts == "usd" else str(value)


def usd(nanodollars: int) -> str:
    """With as many digits behind the point as it needs, two at least."""
    whole, part = divmod(nanodollars, 1_000_000_000)
    digits = f"{part:09d}".rstrip("0").ljust(2, "0")
    return f"{whole}.{digits}"
