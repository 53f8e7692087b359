"""The demo upstream's wire: HTTP/1.1 requests in, answers and event streams out, one request at a time."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

import httptools
import orjson

MAX_BODY_BYTES = 64 << 20
"""Twice the gateway's own default for JSON bodies, so that the gateway's limit is the one that is met."""

EVENT_STREAM = "text/event-stream"

LINGER_NOT = struct.pack("ii", 1, 0)
"""SO_LINGER of no time at all: closing then sends RST (socket(7))."""

MAX_HEADERS = 200
"""More than any client sends; keeps a broken peer from filling the memory."""

REASONS: Mapping[int, str] = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    413: "Content Too Large",
    426: "Upgrade Required",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    529: "Overloaded",
}


class Disconnected(Exception):
    """The caller went away while an answer was being written."""


@dataclass(slots=True)
class Request:
    """A whole request."""

    method: str = ""
    target: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    fields: list[tuple[bytes, bytes]] = field(default_factory=list)
    """The headers as they came."""
    body: bytes = b""
    keep_alive: bool = True
    nth: int = 0
    """How many requests came before it on its connection."""

    @property
    def path(self) -> str:
        """The path without query, and without the ``/v1`` or ``/openai/v1`` some base URLs end in."""
        path = self.target.decode("latin-1").partition("?")[0]
        return re.sub(r"^(/openai)?(/v1)?(?=/)", "", path)


class Reply:
    """The answer under way: one ``json``/``body`` call, or ``start_stream``, events and ``end_stream``.

    Every method raises Disconnected once the caller has gone. Streams honour the caller's reading pace.
    """

    def __init__(self, connection: DemoConnection, request: Request) -> None:
        self._connection = connection
        self._request = request
        self.started = False
        self.headers: list[tuple[str, str]] = []
        """Sent besides content-type and framing."""

    def _head(self, status: int, content_type: str, framing: str) -> bytes:
        lines = [
            f"HTTP/1.1 {status} {REASONS.get(status, 'Unknown')}",
            f"content-type: {content_type}",
            framing,
            f"connection: {'keep-alive' if self._request.keep_alive else 'close'}",
        ]
        lines += [f"{name}: {value}" for name, value in self.headers]
        self.started = True
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    async def body(self, status: int, content_type: str, content: bytes, *, promised: int | None = None) -> None:
        """The whole answer; ``promised`` states another length than the true one."""
        length = len(content) if promised is None else promised
        head = self._head(status, content_type, f"content-length: {length}")
        await self._connection.write(head if self._request.method == "HEAD" else head + content)

    async def json(self, status: int, value: object) -> None:
        """The whole answer as JSON."""
        await self.body(status, "application/json", orjson.dumps(value))

    async def error(self, status: int, kind: str, message: str, code: str | None = None) -> None:
        """An error in OpenAI's form."""
        await self.json(status, {"error": {"message": message, "type": kind, "param": None, "code": code}})

    async def start_stream(self, content_type: str = EVENT_STREAM) -> None:
        """The head of a stream."""
        self.headers.append(("cache-control", "no-cache"))
        await self._connection.write(self._head(200, content_type, "transfer-encoding: chunked"))

    async def chunk(self, event: bytes) -> None:
        """One event of a stream, in a chunk of its own."""
        await self._connection.write(b"%x\r\n%b\r\n" % (len(event), event))

    async def end_stream(self) -> None:
        """The last chunk: a clean end."""
        await self._connection.write(b"0\r\n\r\n")

    async def raw(self, data: bytes) -> None:
        """Bytes past all framing."""
        self.started = True
        await self._connection.write(data)

    def take_over(self) -> asyncio.StreamReader:
        """What the caller sends from here on, past all framing."""
        return self._connection.take_over()

    def cut(self) -> None:
        """End the connection here, in the middle of whatever was being sent."""
        self._connection.close()

    def reset(self) -> None:
        """Drop the connection without a word."""
        self._connection.abort()


def event_bytes(value: object, name: str = "") -> bytes:
    """A server-sent event; a string is its data as it is, anything else as JSON."""
    data = value.encode() if isinstance(value, str) else orjson.dumps(value)
    return (b"event: %b\n" % name.encode() if name else b"") + b"data: %b\n\n" % data


