"""A caller that sees every byte, and how the connection ended."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.live.wire import Answer, AnswerReader, request
from tests.waiting import PATIENCE_S

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
QUIET_S = 0.15
"""Without another byte: nothing more comes."""


@dataclass
class Heard:
    """What came back on one connection."""

    data: bytes = b""
    end: str = ""
    """closed, reset or kept: still open, and silent."""
    answers: list[Answer] = field(default_factory=list)
    broken: str = ""
    """Why the bytes are no HTTP, if they are not."""
    seconds: float = 0.0
    """Until the first answer was whole, else until the connection ended or had been silent for long enough."""

    @property
    def answer(self) -> Answer:
        """The first answer that is not interim."""
        return next(a for a in self.answers if a.status >= 200)

    @property
    def events(self) -> list[bytes]:
        """Of a stream."""
        return [part for part in self.answer.body.split(b"\n\n") if part]


def body(*, stream: bool = False, model: str = "m", text: str = "hi", **more: Any) -> bytes:
    """A chat request in OpenAI's form, which Anthropic takes as well."""
    messages = [{"role": "user", "content": text}]
    return json.dumps({"model": model, "messages": messages, "stream": stream, "max_tokens": 50, **more}).encode()


def call(
    url: str,
    *,
    path: str = CHAT,
    quiet: float = QUIET_S,
    patience: float = PATIENCE_S,
    answers: int = 1,
    key: str = "sk-caller",
    fields: tuple[tuple[str, str], ...] = (),
    **members: Any,
) -> Heard:
    """Send a request and read until the connection ends or stays silent: for ``quiet`` seconds behind so many whole
    answers or what is no HTTP, for ``patience`` before."""
    raw = request(path=path, body=body(**members), key=key, fields=fields)
    with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), PATIENCE_S) as sock:
        return exchange(sock, raw, quiet, patience, answers)


def exchange(
    sock: socket.socket, raw: bytes, quiet: float = QUIET_S, patience: float = PATIENCE_S, answers: int = 1
) -> Heard:
    """The same on a connection that is open."""
    heard, reader = Heard(), AnswerReader()
    begun = time.monotonic()
    try:
        sock.sendall(raw)
        while True:
            whole = len(reader.final) >= answers and reader.final[answers - 1].complete
            sock.settimeout(quiet if whole or heard.broken else patience)
            data = sock.recv(65536)
            if not data:
                reader.eof()
                heard.end = "closed"
                break
            heard.data += data
            if not heard.broken:
                try:
                    reader.feed(data)
                except ValueError as error:
                    heard.broken = str(error)
            if not whole:
                heard.seconds = time.monotonic() - begun
    except ConnectionError:
        heard.end = "reset"
    except TimeoutError:
        heard.end = "kept"
    heard.answers = reader.answers
    return heard
