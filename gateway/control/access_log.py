"""The access log: a line of JSON for each request, written from records on a thread of its own.

Nobody waits for it: what the disk does not take, or a slow reader of a pipe, is lost and counted.
"""

from __future__ import annotations

import logging
import os
import select
import threading
from collections.abc import Callable, Iterator, Mapping

import msgspec

from gateway.config.telemetry import STREAMS, AccessLogEntry
from gateway.control.log_entries import LogEntry, entry_of
from gateway.control.record_tap import RecordTap
from gateway.control.trail import WIDTH, Values
from gateway.records import Kind
from gateway.stores.protocols import LogRow

log = logging.getLogger("microgate.access_log")

WAIT_S = 0.5
WRITE_WITHIN_S = 1.0
MODE = 0o640
"""Of a new file: whoever ships logs is in the gateway's group."""
KIND = LogRow._fields.index("kind")
FD = {"stdout": 1, "stderr": 2}


class AccessLog:
    """One per control process. ``names``: what ids are called now."""

    def __init__(self, names: Callable[[], Mapping[int, str]]) -> None:
        self._names = names
        self._entry = AccessLogEntry()
        self._encoder = msgspec.json.Encoder()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._again = False
        self._fd = -1
        self._failed = False
        self._torn = False
        """The file ends with half a line, which the disk did not take whole."""
        self.tap: RecordTap | None = None
        """Where records are put; None while there is no access log."""
        self.written = 0
        self.lost = 0
        """Lines that could not be written; those of records that came too fast are ``tap.dropped``."""

    @property
    def dropped(self) -> int:
        return self.lost + (self.tap.dropped if self.tap is not None else 0)

    @property
    def problem(self) -> str:
        """Why lines are lost now; empty: none are."""
        return "the access log cannot be written" if self._failed and self.tap is not None else ""

    def follow(self, entry: AccessLogEntry) -> None:
        """As configured from now on; waits for the lines under way when that is another file."""
        if entry == self._entry:
            return
        self.close()
        self._entry = entry
        if entry.path is not None:
            self._stopping = False
            self.tap = RecordTap()
            self._thread = threading.Thread(target=self._run, args=(entry, self.tap), name="access log", daemon=True)
            self._thread.start()

    def reopen(self) -> None:
        """At SIGHUP: its file may have been renamed."""
        self._again = True
        if self.tap is not None:
            self.tap.wake()

    def close(self) -> None:
        """Write what has come, and end."""
        thread, self._thread = self._thread, None
        if thread is None or self.tap is None:
            return
        self._stopping = True
        self.tap.wake()
        thread.join(WAIT_S * 4)
        self.lost += self.tap.dropped
        self.tap = None
        self._entry = AccessLogEntry()

    # -- the thread

    def _run(self, entry: AccessLogEntry, tap: RecordTap) -> None:
        self._open(entry)
        while not self._stopping:
            self._write_all(entry, tap.take(WAIT_S))
        self._write_all(entry, tap.take(0))
        self._shut(entry)

    def _write_all(self, entry: AccessLogEntry, pieces: list[Values]) -> None:
        if self._again:
            self._again = False
            self._shut(entry)
            self._open(entry)
        names = self._names()
        for values in pieces:
            lines = list(self._lines(entry, values, names))
            if lines:
                self._write(entry, lines)

    def _lines(self, entry: AccessLogEntry, values: Values, names: Mapping[int, str]) -> Iterator[bytes]:
        for at in range(0, len(values), WIDTH):
            kind = values[at + KIND]
            if kind == Kind.EXCHANGE or (entry.attempts and kind == Kind.ATTEMPT):
                yield self._encoder.encode(line_of(entry_of(LogRow(*values[at : at + WIDTH]), names))) + b"\n"

    def _write(self, entry: AccessLogEntry, lines: list[bytes]) -> None:
        if self._fd < 0:
            # Its folder may be there again, or have room again.
            self._open(entry)
        try:
            if self._fd < 0:
                self.lost += len(lines)
                return
            self._write_whole(b"".join(lines))
        except OSError as error:
            self._tell(error)
        else:
            self._failed = False

    def _write_whole(self, data: bytes) -> None:
        """Raises OSError, also when nobody reads a pipe for a second."""
        if self._torn:
            # The half is one bad line, and takes no good one along.
            data = b"\n" + data
        left = memoryview(data)
        try:
            while left:
                try:
                    left = left[os.write(self._fd, left) :]
                except BlockingIOError:
                    waiting = select.poll()
                    waiting.register(self._fd, select.POLLOUT)
                    if not waiting.poll(WRITE_WITHIN_S * 1e3):
                        raise
        finally:
            done = data[: len(data) - len(left)]
            lost = data.count(b"\n", len(done))
            if done:
                self.written += done.count(b"\n") - self._torn
                self._torn = not done.endswith(b"\n")
            elif self._torn:
                lost -= 1
            self.lost += lost

    def _open(self, entry: AccessLogEntry) -> None:
        path = entry.path or ""
        if path in STREAMS:
            self._fd = FD[path]
            return
        try:
            # No FIFO whose reader is away holds it up.
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            previous = os.umask(0)
            try:
                self._fd = os.open(path, flags, MODE)
            finally:
                os.umask(previous)
            self._torn = self._torn and os.fstat(self._fd).st_size > 0
        except OSError as error:
            self._fd = -1
            self._tell(error)

    def _tell(self, error: OSError) -> None:
        if not self._failed:
            log.error("the access log cannot be written: %s", error.strerror)
        self._failed = True

    def _shut(self, entry: AccessLogEntry) -> None:
        if self._fd >= 0 and entry.path not in STREAMS:
            os.close(self._fd)
        self._fd = -1


def line_of(entry: LogEntry) -> dict[str, object]:
    """What a line says: what the request log shows, in the same words (docs/access-log.md)."""
    line: dict[str, object] = {"time": entry.started_at}
    for name in FIELDS:
        line[name] = getattr(entry, name)
    line["cost_usd"] = entry.cost_nanodollars / 1e9
    return line


LEFT_OUT = {"started_at", "cost_nanodollars", "receipt", "snapshot_version", "snippet"}
FIELDS = tuple(name for name in LogEntry.__struct_fields__ if name not in LEFT_OUT)
