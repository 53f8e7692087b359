"""A provider whose answers say for whom they were made: ``python -m bench.reliability.owned PORT``.

The ``user`` of a chat request, which the cache does not count among what is asked, is the whole text of its answer,
after ``PAUSE_S``. Embeddings are of the words of a text: two texts that share most of their words are near each other.
``GET /calls`` tells how many chats were answered.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import sys
import zlib
from typing import Any

import uvloop

PAUSE_S = 0.004
DIMENSION = 128
USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}


def vector(text: str) -> list[float]:
    """Of unit length."""
    found = [0.0] * DIMENSION
    for word in re.findall(r"\w+", text.lower()):
        found[zlib.crc32(word.encode()) % DIMENSION] += 1.0
    length = math.sqrt(sum(value * value for value in found)) or 1.0
    return [round(value / length, 6) for value in found]


def embeddings(asked: dict[str, Any]) -> dict[str, Any]:
    texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
    rows = [{"object": "embedding", "index": at, "embedding": vector(text)} for at, text in enumerate(texts)]
    return {"object": "list", "data": rows, "model": "e", "usage": {"prompt_tokens": 3, "total_tokens": 3}}


def answer(asked: dict[str, Any]) -> bytes:
    """Head and body."""
    said = asked.get("user", "nobody")
    shape = {"id": "c", "created": 1, "model": asked["model"]}
    if not asked.get("stream"):
        choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": said}}
        whole = {**shape, "object": "chat.completion", "choices": [{**choice, "finish_reason": "stop"}], "usage": USAGE}
        return plain(whole)
    first = {"index": 0, "delta": {"role": "assistant", "content": said}, "finish_reason": None}
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    events = [json.dumps({**shape, "object": "chat.completion.chunk", "choices": [one]}) for one in (first, last)]
    data = "".join(f"data: {event}\n\n" for event in [*events, "[DONE]"]).encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n" % len(data)
    return head + data


def plain(body: dict[str, Any]) -> bytes:
    data = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(data), data)


class Provider:
    def __init__(self) -> None:
        self.calls = 0

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                _, found, rest = head.lower().partition(b"\r\ncontent-length:")
                body = await reader.readexactly(int(rest.split(b"\r\n", 1)[0])) if found else b""
                if head.startswith(b"GET /calls"):
                    writer.write(plain({"calls": self.calls}))
                elif b"/embeddings" in head.split(b"\r\n", 1)[0]:
                    writer.write(plain(embeddings(json.loads(body))))
                else:
                    self.calls += 1
                    await asyncio.sleep(PAUSE_S)
                    writer.write(answer(json.loads(body)))
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


async def serve(port: int) -> None:
    """Listen on 127.0.0.1 until the process is ended."""
    server = await asyncio.start_server(Provider().connection, "127.0.0.1", port, backlog=4096)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))
