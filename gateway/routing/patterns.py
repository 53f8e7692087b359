"""Patterns of ``matches``. CEL has RE2, which takes linear time; Python's matcher backtracks, and texts are callers'.

So a pattern is of the part of both languages that cannot take long: no looking around or back, no repeat within a
repeat, two unbounded repeats at most, and 512 characters are looked at: a quarter of a million steps at worst.
"""

from __future__ import annotations

import re

LONGEST_TEXT = 512
MOST_REPEATS = 2
LARGEST_COUNT = 256
_COUNT = re.compile(r"\{([0-9]{1,9})(,)?([0-9]{1,9})?\}")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)


def pattern_of(source: str) -> re.Pattern[str]:
    """``source`` compiled. Raises ValueError, saying what it must not have."""
    judge(source)
    try:
        return re.compile(source)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"no pattern: {error}") from None


def matches(pattern: re.Pattern[str], text: str) -> bool | None:
    """Whether ``pattern`` is found in ``text``; None when that is too long to be looked at."""
    return None if len(text) > LONGEST_TEXT else pattern.search(text) is not None


def judge(source: str) -> None:
    repeated = [False]
    """Of each open group: whether it holds a repeat."""
    inner = False
    unbounded = at = 0
    while at < len(source):
        sign = source[at]
        if sign == "\\":
            if source[at + 1 : at + 2].isdigit():
                raise ValueError("a pattern that looks back")
            inner, at = False, at + 2
        elif sign == "[":
            found = _CLASS.match(source, at)
            if found is None:
                raise ValueError("no pattern: a class without its end")
            inner, at = False, found.end()
        elif sign == "(":
            if source.startswith("(?", at) and not source.startswith("(?:", at):
                raise ValueError("a pattern with (? other than (?:")
            repeated.append(False)
            at += 3 if source.startswith("(?:", at) else 1
        elif sign == ")":
            if len(repeated) < 2:
                raise ValueError("no pattern: a group without its beginning")
            inner = repeated.pop()
            repeated[-1] = repeated[-1] or inner
            at += 1
        elif sign in "*+?" or (sign == "{" and _COUNT.match(source, at)):
            most, at = bound_of(source, at)
            if inner and most > 1:
                raise ValueError("a pattern that repeats a repeat")
            unbounded += most > LARGEST_COUNT
            repeated[-1] = repeated[-1] or most > 1
            inner = inner or most > 1
        else:
            inner, at = False, at + 1
    if unbounded > MOST_REPEATS:
        raise ValueError(f"a pattern repeats {MOST_REPEATS} times at most without a bound")


def bound_of(source: str, at: int) -> tuple[int, int]:
    """Most times that the quantifier at ``at`` repeats, and where it ends, its laziness included."""
    found = _COUNT.match(source, at)
    if found is not None:
        most = int(found[3]) if found[3] else LARGEST_COUNT + 1 if found[2] else int(found[1])
        at = found.end()
    else:
        most = 1 if source[at] == "?" else LARGEST_COUNT + 1
        at += 1
    if source.startswith("+", at):
        raise ValueError("a pattern that does not give back")
    return most, at + source.startswith("?", at)
