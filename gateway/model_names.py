"""Names of models: patterns that they match, names that are near them, and how they stand in a header field."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from urllib.parse import quote


def matches(patterns: tuple[str, ...], name: str) -> bool:
    """Whether ``name`` equals one of ``patterns`` or matches one that ends in ``*``."""
    return any(
        name == pattern or (pattern.endswith("*") and name.startswith(pattern[:-1]))
        if pattern.count("*") <= 1
        else fnmatch.fnmatchcase(name, pattern)
        for pattern in patterns
    )


def header_safe(value: str) -> bytes:
    """``value`` as a header field value: everything outside visible ASCII is percent-encoded (RFC 9110 5.5)."""
    return quote(value, safe="!#$&'()*+,/:;=?@[]~-._ {}|^`<>\"").encode()[:256]


def near(model: str, routes: Iterable[str], bare: Mapping[str, list[str]], providers: Iterable[str]) -> list[str]:
    """At most five names that an unknown ``model`` was probably meant to be: its own behind the providers that declare
    it, then similar ones; failing both, the beginnings that names can have. ``bare``: model -> its providers."""
    import difflib

    owners = [f"{name}/{model}" for name in bare.get(model, ())]
    known = [*routes, *(f"{name}/{m}" for m, names in bare.items() for name in names)]
    similar = difflib.get_close_matches(model, known, n=3)
    return list(dict.fromkeys([*owners, *similar]))[:5] or [f"{name}/…" for name in list(providers)[:5]]
