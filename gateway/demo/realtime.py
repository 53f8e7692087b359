"""``/realtime`` of the demo upstream: a WebSocket on which text is answered with text, in OpenAI's events."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections.abc import Mapping
from typing import Any

import orjson
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import CloseConnection, Event, Ping, TextMessage

from gateway.demo import wording
from gateway.demo.connection import Reply, Request
from gateway.demo.faults import NEVER
from gateway.demo.scenario import Scenario

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SESSION_S = 3600
MAX_MESSAGE = 16 << 20
MAX_ITEMS = 1000
"""Of a conversation; the oldest are forgotten."""

Message = Mapping[str, Any]


def handshake_key(request: Request) -> str:
    """The key of a WebSocket's opening handshake; empty when the request is none."""
    if request.method != "GET" or request.headers.get("upgrade", "").lower() != "websocket":
        return ""
    return request.headers.get("sec-websocket-key", "")


async def converse(key: str, model: str, scenario: Scenario, reply: Reply) -> None:
    """Accept the handshake and answer until either end has had enough."""
    proof = base64.b64encode(hashlib.sha1(key.encode() + MAGIC, usedforsecurity=False).digest())
    stream = reply.take_over()
    await reply.raw(
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
        b"sec-websocket-accept: %b\r\n\r\n" % proof
    )
    await _Conversation(model, scenario, reply, stream).run()
    reply.cut()


class _Ended(Exception):
    """Nothing more is said."""


class _Conversation:
    def __init__(self, model: str, scenario: Scenario, reply: Reply, stream: asyncio.StreamReader) -> None:
        self.scenario = scenario
        self.reply = reply
        self.stream = stream
        self.frames = Connection(ConnectionType.SERVER)
        self.items: list[object] = []
        self.number = 0
        self.session: dict[str, object] = {
            "type": "realtime",
            "object": "realtime.session",
            "id": self.name("sess"),
            "model": model,
            "output_modalities": ["text"],
            "instructions": "",
            "expires_at": int(time.time()) + SESSION_S,
        }

    def name(self, kind: str) -> str:
        self.number += 1
        return f"{kind}_demo_{self.number}"

    async def send(self, event: Event) -> None:
        await self.reply.raw(bytes(self.frames.send(event)))

    async def say(self, kind: str, **members: object) -> None:
        event = {"type": kind, "event_id": self.name("event"), **members}
        await self.send(TextMessage(data=orjson.dumps(event).decode()))

    async def run(self) -> None:
        text = ""
        try:
            await self.say("session.created", session=self.session)
            while data := await self.stream.read(65536):
                self.frames.receive_data(data)
                for event in self.frames.events():
                    if isinstance(event, Ping):
                        await self.send(event.response())
                    elif isinstance(event, CloseConnection):
                        if self.frames.state is not ConnectionState.CLOSED:
                            await self.send(CloseConnection(code=event.code, reason=event.reason))
                        return
                    elif isinstance(event, TextMessage):
                        text += event.data
                        if len(text) > MAX_MESSAGE:
                            await self.send(CloseConnection(code=1009))
                            return
                        if event.message_finished:
                            whole, text = text, ""
                            await self.heard(whole)
        except _Ended:
            return

    async def heard(self, text: str) -> None:
        try:
            event = orjson.loads(text)
        except orjson.JSONDecodeError:
            event = None
        if not isinstance(event, dict):
            await self.refuse("We could not parse the JSON of your event.", None)
            return
        match event.get("type"):
            case "session.update":
                session = event.get("session")
                self.session |= session if isinstance(session, dict) else {}
                await self.say("session.updated", session=self.session)
            case "conversation.item.create":
                item = event.get("item")
                await self.added({**item} if isinstance(item, dict) else {})
            case "input_audio_buffer.append" | "input_audio_buffer.clear":
                pass
            case "input_audio_buffer.commit":
                part = {"type": "input_audio", "transcript": "something was said"}
                await self.added({"type": "message", "role": "user", "content": [part]})
            case "response.create":
                options = event.get("response")
                await self.answer(options if isinstance(options, dict) else {})
            case kind:
                await self.refuse(f"The demo upstream does not know the event '{kind}'.", event.get("event_id"))

    async def refuse(self, message: str, event_id: object) -> None:
        error = {"type": "invalid_request_error", "code": "invalid_value", "message": message, "event_id": event_id}
        await self.say("error", error=error)

    async def added(self, item: dict[str, object]) -> None:
        item = {"id": self.name("item"), "object": "realtime.item", "status": "completed", **item}
        self.items = [*self.items[-MAX_ITEMS:], item]
        await self.say("conversation.item.added", previous_item_id=None, item=item)
        await self.say("conversation.item.done", previous_item_id=None, item=item)

    async def answer(self, options: Message) -> None:
        given = options.get("input")
        asked = given if isinstance(given, list) else self.items
        text = wording.answer_to(wording.last_text(asked), self.scenario)
        response: dict[str, object] = {
            "object": "realtime.response",
            "id": self.name("resp"),
            "status": "in_progress",
            "output": [],
            "output_modalities": ["text"],
            "metadata": options.get("metadata"),
            "usage": None,
        }
        await self.say("response.created", response=response)
        place: dict[str, object] = {"response_id": response["id"], "output_index": 0}
        item: dict[str, object] = {"id": self.name("item"), "object": "realtime.item", "type": "message"}
        item |= {"status": "in_progress", "role": "assistant", "content": []}
        await self.say("response.output_item.added", **place, item=item)
        where = {**place, "item_id": item["id"], "content_index": 0}
        await self.say("response.content_part.added", **where, part={"type": "text", "text": ""})
        await asyncio.sleep(self.scenario.ttft)
        for number, piece in enumerate(wording.pieces(text)):
            if number == self.scenario.after:
                await self.fail()
            if number:
                await asyncio.sleep(self.scenario.pace)
            await self.say("response.output_text.delta", **where, delta=piece)
        part = {"type": "output_text", "text": text}
        await self.say("response.output_text.done", **where, text=text)
        await self.say("response.content_part.done", **where, part={"type": "text", "text": text})
        item = {**item, "status": "completed", "content": [part]}
        self.items.append(item)
        await self.say("response.output_item.done", **place, item=item)
        usage = self.usage(asked, text)
        await self.say("response.done", response={**response, "status": "completed", "output": [item], "usage": usage})

    async def fail(self) -> None:
        """The fault that the model's name asks for, in the middle of an answer."""
        match self.scenario.fault:
            case "cut":
                self.reply.reset()
                raise _Ended
            case "stall":
                await asyncio.sleep(NEVER)
            case "error-event":
                message = "The server had an error while processing your request."
                await self.say("error", error={"type": "server_error", "code": None, "message": message})
                await self.send(CloseConnection(code=1011, reason="demo"))
                raise _Ended

    def usage(self, asked: list[object], text: str) -> dict[str, object]:
        heard = sum(wording.tokens(wording.plain_text(item.get("content"))) for item in asked if isinstance(item, dict))
        said = wording.tokens(text)
        return {
            "total_tokens": heard + said,
            "input_tokens": heard,
            "output_tokens": said,
            "input_token_details": {"text_tokens": heard, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 0},
            "output_token_details": {"text_tokens": said, "audio_tokens": 0},
        }
