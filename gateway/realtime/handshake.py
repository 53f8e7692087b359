"""Opening handshakes of WebSockets (RFC 6455 4), as the server of one and the client of the other."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from typing import NamedTuple
from urllib.parse import parse_qsl

from _speedups._head import HeadScan
from gateway.errors import GatewayError, Response, refuse
from gateway.exchange import Exchange
from gateway.server.routes import GEMINI_LIVE

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY_PROTOCOL = "openai-insecure-api-key."
"""How browsers, which can't set header fields here, hand over a key: as the name of a sub-protocol."""
PASSED_PROTOCOLS = re.compile(r"realtime|openai-beta\.[a-z0-9.=-]{1,64}")
"""What of a caller's offer is offered to a provider; names of accounts are the operator's."""
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,512}")


class Offer(NamedTuple):
    """A caller's handshake that can be accepted."""

    key: bytes
    protocols: tuple[str, ...]
    """All that were offered, but keys."""


def values_of(head: bytes, name: bytes) -> list[bytes]:
    """Values of every field of this name in a validated head."""
    found: list[bytes] = re.findall(rb"\r\n" + name + rb":[ \t]*([^\r]*?)[ \t]*(?=\r)", head, re.IGNORECASE)
    return found


def _tokens(value: bytes | None) -> list[str]:
    return [] if value is None else [token.strip().lower() for token in value.decode("latin-1").split(",")]


def protocols_of(head: bytes) -> list[str]:
    """Sub-protocols offered, in order."""
    joined = ",".join(value.decode("latin-1") for value in values_of(head, b"sec-websocket-protocol"))
    return [name for part in joined.split(",") if (name := part.strip())]


def credential_of(x: Exchange) -> bytes | None:
    """A key in the places that only WebSockets have: among the sub-protocols, and ``?key=`` of Google's."""
    for name in protocols_of(x.head):
        if name.startswith(KEY_PROTOCOL):
            return name.removeprefix(KEY_PROTOCOL).encode("latin-1") or None
    if x.route is not None and x.route.original in GEMINI_LIVE:
        keys = [value for name, value in query_of(x) if name == "key"]
        if len(keys) == 1 and keys[0]:
            return keys[0].encode("utf-8", "replace")
    return None


def query_of(x: Exchange) -> list[tuple[str, str]]:
    return parse_qsl(x.query.decode("latin-1"), keep_blank_values=True)


def judge(x: Exchange) -> Offer | Response:
    """The caller's handshake, or the answer that turns it away."""
    scan = HeadScan()
    scan.request(x.head)
    if "websocket" not in _tokens(scan.upgrade) or "upgrade" not in _tokens(scan.connection) or x.http10:
        error = GatewayError("upgrade_required", "This path speaks WebSocket: ask with 'Upgrade: websocket'.")
        return _turned_away(x, error, b"upgrade: websocket\r\nconnection: upgrade\r\n")
    if x.method != b"GET":
        return _turned_away(x, GatewayError("bad_request", "A WebSocket is opened with GET."))
    if values_of(x.head, b"sec-websocket-version") != [b"13"]:
        error = GatewayError("upgrade_required", "Only version 13 of WebSocket is spoken here.")
        return _turned_away(x, error, b"upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n")
    keys = values_of(x.head, b"sec-websocket-key")
    if len(keys) != 1 or not _is_nonce(keys[0]):
        return _turned_away(x, GatewayError("bad_request", "Sec-WebSocket-Key has to be 16 bytes in base64."))
    protocols = protocols_of(x.head)
    if any(_TOKEN.fullmatch(name) is None for name in protocols) or len(set(protocols)) != len(protocols):
        return _turned_away(x, GatewayError("bad_request", "Sec-WebSocket-Protocol is malformed."))
    return Offer(keys[0], tuple(name for name in protocols if not name.startswith(KEY_PROTOCOL)))


def _turned_away(x: Exchange, error: GatewayError, fields: bytes = b"") -> Response:
    response = refuse(error, x.request_id.decode())
    response.headers += fields
    return response


def _is_nonce(value: bytes) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == 16
    except binascii.Error:
        return False


def accept_of(key: bytes) -> bytes:
    """The proof that a server has read the handshake."""
    return base64.b64encode(hashlib.sha1(key + MAGIC, usedforsecurity=False).digest())


def accepted(key: bytes, protocol: str, fields: bytes) -> bytes:
    """The answer that opens a caller's WebSocket; ``fields`` are further lines, each with its CRLF."""
    chosen = f"sec-websocket-protocol: {protocol}\r\n".encode() if protocol else b""
    return b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n%b%b%b\r\n" % (
        b"sec-websocket-accept: " + accept_of(key) + b"\r\n",
        chosen,
        fields,
    )


def nonce() -> bytes:
    return base64.b64encode(os.urandom(16))


def asking(key: bytes, protocols: tuple[str, ...]) -> bytes:
    """The lines that ask a provider for a WebSocket, and the empty one behind them."""
    offered = [name for name in protocols if PASSED_PROTOCOLS.fullmatch(name)]
    lines = b"upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: %b\r\n" % key
    if offered:
        lines += f"sec-websocket-protocol: {', '.join(offered)}\r\n".encode()
    return lines + b"\r\n"


def fault_in(head: bytes, scan: HeadScan, key: bytes, protocols: tuple[str, ...]) -> str:
    """What is wrong with a provider's 101 (RFC 6455 4.1), or nothing."""
    if _tokens(scan.upgrade) != ["websocket"] or "upgrade" not in _tokens(scan.connection):
        return "did not upgrade to WebSocket"
    if values_of(head, b"sec-websocket-accept") != [accept_of(key)]:
        return "did not answer the handshake's key"
    if values_of(head, b"sec-websocket-extensions"):
        return "chose an extension that was not offered"
    chosen = protocols_of(head)
    if len(chosen) > 1 or any(name not in protocols for name in chosen):
        return "chose a sub-protocol that was not offered"
    return ""
