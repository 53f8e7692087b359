"""Pure twin of the JSON part of ``_scan``: one strict pass over a request body, nothing decoded that is not needed."""

import json
import re
from typing import Final, final

from _speedups._json_errors import (
    BOM,
    CHARACTER,
    CONTROL,
    DEEP,
    END,
    ESCAPE,
    FALLBACKS_TWICE,
    MAX_DEPTH,
    MESSAGES,
    MODEL_CASE,
    MODEL_SURROGATE,
    MODEL_TWICE,
    MODEL_TYPE,
    OPTIONS_TWICE,
    STREAM_TWICE,
    STREAM_TYPE,
    TOP,
    UTF8,
)

MAX_COUNT: Final = 1 << 53
"""Largest integer that every JSON reader keeps exactly (RFC 8259 section 6); larger counts are clamped to it."""

# What a key can mean to the scan; shared with _scan_json.h.
_OTHER: Final = 0
_MODEL: Final = 1
_STREAM: Final = 2
_OPTIONS: Final = 3
_FALLBACKS: Final = 4
_TOKENS: Final = 5
_CHOICES: Final = 6
_INCLUDE: Final = 7
_ID: Final = 8  # counts unless null or an object (a tool may well have a parameter of this name)
_STRING_ID: Final = 9  # counts when a string
_CONVERSATION: Final = 10  # at the top level an object counts as well

_TOP_NAMES: Final = {
    b"model": _MODEL,
    b"stream": _STREAM,
    b"stream_options": _OPTIONS,
    b"fallbacks": _FALLBACKS,
    b"max_tokens": _TOKENS,
    b"max_completion_tokens": _TOKENS,
    b"max_output_tokens": _TOKENS,
    b"n": _CHOICES,
    b"conversation": _CONVERSATION,
}
_ANY_NAMES: Final = {
    b"previous_response_id": _ID,
    b"conversation": _ID,
    b"file_id": _ID,
    b"file_ids": _ID,
    b"input_file_id": _ID,
    b"container": _STRING_ID,
    b"vector_store_ids": _ID,
    b"batch_id": _ID,
}

_WS = rb"[ \t\n\r]*+"
_STRING = rb'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+"'
_NUMBER = rb"-?+(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+"
_SCALAR = rb"(?:" + _STRING + rb"|" + _NUMBER + rb"|true|false|null)"
# A key that is certainly of no interest below the top level; any other is looked at on its own.
_PLAIN_KEY = rb'(?!"(?:' + b"|".join([*_ANY_NAMES, b"include_usage"]) + rb')")"[^"\\\x00-\x1f]*+"'


def _values(levels: int) -> bytes:
    """Pattern of a value that nests at most ``levels`` deep: lets the regex engine skip most of a document in C."""
    value = _SCALAR
    for _ in range(levels):
        pair = _WS + _PLAIN_KEY + _WS + rb":" + _WS + value + _WS
        item = _WS + value + _WS
        value = (
            rb"(?:" + _SCALAR + rb"|\{(?:" + _WS + rb"|" + pair + rb"(?:," + pair + rb")*+)\}"
            rb"|\[(?:" + _WS + rb"|" + item + rb"(?:," + item + rb")*+)\])"
        )
    return value


_LEVELS: Final = 3
_skip_space = re.compile(_WS).match
_match_string = re.compile(_STRING).match
_match_scalar = re.compile(_SCALAR).match
_skip_items = re.compile(rb"(?:" + _WS + _values(_LEVELS) + _WS + rb",)*+").match
_skip_pairs = re.compile(rb"(?:" + _WS + _PLAIN_KEY + _WS + rb":" + _WS + _values(_LEVELS) + _WS + rb",)*+").match
_skip_plain = re.compile(rb'[^"\\\x00-\x1f]*+').match
_HEX: Final = frozenset(b"0123456789abcdefABCDEF")


class _Refused(Exception):
    def __init__(self, code: int, offset: int) -> None:
        self.code = code
        self.offset = offset


