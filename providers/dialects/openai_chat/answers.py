"""Whole answers of chat completions."""

from __future__ import annotations

from typing import Any

from providers.dialects.openai_chat.parts import ORIGIN, decode_citations, decode_content, encode_citation
from providers.dialects.reading import a_list, an_object, data_url, items, mapping, rest, text, whole
from providers.neutral import Answer, Choice, Finish, Json, Media, Part, Reasoning, Refusal, Text, ToolCall, Usage

FINISH: dict[str, Finish] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "error": "error",
    "eos": "stop",  # Together
    "model_length": "length",  # Mistral
    "insufficient_system_resource": "error",  # DeepSeek
    "sensitive": "content_filter",  # Z.ai
    "network_error": "error",  # Z.ai
}
_FINISH_OUT: dict[str, str] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "pause": "stop",
    "error": "content_filter",
    "other": "stop",
}
"""OpenAI has one word for an answer that did not end as it should."""
_ANSWER = frozenset(("id", "object", "created", "model", "choices", "usage", "service_tier"))
_CHOICE = frozenset(("index", "message", "finish_reason", "logprobs"))


def finish_of(word: Any) -> Finish:
    """The neutral word for a provider's."""
    return FINISH.get(word, "other") if isinstance(word, str) and word else ""


def finish_out(finish: str) -> str | None:
    return _FINISH_OUT.get(finish)


def decode(body: Json) -> Answer:
    """Raises Malformed."""
    answer = Answer(ORIGIN, text(body.get("id")), text(body.get("model")), whole(body.get("created")))
    for choice in a_list(body.get("choices"), "choices"):
        answer.choices.append(_choice(an_object(choice, "choices")))
    if isinstance(body.get("usage"), dict):
        answer.usage = decode_usage(body["usage"])
    answer.service_tier = text(body.get("service_tier"))
    answer.extra = rest(body, _ANSWER)
    return answer


def _choice(value: Json) -> Choice:
    message = an_object(value.get("message"), "choices.message")
    finish = value.get("finish_reason")
    choice = Choice(whole(value.get("index")), _parts(message), finish_of(finish) or "stop", text(finish))
    if choice.finish == "stop" and any(isinstance(part, ToolCall) for part in choice.parts):
        choice.finish = "tool_calls"  # some followers say stop
    choice.logprobs = value.get("logprobs")
    choice.extra = rest(value, _CHOICE)
    return choice


def _parts(message: Json) -> list[Part]:
    parts: list[Part] = []
    thoughts = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(thoughts, str) and thoughts:
        parts.append(Reasoning(thoughts))
    content = message.get("content")
    if content:
        said = decode_content(content, "choices.message.content")
        citations = decode_citations(message.get("annotations"))
        for part in said:
            if citations and isinstance(part, Text):
                part.citations = citations
                break
        parts += said
    for image in items(message.get("images")):  # OpenRouter
        url = text(mapping(mapping(image).get("image_url")).get("url"))
        if (found := data_url(url)) is not None:
            parts.append(Media("image", *found))
        elif url:
            parts.append(Media("image", url=url))
    audio = message.get("audio")
    if isinstance(audio, dict) and (audio.get("data") or audio.get("id")):
        parts.append(
            Media(
                "audio", data=text(audio.get("data")), file_id=text(audio.get("id")),
                transcript=text(audio.get("transcript")), extra=rest(audio, frozenset(("id", "data", "transcript"))),
            )
        )  # fmt: skip
    if isinstance(message.get("refusal"), str) and message["refusal"]:
        parts.append(Refusal(message["refusal"]))
    for call in items(message.get("tool_calls")):
        parts.append(decode_call(mapping(call)))
    legacy = message.get("function_call")
    if isinstance(legacy, dict) and legacy.get("name"):
        parts.append(ToolCall("", text(legacy.get("name")), text(legacy.get("arguments")), shape="legacy"))
    return parts


def decode_call(value: Json) -> ToolCall:
    """A tool call of an answer."""
    custom = value.get("type") == "custom"
    inner = mapping(value.get("custom" if custom else "function"))
    arguments = arguments_text(inner.get("input" if custom else "arguments"))
    return ToolCall(text(value.get("id")), text(inner.get("name")), arguments, custom, signature_of(value))


def signature_of(call: Json) -> str:
    """Gemini's thought signature, where Google's own endpoint of this dialect has it (ai.google.dev, "Thought
    signatures")."""
    extra = call.get("extra_content")
    return text(mapping(mapping(extra).get("google")).get("thought_signature")) if extra else ""


def arguments_text(value: Any) -> str:
    """Arguments as JSON text; some followers send an object."""
    if isinstance(value, str):
        return value
    import orjson

    return orjson.dumps(value).decode() if isinstance(value, dict) else ""


