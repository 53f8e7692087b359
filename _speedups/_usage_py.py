"""Pure twin of the usage part of ``_scan``: token counts picked out of an answer while it passes."""

import json
import re
from typing import Final, final

from _speedups._json_py import MAX_COUNT, judge, validate

CAPTURE_LIMIT: Final = 16_384
"""Largest usage object looked at, in bytes; the largest recorded one has 900."""

_USAGE_DEPTH: Final = 16
_KEY_LIMIT: Final = 16  # no member we look for is longer

_IN_VALUE: Final = 0
_EXPECT_KEY: Final = 1
_AFTER_KEY: Final = 2
_EXPECT_VALUE: Final = 3

_next_bracket = re.compile(rb'["{}\[\]]').search
_next_structural = re.compile(rb'["{}\[\],:]').search
_next_string_event = re.compile(rb'["\\]').search

_COUNTS: Final = {
    "prompt_tokens": "prompt",
    "input_tokens": "prompt",
    "completion_tokens": "completion",
    "output_tokens": "completion",
    "total_tokens": "total",
    "cached_tokens": "cached",
    "num_cached_tokens": "cached",
    "prompt_cache_hit_tokens": "cached",
    "cache_read_input_tokens": "cached",
    "cache_creation_input_tokens": "cache_write",
    "cache_write_tokens": "cache_write",
    "reasoning_tokens": "reasoning",
    "num_search_queries": "searches",
}
_INPUT_DETAILS: Final = {
    "cached_tokens": "cached",
    "cache_write_tokens": "cache_write",
    "audio_tokens": "audio_in",
    "image_tokens": "image_in",
    "cache_write_1h_tokens": "cache_write_1h",
    "cached_audio_tokens": "cached_audio",
}
_OUTPUT_DETAILS: Final = {"reasoning_tokens": "reasoning", "audio_tokens": "audio_out", "image_tokens": "image_out"}
_DETAILS: Final = {
    "prompt_tokens_details": _INPUT_DETAILS,
    "input_tokens_details": _INPUT_DETAILS,
    "prompt_token_details": _INPUT_DETAILS,
    "input_token_details": _INPUT_DETAILS,
    "completion_tokens_details": _OUTPUT_DETAILS,
    "output_tokens_details": _OUTPUT_DETAILS,
    "completion_token_details": _OUTPUT_DETAILS,
    "output_token_details": _OUTPUT_DETAILS,
}


def _integer(token: str) -> int:
    return int(token) if token.isdigit() and len(token) <= 16 else -1


def _fraction(token: str) -> int:
    return -1


