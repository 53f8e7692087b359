"""WebSocket frames as bytes, right and wrong ones, and both ends of a WebSocket that do exactly what a test tells them.

Independent of the library that the gateway uses.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

from tests.live.wire import KEY, Answer, AnswerReader

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(
    opcode: int, payload: bytes | str = b"", *, fin: bool = True, masked: bool = True, rsv: int = 0, length: int = -1
) -> bytes:
    """One frame; ``length`` states another than the true one."""
    data = payload.encode() if isinstance(payload, str) else payload
    size = len(data) if length < 0 else length
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    bit = 0x80 if masked else 0
    if size < 126:
        head = bytes((first, bit | size))
    elif size < 65536:
        head = struct.pack("!BBH", first, bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, bit | 127, size)
    if not masked:
        return head + data
    key = os.urandom(4)
    return (
        head + key + bytes(byte ^ key[at & 3] for at, byte in enumerate(data))
        if len(data) < 4096
        else (head + bytes(4) + data)
    )


def close_frame(code: int | None = 1000, reason: str = "", *, masked: bool = True) -> bytes:
    payload = b"" if code is None else struct.pack("!H", code) + reason.encode()
    return frame(CLOSE, payload, masked=masked)


@dataclass
class Closed:
    """How a WebSocket ended: the code and reason of the other end's Close, or None where there was none."""

    code: int | None
    reason: str = ""


@dataclass
class End:
    """One end, by its stream."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    masked: bool
    """This end masks: it is the client."""
    head: bytes = b""
    protocol: str = ""
    fields: list[tuple[str, str]] = field(default_factory=list)
    data: bytearray = field(default_factory=bytearray)
    pongs: list[bytes] = field(default_factory=list)

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def send(self, message: Any) -> None:
        """A text message; anything but text as JSON."""
        await self.raw(frame(TEXT, message if isinstance(message, str) else json.dumps(message), masked=self.masked))

    async def close(self, code: int | None = 1000, reason: str = "") -> None:
        await self.raw(close_frame(code, reason, masked=self.masked))

    async def frame(self) -> tuple[int, bool, bytes] | None:
        """The next frame: opcode, fin, payload; None at the end of the connection."""
        head = await self._exactly(2)
        if head is None:
            return None
        assert bool(head[1] & 0x80) != self.masked, "the other end's mask"
        assert not head[0] & 0x70
        size = head[1] & 0x7F
        if size >= 126:
            more = await self._exactly(2 if size == 126 else 8)
            assert more is not None
            size = int.from_bytes(more, "big")
        key = b"" if self.masked else await self._exactly(4)
        payload = await self._exactly(size)
        if key is None or payload is None:
            return None
        if key and key != bytes(4):
            repeated = (key * (size // 4 + 1))[:size]
            number = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
            payload = number.to_bytes(size, "big")
        return head[0] & 15, bool(head[0] & 0x80), payload

    async def _exactly(self, size: int) -> bytes | None:
        for _ in range(2):
            try:
                return await self.reader.readexactly(size)
            except asyncio.IncompleteReadError:
                break
            except ConnectionError:
                # Of a write, perhaps: what had come before it can still be read.
                self.reader.set_exception(None)  # type: ignore[arg-type]  # as it was before
                self.reader.feed_eof()
        return None

    async def receive(self) -> bytes | Closed:
        """The next whole message, or the end. Pings are answered."""
        parts = b""
        while (got := await self.frame()) is not None:
            opcode, fin, payload = got
            if opcode == PING:
                await self.raw(frame(PONG, payload, masked=self.masked))
            elif opcode == PONG:
                self.pongs.append(payload)
            elif opcode == CLOSE:
                code = int.from_bytes(payload[:2], "big") if payload else 1005
                return Closed(code, payload[2:].decode())
            else:
                parts += payload
                if fin:
                    return parts
        return Closed(None)

    async def json(self) -> Any:
        got = await self.receive()
        assert isinstance(got, bytes), got
        return json.loads(got)

    async def ended(self) -> Closed:
        """Read to the end; how it ended."""
        while isinstance(got := await self.receive(), bytes):
            pass
        return got

    async def gone(self) -> bool:
        """Whether the connection ends."""
        while await self.reader.read(65536):
            pass
        return True

    def pause(self) -> None:
        """Stop reading from the socket."""
        assert isinstance(self.writer.transport, asyncio.ReadTransport)
        self.writer.transport.pause_reading()

    def resume(self) -> None:
        assert isinstance(self.writer.transport, asyncio.ReadTransport)
        self.writer.transport.resume_reading()

    def abort(self) -> None:
        self.writer.transport.abort()


def handshake(
    path: str,
    key: str = KEY,
    fields: tuple[str, ...] = (),
    *,
    nonce: bytes = b"MDEyMzQ1Njc4OWFiY2RlZg==",
    **without: Any,
) -> bytes:
    """A client's opening handshake; ``method``, ``version``, ``upgrade`` and ``connection`` replace what it says."""
    lines = [f"{without.get('method', 'GET')} {path} HTTP/1.1", "Host: gateway.localhost"]
    if key:
        lines.append(f"Authorization: Bearer {key}")
    for name, value in (
        ("Upgrade", without.get("upgrade", "websocket")),
        ("Connection", without.get("connection", "Upgrade")),
        ("Sec-WebSocket-Version", without.get("version", "13")),
        ("Sec-WebSocket-Key", nonce.decode("latin-1")),
    ):
        if value:
            lines.append(f"{name}: {value}")
    return "\r\n".join([*lines, *fields, "", ""]).encode("latin-1")


