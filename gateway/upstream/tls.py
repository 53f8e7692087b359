"""Verified TLS to providers: one context a trust set, made before workers are forked."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from typing import Any

from gateway.snapshot.model import Tls

SESSIONS = 256
"""Sessions kept a context, one a server name; far more names than a gateway has providers."""


class ResumingContext(ssl.SSLContext):
    """An SSLContext that offers the server's last session again.

    asyncio and uvloop have no parameter for it, but both make their connections through ``wrap_bio`` of the context
    they are given. A session is bound to this context, hence to its trust set, and is looked up by the verified name.
    """

    _sessions: dict[str, ssl.SSLSession]

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        if session is None and isinstance(server_hostname, str):
            session = self._sessions.get(server_hostname)
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)

    def remember(self, server_name: str, session: ssl.SSLSession | None) -> None:
        """Keep a session for the next connection to ``server_name``."""
        if session is None or not session.has_ticket:
            return
        if server_name not in self._sessions and len(self._sessions) >= SESSIONS:
            self._sessions.pop(next(iter(self._sessions)))
        self._sessions[server_name] = session


def make_context(tls: Tls) -> ResumingContext:
    """A client context for one trust set: certificate and host name verified, TLS 1.2 or later, ALPN http/1.1.

    Raises OSError (``ssl.SSLError`` included) for files that are missing or wrong. OpenSSL's security level 2 refuses
    RSA below 2048 bits and SHA-1 signatures.
    """
    context = ResumingContext(ssl.PROTOCOL_TLS_CLIENT)
    context._sessions = {}
    context.verify_mode = ssl.CERT_REQUIRED
    context.check_hostname = True
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("DEFAULT:!aNULL:!eNULL:!PSK:!SRP:@SECLEVEL=2")
    context.set_alpn_protocols(["http/1.1"])
    if tls.ca_file:
        context.load_verify_locations(cafile=tls.ca_file)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if tls.client_cert:
        context.load_cert_chain(tls.client_cert, tls.client_key or None)
    return context


class TlsContexts:
    """The contexts in use, by trust set; filled before forking so that workers share the parsed certificates' pages."""

    def __init__(self) -> None:
        self._contexts: dict[tuple[str, str, str], ResumingContext] = {}

    def prepare(self, settings: Iterable[Tls]) -> None:
        """Make what these settings need. Raises OSError as ``make_context``."""
        for tls in settings:
            self.get(tls)

    def made(self, tls: Tls) -> ResumingContext | None:
        """The context of a trust set, if it has been made."""
        return self._contexts.get((tls.ca_file, tls.client_cert, tls.client_key))

    def get(self, tls: Tls) -> ResumingContext:
        """The context of a trust set; reading a CA bundle takes 10-20 ms when it was not prepared. Raises OSError."""
        context = self.made(tls)
        if context is None:
            # Two threads at once: the first one's counts, for sessions are remembered in it.
            key = (tls.ca_file, tls.client_cert, tls.client_key)
            context = self._contexts.setdefault(key, make_context(tls))
        return context


def remember_session(transport: asyncio.BaseTransport, server_name: str) -> None:
    """Keep the TLS session of a connection for the next one; call it after the first answer.

    TLS 1.3 servers send their tickets behind the handshake, so right after connecting there is none to keep.
    """
    tls: Any = transport.get_extra_info("ssl_object")
    if tls is not None and isinstance(tls.context, ResumingContext):
        tls.context.remember(server_name, tls.session)
