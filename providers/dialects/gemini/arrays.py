"""A stream that is one JSON array, which Google sends where ``alt=sse`` was not asked for."""

from __future__ import annotations

import re

from providers.framing import MAX_EVENT_BYTES, TooLong

_MARKS = re.compile(rb'["{}\[\]]')
_QUOTES = re.compile(rb'["\\]')


class ArrayReader:
    """Splits ``[{...},{...}]`` into its objects, at any split of the bytes; one bare object does as well."""

    __slots__ = ("_array", "_at", "_begin", "_data", "_depth", "_quoted", "closed")

    def __init__(self) -> None:
        self._data = bytearray()
        self._at = 0
        """How far ``_data`` was looked at."""
        self._begin = 0
        self._depth = 0
        self._quoted = False
        self._array = False
        self.closed = False
        """The array's end was seen, or there is no array."""

    def feed(self, data: bytes) -> list[bytes]:
        """The objects that are complete with ``data``. Raises TooLong."""
        self._data += data
        out: list[bytes] = []
        while (mark := (_QUOTES if self._quoted else _MARKS).search(self._data, self._at)) is not None:
            letter = mark[0]
            if self._quoted:
                if letter == b"\\":
                    if mark.end() == len(self._data):
                        self._at = mark.start()
                        return out
                    self._at = mark.end() + 1
                    continue
                self._quoted = False
            elif letter == b'"':
                self._quoted = True
            elif letter in b"{[":
                if self._depth == 0 and letter == b"[":
                    self._array = True
                else:
                    if self._depth == 0:
                        self._begin = mark.start()
                    self._depth += 1
            elif self._depth == 0:
                self.closed = self.closed or letter == b"]"
            else:
                self._depth -= 1
                if self._depth == 0:
                    out.append(bytes(self._data[self._begin : mark.end()]))
                    self.closed = not self._array
                    del self._data[: mark.end()]
                    self._at = self._begin = 0
                    continue
            self._at = mark.end()
        self._at = len(self._data)
        if self._depth == 0:
            self._data.clear()
            self._at = 0
        if len(self._data) > MAX_EVENT_BYTES:
            raise TooLong(f"an event of more than {MAX_EVENT_BYTES} bytes")
        return out
