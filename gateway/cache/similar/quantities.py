"""Numbers, units and currencies of a question, spelt one way."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from gateway.cache.similar.lexicon import (
    FRACTIONS,
    NUMBER_WORDS,
    ORDINALS,
    SCALES,
    SHORT_UNITS,
    STOP,
    STRAY_UNITS,
    UNITS,
    listed,
)
from gateway.cache.similar.tokens import Text

GROUPED = re.compile(r"\d{1,3}(?:,\d{2,3})*,\d{3}(?:\.\d+)?")
"""With commas between thousands, or lakhs. "1.000" stays as it is: a thousand here, one with three decimals there."""
ROMAN = re.compile(r"M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
ROMAN_DIGITS = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
NOT_ROMAN = listed("CD CV MD DC MC CC XL MI DI LI MM DM CL CM DL ML MIX DIM MILD LCD")
"""Capital letters that are more often something else."""
NUMBERED = listed(
    """
    war type part chapter class phase stage volume act book section level article amendment title unit grade tier
    world step season episode act rocky
    """
)
BEFORE_PRONOUN = listed(
    """
    which any every no this that the some each another only other good bad new old a by can could should would
    does did do will may might must if when
    """
)
AFTER_PRONOUN = listed(
    """
    of another is can should who that does would has could must needs need wants may might will do be to s are was
    ? . ,
    """
)
BEFORE_ORDINAL = listed("the my his her our their your its every a")
SUFFIXES = frozenset({"st", "nd", "rd", "th"})
MULTIPLIERS = {"k": 1000, "m": 10**6, "bn": 10**9, "b": 10**9}
TEMPERATURES = frozenset({"celsius", "fahrenheit", "kelvin"})
CURRENCIES = frozenset("$€£¥₹₽₩₿")


def _decimal(token: str) -> str:
    if "," in token and GROUPED.fullmatch(token):
        return token.replace(",", "")
    return token


def _times(value: str, factor: int) -> str:
    """``value`` times a power of ten or a lakh, without rounding."""
    whole, _, fraction = value.partition(".")
    if not (whole + fraction).isdigit():
        return f"{value}*{factor}"
    product = int(whole + fraction) * factor
    scale = 10 ** len(fraction)
    if product % scale:
        return f"{product / scale:.12g}"
    return str(product // scale)


def _roman(letters: str) -> int:
    total = 0
    for here, behind in zip(letters, [*letters[1:], "I"], strict=True):
        value = ROMAN_DIGITS[here]
        total += -value if value < ROMAN_DIGITS[behind] else value
    return total


class Reader:
    """Goes once over the tokens."""

    def __init__(self, text: Text) -> None:
        self._raw = text.raw
        self._low = text.low
        self.numbers: list[tuple[str, int, int]] = []
        """Value, first token, and the token behind the last."""
        self.units: set[str] = set()
        self.spelt: set[int] = set()
        """Tokens of numbers and units: "II", "USD", "5", "k"."""

    def read(self, taken: set[int]) -> None:
        """``taken``: tokens that belong to dates."""
        low, raw = self._low, self._raw
        at, end = 0, len(low)
        while at < end:
            word = low[at]
            if at in taken:
                at += 1
            elif word[0].isdigit() or (word[0] == "-" and len(word) > 1):
                at = self._digits(at)
            elif word in NUMBER_WORDS or word in SCALES or word == "one":
                at = self._words(at)
            else:
                self._other(at, word, raw[at])
                at += 1

    def _found(self, value: str, begin: int, end: int) -> None:
        self.numbers.append((value, begin, end))
        self.spelt.update(range(begin, end))

    def _digits(self, at: int) -> int:
        low = self._low
        begin = at
        value = _decimal(low[at])
        at += 1
        following = low[at] if at < len(low) else ""
        if following in SUFFIXES:
            value, at = value + ".", at + 1
        elif following in SCALES:
            while at < len(low) and low[at] in SCALES:
                value, at = _times(value, SCALES[low[at]]), at + 1
        elif following == "k" or (begin and low[begin - 1] in CURRENCIES and following in MULTIPLIERS):
            value, at = _times(value, MULTIPLIERS[following]), at + 1
        if begin and low[begin - 1] in CURRENCIES and value.endswith(".00"):
            value = value[:-3]
        self._found(value, begin, at)
        return self._unit(at)

    def _unit(self, at: int) -> int:
        low = self._low
        if at >= len(low):
            return at
        if low[at] in "°-" or low[at] in ("degree", "degrees"):
            behind = low[at + 1] if at + 1 < len(low) else ""
            if behind in SHORT_UNITS:
                self.units.add(SHORT_UNITS[behind])
                self.spelt.add(at + 1)
                return at + 2
            if behind in UNITS:
                return at + 1
        word = low[at]
        unit = UNITS.get(word) or SHORT_UNITS.get(word)
        if unit is None or self._is_sterling(at, word):
            return at
        raw = self._raw[at]
        if word == "us" and raw != "us":
            return at
        # Mb are bits, MB are bytes.
        if raw in ("Mb", "Gb", "Kb", "Tb"):
            unit = f"{word[0]}bit"
        if unit in ("meter", "inch") and word in ("m", "in") and not self._ends_measure(at, word):
            return at
        self.units.add(unit)
        self.spelt.add(at)
        return at + 1

    def _is_sterling(self, at: int, word: str) -> bool:
        """Pounds that are money: the unit is what follows."""
        return word in ("pound", "pounds") and self._low[at + 1 : at + 2] == ["sterling"]

    def _ends_measure(self, at: int, word: str) -> bool:
        """Whether "in" is inches: not where a noun follows, as in "5 in the morning", "5 in Python"."""
        if word == "m":
            return True
        behind = self._low[at + 1] if at + 1 < len(self._low) else "."
        return not behind[0].isalnum() or behind in ("to", "into", "x", "by", "wide", "long", "high", "tall")

    def _words(self, at: int) -> int:
        low = self._low
        begin = at
        if low[at] == "one" and not self._counts(at):
            return at + 1
        total = current = 0
        seen = False
        while at < len(low):
            word = low[at]
            if word in NUMBER_WORDS:
                value = NUMBER_WORDS[word]
            elif word == "one":
                value = 1
            elif word in SCALES:
                factor = SCALES[word]
                current = (current or 1) * factor
                if factor >= 1000:
                    total, current = total + current, 0
                seen, at = True, at + 1
                continue
            elif seen and word in ("and", "-") and at + 1 < len(low) and self._joins(low[at + 1], word, current):
                at += 1
                continue
            else:
                break
            if seen and not self._adds(current, value, total):
                break
            current += value
            seen, at = True, at + 1
        self._found(str(total + current), begin, at)
        return self._unit(at)

    def _joins(self, behind: str, joint: str, current: int) -> bool:
        """ "one hundred and five", "twenty-one"."""
        if behind not in NUMBER_WORDS and behind != "one":
            return False
        return current % 100 == 0 if joint == "and" else 20 <= current % 100 <= 90 and current % 10 == 0

    def _adds(self, current: int, value: int, total: int) -> bool:
        """Whether the next word is of the same number: "twenty one", "hundred five", "two thousand six"."""
        if not current:
            return bool(total)
        if value < 10:
            return current % 10 == 0 and (current % 100 >= 20 or current % 100 == 0)
        return current % 100 == 0

    def _counts(self, at: int) -> bool:
        """Whether "one" is a number there, and no pronoun."""
        low = self._low
        behind = low[at + 1] if at + 1 < len(low) else "?"
        if behind in SCALES or behind in NUMBER_WORDS:
            return True
        if len(self._raw[at]) > len("one"):  # "one's"
            return False
        return not (at and low[at - 1] in BEFORE_PRONOUN) and behind not in AFTER_PRONOUN

    def _other(self, at: int, word: str, raw: str) -> None:
        before = self._low[at - 1] if at else ""
        if word in ORDINALS:
            self._found(f"{ORDINALS[word]}.", at, at + 1)
        elif word in ("first", "second"):
            if before in BEFORE_ORDINAL:
                self._found("1." if word == "first" else "2.", at, at + 1)
        elif word in FRACTIONS:
            self._found(FRACTIONS[word], at, at + 1)
        elif word in UNITS:
            if word not in STRAY_UNITS and not self._is_sterling(at, word):
                self.units.add(UNITS[word])
                self.spelt.add(at)
        elif raw in ("C", "F", "K") and before in ("to", "in", "into") and not self.units.isdisjoint(TEMPERATURES):
            self.units.add(SHORT_UNITS[word])
            self.spelt.add(at)
        elif before == "many" and word in SHORT_UNITS:
            self.units.add(SHORT_UNITS[word])
        elif raw.isupper() and ROMAN.fullmatch(raw) and self._is_numeral(at, raw, before):
            self._found(str(_roman(raw)), at, at + 1)

    def _is_numeral(self, at: int, raw: str, before: str) -> bool:
        if before in NUMBERED:
            return True
        return len(raw) > 1 and raw not in NOT_ROMAN and at > 0 and self._raw[at - 1][:1].isupper()


def _noun(low: Sequence[str], begin: int, end: int) -> str:
    """What a number counts or belongs to: the word behind it, else the one before it; empty when there is neither."""
    for at in (end, begin - 1):
        if 0 <= at < len(low) and low[at][0].isalpha() and low[at] not in STOP:
            return low[at]
    return ""


class Quantities(NamedTuple):
    """Each in a spelling that is equal for equal ones."""

    numbers: str
    """In their order."""
    units: str
    counted: list[tuple[str, str]]
    """Numbers and what they count; only where there are several, which might change places."""
    spelt: set[int]
    """Tokens that are read into them, and name nothing."""


def quantities(text: Text, taken: set[int]) -> Quantities:
    """Of a text without its dates' tokens (``taken``)."""
    reader = Reader(text)
    reader.read(taken)
    found = reader.numbers
    numbers = " ".join(value for value, _, _ in found)
    units = " ".join(sorted(reader.units))
    counted: list[tuple[str, str]] = []
    if len({value for value, _, _ in found}) > 1:
        bound = ((value, _noun(text.low, begin, end)) for value, begin, end in found)
        counted = [(value, noun) for value, noun in bound if noun]
    return Quantities(numbers, units, counted, reader.spelt)