OPENED: list[asyncio.StreamWriter] = []


async def dial(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that ``run`` closes if the test does not."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 25)
    OPENED.append(writer)
    return reader, writer


def run(main: Awaitable[Any]) -> Any:
    """The result of a client's coroutine, within a minute; afterwards no connection of it is open."""

    async def bounded() -> Any:
        try:
            async with asyncio.timeout(60):
                return await main
        finally:
            for writer in OPENED:
                writer.transport.abort()
            await asyncio.sleep(0)
            await asyncio.gather(*(writer.wait_closed() for writer in OPENED), return_exceptions=True)
            OPENED.clear()

    return asyncio.run(bounded())


async def connect(port: int, raw: bytes, early: bytes = b"") -> End | Answer:
    """A client's end, or the answer that it was turned away with."""
    reader, writer = await dial(port)
    writer.write(raw + early)
    head = b""
    with contextlib.suppress(asyncio.IncompleteReadError):
        head = await reader.readuntil(b"\r\n\r\n")
    answers = AnswerReader([raw.split(b" ", 1)[0].decode()])
    answers.feed(head)
    answer = answers.answers[0]
    if answer.status == 101:
        assert answer.header("sec-websocket-accept") == proof(raw).decode()
        return End(reader, writer, True, head, answer.header("sec-websocket-protocol") or "", answer.fields)
    while not answers.final[0].complete:
        data = await reader.read(65536)
        if not data:
            break
        answers.feed(data)
    writer.close()
    return answers.final[0]


USAGE = {
    "total_tokens": 30,
    "input_tokens": 20,
    "output_tokens": 10,
    "input_token_details": {"text_tokens": 8, "audio_tokens": 7, "cached_tokens": 5},
    "output_token_details": {"text_tokens": 6, "audio_tokens": 4},
}


async def answering(end: End) -> None:
    """A provider of OpenAI's form: says hello, answers each ``response.create``, echoes everything else."""
    await end.send({"type": "session.created", "session": {"type": "realtime", "model": "up"}})
    while isinstance(got := await end.receive(), bytes):
        event = json.loads(got)
        if event.get("type") == "response.create":
            await end.send({"type": "response.created", "response": {"id": "r"}})
            await end.send({"type": "response.output_text.delta", "delta": "hello"})
            await end.send({"type": "response.done", "response": {"id": "r", "usage": USAGE}})
        else:
            await end.send({"type": "echo", "of": event})
    if got.code is not None:
        await end.close(got.code, got.reason)


class Provider:
    """A WebSocket server in a thread of its own. ``script`` has an accepted end until it returns; ``answer`` may turn a
    handshake away with bytes of its own."""

    def __init__(
        self,
        script: Callable[[End], Awaitable[None]] = answering,
        *,
        answer: Callable[[bytes], bytes | None] = lambda head: None,
        accept: Callable[[bytes], bytes] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.script = script
        self.answer = answer
        self.accept = accept
        self.tls = tls
        self.heads: list[bytes] = []
        self.ends: list[End] = []
        self.seen: list[Any] = []
        """Whatever a script wants to tell the test."""
        self.open = 0
        self.loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.port = 0

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *exc: object) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def cut(self, end: End) -> None:
        """Abort one of its ends, from the test's thread."""
        self.loop.call_soon_threadsafe(end.abort)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, limit=1 << 25, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for end in self.ends:
            end.abort()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            refusal = self.answer(head)
            if refusal is not None:
                writer.write(refusal)
            else:
                writer.write((self.accept or accepting)(head))
                end = End(reader, writer, False, head)
                self.ends.append(end)
                await self.script(end)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            # Cancelled when the server ends before the connection: streams complain of a task that says so.
            pass
        finally:
            self.open -= 1
            with contextlib.suppress(ConnectionError):
                writer.close()


def proof(head: bytes) -> bytes:
    """What a server answers to a handshake's key (RFC 6455 4.2.2)."""
    key = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
    return base64.b64encode(hashlib.sha1(key.split(b":", 1)[1].strip() + MAGIC, usedforsecurity=False).digest())


def accepting(head: bytes, more: bytes = b"") -> bytes:
    """The answer that accepts a handshake."""
    start = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return start + b"Sec-WebSocket-Accept: %b\r\n%b\r\n" % (proof(head), more)


def refusing(status: int, body: Any, *fields: str) -> Callable[[bytes], bytes]:
    data = json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} No", "Content-Type: application/json", f"Content-Length: {len(data)}", *fields]
    raw = "\r\n".join([*lines, "", ""]).encode() + data
    return lambda head: raw
