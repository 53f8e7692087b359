"""A question's text as the guard reads it: what is taken word for word (code, quotes, addresses), then tokens."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from gateway.cache.similar.lexicon import ALIASES

CODE = re.compile(r"```[^\n`]*\n?(.*?)(?:```|\Z)|`([^`\n]+)`", re.DOTALL)

QUOTED = re.compile(
    r'"([^"\n]{1,400})"|“([^“”]{1,400})”|„([^„“”]{1,400})[“”]|«([^«»]{1,400})»'
    r"|「([^「」]{1,400})」|『([^『』]{1,400})』|(?<![\w'])'(?=\S)([^'\n]{1,400})(?<=\S)'(?![\w'])"
)

PLACE = re.compile(
    r"(?<![\w+.\-])[A-Za-z][A-Za-z0-9+.\-]*://[^\s<>\"'`]+"  # addresses
    r"|(?<![\w.+\-])[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+"  # e-mail
    r"|(?<![\w/.~])(?:~|\.{1,2})?/[\w.\-]+(?:/[\w.\-]*)*"  # paths
    r"|(?<!\w)[A-Za-z]:\\[^\s\"]+"
    r"|(?<![\w\-])--?[a-zA-Z][\w\-]*"  # command-line options
    r"|(?<!\w)[$@#][A-Za-z_]\w*"  # variables, handles, tags
    r"|(?<!\w)[A-Za-z_]\w*(?:(?:::|->)\w+)+(?:\(\))?"
    r"|(?<!\w)[A-Za-z_]\w*(?:\.(?=\d*[A-Za-z_])\w{2,})+(?:\(\))?"  # dotted names, files, domains
    r"|(?<!\w)[A-Za-z_]\w*\(\)"
    r"|(?<![\w.])\.[A-Za-z]\w{1,8}\b"  # suffixes, .NET
    r"|(?<!\w)[A-Za-z][A-Za-z0-9]*_\w+|(?<!\w)_\w+"  # snake_case
)

ARITHMETIC = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}"  # a date
    r"|(?:(?<=[\d)\]])|(?<=\b[A-Za-z]))\s?([<>=!]=|\*\*|<<|>>|[+*/^=<>≤≥≠÷\-])\s?(?=[\d(\[]|[A-Za-z]\b|[\-.]\d)"
)

TOKEN = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}(?!\d)"
    r"|(?:(?<![\w)\]])-)?\d+(?:[.,:/]\d+)*"  # the sign of a number, no dash between two things
    r"|[^\W\d_]+\d\w*"  # mp3, h264
    r"|[A-Za-z](?:\+\+|#)"  # C++, C#
    r"|[^\W\d_]+(?:'[^\W\d_]+)?"
    r"|[^\w\s]"
)

SIGNS = {
    0x2018: "'", 0x2019: "'", 0x02BC: "'", 0x201B: "'", 0x2039: "«", 0x203A: "»",
    0x2010: "-", 0x2011: "-", 0x2012: "-", 0x2013: "-", 0x2014: "-", 0x2212: "-", 0x00D7: "*",
}  # fmt: skip
"""Apostrophes, quotes, dashes and signs of arithmetic that have another spelling."""

LIKELY_CODE = frozenset("`")
LIKELY_QUOTES = frozenset("\"'“„«「『")
LIKELY_PLACES = frozenset("/@.\\-$#:(_>")
LIKELY_ARITHMETIC = frozenset("+*/^=<>≤≥≠÷-")

MAX_TOKENS = 500
"""A token costs about 3 us. What follows is compared word for word, like code."""


class Text(NamedTuple):
    """A text, read once."""

    raw: list[str]
    """Tokens in order: numbers, words, single signs."""
    low: list[str]
    """The same, folded: case, possessive, spellings that mean the same."""
    code: tuple[str, ...]
    quotes: tuple[str, ...]
    places: tuple[str, ...]
    """Addresses, e-mail, files, identifiers, options; folded."""
    operators: tuple[str, ...]


@lru_cache(maxsize=8192)
def fold(token: str) -> str:
    """One token's case, possessive and spelling taken away."""
    low = token.casefold()
    if low.endswith(("'s", "s'")):
        low = low[:-2] if low.endswith("'s") else low[:-1]
    return ALIASES.get(low, low)


def plain(text: str) -> str:
    """Compatible forms brought together (full-width, ligatures; Unicode NFKC), digits of every script as ASCII, one
    spelling for each of SIGNS."""
    text = unicodedata.normalize("NFKC", text).translate(SIGNS)
    return "".join(str(unicodedata.decimal(char)) if char.isdecimal() and char > "9" else char for char in text)


def read(text: str) -> Text:
    """Takes tens of microseconds for an ordinary question; time grows linearly with the text."""
    if not text.isascii():
        text = plain(text)
    chars = set(text)
    code: list[str] = []
    quotes: list[str] = []
    places: list[str] = []
    operators: list[str] = []

    def take(into: list[str], found: re.Match[str]) -> str:
        into.append(" ".join((next((group for group in found.groups() if group), "") or found[0]).split()))
        return " ; "

    if not chars.isdisjoint(LIKELY_CODE):
        text = CODE.sub(lambda found: take(code, found), text)
    if not chars.isdisjoint(LIKELY_QUOTES):
        text = QUOTED.sub(lambda found: take(quotes, found), text)
    if not chars.isdisjoint(LIKELY_PLACES):
        text = PLACE.sub(lambda found: take(places, found), text)
        places = [place.rstrip(".-?!,;)").casefold() for place in places]
    if not chars.isdisjoint(LIKELY_ARITHMETIC):
        operators = [sign for sign in ARITHMETIC.findall(text) if sign]
    raw = TOKEN.findall(text)
    low = [fold(token) for token in raw[:MAX_TOKENS]]
    if "A" in raw:
        # "plan A", "is A before B": no article.
        low = [
            token if token == "A" and at and raw[at - 1].isalnum() else word
            for at, (token, word) in enumerate(zip(raw, low, strict=False))
        ]
    if len(raw) > MAX_TOKENS:
        code.append(" ".join(raw[MAX_TOKENS:]))
    return Text(raw[:MAX_TOKENS], low, tuple(code), tuple(quotes), tuple(places), tuple(operators))
