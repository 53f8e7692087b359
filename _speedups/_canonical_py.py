"""Pure twin of ``_canonical.pyx``: what a request asks, whatever its spelling. The contract is ``_canonical.pyi``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from sys import byteorder
from typing import Final

from _speedups._json_errors import MAX_DEPTH

MAX_MEMBERS: Final = 65536
MAX_NAMES: Final = 64
MAX_NAME: Final = 63
DROP: Final = 1
BAR: Final = 2

SHARES: Final = frozenset(
    (b"top_p", b"topP", b"frequency_penalty", b"presence_penalty", b"frequencyPenalty", b"presencePenalty")
)
CONFIGS: Final = frozenset((b"generationConfig", b"generation_config", b"inferenceConfig"))
TOOL_LISTS: Final = frozenset((b"tools", b"functions"))
DECLARATIONS: Final = frozenset((b"function", b"functionDeclarations", b"function_declarations"))
NOTHING: Final = frozenset((b"null", b"false", b'""', b"[]", b"{}"))

_space = re.compile(rb"[ \t\n\r]*+").match
# What stands within strings was judged before: bytes below 0x20 and what is no UTF-8 pass.
_string = re.compile(rb'"[^"\\]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\]*+)*+"').match
_scalar = re.compile(rb"-?+(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+|true|false|null").match
_unescape = re.compile(rb"\\(?:(u)([0-9a-fA-F]{4})(?:\\u([dD][c-fC-F][0-9a-fA-F]{2}))?|.)", re.DOTALL).sub
_zero = re.compile(rb"-?[0.]+(?:[eE]|\Z)").match
_fraction = re.compile(rb"-?[0-9]+\.[0-9]+\Z").match
_SHORT: Final = {8: b"\\b", 9: b"\\t", 10: b"\\n", 12: b"\\f", 13: b"\\r", 0x22: b'\\"', 0x5C: b"\\\\"}


def named_actions(drop: Iterable[bytes], bar: Iterable[bytes]) -> dict[bytes, int]:
    """Name -> what is done when a top-level member has it. Raises ValueError, TypeError."""
    actions: dict[bytes, int] = {}
    for names, action in ((drop, DROP), (bar, BAR)):
        for name in names:
            if not isinstance(name, bytes):
                raise TypeError(f"names are bytes, got {name!r}")
            if len(name) > MAX_NAME or _spelled(name) != name:
                raise ValueError(f"no name of a member to look for: {name!r}")
            actions[name] = actions.get(name, 0) | action
    if len(actions) > MAX_NAMES:
        raise ValueError(f"at most {MAX_NAMES} names")
    return actions


def _spelled(text: bytes) -> bytes:
    return b"".join(_SHORT.get(c) or (b"\\u%04x" % c if c < 0x20 else bytes((c,))) for c in text)


def _character(code: int) -> bytes:
    if code in _SHORT:
        return _SHORT[code]
    if code < 0x20 or 0xD800 <= code < 0xE000:
        return b"\\u%04x" % code
    return chr(code).encode()


def _unescaped(found: re.Match[bytes]) -> bytes:
    unicode, high, low = found.groups()
    if not unicode:
        return b"/" if found[0] == b"\\/" else found[0]
    code = int(high, 16)
    if low is None:
        return _character(code)
    if 0xD800 <= code < 0xDC00:
        return chr(0x10000 + (code - 0xD800 << 10) + int(low, 16) - 0xDC00).encode()
    return _character(code) + _character(int(low, 16))


class _Refused(Exception):
    """There is no canonical form."""


class _Level:
    """An object or array that is open."""

    __slots__ = ("as_they_come", "is_object", "members", "unsorted")

    def __init__(self, is_object: bool, as_they_come: bool) -> None:
        self.is_object = is_object
        self.as_they_come = as_they_come
        """Its members keep their order."""
        self.unsorted = False
        self.members: list[tuple[bytes, int]] = []
        """Name, and where in the output the member starts."""


class _Writer:
    """One document on its way into its canonical form."""

    def __init__(self, body: bytes, actions: dict[bytes, int]) -> None:
        self.body = body
        self.actions = actions
        self.out = bytearray()
        self.levels: list[_Level] = []
        self.name = b""
        """Of the member whose value comes next; empty in an array."""
        self.top = b""
        """Name of the top-level member that is being read."""
        self.top_start = 0
        self.value_start = 0
        self.names = 0
        self.moved = 0
        self.temperature: set[int] = set()
        self.store: set[int] = set()
        self.has_tools = self.provider_tools = self.barred = False
        self.lone_tool = False
        """The top-level member is an object: where a list of tools should be, one tool."""
        self.tool: set[bytes] = set()
        """Names of the tool that is being read, but for ``type``."""
        self.types: set[bool] = set()
        """Its types: whether the caller runs tools of this type."""

    def write(self) -> None:
        """Raises _Refused."""
        at = self.space(0)
        if self.body[at : at + 1] != b"{":
            raise _Refused
        at = self.value(at)
        while self.levels:
            at = self.space(at)
            level, c = self.levels[-1], self.body[at : at + 1]
            if c == b",":
                at = self.space(at + 1)
                if level.is_object:
                    at = self.member(at)
                else:
                    self.out += c
                    self.name = b""
                at = self.value(at)
            elif c == (b"}" if level.is_object else b"]"):
                at = self.close(at)
            else:
                raise _Refused
        if self.space(at) != len(self.body):
            raise _Refused

    def space(self, at: int) -> int:
        return _space(self.body, at).end()  # type: ignore[union-attr]  # the pattern matches the empty string

    def string(self, at: int) -> tuple[bytes, int]:
        """The canonical spelling of the string at ``at``, and where it ends."""
        found = _string(self.body, at)
        if found is None:
            raise _Refused
        return (_unescape(_unescaped, found[0]) if b"\\" in found[0] else found[0]), found.end()

    def member(self, at: int) -> int:
        """Read the name at ``at``; where its value begins."""
        level, start = self.levels[-1], len(self.out)
        self.names += 1
        if self.names > MAX_MEMBERS:
            raise _Refused
        text, at = self.string(at)
        at = self.space(at)
        if self.body[at : at + 1] != b":":
            raise _Refused
        name = self.name = text[1:-1]
        dropped = False
        if len(self.levels) == 1:
            self.top, self.top_start = name, start
            dropped = bool(self.actions.get(name, 0) & DROP)
        elif self.in_tool():
            if name != b"type":
                self.tool.add(name)
        elif self.top == b"toolConfig" and len(self.levels) == 4 and name == b"systemTool":
            self.provider_tools = True
        if level.members:
            self.out += b","
            level.unsorted |= not level.as_they_come and not dropped and level.members[-1][0] > name
        level.members.append((name, len(self.out)))
        self.out += text + b":"
        if len(self.levels) == 1:
            self.value_start = len(self.out)
        return self.space(at + 1)

    def value(self, at: int) -> int:
        """Read on from the value at ``at`` to behind the first that ends."""
        while (c := self.body[at : at + 1]) in (b"{", b"["):
            if len(self.levels) >= MAX_DEPTH:
                raise _Refused
            self.learn(c)
            level = _Level(c == b"{", self.name == b"properties")
            self.levels.append(level)
            if len(self.levels) == 2:
                self.lone_tool = level.is_object
            if self.in_tool():
                self.tool, self.types = set(), set()
            self.out += c
            self.name = b""
            at = self.space(at + 1)
            if self.body[at : at + 1] == (b"}" if level.is_object else b"]"):
                return self.close(at)
            if level.is_object:
                at = self.member(at)
        if c == b'"':
            text, at = self.string(at)
        else:
            found = _scalar(self.body, at)
            if found is None:
                raise _Refused
            text, at = found[0], found.end()
            if self.is_sampling(self.name) and _fraction(text):
                text = text.rstrip(b"0").rstrip(b".")
        self.learn(text)
        self.out += text
        if len(self.levels) == 1:
            self.ended()
        return at

    def close(self, at: int) -> int:
        level = self.levels.pop()
        if level.unsorted:
            self.rearrange(level.members)
        self.out += self.body[at : at + 1]
        if self.top in TOOL_LISTS and len(self.levels) == (1 if self.lone_tool else 2):
            self.judge()
        if len(self.levels) == 1:
            self.ended()
        return at + 1

    def rearrange(self, members: list[tuple[bytes, int]]) -> None:
        first, ends = members[0][1], [start - 1 for _, start in members[1:]]
        self.moved += len(self.out) - first
        if self.moved > 8 * len(self.body) + (1 << 20):
            raise _Refused
        pieces = [
            (name, self.out[start:end]) for (name, start), end in zip(members, [*ends, len(self.out)], strict=True)
        ]
        pieces.sort(key=lambda piece: piece[0])
        self.out[first:] = b",".join(piece for _, piece in pieces)

    # --- what is learned on the way

    def in_tool(self) -> bool:
        return self.top in TOOL_LISTS and len(self.levels) == (2 if self.lone_tool else 3)

    def is_sampling(self, name: bytes) -> bool:
        depth = len(self.levels)
        return (name == b"temperature" or name in SHARES) and (depth == 1 or (depth == 2 and self.top in CONFIGS))

    def learn(self, text: bytes) -> None:
        """``text``: a scalar, or the bracket that opens what is none."""
        depth = len(self.levels)
        if self.name == b"temperature" and self.is_sampling(self.name):
            self.temperature.add(-1 if text == b"null" else 0 if _zero(text) else 1)
        elif self.name == b"store" and depth == 1:
            self.store.add(-1 if text == b"null" else 0 if text == b"false" else 1)
        elif self.name == b"type" and self.in_tool():
            self.types.add(text in (b'"function"', b'"custom"'))
        elif depth == 2 and self.top in TOOL_LISTS and not self.lone_tool and text not in (b"null", b"{", b"["):
            self.provider_tools = True

    def judge(self) -> None:
        if False in self.types or (not self.types and b"name" not in self.tool and self.tool - DECLARATIONS):
            self.provider_tools = True

    def ended(self) -> None:
        """A member of the top level is complete."""
        says = bytes(self.out[self.value_start : self.value_start + 6]) not in NOTHING
        if self.actions.get(self.top, 0) & BAR:
            self.barred |= says
        if self.top in TOOL_LISTS or self.top == b"toolConfig":
            self.has_tools |= says
        if self.actions.get(self.top, 0) & DROP:
            del self.out[self.top_start :]
            self.levels[0].members.pop()


class Canonical:
    __slots__ = ("_actions", "barred", "has_tools", "provider_tools", "store", "temperature")

    def __init__(self, drop: Iterable[bytes] = (), bar: Iterable[bytes] = ()) -> None:
        self._actions = named_actions(drop, bar)
        self._forget()

    def _forget(self) -> None:
        self.temperature = self.store = -1
        self.has_tools = self.provider_tools = self.barred = False

    def digest(self, prefix: bytes, body: bytes) -> bytes | None:
        _check(prefix)
        form = self.form(body)
        return None if form is None else sha256(len(prefix).to_bytes(8, byteorder) + prefix + form).digest()

    def form(self, body: bytes) -> bytes | None:
        _check(body)
        writer = _Writer(body, self._actions)
        try:
            writer.write()
        except _Refused:
            self._forget()
            return None
        self.temperature = _agreed(writer.temperature)
        self.store = _agreed(writer.store)
        self.has_tools = writer.has_tools
        self.provider_tools = writer.provider_tools
        self.barred = writer.barred
        return bytes(writer.out)


def _agreed(said: set[int]) -> int:
    """What all that was said comes to."""
    return -1 if not said else said.pop() if len(said) == 1 else 1


def _check(value: object) -> None:
    if not isinstance(value, bytes):
        raise TypeError(f"bytes expected, got {type(value).__name__}")
