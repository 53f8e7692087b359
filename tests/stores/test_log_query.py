"""What somebody types into the search."""

from __future__ import annotations

import pytest

from gateway.stores.log_query import Term, terms_in


def _no(text: str) -> Term:
    return Term(text=text, excluded=True)


@pytest.mark.parametrize(
    ("typed", "terms"),
    [
        ("", []),
        ("  ", []),
        ("a\0b", [Term(text="a"), Term(text="b")]),
        ("One two", [Term(text="one"), Term(text="two")]),
        ('"One  Two" three', [Term(text="one two"), Term(text="three")]),
        ("a -b", [Term(text="a"), _no("b")]),
        ('a -"b c" d', [Term(text="a"), _no("b c"), Term(text="d")]),
        ("gpt-5 -o3-mini", [Term(text="gpt-5"), _no("o3-mini")]),
        ('"never closed', [Term(text="never closed")]),
        ('""  "" - x', [Term(text="x")]),
        ('a"b c"d', [Term(text="a"), Term(text="b c"), Term(text="d")]),
    ],
)
def test_words_phrases_and_what_is_not_to_be_there(typed: str, terms: list[Term]) -> None:
    assert list(terms_in(typed)) == terms
