"""The cache process's end of ``asking``: workers' questions are answered, and what they tell is taken in."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import os
from collections import deque
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, cast

import msgspec

from gateway.cache.asking import DRAIN_S, MAX_FRAME_BYTES, Answer, Batch, Failure, NotAnswered, Question, Told
from gateway.processes.frames import FrameCutter, FrameError, framed

HELD_BYTES = 1 << 20
"""What a worker told and no handler has taken yet; the rest stays on the worker's side, whose backlog is bounded."""

log = logging.getLogger("microgate.cache")

_encoder = msgspec.msgpack.Encoder()
_asked: msgspec.msgpack.Decoder[Question | Told | Batch] = msgspec.msgpack.Decoder(Question | Told | Batch)


class Answering:
    """The cache process's end: ``handlers`` by name, for all connections. ``serve_questions`` makes one.

    A question's arguments are its handler's; what it returns (or, being a coroutine, comes to) is the answer. What is
    told arrives as a list of arguments, batch after batch of a connection; while a handler's coroutine runs, the
    batches behind it wait, and the worker with them.
    """

    def __init__(self, handlers: Mapping[str, Callable[..., Any]]) -> None:
        self.handlers = handlers
        self.links: set[_Link] = set()
        self.server: asyncio.Server | None = None
        self.path = ""
        self.unknown = 0
        """Frames that named no handler: their worker runs other code, as during an upgrade."""

    async def close(self) -> None:
        """Stop listening, remove the socket, let handlers have what was told (two seconds at most), drop the rest."""
        if self.server is None:
            return
        self.server.close()
        deadline = monotonic() + DRAIN_S
        while busy := [link.taking for link in self.links if link.taking is not None]:
            left = deadline - monotonic()
            if left <= 0:
                break
            await asyncio.wait(busy, timeout=left)
        for link in list(self.links):
            link.abort()
        while self.links:
            await asyncio.sleep(0)
        await self.server.wait_closed()
        self.server = None
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)


class _Link(asyncio.Protocol):
    """A worker that is connected."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._cutter = FrameCutter(MAX_FRAME_BYTES)
        self._transport: asyncio.Transport | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._batches: deque[tuple[str, list[tuple[Any, ...]], int]] = deque()
        self._held = 0
        self._paused = False
        self.taking: asyncio.Task[None] | None = None
        """The handler that is at work on what was told."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._answering.links.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._answering.links.discard(self)
        for task in self._tasks:
            task.cancel()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        told: dict[str, tuple[list[tuple[Any, ...]], int]] = {}
        questions: list[Question] = []
        try:
            for body in self._cutter.feed(data):
                message = _asked.decode(body)
                if isinstance(message, Question):
                    questions.append(message)
                else:
                    batch, size = told.get(message.op, ([], 0))
                    if isinstance(message, Told):
                        batch.append(message.args)
                    else:
                        batch += message.all
                    told[message.op] = batch, size + len(body)
        except (FrameError, msgspec.MsgspecError) as error:
            log.warning("a worker's connection closed: %s", error)
            self.abort()
        for op, (batch, size) in told.items():
            self._batches.append((op, batch, size))
            self._held += size
        if self.taking is None:
            self._take()
        if self._held > HELD_BYTES and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        for question in questions:
            self._question(question)

    # --- what is told

    def _take(self) -> None:
        """Handlers get what waits for them, until one of them has to be waited for."""
        while self._batches:
            op, batch, size = self._batches.popleft()
            handler = self._answering.handlers.get(op)
            if handler is None:
                self._answering.unknown += 1
                self._taken(size)
                continue
            try:
                result = handler(batch)
            except Exception:
                log.exception("%s failed with what a worker told", op)
                result = None
            if inspect.isawaitable(result):
                self.taking = asyncio.ensure_future(self._wait(op, result, size))
                return
            self._taken(size)

    async def _wait(self, op: str, result: Any, size: int) -> None:
        try:
            await result
        except Exception:
            log.exception("%s failed with what a worker told", op)
        self.taking = None
        self._taken(size)
        self._take()

    def _taken(self, size: int) -> None:
        self._held -= size
        if self._paused and self._held <= HELD_BYTES and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    # --- questions

    def _question(self, question: Question) -> None:
        handler = self._answering.handlers.get(question.op)
        if handler is None:
            self._answering.unknown += 1
            self._send(failed(question, NotAnswered(f"the cache process knows no {question.op}")))
            return
        try:
            result = handler(*question.args)
        except Exception as error:
            self._send(failed(question, error))
            return
        if inspect.isawaitable(result):
            task: asyncio.Task[None] = asyncio.ensure_future(self._answer(question, result))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self._send(answered(question, result))

    async def _answer(self, question: Question, result: Any) -> None:
        try:
            body = answered(question, await result)
        except Exception as error:
            body = failed(question, error)
        self._send(body)

    def _send(self, body: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(framed(body))


def answered(question: Question, value: object) -> bytes:
    try:
        body = _encoder.encode(Answer(question.id, value))
    except TypeError as error:
        return failed(question, error)
    if len(body) > MAX_FRAME_BYTES:
        return failed(question, NotAnswered(f"an answer of {len(body)} bytes is too large"))
    return body


def failed(question: Question, error: Exception) -> bytes:
    """What the worker hears: a handler's own words; of anything else, that it went wrong."""
    if isinstance(error, NotAnswered):
        reason = str(error)
    else:
        log.error("%s failed", question.op, exc_info=error)
        reason = f"{question.op} failed in the cache process ({type(error).__name__})"
    return _encoder.encode(Failure(question.id, reason))


async def serve_questions(path: str, handlers: Mapping[str, Callable[..., Any]]) -> Answering:
    """Listen on ``path`` (mode 0600). A socket that a dead predecessor left is replaced: the supervisor runs one cache
    process at a time. Raises OSError."""
    answering = Answering(handlers)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    previous = os.umask(0o177)
    try:
        loop = asyncio.get_running_loop()
        answering.server = await loop.create_unix_server(lambda: _Link(answering), path)
    finally:
        os.umask(previous)
    answering.path = path
    return answering
