"""How workers ask the cache process, and tell it things: one unix stream socket, frames of msgpack.

A question has a name, arguments and one answer; many are under way on a connection, answered in any order. What is told
has no answer: it is gathered and written in batches, and given up where it finds no room. Nobody waits for a cache
process that is away: questions fail at once, what is told meanwhile is dropped and counted. This is the worker's end;
the other one is ``answering``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import Any, cast

import msgspec

from gateway.processes.channel import RECONNECT_FIRST_S, RECONNECT_MOST_S
from gateway.processes.frames import FrameCutter, FrameError, framed

MAX_FRAME_BYTES = 65 << 20
"""The largest answer that ``cache.max_entry`` can allow, and what stands beside it."""
BACKLOG_BYTES = 8 << 20
"""What is told and not written yet, or a single one that is larger. A cache process that is this far behind does not
keep up."""
FLUSH_BYTES = 256 << 10
"""One write of this size costs little more than one of a tenth."""
FLUSH_S = 0.05
"""What is told is written after this time at the latest: answers are rarely asked for again sooner."""
MOST_UNDER_WAY = 1024
"""Questions of a worker without an answer; beyond these the cache process is not asked more."""
DRAIN_S = 2.0

log = logging.getLogger("microgate.cache")


class NotAnswered(Exception):
    """The cache process is away, did not answer in time, or says why it has no answer. A handler that raises it sends
    its text to whoever asked."""


class Question(msgspec.Struct, tag="?", array_like=True, frozen=True):
    """Worker -> cache process."""

    id: int
    """Unique on its connection."""
    op: str
    args: tuple[Any, ...]


class Told(msgspec.Struct, tag="!", array_like=True, frozen=True):
    """Worker -> cache process; nothing comes back."""

    op: str
    args: tuple[Any, ...]


class Batch(msgspec.Struct, tag="*", array_like=True, frozen=True):
    """Worker -> cache process: several things told at once; nothing comes back."""

    op: str
    all: list[tuple[Any, ...]]


class Answer(msgspec.Struct, tag="=", array_like=True, frozen=True):
    id: int
    value: Any


class Failure(msgspec.Struct, tag="-", array_like=True, frozen=True):
    id: int
    reason: str


_encoder = msgspec.msgpack.Encoder()
_answers: msgspec.msgpack.Decoder[Answer | Failure] = msgspec.msgpack.Decoder(Answer | Failure)


class Asking(asyncio.Protocol):
    """A worker's end. ``start``, then ``ask`` and ``tell`` at any time: it connects, and connects again. Everything
    runs on ``loop``."""

    def __init__(self, loop: asyncio.AbstractEventLoop, path: str, timeout: float = 1.0) -> None:
        self._loop = loop
        self._path = path
        self.timeout = timeout
        """Seconds that a question waits unless it says otherwise."""
        self._transport: asyncio.Transport | None = None
        self._cutter = FrameCutter(MAX_FRAME_BYTES)
        self._gone = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._questions: dict[int, tuple[asyncio.Future[Any], asyncio.TimerHandle]] = {}
        self._last = 0
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._pending_count = 0
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False
        self.asked = 0
        self.failed = 0
        """Questions without an answer: away, late, refused."""
        self.told = 0
        self.dropped = 0
        """Of what was told: found no room, or nobody. (What was written to a connection that then breaks is lost, and
        not counted.)"""

    @property
    def connected(self) -> bool:
        return self._transport is not None

    def start(self) -> None:
        self._task = self._loop.create_task(self._keep_connected())

    async def close(self) -> None:
        """Write what was told, stop connecting, fail what is asked. Waits until it is written, two seconds at most."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        transport = self._transport
        if transport is None:
            return
        self._paused = False
        self.flush()
        transport.close()
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._gone.wait()
        except TimeoutError:
            transport.abort()
            await self._gone.wait()

    def ask(self, op: str, *args: Any, timeout: float | None = None) -> asyncio.Future[Any]:
        """The answer of the handler ``op``. The future raises NotAnswered when the cache process is away, after
        ``timeout`` seconds, and where the handler fails; it may be cancelled. A question may overtake what was told
        before it; ``flush`` first where that matters.

        Raises TypeError for arguments that msgpack does not know.
        """
        future = self._loop.create_future()
        self.asked += 1
        transport = self._transport
        if transport is None or transport.is_closing():
            self._fail(future, "the cache process is away")
            return future
        if len(self._questions) >= MOST_UNDER_WAY or transport.get_write_buffer_size() > BACKLOG_BYTES:
            self._fail(future, "the cache process does not keep up")
            return future
        self._last = number = self._last + 1
        body = _encoder.encode(Question(number, op, args))
        if len(body) > MAX_FRAME_BYTES:
            self._fail(future, f"a question of {len(body)} bytes is too large")
            return future
        wait = self.timeout if timeout is None else timeout
        self._questions[number] = future, self._loop.call_later(wait, self._late, number, wait)
        future.add_done_callback(lambda _: self._forget(number))
        transport.write(framed(body))
        return future

    def tell(self, op: str, *args: Any) -> bool:
        """Hand ``args`` to the handler ``op``, some time within the next 50 ms. False when they are dropped instead:
        the cache process is away or does not keep up. ``args`` are taken as they are now.

        Raises TypeError for arguments that msgpack does not know.
        """
        if self._transport is None:
            self.dropped += 1
            return False
        return self._hold(_encoder.encode(Told(op, args)), 1)

    def tell_all(self, op: str, batch: list[tuple[Any, ...]]) -> bool:
        """``tell`` for every item of ``batch``, in one frame: much cheaper for each of them. Dropped as a whole."""
        count = len(batch)
        if self._transport is None:
            self.dropped += count
            return False
        return self._hold(_encoder.encode(Batch(op, batch)), count)

    def _hold(self, body: bytes, count: int) -> bool:
        """Keep the frame of ``count`` things told until it is written."""
        size = self._pending_bytes + len(body)
        if len(body) > MAX_FRAME_BYTES or (size > BACKLOG_BYTES and self._pending):
            self.dropped += count
            return False
        if not self._pending:
            self._timer = self._loop.call_later(FLUSH_S, self.flush)
        self._pending.append(len(body).to_bytes(4, "big"))
        self._pending.append(body)
        self._pending_bytes = size
        self._pending_count += count
        self.told += count
        if size >= FLUSH_BYTES and not self._paused:
            self.flush()
        return True

    def flush(self) -> None:
        """Write what was told; later, when the socket takes no more for now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        transport = self._transport
        if not self._pending or self._paused or transport is None or transport.is_closing():
            return
        data = b"".join(self._pending)
        self._pending.clear()
        self._pending_bytes = self._pending_count = 0
        transport.write(data)

    # --- the connection

    async def _keep_connected(self) -> None:
        wait = RECONNECT_FIRST_S
        while True:
            self._gone.clear()
            try:
                await self._loop.create_unix_connection(lambda: self, self._path)
            except OSError:
                await asyncio.sleep(wait * random.uniform(0.5, 1.0))
                wait = min(RECONNECT_MOST_S, wait * 2)
                continue
            wait = RECONNECT_FIRST_S
            await self._gone.wait()
            await asyncio.sleep(wait)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._cutter = FrameCutter(MAX_FRAME_BYTES)
        self._paused = False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.dropped += self._pending_count
        self.told -= self._pending_count
        self._pending.clear()
        self._pending_bytes = self._pending_count = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for future, _ in list(self._questions.values()):
            self._fail(future, "the cache process is gone")
        self._gone.set()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self.flush()

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._cutter.feed(data):
                self._answered(_answers.decode(body))
        except (FrameError, msgspec.MsgspecError) as error:
            log.warning("connection to the cache process closed: %s", error)
            if self._transport is not None:
                self._transport.abort()

    # --- questions

    def _answered(self, answer: Answer | Failure) -> None:
        found = self._questions.get(answer.id)
        if found is None or found[0].done():
            return  # late, or nobody waits any more
        if isinstance(answer, Answer):
            found[0].set_result(answer.value)
        else:
            self._fail(found[0], answer.reason)

    def _late(self, number: int, wait: float) -> None:
        found = self._questions.get(number)
        if found is not None:
            self._fail(found[0], f"no answer within {wait * 1000:.0f} ms")

    def _fail(self, future: asyncio.Future[Any], reason: str) -> None:
        if not future.done():
            self.failed += 1
            future.set_exception(NotAnswered(reason))
            # Whoever asked may be gone.
            future.exception()

    def _forget(self, number: int) -> None:
        found = self._questions.pop(number, None)
        if found is not None:
            found[1].cancel()
