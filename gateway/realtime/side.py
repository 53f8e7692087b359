"""One end of a relayed WebSocket: frames in, checked; messages out, in step with how fast they are taken.

wsproto judges the frames: masks, reserved bits, control frames, fragmentation, UTF-8, close codes. A message is held
until it is whole, and nothing more is read while the one before is on its way to the other end, so what a session
holds is bounded by the size of a message, however slowly anybody reads.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Protocol

from wsproto.frame_protocol import CloseReason, Frame, FrameProtocol, Opcode, ParseFailed

from _speedups._bytes import monotonic_ns
from gateway.core import Core
from gateway.errors import Response
from gateway.exchange import Caller, Exchange

FRAMES_A_TURN = 64
"""Taken before the loop has another turn: frames of one byte must not keep it."""
FRAGMENT = 262_144
"""Longer messages go out in fragments: masking one takes a millisecond, and the write buffer holds one at most."""
FRAGMENTS_A_TURN = 4
HIGH_WATER = 65536
LOW_WATER = 16384
CLOSE_NS = 5_000_000_000
"""How long the other end may take to answer a Close."""
LINGER_NS = 1_000_000_000
"""After a violation, or the other end's Close, what still comes is dropped for so long, lest a reset eat ours."""
LINGER_BYTES = 1 << 20
OWN_WORDS = 4
"""Refusals that a caller may leave unread before nothing more is read from it."""
NO_STATUS = int(CloseReason.NO_STATUS_RCVD)


class Ends(Protocol):
    """Who is told what an end receives: ``gateway.realtime.session.Session``."""

    def message(self, side: Side, data: bytes, text: bool) -> None: ...

    def held(self, side: Side) -> bool:
        """Whether ``side`` has to wait before its next message is taken."""

    def drained(self, side: Side) -> None:
        """Everything for ``side`` has been handed to its socket."""

    def closed(self, side: Side, code: int, reason: str) -> None:
        """It sent a Close."""

    def broke(self, side: Side, code: int, reason: str) -> None:
        """It broke the protocol, and has been told."""

    def lost(self, side: Side) -> None:
        """Its connection is gone."""

    def failed(self, error: Exception) -> None: ...

    def refused(self, response: Response) -> None: ...

    def drain(self, now: bool) -> None:
        """The worker is going: end soon, or at once."""


