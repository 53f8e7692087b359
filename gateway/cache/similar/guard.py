"""Whether two questions agree in what vectors do not see: numbers, negation, units, dates, names, quotes, code.

Embeddings of "5 km" and "6 km", or of "enable" and "disable", are nearly equal. What decides the answer there can be
read from the text. The guard only ever forbids: questions that agree may still be different ones. In doubt it forbids,
which costs a call and no wrong answer.

Numbers, dates and quotes are read in any language with spaces between its words, negation in English, German, French,
Spanish, Italian, Portuguese and Dutch, the rest in English.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple, TypeAlias

from gateway.cache.similar import wording
from gateway.cache.similar.dates import dates
from gateway.cache.similar.quantities import quantities
from gateway.cache.similar.tokens import read

VERSION = 1
"""Of what is read from a text and how it is kept. Any change of the word lists or of the reading is another version:
features of different ones are not comparable."""

HEAD = struct.Struct("<BBHHHHHHHHH")
"""Version, negations; lengths in bytes of numbers, units, dates, question, literals and opposites; how many words,
words in all, and names. Frames are what is left behind them."""


REPLACED = 2
"""Words that stand for others in an otherwise equal text."""
UNCHANGED = 3
"""Words that make a text an otherwise equal one."""


class BadFeatures(ValueError):
    """Bytes that are no features, or of another version."""


Frame: TypeAlias = tuple[int, int, int]


class Features(NamedTuple):
    """What the guard compares. A few hundred bytes for an ordinary question."""

    negations: int
    """How often something is denied, 255 at most."""
    numbers: str
    units: str
    dates: str
    asks: str
    literal: bytes
    """BLAKE2b-64 of each: quotes, code, places and identifiers, operators; empty where there is none at all."""
    opposites: frozenset[str]
    words: tuple[int, ...]
    sequence: tuple[int, ...]
    """All words but those of numbers, units and dates; ``words`` are those that mean something."""
    names: frozenset[int]
    frames: frozenset[Frame]

    def code(self) -> bytes:
        """Digest of all code; zeros where there is none."""
        return self.literal[8:16] or bytes(8)

    def to_bytes(self) -> bytes:
        """Little-endian on every machine, begins with VERSION."""
        texts = [text.encode("utf-8", "surrogatepass") for text in (self.numbers, self.units, self.dates, self.asks)]
        texts.append(self.literal)
        texts.append(" ".join(sorted(self.opposites)).encode())
        words = _packed((*self.words, *self.sequence))
        names = _packed(sorted(self.names))
        frames = _packed([word for frame in sorted(self.frames) for word in frame])
        head = HEAD.pack(
            VERSION,
            self.negations,
            *(len(text) for text in texts),
            len(self.words),
            len(self.sequence),
            len(self.names),
        )
        return b"".join((head, *texts, words, names, frames))

    @classmethod
    def from_bytes(cls, data: bytes) -> Features:
        """Raises BadFeatures."""
        try:
            version, negations, *lengths = HEAD.unpack_from(data)
            if version != VERSION:
                raise BadFeatures(f"features of version {version}, not {VERSION}")
            at = HEAD.size
            parts: list[bytes] = []
            for length in (*lengths[:6], 4 * lengths[6], 4 * lengths[7], 4 * lengths[8]):
                parts.append(data[at : at + length])
                at += length
            if at > len(data) or (len(data) - at) % 12:
                raise BadFeatures("features cut short")
            numbers, units, days, asks = (part.decode("utf-8", "surrogatepass") for part in parts[:4])
            frames = iter(_words(data[at:]))
            return cls(
                negations,
                numbers,
                units,
                days,
                asks,
                parts[4],
                frozenset(parts[5].decode().split()),
                tuple(_words(parts[6])),
                tuple(_words(parts[7])),
                frozenset(_words(parts[8])),
                frozenset(zip(frames, frames, frames, strict=True)),
            )
        except (struct.error, UnicodeDecodeError) as error:
            raise BadFeatures(str(error)) from error


def _packed(words: Sequence[int]) -> bytes:
    found = array("I", words)
    if sys.byteorder == "big":
        found.byteswap()
    return found.tobytes()


def _words(data: bytes) -> array[int]:
    found = array("I")
    found.frombytes(data)
    if sys.byteorder == "big":
        found.byteswap()
    return found


def _digest(parts: tuple[str, ...], ordered: bool) -> bytes:
    if not parts:
        return bytes(8)
    listed = parts if ordered else sorted(parts)
    return blake2b("\x00".join(listed).encode("utf-8", "surrogatepass"), digest_size=8).digest()


def features(text: str) -> Features:
    """Reads a question. Never raises; takes time in proportion to its length, about 50 us for a sentence."""
    found = read(text)
    days, taken = dates(found)
    counts = quantities(found, taken)
    literal = b"".join(
        (
            _digest(found.quotes, ordered=False),
            _digest(found.code, ordered=True),
            _digest(found.places, ordered=False),
            _digest(found.operators, ordered=True),
        )
    )
    return Features(
        min(wording.negations(found.low), 255),
        counts.numbers,
        counts.units,
        days,
        wording.asks(found),
        literal if any(literal) else b"",
        wording.opposites(found.low),
        tuple(wording.words(found, taken)),
        tuple(wording.sequence(found, taken | counts.spelt)),
        frozenset(wording.names(found, taken | counts.spelt)),
        frozenset((*wording.frames(found), *wording.counts(counts.counted))),
    )


def _literal(a: bytes, b: bytes) -> str:
    for at, kind in enumerate(("quotes", "code", "identifiers", "operators")):
        if a[at * 8 : at * 8 + 8].ljust(8, b"\x00") != b[at * 8 : at * 8 + 8].ljust(8, b"\x00"):
            return kind
    return ""


def _sides(a: frozenset[str], b: frozenset[str]) -> bool:
    """Whether they take different sides of opposites that are in both."""
    if a == b or not a or not b:
        return False
    for side in a ^ b:
        opposed = side.partition(".")[0] + "."
        mine = {other for other in a if other.startswith(opposed)}
        theirs = {other for other in b if other.startswith(opposed)}
        if mine and theirs and mine != theirs:
            return True
    return False


def _counted_otherwise(a: frozenset[Frame], b: frozenset[Frame]) -> bool:
    """Whether something is counted in both, by different numbers."""
    mine, theirs = a - b, b - a
    nouns = {noun for frame, _, noun in mine if frame == wording.COUNT}
    return any(frame == wording.COUNT and noun in nouns for frame, _, noun in theirs)


def _swapped(a: Features, b: Features) -> bool:
    """Whether the same words have changed parts."""
    if a.frames != b.frames:
        for one, other in ((a.frames, b.frames), (b.frames, a.frames)):
            if any(turned in other and turned not in one for turned in ((f, b, a) for f, a, b in one)):
                return True
        if _counted_otherwise(a.frames, b.frames):
            return True
    if a.words != b.words and len(a.words) == len(b.words) and sorted(a.words) == sorted(b.words):
        moved = {word for pair in zip(a.words, b.words, strict=True) if pair[0] != pair[1] for word in pair}
        if len(moved) == 2 and any(moved == {before, behind} for _, before, behind in a.frames & b.frames):
            return False  # "to x from y", "from y to x"
        # "In Python, how do I sort a list" begins elsewhere, and goes round.
        twice = a.words + a.words
        size = len(b.words)
        return all(twice[begin : begin + size] != b.words for begin in range(size))
    return False


def _substituted(a: Features, b: Features) -> bool:
    """Whether one is the other with a word or two in place of others, which are mostly something else, and may be names
    that no capital shows: "capital of chad", "capital of mali"."""
    mine, theirs = a.sequence, b.sequence
    begin = 0
    least = min(len(mine), len(theirs))
    while begin < least and mine[begin] == theirs[begin]:
        begin += 1
    end = 0
    while end < least - begin and mine[-1 - end] == theirs[-1 - end]:
        end += 1
    here, there = mine[begin : len(mine) - end], theirs[begin : len(theirs) - end]
    if not 0 < len(here) <= REPLACED or not 0 < len(there) <= REPLACED or begin + end < UNCHANGED:
        return False
    return not set(a.words).isdisjoint(here) and not set(b.words).isdisjoint(there)


def agree(a: Features, b: Features) -> str:
    """Empty where nothing speaks against one answer for both, else what does: ``numbers``, ``units``, ``dates``,
    ``negation``, ``quotes``, ``code``, ``identifiers``, ``operators``, ``opposites``, ``names``, ``question``,
    ``order`` or ``word``, the first of them that differs.

    Reflexive and symmetric. A few microseconds.
    """
    if a == b:
        return ""
    if a.numbers != b.numbers:
        return "numbers"
    if a.units != b.units:
        return "units"
    if a.dates != b.dates:
        return "dates"
    if a.negations != b.negations:
        return "negation"
    if a.literal != b.literal and (kind := _literal(a.literal, b.literal)):
        return kind
    if _sides(a.opposites, b.opposites):
        return "opposites"
    # One may write a name small.
    if a.names != b.names and not (a.names.issubset(b.words) and b.names.issubset(a.words)):
        return "names"
    if a.asks != b.asks and a.asks and b.asks:
        return "question"
    if _swapped(a, b):
        return "order"
    return "word" if _substituted(a, b) else ""


def evidence(a: Features, b: Features, cosine: float) -> float:
    """What verified mode takes for similarity: the cosine, lowered by up to 0.4 of it as the questions share fewer of
    their words of meaning (Jaccard's index). At an equal cosine, questions in the same words are more often the same:
    so twice as many of the question pairs of bench/RESULTS.md are answered at the same share of wrong hits."""
    mine, theirs = set(a.words), set(b.words)
    both = len(mine & theirs)
    either = len(mine) + len(theirs) - both
    return cosine * (0.6 + 0.4 * (both / either if either else 1.0))
