"""Dates and times of a question, spelt one way."""

from __future__ import annotations

import re

from gateway.cache.similar.lexicon import AMBIGUOUS_MONTHS, MONTHS, NEAR, RELATIVE, SPANS, WEEKDAYS, listed
from gateway.cache.similar.tokens import Text

ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
CLOCK = re.compile(r"([01]?\d|2[0-3])[:.]([0-5]\d)(?::([0-5]\d))?")
DAY = re.compile(r"0?([1-9]|[12]\d|3[01])")
YEAR = re.compile(r"(?:1[0-9]|20|21)\d\d")
SUFFIXES = frozenset({"st", "nd", "rd", "th", "of", ",", "."})
BEFORE_MONTH = listed("in since of until till by during next last this every early late mid")


def _month(text: Text, at: int) -> int:
    """1 to 12, or 0 where the word is none."""
    word = text.low[at]
    month = MONTHS.get(word, 0)
    if not month or word not in AMBIGUOUS_MONTHS:
        return month
    low = text.low
    before = low[at - 1] if at else ""
    behind = low[at + 1] if at + 1 < len(low) else ""
    if before[:1].isdigit() or behind[:1].isdigit() or (before in SUFFIXES and at > 1 and low[at - 2][:1].isdigit()):
        return month
    return month if before in BEFORE_MONTH and text.raw[at][:1].isupper() else 0


def _with_month(text: Text, at: int, taken: set[int]) -> str:
    """``year-month-day`` of what stands around a month's name; what is not said is left empty."""
    low = text.low
    day = year = ""
    left = at - 1
    while left >= 0 and low[left] in SUFFIXES and at - left < 3:
        left -= 1
    if left >= 0 and (found := DAY.fullmatch(low[left])):
        day = found[1]
        taken.update(range(left, at))
    right = at + 1
    while right < len(low) and right - at < 6:
        word = low[right]
        if YEAR.fullmatch(word) and not year:
            year = word
            taken.update(range(at, right + 1))
            break
        if not day and (found := DAY.fullmatch(word)):
            day = found[1]
            taken.update(range(at, right + 1))
            if right + 1 < len(low) and low[right + 1] in SUFFIXES:
                taken.add(right + 1)
        elif word not in SUFFIXES:
            break
        right += 1
    return f"{year}-{MONTHS[low[at]]}-{day}"


def _clock(text: Text, at: int, taken: set[int]) -> str:
    """``hh:mm`` of a time of day; empty where the number is none."""
    low = text.low
    word = low[at]
    behind = low[at + 1] if at + 1 < len(low) else ""
    if behind in ("a", "p") and low[at + 2 : at + 4] == [".", "m"]:
        half, end = behind, at + 4
    elif behind in ("am", "pm"):
        half, end = behind[0], at + 2
    else:
        half, end = "", at + 1
    found = CLOCK.fullmatch(word) if ":" in word or half else None
    if found:
        hour, minute, second = int(found[1]), found[2], found[3]
    elif half and word.isdecimal() and 1 <= int(word) <= 12:
        hour, minute, second = int(word), "00", None
    else:
        return ""
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    taken.update(range(at, end))
    return f"{hour:02}:{minute}" + (f":{second}" if second else "")


def dates(text: Text) -> tuple[str, set[int]]:
    """All of them, sorted, and which tokens they are made of."""
    found: list[str] = []
    taken: set[int] = set()
    low = text.low
    for at, word in enumerate(low):
        if word[0].isdigit():
            if iso := ISO.fullmatch(word):
                taken.add(at)
                found.append(f"{iso[1]}-{int(iso[2])}-{int(iso[3])}")
            elif at not in taken and (clock := _clock(text, at, taken)):
                found.append(clock)
        elif word in MONTHS:
            if _month(text, at):
                taken.add(at)
                found.append(_with_month(text, at, taken))
        elif word in WEEKDAYS:
            taken.add(at)
            found.append(f"day {WEEKDAYS[word]}")
        elif word in RELATIVE:
            found.append(RELATIVE[word])
        elif word in SPANS and at and low[at - 1] in NEAR:
            found.append(f"{low[at - 1]} {word}")
    return " ".join(sorted(set(found))), taken
