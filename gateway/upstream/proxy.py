"""HTTP proxies on the way to a provider: CONNECT tunnels for https, absolute-form requests for plain http."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

REPLY_BYTES = 16384
"""Bound of a proxy's answer to CONNECT: more than any real one, small enough to hold."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """An operator's HTTP proxy."""

    host: str
    port: int
    authorization: str = ""
    """Value of Proxy-Authorization, or empty."""

    @staticmethod
    def parse(url: str) -> Proxy:
        """Read ``http://[user:password@]host:port``. Raises ValueError; the message never holds the credentials."""
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError("a proxy is written http://[user:password@]host:port")
        authorization = ""
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = "Basic " + base64.b64encode(pair.encode()).decode()
        return Proxy(parts.hostname.lower(), parts.port if parts.port is not None else 80, authorization)

    @property
    def authorization_field(self) -> bytes:
        """The header line with its CRLF, or nothing."""
        return f"Proxy-Authorization: {self.authorization}\r\n".encode() if self.authorization else b""

    def connect_request(self, host: str, port: int) -> bytes:
        """The bytes that ask for a tunnel to ``host:port`` (RFC 9110, 9.3.6)."""
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n".encode() + self.authorization_field + b"\r\n"


class ConnectReply:
    """Reads a proxy's answer to CONNECT, in pieces of any size.

    ``status`` is 0 until the head is complete; ``error`` says what is wrong with it. Interim 1xx answers are skipped.
    """

    __slots__ = ("_data", "error", "status")

    def __init__(self) -> None:
        self._data = b""
        self.status = 0
        self.error = ""

    def feed(self, data: bytes) -> bool:
        """True once ``status`` or ``error`` is final."""
        self._data += data
        while True:
            end = self._data.find(b"\r\n\r\n")
            if end < 0:
                if len(self._data) > REPLY_BYTES:
                    self.error = "the proxy's answer is too long"
                return bool(self.error)
            line = self._data[: self._data.index(b"\r\n")]
            rest = self._data[end + 4 :]
            version, _, tail = line.partition(b" ")
            code = tail[:3]
            # isdigit() of bytes is ASCII only.
            well_formed = len(code) == 3 and code.isdigit() and tail[3:4] in (b"", b" ")
            if version not in (b"HTTP/1.1", b"HTTP/1.0") or not well_formed:
                self.error = "the proxy's answer is not HTTP"
                return True
            status = int(code)
            if 100 <= status < 200 and status != 101:
                self._data = rest
                continue
            if 200 <= status < 300 and rest:
                # A TLS server never speaks first: bytes behind the head are not the provider's.
                self.error = "the proxy sent bytes ahead of the tunnel"
                return True
            self.status = status
            return True
