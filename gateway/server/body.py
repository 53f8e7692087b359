"""A request body as it arrives: where it ends, and that its framing is honest.

httptools is fed exact slices (a line, a chunk's data), so the end of the message is the end of a slice; it judges them,
this only finds the borders (RFC 9112 6 and 7.1).
"""

from __future__ import annotations

from typing import Any

import httptools

LENGTH = 0
CHUNK_LINE = 1
CHUNK_DATA = 2
CHUNK_END = 3
TRAILER = 4

CHUNK_OVERHEAD = 16384
"""Framing bytes beyond an eighth of the data after which a chunked body is an attack (A11; Go CVE-2023-39326)."""
HEAVY = "Chunk framing takes more room than the data."


class BodyReader:
    """Fed with ``take``; ``pieces`` are the body's bytes so far that nobody has taken away."""

    def __init__(self, parser: Any, length: int, limit: int) -> None:
        """``length``: the declared one, -1 for a chunked body; ``limit``: the most bytes a chunked one may hold."""
        self.parser = parser
        self.limit = limit
        self.framing = LENGTH if length >= 0 else CHUNK_LINE
        self.left = length if length > 0 else 0
        self.pieces: list[bytes] = []
        self.data_bytes = 0
        self.framing_bytes = 0
        self.line = b""
        self.done = False
        self.too_large = False
        self.error = ""

    def take(self, data: bytes) -> bytes:
        """Read from ``data``; returns what follows the body. ``done`` or ``error`` say how it ended, if it did."""
        if self.framing == LENGTH:
            piece = data[: self.left] if len(data) > self.left else data
            if not self.feed(piece):
                return b""
            self.left -= len(piece)
            self.data_bytes += len(piece)
            self.pieces.append(piece)
            self.done = self.left == 0
            return data[len(piece) :]
        return self.take_chunks(data)

    def feed(self, data: bytes) -> bool:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.error = "Malformed request body."
            return False
        return True

    def take_chunks(self, data: bytes) -> bytes:
        if self.line:
            data = self.line + data
            self.line = b""
        at = 0
        size = len(data)
        while at < size:
            if self.framing == CHUNK_DATA:
                stop = at + self.left if self.left < size - at else size
                piece = data[at:stop]
                if not self.feed(piece):
                    return b""
                self.left -= stop - at
                at = stop
                self.data_bytes += len(piece)
                self.pieces.append(piece)
                if self.left == 0:
                    self.framing = CHUNK_END
                continue
            end = data.find(b"\r\n", at)
            if end < 0:
                self.keep_line(data[at:])
                break
            line = data[at : end + 2]
            at = end + 2
            self.framing_bytes += len(line)
            if self.framing_bytes > CHUNK_OVERHEAD + self.data_bytes // 8:
                self.error = HEAVY
                return b""
            if not self.feed(line):
                return b""
            if self.framing == CHUNK_LINE:
                semicolon = line.find(b";")
                left = int(line[:semicolon] if semicolon >= 0 else line, 16)
                if left > self.limit - self.data_bytes:
                    # Refused as announced: nobody has to send it first.
                    self.too_large = True
                    return b""
                self.left = left
                self.framing = CHUNK_DATA if self.left else TRAILER
            elif self.framing == CHUNK_END:
                self.framing = CHUNK_LINE
            elif end == at - 2 and len(line) == 2:
                self.done = True
                return data[at:]
        return b""

    def keep_line(self, line: bytes) -> None:
        """An unfinished line waits for its rest; one that can't become a line is an error at once."""
        if b"\n" in line or b"\r" in line[:-1]:
            self.error = "Malformed chunk."
        elif self.framing_bytes + len(line) > CHUNK_OVERHEAD + self.data_bytes // 8:
            self.error = HEAVY
        self.line = line

    def collected(self) -> bytes:
        """The pieces in one, and none left behind."""
        pieces, self.pieces = self.pieces, []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
