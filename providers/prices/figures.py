"""Prices as vendors write them, decimal text in USD, and what they are in nano-dollars for a million units."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from _speedups._cost import DEAREST, KINDS, Rates

_TOKENS = 1_000_000_000
"""Nano-dollars for a million, of USD for a million."""
_THOUSANDS = 1000 * _TOKENS
"""The same of USD for a thousand."""

UNITS: dict[str, tuple[str, int]] = {
    "input": ("input", _TOKENS),
    "output": ("output", _TOKENS),
    "cache_read": ("cache_read", _TOKENS),
    "cache_read_audio": ("cache_read_audio", _TOKENS),
    "cache_write": ("cache_write", _TOKENS),
    "cache_write_1h": ("cache_write_1h", _TOKENS),
    "input_audio": ("input_audio", _TOKENS),
    "output_audio": ("output_audio", _TOKENS),
    "input_image": ("input_image", _TOKENS),
    "output_image": ("output_image", _TOKENS),
    "output_reasoning": ("output_reasoning", _TOKENS),
    "web_searches_kcount": ("web_search", _THOUSANDS),
    "requests_kcount": ("request", _THOUSANDS),
}
"""Name of a price in the files -> kind, and nano-dollars for a million units that one USD of it is. Prices of other
names (hours of audio, pages, pixels) are of what no answer counts, and of nothing that is charged here."""

PART_OF: dict[str, tuple[str, ...]] = {
    "cache_read": ("input",),
    "cache_read_audio": ("cache_read", "input_audio", "input"),
    "cache_write": ("input",),
    "cache_write_1h": ("cache_write", "input"),
    "input_audio": ("input",),
    "input_image": ("input",),
    "output_reasoning": ("output",),
    "output_audio": ("output",),
    "output_image": ("output",),
}
"""Kind -> whose price it has where it has none of its own."""

DIGITS = 9
"""Behind the point, of USD: a nano-dollar for a million tokens is the finest price there is."""

_DECIMAL = re.compile(r"(\d{1,10})(?:\.(\d*))?", re.ASCII)


def nanodollars(text: str, factor: int = _TOKENS) -> int:
    """USD as decimal text (``0.075``) times ``factor``, exactly. Raises ValueError for text that is no such number, a
    negative one, one with more digits than ``factor`` has room for, or a price beyond DEAREST."""
    found = _DECIMAL.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no price in USD: digits with a point are expected, such as 0.075")
    whole, part = found[1], (found[2] or "").rstrip("0")
    digits: int = 10 ** len(part)
    scaled, rest = divmod(int(whole + part) * factor, digits)
    if rest:
        raise ValueError(f"{text!r} has more than {DIGITS} digits behind the point")
    if scaled > DEAREST:
        raise ValueError(f"{text!r} is dearer than {DEAREST // factor} USD, the highest price there is")
    return scaled


def usd(price: int, kind: str) -> str:
    """A price of ``Rates`` in USD: for a million tokens, or for one of what is sold one by one."""
    places = 15 if kind in ("web_search", "request") else DIGITS
    text = f"{price:0{places + 1}}"
    return f"{text[:-places]}.{text[-places:]}".rstrip("0").rstrip(".")


def counted(prices: Mapping[str, Any]) -> bool:
    """Whether a model with these prices is sold by something that answers count."""
    return any(UNITS[name][0] in ("input", "output", "request") for name in prices if name in UNITS)


def rates_of(prices: Mapping[str, Any]) -> Rates | None:
    """The member ``prices`` of a model's entry as rates; None when it is sold by what no answer counts. Raises
    ValueError for a price that ``nanodollars`` does not take."""
    if not counted(prices):
        return None
    levels: list[tuple[int, Mapping[str, Any]]] = [(-1, prices)]
    for tier in prices.get("above", ()):
        # What a tier does not name costs as much as below it.
        levels.append((tier["tokens"], {**levels[-1][1], **tier}))
    rates, over = None, -1
    for tokens, level in reversed(levels):
        rates, over = Rates(_prices(level), over, rates), tokens
    return rates


def _prices(level: Mapping[str, Any]) -> list[int]:
    own = {
        kind: nanodollars(text, factor)
        for name, text in level.items()
        if name in UNITS
        for kind, factor in (UNITS[name],)
    }
    return [own.get(next((k for k in (kind, *PART_OF.get(kind, ())) if k in own), kind), 0) for kind in KINDS]
