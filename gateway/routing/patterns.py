"""Regular expressions that take time in proportion to the text, whoever wrote it.

The syntax is the part of RE2's that is free of options and captures; whether a text has a match is all that can be
asked. Python's ``re`` goes back and tries again, so that a caller's header of a few KB could hold up a worker for
seconds (``a*b`` alone is quadratic in a search). Here a pattern becomes Glushkov's automaton: each place in the pattern
where a character stands is a bit, a set of places is one integer, and sets that texts have led to are remembered with
what followed them. One character is one look-up, or for a set that is new one step over its bits (at most 256).
"""

from __future__ import annotations

from dataclasses import dataclass

MOST_PLACES = 256
"""Characters of a pattern, those of repeated parts as often as they may stand."""
DEEPEST = 32
MOST_REMEMBERED = 4096
"""Steps kept; then all are forgotten, lest callers' texts fill the memory."""

_UNICODE_END = 0x10FFFF
_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_CONTROLS = {"t": 9, "n": 10, "r": 13, "f": 12, "v": 11, "a": 7}

Ranges = tuple[tuple[int, int], ...]

_CLASSES: dict[str, Ranges] = {
    "d": ((48, 57),),
    "w": ((48, 57), (65, 90), (95, 95), (97, 122)),
    "s": ((9, 10), (12, 13), (32, 32)),
}
_ANY: Ranges = ((0, 9), (11, _UNICODE_END))
"""Everything but the end of a line."""


class PatternError(ValueError):
    """A pattern that is none, or not of the part of RE2's syntax that is known here."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(f"no pattern: {message} (character {at + 1} of it)")


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a pattern: a character (``ranges``), or others in a row, as alternatives, or repeated."""

    kind: str
    places: int
    ranges: Ranges = ()
    parts: tuple[_Part, ...] = ()
    least: int = 0
    most: int | None = None


def pattern_of(source: str) -> Pattern:
    """``source`` compiled. Raises PatternError."""
    return Pattern(_Reader(source).branches())


