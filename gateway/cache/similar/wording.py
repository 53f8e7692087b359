"""What a question's words say beside its quantities: whom they name, what they deny, which way they point."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from functools import lru_cache

from gateway.cache.similar.gazetteer import NAMES
from gateway.cache.similar.lexicon import (
    ASKS,
    MEASURES,
    NEGATIONS,
    NUMBER_WORDS,
    STARTERS,
    STOP,
    UN_WORDS,
    listed,
)
from gateway.cache.similar.opposites import PARTICLES, PHRASAL, SIDES, SWITCHES, SWITCHING
from gateway.cache.similar.tokens import Text

ENDS = frozenset(".?!:;\n-•*\"'“”„(«")
"""Behind one of these a sentence may begin."""
ORDINARY_LETTERS = frozenset("aiuryestdm")
"""Single small letters that are words, or what is left of some."""
FRAMES: dict[str, str] = {
    "to": "to", "into": "to", "→": "to", "from": "from", "than": "than", "over": "over", "minus": "minus", "in": "in",
    "by": "by", "on": "on", "of": "of", "for": "for", "with": "with", "before": "before", "after": "after",
    "under": "under", "against": "against", "through": "through", "via": "through", "as": "as", "divided": "divided",
    "nach": "to", "von": "from", "als": "than", "en": "to", "vers": "to", "de": "of", "a": "", "per": "per",
}  # fmt: skip
"""Words between two others that give them parts: who changes them over asks something else."""
COORDINATORS = listed("and or vs & , / und oder et ou y o e")
"""Words between two others that may change places."""
ARTICLES = frozenset({"a", "an", "the"})
COUNT = zlib.crc32(b"count")
REACH = 3
"""Tokens between a frame's word and the two it stands between."""


@lru_cache(maxsize=8192)
def stem(low: str) -> str:
    """A folded word without the endings of English plurals, verbs and nouns of action; not always a word."""
    if len(low) > 3 and low[-1] == "s" and low[-2] not in "su":
        low = low[:-1]
    for ending in ("ation", "ment", "ing", "ed", "e"):
        if len(low) > len(ending) + 3 and low.endswith(ending):
            return low[: -len(ending)]
    return low


@lru_cache(maxsize=16384)
def word_hash(low: str) -> int:
    """32 bits (CRC-32) that are the same in every process."""
    return zlib.crc32(stem(low).encode("utf-8", "surrogatepass"))


def negations(low: Sequence[str]) -> int:
    """How often something is denied. "or not" denies nothing."""
    count = 0
    for at, word in enumerate(low):
        if word in NEGATIONS or word in UN_WORDS or word.endswith("n't"):
            if word == "not" and at and low[at - 1] == "or":
                continue
            count += 1
    return count


def opposites(low: Sequence[str]) -> frozenset[str]:
    """The sides of opposites that are taken, ``<opposites>.<side>``."""
    found: set[str] = set()
    for at, word in enumerate(low):
        sides = SIDES.get(word)
        if sides:
            found.update(sides)
        if word in SWITCHING or word in PHRASAL:
            for behind in low[at + 1 : at + 1 + REACH]:
                if word in SWITCHING and behind in SWITCHES:
                    found.add(SWITCHES[behind])
                    break
                if word in PHRASAL and behind in PARTICLES:
                    found.add(f"{'direction' if behind in ('up', 'down') else 'switch'}.{behind}")
                    break
    return frozenset(found)


def asks(text: Text) -> str:
    """The kind of question where its word is unmistakable: who, when, where, why, how, how many. Empty for "what",
    "which" and tasks, which can ask for any of these."""
    low = text.low
    for at, word in enumerate(low):
        kind = ASKS.get(word)
        # Elsewhere they are conjunctions: "the day when", "tell me where".
        if kind is None or not (at == 0 or low[at - 1] in ENDS or low[at - 1] in (",", "and", "so", "hi", "hello")):
            continue
        if kind == "how" and at + 1 < len(low) and low[at + 1] in MEASURES:
            if low[at + 1 : at + 3] == ["much", "time"]:
                return "how long"
            return f"how {low[at + 1]}"
        return kind
    return ""


