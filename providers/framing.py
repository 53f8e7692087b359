"""How streams are cut into events: server-sent events and lines of JSON, without I/O, at any split of the bytes."""

from __future__ import annotations

from typing import NamedTuple

MAX_EVENT_BYTES = 32 << 20
"""An event may carry a whole picture in base64; one without end is an attack on memory."""


class TooLong(ValueError):
    """An event grew beyond ``MAX_EVENT_BYTES``."""


class SseEvent(NamedTuple):
    """One dispatched event (WHATWG HTML 9.2.6)."""

    name: bytes
    """``event`` field; empty when there was none."""
    data: bytes


class SseReader:
    """Splits a stream of server-sent events. Comments, ``id`` and ``retry`` are left out; lines end in LF, CRLF or
    CR."""

    __slots__ = ("_data", "_line", "_name", "_size", "_skip_lf")

    def __init__(self) -> None:
        self._line = b""
        self._name = b""
        self._data: list[bytes] = []
        self._size = 0
        self._skip_lf = False

    def feed(self, data: bytes) -> list[SseEvent]:
        """The events that are complete with ``data``. Raises TooLong."""
        if self._skip_lf and data:
            data = data[1:] if data[:1] == b"\n" else data
            self._skip_lf = False
        if b"\r" in data:
            # A CR at the end may be half of a CRLF: the line ends here, and a LF at the next start is skipped.
            self._skip_lf = data[-1:] == b"\r"
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = data.split(b"\n")
        lines[0] = self._line + lines[0]
        self._line = lines.pop()
        events: list[SseEvent] = []
        for line in lines:
            if not line:
                if self._data:
                    events.append(SseEvent(self._name, b"\n".join(self._data)))
                    self._data = []
                    self._size = 0
                self._name = b""
            elif line.startswith(b"data:"):
                value = line[6:] if line[5:6] == b" " else line[5:]
                self._data.append(value)
                self._size += len(value)
            elif line.startswith(b"event:"):
                self._name = line[6:].strip()
            elif line == b"data":
                self._data.append(b"")
        if self._size + len(self._line) > MAX_EVENT_BYTES:
            raise TooLong(f"an event of more than {MAX_EVENT_BYTES} bytes")
        return events

    def end(self) -> list[SseEvent]:
        """The stream is over. The standard throws an event away that no empty line ended; providers that forget the
        last one meant it, so it counts."""
        line, self._line = self._line, b""
        return self.feed(line + b"\n\n") if line or self._data else []


class JsonArray:
    """Turns a stream of server-sent events into one JSON array of their data, as Google answers without ``alt=sse``."""

    __slots__ = ("_begun", "_reader")

    def __init__(self) -> None:
        self._reader = SseReader()
        self._begun = False

    def feed(self, data: bytes) -> bytes:
        """The elements that are complete with ``data``. Raises TooLong."""
        out = b""
        for event in self._reader.feed(data):
            out += (b",\r\n" if self._begun else b"[") + event.data
            self._begun = True
        return out

    def end(self) -> bytes:
        return b"]" if self._begun else b"[]"


class LineReader:
    """Splits a stream of JSON lines (NDJSON)."""

    __slots__ = ("_line",)

    def __init__(self) -> None:
        self._line = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are complete with ``data``, without empty ones. Raises TooLong."""
        lines = data.split(b"\n")
        lines[0] = self._line + lines[0]
        self._line = lines.pop()
        if len(self._line) > MAX_EVENT_BYTES:
            raise TooLong(f"a line of more than {MAX_EVENT_BYTES} bytes")
        return [line for line in lines if line.strip()]

    def end(self) -> list[bytes]:
        """What stood behind the last line end."""
        line, self._line = self._line, b""
        return [line] if line.strip() else []


def sse(data: bytes, name: bytes = b"") -> bytes:
    """One event on the wire; ``data`` holds no line ends, as JSON does not."""
    if name:
        return b"event: %b\ndata: %b\n\n" % (name, data)
    return b"data: %b\n\n" % data
