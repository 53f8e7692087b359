"""An upstream that answers exactly the bytes it is told, when it is told, and keeps what it received."""

from __future__ import annotations

import asyncio
import enum
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Self

import uvloop

from tests.ports import free_port
from tests.waiting import PATIENCE_S, wait_for


class Act(enum.Enum):
    """What a script can do beside sending bytes and pausing."""

    CLOSE = "send FIN"
    RESET = "send RST"
    HOLD = "wait until the peer closes"


@dataclass(frozen=True)
class Until:
    """A pause until something is so, however long a busy machine takes to come to it."""

    condition: Callable[[], object]


Step = bytes | float | Act | Until | Callable[[], bytes]
"""Bytes to send (or a function that makes them in their turn), what to wait for (seconds, a condition), or an act."""
Script = Callable[["Received"], Iterable[Step]]


@dataclass
class Received:
    """One request, byte for byte."""

    connection: int
    """Number of the connection it came on."""
    nth: int
    """0 for the connection's first."""
    head: bytes
    body: bytes
    at: float
    """time.monotonic() of its last byte."""

    @property
    def method(self) -> str:
        return self.head.split(b" ", 1)[0].decode("latin-1")

    @property
    def target(self) -> str:
        return self.head.split(b" ", 2)[1].decode("latin-1")

    @property
    def fields(self) -> list[tuple[str, str]]:
        lines = self.head.split(b"\r\n")[1:-2]
        pairs = (line.decode("latin-1").partition(":") for line in lines)
        return [(name.lower(), value.strip()) for name, _, value in pairs]

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.fields if key == name), None)

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Visit:
    """One connection."""

    number: int
    opened: float
    closed: float = 0.0
    """0 while open."""
    requests: int = 0
    stray: bytes = b""
    """Bytes that make no whole request (yet)."""
    reset: bool = False
    received_bytes: int = 0


def http(
    body: bytes | str = b"", status: int = 200, content_type: str = "application/json", fields: Iterable[str] = ()
) -> bytes:
    """A response with Content-Length."""
    data = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Type: {content_type}", f"Content-Length: {len(data)}", *fields]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + data


def chunked_head(content_type: str = "text/event-stream", status: int = 200, fields: Iterable[str] = ()) -> bytes:
    lines = [f"HTTP/1.1 {status} OK", f"Content-Type: {content_type}", "Transfer-Encoding: chunked", *fields]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def chunk(data: bytes) -> bytes:
    """One chunk; empty data ends the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(**members: Any) -> bytes:
    """One server-sent event with JSON data."""
    return b"data: " + json.dumps(members, separators=(",", ":")).encode() + b"\n\n"


def delta(text: str, finish: str | None = None) -> bytes:
    """A chat completion chunk."""
    choice = {"index": 0, "delta": {"content": text} if finish is None else {}, "finish_reason": finish}
    return event(id="c", object="chat.completion.chunk", created=1, model="m", choices=[choice])


USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
USAGE_EVENT = event(id="c", object="chat.completion.chunk", created=1, model="m", choices=[], usage=USAGE)
DONE = b"data: [DONE]\n\n"
CHAT = json.dumps(
    {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
        "usage": USAGE,
    }
).encode()


def stream_events(tokens: int = 4, *, usage: bool = True) -> list[bytes]:
    """The events of a whole chat stream."""
    events = [delta(f"t{i} ") for i in range(tokens)] + [delta("", "stop")]
    return [*events, *([USAGE_EVENT] if usage else []), DONE]


def stream(events: Iterable[bytes], pause: float = 0.0) -> list[Step]:
    """Steps that send events as a chunked stream."""
    steps: list[Step] = [chunked_head()]
    for e in events:
        if pause:
            steps.append(pause)
        steps.append(chunk(e))
    return [*steps, chunk(b"")]


def ordinary(request: Received) -> list[Step]:
    """A chat completion, streamed when asked."""
    if b'"stream":true' in request.body or b'"stream": true' in request.body:
        return stream(stream_events(usage=b'"include_usage":true' in request.body.replace(b" ", b"")))
    return [http(CHAT)]


class Upstream:
    """A server on 127.0.0.1 (or ``host``) in a thread of its own; use it as a context manager.

    ``script`` is called for each request, in that thread; requests behind each other on one connection are answered in
    order. ``greeting`` is sent to each connection before anything is read from it.
    """

    def __init__(
        self,
        script: Script = ordinary,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        keep: bool = True,
        greeting: Iterable[Step] = (),
        read_at_most: int | None = None,
        early: Callable[[bytes], Iterable[Step] | None] | None = None,
    ) -> None:
        self.script = script
        self.greeting = list(greeting)
        self.keep = keep
        """Whether received requests are kept (long runs only count them)."""
        self.read_at_most = read_at_most
        """Stop reading a connection after so many bytes."""
        self.early = early
        """Asked with each head before its body is read: steps answer at once, and nothing more is read."""
        self.requests: list[Received] = []
        self.visits: list[Visit] = []
        self.served = 0
        self.open = 0
        self._tls = tls
        self._listener = socket.create_server((host, port or free_port()), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}/v1"
        # uvloop leaves handshakes that fail half closed when the loop ends.
        self._loop = asyncio.new_event_loop() if tls else uvloop.new_event_loop()
        self._connections: set[_Connection] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def clear(self) -> None:
        """Forget what was received so far."""
        self.requests.clear()
        self.served = 0

    def call(self, what: Callable[[], Any]) -> None:
        """Run something in the server's thread."""
        self._loop.call_soon_threadsafe(what)

    def each_open(self, act: Callable[[Any], object]) -> None:
        """Do something to every open connection (write stray bytes, abort, ...)."""
        self.call(lambda: [act(c.transport) for c in list(self._connections)])

    def wait(self, condition: Callable[[], bool], within: float = PATIENCE_S) -> None:
        """Poll until the condition holds; fails after ``within`` seconds."""
        wait_for(condition, "what the upstream should see", within)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()
            asyncio.set_event_loop(None)

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await self._loop.create_server(
            lambda: _Connection(self), sock=self._listener, ssl=self._tls, backlog=1024
        )
        self._ready.set()
        await self._stop.wait()
        server.close()
        # Transports close in later turns of the loop, and a client may be in the middle of a TLS handshake, for which
        # asyncio holds a task: it may still come to a connection, or be on its way out.
        patience = self._loop.time() + 2
        while (tasks := asyncio.all_tasks() - {asyncio.current_task()}) or self._connections:
            for connection in list(self._connections):
                connection.end()
            if self._loop.time() > patience:
                for task in tasks:
                    task.cancel()
            await asyncio.sleep(0.001)
        await server.wait_closed()
        # What a handshake closed lets go of its socket two turns later: the protocol, then the transport below it.
        for _ in range(3):
            await asyncio.sleep(0)


