"""Whole answers."""

from __future__ import annotations

from typing import Any

from providers.dialects.cohere.parts import (
    ORIGIN,
    PLAN,
    decode_call,
    decode_citation,
    decode_content,
    encode_call,
    encode_citation,
)
from providers.dialects.reading import an_object, items, mapping, rest, text, whole
from providers.neutral import (
    Answer,
    Choice,
    Finish,
    Json,
    Media,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    Usage,
)

FINISH: dict[str, Finish] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop_sequence",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR": "error",
    "TIMEOUT": "error",
    "ERROR_TOXIC": "content_filter",  # of v1
    "ERROR_LIMIT": "length",  # of v1
}
_FINISH_OUT: dict[str, str] = {
    "stop": "COMPLETE",
    "stop_sequence": "STOP_SEQUENCE",
    "length": "MAX_TOKENS",
    "tool_calls": "TOOL_CALL",
    "error": "ERROR",
    "content_filter": "ERROR_TOXIC",
    "refusal": "ERROR_TOXIC",
}
_ANSWER = frozenset(("id", "message", "finish_reason", "usage", "logprobs"))


def finish_of(word: Any) -> Finish:
    """The neutral word for ``finish_reason``."""
    return FINISH.get(word, "other") if isinstance(word, str) and word else ""


def finish_out(finish: str, raw: str, calls: bool) -> str:
    """``finish_reason``: the provider's own word where it is one of Cohere's for the same."""
    if FINISH.get(raw) == finish:
        return raw
    if calls and finish in ("", "stop", "other"):
        return "TOOL_CALL"
    return _FINISH_OUT.get(finish, "COMPLETE")


def decode(body: Json) -> Answer:
    """Raises Malformed."""
    message = an_object(body.get("message"), "message")
    reason = body.get("finish_reason")
    choice = Choice(0, _parts(message), finish_of(reason) or "stop", text(reason))
    if body.get("logprobs"):
        choice.logprobs = {"content": [one for item in items(body["logprobs"]) for one in decode_logprobs(item)]}
    answer = Answer(ORIGIN, text(body.get("id")), choices=[choice])
    if isinstance(body.get("usage"), dict):
        answer.usage = decode_usage(body["usage"])
    answer.extra = rest(body, _ANSWER)
    return answer


def _parts(message: Json) -> list[Part]:
    parts: list[Part] = []
    plan = message.get("tool_plan")
    if isinstance(plan, str) and plan:
        parts.append(Reasoning(plan, shape=PLAN))
    content = message.get("content")
    said = decode_content(content, "message.content") if content is not None else []
    parts += said
    for value in items(message.get("citations")):
        if not isinstance(value, dict):
            continue
        at = value.get("content_index")
        part = said[at] if isinstance(at, int) and 0 <= at < len(said) else None
        if not isinstance(part, Text):
            part = next((one for one in said if isinstance(one, Text)), None)
        if part is not None:
            part.citations.append(decode_citation(value))
    for at, call in enumerate(items(message.get("tool_calls"))):
        parts.append(decode_call(call, f"message.tool_calls.{at}"))
    return parts


def decode_usage(value: Json) -> Usage:
    """Tokens as they were processed; ``billed_units`` leaves out what Cohere adds to the prompt."""
    billed = mapping(value.get("billed_units"))
    tokens = mapping(value.get("tokens")) or billed
    usage = Usage(
        whole(tokens.get("input_tokens")),
        whole(tokens.get("output_tokens")),
        whole(value.get("cached_tokens")),
        reasoning_tokens=whole(tokens.get("reasoning_tokens")),
    )
    if billed:
        usage.extra = {"billed_units": billed}
    return usage


def encode_usage(usage: Usage) -> Json:
    tokens: Json = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    billed = (usage.extra or {}).get("billed_units") or dict(tokens)
    if usage.reasoning_tokens:
        tokens["reasoning_tokens"] = usage.reasoning_tokens
    return {"billed_units": billed, "tokens": tokens, "cached_tokens": usage.cached_tokens}


def decode_logprobs(value: Any) -> list[Json]:
    """In OpenAI's form; of a chunk with several tokens, whose texts are not told apart, the first bears the text."""
    given = mapping(value)
    said = text(given.get("text"))
    return [
        {"token": "" if at else said, "logprob": number, "bytes": None, "top_logprobs": []}
        for at, number in enumerate(items(given.get("logprobs")))
        if isinstance(number, int | float)
    ]


def encode_logprobs(value: Any) -> list[Json]:
    return [
        {"text": text(one.get("token")), "token_ids": [], "logprobs": [one.get("logprob")]}
        for one in items(mapping(value).get("content"))
        if isinstance(one, dict)
    ]


def encode(answer: Answer) -> Json:
    """The answer for a caller; of several choices the first."""
    choice = answer.choices[0] if answer.choices else Choice()
    own = answer.origin == ORIGIN
    message: Json = {"role": "assistant"}
    content: list[Json] = []
    calls: list[Json] = []
    citations: list[Json] = []
    for part in choice.parts:
        if isinstance(part, Text):
            if part.text or part.citations:
                citations += [encode_citation(one, part.text, len(content)) for one in part.citations]
                content.append({"type": "text", "text": part.text})
        elif isinstance(part, ToolCall):
            calls.append(encode_call(part, len(calls), own))
        elif isinstance(part, Reasoning):
            if part.shape == PLAN and own:
                message["tool_plan"] = part.text
            elif part.text:
                content.append({"type": "thinking", "thinking": part.text})
        elif isinstance(part, Refusal):
            content.append({"type": "text", "text": part.text})
        elif isinstance(part, Media) and part.transcript:
            content.append({"type": "text", "text": part.transcript})
        elif isinstance(part, Opaque) and part.dialect == ORIGIN:
            content.append(part.value)
    if content:
        message["content"] = content
    if calls:
        message["tool_calls"] = calls
    if citations:
        message["citations"] = citations
    body: Json = {
        "id": answer.id or "0",
        "message": message,
        "finish_reason": finish_out(choice.finish, choice.raw_finish, bool(calls)),
        "usage": encode_usage(answer.usage or Usage()),
    }
    if choice.logprobs and (found := encode_logprobs(choice.logprobs)):
        body["logprobs"] = found
    return body | answer.extra if own and answer.extra else body
