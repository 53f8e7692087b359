"""The running gateway, asked over its admin socket."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

from gateway import admin_token
from gateway.processes.paths import Paths, default_data_dir


class Unreachable(Exception):
    """Nobody answers, or the answer is a refusal; the message says which, for a person."""


class _AdminSocket(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("control", timeout=300)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def ask(data_dir: str, method: str, path: str, body: object, version: int = 0) -> Any:
    """What it answers, as JSON; ``version`` of the entity that is changed. Raises Unreachable."""
    paths = Paths(data_dir or default_data_dir())
    try:
        token = admin_token.load(paths.data_dir)
    except admin_token.AdminTokenError as error:
        raise Unreachable(str(error)) from error
    except OSError as error:
        raise Unreachable(f"no gateway has run in {paths.data_dir} ({error.strerror})") from None
    connection = _AdminSocket(paths.admin_socket)
    try:
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        if version:
            headers["if-match"] = f'"{version}"'
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        raw = answer.read()
        said: Any = json.loads(raw) if raw else None
    except (OSError, http.client.HTTPException, ValueError):
        raise Unreachable(f"no gateway answers in {paths.data_dir}: start it first") from None
    finally:
        connection.close()
    if answer.status >= 300:
        raise Unreachable(str(said["error"]["message"]))
    return said
