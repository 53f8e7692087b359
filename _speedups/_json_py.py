"""Pure twin of the JSON part of ``_scan``: one strict pass over a request body, nothing decoded that is not needed."""

import json
from math import isinf
from typing import Final, final

from _speedups._json_errors import (
    BOM,
    CHARACTER,
    DEEP,
    END,
    FALLBACKS_TWICE,
    MAX_DEPTH,
    MESSAGES,
    MODEL_CASE,
    MODEL_SURROGATE,
    MODEL_TWICE,
    MODEL_TYPE,
    NUMBER,
    OPTIONS_TWICE,
    STREAM_TWICE,
    STREAM_TYPE,
    TOP,
    UTF8,
)
from _speedups._json_tokens import (
    ANY_NAMES,
    CHOICES,
    CONVERSATION,
    FALLBACKS,
    ID,
    INCLUDE,
    MODEL,
    OBJECT,
    OPTIONS,
    OTHER,
    STREAM,
    STRING_ID,
    TOKENS,
    TOP_NAMES,
    Refused,
    find_large,
    match_scalar,
    match_string,
    nests_at_most,
    scanner,
    skip_items,
    skip_members,
    skip_pairs,
    space,
    string_fault,
    unescaped,
)

MAX_COUNT: Final = 1 << 53
"""Largest integer that every JSON reader keeps exactly (RFC 8259 section 6); larger counts are clamped to it."""


@final
class JsonScan:
    """See ``_scan.pyi``."""

    __slots__ = (
        "choices",
        "close",
        "empty",
        "error",
        "error_offset",
        "fallbacks_end",
        "fallbacks_start",
        "include_usage",
        "max_tokens",
        "model",
        "model_end",
        "model_start",
        "stateful",
        "stream",
        "stream_options_end",
        "stream_options_start",
    )

    model: str | None

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.model = None
        self.model_start = self.model_end = -1
        self.stream = -1
        self.stream_options_start = self.stream_options_end = -1
        self.include_usage = -1
        self.max_tokens = -1
        self.choices = 1
        self.fallbacks_start = self.fallbacks_end = -1
        self.stateful = False
        self.close = -1
        self.empty = False
        self.error = ""
        self.error_offset = -1

    def scan(self, body: bytes) -> bool:
        if not isinstance(body, bytes):
            raise TypeError(f"bytes expected, got {type(body).__name__}")
        self._clear()
        code, offset = _judge(body, self, MAX_DEPTH)
        if code:
            self._clear()
            self.error = MESSAGES[code]
            self.error_offset = offset
            return False
        return True


def _judge(doc: bytes, fields: JsonScan | None, max_depth: int) -> tuple[int, int]:
    """Error code (0: valid) and offset; with ``fields`` the top level must be an object."""
    end = len(doc)
    try:
        doc.decode()
    except UnicodeDecodeError as fault:
        end = fault.start
    try:
        _Walk(doc, end, fields, max_depth).run()
    except Refused as refusal:
        if refusal.code == END and end < len(doc):
            return UTF8, end
        return refusal.code, refusal.offset
    return (UTF8, end) if end < len(doc) else (0, -1)


_leap_blindly = scanner(lambda pairs: OBJECT)