def _string_fault(doc: bytes, at: int, end: int) -> _Refused:
    """What is wrong with the string whose opening quote is at ``at``: only called when the pattern has refused it."""
    at += 1
    while True:
        at = _skip_plain(doc, at, end).end()  # type: ignore[union-attr]  # the pattern matches the empty string
        if at >= end:
            return _Refused(END, end)
        if doc[at] < 0x20:
            return _Refused(CONTROL, at)
        if at + 1 >= end:
            return _Refused(END, end)
        kind = doc[at + 1]
        if kind == 0x75:
            for k in range(at + 2, at + 6):
                if k >= end:
                    return _Refused(END, end)
                if doc[k] not in _HEX:
                    return _Refused(ESCAPE, at)
            at += 6
        elif kind in b'"\\/bfnrt':
            at += 2
        else:
            return _Refused(ESCAPE, at)


def _unescaped(token: bytes) -> bytes:
    """A key's name as ASCII; names that are not ASCII equal nothing we look for."""
    inner = token[1:-1]
    if b"\\" not in inner:
        return inner
    text: str = json.loads(token)
    return text.encode() if text.isascii() else b""


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
        _walk(doc, end, fields, max_depth)
    except _Refused as refusal:
        if refusal.code == END and end < len(doc):
            return UTF8, end
        return refusal.code, refusal.offset
    return (UTF8, end) if end < len(doc) else (0, -1)


def _walk(doc: bytes, end: int, fields: JsonScan | None, max_depth: int) -> None:
    if doc.startswith(b"\xef\xbb\xbf"):
        raise _Refused(BOM, 0)
    stack: list[bool] = []  # True: an object
    members: dict[int, int] = {}  # how often a guarded top-level member was seen
    top = pending = _OTHER
    at = _skip_space(doc, 0, end).end()  # type: ignore[union-attr]  # the pattern matches the empty string
    if fields is not None and at < end and doc[at] != 0x7B:
        raise _Refused(TOP, at)
    expect_key = False
    while True:
        if expect_key:
            if at >= end:
                raise _Refused(END, end)
            if doc[at] != 0x22:
                raise _Refused(CHARACTER, at)
            found = _match_string(doc, at, end)
            if found is None:
                raise _string_fault(doc, at, end)
            if fields is not None:
                name = _unescaped(found[0])
                if len(stack) == 1:
                    pending = top = _top_member(name, at, members)
                elif name == b"include_usage" and len(stack) == 2 and top == _OPTIONS:
                    pending = _INCLUDE
                else:
                    pending = _ANY_NAMES.get(name, _OTHER)
            at = _skip_space(doc, found.end(), end).end()  # type: ignore[union-attr]
            if at >= end:
                raise _Refused(END, end)
            if doc[at] != 0x3A:
                raise _Refused(CHARACTER, at)
            at = _skip_space(doc, at + 1, end).end()  # type: ignore[union-attr]
            expect_key = False
        if at >= end:
            raise _Refused(END, end)
        char = doc[at]
        if pending and fields is not None:
            _value_starts(doc, at, fields, pending)
        if char == 0x7B or char == 0x5B:
            if len(stack) >= max_depth:
                raise _Refused(DEEP, at)
            is_object = char == 0x7B
            stack.append(is_object)
            pending = _OTHER
            at += 1
            if len(stack) + _LEVELS < max_depth and (len(stack) > 2 or (len(stack) > 1 and top != _OPTIONS)):
                at = (_skip_pairs if is_object else _skip_items)(doc, at, end).end()  # type: ignore[union-attr]
                skipped = doc[at - 1] == 0x2C
            else:
                skipped = False
            at = _skip_space(doc, at, end).end()  # type: ignore[union-attr]
            if at < end and not skipped and doc[at] == (0x7D if is_object else 0x5D):
                if fields is not None and len(stack) == 1:
                    fields.empty = True
            else:
                expect_key = is_object
                continue
        elif char == 0x22:
            found = _match_string(doc, at, end)
            if found is None:
                raise _string_fault(doc, at, end)
            if pending and fields is not None:
                _scalar_ends(doc, at, found.end(), fields, pending)
            at = found.end()
        else:
            found = _match_scalar(doc, at, end)
            if found is None:
                raise _Refused(CHARACTER, at)
            if pending and fields is not None:
                _scalar_ends(doc, at, found.end(), fields, pending)
            at = found.end()
        pending = _OTHER
        # After a value: commas and closing brackets, until the next value or the end.
        while True:
            at = _skip_space(doc, at, end).end()  # type: ignore[union-attr]
            if not stack:
                if at < end:
                    raise _Refused(CHARACTER, at)
                return
            if at >= end:
                raise _Refused(END, end)
            char = doc[at]
            if char == 0x2C:
                at += 1
                if len(stack) + _LEVELS < max_depth and (len(stack) > 2 or (len(stack) > 1 and top != _OPTIONS)):
                    at = (_skip_pairs if stack[-1] else _skip_items)(doc, at, end).end()  # type: ignore[union-attr]
                at = _skip_space(doc, at, end).end()  # type: ignore[union-attr]
                expect_key = stack[-1]
                break
            if char != (0x7D if stack[-1] else 0x5D):
                raise _Refused(CHARACTER, at)
            stack.pop()
            at += 1
            if fields is not None:
                if not stack:
                    fields.close = at - 1
                elif len(stack) == 1:
                    if top == _OPTIONS:
                        fields.stream_options_end = at
                    elif top == _FALLBACKS:
                        fields.fallbacks_end = at


