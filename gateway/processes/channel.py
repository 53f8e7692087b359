"""The control channel: a unix stream socket on which control tells workers which snapshot to serve.

Frames are a 4-byte big-endian length and msgpack of one of the messages below. Control serves the socket, workers
connect and keep connecting; a worker that is not connected goes on serving what it has. On connecting a worker says
``Hello`` with the version it serves, control answers with ``Publish`` when it has a newer one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
from collections.abc import Callable
from typing import cast

import msgspec

from gateway.processes.frames import FrameCutter, FrameError, framed

MAX_FRAME_BYTES = 64 << 20
"""A delta names whole entities; a configuration of 10,000 routes is about 2 MiB. Beyond this the peer is broken."""

RECONNECT_FIRST_S = 0.02
RECONNECT_MOST_S = 1.0
"""A restarted control process is found again within a second; 16 workers then cost 16 connects a second at most."""

log = logging.getLogger("microgate.channel")


class Hello(msgspec.Struct, tag="hello", array_like=True, frozen=True):
    """Worker -> control, first frame of a connection: who I am and which snapshot version I serve."""

    index: int
    epoch: int
    pid: int
    version: int


class Publish(msgspec.Struct, tag="publish", array_like=True, frozen=True):
    """Control -> worker: serve this version. ``delta`` (msgpack of ``snapshot.model.Delta``) leads there from its base;
    who is not on that base loads ``path``."""

    version: int
    path: str
    delta: bytes | None = None


class Ack(msgspec.Struct, tag="ack", array_like=True, frozen=True):
    """Worker -> control: this version is in use for every exchange that starts from now on."""

    index: int
    version: int


class Drain(msgspec.Struct, tag="drain", array_like=True, frozen=True):
    """Control -> worker: finish what is running and exit; the supervisor starts a successor."""


class Condition(msgspec.Struct, tag="condition", array_like=True, frozen=True):
    """Control -> worker: what keeps control from doing its work (a database that is away, say), for /readyz. Empty when
    all is well."""

    reasons: tuple[str, ...] = ()


class Pressure(msgspec.Struct, array_like=True, frozen=True):
    """How near a worker is to what it can do."""

    under_way: int = 0
    waiting: int = 0
    slots: int = 0
    """That can be used for now."""
    refused: tuple[int, ...] = ()
    """By ``gateway.overload.refusals.Reason``, since its start."""
    memory_used: int = 0
    memory_limit: int = 0
    memory_step: int = 0
    """0: enough; 1: connections are not kept; 2: nobody is let in; 3: the largest exchanges are given up."""
    cut: int = 0
    """Exchanges given up for lack of memory."""
    refused_connections: int = 0
    """Beyond the most that are taken."""


class Health(msgspec.Struct, tag="health", array_like=True, frozen=True):
    """Worker -> control, every few seconds: gauges that nobody else can see."""

    index: int
    epoch: int
    in_flight: int
    connections: int
    loop_lag_us: int
    """Longest lateness of the heartbeat since the last report."""
    garbage: int
    """Containers allocated and not freed since the last collection: growth here is a reference cycle somewhere."""
    collections: int
    """Idle-time collections so far."""
    pressure: Pressure = Pressure()
    lost_lines: int = 0
    """Log lines given up because nobody took them, since its start."""


class Traces(msgspec.Struct, tag="traces", array_like=True, frozen=True):
    """Worker -> control, with its heartbeat: the trace contexts that callers sent (``gateway/tracing/carried.py``)."""

    carried: list[tuple[bytes, bytes, bytes, bool, str]]


Message = Hello | Publish | Ack | Drain | Condition | Health | Traces

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


def encode_frame(message: Message) -> bytes:
    return framed(_encoder.encode(message))


class FrameDecoder:
    """Cuts a byte stream into messages; fed in pieces of any size."""

    __slots__ = ("_cutter",)

    def __init__(self) -> None:
        self._cutter = FrameCutter(MAX_FRAME_BYTES)

    def feed(self, data: bytes) -> list[Message]:
        """Messages completed by ``data``. Raises FrameError for an oversized or undecodable frame."""
        try:
            return [_decoder.decode(body) for body in self._cutter.feed(data)]
        except msgspec.MsgspecError as error:
            raise FrameError(str(error)) from error


class _Link(asyncio.Protocol):
    """One end of one connection: frames in both directions, nothing else."""

    def __init__(self, received: Callable[[_Link, Message], None], lost: Callable[[_Link], None]) -> None:
        self._received: Callable[[_Link, Message], None] | None = received
        self._lost: Callable[[_Link], None] | None = lost
        self._decoder = FrameDecoder()
        self._transport: asyncio.Transport | None = None
        self.worker = -1
        """Set by the server from ``Hello``."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._decoder.feed(data)
        except FrameError as error:
            log.warning("control channel closed: %s", error)
            self.close()
            return
        for message in messages:
            if self._received is None:
                return
            try:
                self._received(self, message)
            except Exception:
                log.exception("control message %s failed", type(message).__name__)

    def connection_lost(self, exc: Exception | None) -> None:
        lost, self._lost = self._lost, None
        self._received = None
        self._transport = None
        if lost is not None:
            lost(self)

    def send(self, message: Message) -> bool:
        """False when the connection is gone."""
        if self._transport is None or self._transport.is_closing():
            return False
        self._transport.write(encode_frame(message))
        return True

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class WorkerChannel:
    """A worker's end. ``start`` and forget: it connects, says hello, applies, acknowledges, reconnects.

    ``on_publish`` swaps to the version; when it raises there is no ``Ack`` and the old one stays in use.
    ``get_version`` says which version is served now. Both run on the loop.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        path: str,
        index: int,
        epoch: int,
        get_version: Callable[[], int],
        on_publish: Callable[[Publish], None],
        on_drain: Callable[[], None] | None = None,
    ) -> None:
        self._loop = loop
        self._path = path
        self._index = index
        self._epoch = epoch
        self._get_version = get_version
        self._on_publish = on_publish
        self._on_drain = on_drain
        self._link: _Link | None = None
        self.conditions: tuple[str, ...] = ()
        """What control says is wrong with it; empty while it is not connected."""
        self._gone = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        return self._link is not None

    def start(self) -> None:
        self._task = self._loop.create_task(self._keep_connected())

    async def close(self) -> None:
        """Stop connecting and drop the connection."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._link is not None:
            self._link.close()
            await self._gone.wait()

    def send(self, message: Message) -> bool:
        """Send if connected; False otherwise (nothing is queued: control asks anew when it is back)."""
        return self._link is not None and self._link.send(message)

    async def _keep_connected(self) -> None:
        wait = RECONNECT_FIRST_S
        while True:
            try:
                _, link = await self._loop.create_unix_connection(lambda: _Link(self._received, self._lost), self._path)
            except OSError:
                await asyncio.sleep(wait * random.uniform(0.5, 1.0))
                wait = min(RECONNECT_MOST_S, wait * 2)
                continue
            wait = RECONNECT_FIRST_S
            self._gone.clear()
            self._link = link
            link.send(Hello(self._index, self._epoch, os.getpid(), self._get_version()))
            await self._gone.wait()
            await asyncio.sleep(wait)

    def _lost(self, link: _Link) -> None:
        self._link = None
        self.conditions = ()
        self._gone.set()

    def _received(self, link: _Link, message: Message) -> None:
        if isinstance(message, Publish):
            self._on_publish(message)
            link.send(Ack(self._index, message.version))
        elif isinstance(message, Condition):
            self.conditions = message.reasons
        elif isinstance(message, Drain) and self._on_drain is not None:
            self._on_drain()


