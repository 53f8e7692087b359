"""Which rows of the request log are wanted, and the terms of SQL that say so. SQLite and PostgreSQL understand them
both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from gateway.stores.database import marks

EQUAL = ("kind", "status", "operation", "outcome", "error_kind", "cache_verdict", "stream", "request_id")
"""Members of ``LogQuery`` that are columns, and whose value a row has."""

AMONG = ("provider", "virtual_key", "team", "customer")
"""Likewise; a row has one of their ids."""

RANGES = {
    "since_us": ("started_us", ">="),
    "until_us": ("started_us", "<"),
    "min_us": ("total_us", ">="),
    "max_us": ("total_us", "<="),
    "min_cost": ("cost_nanodollars", ">="),
    "max_cost": ("cost_nanodollars", "<="),
}
"""Member -> column, and how it compares with it."""

NAMED = ("provider", "provider_key", "virtual_key", "team", "customer", "route")
"""Columns whose ids have names that a search looks at."""


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """A word, or several that follow each other."""

    text: str
    """In small letters."""
    excluded: bool = False
    """It must not be there."""
    ids: tuple[int, ...] = ()
    """Of the entities in whose names it is found."""


class LogQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows, newest first (in the order in which they ended). None: no restriction."""

    since_us: int | None = None
    until_us: int | None = None
    provider: tuple[int, ...] | None = None
    model: str | None = None
    """The model as asked or as sent."""
    virtual_key: tuple[int, ...] | None = None
    team: tuple[int, ...] | None = None
    customer: tuple[int, ...] | None = None
    operation: int | None = None
    status: int | None = None
    errors_only: bool = False
    """Only rows with a status of 400 and above, or none."""
    outcome: int | None = None
    error_kind: int | None = None
    cache_verdict: int | None = None
    stream: int | None = None
    min_us: int | None = None
    max_us: int | None = None
    """Of the whole request."""
    min_cost: int | None = None
    max_cost: int | None = None
    """In nano-dollars."""
    search: tuple[Term, ...] = ()
    """All in the row's names, or all in what was said."""
    request_id: bytes | None = None
    kind: int | None = 2
    """``records.Kind``; exchanges unless told otherwise."""
    limit: int = 50
    cursor: str | None = None
    """``LogPage.next`` of the page before."""


class Conditions(NamedTuple):
    """Terms of a WHERE, each a constant, and the values they bind."""

    terms: list[str]
    values: list[Any]


def conditions_of(query: LogQuery) -> Conditions:
    """All but ``search``."""
    equal = ((name, getattr(query, name)) for name in EQUAL)
    among = ((name, getattr(query, name)) for name in AMONG)
    ranges = ((*how, getattr(query, name)) for name, how in RANGES.items())
    found: list[tuple[str, tuple[Any, ...]]] = [
        *((f"{column} = ?", (value,)) for column, value in equal if value is not None),
        *((f"{column} IN {marks(len(ids))}", ids) for column, ids in among if ids is not None),
        *((f"{column} {comparison} ?", (value,)) for column, comparison, value in ranges if value is not None),
    ]
    if query.model is not None:
        found.append(("(target_model = ? OR model = ?)", (query.model, query.model)))
    if query.errors_only:
        found.append(("(status >= 400 OR status = 0)", ()))
    return _joined(found)


def named_conditions(search: tuple[Term, ...]) -> Conditions:
    """Rows in whose names all of ``search`` is found."""
    return _joined([_named(term) for term in search])


def _named(term: Term) -> tuple[str, tuple[Any, ...]]:
    pattern = f"%{_literal(term.text)}%"
    parts: list[tuple[str, tuple[Any, ...]]] = [
        ("lower(model) LIKE ? ESCAPE '!'", (pattern,)),
        ("lower(target_model) LIKE ? ESCAPE '!'", (pattern,)),
    ]
    if term.ids:
        parts += [(f"{column} IN {marks(len(term.ids))}", term.ids) for column in NAMED]
    either = f"({' OR '.join(text for text, _ in parts)})"
    return f"NOT {either}" if term.excluded else either, tuple(value for _, values in parts for value in values)


def _literal(text: str) -> str:
    """Inside a LIKE pattern."""
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def _joined(found: list[tuple[str, tuple[Any, ...]]]) -> Conditions:
    return Conditions([term for term, _ in found], [value for _, values in found for value in values])


def terms_in(text: str) -> Iterator[Term]:
    """What somebody typed: words, ``"words that follow each other"``, and what is not to be there behind a ``-``."""
    quoted, excluded, word = False, False, ""
    # No index has a word with the character 0 in it, and SQLite's takes it for the end of what is looked for.
    for character in f"{text.lower()} ".replace("\0", " "):
        if character == '"':
            if word.strip():
                yield Term(text=" ".join(word.split()), excluded=excluded)
                excluded = False
            quoted, word = not quoted, ""
        elif quoted or not character.isspace():
            if character == "-" and not word and not quoted:
                excluded = True
            else:
                word += character
        elif word:
            yield Term(text=word, excluded=excluded)
            excluded, word = False, ""
        else:
            excluded = False
    if quoted and word.strip():
        yield Term(text=" ".join(word.split()), excluded=excluded)
