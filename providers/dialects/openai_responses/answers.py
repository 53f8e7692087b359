"""Whole answers: the response object."""

from __future__ import annotations

from typing import Any

from providers.dialects.openai_chat.answers import tier_out
from providers.dialects.openai_responses.items import (
    ORIGIN,
    decode_annotations,
    decode_call,
    decode_reasoning,
    encode_annotation,
)
from providers.dialects.reading import a_list, an_object, items, mapping, rest, text, whole
from providers.neutral import (
    Answer,
    Choice,
    Finish,
    Json,
    Malformed,
    Media,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Request,
    Text,
    ToolCall,
    Usage,
)

_ANSWER = frozenset(("id", "object", "created_at", "model", "output", "usage", "service_tier", "status"))
_REASONS: dict[str, Finish] = {"max_output_tokens": "length", "content_filter": "content_filter"}


def decode(body: Json) -> Answer:
    """Raises Malformed."""
    status = text(body.get("status"))
    if status in ("queued", "in_progress"):
        raise Malformed("The response is not finished.", "status")
    choice = Choice()
    for item in a_list(body.get("output"), "output"):
        choice.parts += decode_output(an_object(item, "output"))
    choice.finish = finish_of(body, any(isinstance(part, ToolCall) for part in choice.parts))
    choice.raw_finish = status
    answer = Answer(ORIGIN, text(body.get("id")), text(body.get("model")), whole(body.get("created_at")), [choice])
    if isinstance(body.get("usage"), dict):
        answer.usage = decode_usage(body["usage"])
    answer.service_tier = text(body.get("service_tier"))
    answer.extra = rest(body, _ANSWER)
    return answer


def finish_of(response: Json, calls: bool) -> Finish:
    """Why a response ended."""
    status = response.get("status")
    if status == "incomplete":
        return _REASONS.get(text(mapping(response.get("incomplete_details")).get("reason")), "other")
    if status in ("failed", "cancelled"):
        return "error"
    return "tool_calls" if calls else "stop"


def decode_output(item: Json) -> list[Part]:
    """The parts of an output item."""
    kind = item.get("type")
    if kind == "message":
        parts: list[Part] = []
        for value in items(item.get("content")):
            part = mapping(value)
            if part.get("type") == "refusal":
                parts.append(Refusal(text(part.get("refusal"))))
            else:
                parts.append(Text(text(part.get("text")), decode_annotations(part.get("annotations"))))
        return parts
    if kind in ("function_call", "custom_tool_call"):
        return [decode_call(item)]
    if kind == "reasoning":
        return [decode_reasoning(item)]
    if kind == "image_generation_call" and isinstance(item.get("result"), str):
        form = text(item.get("output_format")) or "png"
        return [Media("image", f"image/{form}", item["result"], extra=item)]
    return [Opaque(ORIGIN, item, text(kind))]


def decode_usage(value: Json) -> Usage:
    details = mapping(value.get("input_tokens_details"))
    usage = Usage(
        whole(value.get("input_tokens")),
        whole(value.get("output_tokens")),
        whole(details.get("cached_tokens")),
        whole(details.get("cache_write_tokens")),
        whole(mapping(value.get("output_tokens_details")).get("reasoning_tokens")),
    )
    if isinstance(value.get("total_tokens"), int):
        usage.total = value["total_tokens"]
    return usage


def encode_usage(usage: Usage) -> Json:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }


def encode(answer: Answer, request: Request) -> Json:
    """The first choice: there is no place for others."""
    choice = answer.choices[0] if answer.choices else Choice()
    output = [item for at, part in enumerate(choice.parts) if (item := item_of(part, at)) is not None]
    body = skeleton(answer.id, answer.model, answer.created, request)
    body["output"] = output
    end(body, choice.finish, answer.usage)
    if tier := tier_out(answer.service_tier):
        body["service_tier"] = tier
    return body


def skeleton(identity: str, model: str, created: int, request: Request) -> Json:
    """A response in progress, with what it repeats of its request."""
    given: Json = (request.shape or {}) if request.origin == ORIGIN else {}
    return {
        "id": identity if identity.startswith("resp_") else f"resp_{identity or 0}",
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": given.get("instructions"),
        "max_output_tokens": request.max_tokens,
        "model": model,
        "output": [],
        "parallel_tool_calls": request.parallel_tools is not False,
        "previous_response_id": None,
        "reasoning": given.get("reasoning") or {"effort": None, "summary": None},
        "store": False,
        "temperature": request.sampling.temperature,
        "text": given.get("text") or {"format": {"type": "text"}},
        "tool_choice": given.get("tool_choice") or "auto",
        "tools": given.get("tools") or [],
        "top_p": request.sampling.top_p,
        "truncation": "disabled",
        "usage": None,
        "user": request.user or None,
        "metadata": request.metadata or {},
    }


def end(body: Json, finish: str, usage: Usage | None) -> None:
    """Say in ``body`` how it ended."""
    body["status"] = "completed"
    if finish in ("length", "content_filter", "refusal"):
        body["status"] = "incomplete"
        reason = "max_output_tokens" if finish == "length" else "content_filter"
        body["incomplete_details"] = {"reason": reason}
    elif finish == "error":
        body["status"] = "failed"
        body["error"] = {"code": "server_error", "message": "The provider ended the answer with an error."}
    if usage is not None:
        body["usage"] = encode_usage(usage)


def item_of(part: Any, place: int) -> Json | None:
    """The output item of a part; None for what the dialect cannot say."""
    if isinstance(part, Text):
        annotations = [found for one in part.citations if (found := encode_annotation(one, len(part.text))) is not None]
        content: Json = {"type": "output_text", "text": part.text, "annotations": annotations, "logprobs": []}
        return message_item(place, [content], "completed")
    if isinstance(part, Refusal):
        return message_item(place, [{"type": "refusal", "refusal": part.text}], "completed")
    if isinstance(part, ToolCall):
        return call_item(part, place, "completed")
    if isinstance(part, Reasoning):
        return reasoning_item(part, place)
    if isinstance(part, Media):
        if part.kind == "image" and part.data:
            return {"type": "image_generation_call", "id": f"ig_{place}", "status": "completed", "result": part.data}
        if part.transcript:
            content = {"type": "output_text", "text": part.transcript, "annotations": [], "logprobs": []}
            return message_item(place, [content], "completed")
        return None
    return mapping(part.value) if isinstance(part, Opaque) and part.dialect == ORIGIN else None


def message_item(place: int, content: list[Json], status: str) -> Json:
    return {"id": f"msg_{place}", "type": "message", "status": status, "role": "assistant", "content": content}


def call_item(call: ToolCall, place: int, status: str) -> Json:
    identity = call.id or f"call_{place}"
    if call.custom:
        return {
            "id": f"ctc_{place}", "type": "custom_tool_call", "status": status, "call_id": identity, "name": call.name,
            "input": call.arguments,
        }  # fmt: skip
    arguments = call.arguments if call.arguments or status != "completed" else "{}"
    return {
        "id": f"fc_{place}", "type": "function_call", "status": status, "call_id": identity, "name": call.name,
        "arguments": arguments,
    }  # fmt: skip


def reasoning_item(part: Reasoning, place: int) -> Json:
    summaries = part.summaries or ([part.text] if part.text else [])
    value: Json = {"id": part.id or f"rs_{place}", "type": "reasoning"}
    value["summary"] = [{"type": "summary_text", "text": one} for one in summaries]
    return value