@dataclass(eq=False)
class _Connection(asyncio.Protocol):
    server: Upstream
    buffer: bytearray = field(default_factory=bytearray)
    waiting: list[Received] = field(default_factory=list)
    task: asyncio.Task[None] | None = None
    nth: int = 0
    gone: bool = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.lost = asyncio.Event()
        self.visit = Visit(len(self.server.visits), time.monotonic())
        self.server.visits.append(self.visit)
        self.server.open += 1
        self.server._connections.add(self)
        if self.server.greeting:
            self._start(self.server.greeting)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        self.visit.closed = time.monotonic()
        self.visit.reset = exc is not None
        self.server.open -= 1
        self.server._connections.discard(self)
        self.lost.set()
        if self.task is not None:
            self.task.cancel()

    def eof_received(self) -> bool:
        return False

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self.visit.received_bytes += len(data)
        if self.server.early is not None and self.task is None and b"\r\n\r\n" in self.buffer:
            steps = self.server.early(bytes(self.buffer[: self.buffer.index(b"\r\n\r\n") + 4]))
            if steps is not None:
                self.transport.pause_reading()
                self._start(steps)
                return
        while (request := self._cut()) is not None:
            self.server.served += 1
            self.visit.requests += 1
            if self.server.keep:
                self.server.requests.append(request)
            self.waiting.append(request)
        self.visit.stray = bytes(self.buffer[:65536])
        most = self.server.read_at_most
        if most is not None and self.visit.received_bytes >= most:
            self.transport.pause_reading()
        self._next()

    def end(self) -> None:
        self.transport.abort()

    def _cut(self) -> Received | None:
        """Take one whole request out of the buffer."""
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = bytes(self.buffer[: end + 4])
        lower = head.lower()
        position = lower.find(b"\r\ncontent-length:")
        body, size = b"", end + 4
        if position >= 0:
            length = int(lower[position + 17 : lower.index(b"\r\n", position + 2)])
            size += length
            if len(self.buffer) < size:
                return None
            body = bytes(self.buffer[end + 4 : size])
        elif b"\r\ntransfer-encoding: chunked\r\n" in lower:
            parsed = _unchunk(self.buffer, end + 4)
            if parsed is None:
                return None
            body, size = parsed
        del self.buffer[:size]
        request = Received(self.visit.number, self.nth, head, body, time.monotonic())
        self.nth += 1
        return request

    def _next(self) -> None:
        if self.task is None and self.waiting and not self.gone:
            self._start(self.server.script(self.waiting.pop(0)))

    def _start(self, script: Iterable[Step]) -> None:
        steps = list(script)
        if all(isinstance(step, bytes) for step in steps):
            for step in steps:
                assert isinstance(step, bytes)
                self.transport.write(step)
            self._next()
            return
        self.task = asyncio.get_running_loop().create_task(self._play(steps))

    async def _play(self, steps: list[Step]) -> None:
        for step in steps:
            if self.gone:
                return
            if isinstance(step, bytes):
                self.transport.write(step)
            elif step is Act.CLOSE:
                self.transport.close()
                return
            elif step is Act.RESET:
                sock = self.transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.transport.abort()
                return
            elif step is Act.HOLD:
                await self.lost.wait()
                return
            elif isinstance(step, float):
                await asyncio.sleep(step)
            elif isinstance(step, Until):
                while not step.condition():
                    await asyncio.sleep(0.002)
            elif callable(step):
                self.transport.write(step())
        self.task = None
        self._next()


def _unchunk(data: bytearray, position: int) -> tuple[bytes, int] | None:
    """(body, end) of a chunked body starting at ``position``; None while it is incomplete."""
    body = b""
    while True:
        end = data.find(b"\r\n", position)
        if end < 0:
            return None
        size = int(bytes(data[position:end]).split(b";")[0], 16)
        position = end + 2
        if len(data) < position + size + 2:
            return None
        if size == 0:
            return body, position + 2
        body += bytes(data[position : position + size])
        position += size + 2
