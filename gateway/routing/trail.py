"""What is noted of a request's way: whom it was sent to and why, who was passed over, and what came of it.

A ``Trail`` is made where something beyond "the first target answered" happens, or where the caller asks for it with
``x-microgate-explain``; other requests have none. Records hold it as a receipt (``compact``), callers get it in words
(``field``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from _speedups._bytes import monotonic_ns
from gateway.exchange import Exchange
from gateway.model_names import header_safe
from gateway.records import ErrorKind, Outcome
from gateway.routing.receipt import CAUSES, CONDITION, LOST, MOST_MS, PASSED, Step, pack
from gateway.serving import Resolution, Target

FIELD = "x-microgate-explain"
MOST_FIELD_BYTES = 4096
"""Of the header field: half of what common HTTP clients take for a whole head."""
OK = int(Outcome.OK)
UPSTREAM_ERROR = int(Outcome.UPSTREAM_ERROR)
STREAM_ERROR = int(ErrorKind.STREAM_ERROR)


class Told(NamedTuple):
    """A step, and what callers are told beside it."""

    step: Step
    target: Target
    key: int
    warm: bool


class Trail:
    """Of one exchange."""

    __slots__ = ("also", "asked", "closed_ns", "counted", "end", "last", "told", "warm", "why")

    def __init__(self, asked: bool) -> None:
        self.asked = asked
        """The caller wants to be told."""
        self.also: Callable[[Exchange], bytes] | None = None
        """Makes more header lines of the answer (``gateway.compat``)."""
        self.told: list[Told] = []
        self.end = ""
        self.why = ""
        """Of the attempt under way, where it does not follow from those before."""
        self.warm = False
        """Its key was chosen for the prompt that it holds warm."""
        self.last: tuple[Target, int] | None = None
        """Target and key of the last attempt that another one followed."""
        self.counted = 0
        self.closed_ns = 0


def trail_of(x: Exchange) -> Trail:
    trail: Trail | None = x.trail
    if trail is None:
        trail = x.trail = Trail(False)
    return trail


# --- what is noted on the way


def passed(x: Exchange, target: Target, reason: str) -> None:
    """``target`` is not asked."""
    owner: Exchange = x if x.race is None else x.race.x
    trail_of(owner).told.append(Told(Step(PASSED, place_of(owner, target), reason), target, -1, False))


def chosen(x: Exchange, why: str) -> None:
    """The attempt that begins, or that takes the other one's place, is made for this reason."""
    trail_of(x).why = why


def attempted(x: Exchange, outcome: int, error_kind: int) -> None:
    """An attempt is over and another one follows, or stands beside it."""
    owner: Exchange = x if x.race is None else x.race.x
    trail = trail_of(owner)
    if owner is not x:
        trail.told.append(told(owner, x, "hedge", result_of(x, outcome, error_kind), False))
        return
    trail.told.append(told(x, x, why_of(x, trail), result_of(x, outcome, error_kind), trail.warm))
    trail.why, trail.warm = "", False
    if x.target is not None:
        trail.last = x.target, x.key
    trail.counted, trail.closed_ns = x.attempt, x.asked_ns


def stopped(x: Exchange, why: str) -> None:
    """Nothing further is tried; ``why`` is of ``ENDS``. The first reason counts."""
    trail = trail_of(x)
    trail.end = trail.end or why


def told(owner: Exchange, x: Exchange, why: str, result: str, warm: bool) -> Told:
    target = x.target
    assert target is not None
    took_ms = max(0, monotonic_ns() - x.asked_ns) // 1_000_000
    return Told(Step(why, place_of(owner, target), result, took_ms), target, x.key, warm)


def why_of(x: Exchange, trail: Trail) -> str:
    """Why the attempt under way is made there."""
    target, last = x.target, trail.last
    if trail.why:
        return trail.why
    if last is not None and target is not None and same(last[0], target):
        return "again" if last[1] == x.key else "other-key"
    resolution = x.resolution
    if resolution is not None and target is not None and not among(resolution.primary, target):
        return "fallback"
    if last is not None or (x.targets and x.targets[0] is not target):
        return "next"
    if x.pinned:
        return "pinned"
    if resolution is None or resolution.route is None:
        return "only"
    if len(resolution.primary) < 2:
        return "only"
    return "session" if x.session else resolution.route.strategy


