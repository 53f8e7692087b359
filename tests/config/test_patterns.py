"""Patterns of a configuration: what they can cost is bounded."""

from __future__ import annotations

import re

import pytest

from gateway.config.patterns import mistake_in


@pytest.mark.parametrize(
    "pattern",
    ["PROJECT-[0-9]{8,16}", "abc", "[a-z]{1,64}@[a-z]{1,60}", "(?:foo|bar){2}x", "(?i:key) ?[=:] ?[!-~]{8,128}"],
)  # fmt: skip
def test_bounded_ones_are_taken(pattern: str) -> None:
    assert mistake_in(pattern) == ""


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "no regular expression"),
        ("a+", "no end"),
        ("(a*)*b", "no end"),
        (".*?x", "no end"),
        ("a{3,}", "no end"),
        ("(?:a{1,64}){1,64}", "too much"),
        ("a{0,64}b{0,64}c{0,64}", "too much"),
        ("(?=a{1,90}b{1,90}).", "too much"),
        (r"(a)\1", "refers back"),
        ("a{0,5}", "empty"),
        ("(?:a{1,4}){1,32}", "too much"),
        ("(" * 200 + ")" * 200, "empty"),
    ],
)
def test_others_are_refused_with_the_reason(pattern: str, why: str) -> None:
    assert why in mistake_in(pattern)


def test_what_is_taken_ends_soon_over_a_long_text() -> None:
    """The most expensive one that is taken, over what would be worst for it: it comes to an end at all."""
    pattern = "(?:a|a|a|a|a|a|a|a){4}b"
    assert mistake_in(pattern) == ""
    assert re.search(pattern, "a" * 2000) is None
