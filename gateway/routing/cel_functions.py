"""Operators and functions of conditions, by the types of what they are given.

Every expression's type is known when it is compiled, so a function is found once and called without looking. Functions
raise ``Fault`` for what CEL calls an error: overflow, a division by zero, a text that is no number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

Function = Callable[..., Any]


class Fault(Exception):
    """An error of evaluation: the condition does not hold, unless ``&&`` or ``||`` make it irrelevant."""


INT_MIN, INT_MAX, UINT_MAX = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1
MOST_DIGITS = 400
LONGEST_TEXT = 65_536
"""Characters of a string that is put together: a condition could double a caller's many times over."""
_DURATION = re.compile(r"([+-]?)((?:[0-9]+(?:\.[0-9]+)?(?:h|ms|m|us|ns|s))+)")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(h|ms|m|us|ns|s)")
_UNIT_US = {"h": 3.6e9, "m": 6e7, "s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
_NUMBER = re.compile(
    r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:inf|infinity)|nan", re.IGNORECASE
)


def bounded(low: int, high: int, work: Function) -> Function:
    def checked(*values: int) -> int:
        result: int = work(*values)
        if not low <= result <= high:
            raise Fault("integer overflow")
        return result

    return checked


def quotient(a: int, b: int) -> int:
    if b == 0:
        raise Fault("division by zero")
    # Towards zero, as CEL and C have it.
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def remainder(a: int, b: int) -> int:
    if b == 0:
        raise Fault("modulus by zero")
    return a - b * quotient(a, b)


def signed_remainder(a: int, b: int) -> int:
    if a == INT_MIN and b == -1:
        raise Fault("integer overflow")  # as the division of the two is
    return remainder(a, b)


def joined(a: str, b: str) -> str:
    if len(a) + len(b) > LONGEST_TEXT:
        raise Fault("a text that is too long")
    return a + b


def float_quotient(a: float, b: float) -> float:
    if b == 0.0:
        if a == 0.0 or math.isnan(a):
            return math.nan
        return math.copysign(math.inf, a) * math.copysign(1.0, b)
    return a / b


def times(work: Function) -> Function:
    def checked(*values: Any) -> Any:
        try:
            return work(*values)
        except OverflowError:
            raise Fault("time out of range") from None

    return checked


def int_of_text(text: str) -> int:
    if len(text) > MOST_DIGITS or not re.fullmatch(r"[+-]?[0-9]+", text):
        raise Fault("no integer")
    value = int(text)
    if not INT_MIN <= value <= INT_MAX:
        raise Fault("integer overflow")
    return value


def int_of_double(value: float) -> int:
    if not math.isfinite(value) or not INT_MIN < value < INT_MAX:
        raise Fault("integer overflow")
    return int(value)


def double_of_text(text: str) -> float:
    if len(text) > MOST_DIGITS or not _NUMBER.fullmatch(text):
        raise Fault("no number")
    value = float(text)
    if math.isinf(value) and "i" not in text.lower():
        raise Fault("no number")
    return value


def text_of_double(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def timestamp_of(text: str) -> datetime:
    """RFC 3339. Raises Fault."""
    if not re.fullmatch(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})", text
    ):
        raise Fault("no time of RFC 3339")
    try:
        return datetime.fromisoformat(re.sub(r"(\.[0-9]{6})[0-9]+", r"\1", text)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Fault("no time of RFC 3339") from None


def duration_of(text: str) -> timedelta:
    """``1h30m``, ``-1.5s``. Raises Fault."""
    match = _DURATION.fullmatch(text) if len(text) <= MOST_DIGITS else None
    if match is None:
        raise Fault("no duration")
    try:
        total = timedelta(microseconds=sum(float(n) * _UNIT_US[unit] for n, unit in _PART.findall(match[2])))
    except OverflowError:
        raise Fault("no duration") from None
    return -total if match[1] == "-" else total


def signed(work: Function) -> Function:
    return bounded(INT_MIN, INT_MAX, work)


def unsigned(work: Function) -> Function:
    return bounded(0, UINT_MAX, work)


T, D = "timestamp", "duration"
NUMBERS = ("int", "uint", "double")
ORDERED = ("string", "bool", T, D)

LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
UPPER = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}

