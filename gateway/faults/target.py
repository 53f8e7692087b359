"""The provider behind the proxy: keep-alive connections to one URL, requests passed on, answers as they come."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator
from typing import cast
from urllib.parse import urlsplit

import httptools

from gateway.demo.connection import Request

CONNECT_TIMEOUT = 10.0
"""Seconds to wait for a connection, TLS included."""

MAX_WAITING = 1 << 18
"""Bytes of an answer that are held before reading pauses."""

_HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
     b"trailer", b"transfer-encoding", b"upgrade", b"content-length", b"host", b"expect")
)  # fmt: skip


class Unreachable(Exception):
    """No connection to the provider came about."""


class Lost(Exception):
    """The provider's connection ended within an answer, or what came was none."""


class _Connection(asyncio.Protocol):
    """One connection, one answer at a time."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._arrived = asyncio.Event()
        self._pieces: deque[bytes] = deque()
        self._waiting = 0
        self.closed = False
        self.clear()

    def clear(self) -> None:
        """Before a request."""
        self.fields: list[tuple[bytes, bytes]] = []
        self.status = 0
        self.head = False
        self.whole = False
        self._keeps = False
        self.bytes = 0
        self._pieces.clear()
        self._waiting = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        framed = any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in self.fields)
        if self.head and not framed and exc is None:
            self.whole = True  # an answer that ends with its connection (RFC 9112 6.3)
        self._arrived.set()

    def data_received(self, data: bytes) -> None:
        self.bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.abort()
            self.closed = True
        self._arrived.set()

    # httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.head:
            self.fields.append((name, value))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status < 200:
            self.fields = []
            return
        self.head = True

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)
        self._waiting += len(body)
        if self._waiting > MAX_WAITING:
            self.transport.pause_reading()

    def on_message_complete(self) -> None:
        if self.head:
            self.whole = True
            # Asked later, the parser speaks of an answer that has not begun.
            self._keeps = bool(self._parser.should_keep_alive())

    # what the proxy asks

    async def heard(self) -> None:
        """Wait until something has changed."""
        self._arrived.clear()
        await self._arrived.wait()

    def take(self) -> bytes:
        """What of the body has come."""
        taken = b"".join(self._pieces)
        self._pieces.clear()
        self._waiting = 0
        if not self.closed and not self.transport.is_reading():
            self.transport.resume_reading()
        return taken

    @property
    def kept(self) -> bool:
        """Whether another request may be sent."""
        return self.whole and self._keeps and not self.closed


class Answer:
    """An answer whose head has come."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self.status = connection.status
        self.fields = [(n, v) for n, v in connection.fields if n.lower() not in _HOP_BY_HOP]
        self.content_type = next((v.decode("latin-1") for n, v in self.fields if n.lower() == b"content-type"), "")

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises Lost when it does not come to its end."""
        connection = self._connection
        while True:
            if piece := connection.take():
                yield piece
            elif connection.whole:
                return
            elif connection.closed:
                raise Lost
            else:
                await connection.heard()

    async def whole(self) -> bytes:
        """All of the body."""
        return b"".join([piece async for piece in self.pieces()])


class Target:
    """One provider."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._name = parts.netloc.rpartition("@")[2].encode()
        self._base = parts.path.rstrip("/").encode()
        self._idle: list[_Connection] = []
        self._held: dict[Answer, _Connection] = {}

    async def ask(self, request: Request) -> Answer:
        """Pass a request on; give the answer to ``release``. Raises Unreachable or Lost. On cancellation the connection
        is closed, as that of the caller was."""
        connection = self._reused()
        if connection is not None:
            try:
                return await self._exchange(connection, request)
            except Lost:
                # The provider may have closed it before the request came; with a byte of an answer it has not.
                if connection.bytes:
                    raise
        return await self._exchange(await self._connect(), request)

    def release(self, answer: Answer) -> None:
        """The caller is done with an answer, whole or not."""
        connection = self._held.pop(answer)
        if connection.kept:
            self._idle.append(connection)
        else:
            connection.transport.abort()

    def close(self) -> None:
        """Close what is idle."""
        while (connection := self._reused()) is not None:
            connection.transport.abort()

    def _reused(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
        return None

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                _, made = await loop.create_connection(_Connection, self._host, self._port, ssl=self._tls)
        except (OSError, TimeoutError) as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        return made

    async def _exchange(self, connection: _Connection, request: Request) -> Answer:
        connection.clear()
        connection.transport.write(self._head(request) + request.body)
        try:
            while not connection.head:
                if connection.closed:
                    raise Lost
                await connection.heard()
        except BaseException:
            connection.transport.abort()
            raise
        answer = Answer(connection)
        self._held[answer] = connection
        return answer

    def _head(self, request: Request) -> bytes:
        lines = [b"%b %b%b HTTP/1.1" % (request.method.encode(), self._base, request.target), b"host: " + self._name]
        # What is counted has to be read: no compression.
        skipped = _HOP_BY_HOP | {b"accept-encoding"}
        lines += [b"%b: %b" % field for field in request.fields if field[0].lower() not in skipped]
        if request.body or request.method in ("POST", "PUT", "PATCH"):
            lines.append(b"content-length: %d" % len(request.body))
        return b"\r\n".join(lines) + b"\r\n\r\n"
