"""The gateway's own keys: form, randomness, checksum."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.virtual_key import generate, is_mistyped, is_own

ALPHABET = string.ascii_lowercase + "234567"


def test_a_key_holds_the_random_bytes_and_their_checksum() -> None:
    # The checksum is the one that gzip writes behind the same sixteen bytes: 68c4f033.
    assert generate(lambda n: b"0123456789abcdef"[:n]) == "sk-mg-gaytemzugu3doobzmfrggzdfmzumj4bt"


@given(st.binary(min_size=16, max_size=16))
def test_whatever_the_bits_it_is_one_of_ours(content: bytes) -> None:
    key = generate(lambda n: content[:n]).encode()
    assert len(key) == 38
    assert is_own(key)
    assert not is_mistyped(key)


def test_two_keys_differ() -> None:
    assert len({generate() for _ in range(1000)}) == 1000


@given(st.binary(min_size=16, max_size=16), st.integers(0, 31), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_noticed(content: bytes, at: int, other: str) -> None:
    key = generate(lambda n: content)
    wrong = key[: 6 + at] + other + key[7 + at :]
    assert is_mistyped(wrong.encode()) == (wrong != key)


@given(st.binary(min_size=16, max_size=16), st.integers(0, 30))
def test_two_neighbours_that_change_places_are_noticed(content: bytes, at: int) -> None:
    key = generate(lambda n: content)
    first = 6 + at
    wrong = key[:first] + key[first + 1] + key[first] + key[first + 2 :]
    assert is_mistyped(wrong.encode()) == (wrong != key)


@pytest.mark.parametrize("change", [lambda k: k[:-1], lambda k: k + "a", lambda k: k.upper(), lambda k: k[:-1] + "1"])
def test_a_key_of_another_form_is_none(change: object) -> None:
    assert callable(change)
    assert not is_own(change(generate()).encode())


def test_what_does_not_begin_like_one_is_not_called_mistyped() -> None:
    assert not is_mistyped(b"sk-0123456789012345678901")
    assert not is_mistyped(b"")
    assert is_mistyped(b"sk-mg-")
