"""One answer, spoilt on its way out: the events of a stream one by one, a body as a whole, then bytes (``wire.py``)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Literal, NoReturn, TypeVar

from gateway.demo.connection import EVENT_STREAM, DemoConnection, Reply, Request
from gateway.demo.faults import NEVER
from gateway.faults import forms, tokens
from gateway.faults.meter import Call, Ending
from gateway.faults.schema import (
    CallFault,
    CloseIdle,
    Cut,
    Duplicate,
    ErrorEvent,
    Garbage,
    Informational,
    Latency,
    SlowClose,
    Stall,
    WrongLength,
)
from gateway.faults.wire import Stopped, Wire

F = TypeVar("F", bound=CallFault)


class FaultyReply(Reply):
    """What the demo, or the proxy for a provider, writes its answer to. Without ``meet`` it is an ordinary reply."""

    def __init__(self, connection: DemoConnection, request: Request) -> None:
        super().__init__(connection, request)
        self._wire = Wire(connection)
        self._faults: tuple[CallFault, ...] = ()
        self._ended = False
        self.call: Call | None = None
        self.read = tokens.Reading()
        self.ending: Ending = "whole"
        """What the call is when nothing else happens to it."""

    def meet(self, call: Call, faults: tuple[CallFault, ...], dice: random.Random) -> None:
        """The faults of this call, and where its progress is noted."""
        self.call = call
        self._dice = dice
        if faults:
            self._faults = faults
            self._wire = Wire(self._connection, faults)
            call.faults = [str(type(fault).__struct_config__.tag) for fault in faults]
            if self._of(SlowClose):
                self._request.keep_alive = False

    def _of(self, kind: type[F], fits: Callable[[F], bool] = lambda _: True) -> F | None:
        """The first of this kind that the call meets."""
        return next((fault for fault in self._faults if isinstance(fault, kind) and fits(fault)), None)

    async def wait(self, before: str) -> None:
        """All latencies of a place."""
        for fault in self._faults:
            if isinstance(fault, Latency) and fault.before == before:
                delay = fault.delay + self._dice.uniform(-fault.jitter, fault.jitter)
                await asyncio.sleep(max(0.0, delay))

    async def greet(self) -> None:
        """Interim answers."""
        if found := self._of(Informational):
            word = {100: "Continue", 102: "Processing", 103: "Early Hints"}[found.status]
            hint = b"link: </x>; rel=preload\r\n" if found.status == 103 else b""
            interim = b"HTTP/1.1 %d %b\r\n%b\r\n" % (found.status, word.encode(), hint)
            await self._wire.send(interim * found.count)

    # a whole answer

    async def body(self, status: int, content_type: str, content: bytes, *, promised: int | None = None) -> None:
        good = 200 <= status < 300
        if good:
            self.read.body(content)
        if found := self._of(Garbage, lambda fault: fault.what != "not_http"):
            content = forms.spoilt_body(content, found.what)
            self.ending, promised = "failed", None
        length = len(content) if promised is None else promised
        if wrong := self._of(WrongLength):
            length = max(0, length + wrong.by)
            self.ending = "cut" if wrong.by > 0 else "failed"
        head = self._head(status, content_type, f"content-length: {length}")
        self._sent_head(status)
        if self._request.method == "HEAD":
            content = b""
        if not good:
            self.ending = "failed"
        elif stall := self._of(Stall):
            await self._wire.send(head, len(head))
            await asyncio.sleep(stall.lasts or NEVER)
            head = b""
        if good and (cut := self._of(Cut)):
            await self._wire.send(head + content[: len(content) // 2], len(head))
            self.stop("reset" if cut.how == "reset" else "close")
        await self._wire.send(head + content, len(head))
        if wrong and wrong.by > 0:
            self.stop("close")

    def _sent_head(self, status: int) -> None:
        if self.call is not None:
            self.call.status = status

    # a stream

    async def start_stream(self, content_type: str = EVENT_STREAM) -> None:
        self.headers.append(("cache-control", "no-cache"))
        head = self._head(200, content_type, "transfer-encoding: chunked")
        self._sent_head(200)
        await self._wire.send(head, len(head))

    async def chunk(self, event: bytes) -> None:
        call = self.call
        assert call is not None
        if self._faults and not self._ended:
            event = await self._spoil(event, call.events)
        if self._ended:
            return
        size = len(event)
        if not call.events and (wrong := self._of(WrongLength)):
            size = max(1, size + wrong.by)
            self.ending = "cut"
        self.read.event(event)
        call.events += 1
        await self._wire.send(b"%x\r\n%b\r\n" % (size, event))

    async def _spoil(self, event: bytes, sent: int) -> bytes:
        """What is sent in place of an event, of which ``sent`` have left."""
        if not sent:
            await self.wait("first_event")
        await self.wait("every_event")
        if (stall := self._of(Stall, lambda fault: fault.after == sent)) is not None:
            await asyncio.sleep(stall.lasts or NEVER)
        if (cut := self._of(Cut, lambda fault: fault.after == sent)) is not None:
            self.ending = "cut"
            if cut.how != "end":
                self.stop(cut.how)
            await self.end_stream()
            return b""
        if self._of(ErrorEvent, lambda fault: fault.after == sent) is not None:
            self.ending = "failed"
            error = forms.error_event(self._request.path, event)
            await self._wire.send(b"%x\r\n%b\r\n" % (len(error), error))
            await self.end_stream()
            return b""
        garbage = self._of(Garbage, lambda fault: fault.after == sent)
        if garbage is not None:
            self.ending = "failed"
            return forms.spoilt(event, garbage.what)
        return event

    async def end_stream(self) -> None:
        if not self._ended:
            self._ended = True
            await self._wire.send(b"0\r\n\r\n")

    # ends

    async def raw(self, data: bytes) -> None:
        self.started = True
        await self._wire.send(data)

    def cut(self) -> None:
        self.ending = "cut"
        super().cut()

    def reset(self) -> None:
        self.ending = "cut"
        self._connection.reset()

    def stop(self, how: Literal["close", "reset"]) -> NoReturn:
        """End the connection in the middle of the answer, or instead of one. Raises Stopped."""
        self._wire.end(how)
        raise Stopped

    async def finish(self) -> None:
        """What comes behind an answer."""
        if (again := self._of(Duplicate)) and self._wire.kept:
            said = b"".join(self._wire.kept)
            self._wire.kept = None
            if again.pause:
                await asyncio.sleep(again.pause)
            await self._wire.send(said)
        if idle := self._of(CloseIdle):
            asyncio.get_running_loop().call_later(idle.delay, self._connection.close_idle)
        if slow := self._of(SlowClose):
            await asyncio.sleep(slow.delay)
