"""Which of a model's prices hold: on a day, at an hour, for a way of processing.

An entry of ``providers/models`` has ``prices``, and beside them ``later`` (from a day on), ``hours`` (every day between
two times, UTC) and ``variants`` (for requests of a certain kind, such as a batch). The moment is always the caller's:
nothing here has a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.rfc3339 import seconds

_DAY_S = 86_400


def in_force(entry: Mapping[str, Any], at_s: int, circumstances: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The prices that hold at ``at_s`` (seconds since 1970) for a request of which ``circumstances`` are known
    (``{"service_tier": "priority"}``); empty when there are none. Of variants that fit, the first that names a price
    decides it."""
    prices: Mapping[str, Any] = entry.get("prices", {})
    for row in entry.get("later", ()):
        if at_s >= _day(row["from"]):
            prices = row["prices"]
    for row in entry.get("hours", ()):
        if _between(row["between"], at_s % _DAY_S):
            prices = row["prices"]
    if not circumstances:
        return dict(prices)
    special: dict[str, Any] = {}
    variants = [row for row in entry.get("variants", ()) if "from" not in row or at_s >= _day(row["from"])]
    # From its day on a later one goes before those that it takes over from.
    for row in sorted(variants, key=lambda row: "from" not in row):
        if all(circumstances.get(name) == value for name, value in row["when"].items()):
            special = _over(special, row["prices"])
    return _over(special, prices)


def holds_until(entry: Mapping[str, Any], at_s: int) -> int | None:
    """The next moment (seconds since 1970) at which other prices may hold; None: they stay."""
    days = {_day(row["from"]) for name in ("later", "variants") for row in entry.get(name, ()) if "from" in row}
    moments = {day for day in days if day > at_s}
    midnight = at_s - at_s % _DAY_S
    for row in entry.get("hours", ()):
        for time in row["between"]:
            next_s = midnight + _time(time)
            moments.add(next_s if next_s > at_s else next_s + _DAY_S)
    return min(moments, default=None)


def _over(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Prices of ``first``, and those of ``second`` that it does not name. A price that ``first`` names has its tiers,
    too."""
    merged = {**second, **first}
    tiers: dict[int, dict[str, Any]] = {}
    for row in second.get("above", ()):
        kept = {name: price for name, price in row.items() if name == "tokens" or name not in first}
        if len(kept) > 1:
            tiers[row["tokens"]] = kept
    for row in first.get("above", ()):
        tiers.setdefault(row["tokens"], {}).update(row)
    merged.pop("above", None)
    if tiers:
        merged["above"] = [tiers[start] for start in sorted(tiers)]
    return merged


def _day(text: str) -> int:
    return seconds(f"{text}T00:00:00Z")


def _time(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 3600 + int(minute) * 60


def _between(times: list[str], second: int) -> bool:
    start, end = map(_time, times)
    return start <= second < end if start <= end else second >= start or second < end