@final
class UsageScan:
    """See ``_scan.pyi``."""

    __slots__ = (
        "_buffer",
        "_capture_depth",
        "_capturing",
        "_container",
        "_depth",
        "_escape",
        "_inside",
        "_key",
        "_recording",
        "_root",
        "_state",
        "_string",
        "audio_in",
        "audio_out",
        "cache_write",
        "cache_write_1h",
        "cached",
        "cached_audio",
        "completion",
        "found",
        "image_in",
        "image_out",
        "prompt",
        "reasoning",
        "searches",
        "suspicious",
        "total",
    )

    def __init__(self) -> None:
        self._key = bytearray()
        self._buffer = bytearray()
        self.reset()

    def reset(self) -> None:
        self.prompt = self.completion = self.total = self.cached = self.cache_write = -1
        self.reasoning = self.audio_in = self.audio_out = self.image_in = self.image_out = -1
        self.cache_write_1h = self.cached_audio = self.searches = -1
        self.suspicious = False
        self.found = False
        self._restart()

    def _restart(self) -> None:
        self._depth = 0
        self._capture_depth = 0
        self._state = _IN_VALUE
        self._string = self._escape = self._recording = False
        self._root = self._inside = self._container = False
        self._capturing = False
        self._key.clear()
        self._buffer.clear()

    def parse(self, data: bytes) -> None:
        self._restart()
        self.feed(data)
        self._restart()

    def judge(self, data: bytes) -> bool:
        if not validate(data):
            return False
        self.parse(data)
        return True

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        data = bytes(data)
        end = len(data)
        at = 0
        copied = 0  # while capturing: bytes before this offset are in the buffer, or not wanted
        while at < end:
            if self._string:
                at = self._in_string(data, at)
                continue
            named = (self._depth == 1 and self._root) or (self._depth == 2 and self._inside)
            found = (_next_structural if named else _next_bracket)(data, at)
            if found is None:
                break
            at = found.end()
            char = data[at - 1]
            if char == 0x22:
                self._string = True
                if named and self._state == _EXPECT_KEY:
                    self._recording = True
                    self._key.clear()
            elif char == 0x3A:
                if self._state == _AFTER_KEY:
                    self._state = _EXPECT_VALUE
                    self._container = self._depth == 1 and bytes(self._key) in (b"x_groq", b"response")
                    if bytes(self._key) == b"usage":
                        self._capturing = True
                        self._capture_depth = self._depth
                        self._buffer.clear()
                        copied = at
            else:
                if self._capturing and self._depth == self._capture_depth and char not in b"{[":
                    self._keep(data, copied, at - 1)
                    if self._capturing:
                        self._capturing = False
                        self._read(bytes(self._buffer))
                self._structural(char)
        if self._capturing:
            self._keep(data, copied, end)

    def _in_string(self, data: bytes, at: int) -> int:
        """Goes on inside a string from ``at``; the offset behind its closing quote, or the end of ``data``."""
        start = at
        end = len(data)
        if self._escape:
            self._escape = False
            at += 1
        while True:
            found = _next_string_event(data, at)
            if found is None:
                at = end
                break
            at = found.end()
            if data[at - 1] == 0x22:
                self._string = False
                break
            if at >= end:
                self._escape = True
                break
            at += 1
        if self._recording:
            self._key += data[start : min(at, start + _KEY_LIMIT + 2)]
            if not self._string:
                self._recording = False
                self._state = _AFTER_KEY
                del self._key[-1:]  # the quote; a key too long to matter has lost another byte
                if at - start > _KEY_LIMIT + 2:
                    self._key.clear()
            del self._key[_KEY_LIMIT + 2 :]
        return at

    def _keep(self, data: bytes, start: int, end: int) -> None:
        if len(self._buffer) + end - start > CAPTURE_LIMIT:
            self._capturing = False
            self.suspicious = True
            return
        self._buffer += data[start:end]

    def _structural(self, char: int) -> None:
        if char in b"{[":
            if self._depth == 0:
                self._root = char == 0x7B
            elif self._depth == 1:
                self._inside = char == 0x7B and self._root and self._state == _EXPECT_VALUE and self._container
            self._depth += 1
            self._state = _EXPECT_KEY
        elif char in b"}]":
            if self._depth:
                self._depth -= 1
            self._state = _IN_VALUE
        else:
            self._state = _EXPECT_KEY

    def _read(self, text: bytes) -> None:
        text = text.strip(b" \t\r\n")
        if text == b"null":
            return
        if not text.startswith(b"{") or not judge(text, _USAGE_DEPTH):
            self.suspicious = True
            return
        members = json.loads(text, object_pairs_hook=tuple, parse_int=_integer, parse_float=_fraction)
        for name, value in members:
            if name in _COUNTS:
                self._take(_COUNTS[name], value)
            elif name in _DETAILS and isinstance(value, tuple):
                details = _DETAILS[name]
                for key, count in value:
                    if key in details:
                        self._take(details[key], count)

    def _take(self, attribute: str, value: object) -> None:
        if value is None:
            return
        if type(value) is not int or not 0 <= value <= MAX_COUNT:
            self.suspicious = True
            return
        setattr(self, attribute, value)
        if attribute in ("prompt", "completion", "total"):
            self.found = True