class _Reader:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.depth = 0

    def branches(self) -> list[tuple[bool, _Part, bool]]:
        """The alternatives of the whole pattern: from the text's beginning, what, up to its end."""
        found = [self.branch()]
        while self.accept("|"):
            found.append(self.branch())
        if self.at < len(self.pattern):
            raise PatternError("a ) without its (", self.at)
        if sum(part.places for _, part, _ in found) > MOST_PLACES:
            raise PatternError(f"it stands for more than {MOST_PLACES} characters in a row", 0)
        return found

    def branch(self) -> tuple[bool, _Part, bool]:
        begins = self.accept("^")
        part = self.row()
        ends = self.accept("$")
        if self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            raise PatternError("$ stands at the end of a pattern, or before a | outside of groups", self.at - 1)
        return begins, part, ends

    def accept(self, character: str) -> bool:
        if self.pattern.startswith(character, self.at):
            self.at += len(character)
            return True
        return False

    def row(self) -> _Part:
        parts: list[_Part] = []
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)$":
            parts.append(self.repeated(self.one()))
            if sum(part.places for part in parts) > MOST_PLACES:
                raise PatternError(f"it stands for more than {MOST_PLACES} characters in a row", self.at)
        # Nothing counts as one: repeating it is work as well.
        return _Part("row", max(1, sum(part.places for part in parts)), parts=tuple(parts))

    def one(self) -> _Part:
        at = self.at
        self.at += 1
        character = self.pattern[at]
        if character == "(":
            return self.group(at)
        if character == "[":
            return _Part("character", 1, self.listed(at))
        if character == ".":
            return _Part("character", 1, _ANY)
        if character == "\\":
            return _Part("character", 1, self.escaped(at))
        if character == "^":
            raise PatternError("^ stands at the beginning of a pattern, or behind a | outside of groups", at)
        if character in "*+?{":
            raise PatternError(f"{character} without anything to repeat; the character itself is \\{character}", at)
        return _Part("character", 1, ((ord(character), ord(character)),))

    def group(self, at: int) -> _Part:
        if self.accept("?") and not self.accept(":"):
            raise PatternError("of groups there are ( and (?: only; for either case use lowerAscii()", at)
        self.depth += 1
        if self.depth > DEEPEST:
            raise PatternError(f"groups are nested more than {DEEPEST} deep", at)
        parts = [self.row()]
        while self.accept("|"):
            parts.append(self.row())
        if self.accept("$"):
            raise PatternError("$ stands at the end of a pattern, or before a | outside of groups", self.at - 1)
        if not self.accept(")"):
            raise PatternError("a ( without its )", at)
        self.depth -= 1
        return _Part("either", sum(part.places for part in parts), parts=tuple(parts))

    def repeated(self, part: _Part) -> _Part:
        at = self.at
        if self.accept("*"):
            least, most = 0, None
        elif self.accept("+"):
            least, most = 1, None
        elif self.accept("?"):
            least, most = 0, 1
        elif self.accept("{"):
            least, most = self.bounds(at)
        else:
            return part
        self.accept("?")  # a preference between matches, which changes nothing of whether there is one
        if self.at < len(self.pattern) and self.pattern[self.at] in "*+?{":
            raise PatternError("repeated twice: put the inner part into ( )", self.at)
        places = part.places * max(least, most or 1, 1)
        if places > MOST_PLACES:
            raise PatternError(f"it stands for more than {MOST_PLACES} characters in a row", at)
        return _Part("repeated", places, parts=(part,), least=least, most=most)

    def bounds(self, at: int) -> tuple[int, int | None]:
        close = self.pattern.find("}", at)
        low, comma, high = self.pattern[at + 1 : max(close, at)].partition(",")
        numbers = [low, high] if high else [low]
        if close < 0 or not all(number.isascii() and number.isdigit() and len(number) < 5 for number in numbers):
            raise PatternError("{ begins a repetition like {2}, {2,} or {2,5}; the character itself is \\{", at)
        self.at = close + 1
        least = int(low)
        most = int(high) if high else None if comma else least
        if max(least, most or 0) > MOST_PLACES or (most is not None and most < least):
            raise PatternError(f"a repetition counts from least to most, and to {MOST_PLACES} only", at)
        return least, most

    def escaped(self, at: int) -> Ranges:
        """What the escape at ``at`` stands for; the backslash has been read."""
        if self.at == len(self.pattern):
            raise PatternError("a \\ at the end", at)
        character = self.pattern[self.at]
        self.at += 1
        if character.lower() in _CLASSES:
            ranges = _CLASSES[character.lower()]
            return ranges if character.islower() else _others(ranges)
        if character in _CONTROLS:
            return ((_CONTROLS[character], _CONTROLS[character]),)
        if character in _PUNCTUATION:
            return ((ord(character), ord(character)),)
        if character == "x":
            digits = self.pattern[self.at : self.at + 2]
            if len(digits) == 2 and all(digit in "0123456789abcdefABCDEF" for digit in digits):
                self.at += 2
                return ((int(digits, 16), int(digits, 16)),)
        raise PatternError(f"\\{character} is not known here", at)

    def listed(self, at: int) -> Ranges:
        """The characters of a class in brackets; the first bracket has been read."""
        without = self.accept("^")
        ranges: list[tuple[int, int]] = []
        first = True
        while first or not self.accept("]"):
            first = False
            low = self.member(at)
            if len(low) == 1 and low[0][0] == low[0][1] and self.dash():
                high = self.member(at)
                if len(high) != 1 or high[0][0] != high[0][1] or high[0][0] < low[0][0]:
                    raise PatternError("a range in [ ] goes from one character to a later one", at)
                low = ((low[0][0], high[0][0]),)
            ranges += low
        return _others(tuple(ranges)) if without else tuple(ranges)

    def dash(self) -> bool:
        return (
            self.pattern[self.at : self.at + 1] == "-"
            and self.pattern[self.at + 1 : self.at + 2] != "]"
            and (self.accept("-"))
        )

    def member(self, at: int) -> Ranges:
        if self.at >= len(self.pattern):
            raise PatternError("a [ without its ]", at)
        if self.pattern.startswith("[:", self.at):
            raise PatternError("named classes are not known here: write [a-z] or \\w", self.at)
        if self.accept("\\"):
            return self.escaped(self.at - 1)
        self.at += 1
        code = ord(self.pattern[self.at - 1])
        return ((code, code),)


def _others(ranges: Ranges) -> Ranges:
    """All characters but those in ``ranges``."""
    found, start = [], 0
    for low, high in sorted(ranges):
        if start < low:
            found.append((start, low - 1))
        start = max(start, high + 1)
    if start <= _UNICODE_END:
        found.append((start, _UNICODE_END))
    return tuple(found)