OPERATORS: dict[tuple[str, str, str], tuple[str, Function]] = {
    ("+", "int", "int"): ("int", signed(lambda a, b: a + b)),
    ("-", "int", "int"): ("int", signed(lambda a, b: a - b)),
    ("*", "int", "int"): ("int", signed(lambda a, b: a * b)),
    ("/", "int", "int"): ("int", signed(quotient)),
    ("%", "int", "int"): ("int", signed_remainder),
    ("+", "uint", "uint"): ("uint", unsigned(lambda a, b: a + b)),
    ("-", "uint", "uint"): ("uint", unsigned(lambda a, b: a - b)),
    ("*", "uint", "uint"): ("uint", unsigned(lambda a, b: a * b)),
    ("/", "uint", "uint"): ("uint", quotient),
    ("%", "uint", "uint"): ("uint", remainder),
    ("+", "double", "double"): ("double", lambda a, b: a + b),
    ("-", "double", "double"): ("double", lambda a, b: a - b),
    ("*", "double", "double"): ("double", lambda a, b: a * b),
    ("/", "double", "double"): ("double", float_quotient),
    ("+", "string", "string"): ("string", joined),
    ("+", T, D): (T, times(lambda a, b: a + b)),
    ("+", D, T): (T, times(lambda a, b: b + a)),
    ("+", D, D): (D, times(lambda a, b: a + b)),
    ("-", T, T): (D, times(lambda a, b: a - b)),
    ("-", T, D): (T, times(lambda a, b: a - b)),
    ("-", D, D): (D, times(lambda a, b: a - b)),
}
"""Sign and types -> type of the result and what makes it."""

COMPARISONS: dict[str, Function] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}
"""Numbers of any two types are compared as numbers, everything else with its own type."""

METHODS: dict[tuple[str, ...], tuple[str, Function]] = {
    ("startsWith", "string", "string"): ("bool", str.startswith),
    ("endsWith", "string", "string"): ("bool", str.endswith),
    ("contains", "string", "string"): ("bool", lambda text, part: part in text),
    ("size", "string"): ("int", len),
    ("lowerAscii", "string"): ("string", lambda text: text.translate(LOWER)),
    ("upperAscii", "string"): ("string", lambda text: text.translate(UPPER)),
    ("getSeconds", D): ("int", lambda span: quotient(span // timedelta(microseconds=1), 1_000_000)),
    ("getMinutes", D): ("int", lambda span: quotient(span // timedelta(microseconds=1), 60_000_000)),
    ("getHours", D): ("int", lambda span: quotient(span // timedelta(microseconds=1), 3_600_000_000)),
}
"""Name, type of the receiver, types of the arguments."""

CALENDAR: dict[str, Function] = {
    "getFullYear": lambda moment: moment.year,
    "getMonth": lambda moment: moment.month - 1,
    "getDate": lambda moment: moment.day,
    "getDayOfMonth": lambda moment: moment.day - 1,
    "getDayOfWeek": lambda moment: moment.isoweekday() % 7,
    "getDayOfYear": lambda moment: moment.timetuple().tm_yday - 1,
    "getHours": lambda moment: moment.hour,
    "getMinutes": lambda moment: moment.minute,
    "getSeconds": lambda moment: moment.second,
}
"""Of a timestamp, in UTC or in the time zone of the argument. Months and most days count from 0, as CEL has it."""

CONVERSIONS: dict[tuple[str, str], tuple[str, Function]] = {
    ("int", "int"): ("int", int),
    ("int", "uint"): ("int", signed(int)),
    ("int", "double"): ("int", int_of_double),
    ("int", "string"): ("int", int_of_text),
    ("int", T): ("int", lambda moment: math.floor(moment.timestamp())),
    ("double", "int"): ("double", float),
    ("double", "uint"): ("double", float),
    ("double", "double"): ("double", float),
    ("double", "string"): ("double", double_of_text),
    ("string", "string"): ("string", str),
    ("string", "int"): ("string", str),
    ("string", "uint"): ("string", str),
    ("string", "double"): ("string", text_of_double),
    ("string", "bool"): ("string", lambda value: "true" if value else "false"),
    ("bool", "bool"): ("bool", bool),
    ("timestamp", "string"): (T, timestamp_of),
    ("timestamp", T): (T, lambda moment: moment),
    ("duration", "string"): (D, duration_of),
    ("duration", D): (D, lambda span: span),
}
"""``int(x)`` and its like: name and type of the argument."""
