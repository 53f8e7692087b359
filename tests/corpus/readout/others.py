"""Cohere's and Ollama's, by the types of their Python SDKs."""

from __future__ import annotations

import json
from typing import Any

from cohere.core.unchecked_base_model import construct_type
from cohere.v2.types import V2ChatResponse, V2ChatStreamResponse
from ollama import ChatResponse
from pydantic import TypeAdapter

from tests.corpus.readout import Reader, Said, arguments, counted, events, settled

FINISH = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR": "error",
    "ERROR_TOXIC": "filter",
    "TIMEOUT": "error",
}
_EVENT: TypeAdapter[Any] = TypeAdapter(V2ChatStreamResponse)


def _usage(usage: Any) -> dict[str, int]:
    if usage is None or usage.tokens is None:
        return {}
    reasoning = (usage.tokens.model_extra or {}).get("reasoning_tokens")
    return counted(usage.tokens.input_tokens or 0, usage.tokens.output_tokens or 0, usage.cached_tokens, reasoning)


def cohere_whole(data: bytes, strict: bool) -> Said:
    value = json.loads(data)
    answer: Any = (
        V2ChatResponse.model_validate(value) if strict else construct_type(type_=V2ChatResponse, object_=value)
    )
    said = Said(finish=FINISH.get(answer.finish_reason, "other"), usage=_usage(answer.usage))
    message = answer.message
    for part in message.content or ():
        if part.type == "text":
            said.text += part.text
        elif part.type == "thinking":
            said.reasoning += part.thinking
    said.reasoning += message.tool_plan or ""
    for call in message.tool_calls or ():
        said.calls.append((call.id or "", call.function.name, arguments(call.function.arguments or "")))
    return settled(said)


def cohere_stream(data: bytes, strict: bool) -> Said:
    said = Said()
    calls: dict[int, list[str]] = {}
    for _, value in events(data):
        event: Any = (
            _EVENT.validate_python(value) if strict else construct_type(type_=V2ChatStreamResponse, object_=value)
        )
        kind = value["type"]
        if kind in ("content-start", "content-delta"):
            content = value["delta"]["message"]["content"]
            said.text += content.get("text") or ""
            said.reasoning += content.get("thinking") or ""
        elif kind == "tool-plan-delta":
            said.reasoning += event.delta.message.tool_plan
        elif kind == "tool-call-start":
            call = event.delta.message.tool_calls
            calls[event.index] = [call.id, call.function.name, call.function.arguments or ""]
        elif kind == "tool-call-delta":
            calls[event.index][2] += event.delta.message.tool_calls.function.arguments
        elif kind == "message-end":
            said.finish = FINISH.get(event.delta.finish_reason, "other")
            said.usage = _usage(event.delta.usage)
    said.calls = [(identity, name, arguments(text)) for _, (identity, name, text) in sorted(calls.items())]
    return settled(said)


def _ollama(values: list[Any]) -> Said:
    said = Said()
    for value in values:
        answer = ChatResponse.model_validate(value)
        said.text += answer.message.content or ""
        said.reasoning += answer.message.thinking or ""
        for call in answer.message.tool_calls or ():
            said.calls.append(("", call.function.name, dict(call.function.arguments)))
        if answer.done:
            said.finish = {"stop": "stop", "length": "length"}.get(answer.done_reason or "", "other")
            said.usage = counted(answer.prompt_eval_count, answer.eval_count)
    return settled(said)


def ollama_whole(data: bytes, strict: bool) -> Said:
    return _ollama([json.loads(data)])


def ollama_stream(data: bytes, strict: bool) -> Said:
    return _ollama([json.loads(line) for line in data.splitlines() if line.strip()])


COHERE = Reader(cohere_whole, cohere_stream)
OLLAMA = Reader(ollama_whole, ollama_stream)