def result_of(x: Exchange, outcome: int, error_kind: int) -> str:
    if outcome == Outcome.CANCELLED:
        return LOST
    if outcome in (OK, UPSTREAM_ERROR) and error_kind != STREAM_ERROR and x.status:
        return str(x.status)
    if outcome == Outcome.FAILED_STREAM:
        return CAUSES[ErrorKind.STREAM_ERROR]
    return CAUSES.get(ErrorKind(error_kind), "failed")


def same(one: Target, other: Target) -> bool:
    """A pin makes a target of its own for the deployment that the route names."""
    return one is other or (one.upstream is other.upstream and one.model == other.model)


def among(targets: list[Target], target: Target) -> bool:
    return any(same(each, target) for each in targets)


def place_of(x: Exchange, target: Target) -> int:
    resolution = x.resolution
    if resolution is None:
        return 0
    known = resolution.primary + resolution.fallbacks
    found = [index for index, each in enumerate(known) if each is target]
    found += [index for index, each in enumerate(known) if same(each, target)]
    # Named in the body: those stand behind.
    others = [each for each in x.targets or () if not among(known, each)]
    found += [len(known) + index for index, each in enumerate(others) if each is target]
    return found[0] if found else len(known)


def whole(x: Exchange, trail: Trail) -> list[Told]:
    """All steps, the attempt that is the last one included."""
    if x.target is None or x.attempt <= trail.counted or x.asked_ns == trail.closed_ns:
        return trail.told
    result = result_of(x, x.outcome, x.error_kind) if x.ended else str(x.status)
    return [*trail.told, told(x, x, why_of(x, trail), result, trail.warm)]


# --- in a record


def compact(x: Exchange) -> bytes:
    """The receipt of a request that has ended, as its record holds it. What the caller alone wanted to know, and what
    the configuration says by itself, is left out: a condition that is false, or that the first target answered."""
    trail: Trail = x.trail
    steps = [each.step for each in whole(x, trail) if each.step.result != CONDITION]
    if (trail.asked or trail.also is not None) and len(steps) < 2 and not trail.end and not trail.why:
        return b""
    return pack(steps, trail.end)


# --- for the caller


def field(x: Exchange) -> bytes:
    """The header line, with its CRLF, for a caller who asked; nothing where no way was chosen, or where the operator
    keeps it to himself. A list of RFC 9651 (structured field values)."""
    trail: Trail = x.trail
    return (b"" if trail.also is None else trail.also(x)) + way(x, trail)


def way(x: Exchange, trail: Trail) -> bytes:
    """The line that tells which way the request went."""
    if not trail.asked or x.principal is None or x.targets is None or not x.view.snapshot.settings.explain:
        return b""
    items = [route_item(x.resolution)]
    steps = whole(x, trail)
    size = len(items[0])
    for at, each in enumerate(steps):
        item = step_item(each)
        size += len(item) + 2
        if size > MOST_FIELD_BYTES:
            items.append(f"left-out;steps={len(steps) - at}")
            break
        items.append(item)
    if trail.end:
        items.append(f"end;because={trail.end}")
    return f"{FIELD}: {', '.join(items)}\r\n".encode("ascii")


def route_item(resolution: Resolution | None) -> str:
    if resolution is None or resolution.route is None:
        return "route"
    return f"route;name={quoted(resolution.name)};strategy={resolution.route.strategy}"


def step_item(told: Told) -> str:
    step, target = told.step, told.target
    name = quoted(f"{target.upstream.name}/{target.model}" if target.model else target.upstream.name)
    if step.why == PASSED:
        return f"passed;index={step.place};target={name};because={step.result}"
    warm = ";warm" if told.warm else ""
    return (
        f"asked;index={step.place};target={name};because={step.why};key={told.key}{warm}"
        f";result={step.result};ms={min(step.took_ms, MOST_MS)}"
    )


def quoted(name: str) -> str:
    """``name`` as a string of RFC 9651 3.3.3, which has printable ASCII alone."""
    safe = header_safe(name).decode("ascii")
    return '"' + safe.replace("\\", "\\\\").replace('"', '\\"') + '"'
