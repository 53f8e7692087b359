"""What a caller asks the demo upstream to do besides answering: delays, pace and faults, chosen by the model's name.

A name is a list of words joined by ``+``: ``echo``, ``slow-2s``, ``echo+ttft-300ms+pace-20ms``, ``error-429``. Words
that mean nothing here are part of an ordinary name, so ``gpt-4o-mini`` answers as well. A ``demo`` object in a JSON
body says the same with numbers and wins over the name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

MAX_DELAY = 3600.0
"""Seconds. An hour outlasts every deadline worth testing and still frees the connection in the end."""

MAX_WORDS = 100_000
"""About 600 KB of text: enough to test back-pressure without letting one request fill the memory."""


MAX_CHOICES = 16
"""As many as anybody asks for; keeps one request from costing much."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One request's behaviour; the default is an immediate, correct answer. Times in seconds."""

    echo: bool = False
    """Answer with the caller's last message."""
    delay: float = 0.0
    """Before the head of the answer."""
    ttft: float = 0.0
    """Between the head of a stream and its first event."""
    pace: float = 0.0
    """Between two events of a stream."""
    words: int = 0
    """Length of the answer; 0: as it comes."""
    status: int = 0
    """Answer with this error status; 0: none."""
    flaky: int = 0
    """n: all but every n-th request are answered with 503."""
    fault: str = ""
    """``cut``, ``stall``, ``html``, ``reset``, ``garbage``, ``bad-json``, ``error-event`` or nothing."""
    after: int = 2
    """Events of a stream that are sent before a ``cut``, ``stall`` or ``error-event``."""
    thinking: int = 0
    """Words of ``reasoning_content`` before the answer."""


FAULTS: Mapping[str, str] = {
    "cut-stream": "cut",
    "stall": "stall",
    "html-error": "html",
    "reset": "reset",
    "garbage": "garbage",
    "bad-json": "bad-json",
    "error-event": "error-event",
}
"""Word in a model's name -> ``Scenario.fault``."""

_DURATION = re.compile(r"(slow|ttft|pace)-(\d{1,7}(?:\.\d{1,6})?)(ms|s)")
_COUNT = re.compile(r"(error|flaky|words|after|think)-(\d{1,6})")


def _clamp(seconds: float) -> float:
    return min(max(seconds, 0.0), MAX_DELAY)


def _with_time(scenario: Scenario, word: str, seconds: float) -> Scenario:
    if word == "slow":
        return replace(scenario, delay=seconds)
    return replace(scenario, ttft=seconds) if word == "ttft" else replace(scenario, pace=seconds)


def _with_count(scenario: Scenario, word: str, count: int) -> Scenario:
    if word == "error":
        return replace(scenario, status=count) if 400 <= count <= 599 else scenario
    if word == "flaky":
        return replace(scenario, flaky=count)
    if word == "words":
        return replace(scenario, words=min(count, MAX_WORDS))
    if word == "think":
        return replace(scenario, thinking=min(count, MAX_WORDS))
    return replace(scenario, after=count)


def from_model(model: str) -> Scenario:
    """The scenario a model's name asks for. A leading ``demo/`` is ignored."""
    scenario = Scenario()
    for word in model.removeprefix("demo/").split("+"):
        if word == "echo":
            scenario = replace(scenario, echo=True)
        elif word in FAULTS:
            scenario = replace(scenario, fault=FAULTS[word])
        elif found := _DURATION.fullmatch(word):
            seconds = _clamp(float(found[2]) * (0.001 if found[3] == "ms" else 1.0))
            scenario = _with_time(scenario, found[1], seconds)
        elif found := _COUNT.fullmatch(word):
            scenario = _with_count(scenario, found[1], int(found[2]))
    return scenario


def _milliseconds(value: object) -> float:
    return _clamp(value / 1000) if isinstance(value, int | float) else 0.0


def _count(value: object) -> int:
    return min(max(value, 0), MAX_WORDS) if isinstance(value, int) else 0


_MEMBERS: Mapping[str, tuple[str, Callable[[object], object]]] = {
    "echo": ("echo", bool),
    "delay_ms": ("delay", _milliseconds),
    "ttft_ms": ("ttft", _milliseconds),
    "pace_ms": ("pace", _milliseconds),
    "words": ("words", _count),
    "status": ("status", lambda value: value if isinstance(value, int) and 400 <= value <= 599 else 0),
    "flaky": ("flaky", _count),
    "after": ("after", _count),
    "thinking": ("thinking", _count),
    "fault": ("fault", lambda value: value if isinstance(value, str) else ""),
}
"""Member of the ``demo`` object -> (field, what its value becomes)."""


def from_request(model: str, body: Mapping[str, object]) -> Scenario:
    """The scenario of a JSON request: its model's name, then its ``demo`` object, unknown members ignored."""
    scenario = from_model(model)
    chosen = body.get("demo")
    if not isinstance(chosen, dict):
        return scenario
    changes = {_MEMBERS[name][0]: _MEMBERS[name][1](value) for name, value in chosen.items() if name in _MEMBERS}
    if isinstance(changes.get("fault"), str):
        changes["fault"] = FAULTS.get(str(changes["fault"]), str(changes["fault"]))
    return replace(scenario, **changes)  # type: ignore[arg-type]  # names and values come from one table