class ChannelServer:
    """Control's end: who is connected, what they serve, and ``publish`` to all of them.

    ``on_hello`` may return a ``Publish`` for that worker (it is behind); ``on_ack`` hears each acknowledgement. All run
    on the loop that ``start`` ran on.
    """

    def __init__(
        self,
        path: str,
        on_hello: Callable[[Hello], Publish | None],
        on_ack: Callable[[Ack], None] | None = None,
        on_health: Callable[[Health], None] | None = None,
        on_traces: Callable[[Traces], None] | None = None,
    ) -> None:
        self._path = path
        self._on_hello = on_hello
        self._on_ack = on_ack
        self._on_health = on_health
        self._on_traces = on_traces
        self._links: set[_Link] = set()
        self._server: asyncio.Server | None = None
        self.versions: dict[int, int] = {}
        """Connected worker -> version it last confirmed."""
        self._changed = asyncio.Event()
        self._condition = Condition()

    async def start(self) -> None:
        """Listen on the socket (mode 0600). One that a dead predecessor left is replaced: the supervisor runs one
        control process at a time."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
        previous = os.umask(0o177)
        try:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_unix_server(self._accept, self._path)
        finally:
            os.umask(previous)

    def _accept(self) -> _Link:
        link = _Link(self._received, self._lost)
        self._links.add(link)
        return link

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def publish(self, message: Publish) -> int:
        """Send to every connected worker; returns to how many. Who connects later is told by ``on_hello``."""
        return sum(link.send(message) for link in list(self._links) if link.worker >= 0)

    def tell(self, reasons: tuple[str, ...]) -> None:
        """Say what is wrong with control (nothing: all is well), also to those who connect later."""
        self._condition = Condition(reasons)
        for link in list(self._links):
            if link.worker >= 0:
                link.send(self._condition)

    def drain(self, worker: int) -> bool:
        """Ask one worker to finish and exit; False when it is not connected."""
        return sum(link.send(Drain()) for link in list(self._links) if link.worker == worker) > 0

    async def acknowledged(self, version: int, workers: int, timeout: float) -> bool:
        """True once ``workers`` connected workers confirmed ``version`` or newer; False after ``timeout`` seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while sum(served >= version for served in self.versions.values()) < workers:
            changed = self._changed
            try:
                async with asyncio.timeout_at(deadline):
                    await changed.wait()
            except TimeoutError:
                return False
        return True

    async def close(self) -> None:
        """Stop listening, drop all connections, remove the socket."""
        if self._server is None:
            return
        self._server.close()
        for link in list(self._links):
            link.close()
        while self._links:
            await asyncio.sleep(0)
        await self._server.wait_closed()
        self._server = None
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)

    def _received(self, link: _Link, message: Message) -> None:
        if isinstance(message, Hello):
            link.worker = message.index
            self.versions[message.index] = message.version
            self._notify()
            link.send(self._condition)
            answer = self._on_hello(message)
            if answer is not None:
                link.send(answer)
        elif isinstance(message, Ack):
            self.versions[message.index] = message.version
            self._notify()
            if self._on_ack is not None:
                self._on_ack(message)
        elif isinstance(message, Health) and self._on_health is not None:
            self._on_health(message)
        elif isinstance(message, Traces) and self._on_traces is not None:
            self._on_traces(message)

    def _lost(self, link: _Link) -> None:
        self._links.discard(link)
        if link.worker >= 0 and all(other.worker != link.worker for other in self._links):
            self.versions.pop(link.worker, None)
        self._notify()
