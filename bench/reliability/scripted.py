"""A provider that does what each request tells it to: ``python -m bench.reliability.scripted PORT``.

The ``user`` of a chat request holds its script as JSON: a list of steps.

    ["send", TEXT]      an HTTP chunk of these characters, one byte each
    ["raw", TEXT]       the same outside of the framing
    ["pause", SECONDS]
    ["stamps", N, S]    N events, one every S seconds, each with the moment (time.monotonic()) at which it left
    ["flood", N]        N times 64 KiB of events, as fast as they are taken
    ["end"]             the last chunk
    ["fin"], ["rst"]    close, or reset
    ["hold"]            until the peer closes

A stream's head goes first unless the first step is ``raw``. Without a script: a chat completion; the model ``sound``
streams one event and its end whatever the script says. ``GET /closed`` lists
when (time.monotonic()) connections were closed by the peer while they held, and forgets them.
"""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import struct
import sys
import time
from typing import Any

import uvloop

from bench import answer

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
FINISH = b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
FLOOD = 65_536
_CHAT = answer.chat()
PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(_CHAT), _CHAT)
closed: list[float] = []


def chunk(data: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(text: str) -> bytes:
    """A chat chunk that says ``text``."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"


SOUND = json.dumps([["send", (event("sound") + FINISH + DONE).decode()], ["end"]])


async def _request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return head, await reader.readexactly(int(rest.split(b"\r\n", 1)[0])) if found else b""


async def _play(steps: list[list[Any]], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Whether the connection can go on."""
    if not steps or steps[0][0] != "raw":
        writer.write(HEAD)
    for kind, *how in steps:
        if kind == "send":
            writer.write(chunk(how[0].encode("latin-1")))
        elif kind == "raw":
            writer.write(how[0].encode("latin-1"))
        elif kind == "pause":
            await asyncio.sleep(how[0])
        elif kind == "stamps":
            due = time.monotonic()
            for _ in range(how[0]):
                due += how[1]
                await asyncio.sleep(due - time.monotonic())
                writer.write(chunk(event(f"{time.monotonic():.6f}")))
        elif kind == "flood":
            data = event("x" * 900)
            for _ in range(how[0]):
                writer.write(chunk(data * (FLOOD // len(data))))
                await writer.drain()
        elif kind == "end":
            writer.write(b"0\r\n\r\n")
        elif kind == "hold":
            await reader.read(1)
            closed.append(time.monotonic())
            return False
        elif kind == "rst":
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return False
        else:
            return False
        if writer.is_closing():
            return False
    return True


async def _connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head, body = await _request(reader)
            if head.startswith(b"GET /closed"):
                said = json.dumps(closed).encode()
                closed.clear()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(said), said))
                continue
            asked = json.loads(body) if body else {}
            script = SOUND if asked.get("model") == "sound" else asked.get("user")
            if script is None:
                writer.write(PLAIN)
            elif not await _play(json.loads(script), reader, writer):
                return
    except (asyncio.IncompleteReadError, ConnectionError):
        return
    finally:
        writer.close()


async def serve(port: int) -> None:
    """Listen on 127.0.0.1 until the process is ended."""
    server = await asyncio.start_server(_connection, "127.0.0.1", port, backlog=4096)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))