class _Places(dict[str, "_Places"]):
    """A set of places that a text has led to; what follows it by the next character is made when it is asked for."""

    __slots__ = ("automaton", "bits", "found", "found_at_end", "next_bits", "over")

    def __init__(self, automaton: Pattern, bits: int, begin: bool) -> None:
        self.automaton = automaton
        self.bits = bits
        self.next_bits = automaton.from_anywhere | (automaton.from_begin if begin else 0)
        left = bits
        while left:
            lowest = left & -left
            self.next_bits |= automaton.follow[lowest.bit_length() - 1]
            left ^= lowest
        self.found = bool(bits & automaton.last) or automaton.always
        self.found_at_end = self.found or bool(bits & automaton.last_at_end) or (begin and automaton.empty_only)
        self.over = self.found or not self.next_bits
        """The rest of the text changes nothing."""

    def __missing__(self, character: str) -> _Places:
        return self.automaton.step(self, character)


class Pattern:
    """A compiled pattern."""

    def __init__(self, branches: list[tuple[bool, _Part, bool]]) -> None:
        self.sets: list[Ranges] = []
        self.follow: list[int] = []
        self.from_anywhere = self.from_begin = self.last = self.last_at_end = 0
        self.always = self.empty_only = False
        for begins, part, ends in branches:
            empty, first, last = self.place(part)
            if begins:
                self.from_begin |= first
            else:
                self.from_anywhere |= first
            if ends:
                self.last_at_end |= last
            else:
                self.last |= last
            if empty:
                # Without both anchors nothing is found somewhere in every text.
                self.empty_only |= begins and ends
                self.always |= not (begins and ends)
        self.masks: dict[str, int] = {}
        self.known: dict[int, _Places] = {}
        self.remembered = 0
        self.steps = 0
        """Made so far, not looked up: what a text can cost beside its length."""
        self.start = _Places(self, 0, True)

    def place(self, part: _Part) -> tuple[bool, int, int]:
        """Give the characters of ``part`` their places: whether it can be empty, its first and its last places."""
        if part.kind == "character":
            self.sets.append(part.ranges)
            self.follow.append(0)
            bit = 1 << (len(self.sets) - 1)
            return False, bit, bit
        if part.kind == "either":
            empties, firsts, lasts = zip(*(self.place(other) for other in part.parts), strict=True)
            first = last = 0
            for bits in firsts:
                first |= bits
            for bits in lasts:
                last |= bits
            return any(empties), first, last
        empty, first, last = True, 0, 0
        for other, optional, again in self.unfolded(part):
            other_empty, other_first, other_last = self.place(other)
            other_empty = other_empty or optional
            if again:
                self.join(other_last, other_first)
            self.join(last, other_first)
            first |= other_first if empty else 0
            last = other_last | (last if other_empty else 0)
            empty = empty and other_empty
        return empty, first, last

    def unfolded(self, part: _Part) -> list[tuple[_Part, bool, bool]]:
        """A row or repetition as parts in a row: each, whether it may be left out, whether it may follow itself."""
        if part.kind == "row":
            return [(other, False, False) for other in part.parts]
        [other] = part.parts
        if part.most is None:
            return [(other, False, False)] * (part.least - 1) + [(other, part.least == 0, True)]
        return [(other, False, False)] * part.least + [(other, True, False)] * (part.most - part.least)

    def join(self, before: int, after: int) -> None:
        while before:
            lowest = before & -before
            self.follow[lowest.bit_length() - 1] |= after
            before ^= lowest

    def found(self, text: str) -> bool:
        """Whether ``text`` has a match anywhere in it."""
        places = self.start
        for character in text:
            if places.over:
                return places.found
            places = places[character]
        return places.found_at_end

    def step(self, places: _Places, character: str) -> _Places:
        self.steps += 1
        if self.remembered >= MOST_REMEMBERED:
            # They lead to each other: emptied one by one they are freed at once, though nobody collects cycles.
            for known in self.known.values():
                known.clear()
            self.start.clear()
            self.known.clear()
            self.masks.clear()
            self.start = _Places(self, 0, True)
            self.remembered = 0
        mask = self.masks.get(character)
        if mask is None:
            mask = self.masks[character] = self.mask(ord(character))
        bits = places.next_bits & mask
        following = self.known.get(bits)
        if following is None:
            following = self.known[bits] = _Places(self, bits, False)
        self.remembered += 1
        places[character] = following
        return following

    def mask(self, code: int) -> int:
        """The places at which the character may stand."""
        found, bit = 0, 1
        for ranges in self.sets:
            for low, high in ranges:
                if low <= code <= high:
                    found |= bit
                    break
            bit <<= 1
        return found