def names(text: Text, nameless: set[int]) -> set[int]:
    """Hashes of what is a name, or may be one: capitals within a sentence, at its beginning where the word is no usual
    one, several in a word, letters with digits, single letters, and names that are often written small. Not the tokens
    in ``nameless``."""
    raw, low = text.raw, text.low
    found: set[int] = set()
    for at, token in enumerate(raw):
        word = low[at]
        first = token[0]
        if not first.isalpha() or at in nameless:
            continue
        if word in NAMES:
            found.add(word_hash(word))
        elif first.isupper():
            begins = at == 0 or raw[at - 1] in ENDS
            if len(token) == 1:
                if word not in ("i", "a"):
                    found.add(word_hash(word))
            elif word not in STOP and "'" not in word and not (begins and word in STARTERS and not token.isupper()):
                found.add(word_hash(word))
        elif len(token) == 1:
            if word not in ORDINARY_LETTERS:
                found.add(word_hash(word))
        elif "'" not in token and not (token.isalpha() and token.islower()):
            found.add(word_hash(word))
    return found


def words(text: Text, dated: set[int]) -> list[int]:
    """Hashes of the words that mean something, in order. Words that stand side by side and may change places ("x and
    y", "x vs y") stand sorted. Not the tokens of dates (``dated``), whose order is a matter of taste."""
    found: list[int] = []
    begin = 0
    joined = alone = False
    for at, word in enumerate(text.low):
        if at in dated:
            continue
        if word in COORDINATORS:
            joined = True
        elif word in STOP and word not in NAMES:
            alone = alone or word not in ARTICLES
        elif word[0].isalnum():
            if not joined or alone:
                begin = len(found)
            found.append(word_hash(word))
            if len(found) - begin > 1:
                found[begin:] = sorted(found[begin:])
            joined = alone = False
        else:
            alone = True
    return found


def sequence(text: Text, measured: set[int]) -> list[int]:
    """Hashes of all words as they stand, but for those of numbers, units and dates (``measured``) and those that deny.
    Words on one side of opposites ("enable", "activate") are one word."""
    found: list[int] = []
    for at, word in enumerate(text.low):
        if at in measured or not word[0].isalnum() or word in NEGATIONS:
            continue
        if word in UN_WORDS:
            word = word[2:]
        sides = SIDES.get(word)
        found.append(zlib.crc32(sides[0].encode()) if sides and len(sides) == 1 else word_hash(word))
    return found


def frames(text: Text) -> set[tuple[int, int, int]]:
    """(word between, word before, word behind) where the order makes the sense."""
    low = text.low
    found: set[tuple[int, int, int]] = set()
    for at, word in enumerate(low):
        frame = FRAMES.get(word)
        if not frame or not at:
            continue
        before = _meaning(low, range(at - 1, max(-1, at - 1 - REACH), -1))
        behind = _meaning(low, range(at + 1, min(len(low), at + 1 + REACH)))
        if not before or not behind or before == behind:
            continue
        if frame == "from":
            frame, before, behind = "to", behind, before
        found.add((zlib.crc32(frame.encode()), word_hash(before), word_hash(behind)))
    return found


def counts(counted: Iterable[tuple[str, str]]) -> set[tuple[int, int, int]]:
    """Numbers and what they count, among the frames."""
    return {(COUNT, zlib.crc32(value.encode()), word_hash(noun)) for value, noun in counted}


def _meaning(low: Sequence[str], places: range) -> str:
    for place in places:
        word = low[place]
        if word in ENDS:
            return ""
        if word[0].isalnum() and (word not in STOP or word in NUMBER_WORDS):
            return word
    return ""
