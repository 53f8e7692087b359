"""Patterns against RE2, whose language they are a part of, and what hostile texts cost: steps, not seconds."""

from __future__ import annotations

import random

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from gateway.routing import patterns
from gateway.routing.patterns import PatternError, pattern_of

TEXTS = [
    "",
    "a",
    "b",
    "ab",
    "ba",
    "aab",
    "abc",
    "xaby",
    "a\nb",
    "\n",
    "a\n",
    "gpt-4o-mini",
    "1.2",
    "é",
    "a-b_c]",
    "\x7f\xa0",
]
PATTERNS = r"""
a
^a
a$
^a$
^$
$
^
^a|b$
^(a|b)$
^(?:a|b)+$
a*
a+b
^a*b$
^a?b
a{2}
^a{1,2}b?$
^a{0}b$
^(a{2,}|b)$
(a+)+b
^(a*)*$
((a|b)?c?)+y
.
^.$
^..$
a.b
[ab]
^[^ab]$
^[a-c-]+$
^[]a]$
^[^]a]$
[\]\-_]
^\d\.\d$
^[\d.]+$
\D
^\W$
^\w+$
\s
^\S+$
^[^\s]+$
^[^\W]
\n
\x41|\x62
\.\*\+\?\(\)\[\]\{\}\|\^\$\\
()
a|
|
(|a)b
(a|)(b|)$
^gpt-4o(-mini|-audio)?$
gpt-[0-9]+[a-z]*?
a??b
^a+?b*?$
é
[à-ü]
"""


@pytest.mark.parametrize("source", PATTERNS.strip("\n").splitlines())
def test_finds_what_re2_finds(source: str) -> None:
    pattern, oracle = pattern_of(source), re2.compile(source)
    for text in TEXTS:
        assert pattern.found(text) is (oracle.search(text) is not None), text


def pattern_sources() -> st.SearchStrategy[str]:
    characters = st.sampled_from(["a", "b", "c", ".", "[ab]", "[^a]", r"\d", r"\w", r"\.", "-", "(?:a|b)", "()"])

    def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        repeats = st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}", "*?"])
        return (
            st.lists(inner, min_size=1, max_size=4).map("".join)
            | st.tuples(inner, repeats).map(lambda pair: f"({pair[0]}){pair[1]}")
            | st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"({'|'.join(parts)})")
        )

    anchored = st.tuples(
        st.sampled_from(["", "^"]), st.recursive(characters, larger, max_leaves=8), st.sampled_from(["", "$"])
    )
    return st.lists(anchored.map("".join), min_size=1, max_size=2).map("|".join)


@given(pattern_sources(), st.lists(st.text("abc1-.\n", max_size=12), max_size=8))
def test_finds_what_re2_finds_in_any(source: str, texts: list[str]) -> None:
    try:
        pattern = pattern_of(source)
    except PatternError:
        return
    oracle = re2.compile(source)
    for text in texts:
        assert pattern.found(text) is (oracle.search(text) is not None)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("(a", "without its )"),
        ("a)", "without its ("),
        ("[a", "without its ]"),
        ("[", "without its ]"),
        ("[b-a]", "to a later one"),
        ("[a-\\d]", "to a later one"),
        ("[[:alpha:]]", "named classes"),
        ("*a", "without anything to repeat"),
        ("a|*", "without anything to repeat"),
        ("a**", "repeated twice"),
        ("a*+", "repeated twice"),
        ("a{2}{3}", "repeated twice"),
        ("a{", "begins a repetition"),
        ("a{,3}", "begins a repetition"),
        ("a{3,2}", "from least to most"),
        ("a{2,x}", "begins a repetition"),
        ("a{1000}", "to 256 only"),
        ("(a{20}){20}", "more than 256"),
        ("((((){200}){200}){200}){200}", "more than 256"),
        ("a" * 300, "more than 256"),
        ("(?i)a", "lowerAscii"),
        ("(?=a)", "( and (?: only"),
        ("(?P<n>a)", "( and (?: only"),
        ("(a)\\1", "not known here"),
        ("\\bword", "not known here"),
        ("\\pL", "not known here"),
        ("\\x4", "not known here"),
        ("a\\", "at the end"),
        ("a^b", "at the beginning"),
        ("(^a)", "at the beginning"),
        ("a$b", "at the end of a pattern"),
        ("(a$)", "at the end of a pattern"),
        ("(" * 40 + "a" + ")" * 40, "nested more than 32"),
    ],
)
def test_no_pattern(source: str, said: str) -> None:
    with pytest.raises(PatternError) as caught:
        pattern_of(source)
    assert said in str(caught.value)


@given(st.text("ab(){}[]|*+?^$\\d-,1.:") | st.text())
def test_any_source(source: str) -> None:
    try:
        pattern = pattern_of(source)
    except PatternError:
        return
    oracle = re2.compile(source)
    for text in TEXTS:
        assert pattern.found(text) is (oracle.search(text) is not None)


HOSTILE = ["a?" * 60 + "a" * 60 + "$", "(a|a)" * 60 + "b", "(a{0,9}){7}b", ".*a.*b.*c", "(a+)+b", "(a|b)*a(a|b){14}c"]


@pytest.mark.parametrize("source", HOSTILE)
def test_a_text_costs_a_step_for_each_character(source: str) -> None:
    pattern, draw = pattern_of(source), random.Random(source)
    for text in ("a" * 30_000, "ab" * 15_000, "".join(draw.choices("ab", k=30_000))):
        before = pattern.steps
        pattern.found(text)
        assert pattern.steps - before <= len(text)
        assert pattern.remembered <= patterns.MOST_REMEMBERED


def test_what_is_remembered_is_bounded_and_forgotten_without_harm() -> None:
    pattern, draw = pattern_of("(a|b)*a(a|b){14}c"), random.Random(1)
    text = "".join(draw.choices("ab", k=3 * patterns.MOST_REMEMBERED))
    assert not pattern.found(text)
    assert len(pattern.known) <= patterns.MOST_REMEMBERED
    assert pattern.found(text + "a" + "b" * 14 + "c")
    for code in range(0x4E00, 0x4E00 + 2 * patterns.MOST_REMEMBERED):
        assert not pattern.found(chr(code))
    assert len(pattern.masks) <= patterns.MOST_REMEMBERED


def test_a_text_that_was_seen_costs_look_ups_only() -> None:
    pattern = pattern_of("^gpt-4o(-mini)?$")
    assert pattern.found("gpt-4o-mini")
    before = pattern.steps
    assert pattern.found("gpt-4o-mini")
    assert pattern.steps == before
