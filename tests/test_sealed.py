"""Sealed ids: the same for the same object, and nothing to anybody else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sealed import MOST, SHAPE, VIRTUAL_KEY, Seal, seal_of

PEPPER = bytes(range(32))
SEAL = Seal(PEPPER)
OWNER, KEY = 0x1234567890ABCDEF, 2**64 - 1
IDS = [
    "file-6F2ksmvXxt4VdoqmHRw6kL",
    "file-abc",
    "batch_abc123",
    "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b",
    "msgbatch_013Zva2CMHLNnXjNJJKqJ2EF",
    "497f6eca-6276-4993-bfeb-53cbbbba6f08",
    "files/abc-123",
    "cachedContents/4v9ss8ffjxy",
    "x",
    "ä_ö",
    "a" * MOST,
]


@pytest.mark.parametrize("name", IDS)
def test_an_id_opens_for_its_owner_and_keeps_its_prefix(name: str) -> None:
    sealed = SEAL.seal(OWNER, KEY, name)
    assert SHAPE.fullmatch(sealed)
    assert SEAL.open(OWNER, sealed) == (KEY, name)
    prefix = re.match(r"[A-Za-z]{1,24}[-_/]|", name)
    assert prefix is not None
    assert sealed.startswith(prefix[0] + "mg")
    assert name not in sealed or len(name) < 3


def test_the_same_object_has_the_same_id_at_any_worker_and_after_a_restart() -> None:
    assert Seal(PEPPER).seal(OWNER, KEY, "file-abc") == SEAL.seal(OWNER, KEY, "file-abc")
    assert SEAL.seal(OWNER, KEY, "file-abc") != SEAL.seal(OWNER, KEY - 1, "file-abc")
    assert seal_of(PEPPER) is seal_of(PEPPER)


def test_an_id_opens_for_nobody_else() -> None:
    sealed = SEAL.seal(OWNER, KEY, "file-abc")
    assert SEAL.open(OWNER + 1, sealed) is None
    assert SEAL.open(OWNER, sealed, b"team") is None
    assert Seal(PEPPER[::-1]).open(OWNER, sealed) is None
    assert SEAL.open(OWNER, SEAL.seal(OWNER, KEY, "file-abc", b"team"), b"team") == (KEY, "file-abc")


def test_another_prefix_is_another_id() -> None:
    sealed = SEAL.seal(OWNER, KEY, "file-abc")
    assert SEAL.open(OWNER, sealed.replace("file-", "batch_")) is None
    assert SEAL.open(OWNER, sealed.replace("file-", "")) is None


def test_every_digit_counts_in_one_spelling() -> None:
    sealed = SEAL.seal(OWNER, KEY, "file-abc")
    for at in range(len("file-mg"), len(sealed)):
        other = "0" if sealed[at] != "0" else "1"
        assert SEAL.open(OWNER, sealed[:at] + other + sealed[at + 1 :]) is None
    assert SEAL.open(OWNER, sealed.upper()) is None
    assert SEAL.open(OWNER, sealed[:7] + sealed[7:].upper()) is None
    assert all(SEAL.open(OWNER, sealed[:end]) is None for end in range(len(sealed)))
    assert SEAL.open(OWNER, sealed + "00") is None
    assert SEAL.open(OWNER, sealed + "\n") is None


def test_what_is_sealed_for_its_owner_is_not_sealed_again() -> None:
    sealed = SEAL.seal(OWNER, KEY, "file-abc")
    assert SEAL.seal(OWNER, 5, sealed) == sealed
    assert SEAL.seal(OWNER + 1, 5, sealed) != sealed
    assert SEAL.seal(OWNER, KEY, "a" * (MOST + 1)) == "a" * (MOST + 1)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.text(st.characters(codec="utf-8"), max_size=200))
def test_any_id_comes_back(owner: int, key: int, name: str) -> None:
    assert SEAL.open(owner, SEAL.seal(owner, key, name)) == (key, name)


@given(st.text(max_size=100) | st.from_regex(SHAPE, fullmatch=True))
def test_no_text_opens_by_chance(text: str) -> None:
    assert SEAL.open(OWNER, text) is None


def test_owners_are_virtual_keys_unless_said() -> None:
    assert SEAL.seal(OWNER, KEY, "file-abc") == SEAL.seal(OWNER, KEY, "file-abc", VIRTUAL_KEY)
