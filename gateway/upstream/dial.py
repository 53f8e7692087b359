"""One new upstream connection: resolve, connect, check the peer, tunnel, handshake, under one deadline."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal, cast
from weakref import WeakKeyDictionary

from gateway.config.addresses import is_forbidden
from gateway.upstream.dns import DnsError, Resolver
from gateway.upstream.origin import Origin
from gateway.upstream.proxy import ConnectReply, Proxy
from gateway.upstream.tls import TlsContexts

HANDSHAKES = 16
"""TLS handshakes at a time a loop: each costs 1.2-2.0 ms of CPU, and a burst would hold up every other request."""
HANDSHAKES_PER_HOST = 8
"""Share of them one host may hold, so that a server which stalls its handshakes leaves slots to the others."""

Kind = Literal["refused", "timeout", "dns", "tls", "proxy", "forbidden"]
ProtocolFactory = Callable[[], object]


class DialError(Exception):
    """Why no connection came about; no byte of a request has been sent."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(kind, message)
        self.kind: Kind = kind
        self.message = message

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


class Dialer:
    """Makes the upstream connections of one event loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        contexts: TlsContexts | None = None,
        resolver: Resolver | None = None,
        forbidden: Callable[[str, bool], str | None] = is_forbidden,
    ) -> None:
        self._loop = loop
        self._contexts = contexts if contexts is not None else TlsContexts()
        self.resolver = resolver if resolver is not None else Resolver(loop)
        self._forbidden = forbidden
        self._handshakes = asyncio.Semaphore(HANDSHAKES)
        self._of_host: dict[tuple[str, int], asyncio.Semaphore] = {}

    async def dial(self, origin: Origin, protocol_factory: ProtocolFactory) -> asyncio.Transport:
        """Connect and return the transport; the protocol has had ``connection_made``. Raises DialError.

        ``origin.connect_timeout`` is one absolute deadline over name look-up, every address tried, CONNECT and TLS. On
        cancellation the half-made connection is closed.
        """
        deadline = self._loop.time() + origin.connect_timeout if origin.connect_timeout > 0 else None
        try:
            async with asyncio.timeout_at(deadline):
                return await self._dial(origin, protocol_factory, deadline)
        except TimeoutError:
            within = f"within {origin.connect_timeout:g} s"
            raise DialError("timeout", f"no connection to {_name(origin)} {within}") from None

    async def _dial(self, origin: Origin, factory: ProtocolFactory, deadline: float | None) -> asyncio.Transport:
        make = cast(Callable[[], asyncio.Protocol], factory)
        if origin.scheme == "unix":
            try:
                return (await self._loop.create_unix_connection(make, origin.unix_path))[0]
            except OSError as e:
                raise DialError("refused", f"{_name(origin)}: {_reason(e)}") from e
        proxy = origin.proxy
        if proxy is None:
            sock = await self._connect(origin.host, origin.port, origin.allow_private, deadline)
        else:
            # Behind a proxy the proxy resolves the name; a literal address can still be judged here.
            if self._is_forbidden_literal(origin):
                raise DialError("forbidden", f"{origin.host} may not be connected to")
            sock = await self._connect(proxy.host, proxy.port, True, deadline)
        try:
            if origin.scheme == "http":
                return (await self._loop.create_connection(make, sock=sock))[0]
            if proxy is not None:
                await self._tunnel(sock, proxy, origin)
            async with self._handshake_slot(origin):
                return await self._encrypt(sock, origin, make)
        except OSError as e:  # TimeoutError is one too: the deadline's is raised by its context, outside
            sock.close()
            kind: Kind = "tls" if origin.scheme == "https" else "refused"
            raise DialError(kind, f"{_name(origin)}: {_reason(e)}") from e
        except BaseException:
            sock.close()
            raise

    async def _connect(self, host: str, port: int, allow_private: bool, deadline: float | None) -> socket.socket:
        """A connected socket to one of the host's addresses; each gets an equal share of the time that is left."""
        addresses = self.resolver.cached(host)
        if addresses is None:
            try:
                addresses = await self.resolver.resolve(host)
            except DnsError as e:
                raise DialError("dns", str(e)) from e
        for address in addresses:
            # One forbidden address condemns the name: to pick the public ones would be to trust its owner.
            reason = self._forbidden(address, allow_private)
            if reason:
                raise DialError("forbidden", f"{host} has the address {address}: {reason}")
        failure: OSError | None = None
        for i, address in enumerate(addresses):
            share = None
            if deadline is not None:
                now = self._loop.time()
                share = now + (deadline - now) / (len(addresses) - i)
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                async with asyncio.timeout_at(share):
                    await self._loop.sock_connect(sock, (address, port))
                peer = str(sock.getpeername()[0])
                reason = self._forbidden(peer, allow_private)
                if reason:
                    raise DialError("forbidden", f"{host} led to {peer}: {reason}")
            except OSError as e:
                sock.close()
                failure = e
                continue
            except BaseException:
                sock.close()
                raise
            self.resolver.prefer(host, address)
            return sock
        if isinstance(failure, TimeoutError) or (failure is not None and failure.errno == errno.ETIMEDOUT):
            raise DialError("timeout", f"{host}:{port} does not answer") from failure
        raise DialError("refused", f"{host}:{port}: {_reason(failure)}") from failure

    async def _tunnel(self, sock: socket.socket, proxy: Proxy, origin: Origin) -> None:
        """Ask the proxy for a tunnel, on the bare socket: nothing of the provider's bytes may be read here."""
        reply = ConnectReply()
        try:
            await self._loop.sock_sendall(sock, proxy.connect_request(origin.host, origin.port))
            while True:
                data = await self._loop.sock_recv(sock, 4096)
                if not data:
                    raise DialError("proxy", "the proxy closed the connection")
                if reply.feed(data):
                    break
        except OSError as e:
            raise DialError("proxy", _reason(e)) from e
        if reply.error:
            raise DialError("proxy", reply.error)
        if not 200 <= reply.status < 300:
            raise DialError("proxy", f"the proxy answered {reply.status}")

    async def _encrypt(
        self, sock: socket.socket, origin: Origin, make: Callable[[], asyncio.Protocol]
    ) -> asyncio.Transport:
        try:
            context = self._contexts.made(origin.tls)
            if context is None:
                # Reading a CA bundle would hold up the loop for 20 ms.
                context = await self._loop.run_in_executor(None, self._contexts.get, origin.tls)
        except OSError as e:
            raise DialError("tls", f"trust settings of {origin.provider}: {_reason(e)}") from e
        transport, _ = await self._loop.create_connection(
            make, sock=sock, ssl=context, server_hostname=origin.server_name
        )
        return transport

    @asynccontextmanager
    async def _handshake_slot(self, origin: Origin) -> AsyncIterator[None]:
        host = self._of_host.setdefault((origin.host, origin.port), asyncio.Semaphore(HANDSHAKES_PER_HOST))
        async with host, self._handshakes:
            yield

    def _is_forbidden_literal(self, origin: Origin) -> bool:
        family = socket.AF_INET6 if ":" in origin.host else socket.AF_INET
        try:
            socket.inet_pton(family, origin.host)
        except OSError:
            return False
        return self._forbidden(origin.host, origin.allow_private) is not None


_dialers: WeakKeyDictionary[asyncio.AbstractEventLoop, Dialer] = WeakKeyDictionary()


def dialer_of(loop: asyncio.AbstractEventLoop, contexts: TlsContexts | None = None) -> Dialer:
    """The dialer of this loop, made at the first call, with ``contexts`` (prepared before forking) if given."""
    dialer = _dialers.get(loop)
    if dialer is None:
        dialer = _dialers[loop] = Dialer(loop, contexts)
    return dialer


async def dial(loop: asyncio.AbstractEventLoop, origin: Origin, protocol_factory: ProtocolFactory) -> asyncio.Transport:
    """``Dialer.dial`` of the loop's own dialer."""
    return await dialer_of(loop).dial(origin, protocol_factory)


def _name(origin: Origin) -> str:
    """What callers may read of it: the path of a socket is this machine's own business."""
    return (
        f"the socket of {origin.provider.removeprefix('own:')}" if origin.unix_path else f"{origin.host}:{origin.port}"
    )


def _reason(error: Any) -> str:
    """The system's words for an error, without the address asyncio puts into its own."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return error.reason or "handshake failed"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
