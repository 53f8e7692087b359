"""Expressions of conditions, compiled: what each form takes, and the closure that computes it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Any

from gateway.routing.cel_functions import CALENDAR, COMPARISONS, METHODS, NUMBERS, OPERATORS, ORDERED, Fault
from gateway.routing.cel_tokens import ConditionError, Token
from gateway.routing.facts import Facts
from gateway.routing.patterns import pattern_of

Evaluate = Callable[[Facts], Any]

MOST_LISTED = 256
_AWAY = re.compile(r"([+-]?)([0-9]{2}):([0-5][0-9])")


class Compiled:
    """An expression: its type, and what computes it. A list's type is ``list(TYPE)``."""

    __slots__ = ("at", "constant", "deep", "evaluate", "kind", "size", "steps")

    def __init__(self, kind: str, evaluate: Evaluate, at: int, constant: Any = None) -> None:
        self.kind = kind
        self.evaluate = evaluate
        self.at = at
        self.constant = constant
        """The value of a literal."""
        self.deep = 1
        """How many calls within each other it takes to compute."""
        self.steps = 1
        """How many calls in all, at most."""
        self.size = MOST_LISTED
        """Of a list: how many values it can have."""

    def __iter__(self) -> Any:
        return iter((self.kind, self.evaluate))


def literal(kind: str, value: Any, at: int) -> Compiled:
    return Compiled(kind, lambda facts: value, at, value)


def negated(inner: Compiled, at: int) -> Compiled:
    evaluate = inner.evaluate
    if inner.kind == "double":
        return Compiled("double", lambda facts: -evaluate(facts), at)
    if inner.kind == "int":
        _, minus = OPERATORS["-", "int", "int"]
        return Compiled("int", lambda facts: minus(0, evaluate(facts)), at)
    raise ConditionError(f"- takes an int or a double, not {inner.kind}", inner.at)


def operated(token: Token, left: Compiled, right: Compiled) -> Compiled:
    found = OPERATORS.get((token.value, left.kind, right.kind))
    if found is None:
        raise ConditionError(f"{token.value} does not take {left.kind} and {right.kind}", token.at)
    kind, work = found
    one, other = left.evaluate, right.evaluate
    return Compiled(kind, lambda facts: work(one(facts), other(facts)), left.at)


def compared(token: Token, left: Compiled, right: Compiled) -> Compiled:
    sign, one, other = token.value, left.evaluate, right.evaluate
    if sign == "in":
        return contained(token, left, right)
    equality = sign in ("==", "!=")
    numbers = left.kind in NUMBERS and right.kind in NUMBERS
    alike = left.kind == right.kind and (left.kind in ORDERED or (equality and left.kind.startswith("list(")))
    if not (numbers or alike):
        raise ConditionError(f"{sign} does not compare {left.kind} with {right.kind}", token.at)
    if right.constant is not None and sign == "==":
        value = right.constant
        return Compiled("bool", lambda facts: one(facts) == value, left.at)
    work = COMPARISONS[sign]
    return Compiled("bool", lambda facts: work(one(facts), other(facts)), left.at)


def contained(token: Token, left: Compiled, right: Compiled) -> Compiled:
    one, other = left.evaluate, right.evaluate
    if right.kind == "headers" and left.kind == "string":
        if left.constant is not None:
            wanted = left.constant.lower()
            return Compiled("bool", lambda facts: facts.header(wanted) is not None, left.at)
        return Compiled("bool", lambda facts: facts.header(one(facts).lower()) is not None, left.at)
    inner = right.kind[5:-1] if right.kind.startswith("list(") else ""
    if not inner or (inner not in (left.kind, "none") and not (inner in NUMBERS and left.kind in NUMBERS)):
        raise ConditionError(f"in does not look for {left.kind} in {right.kind}", token.at)
    if inner == "double":
        # Python takes an object for equal to itself, which NaN is not.
        return Compiled("bool", lambda facts: found_in(one(facts), other(facts)), left.at)
    return Compiled("bool", lambda facts: one(facts) in other(facts), left.at)


def found_in(value: float, values: list[float]) -> bool:
    return any(value == other for other in values)


def indexed(value: Compiled, index: Compiled) -> Compiled:
    if value.kind == "headers" and index.kind == "string":
        name, look = index.constant, index.evaluate

        def of_header(facts: Facts) -> str:
            wanted = name if name is not None else look(facts)
            found = facts.header(wanted.lower())
            if found is None:
                raise Fault(f"there is no header field {wanted}")
            return found

        return Compiled("string", of_header, value.at)
    if not value.kind.startswith("list(") or index.kind != "int":
        raise ConditionError(f"{value.kind} has no [{index.kind}]", index.at)
    listed, number = value.evaluate, index.evaluate

    def of_list(facts: Facts) -> Any:
        values, at = listed(facts), number(facts)
        if not 0 <= at < len(values):
            raise Fault("a list has no such index")
        return values[at]

    return Compiled(value.kind[5:-1], of_list, value.at)


def method(name: str, given: list[Compiled], at: int) -> Compiled:
    if name == "size" and len(given) == 1 and given[0].kind.startswith("list("):
        listed = given[0].evaluate
        return Compiled("int", lambda facts: len(listed(facts)), at)
    found = METHODS.get((name, *(value.kind for value in given)))
    if found is None:
        kinds = ", ".join(value.kind for value in given[1:])
        raise ConditionError(f"{given[0].kind} has no function {name}({kinds})", at)
    kind, work = found
    if len(given) == 1:
        only = given[0].evaluate
        return Compiled(kind, lambda facts: work(only(facts)), at)
    one, other = given[0].evaluate, given[1].evaluate
    return Compiled(kind, lambda facts: work(one(facts), other(facts)), at)


def calendar(name: str, given: list[Compiled], at: int) -> Compiled:
    work, moment = CALENDAR[name], given[0].evaluate
    if len(given) == 1:
        return Compiled("int", lambda facts: work(moment(facts)), at)
    if len(given) != 2 or not isinstance(given[1].constant, str):
        raise ConditionError(f"{name} takes the name of a time zone, in quotes", at)
    zone = zone_of(given[1].constant)
    if zone is None:
        raise ConditionError(f"no time zone is called {given[1].constant}", given[1].at)

    def evaluate(facts: Facts) -> int:
        try:
            part: int = work(moment(facts).astimezone(zone))
        except OverflowError:
            raise Fault("time out of range") from None
        return part

    return Compiled("int", evaluate, at)


def zone_of(name: str) -> tzinfo | None:
    """A time zone by its name, or by how far it is from UTC (``-08:00``); None when none is called so here."""
    if name == "UTC":
        return UTC
    if away := _AWAY.fullmatch(name):
        distance = timedelta(hours=int(away[2]), minutes=int(away[3]))
        return timezone(-distance if away[1] == "-" else distance) if distance < timedelta(days=1) else None
    # Here and not above: it reads files, and few conditions ask for a time of day.
    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None


def matching(given: list[Compiled], at: int) -> Compiled:
    """``text.matches("pattern")``; the pattern is compiled here and now."""
    if len(given) != 2 or given[0].kind != "string" or not isinstance(given[1].constant, str):
        raise ConditionError("matches takes a string and a pattern, in quotes", at)
    try:
        found = pattern_of(given[1].constant).found
    except ValueError as error:
        raise ConditionError(str(error), given[1].at) from None
    text = given[0].evaluate
    return Compiled("bool", lambda facts: found(text(facts)), given[0].at)