def decode_usage(value: Json) -> Usage:
    """``usage`` of an answer or a chunk."""
    prompt = mapping(value.get("prompt_tokens_details"))
    completion = mapping(value.get("completion_tokens_details"))
    usage = Usage(
        whole(value.get("prompt_tokens")),
        whole(value.get("completion_tokens")),
        whole(prompt.get("cached_tokens")) or whole(value.get("prompt_cache_hit_tokens")),
        whole(prompt.get("cache_write_tokens")),
        whole(completion.get("reasoning_tokens")) or whole(value.get("reasoning_tokens")),
        whole(prompt.get("audio_tokens")),
        whole(completion.get("audio_tokens")),
    )
    if isinstance(value.get("total_tokens"), int):
        usage.total = value["total_tokens"]
    return usage


def encode_usage(usage: Usage) -> Json:
    """All details stand there, as OpenAI has them."""
    prompt = {"cached_tokens": usage.cached_tokens, "audio_tokens": usage.audio_in_tokens}
    if usage.cache_write_tokens:
        prompt["cache_write_tokens"] = usage.cache_write_tokens
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": usage.audio_out_tokens,
        },
    }


def counted(usage: Usage) -> Json:
    """The same with what OpenAI has no words for, as ``_speedups._scan.UsageScan`` reads it."""
    told = encode_usage(usage)
    told["prompt_tokens_details"] |= {
        "image_tokens": usage.image_in_tokens,
        "cache_write_1h_tokens": usage.cache_write_1h_tokens,
        "cached_audio_tokens": usage.cached_audio_tokens,
    }
    told["completion_tokens_details"]["image_tokens"] = usage.image_out_tokens
    return {**told, "num_search_queries": usage.searches}


def encode(answer: Answer) -> Json:
    """An answer for a caller."""
    body: Json = {
        "id": answer.id or "chatcmpl-0",
        "object": "chat.completion",
        "created": answer.created,
        "model": answer.model,
        "choices": [_choice_out(choice) for choice in answer.choices],
    }
    if answer.usage is not None:
        body["usage"] = encode_usage(answer.usage)
    if tier := tier_out(answer.service_tier):
        body["service_tier"] = tier
    return body


_TIERS = frozenset(("auto", "default", "flex", "scale", "priority", "fast"))


def tier_out(tier: str) -> str:
    """A service tier as callers of OpenAI's dialects know it; empty for those of others."""
    return tier if tier in _TIERS else "default" if tier == "standard" else ""


def _choice_out(choice: Choice) -> Json:
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[Json] = []
    annotations: list[Json] = []
    images: list[Json] = []
    message: Json = {"role": "assistant", "content": None, "refusal": None}
    length = 0
    for part in choice.parts:
        if isinstance(part, Text):
            for citation in part.citations:
                if (found := encode_citation(citation, len(part.text))) is not None:
                    found["url_citation"]["start_index"] += length
                    found["url_citation"]["end_index"] += length
                    annotations.append(found)
            length += len(part.text)
            texts.append(part.text)
        elif isinstance(part, ToolCall):
            calls.append(_call_out(part, len(calls)))
        elif isinstance(part, Reasoning):
            thoughts.append(part.text)
        elif isinstance(part, Refusal):
            message["refusal"] = (message["refusal"] or "") + part.text
        elif isinstance(part, Media) and part.kind == "audio":
            message["audio"] = {"id": part.file_id or "audio_0", "data": part.data, "transcript": part.transcript}
            message["audio"]["expires_at"] = mapping(part.extra).get("expires_at", 0)
        elif isinstance(part, Media) and part.kind == "image":
            url = part.url or f"data:{part.media_type};base64,{part.data}"
            images.append({"type": "image_url", "image_url": {"url": url}, "index": len(images)})
    if texts:
        message["content"] = "".join(texts)
    elif not calls and message["refusal"] is None:
        message["content"] = ""
    if any(thoughts):
        message["reasoning_content"] = "".join(thoughts)
    if calls:
        message["tool_calls"] = calls
    if annotations:
        message["annotations"] = annotations
    if images:
        message["images"] = images
    finish = "tool_calls" if calls and choice.finish in ("stop", "other") else finish_out(choice.finish)
    return {"index": choice.index, "message": message, "logprobs": choice.logprobs, "finish_reason": finish or "stop"}


def _call_out(call: ToolCall, place: int) -> Json:
    kind, member = ("custom", "input") if call.custom else ("function", "arguments")
    arguments = call.arguments or ("" if call.custom else "{}")
    value: Json = {"id": call.id or f"call_{place}", "type": kind, kind: {"name": call.name, member: arguments}}
    return value | signature_out(call)


def signature_out(call: ToolCall) -> Json:
    """What callers have to send back with a call of Gemini's, in the form of Google's own endpoint of this dialect."""
    return {"extra_content": {"google": {"thought_signature": call.signature}}} if call.signature else {}
