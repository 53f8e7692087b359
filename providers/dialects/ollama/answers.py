"""Whole answers."""

from __future__ import annotations

from typing import Any

from providers.dialects.ids import CallIds
from providers.dialects.ollama.messages import ORIGIN, call_out, decode_parts
from providers.dialects.reading import an_object, items, mapping, rest, text, whole
from providers.neutral import (
    Answer,
    Choice,
    Finish,
    Json,
    Malformed,
    Media,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    Usage,
)
from providers.rfc3339 import moment, seconds

FINISH: dict[str, Finish] = {
    "stop": "stop",
    "length": "length",
    "load": "stop",
    "unload": "stop",
    # Ollama's own models give only the first two; these are what other providers' answers are told with.
    "content_filter": "content_filter",
    "error": "error",
}
_FINISH_OUT: dict[str, str] = {
    "length": "length", "content_filter": "content_filter", "refusal": "content_filter", "error": "error",
}  # fmt: skip
_ANSWER = frozenset(
    ("model", "created_at", "message", "done", "done_reason", "prompt_eval_count", "eval_count", "logprobs")
)
DURATIONS: Json = dict.fromkeys(
    ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration"), 0
)  # fmt: skip
"""In nanoseconds; what other providers' answers took is not known here."""


def finish_of(word: Any, calls: bool) -> Finish:
    """The neutral word for ``done_reason``, which is ``stop`` after calls as well, and was not said at first."""
    found = FINISH.get(word, "other") if isinstance(word, str) and word else "stop"
    return "tool_calls" if calls and found == "stop" else found


def finish_out(finish: str, raw: str) -> str:
    return raw if raw in FINISH else _FINISH_OUT.get(finish, "stop")


def decode(body: Json) -> Answer:
    """Raises Malformed."""
    if body.get("error"):
        raise Malformed(f"The answer is an error: {text(body['error'])}", "error")
    parts = decode_parts(an_object(body.get("message"), "message"), "message", CallIds())
    calls = any(isinstance(part, ToolCall) for part in parts)
    reason = body.get("done_reason")
    choice = Choice(0, parts, finish_of(reason, calls), text(reason))
    if body.get("logprobs"):
        choice.logprobs = {"content": items(body["logprobs"])}
    answer = Answer(ORIGIN, model=text(body.get("model")), created=created_of(body.get("created_at")), choices=[choice])
    answer.usage = decode_usage(body)
    answer.extra = rest(body, _ANSWER)
    return answer


def created_of(value: Any) -> int:
    """Seconds since 1970; 0 where it can't be read."""
    return seconds(value) if isinstance(value, str) else 0


def decode_usage(value: Json) -> Usage | None:
    if "prompt_eval_count" not in value and "eval_count" not in value:
        return None
    return Usage(whole(value.get("prompt_eval_count")), whole(value.get("eval_count")))


def counts(usage: Usage) -> Json:
    return {"prompt_eval_count": usage.input_tokens, "eval_count": usage.output_tokens}


def encode(answer: Answer) -> Json:
    """The answer for a caller; of several choices the first."""
    choice = answer.choices[0] if answer.choices else Choice()
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[Json] = []
    for part in choice.parts:
        if isinstance(part, Text | Refusal):
            texts.append(part.text)
        elif isinstance(part, Reasoning):
            thoughts.append(part.text)
        elif isinstance(part, ToolCall):
            calls.append(call_out(part, len(calls)))
        elif isinstance(part, Media):  # its clients take no pictures in answers
            texts.append(part.transcript)
    message: Json = {"role": "assistant", "content": "".join(texts)}
    if any(thoughts):
        message["thinking"] = "".join(thoughts)
    if calls:
        message["tool_calls"] = calls
    body: Json = {
        "model": answer.model,
        "created_at": moment(answer.created),
        "message": message,
        "done": True,
        "done_reason": finish_out(choice.finish, choice.raw_finish if answer.origin == ORIGIN else ""),
    }
    content = mapping(choice.logprobs).get("content")
    if content:
        body["logprobs"] = content
    body |= DURATIONS
    body |= counts(answer.usage or Usage())
    return body | answer.extra if answer.origin == ORIGIN and answer.extra else body