Handler = Callable[[Request, Reply], Awaitable[None]]


class DemoConnection(asyncio.Protocol):
    """One connection: parses requests, answers them in order, one task per request. ``reply`` makes the answers."""

    def __init__(
        self,
        handler: Handler,
        connections: set[DemoConnection],
        reply: Callable[[DemoConnection, Request], Reply] = Reply,
    ) -> None:
        self._handler = handler
        self._connections = connections
        self._reply = reply
        self._requests = 0
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpRequestParser | None = None
        self._request = Request()
        self._size = 0
        self._parts: list[bytes] = []
        self._waiting: deque[Request] = deque()
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._stream: asyncio.StreamReader | None = None
        """Of a connection that has asked for another protocol."""

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports only look like one
        self._parser = httptools.HttpRequestParser(self)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._parser = None
        self._connections.discard(self)
        self._writable.set()
        if self._stream is not None:
            self._stream.feed_eof()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        if self._parser is None:
            return
        if self._stream is not None:
            self._stream.feed_data(data)
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # Nothing behind it is a request; whoever answers it may take the rest.
            self._request.keep_alive = False
            self._stream = asyncio.StreamReader()
            self._stream.set_transport(cast(asyncio.Transport, self._transport))
            self._stream.feed_data(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            if self._transport is not None and self._task is None:
                self._transport.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self.close()

    # httptools

    def on_message_begin(self) -> None:
        self._request = Request()
        self._parts = []
        self._size = 0

    def on_url(self, url: bytes) -> None:
        self._request.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self._request.fields) >= MAX_HEADERS:
            raise ValueError("too many headers")
        self._request.fields.append((name, value))
        self._request.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._request.headers.get("expect", "").lower() == "100-continue" and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > MAX_BODY_BYTES:
            raise ValueError("body too large")
        self._parts.append(body)

    def on_message_complete(self) -> None:
        request = self._request
        assert self._parser is not None
        request.method = self._parser.get_method().decode("latin-1")
        request.body = b"".join(self._parts)
        request.keep_alive = self._parser.should_keep_alive()
        request.nth = self._requests
        self._requests += 1
        self._parts = []
        self._waiting.append(request)
        if self._task is None:
            self._next()
        elif self._transport is not None:
            # One pipelined request is kept; the kernel keeps the rest until the answer has left.
            self._transport.pause_reading()

    # answers

    def _next(self) -> None:
        if not self._waiting or self._transport is None:
            return
        if not self._transport.is_reading():
            self._transport.resume_reading()
        self._task = asyncio.get_running_loop().create_task(self._answer(self._waiting.popleft()))

    async def _answer(self, request: Request) -> None:
        reply = self._reply(self, request)
        try:
            await self._handler(request, reply)
        except Disconnected:
            return
        except Exception as fault:
            if reply.started:
                self.close()
                return
            request.keep_alive = False
            await reply.error(500, "server_error", f"the demo upstream failed: {type(fault).__name__}: {fault}")
        self._task = None
        if not request.keep_alive:
            self.close()
        self._next()

    def take_over(self) -> asyncio.StreamReader:
        """The bytes behind a request for another protocol. Raises Disconnected when there was none."""
        if self._stream is None:
            raise Disconnected
        return self._stream

    async def write(self, data: bytes) -> None:
        """Send, then wait while the caller reads more slowly than we write. Raises Disconnected."""
        if self._transport is None or self._transport.is_closing():
            raise Disconnected
        self._transport.write(data)
        if not self._writable.is_set():
            await self._writable.wait()
            if self._transport is None:
                raise Disconnected

    def close(self) -> None:
        """Close once everything written has left."""
        if self._transport is not None:
            self._transport.close()

    def close_idle(self) -> None:
        """Close unless an answer is under way."""
        if self._task is None:
            self.close()

    def abort(self) -> None:
        """Close now, unsent bytes included."""
        if self._transport is not None:
            self._transport.abort()

    def reset(self) -> None:
        """Close now with a TCP reset."""
        if self._transport is not None:
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
            self._transport.abort()
