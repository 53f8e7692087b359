"""``/responses`` of the demo upstream: plain, streamed, and stored ones by id."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from functools import partial

import orjson

from gateway.demo import stream, wording
from gateway.demo.connection import Reply, event_bytes
from gateway.demo.scenario import Scenario

KEPT = 256
"""Stored responses; the oldest goes first. Enough for a conversation, little enough to forget about."""

Object = dict[str, object]


def _prompt(asked: object) -> str:
    if isinstance(asked, str):
        return asked
    return wording.last_text(asked) if isinstance(asked, list) else ""


def _result(asked: object) -> str:
    """What the function said whose output is the last item of the input."""
    last = asked[-1] if isinstance(asked, list) and asked else None
    if not isinstance(last, dict) or last.get("type") != "function_call_output":
        return ""
    return wording.plain_text(last.get("output"))


def _tool(body: Mapping[str, object]) -> tuple[str, object] | None:
    """(name, parameters) of the first function tool, unless a function's output is already in the input."""
    asked = body.get("input")
    answered = isinstance(asked, list) and any(
        isinstance(item, dict) and item.get("type") == "function_call_output" for item in asked
    )
    tools = body.get("tools")
    if answered or not isinstance(tools, list) or body.get("tool_choice") == "none":
        return None
    for tool in tools:
        if isinstance(tool, dict) and tool.get("type") == "function":
            return str(tool.get("name", "")), tool.get("parameters")
    return None


def _function_item(name: str, parameters: object, seed: bytes) -> Object:
    return {
        "id": wording.identifier("fc_", seed),
        "type": "function_call",
        "status": "completed",
        "call_id": wording.identifier("call_", seed),
        "name": name,
        "arguments": orjson.dumps(wording.fitting(parameters) or {}).decode(),
    }


def _message_item(text: str, seed: bytes) -> Object:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {
        "id": wording.identifier("msg_", seed),
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [part],
    }


def _item_events(item: Object) -> Iterator[Object]:
    """The events that build one output item."""
    at: Object = {"item_id": item["id"], "output_index": 0}
    if item["type"] == "function_call":
        arguments = str(item["arguments"])
        begun = {**item, "status": "in_progress", "arguments": ""}
        yield {"type": "response.output_item.added", "output_index": 0, "item": begun}
        for start in range(0, len(arguments), 8):
            yield {"type": "response.function_call_arguments.delta", **at, "delta": arguments[start : start + 8]}
        yield {"type": "response.function_call_arguments.done", **at, "name": item["name"], "arguments": arguments}
    else:
        content = item["content"]
        assert isinstance(content, list)
        part = content[0]
        at["content_index"] = 0
        begun = {**item, "status": "in_progress", "content": []}
        yield {"type": "response.output_item.added", "output_index": 0, "item": begun}
        yield {"type": "response.content_part.added", **at, "part": {**part, "text": ""}}
        for piece in wording.pieces(part["text"]):
            yield {"type": "response.output_text.delta", **at, "delta": piece, "logprobs": []}
        yield {"type": "response.output_text.done", **at, "text": part["text"], "logprobs": []}
        yield {"type": "response.content_part.done", **at, "part": part}
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}


def _events(response: Object, item: Object) -> Iterator[tuple[str, object]]:
    begun = {**response, "status": "in_progress", "output": [], "usage": None}
    events: list[Object] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        *_item_events(item),
        {"type": "response.completed", "response": response},
    ]
    for number, event in enumerate(events):
        yield str(event["type"]), {**event, "sequence_number": number}


def _error(response: Object, event: bytes) -> bytes:
    """OpenAI's two last events of a response that fails in place of ``event``."""
    found = re.search(rb'"sequence_number":(\d+)', event)
    number = int(found[1]) if found else 0
    said = {"code": "server_error", "message": stream.MISHAP}
    failed = {**response, "status": "failed", "error": said, "output": [], "usage": None}
    first = {"type": "error", **said, "param": None, "sequence_number": number}
    last = {"type": "response.failed", "response": failed, "sequence_number": number + 1}
    return event_bytes(first, "error") + event_bytes(last, "response.failed")


class Responses:
    """Creates responses and keeps the newest for ``GET`` and ``DELETE /responses/{id}``."""

    def __init__(self) -> None:
        self._stored: OrderedDict[str, Object] = OrderedDict()
        self._count = 0

    async def create(self, body: Mapping[str, object], scenario: Scenario, reply: Reply) -> None:
        """Answer with text, or with a call of the first function tool."""
        previous = body.get("previous_response_id")
        if previous is not None and previous not in self._stored:
            await reply.error(
                404, "invalid_request_error", f"Previous response with id '{previous}' not found.",
                "previous_response_not_found",
            )  # fmt: skip
            return
        self._count += 1
        seed = b"%d" % self._count + orjson.dumps(body.get("input"))
        prompt = _prompt(body.get("input"))
        wanted = _tool(body)
        text = body.get("text")
        chosen = wording.json_answer(text.get("format"), prompt) if isinstance(text, dict) else None
        result = _result(body.get("input"))
        said = chosen or (f"The tool said: {result}" if result else wording.answer_to(prompt, scenario))
        answer, cut = wording.shorten(said, body.get("max_output_tokens"))
        item = _function_item(wanted[0], wanted[1], seed) if wanted else _message_item(answer, seed)
        response = self._response(body, item, seed, prompt, cut=cut)
        if body.get("store") is not False:
            self._stored[str(response["id"])] = response
            if len(self._stored) > KEPT:
                self._stored.popitem(last=False)
        if body.get("stream") is True:
            await stream.send(reply, scenario, _events(response, item), done=False, error=partial(_error, response))
        else:
            await reply.json(200, response)

    def _response(self, body: Mapping[str, object], item: Object, seed: bytes, prompt: str, *, cut: bool) -> Object:
        asked, given = wording.tokens(prompt), wording.tokens(orjson.dumps(item).decode())
        return {
            "id": wording.identifier("resp_", seed),
            "object": "response",
            "created_at": int(time.time()),
            "status": "incomplete" if cut else "completed",
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "instructions": body.get("instructions"),
            "max_output_tokens": body.get("max_output_tokens"),
            "model": body.get("model"),
            "output": [item],
            "parallel_tool_calls": True,
            "previous_response_id": body.get("previous_response_id"),
            "store": body.get("store") is not False,
            "temperature": body.get("temperature", 1.0),
            "text": body.get("text") or {"format": {"type": "text"}},
            "tool_choice": body.get("tool_choice", "auto"),
            "tools": body.get("tools", []),
            "top_p": body.get("top_p", 1.0),
            "truncation": "disabled",
            "usage": {
                "input_tokens": asked,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": given,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": asked + given,
            },
            "metadata": body.get("metadata") or {},
        }

    async def one(self, method: str, response_id: str, reply: Reply) -> None:
        """``GET`` or ``DELETE`` of a stored response."""
        response = self._stored.get(response_id)
        if response is None:
            message = f"Response with id '{response_id}' not found."
            await reply.error(404, "invalid_request_error", message)
        elif method == "DELETE":
            del self._stored[response_id]
            await reply.json(200, {"id": response_id, "object": "response", "deleted": True})
        else:
            await reply.json(200, response)