class _Walk:
    """Goes over a document token by token, and over containers of no interest with the standard library's C scanner.

    That scanner works on text: the bytes are decoded as Latin-1, which keeps every offset. It is never trusted with an
    error: where it stops, the tokens are walked.
    """

    def __init__(self, doc: bytes, end: int, fields: JsonScan | None, max_depth: int) -> None:
        self.doc = doc
        self.end = end
        self.fields = fields
        self.max_depth = max_depth
        self.stack: list[bool] = []  # True: an object
        self.members: set[int] = set()  # the guarded top-level members that were seen
        self.top = self.pending = OTHER
        self.at = 0
        self.expect_key = False
        self.text = doc[:end].decode("latin-1")
        names = fields is not None and (b"\\u" in doc or any(name in doc for name in ANY_NAMES))
        self.leap = scanner(self._members_seen) if names else _leap_blindly
        # A leap that fails has cost its way and won nothing: eight lengths of the document are as much as is risked.
        # Numbers that may be too large are looked at one by one.
        self.large = fields is not None and find_large(doc) is not None
        self.risk = 8 * end if not self.large and nests_at_most(doc[:end], max_depth) else 0

    def _members_seen(self, pairs: list[tuple[str, object]]) -> object:
        for name, value in pairs:
            member = ANY_NAMES.get(name.encode("latin-1"), OTHER)
            if (member == ID and value is not None and value is not OBJECT) or (
                member == STRING_ID and isinstance(value, str)
            ):
                self.fields.stateful = True  # type: ignore[union-attr]  # only used with fields
        return OBJECT

    def run(self) -> None:
        if self.doc.startswith(b"\xef\xbb\xbf"):
            raise Refused(BOM, 0)
        self.at = space(self.doc, 0, self.end)
        if self.fields is not None and self.at < self.end and self.doc[self.at] != 0x7B:
            raise Refused(TOP, self.at)
        while True:
            if self.expect_key:
                self._key()
            if self._value() and self._behind():
                return

    def _char(self) -> int:
        """The character that must stand here."""
        if self.at >= self.end:
            raise Refused(END, self.end)
        return self.doc[self.at]

    def _key(self) -> None:
        start = self.at
        if self._char() != 0x22:
            raise Refused(CHARACTER, start)
        found = match_string(self.doc, start, self.end)
        if found is None:
            raise string_fault(self.doc, start, self.end)
        if self.fields is not None:
            name = unescaped(found[0])
            if len(self.stack) == 1:
                self.pending = self.top = _top_member(name, start, self.members)
            elif name == b"include_usage" and len(self.stack) == 2 and self.top == OPTIONS:
                self.pending = INCLUDE
            else:
                self.pending = ANY_NAMES.get(name, OTHER)
        self.at = space(self.doc, found.end(), self.end)
        if self._char() != 0x3A:
            raise Refused(CHARACTER, self.at)
        self.at = space(self.doc, self.at + 1, self.end)
        self.expect_key = False

    def _value(self) -> bool:
        """Reads a value; False when it is a container whose first member comes next."""
        start = self.at
        char = self._char()
        if self.pending and self.fields is not None:
            _value_starts(self.doc, start, self.fields, self.pending)
        if char == 0x7B or char == 0x5B:
            return self._container(char)
        found = (match_string if char == 0x22 else match_scalar)(self.doc, start, self.end)
        if found is None:
            raise string_fault(self.doc, start, self.end) if char == 0x22 else Refused(CHARACTER, start)
        if self.large and char in b"-0123456789" and isinf(float(found[0])):
            raise Refused(NUMBER, start)
        self.at = found.end()
        if self.pending and self.fields is not None:
            _scalar_ends(self.doc, start, self.at, self.fields, self.pending)
        self.pending = OTHER
        return True

    def _container(self, char: int) -> bool:
        """Passes over a container of no interest or an empty one (True); else goes to its first member (False)."""
        start = self.at
        if len(self.stack) >= self.max_depth:
            raise Refused(DEEP, start)
        self.pending = OTHER
        if self.risk > 0 and (
            self.fields is None or (self.stack and not (len(self.stack) == 1 and self.top == OPTIONS))
        ):
            try:
                _, self.at = self.leap(self.text, start)
            except (StopIteration, ValueError, RecursionError):
                self.risk -= self.end - start
            else:
                self._closed()
                return True
        is_object = char == 0x7B
        self.stack.append(is_object)
        self.at = space(self.doc, start + 1, self.end)
        if self.at < self.end and self.doc[self.at] == (0x7D if is_object else 0x5D):
            if self.fields is not None and len(self.stack) == 1:
                self.fields.empty = True
            return True
        self.expect_key = is_object
        return False

    def _closed(self) -> None:
        """A container has ended just before ``at``; the stack no longer holds it."""
        if self.fields is None:
            return
        if not self.stack:
            self.fields.close = self.at - 1
        elif len(self.stack) == 1 and self.top == OPTIONS:
            self.fields.stream_options_end = self.at
        elif len(self.stack) == 1 and self.top == FALLBACKS:
            self.fields.fallbacks_end = self.at

    def _behind(self) -> bool:
        """Behind a value: over closing brackets to the next value or key (False) or to the document's end (True)."""
        while True:
            self.at = space(self.doc, self.at, self.end)
            if not self.stack:
                if self.at < self.end:
                    raise Refused(CHARACTER, self.at)
                return True
            char = self._char()
            if char == 0x2C:
                self.at += 1
                skip = (skip_pairs if len(self.stack) > 1 else skip_members) if self.stack[-1] else skip_items
                if not self.large:
                    self.at = skip(self.doc, self.at, self.end).end()  # type: ignore[union-attr]
                self.at = space(self.doc, self.at, self.end)
                self.expect_key = self.stack[-1]
                return False
            if char != (0x7D if self.stack[-1] else 0x5D):
                raise Refused(CHARACTER, self.at)
            self.stack.pop()
            self.at += 1
            self._closed()


