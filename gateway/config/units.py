"""Times, sizes and prices as people write them: ``30s``, ``5m``, ``1.5h``, ``32MiB``, ``0.075``."""

from __future__ import annotations

import math
import re
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Final, Self

_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKMGT]i?B?|B)?")
_USD = re.compile(r"\d{1,6}(?:\.\d{1,9})?", re.ASCII)
_BYTES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}

DURATION_PATTERN = r"^(\d+(\.\d+)?\s*(ms|s|m|h|d)\s*)+$"
MOST_SECONDS = 10**9
"""Of a time, so that workers can count it in nanoseconds."""
MOST_BYTES = 2**53
USD_PATTERN = r"^\d{1,6}(\.\d{1,9})?$"
MONEY_PATTERN = r"^\d{1,9}(\.\d{1,9})?$"
CALENDAR: Final = {
    "minute": 60.0,
    "hour": 3600.0,
    "day": 86400.0,
    "week": 7 * 86400.0,
    "month": 31 * 86400.0,
    "quarter": 92 * 86400.0,
    "year": 366 * 86400.0,
}
"""Periods that begin when the clock or the calendar says, with the longest that each can be."""
SIZE_PATTERN = r"^\d+(\.\d+)?\s*([kKMGT]i?B?|B)?$"


class Duration(float):
    """Seconds; written as a number of seconds or as text such as ``250ms``, ``30s``, ``1h30m``."""

    __slots__ = ()


class Size(int):
    """Bytes; written as a number of bytes or as text such as ``64KiB``, ``32MiB``, ``1GB``."""

    __slots__ = ()


class Usd(str):
    """An amount in USD, exactly; written as a number or as text such as ``0.075``."""

    __slots__ = ()

    def thousandfold(self) -> str:
        whole, _, part = self.partition(".")
        part = part.ljust(3, "0")
        return f"{int(whole + part[:3])}.{part[3:] or 0}"


class Period(float):
    """Seconds of a time, or the most that a period of the calendar has, which ``calendar`` names then."""

    __slots__ = ("calendar",)

    def __new__(cls, seconds: float, calendar: str = "") -> Self:
        made = super().__new__(cls, seconds)
        made.calendar = calendar
        return made

    calendar: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Period) and (float(self), self.calendar) == (float(other), other.calendar)

    def __hash__(self) -> int:
        return hash((float(self), self.calendar))


class Money(int):
    """Nano-dollars; written in USD, as a number or as text such as ``12.50``."""

    __slots__ = ()

    def in_usd(self) -> str:
        """As it can be written."""
        return f"{self // 1_000_000_000}.{self % 1_000_000_000:09d}"


def parse_period(value: object) -> Period:
    """Raises ValueError with words fit for the operator."""
    if isinstance(value, str) and value in CALENDAR:
        return Period(CALENDAR[value], value)
    try:
        return Period(parse_duration(value))
    except ValueError as error:
        raise ValueError(f"{error}; or one of {', '.join(CALENDAR)}") from None


def parse_money(value: object) -> Money:
    """Raises ValueError with words fit for the operator."""
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            amount = Decimal(str(value).strip().removeprefix("$")) * 1_000_000_000
        except InvalidOperation:
            amount = Decimal(-1)
        if amount.is_finite() and 0 <= amount <= 10**18 and amount == int(amount):
            return Money(amount)
    raise ValueError(f"expected an amount in USD, up to 1000000000, with 9 digits behind the point, got {value!r}")


def parse_duration(value: object) -> Duration:
    """Raises ValueError with words fit for the operator."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if value < 0 or (isinstance(value, float) and not math.isfinite(value)):
            raise ValueError("a time cannot be negative or infinite")
        return _bounded(value)
    if isinstance(value, str) and (seconds := _seconds(value)) is not None:
        return _bounded(seconds)
    raise ValueError(f"expected a time such as 30s, 5m or 250ms (or a number of seconds), got {value!r}")


def _bounded(seconds: float) -> Duration:
    if seconds > MOST_SECONDS:
        raise ValueError(f"a time cannot be longer than {MOST_SECONDS} s")
    return Duration(seconds)


@lru_cache(maxsize=256)
def _seconds(value: str) -> Duration | None:
    """Remembered: a hundred thousand virtual keys say ``1m``."""
    text, seconds, at = value.strip(), 0.0, 0
    while match := _TIME.match(text, at):
        seconds += float(match[1]) * _SECONDS[match[2]]
        at = match.end()
        while at < len(text) and text[at] == " ":
            at += 1
    return Duration(seconds) if text and at == len(text) else None


def parse_size(value: object) -> Size:
    """Raises ValueError with words fit for the operator."""
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            raise ValueError("a size cannot be negative")
        return _held(value)
    if isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        return _held(float(match[1]) * _BYTES[(match[2] or "").lower().removesuffix("b")])
    raise ValueError(f"expected a size such as 32MiB or 64KiB (or a number of bytes), got {value!r}")


def _held(count: float) -> Size:
    if count > MOST_BYTES:
        raise ValueError(f"a size cannot be more than {MOST_BYTES} bytes")
    return Size(count)


def parse_usd(value: object) -> Usd:
    """Raises ValueError with words fit for the operator."""
    text = str(value).strip()
    if isinstance(value, float) and "e" in text:
        text = f"{value:.12f}".rstrip("0")
    if isinstance(value, (int, float, str)) and not isinstance(value, bool) and _USD.fullmatch(text):
        return Usd(text)
    if isinstance(value, (int, float)) and value < 0:
        raise ValueError("a price cannot be negative")
    raise ValueError(f"expected an amount in USD below a million, with up to 9 digits behind the point, got {value!r}")
