"""From one supervisor to its successor: how the new process is started, and the socket on which the two agree.

The old one starts the new one as itself was started and gives it, over a pair of sockets, copies of what must not be
let go of. What they say is JSON, one object a packet:

    old -> new  {"protocol": 1, "port": ..., ...}  and the descriptors, in packets of their own
    new -> old  {"failed": "why"}                  it gives up, and says so before it ends
    new -> old  {"serving": true}                  all its workers serve, beside those of the old one
    old -> new  {"yours": true}                    the databases are closed: the new one is the gateway now

When the old one dies before that, the new one takes over at once: the end of the stream says the same as "yours".
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

VARIABLE = "MICROGATE_HANDOVER"
"""In the environment of the new process: the number of its end of the socket pair."""

PROTOCOL = 1
"""What is said and in which order descriptors come. A successor that knows another one refuses."""

DESCRIPTORS_A_PACKET = 64
"""The kernel takes 253 (SCM_MAX_FD)."""

PACKET_BYTES = 65536

CANNOT_RUN = 127

GONE = "the running microgate ended while it handed over"


class HandoverError(Exception):
    """The two do not fit each other, or the other one is gone; the message is for a person."""


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What the successor has to know to go on where the old one is."""

    host: str
    port: int
    workers: int
    first_place: int
    """Of the successor's own workers in the arena."""
    demo_key: str
    protocol: int = PROTOCOL


class End:
    """One end of the pair."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def fileno(self) -> int:
        return self._sock.fileno()

    def say(self, message: Mapping[str, object]) -> bool:
        """False when the other one is gone."""
        try:
            self._sock.sendall(json.dumps(message).encode())
        except OSError:
            return False
        return True

    def heard(self) -> Mapping[str, Any] | None:
        """What the other one has said since, None for nothing. Raises EOFError when it is gone."""
        try:
            packet = self._sock.recv(PACKET_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError:
            packet = b""
        if not packet:
            raise EOFError
        said: Mapping[str, Any] = json.loads(packet)
        return said

    def give(self, inheritance: Inheritance, descriptors: Sequence[int]) -> None:
        """Raises OSError when the other one is gone."""
        self._sock.sendall(json.dumps({**asdict(inheritance), "descriptors": len(descriptors)}).encode())
        for start in range(0, len(descriptors), DESCRIPTORS_A_PACKET):
            socket.send_fds(self._sock, [b"fds"], descriptors[start : start + DESCRIPTORS_A_PACKET])

    def take(self) -> tuple[Inheritance, list[int]]:
        """What ``give`` sent; the descriptors are the caller's then. Raises HandoverError."""
        packet = self._sock.recv(PACKET_BYTES)
        if not packet:
            raise HandoverError(GONE)
        told = json.loads(packet)
        if told.get("protocol") != PROTOCOL:
            raise HandoverError(
                f"the running microgate hands over by protocol {told.get('protocol')}, this one knows {PROTOCOL}: "
                "restart it instead"
            )
        expected = told.pop("descriptors")
        descriptors: list[int] = []
        while len(descriptors) < expected:
            _, found, _, _ = socket.recv_fds(self._sock, 16, DESCRIPTORS_A_PACKET)
            if not found:
                raise HandoverError(GONE)
            for descriptor in found:
                # recv_fds() ignores flags (CPython 3.11), MSG_CMSG_CLOEXEC among them.
                os.set_inheritable(descriptor, False)
            descriptors += found
        return Inheritance(**told), descriptors

    def close(self) -> None:
        self._sock.close()


def pair() -> tuple[End, End]:
    """Ours and the successor's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return End(ours), End(theirs)


def inherited(environ: Mapping[str, str]) -> End | None:
    """This process's end when it was started to take over; None in an ordinary start. Raises HandoverError."""
    text = environ.get(VARIABLE)
    if text is None:
        return None
    try:
        sock = socket.socket(fileno=int(text))
        sock.set_inheritable(False)
    except (ValueError, OSError) as error:
        raise HandoverError(f"{VARIABLE} is {text!r}, which is no hand-over") from error
    return End(sock)


def complain(environ: Mapping[str, str], why: str) -> None:
    """For the boot process, which has the environment but not the supervisor's object: say why nothing comes of it."""
    with contextlib.suppress(HandoverError):
        end = inherited(environ)
        if end is not None:
            end.say({"failed": why})


def spawn(command: Sequence[str], directory: str, environ: Mapping[str, str], theirs: End) -> int:
    """Start the successor; returns its pid. It is no child that dies with us: it is to outlive this process."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid:
            return pid
        try:
            # Python's handlers would write into this process's pipe, which the child has a copy of until it is another
            # program; what is blocked would stay so in that.
            signal.set_wakeup_fd(-1)
            for number in _handled():
                signal.signal(number, signal.SIG_DFL)
            os.set_inheritable(theirs.fileno(), True)
            os.chdir(directory)
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            os.execve(command[0], list(command), {**environ, VARIABLE: str(theirs.fileno())})
        finally:
            os._exit(CANNOT_RUN)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _handled() -> Iterable[int]:
    return [number for number in signal.valid_signals() if callable(signal.getsignal(number))]
