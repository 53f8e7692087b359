"""OpenAI's three dialects, by the types of openai-python."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from openai._models import construct_type
from openai.lib.streaming.chat._completions import ChatCompletionStreamState
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.corpus.readout import Reader, Said, arguments, counted, events, settled

FINISH = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "filter",
    "error": "error",
    "max_tokens": "length",
    "model_length": "length",
    "eos": "stop",
    "end_turn": "stop",
    "COMPLETE": "stop",
}
_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def made(kind: Any, value: Any, strict: bool) -> Any:
    """``value`` as the SDK's type; ``strict``: it has to be valid."""
    return _adapter(kind).validate_python(value) if strict else construct_type(value=value, type_=kind)


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Made once: the SDK's types are put together as they are first used, which takes some 10 ms."""
    return TypeAdapter(kind)


def finish(word: Any) -> str:
    return FINISH.get(word, "other") if word else ""


# --- chat


def chat(data: bytes, strict: bool) -> Said:
    return _chat(made(ChatCompletion, json.loads(data), strict))


def _chat(completion: Any) -> Said:
    said = Said(usage=_usage(completion.usage))
    if not completion.choices:
        return said
    choice = completion.choices[0]
    message = choice.message
    said.finish = finish(choice.finish_reason)
    _content(message.content, said)
    said.text += getattr(message, "refusal", None) or ""
    said.refused = bool(getattr(message, "refusal", None))
    audio = getattr(message, "audio", None)
    if audio is not None:
        said.text += (audio.get("transcript") if isinstance(audio, dict) else audio.transcript) or ""
    said.reasoning += _reasoning(message)
    legacy = getattr(message, "function_call", None)
    if legacy is not None:
        said.calls.append(("", legacy.name, arguments(legacy.arguments or "")))
    for call in message.tool_calls or ():
        if call.type == "custom":
            said.calls.append((call.id, call.custom.name, call.custom.input))
        else:
            said.calls.append((call.id, call.function.name, arguments(call.function.arguments or "")))
    return settled(said)


def _reasoning(message: Any) -> str:
    extra = message.model_extra or {}
    found = extra.get("reasoning_content") or extra.get("reasoning") or ""
    return found if isinstance(found, str) else ""


def _content(content: Any, said: Said) -> None:
    """Mistral sends lists of parts, thoughts among them."""
    if isinstance(content, str):
        said.text += content
    for part in content if isinstance(content, list) else ():
        if part.get("type") == "thinking":
            thoughts = part["thinking"]
            said.reasoning += (
                thoughts if isinstance(thoughts, str) else "".join(one.get("text", "") for one in thoughts)
            )
        elif part.get("type") == "text":
            said.text += part["text"]


def _usage(usage: Any) -> dict[str, int]:
    if usage is None:
        return {}
    given, produced = usage.prompt_tokens or 0, usage.completion_tokens or 0
    details = usage.completion_tokens_details
    reasoning = getattr(details, "reasoning_tokens", None) if details is not None else None
    total = usage.total_tokens or 0
    if reasoning and total - given == produced + reasoning:
        produced += reasoning  # xAI counts them beside the others
    prompt = usage.prompt_tokens_details
    cached = getattr(prompt, "cached_tokens", None) if prompt is not None else None
    extra = usage.model_extra or {}
    if cached is None:
        cached = extra.get("prompt_cache_hit_tokens")
    return counted(given, produced, cached, reasoning)