_TWICE: Final = {
    MODEL: MODEL_TWICE,
    STREAM: STREAM_TWICE,
    OPTIONS: OPTIONS_TWICE,
    FALLBACKS: FALLBACKS_TWICE,
}


def _top_member(name: bytes, at: int, members: set[int]) -> int:
    member = TOP_NAMES.get(name, OTHER) or ANY_NAMES.get(name, OTHER)
    if member in _TWICE:
        if member in members:
            raise Refused(_TWICE[member], at)
        members.add(member)
    elif len(name) == 5 and name.lower() == b"model":
        raise Refused(MODEL_CASE, at)
    return member


def _value_starts(doc: bytes, at: int, fields: JsonScan, member: int) -> None:
    """Judges a value of interest by its first character, before it is read."""
    char = doc[at]
    if member == MODEL:
        if char in b"{[-0123456789tfn":
            raise Refused(MODEL_TYPE, at)
        fields.model_start = at
    elif member == STREAM:
        if char in b'{["-0123456789':
            raise Refused(STREAM_TYPE, at)
    elif member == OPTIONS:
        fields.stream_options_start = at
    elif member == FALLBACKS:
        fields.fallbacks_start = at
    elif member == INCLUDE:
        fields.include_usage = -1
    elif member == CONVERSATION:
        fields.stateful |= char != 0x6E
    elif member == ID:
        fields.stateful |= char != 0x6E and char != 0x7B
    elif member == STRING_ID:
        fields.stateful |= char == 0x22


def _scalar_ends(doc: bytes, start: int, end: int, fields: JsonScan, member: int) -> None:
    if member == MODEL:
        text: str = json.loads(doc[start:end])
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Refused(MODEL_SURROGATE, start) from None
        fields.model = text
        fields.model_end = end
    elif member == STREAM:
        fields.stream = {0x74: 1, 0x66: 0}.get(doc[start], -1)
    elif member == INCLUDE:
        fields.include_usage = {0x74: 1, 0x66: 0}.get(doc[start], -1)
    elif member == OPTIONS:
        fields.stream_options_end = end
    elif member == FALLBACKS:
        fields.fallbacks_end = end
    elif member == TOKENS:
        fields.max_tokens = max(fields.max_tokens, _count(doc[start:end]))
    elif member == CHOICES:
        fields.choices = max(fields.choices, _count(doc[start:end]))


def _count(token: bytes) -> int:
    """A plain integer >= 0, clamped to ``MAX_COUNT``; -1 for any other token."""
    if not token.isdigit():
        return -1
    return MAX_COUNT if len(token) > 16 else min(int(token), MAX_COUNT)


def judge(doc: bytes, max_depth: int = MAX_DEPTH) -> bool:
    """Whether ``doc`` is one valid JSON document with any top level, nested at most ``max_depth`` deep."""
    return _judge(doc, None, max_depth)[0] == 0


def validate(data: bytes) -> bool:
    """Whether ``data`` is one valid JSON document, any top level."""
    return judge(bytes(data))
