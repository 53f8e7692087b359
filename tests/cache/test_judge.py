"""Whether two answers are the same; in doubt they are not."""

from __future__ import annotations

import pytest

from gateway.cache.similar.judge import Judge, LexicalJudge, cosine, normalised

JUDGE: Judge = LexicalJudge()
LONG = "The tower is 330 metres high, and was built by the engineers of Gustave Eiffel for the fair of that year."

SAME = [
    ("exact", "Paris", "paris."),
    ("exact", "**42**", "42"),
    ("exact", "Yes!", "yes"),
    ("exact", LONG, LONG.upper()),
    (
        "alike",
        LONG,
        "The tower is 330 meters high and the engineers of Gustave Eiffel built it for the fair of that year.",
    ),
]
DIFFERENT = [
    ("empty", "", ""),
    ("empty", "...", "..."),
    ("short", "Paris", "Rome"),
    ("short", "Paris", "The capital of France is Paris."),
    ("short", "3.5", "35"),
    ("numbers", LONG, LONG.replace("330", "324")),
    ("units", LONG, LONG.replace("metres", "feet")),
    ("names", LONG, LONG.replace("Gustave Eiffel", "Stephen Sauvestre")),
    ("negation", LONG, LONG.replace("was built", "was not built")),
    ("opposites", f"{LONG} It was higher before.", f"{LONG} It was lower before."),
    ("dates", f"{LONG} It opened in May 1889.", f"{LONG} It opened in June 1889."),
    ("code", f"{LONG} `a = 1`", f"{LONG} `a = 2`"),
    (
        "words",
        LONG,
        "It is 330 metres high; Gustave Eiffel took part, though others drew, planned, paid and praised it.",
    ),
]


@pytest.mark.parametrize(("why", "a", "b"), SAME)
def test_the_same(why: str, a: str, b: str) -> None:
    assert JUDGE("?", a, b) == (True, why)
    assert JUDGE("?", b, a) == (True, why)


@pytest.mark.parametrize(("why", "a", "b"), DIFFERENT)
def test_different(why: str, a: str, b: str) -> None:
    assert JUDGE("?", a, b) == (False, why)
    assert JUDGE("?", b, a) == (False, why)


def test_an_address_on_one_side_is_no_code() -> None:
    assert JUDGE("?", LONG, f"{LONG} See https://example.com/tower.").why != "code"


def test_vectors_may_speak_against_it_but_never_for_it() -> None:
    why, a, b = SAME[-1]
    assert JUDGE("?", a, b, ([1.0, 0.0], [1.0, 0.1])) == (True, why)
    assert JUDGE("?", a, b, ([1.0, 0.0], [0.0, 1.0])) == (False, "vectors")
    assert JUDGE("?", a, b, ([1.0], [1.0, 0.0])) == (False, "vectors")
    assert JUDGE("?", a, b, ([float("nan")], [1.0])) == (False, "vectors")
    assert JUDGE("?", "Paris", "Rome", ([1.0], [1.0])) == (False, "short")


def test_cosine() -> None:
    assert cosine([3.0, 4.0], [6.0, 8.0]) == pytest.approx(1.0)
    assert cosine([0.0, 0.0], [1.0, 0.0]) == 0.0


def test_normalised() -> None:
    assert normalised("# The  *Answer*: 3.5!\n") == "the answer 3.5"
