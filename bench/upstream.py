"""The benchmark upstream where nginx may not be installed: ``python -m bench.upstream --port 19001``.

Same paths and bytes as ``bench/nginx/upstream.conf``: ``/instant/...``, ``/delay/...``, ``/sse/...`` and
``/sse-slow/...``; ``GET /count`` says how many requests of each kind were answered. It costs about as much CPU per
request as nginx does, with longer tails: do not set figures taken with it beside figures taken with nginx.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import signal
import ssl
from collections import Counter
from collections.abc import Sequence
from email.utils import formatdate
from pathlib import Path
from typing import cast

import httptools
import uvloop

from bench import answer

_PACES = {"sse": answer.PACE, "sse-slow": answer.HELD_PACE}


def _head(content_type: str, framing: bytes) -> bytes:
    lines = [
        b"HTTP/1.1 200 OK",
        b"Server: bench",
        b"Date: " + formatdate(usegmt=True).encode(),
        b"Content-Type: " + content_type.encode(),
        framing,
        b"Connection: keep-alive",
        *(f"{name}: {value}".encode() for name, value in answer.HEADERS),
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Meter:
    """Counts answers by kind."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def answer(self) -> bytes:
        """The counts as a whole HTTP answer."""
        body = json.dumps({"calls": self.calls.total(), **self.calls}).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


_CHAT = answer.chat()
_PLAIN = _head("application/json", b"Content-Length: %d" % len(_CHAT)) + _CHAT
_MESSAGE = answer.message()
_TRANSLATED = _head("application/json", b"Content-Length: %d" % len(_MESSAGE)) + _MESSAGE
_STREAM = _head("text/event-stream", b"Transfer-Encoding: chunked")
_EVENTS = {"sse": tuple(map(_chunk, answer.events())), "sse-slow": tuple(map(_chunk, answer.held_events()))}


class Connection(asyncio.Protocol):
    """One connection; an answer is one write, or one timer an event."""

    __slots__ = ("_loop", "_meter", "_parser", "_timer", "_transport", "_url")

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpRequestParser | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._url = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._parser = httptools.HttpRequestParser(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = self._parser = None
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            if self._parser is not None:
                self._parser.feed_data(data)
        except httptools.HttpParserError:
            if self._transport is not None:
                self._transport.close()

    def on_message_begin(self) -> None:
        self._url = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_message_complete(self) -> None:
        kind = self._url.decode("latin-1").split("/", 2)[1].partition("?")[0]
        if self._transport is None:
            return
        if kind == "count":
            self._transport.write(self._meter.answer())
            return
        self._meter.calls[kind] += 1
        if kind == "translated":
            self._transport.write(_TRANSLATED)
        elif kind == "delay":
            self._timer = self._loop.call_later(answer.DELAY, self._write, _PLAIN)
        elif kind in _PACES:
            self._transport.write(_STREAM + _EVENTS[kind][0])
            self._timer = self._loop.call_later(_PACES[kind], self._next, 1, kind)
        else:
            self._transport.write(_PLAIN)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _next(self, number: int, kind: str) -> None:
        if number < len(_EVENTS[kind]):
            self._write(_EVENTS[kind][number])
            self._timer = self._loop.call_later(_PACES[kind], self._next, number + 1, kind)
        else:
            self._write(b"0\r\n\r\n")


def _tls(directory: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem", directory / "server.key")
    return context


async def serve(port: int, tls_port: int, certificates: Path | None) -> None:
    """Listen on 127.0.0.1 until SIGTERM; ``tls_port`` 0: no TLS."""
    loop = asyncio.get_running_loop()
    meter, stop = Meter(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    servers = [await loop.create_server(lambda: Connection(meter), "127.0.0.1", port, backlog=4096)]
    if tls_port and certificates is not None:
        secure = _tls(certificates)
        servers.append(
            await loop.create_server(lambda: Connection(meter), "127.0.0.1", tls_port, backlog=4096, ssl=secure)
        )
    await stop.wait()
    for server in servers:
        server.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m bench.upstream", description=__doc__)
    parser.add_argument("--port", type=int, default=19001)
    parser.add_argument("--tls-port", type=int, default=0)
    parser.add_argument("--certificates", type=Path, help="directory with server.pem and server.key")
    chosen = parser.parse_args(arguments)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(chosen.port, chosen.tls_port, chosen.certificates))


if __name__ == "__main__":
    main()
