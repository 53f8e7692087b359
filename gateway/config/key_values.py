"""By what a virtual key is known: its value or its hash, each of one key only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway.config.levels import VirtualKeyEntry
from gateway.config.names import RowId
from gateway.config.problems import Path, Problem
from gateway.snapshot.digest import hash_of, sha256_in

MIN_CHARACTERS = 8
GOOD_CHARACTERS = 20
"""Shorter ones are warned of: 128 random bits need 22 characters of base64."""


class Values:
    """Whose value is whose. Values are told apart by their hashes only where some key is known by its hash alone:
    hashing a hundred thousand takes a tenth of a second."""

    def __init__(self, entries: Iterable[VirtualKeyEntry]) -> None:
        self._hashed = any(entry.hash is not None for entry in entries)
        self._owners: dict[str, str] = {}

    def owner(self, value: str, hashed: bool, name: str) -> str:
        """The one whose value this was already, else ``name``."""
        if self._hashed:
            value = value.lower() if hashed else hash_of(value.encode())
        return self._owners.setdefault(value, name)


def judge(entry: VirtualKeyEntry, values: Values, path: Path) -> Iterator[Problem]:
    """What is wrong or doubtful with the value or the hash of the virtual key at ``path``."""
    if isinstance(entry.id, RowId):
        # Its digest is all that is known, and was judged when it was made.
        return
    field, secret = ("value", entry.value) if entry.value is not None else ("hash", entry.hash)
    if secret is None:
        yield Problem(path, "value is missing", "`microgate keys generate` makes one; or give its hash")
        return
    if entry.value is not None and entry.hash is not None:
        yield Problem((*path, "hash"), "is not looked at beside a value", "leave one of the two out")
    path = (*path, field)
    value = secret.reveal()
    owner = values.owner(value, field == "hash", entry.name)
    if owner != entry.name:
        yield Problem(path, f"is the same as that of {owner}", "a key belongs to one caller")
    if field == "hash":
        try:
            sha256_in(value)
        except ValueError as error:
            yield Problem(path, str(error), "`microgate keys hash` prints the hash of a key")
    elif len(value) < GOOD_CHARACTERS or " " in value:
        yield from _value(value, path)


def _value(value: str, path: Path) -> Iterator[Problem]:
    if len(value) < MIN_CHARACTERS:
        yield Problem(path, f"must have at least {MIN_CHARACTERS} characters")
    elif " " in value:
        yield Problem(path, "must not contain a space")
    elif len(value) < GOOD_CHARACTERS:
        yield Problem(path, "is short enough to be guessed", "`microgate keys generate` makes a good one", warning=True)
