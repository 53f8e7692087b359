"""Pure twin of the stream part of ``_scan``: follows a server-sent event stream while it is relayed."""

import json
import re
from typing import Final, final

from _speedups._json_py import judge
from _speedups._usage_py import UsageScan

RAW: Final = 0
CHAT: Final = 1
RESPONSES: Final = 2
TYPED: Final = 3

CLEAN: Final = 0
TRUNCATED: Final = 1
FAILED: Final = 2

LOOK_LIMIT: Final = 1 << 20
"""A line, and the data of an event, is looked at up to this many bytes; images are larger and only relayed."""

ERROR_LIMIT: Final = 16_384

_EVENT_DEPTH: Final = 256
_NAME_LIMIT: Final = 64  # twice the longest type in use
_RESPONSES_END: Final = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")

_next_line_end = re.compile(rb"[\r\n]").search


def _number(token: str) -> int:
    return 1  # only whether a value is empty matters, and huge integers are slow to convert


def _empty(value: object) -> bool:
    return value is None or value in ("", [], ())


@final
class StreamScan:
    """See ``_scan.pyi``."""

    __slots__ = (
        "_bom",
        "_closed",
        "_cut",
        "_data",
        "_data_length",
        "_has_data",
        "_hide",
        "_hold",
        "_kind",
        "_last_hidden",
        "_line",
        "_line_length",
        "_name",
        "_oversize",
        "_released",
        "_settled",
        "_swallow",
        "content_events",
        "done",
        "error_event",
        "events",
        "failed",
        "finished",
        "garbled",
        "malformed",
        "usage",
    )

    def __init__(self, kind: int, hide_usage: bool = False) -> None:
        self._kind = kind
        self._hide = hide_usage
        self.usage = UsageScan()
        self.events = 0
        self.content_events = 0
        self.done = False
        self.finished = False
        self.failed = False
        self.error_event = b""
        self.malformed = False
        self.garbled = False
        self._line = bytearray()  # the unfinished line, at most LOOK_LIMIT of it
        self._line_length = 0
        self._data: list[bytes] = []  # the unfinished event's data lines
        self._data_length = 0
        self._has_data = False
        self._oversize = False
        self._name = b""
        self._bom = True
        self._swallow = False  # the last line ended with CR: a LF that follows belongs to it
        self._closed = False
        self._settled = False
        self._cut = False
        self._hold = bytearray()  # with hide_usage: the unfinished event as it came
        self._released = False  # the unfinished event grew too long to be held
        self._last_hidden = False

    def feed(self, data: bytes) -> bytes:
        end = len(data)
        at = emitted = 0
        if self._swallow and end:
            self._swallow = False
            if data[0] == 0x0A:
                at = 1
                emitted = 1 if self._last_hidden else 0
                if self._closed:
                    return data[emitted:1]
        if self._closed:
            return b""
        out: list[bytes] = []
        start = 0 if self._hold else at  # of the unfinished event within data
        while not self.done:
            found = _next_line_end(data, at)
            if found is None:
                self._append(data[at:])
                break
            line_end = found.start()
            line, length = self._whole_line(data, at, line_end)
            at = line_end + 1
            if data[line_end] == 0x0D:
                if at == end:
                    self._swallow = True
                elif data[at] == 0x0A:
                    at += 1
            if line:
                self._last_hidden = False
                self._field(line, length > LOOK_LIMIT)
                continue
            self._last_hidden = self._dispatch() and not self._released
            if self._last_hidden:
                out.append(data[emitted:start])
                emitted = at
            elif self._hold:
                out.append(bytes(self._hold))
            self._hold.clear()
            self._released = False
            start = at
        self._closed = self.done
        stop = start if self._closed else self._held_from(data, start, out)
        if not out and emitted == 0 and stop == end:
            return data
        out.append(data[emitted:stop])
        return b"".join(out)

    def _whole_line(self, data: bytes, at: int, line_end: int) -> tuple[bytes, int]:
        """The line that ends at ``line_end``, or what is looked at of it, and its length."""
        length = self._line_length + line_end - at
        if self._line_length:
            self._append(data[at:line_end])
            line = bytes(self._line)
            self._line.clear()
            self._line_length = 0
        else:
            line = data[at : min(line_end, at + LOOK_LIMIT)]
        if self._bom:
            self._bom = False
            if line.startswith(b"\xef\xbb\xbf"):
                return line[3:], length - 3
        return line, length

    def _held_from(self, data: bytes, start: int, out: list[bytes]) -> int:
        """Holds back the unfinished event, which starts at ``start``; where in ``data`` the held bytes begin."""
        if not self._hide or self._released:
            return len(data)
        self._hold += data[start:]
        if len(self._hold) <= LOOK_LIMIT:
            return start
        if len(self._hold) > len(data):
            out.append(bytes(self._hold[: len(self._hold) - len(data)]))
        self._hold.clear()
        self._released = True
        return len(data)

    def _append(self, piece: bytes) -> None:
        room = LOOK_LIMIT - len(self._line)
        self._line += piece[:room] if len(piece) > room else piece
        self._line_length += len(piece)

    def _field(self, line: bytes, oversize: bool) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            if value[:1] == b" ":
                value = value[1:]
            self._data_length += len(value) + self._has_data
            self._has_data = True
            if oversize or self._data_length > LOOK_LIMIT:
                self._oversize = True
                self._data.clear()
            if not self._oversize:
                self._data.append(value)
        elif name == b"event":
            name = value[1:] if value[:1] == b" " else value
            self._name = name if len(name) <= _NAME_LIMIT else b"?"

    def _dispatch(self) -> bool:
        """Judges the event that a blank line has ended; whether it is to be hidden."""
        hidden = False
        if self._has_data:
            payload = b"\n".join(self._data)
            if self._oversize:
                if self._name == b"error":
                    self._fail(b"")
                self.events += 1
                self.content_events += 1
                self._named(self._name.decode("latin-1"))
            elif payload.strip(b" \t") == b"[DONE]":
                self.done = True
            else:
                self.events += 1
                hidden = self._event(payload)
            self._data.clear()
            self._data_length = 0
            self._has_data = self._oversize = False
        self._name = b""
        return hidden

    def _fail(self, payload: bytes) -> None:
        if not self.failed:
            self.failed = True
            self.error_event = payload[:ERROR_LIMIT]

    def _event(self, payload: bytes) -> bool:
        if self._name == b"error":
            self._fail(payload)
        if b'"usage"' in payload:
            self.usage.parse(payload)
        raw = self._kind == RAW
        if raw:
            self.content_events += 1
            if b'"error"' not in payload:
                return False
        if not judge(payload, _EVENT_DEPTH):
            self.malformed |= not raw
            self.garbled |= self.malformed and self.events == 1
            return False
        document = json.loads(payload, object_pairs_hook=tuple, parse_int=_number, parse_float=_number)
        if not isinstance(document, tuple):
            return False
        error = has_usage = no_choices = False
        kind = None
        for name, value in document:
            if name == "error":
                error |= value is not None
            elif name == "usage":
                has_usage = isinstance(value, tuple)
            elif name == "choices":
                no_choices = value == []
                if self._kind == CHAT and isinstance(value, list):
                    error |= self._choices(value)
            elif name == "type":
                kind = value if isinstance(value, str) else None
        if error:
            self._fail(payload)
        if self._kind == CHAT:
            self.finished |= no_choices and has_usage
            return self._hide and no_choices and has_usage and not error
        if not raw:
            self._typed(kind, payload)
        return False

    def _typed(self, kind: str | None, payload: bytes) -> None:
        """Judges an event of RESPONSES or TYPED by its type, or by its name when it has none."""
        if kind is None:
            kind = self._name.decode("latin-1")
        elif len(kind) > _NAME_LIMIT:
            kind = ""
        if kind in ("error", "response.failed"):
            self._fail(payload)
        self._named(kind)
        if kind.endswith(".delta") or (self._kind == TYPED and kind.endswith((".partial_image", ".completed"))):
            self.content_events += 1

    def _choices(self, choices: list[object]) -> bool:
        """Reads a chunk's choices; whether one of them is an error."""
        error = content = False
        for choice in choices:
            if not isinstance(choice, tuple):
                continue
            for name, value in choice:
                if name == "finish_reason":
                    self.finished |= value is not None
                    error |= value == "error"
                elif name == "error":
                    error |= value is not None
                elif name == "text":
                    content |= not _empty(value)
                elif name == "delta" and isinstance(value, tuple):
                    content |= any(key != "role" and not _empty(item) for key, item in value)
        self.content_events += content
        return error

    def _named(self, kind: str) -> None:
        if self._kind == RESPONSES:
            self.finished |= kind in _RESPONSES_END
        elif self._kind == TYPED:
            self.finished |= kind.endswith((".done", ".completed"))

    def _settle(self) -> None:
        """The stream has ended: an unterminated ``[DONE]`` counts, any other unfinished event was cut."""
        if self._settled:
            return
        self._settled = True
        if self._line_length:
            line = bytes(self._line)
            if self._bom and line.startswith(b"\xef\xbb\xbf"):
                line = line[3:]
            self._field(line, self._line_length > LOOK_LIMIT)
            self._cut = line != b"" and line[:1] != b":"
        if self._has_data and b"\n".join(self._data).strip(b" \t") == b"[DONE]":
            self.done = True
        self._cut |= self._has_data or self._name != b""

    def flush(self) -> bytes:
        self._settle()
        held = bytes(self._hold)
        self._hold.clear()
        return held

    def verdict(self) -> int:
        self._settle()
        if self.failed:
            return FAILED
        if self.done:
            return CLEAN
        if self._cut:
            return TRUNCATED
        return CLEAN if self.finished or self._kind == RAW else TRUNCATED
