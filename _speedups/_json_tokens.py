"""Tokens of JSON as patterns, for the pure twin: what a string, a number, a run of scalars looks like, and what a bad
string is missing."""

import json
import re
import sys
from collections.abc import Callable
from json.scanner import make_scanner
from typing import Any, Final

from _speedups._json_errors import CONTROL, END, ESCAPE, MAX_DEPTH

# What a key can mean to the scan; shared with _scan_json.h.
OTHER: Final = 0
MODEL: Final = 1
STREAM: Final = 2
OPTIONS: Final = 3
FALLBACKS: Final = 4
TOKENS: Final = 5
CHOICES: Final = 6
INCLUDE: Final = 7
ID: Final = 8  # counts unless null or an object (a tool may well have a parameter of this name)
STRING_ID: Final = 9  # counts when a string
CONVERSATION: Final = 10  # at the top level an object counts as well

TOP_NAMES: Final = {
    b"model": MODEL,
    b"stream": STREAM,
    b"stream_options": OPTIONS,
    b"fallbacks": FALLBACKS,
    b"max_tokens": TOKENS,
    b"max_completion_tokens": TOKENS,
    b"max_output_tokens": TOKENS,
    b"n": CHOICES,
    b"conversation": CONVERSATION,
}
ANY_NAMES: Final = {
    b"previous_response_id": ID,
    b"conversation": ID,
    b"file_id": ID,
    b"file_ids": ID,
    b"input_file_id": ID,
    b"container": STRING_ID,
    b"vector_store_ids": ID,
    b"batch_id": ID,
}

_WS = rb"[ \t\n\r]*+"
_STRING = rb'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+"'
_NUMBER = rb"-?+(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+"
_SCALAR = rb"(?:" + _STRING + rb"|" + _NUMBER + rb"|true|false|null)"
# A key that is certainly of no interest below the top level; any other is looked at on its own.
_PLAIN_KEY = rb'(?!"(?:' + b"|".join([*ANY_NAMES, b"include_usage"]) + rb')")"[^"\\\x00-\x1f]*+"'

_skip_space = re.compile(_WS).match
match_string = re.compile(_STRING).match
match_scalar = re.compile(_SCALAR).match
# Runs of scalars, each with its comma, in an array or below the top level in an object.
skip_items = re.compile(rb"(?:" + _WS + _SCALAR + _WS + rb",)*+").match
skip_pairs = re.compile(rb"(?:" + _WS + _PLAIN_KEY + _WS + rb":" + _WS + _SCALAR + _WS + rb",)*+").match
# The same at the top level, where more keys are of interest.
_OTHER_KEY = rb'(?!"(?:' + b"|".join(TOP_NAMES) + rb')")(?!"(?i:model)")' + _PLAIN_KEY
skip_members = re.compile(rb"(?:" + _WS + _OTHER_KEY + _WS + rb":" + _WS + _SCALAR + _WS + rb",)*+").match
# Where a number too large for a double might stand: three digits of exponent, or two hundred digits.
find_large = re.compile(rb"(?:\A|[\[,: \t\n\r])-?+[0-9](?:[0-9.]*+[eE]\+?+[0-9]{3}|[0-9.]{200})").search
_skip_plain = re.compile(rb'[^"\\\x00-\x1f]*+').match
_without_strings = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[^"{}\[\]]++', re.DOTALL).sub
_HEX: Final = frozenset(b"0123456789abcdefABCDEF")


class Refused(Exception):
    def __init__(self, code: int, offset: int) -> None:
        self.code = code
        self.offset = offset


def string_fault(doc: bytes, at: int, end: int) -> Refused:
    """What is wrong with the string whose opening quote is at ``at``: only called when the pattern has refused it."""
    at += 1
    while True:
        at = _skip_plain(doc, at, end).end()  # type: ignore[union-attr]  # the pattern matches the empty string
        if at >= end:
            return Refused(END, end)
        if doc[at] < 0x20:
            return Refused(CONTROL, at)
        if at + 1 >= end:
            return Refused(END, end)
        kind = doc[at + 1]
        if kind == 0x75:
            for k in range(at + 2, at + 6):
                if k >= end:
                    return Refused(END, end)
                if doc[k] not in _HEX:
                    return Refused(ESCAPE, at)
            at += 6
        elif kind in b'"\\/bfnrt':
            at += 2
        else:
            return Refused(ESCAPE, at)


def unescaped(token: bytes) -> bytes:
    """A key's name as ASCII; names that are not ASCII equal nothing we look for."""
    inner = token[1:-1]
    if b"\\" not in inner:
        return inner
    text: str = json.loads(token)
    return text.encode() if text.isascii() else b""


def space(doc: bytes, at: int, end: int) -> int:
    return _skip_space(doc, at, end).end()  # type: ignore[union-attr]  # the pattern matches the empty string


def _not_json(token: str) -> None:
    raise ValueError(token)


OBJECT: Final = object()
"""What a scanner makes of every object: its members are looked at as they pass, and not kept."""


def scanner(seen: Callable[[list[tuple[str, object]]], object]) -> Callable[[str, int], tuple[object, int]]:
    """The standard library's C scanner of the value at an offset; ``seen`` gets the members of each object."""
    decoder: Any = json.JSONDecoder(parse_int=len, parse_float=len, parse_constant=_not_json, object_pairs_hook=seen)
    scan: Callable[[str, int], tuple[object, int]] = make_scanner(decoder)
    return scan


def nests_at_most(doc: bytes, depth: int) -> bool:
    """Whether a valid document nests at most ``depth`` deep: its innermost pairs of brackets are taken away until none
    is left. (From Python 3.12 on the C scanner has no such limit of its own; before, it gives up below 1,000.)"""
    if doc.count(b"[") + doc.count(b"{") <= depth:
        return True
    if depth == MAX_DEPTH and sys.version_info < (3, 12) and sys.getrecursionlimit() <= depth:
        return True
    brackets = _without_strings(b"", doc).translate(bytes.maketrans(b"{}", b"[]"))
    for _ in range(depth):
        if not brackets:
            return True
        brackets = brackets.replace(b"[]", b"")
    return not brackets
