"""Counting the tokens of a prompt: the request is that of a generated answer, the answer is a number."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from providers.neutral import Json, Malformed, Request


class Counted(Struct):
    """How many tokens a prompt has."""

    tokens: int
    model: str = ""
    input_tokens: None = None
    """Nothing was used."""


class Counting(Struct):
    """What a caller wants counted."""

    request: Request
    form: str = ""
    """Which of several forms of its dialect the caller wrote."""


def counted(value: Any) -> Counted:
    """Raises Malformed."""
    if type(value) is not int or value < 0:
        raise Malformed("The answer holds no number of tokens.")
    return Counted(value)


def only(body: Json, names: frozenset[str]) -> Json:
    """What counts: a counter refuses members that are for generating alone."""
    return {name: value for name, value in body.items() if name in names}
