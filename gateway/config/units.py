"""Times, sizes and prices as people write them: ``30s``, ``5m``, ``1.5h``, ``32MiB``, ``0.075``."""

from __future__ import annotations

import math
import re
from functools import lru_cache

_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKMGT]i?B?|B)?")
_USD = re.compile(r"\d{1,6}(?:\.\d{1,9})?", re.ASCII)
_BYTES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}

DURATION_PATTERN = r"^(\d+(\.\d+)?\s*(ms|s|m|h|d)\s*)+$"
USD_PATTERN = r"^\d{1,6}(\.\d{1,9})?$"
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


def parse_duration(value: object) -> Duration:
    """Raises ValueError with words fit for the operator."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if value < 0 or not math.isfinite(value):
            raise ValueError("a time cannot be negative or infinite")
        return Duration(value)
    if isinstance(value, str) and (seconds := _seconds(value)) is not None:
        return seconds
    raise ValueError(f"expected a time such as 30s, 5m or 250ms (or a number of seconds), got {value!r}")


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
        return Size(value)
    if isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        return Size(float(match[1]) * _BYTES[(match[2] or "").lower().removesuffix("b")])
    raise ValueError(f"expected a size such as 32MiB or 64KiB (or a number of bytes), got {value!r}")


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
