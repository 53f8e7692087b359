"""The running gateway, asked as any caller asks it: over HTTP, with a virtual key."""

from __future__ import annotations

import http.client
import json
import os
import ssl
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

URL = "http://127.0.0.1:8080"
CHAT = "/v1/chat/completions"
ANSWER_S = 600.0
"""A provider may take this long, as in the official SDKs."""
OWN_FIELDS = frozenset(
    (
        "authorization", "connection", "content-length", "content-type", "expect", "host", "transfer-encoding",
        "x-api-key", "api-key", "x-goog-api-key", "x-microgate-key", "x-microgate-cache",
    )
)  # fmt: skip
"""Fields that whoever sends the request writes itself."""


class NobodyThere(Exception):
    """Nobody answers at the address; the message says which, for a person."""


class BadRequest(ValueError):
    """What was read is no request; the message says why, for a person."""


class Asked(NamedTuple):
    """A request to make."""

    line: int
    """Of the file; from 1."""
    path: str
    body: bytes
    """As it stood in the file: another spelling of a number may be another question."""
    fields: Mapping[str, str]


class Answer(NamedTuple):
    status: int
    fields: Mapping[str, str]
    """Names in small letters."""
    body: bytes

    @property
    def message(self) -> str:
        """Of an error."""
        try:
            return str(json.loads(self.body)["error"]["message"])
        except (ValueError, KeyError, TypeError):
            return f"status {self.status}"


def read_request(text: bytes, line: int = 1) -> Asked:
    """A chat body, or an object with ``body`` and perhaps ``path`` and ``headers``. Raises BadRequest."""
    try:
        found = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        if "body" not in found:
            if not {"model", "messages"} <= found.keys():
                raise BadRequest("neither a chat body (model, messages) nor an object with body and path")
            return Asked(line, CHAT, text.strip(), {})
        if unknown := found.keys() - {"path", "body", "headers"}:
            raise BadRequest(f"{min(unknown)!r} is none of path, body and headers")
        body = bytes(found["body"])
        msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        path = msgspec.json.decode(found["path"], type=str) if "path" in found else CHAT
        fields = msgspec.json.decode(found["headers"], type=dict[str, str]) if "headers" in found else {}
    except BadRequest:
        raise
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadRequest(str(error)) from None
    if not path.startswith("/") or not path.isascii() or not path.isprintable() or " " in path:
        raise BadRequest(f"path {path!r} is none")
    for name, value in fields.items():
        if name.lower() in OWN_FIELDS:
            raise BadRequest(f"the header field {name!r} is not for the file to say")
        if not name.isascii() or not name.isprintable() or not value.isprintable() or set(name) & set(" :"):
            raise BadRequest(f"{name!r} is no header field")
    return Asked(line, path, body, fields)


def read_requests(path: str) -> Iterator[Asked]:
    """Those of a file, one a line; empty lines are left out. Raises BadRequest with the line, OSError."""
    with open(path, "rb") as file:
        for number, text in enumerate(file, 1):
            stripped = (text.removeprefix(b"\xef\xbb\xbf") if number == 1 else text).strip()
            if stripped:
                try:
                    yield read_request(stripped, number)
                except BadRequest as error:
                    raise BadRequest(f"{path}, line {number}: {error}") from None


class Calling:
    """One connection, made when it is needed and made again when it has gone. For one thread."""

    def __init__(self, url: str, key: str) -> None:
        """Raises BadRequest for what is no address of a gateway."""
        try:
            parts = urlsplit(url)
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError:
            self._host, parts = "", urlsplit("")
        if parts.scheme not in ("http", "https") or not self._host or parts.query or "@" in parts.netloc:
            raise BadRequest(f"{url!r} is no address of a gateway, as {URL} is")
        if not key:
            raise BadRequest("name a virtual key: --key, or the variable MICROGATE_KEY")
        self.url = url
        self._tls = parts.scheme == "https"
        self._base = parts.path.rstrip("/")
        self._key = key
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, asked: Asked, cache: str) -> Answer:
        """Send it with ``x-microgate-cache: cache`` and read the whole answer. Raises NobodyThere, and OSError or
        HTTPException for an answer that broke off."""
        fields = {
            **asked.fields,
            "authorization": f"Bearer {self._key}",
            "content-type": "application/json",
            "x-microgate-cache": cache,
        }
        used = self._connection is not None
        try:
            return self._sent(asked, fields)
        except (ConnectionError, http.client.RemoteDisconnected):
            self.close()
            if not used:
                raise
            # One that was kept may have been closed meanwhile, and nothing of the request was read.
            return self._sent(asked, fields)

    def _sent(self, asked: Asked, fields: Mapping[str, str]) -> Answer:
        if self._connection is None:
            self._connection = self._connected()
        try:
            self._connection.request("POST", self._base + asked.path, asked.body, fields)
            answer = self._connection.getresponse()
            body = answer.read()
        except BaseException:
            self.close()
            raise
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)

    def _connected(self) -> http.client.HTTPConnection:
        made: http.client.HTTPConnection
        if self._tls:
            context = ssl.create_default_context()
            made = http.client.HTTPSConnection(self._host, self._port, timeout=ANSWER_S, context=context)
        else:
            made = http.client.HTTPConnection(self._host, self._port, timeout=ANSWER_S)
        try:
            made.connect()
        except OSError as error:
            why = f" ({os.strerror(error.errno)})" if error.errno else f" ({error})"
            raise NobodyThere(f"no gateway answers at {self.url}{why}: start it, or name it with --url") from None
        return made

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
