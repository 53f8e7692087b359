"""The place of a text where something was found, as the list of the request log shows it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from gateway.stores.log_query import Term

BEFORE = 60
AFTER = 160
"""Characters around the first hit."""

_LETTERS = re.compile(r"\w+")


def snippet(text: str, search: Sequence[Term]) -> list[tuple[str, bool]]:
    """(part, whether it is one of the words searched), in their order; empty: none of them is in it."""
    wanted = [_LETTERS.findall(_plain(term.text)) for term in search if not term.excluded]
    patterns = [r"\W{1,4}".join(map(re.escape, words)) for words in wanted if words]
    if not patterns:
        return []
    hits = re.compile(rf"(?<!\w)(?:{'|'.join(patterns)})(?!\w)", re.IGNORECASE)
    plain = _plain(text)
    first = hits.search(plain)
    if first is None:
        return []
    start, end = max(0, first.start() - BEFORE), first.end() + AFTER
    part = text[start:end]
    found: list[tuple[str, bool]] = [("…", False)] if start else []
    at = 0
    for hit in hits.finditer(plain[start:end]):
        found += [(part[at : hit.start()], False), (part[hit.start() : hit.end()], True)]
        at = hit.end()
    found += [(part[at:], False), ("…" if end < len(text) else "", False)]
    return [each for each in found if each[0]]


def _plain(text: str) -> str:
    """Without accents, as the index of words has it; each character is where it was."""
    if text.isascii():
        return text
    return "".join(each if each.isascii() else unicodedata.normalize("NFD", each)[0] for each in text)