class Side(Caller):
    """A protocol by its methods. The caller's end also stands where its HTTP connection stood before."""

    def __init__(self, core: Core, owner: Ends, client: bool, limit: int) -> None:
        """``client``: the gateway opened this WebSocket; ``limit``: bytes of a message."""
        Caller.__init__(self)
        self.core = core
        self.owner: Ends | None = owner
        self.frames = FrameProtocol(client, [])
        self.limit = limit
        self.transport: Any = None
        self.message = bytearray()
        self.queue: deque[bytes | str] = deque()
        self.at = 0
        self.turn: asyncio.Handle | None = None
        self.sending: asyncio.Handle | None = None
        self.reading = False
        self.waiting = False
        """Bytes came that could not be taken yet. Without any reading goes on, so that the connection's end is seen."""
        self.reading_paused = False
        self.writing_paused = False
        self.paused_ns = 0
        self.owed: bytes | None = None
        """Of the pings that came while nothing could be written, the last: its pong answers them all."""
        self.closing = False
        self.closing_ns = 0
        self.deaf = False
        self.dropped = 0
        self.heard_ns = 0
        self.asked_ns = 0
        """When it was last asked whether it is still there."""

    def take_over(self, transport: Any, early: bytes) -> None:
        """Speak over this transport from here on; ``early`` has been read from it already."""
        self.transport = transport
        self.heard_ns = monotonic_ns()
        # Paused: uvloop begins to read in the manner of the protocol that it finds then.
        transport.pause_reading()
        transport.set_protocol(self)
        transport.set_write_buffer_limits(high=HIGH_WATER, low=LOW_WATER)
        self.reading_paused = True
        if early:
            self.frames.receive_bytes(early)
        self.read()

    # --- protocol callbacks

    def connection_made(self, transport: Any) -> None:
        """Never: the transport was made for another protocol."""

    def data_received(self, data: bytes) -> None:
        self.heard_ns = monotonic_ns()
        if self.deaf:
            self.dropped += len(data)
            if self.dropped > LINGER_BYTES:
                self.abort()
            return
        self.frames.receive_bytes(data)
        self.waiting = True
        self.read()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: BaseException | None) -> None:
        self.core.connections.discard(self)
        self.transport = None
        self.deaf = self.closing = True
        self.queue.clear()
        for handle in (self.turn, self.sending):
            if handle is not None:
                handle.cancel()
        self.turn = self.sending = None
        # wsproto's parser and its generator refer to each other, and nobody collects such cycles in a busy worker.
        vars(self.frames).clear()
        owner, self.owner = self.owner, None
        if owner is not None:
            owner.lost(self)

    def pause_writing(self) -> None:
        self.writing_paused = True
        self.paused_ns = monotonic_ns()

    def resume_writing(self) -> None:
        self.writing_paused = False
        if self.owed is not None:
            payload, self.owed = self.owed, None
            self.pong(payload)
        self.flush()

    # --- frames in

    def read(self) -> None:
        """Take the frames that have come, as far as there is somewhere to put them."""
        if self.reading or self.turn is not None:
            return
        self.reading = True
        left = FRAMES_A_TURN
        try:
            if self.hears():
                self.waiting = False
                for frame in self.frames.received_frames():
                    self.take(frame)
                    if not self.hears():
                        break
                    left -= 1
                    if not left:
                        self.turn = self.core.loop.call_soon(self.next_turn)
                        break
        except ParseFailed as error:
            self.violated(int(error.code), str(error))
        except Exception as error:
            if self.owner is not None:
                self.owner.failed(error)
        finally:
            self.reading = False
        self.brake()

    def next_turn(self) -> None:
        self.turn = None
        self.read()

    def hears(self) -> bool:
        return not self.deaf and not self.held()

    def held(self) -> bool:
        return not self.closing and self.owner is not None and (len(self.queue) > OWN_WORDS or self.owner.held(self))

    def brake(self) -> None:
        """Read from the socket just as long as what comes can be taken."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        paused = not self.deaf and (self.turn is not None or (self.waiting and self.held()))
        if paused != self.reading_paused:
            self.reading_paused = paused
            if paused:
                transport.pause_reading()
            else:
                transport.resume_reading()

    def take(self, frame: Frame) -> None:
        payload = frame.payload
        if isinstance(payload, tuple):
            self.peer_closed(int(payload[0]), payload[1])
        elif frame.opcode is Opcode.PING and not isinstance(payload, str):
            self.pong(bytes(payload))
        elif frame.opcode is not Opcode.PONG and not self.closing:
            text = isinstance(payload, str)
            data = payload.encode() if isinstance(payload, str) else payload
            if len(self.message) + len(data) > self.limit:
                self.violated(int(CloseReason.MESSAGE_TOO_BIG), f"A message may have {self.limit} bytes here.")
                return
            self.message += data
            if frame.message_finished and self.owner is not None:
                whole = bytes(self.message)
                self.message = bytearray()
                self.owner.message(self, whole, text)

    def pong(self, payload: bytes) -> None:
        if self.writing_paused:
            self.owed = payload
        elif not self.closing:
            self.write(self.frames.pong(payload))

    def peer_closed(self, code: int, reason: str) -> None:
        self.deaf = True
        if not self.closing:
            self.closing = True
            self.closing_ns = monotonic_ns()
            self.queue.clear()
            self.write(self.frames.close(None if code == NO_STATUS else code))
            if self.owner is not None:
                self.owner.closed(self, code, reason)
            self.leave()
        elif self.transport is not None:
            self.transport.close()

    def leave(self) -> None:
        """The server's end goes first (RFC 6455, 7.1.1), and hears a caller out who does not stop at its own Close."""
        transport = self.transport
        if transport is None:
            return
        if not self.frames.client and transport.can_write_eof():
            transport.write_eof()
        else:
            transport.close()

    def violated(self, code: int, reason: str) -> None:
        self.deaf = True
        told = self.closing
        self.close(code, reason)
        if not told and self.owner is not None:
            self.owner.broke(self, code, reason)

    # --- messages and control frames out

    def deliver(self, data: bytes, text: bool) -> None:
        """Send a message, now or as soon as what is before it has gone."""
        if not self.closing:
            self.queue.append(data.decode() if text else data)
            self.flush()

    def flush(self) -> None:
        if self.sending is not None:
            return
        had = bool(self.queue)
        left = FRAGMENTS_A_TURN
        while self.queue and not self.writing_paused and not self.closing:
            payload = self.queue[0]
            piece = payload[self.at : self.at + FRAGMENT]
            self.at += len(piece)
            last = self.at >= len(payload)
            self.write(self.frames.send_data(piece, last))
            if last:
                self.queue.popleft()
                self.at = 0
            left -= 1
            if not left and self.queue:
                self.sending = self.core.loop.call_soon(self.send_on)
                return
        if had and not self.queue and self.owner is not None:
            self.owner.drained(self)

    def send_on(self) -> None:
        self.sending = None
        self.flush()

    def ping(self) -> None:
        if not self.closing and not self.writing_paused:
            self.write(self.frames.ping(b""))

    def close(self, code: int, reason: str = "") -> None:
        """Send a Close, and wait for its answer within the owner's bounds."""
        if self.closing or self.transport is None:
            return
        self.closing = True
        self.closing_ns = monotonic_ns()
        self.queue.clear()
        self.message = bytearray()
        self.write(self.frames.close(None if code == NO_STATUS else code, None if code == NO_STATUS else reason))
        if not self.reading:
            self.read()

    def overdue(self, now_ns: int) -> bool:
        """Whether a closing handshake has taken too long."""
        return self.closing and now_ns - self.closing_ns > (LINGER_NS if self.deaf else CLOSE_NS)

    def write(self, data: bytes | bytearray) -> None:
        transport = self.transport
        if transport is not None and not transport.is_closing():
            transport.write(bytes(data))

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    # --- where the HTTP connection stood

    def peer(self) -> str:
        address = None if self.transport is None else self.transport.get_extra_info("peername")
        return str(address[0]) if isinstance(address, tuple) else "" if address is None else "unix"

    def answer(self, data: bytes) -> None:
        """Nothing of HTTP can be said any more."""

    def answered(self, x: Exchange, reusable: bool) -> None:
        if not reusable:
            self.close(int(CloseReason.INTERNAL_ERROR), "The gateway failed on this session.")

    def respond(self, x: Exchange, response: Response) -> None:
        if self.owner is not None:
            self.owner.refused(response)

    def hold_body(self) -> None:
        """There is none."""

    def release_body(self) -> None:
        """There is none."""

    def close_if_idle(self) -> None:
        if self.owner is not None:
            self.owner.drain(False)

    def cut_off(self) -> None:
        if self.owner is not None:
            self.owner.drain(True)
        if self.transport is not None:
            self.transport.close()
