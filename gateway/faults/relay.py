"""Between a caller and a provider: streams event by event, everything else as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.demo.connection import Request
from gateway.faults.reply import FaultyReply
from gateway.faults.target import Answer, Lost, Target, Unreachable

STREAMS = ("text/event-stream", "application/x-ndjson", "application/vnd.amazon.eventstream")

_END = {
    "text/event-stream": re.compile(rb"\r?\n\r?\n"),
    "application/x-ndjson": re.compile(rb"\n"),
}
"""What ends an event. Of other streams each piece that arrives counts as one."""


class Events:
    """Cuts a stream into events at any split of its bytes."""

    def __init__(self, content_type: str) -> None:
        self._end = _END.get(content_type.partition(";")[0].strip().lower())
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The events that ``data`` completes, their ends included."""
        if self._end is None:
            yield data
            return
        self._rest += data
        start = 0
        for found in self._end.finditer(self._rest):
            yield self._rest[start : found.end()]
            start = found.end()
        self._rest = self._rest[start:]

    def rest(self) -> bytes:
        """What came behind the last event."""
        rest, self._rest = self._rest, b""
        return rest


async def relay(target: Target, request: Request, reply: FaultyReply) -> None:
    """Ask ``target`` and answer with what it says. A provider that is lost is lost to the caller as well: the
    connection is reset. Raises Stopped then."""
    try:
        answer = await target.ask(request)
    except Unreachable as error:
        await reply.error(502, "server_error", f"the fault proxy cannot reach the provider: {error}")
        return
    except Lost:
        reply.stop("reset")
    try:
        await _pass(answer, request, reply)
    except Lost:
        reply.stop("reset")
    finally:
        target.release(answer)


async def _pass(answer: Answer, request: Request, reply: FaultyReply) -> None:
    kind = answer.content_type
    reply.headers += [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in answer.fields
        if name.lower() != b"content-type"
    ]
    if answer.status != 200 or kind.partition(";")[0].strip().lower() not in STREAMS:
        await reply.body(answer.status, kind, b"" if request.method == "HEAD" else await answer.whole())
        return
    events = Events(kind)
    await reply.start_stream(kind)
    async for piece in answer.pieces():
        for event in events.feed(piece):
            await reply.chunk(event)
    if rest := events.rest():
        await reply.chunk(rest)
    await reply.end_stream()
