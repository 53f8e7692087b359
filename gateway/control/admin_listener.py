"""``admin.listen``: administration, metrics and health at an address of their own, served by this process without a
worker, however busy the workers are.

Strangers may reach it, as they may reach the workers, so what a worker decides about these paths is decided here:
``Gate`` stands before the application.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import math
import socket
from collections.abc import Callable
from typing import Any

import orjson

from gateway.admin_door import FOREIGN_HOST, FRONT, Knock, Knocking, is_ours, lets_in, visits
from gateway.control.admin_server import AdminServer, server_config
from gateway.server.forwarded import UNKNOWN, Forwarded, is_loopback, known_source, packed, spelled
from gateway.snapshot.model import Settings

log = logging.getLogger("microgate.admin")

BACKLOG = 128

MOST_AT_ONCE = 128
"""Connections and requests; operators and scrapers are few, and strangers must not fill this process. Half of them may
be live views (``live.MOST_LISTENERS``)."""

LOOK_S = 0.5
"""How often it looks at the settings in force."""

RETRY_S = 5.0
"""Between attempts to listen: a predecessor of this process may still hold the address."""

Scope = dict[str, Any]
_CREDENTIALS = (b"x-microgate-key", b"x-api-key", b"api-key", b"x-goog-api-key")
_FORWARDING = (b"forwarded", b"x-forwarded-for")
_SOURCE = b"x-microgate-source"
_HEALTH = {"/livez", "/readyz"}
_Refusal = tuple[int, str, str, str, tuple[tuple[bytes, bytes], ...]]
"""Status, type, code, message, header fields."""
_EMPTY = (b"content-length", b"0")
_ASK = ((b"www-authenticate", b"Bearer"),)
_STRANGER: _Refusal = (401, "authentication_error", "authentication_error", "Send the operator's token.", _ASK)


class Gate:
    """An ASGI application that lets through to ``app`` what ``settings()`` and the rules of the door allow;
    ``health`` answers /livez and /readyz with a status and a body, to anybody."""

    def __init__(
        self,
        app: Any,
        admin_token: str,
        pepper: bytes,
        settings: Callable[[], Settings],
        health: Callable[[str], tuple[int, dict[str, object]]],
    ) -> None:
        self._app = app
        self._admin_token = admin_token.encode()
        self._pepper = pepper
        self._settings = settings
        self._health = health
        self._knocking = Knocking()

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] in _HEALTH and scope["method"] in ("GET", "HEAD"):
            await _answer(send, *self._health(scope["path"]), [])
            return
        if scope["type"] == "http" and scope["path"] == "/" and self._is_visitor(scope):
            await send({"type": "http.response.start", "status": 303, "headers": [(b"location", FRONT), _EMPTY]})
            await send({"type": "http.response.body", "body": b""})
            return
        refusal = self._refusal(scope) if scope["type"] == "http" else _STRANGER
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            status, kind, code, message, fields = refusal
            error = {"message": message, "type": kind, "param": None, "code": code}
            await _answer(send, status, {"error": error}, [*fields])

    def _is_visitor(self, scope: Scope) -> bool:
        headers = scope["headers"]
        accept = b",".join(value for name, value in headers if name == b"accept")
        return visits(_knock(scope, _credential(headers)), accept, self._settings().admin_hosts)

    def _refusal(self, scope: Scope) -> _Refusal | None:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        settings = self._settings()
        credential = _credential(headers)
        knock = _knock(scope, credential)
        if scope["path"] == "/metrics":
            expected = settings.metrics_token_sha256
            presented = hashlib.sha256(credential.encode("latin-1")).hexdigest()
            if expected and credential and hmac.compare_digest(presented, expected):
                return None
            # One whom a proxy on this machine brings is not local: such a proxy has to use the token.
            may = is_loopback(_peer(scope)) and not any(name in _FORWARDING for name, _ in headers)
        else:
            may = lets_in(knock, self._admin_token, self._pepper)
        if not may:
            return _STRANGER
        if not is_ours(knock.host, settings.admin_hosts):
            return (421, "invalid_request_error", "misdirected_request", FOREIGN_HOST, ())
        source = _source(scope, settings.trusted_proxies)
        known = b"" if source == UNKNOWN else source
        if wait_s := self._knocking.wait_s(knock.path, known):
            waits = (b"retry-after", b"%d" % math.ceil(wait_s))
            return (429, "rate_limit_error", "rate_limited", "Too many requests before a log-in: wait.", (waits,))
        # As a worker tells it (``gateway/phases/ask.py``), instead of whatever the caller says of it.
        kept = [(name, value) for name, value in headers if name != _SOURCE]
        scope["headers"] = [*kept, (_SOURCE, spelled(source).encode())]
        return None


def _peer(scope: Scope) -> bytes:
    return packed(str((scope.get("client") or ("", 0))[0]))


def _source(scope: Scope, trusted_proxies: tuple[str, ...]) -> bytes:
    lines = b"".join(b"%b: %b\r\n" % field for field in scope["headers"] if field[0] in _FORWARDING)
    peer, forwarded = _peer(scope), Forwarded(trusted_proxies)
    return known_source(forwarded.client_of(peer, lines), peer, b"GET / HTTP/1.1\r\n" + lines + b"\r\n", forwarded)


def _knock(scope: Scope, credential: str) -> Knock:
    headers: list[tuple[bytes, bytes]] = scope["headers"]

    def field(name: bytes) -> bytes:
        return b"; ".join(value for key, value in headers if key == name)

    length = field(b"content-length")
    chunked = any(name == b"transfer-encoding" for name, _ in headers)
    return Knock(
        scope["method"].encode(),
        scope["path"].encode("utf-8", "replace"),
        credential.encode("latin-1"),
        field(b"cookie"),
        field(b"origin"),
        field(b"host"),
        -1 if chunked or not (length or b"0").isdigit() else int(length or 0),
    )


def _credential(headers: list[tuple[bytes, bytes]]) -> str:
    found = dict(reversed(headers))
    scheme, _, presented = found.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        return presented.strip().decode("latin-1")
    return next((found[name] for name in _CREDENTIALS if name in found), b"").decode("latin-1")


async def _answer(send: Any, status: int, body: dict[str, object], headers: list[tuple[bytes, bytes]]) -> None:
    data = orjson.dumps(body)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(data)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})


class AdminListener:
    """Listens where the settings in force say; ``run`` follows their changes until it is cancelled."""

    def __init__(
        self,
        app: Any,
        admin_token: str,
        pepper: bytes,
        settings: Callable[[], Settings],
        health: Callable[[str], tuple[int, dict[str, object]]],
    ) -> None:
        self._app = Gate(app, admin_token, pepper, settings, health)
        self._settings = settings
        self.problem = ""
        """Why it does not listen although it should. No address: readiness shows it to anybody."""

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        wanted: tuple[object, ...] = ()
        server: AdminServer | None = None
        serving: asyncio.Task[None] | None = None
        retry_at = 0.0
        try:
            while True:
                settings = self._settings()
                now = (settings.admin_listen, settings.listen_tls)
                ended = serving is not None and serving.done()
                if now != wanted or ended or (self.problem and loop.time() >= retry_at):
                    await _end(server, serving)
                    server, serving = None, None
                    wanted = now
                    retry_at = loop.time() + RETRY_S
                    if settings.admin_listen:
                        server, serving = await self._start(settings)
                    else:
                        self.problem = ""
                await asyncio.sleep(LOOK_S)
        finally:
            await _end(server, serving)

    async def _start(self, settings: Settings) -> tuple[AdminServer | None, asyncio.Task[None] | None]:
        try:
            sock = await asyncio.to_thread(_bound, settings.admin_listen)
        except OSError as error:
            return self._failed(settings, error)
        try:
            tls = settings.listen_tls
            config = server_config(
                self._app,
                # The application has had its start on the admin socket.
                lifespan="off",
                limit_concurrency=MOST_AT_ONCE,
                ssl_certfile=tls.cert_file if tls is not None else None,
                ssl_keyfile=tls.key_file if tls is not None else None,
            )
            config.load()
        except OSError as error:
            sock.close()
            return self._failed(settings, error)
        self.problem = ""
        log.info("administration and metrics listen on %s", settings.admin_listen)
        server = AdminServer(config)
        return server, asyncio.create_task(_serve(server, sock))

    def _failed(self, settings: Settings, error: OSError) -> tuple[None, None]:
        if not self.problem:
            log.error("administration cannot listen on %s: %s", settings.admin_listen, error)
        self.problem = "administration cannot listen on its address"
        return None, None


async def _serve(server: AdminServer, sock: socket.socket) -> None:
    try:
        await server.serve(sockets=[sock])
    finally:
        sock.close()


async def _end(server: AdminServer | None, serving: asyncio.Task[None] | None) -> None:
    if server is not None and serving is not None:
        server.end()
        await asyncio.gather(serving, return_exceptions=True)


def _bound(listen: str) -> socket.socket:
    """A listening socket at ``host:port``. Raises OSError."""
    host, _, port = listen.rpartition(":")
    found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = min(found, key=lambda row: row[0] != socket.AF_INET)
    sock = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    sock.setblocking(False)
    return sock