_TWICE: Final = {
    _MODEL: MODEL_TWICE,
    _STREAM: STREAM_TWICE,
    _OPTIONS: OPTIONS_TWICE,
    _FALLBACKS: FALLBACKS_TWICE,
}


def _top_member(name: bytes, at: int, members: dict[int, int]) -> int:
    member = _TOP_NAMES.get(name, _OTHER) or _ANY_NAMES.get(name, _OTHER)
    if member in _TWICE:
        if member in members:
            raise _Refused(_TWICE[member], at)
        members[member] = at
    elif len(name) == 5 and name.lower() == b"model":
        raise _Refused(MODEL_CASE, at)
    return member


def _value_starts(doc: bytes, at: int, fields: JsonScan, member: int) -> None:
    """Judges a value of interest by its first character, before it is read."""
    char = doc[at]
    if member == _MODEL:
        if char in b"{[-0123456789tfn":
            raise _Refused(MODEL_TYPE, at)
        fields.model_start = at
    elif member == _STREAM:
        if char in b'{["-0123456789':
            raise _Refused(STREAM_TYPE, at)
    elif member == _OPTIONS:
        fields.stream_options_start = at
    elif member == _FALLBACKS:
        fields.fallbacks_start = at
    elif member == _INCLUDE:
        fields.include_usage = -1
    elif member == _CONVERSATION:
        fields.stateful |= char != 0x6E
    elif member == _ID:
        fields.stateful |= char != 0x6E and char != 0x7B
    elif member == _STRING_ID:
        fields.stateful |= char == 0x22


def _scalar_ends(doc: bytes, start: int, end: int, fields: JsonScan, member: int) -> None:
    if member == _MODEL:
        text: str = json.loads(doc[start:end])
        try:
            text.encode()
        except UnicodeEncodeError:
            raise _Refused(MODEL_SURROGATE, start) from None
        fields.model = text
        fields.model_end = end
    elif member == _STREAM:
        fields.stream = {0x74: 1, 0x66: 0}.get(doc[start], -1)
    elif member == _INCLUDE:
        fields.include_usage = {0x74: 1, 0x66: 0}.get(doc[start], -1)
    elif member == _OPTIONS:
        fields.stream_options_end = end
    elif member == _FALLBACKS:
        fields.fallbacks_end = end
    elif member == _TOKENS:
        fields.max_tokens = max(fields.max_tokens, _count(doc[start:end]))
    elif member == _CHOICES:
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
