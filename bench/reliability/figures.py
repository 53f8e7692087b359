"""Figures by id: each a function that measures one promise."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.reliability.promises import PROMISES


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was measured: values by a name that a reader understands without the code, and whether the promise holds."""

    values: Mapping[str, Any]
    kept: bool
    note: str = ""
    """What a reader has to know about the circumstances."""


Measure = Callable[[bool], Outcome]
"""Called with whether a short run is enough."""


@dataclass(frozen=True, slots=True)
class Figure:
    measure: Measure
    guard: str
    """The test file that keeps the promise from being broken unnoticed."""


FIGURES: dict[str, Figure] = {}


def figure(name: str, *, guard: str) -> Callable[[Measure], Measure]:
    """Register the function as the one that measures ``name``. Raises ValueError for an id that is not promised, or
    that another function has."""
    if name not in PROMISES or name in FIGURES:
        raise ValueError(f"{name} is not promised, or measured twice")

    def register(measure: Measure) -> Measure:
        FIGURES[name] = Figure(measure, guard)
        return measure

    return register


def load() -> Mapping[str, Figure]:
    """All figures: those of every module here called group_..."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name.startswith("group_"):
            import_module(f"{__package__}.{module.name}")
    return FIGURES
