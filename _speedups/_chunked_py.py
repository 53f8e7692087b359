"""Pure twin of ``_chunked``: the body of an answer that comes in chunks. The contract is ``_chunked.pyi``."""

import re
from typing import Final, final

MOST_DIGITS: Final = 15
OVERHEAD: Final = 16_384
"""Most bytes of extensions and trailers."""

_LINE: Final = 0  # a chunk's size and extension
_DATA: Final = 1
_DATA_END: Final = 2
_TRAILER: Final = 3
_DONE: Final = 4
_BROKEN: Final = 5

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_TEXT = rb"[\t\x20-\x7e\x80-\xff]"
_OPEN_QUOTED = rb'"(?:[\t\x20!#-\[\]-\x7e\x80-\xff]|\\' + _TEXT + rb")*+"
_EXTENSION = rb";" + _TOKEN + rb"(?:=(?:" + _TOKEN + rb"|" + _OPEN_QUOTED + rb'"))?+(?!=)'
_SIZE = rb"[0-9A-Fa-f]{1,15}+(?:" + _EXTENSION + rb")*+"

_size_of = re.compile(rb"([0-9A-Fa-f]{1,15}+)(?:" + _EXTENSION + rb")*+\Z").match
_may_become_size = re.compile(
    rb"(?:" + _SIZE + rb"(?:;(?:" + _TOKEN + rb"(?:=(?:" + _OPEN_QUOTED + rb"\\?+)?+)?+)?+|\r?+))?+\Z"
).match
_is_trailer = re.compile(_TOKEN + rb":" + _TEXT + rb"*+\Z").match
_may_become_trailer = re.compile(rb"(?:\r?+|" + _TOKEN + rb"(?::" + _TEXT + rb"*+\r?+)?+)\Z").match


@final
class ChunkedBody:
    """See ``_chunked.pyi``."""

    __slots__ = ("_framing_bytes", "_kept", "_left", "_state", "broken", "done", "extra")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.done = self.extra = self.broken = False
        self._state = _LINE
        self._kept = b""
        self._left = 0
        self._framing_bytes = 0

    def _fail(self) -> None:
        if self._state >= _TRAILER:
            self.done = self.extra = True
            self._state = _DONE
        else:
            self.broken = True
            self._state = _BROKEN

    def feed(self, data: bytes) -> bytes:
        data = self._kept + data
        self._kept = b""
        pieces = []
        at = 0
        while at < len(data) and self._state != _BROKEN:
            if self._state == _DATA:
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = _DATA_END
            elif self._state == _DATA_END:
                end = data[at : at + 2]
                if not b"\r\n".startswith(end):
                    self._fail()
                elif len(end) < 2:
                    self._kept = end
                    break
                else:
                    self._state = _LINE
                    at += 2
            elif self._state == _DONE:
                self.extra = True
                break
            else:
                line, found, _ = data[at:].partition(b"\n")
                at += len(line) + 1
                if found and line.endswith(b"\r"):
                    self._line(line[:-1])
                elif found or not self._may_go_on(line):
                    self._fail()
                else:
                    self._kept = line
        return b"".join(pieces)

    def _line(self, line: bytes) -> None:
        if self._state == _TRAILER:
            if not line:
                self.done = True
                self._state = _DONE
            elif not _is_trailer(line) or self._is_too_much(len(line)):
                self._fail()
            return
        size = _size_of(line)
        if size is None or self._is_too_much(len(line) - len(size[1])):
            self._fail()
            return
        self._left = int(size[1], 16)
        self._state = _DATA if self._left else _TRAILER

    def _is_too_much(self, size: int) -> bool:
        self._framing_bytes += size
        return self._framing_bytes > OVERHEAD

    def _may_go_on(self, line: bytes) -> bool:
        """Whether the beginning of a line can still become one."""
        if self._framing_bytes + len(line) > OVERHEAD:
            return False
        return bool((_may_become_trailer if self._state == _TRAILER else _may_become_size)(line))
