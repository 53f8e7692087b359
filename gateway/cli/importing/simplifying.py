"""An imported configuration as a person would have written it."""

from __future__ import annotations

from typing import Any


def simplify(sections: dict[str, Any]) -> None:
    """Targets that differ in nothing but their names become texts; weights that are all equal go."""
    for route in sections.get("routes", {}).values():
        for field in ("targets", "fallbacks"):
            if field in route:
                route[field] = _short(route[field])
    for provider in sections.get("providers", {}).values():
        keys = provider.get("keys", [])
        even = len({key.get("weight", 1) for key in keys}) < 2
        for key in keys:
            if "weight" in key:
                key["weight"] = _plain(key["weight"])
                if even:
                    del key["weight"]


def _short(targets: list[dict[str, Any]]) -> list[str | dict[str, Any]]:
    even = len({target.get("weight", 1) for target in targets}) < 2
    short: list[str | dict[str, Any]] = []
    for target in targets:
        weight = _plain(target.get("weight", 1))
        if even and "when" not in target:
            short.append(f"{target['provider']}/{target['model']}")
        else:
            rest = {name: value for name, value in target.items() if name != "weight"}
            short.append(rest if even or weight == 1 else {**rest, "weight": weight})
    return short


def _plain(number: float) -> float | int:
    return int(number) if number == int(number) else round(number, 6)
