"""Standard output and error that never keep this process waiting: what is not taken at once is kept, then lost and
counted.

Whoever reads them may stop: a full pipe to a log collector, a terminal whose output is held, a journal that hangs.
The descriptors are shared with other processes, so they must not be made non-blocking themselves. A pipe or terminal
is opened once more through /proc, a socket is written to with MSG_DONTWAIT. A file is written to as it is: it has no
reader.
"""

from __future__ import annotations

import io
import os
import select
import socket
import stat
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

QUEUE_BYTES = 256 << 10
"""That wait at most: some 2,000 lines, four times what a pipe holds."""

FINISH_S = 0.5
"""For which an ending process waits for a reader who is behind."""

_Writer = tuple[Callable[[bytes], int], Callable[[], None]]
"""Writes as much as is taken at once and raises BlockingIOError when that is nothing; gives back what it holds."""


class Sink(io.RawIOBase):
    """The writing end of ``fd``. Nothing that is written to it waits, fails or is split between two processes' lines
    unless it is longer than PIPE_BUF. After a fork the child has its own queue, without what its parent's holds."""

    def __init__(self, fd: int) -> None:
        super().__init__()
        self.lost = 0
        """Writes (a log line is one) that have been given up."""
        self._fd = fd
        self._reported = 0
        self._failing = False
        self._write, self._release = _writer(fd)
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._pid = os.getpid()
        # Control logs from threads.
        self._lock = threading.Lock()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def write(self, data: ReadableBuffer, /) -> int:
        """Take all of ``data``, or lose all of it."""
        piece = bytes(data)
        with self._lock:
            self._press_on()
            if self._bytes + len(piece) > QUEUE_BYTES:
                self.lost += 1
                return len(piece)
            self._waiting.append(piece)
            self._bytes += len(piece)
            if len(self._waiting) == 1:
                self._press_on()
        return len(piece)

    def flush(self) -> None:
        """Write what can be written now."""
        with self._lock:
            self._press_on()

    def close(self) -> None:
        """Wait for a reader who is behind, for a moment."""
        if not self.closed:
            self.finish()
            self._release()
        super().close()

    def finish(self) -> None:
        """Write what waits, within ``FINISH_S``."""
        end = time.monotonic() + FINISH_S
        self.flush()
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        while self._waiting and (left_s := end - time.monotonic()) > 0:
            poll.poll(left_s * 1000)
            self.flush()

    def losses(self) -> int:
        """Writes lost since this was asked last; 0 for as long as it could not be said."""
        self.flush()
        if self._waiting or self._failing:
            return 0
        count, self._reported = self.lost - self._reported, self.lost
        return count

    def _press_on(self) -> None:
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._waiting.clear()
            self._bytes = self.lost = self._reported = 0
        while self._waiting:
            piece = self._waiting[0]
            try:
                taken = self._write(piece)
            except BlockingIOError:
                return
            except OSError:
                # Its reader is gone, or the disk is full.
                self._failing = True
                self.lost += 1
                taken = len(piece)
            else:
                self._failing = False
            self._bytes -= taken
            if taken == len(piece):
                self._waiting.popleft()
            else:
                self._waiting[0] = piece[taken:]


def _writer(fd: int) -> _Writer:
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        # It was closed when the program was started: nobody wants to hear anything.
        return len, _nothing
    if stat.S_ISREG(mode):
        return lambda piece: os.write(fd, piece), _nothing
    if stat.S_ISSOCK(mode):
        sock = socket.socket(fileno=os.dup(fd))
        return lambda piece: sock.send(piece, socket.MSG_DONTWAIT), sock.close
    try:
        own = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return _polled(fd), _nothing
    return lambda piece: os.write(own, piece), lambda: os.close(own)


def _nothing() -> None:
    """It holds nothing of its own."""


def _polled(fd: int) -> Callable[[bytes], int]:
    """For what cannot be opened again: another user's pipe, or no /proc. What poll() calls writable takes PIPE_BUF
    bytes, unless another process is quicker: a gap that only this case has."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)

    def write(piece: bytes) -> int:
        if not poll.poll(0):
            raise BlockingIOError
        return os.write(fd, piece[: select.PIPE_BUF])

    return write


@contextmanager
def installed() -> Iterator[None]:
    """Put sinks in the place of ``sys.stdout`` and ``sys.stderr``, of this process and of those that it forks, for as
    long as the program runs; at its end what waits has a moment to leave."""
    sinks = []
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None:
            stream.flush()
            sinks.append(Sink(stream.fileno()))
            # Written through: a line is one write, and nothing is left behind in a buffer.
            text = io.TextIOWrapper(sinks[-1], "utf-8", "backslashreplace", newline="", write_through=True)  # type: ignore[type-var]  # raw, as the interpreter's own under -u
            setattr(sys, name, text)
    try:
        yield
    finally:
        for sink in sinks:
            sink.finish()


def standard_error() -> Sink | None:
    """None outside of ``installed``."""
    found = getattr(sys.stderr, "buffer", None)
    return found if isinstance(found, Sink) else None
