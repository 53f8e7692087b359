"""Regular expressions that a configuration gives: what a look through a text can cost is bounded before they are used.

Python's engine goes back and forth; an expression with two open repetitions can take minutes over a page of text, with
the whole process standing still. So every repetition has an end, and their product is bounded.
"""

from __future__ import annotations

import re
from re import _constants as kinds  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

MOST_STEPS = 4096
"""Ways in which the repetitions of one expression can be shared out, at each place of a text."""

_REPEATS = (kinds.MAX_REPEAT, kinds.MIN_REPEAT, kinds.POSSESSIVE_REPEAT)


def mistake_in(pattern: str) -> str:
    """What is wrong with it; empty: nothing."""
    try:
        parsed = _parser.parse(pattern)
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return f"it is no regular expression: {error}"
    try:
        steps = _steps(parsed)
    except ValueError as error:
        return str(error)
    if steps > MOST_STEPS:
        return f"its repetitions allow too much, {steps} where {MOST_STEPS} is the most: give them smaller bounds"
    if re.compile(pattern).match(""):
        return "it matches an empty text"
    return ""


def _steps(parsed: Any) -> int:
    total = 1
    for kind, argument in parsed:
        if kind in _REPEATS:
            least, most, inner = argument
            if most is kinds.MAXREPEAT:
                raise ValueError("a repetition has no end: write {1,64} instead of + and {0,64} instead of *")
            total *= (most - least + 1) * _steps(inner) ** (1 if most == least == 1 else max(1, min(most, 8)))
        elif kind is kinds.BRANCH:
            total *= sum(_steps(branch) for branch in argument[1])
        elif kind is kinds.SUBPATTERN:
            total *= _steps(argument[3])
        elif kind in (kinds.ASSERT, kinds.ASSERT_NOT):
            total *= _steps(argument[1])
        elif kind is kinds.ATOMIC_GROUP:
            total *= _steps(argument)
        elif kind in (kinds.GROUPREF, kinds.GROUPREF_EXISTS):
            raise ValueError("it refers back to a group of its own")
        if total > 1 << 40:
            return total
    return total
