"""How the sections of a configuration file name things."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

from msgspec import Meta

from gateway.config.problems import Path, Problem

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$"
"""No slash: it separates a provider from its model. No space: names stand in headers, metrics and paths."""

Name = Annotated[str, Meta(pattern=NAME_PATTERN)]


class RowId(str):
    """Stable id of an entity of the database, as an entry has it: used as it stands. The file's ids are made of names
    (``file:virtual_key/alice``)."""

    __slots__ = ()

    allow_private = False
    """Whether a provider may lie in a private network."""


class PrivateRowId(RowId):
    """Of a provider of which an admin has confirmed that it may."""

    __slots__ = ()

    allow_private = True


HeaderName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$")]
ModelName = Annotated[str, Meta(min_length=1, max_length=256)]


def misplaced_stars(patterns: Iterable[str], path: Path) -> Iterator[Problem]:
    """Of names that may end with a ``*`` those that have one elsewhere."""
    for i, pattern in enumerate(patterns):
        if "*" in pattern[:-1]:
            yield Problem((*path, i), "a * can only stand at the end")