def chat_stream(data: bytes, strict: bool) -> Said:
    """Accumulated by the SDK; the members it does not know are gathered beside it."""
    state = ChatCompletionStreamState()
    said = Said()
    reason: Any = None
    usage: Any = None
    calls: dict[int, list[str]] = {}
    for _, value in events(data):
        if "choices" not in value:
            continue
        chunk = made(ChatCompletionChunk, value, strict)
        if strict:
            state.handle_chunk(chunk)
        if chunk.usage is not None:
            usage = chunk.usage
        elif (extra := chunk.model_extra or {}).get("x_groq") and extra["x_groq"].get("usage"):
            usage = made(ChatCompletionChunk, {**value, "usage": extra["x_groq"]["usage"]}, False).usage
        for choice in chunk.choices or ():
            if choice.index:
                continue
            reason = choice.finish_reason or reason
            delta = choice.delta
            if delta is None:
                continue
            _content(delta.content, said)
            said.text += getattr(delta, "refusal", None) or ""
            said.reasoning += _reasoning(delta)
            for call in delta.tool_calls or ():
                held = calls.setdefault(call.index if call.index is not None else len(calls), ["", "", ""])
                held[0] = held[0] or call.id or ""
                held[1] += (call.function.name if call.function else "") or ""
                held[2] += (call.function.arguments if call.function else "") or ""
    said.calls = [(identity, name, arguments(text)) for _, (identity, name, text) in sorted(calls.items())]
    said.finish = finish(reason)
    said.usage = _usage(usage)
    if strict:
        whole = state.current_completion_snapshot.choices
        assert not whole or (whole[0].message.content or "") + (whole[0].message.refusal or "") == said.text
    return settled(said)


# --- responses


def responses(data: bytes, strict: bool) -> Said:
    return _response(made(Response, json.loads(data), strict))


def _response(response: Any) -> Said:
    said = Said()
    for item in response.output or ():
        if item.type == "message":
            for part in item.content or ():
                said.text += part.text if part.type == "output_text" else part.refusal if part.type == "refusal" else ""
                said.refused = said.refused or part.type == "refusal"
        elif item.type == "function_call":
            said.calls.append((item.call_id, item.name, arguments(item.arguments or "")))
        elif item.type == "custom_tool_call":
            said.calls.append((item.call_id, item.name, item.input))
        elif item.type == "reasoning":
            parts = [*(item.summary or ()), *(item.content or ())]
            said.reasoning += "".join(part.text for part in parts)
    details = response.incomplete_details
    reason = details.reason if details is not None else None
    said.finish = {"max_output_tokens": "length", "content_filter": "filter"}.get(reason or "", "")
    if not said.finish:
        said.finish = {"completed": "stop", "complete": "stop", "failed": "error", "incomplete": "other"}.get(
            response.status or "", "other"
        )
    usage = response.usage
    if usage is not None:
        cached = usage.input_tokens_details.cached_tokens if usage.input_tokens_details else None
        reasoning = usage.output_tokens_details.reasoning_tokens if usage.output_tokens_details else None
        said.usage = counted(usage.input_tokens, usage.output_tokens, cached, reasoning)
    return settled(said)


def responses_stream(data: bytes, strict: bool) -> Said:
    """The last event carries the whole; its deltas have to say the same."""
    final, text = None, ""
    for _, value in events(data):
        event = _EVENT.validate_python(value) if strict else construct_type(value=value, type_=ResponseStreamEvent)
        kind = value.get("type", "")
        if kind in ("response.completed", "response.incomplete", "response.failed"):
            final = event.response  # type: ignore[attr-defined]
        elif kind in ("response.output_text.delta", "response.refusal.delta"):
            text += value["delta"]
    assert final is not None, "no end"
    said = _response(final)
    assert not strict or text == said.text
    return said


# --- completions


def completions(data: bytes, strict: bool) -> Said:
    completion = made(Completion, json.loads(data), strict)
    choice = completion.choices[0]
    return Said(choice.text, finish=finish(choice.finish_reason), usage=_usage(completion.usage))


def completions_stream(data: bytes, strict: bool) -> Said:
    said = Said()
    for _, value in events(data):
        for choice in value.get("choices") or ():
            if choice.get("finish_reason") is None:
                choice["finish_reason"] = "stop"  # null in the API, missing in the SDK's type
                choice["open"] = True
        chunk = made(Completion, value, strict)
        if chunk.usage is not None:
            said.usage = _usage(chunk.usage)
        for choice in chunk.choices:
            if choice.index == 0:
                said.text += choice.text
                said.finish = said.finish if (choice.model_extra or {}).get("open") else finish(choice.finish_reason)
    return said


CHAT = Reader(chat, chat_stream)
RESPONSES = Reader(responses, responses_stream)
COMPLETIONS = Reader(completions, completions_stream)
