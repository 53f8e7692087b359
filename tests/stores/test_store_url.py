from __future__ import annotations

import pytest

from gateway.stores.store_url import parse


def test_the_parts_are_decoded() -> None:
    parts = parse("x://us%40er:p%2Fw%3A@host/na%20me?a=1%26&b=", 7, ("a", "b"))
    assert parts == ("x", "host", 7, "us@er", "p/w:", "na me", {"a": "1&", "b": ""})
    assert parse("x://[::1]:9", 7, ()) == ("x", "::1", 9, None, None, "", {})


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("x://:hunter2@/name", "names no host"),
        ("x://:hunter2@host:99999", "cannot be read"),
        ("x://:hunter2@host:port", "cannot be read"),
        ("x://:hunter2@[host", "cannot be read"),
        ("x://:hunter2@host?a", "cannot be read"),
        ("x://:hunter2@host?hunter2=1", "unknown parameter; known: a, b"),
        ("x://:hunter2#@host", "names no host|has a #|cannot be read"),
    ],
)
def test_what_is_wrong_is_said_without_what_may_be_secret(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        parse(url, 7, ("b", "a"))
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("text", ["0", "-1", "61", "nan", "inf", "x"])
def test_a_time_is_a_number_of_seconds(text: str) -> None:
    parts = parse(f"x://host?t={text}", 7, ("t",))
    with pytest.raises(ValueError, match="t is a number of seconds, at most 60"):
        parts.seconds("t", 1.0)


def test_a_time_that_is_not_given_is_the_default() -> None:
    assert parse("x://host?t=0.25", 7, ("t",)).seconds("t", 1.0) == 0.25
    assert parse("x://host", 7, ("t",)).seconds("t", 1.0) == 1.0
