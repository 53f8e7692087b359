"""The listening sockets: one a worker, bound by the supervisor before anything else and kept until it ends.

A killed worker's socket stays open here, so the connections in its accept queue wait for its replacement instead of
being reset. Slots are never closed while serving: that would renumber the group and send connections to the wrong
worker.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Sequence

from gateway.processes import steering

BACKLOG = 4096
"""Linux's default net.core.somaxconn; the kernel cuts it to what is configured."""

log = logging.getLogger("microgate.listeners")


class ListenError(Exception):
    """The address cannot be had; the message is for a person."""


class Listeners:
    """``workers`` sockets bound to one address, in slot order. Raises ListenError."""

    def __init__(self, host: str, port: int, workers: int) -> None:
        family, address = _resolve(host, port)
        _refuse_if_taken(family, address)
        self.sockets: list[socket.socket] = []
        self.listening = False
        self._weights: list[int] = []
        self._steered = True
        try:
            for _ in range(workers):
                sock = _tcp_socket(family)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                self.sockets.append(sock)
                sock.bind(address)
                # With port 0 the first socket finds a free port, the others join it.
                address = sock.getsockname()
        except OSError as error:
            self.close()
            raise ListenError(_explain(address, error)) from error
        self.port: int = address[1]

    @classmethod
    def taken(cls, sockets: list[socket.socket], port: int) -> Listeners:
        """Those of a predecessor, which listen already, in its order."""
        listeners = cls.__new__(cls)
        listeners.sockets = sockets
        listeners.port = port
        listeners.listening = True
        listeners._weights = []
        listeners._steered = True
        return listeners

    def listen(self) -> None:
        """Start taking connections: in slot order, which the kernel makes the order of steering."""
        for sock in self.sockets:
            sock.listen(BACKLOG)
        self.listening = True

    def steer(self, wanted: Sequence[int]) -> None:
        """Send new connections to the slots in proportion to these weights, to those of 0 none. No effect before
        ``listen`` and when nothing changed."""
        weights = list(wanted)
        if not self.listening or not self._steered or weights == self._weights:
            return
        try:
            steering.attach(self.sockets[0], weights)
        except OSError as error:
            self._steered = False
            log.warning(
                "the kernel refuses to steer connections (%s): callers of a dead worker wait for its successor", error
            )
            return
        self._weights = weights

    def close(self) -> None:
        """Close this process's copies; what is still in an accept queue is reset with the last copy."""
        for sock in self.sockets:
            sock.close()
        self.sockets.clear()
        self.listening = False


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, OverflowError, UnicodeError) as error:
        raise ListenError(f"cannot listen on {host}:{port}: {error}") from error
    # A name may have several addresses (localhost: ::1 and 127.0.0.1); IPv4 is what most clients try.
    family, _, _, _, address = min(found, key=lambda row: row[0] != socket.AF_INET)
    return family, (str(address[0]), int(address[1]))


def _tcp_socket(family: socket.AddressFamily) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    # Connections in TIME_WAIT must not keep a restarted supervisor from the port.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        # "::" means both families here, whatever net.ipv6.bindv6only says.
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    return sock


def _refuse_if_taken(family: socket.AddressFamily, address: tuple[str, int]) -> None:
    # Sockets with SO_REUSEPORT join those of any other program of this user that set it too (a second gateway, say) and
    # silently share its traffic; one without it is refused.
    if address[1] == 0:
        return
    with _tcp_socket(family) as probe:
        try:
            probe.bind(address)
        except OSError as error:
            raise ListenError(_explain(address, error)) from error


def _explain(address: tuple[str, int], error: OSError) -> str:
    return f"cannot listen on {address[0]}:{address[1]}: {os.strerror(error.errno) if error.errno else error}"
