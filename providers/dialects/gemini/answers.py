"""Whole answers of generateContent."""

from __future__ import annotations

from typing import Any

from providers import rfc3339
from providers.dialects.gemini import citations
from providers.dialects.gemini.media import encode_media
from providers.dialects.gemini.parts import ORIGIN, decode_part, encode_call, encode_text
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
    Text,
    ToolCall,
    Usage,
)

FINISH: dict[str, Finish] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "JAILBREAK": "content_filter",
    "MALFORMED_FUNCTION_CALL": "error",
    "UNEXPECTED_TOOL_CALL": "error",
    "TOO_MANY_TOOL_CALLS": "error",
    "MISSING_THOUGHT_SIGNATURE": "error",
    "MALFORMED_RESPONSE": "error",
    "CONTINUATION": "pause",
    "FINISH_REASON_UNSPECIFIED": "",
}
_NUMBERS = ("FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER")
"""With ``$alt=json;enum-encoding=int``; beyond these the two hosts count differently."""
_FINISH_OUT: dict[str, str] = {
    "stop": "STOP",
    "stop_sequence": "STOP",
    "tool_calls": "STOP",
    "pause": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "refusal": "SAFETY",
    "error": "OTHER",
    "other": "OTHER",
}
_ANSWER = frozenset(("candidates", "usageMetadata", "modelVersion", "responseId"))
_CANDIDATE = frozenset(("content", "finishReason", "index"))
_USAGE = frozenset(
    ("promptTokenCount", "candidatesTokenCount", "totalTokenCount", "thoughtsTokenCount", "cachedContentTokenCount")
)
_USAGE_EXTRA = frozenset(
    (
        "toolUsePromptTokenCount", "promptTokensDetails", "candidatesTokensDetails", "cacheTokensDetails",
        "toolUsePromptTokensDetails", "trafficType", "serviceTier",
    )
)  # fmt: skip


def finish_word(value: Any) -> str:
    """The reason as a word; empty when there is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return _NUMBERS[value] if 0 <= value < len(_NUMBERS) else str(value)
    return text(value)


def finish_of(word: str, calls: bool) -> Finish:
    """The neutral word for Google's; ``calls``: the candidate called a function."""
    if not word:
        return ""
    finish = FINISH.get(word, "other")
    return "tool_calls" if calls and finish == "stop" else finish


def finish_out(finish: str, raw: str = "") -> str:
    """Google's word; ``raw`` is what it said itself."""
    return raw if raw in FINISH else _FINISH_OUT.get(finish, "STOP")


def blocked(body: Json) -> str:
    """Why the prompt was refused; empty when it was not."""
    return finish_word(mapping(body.get("promptFeedback")).get("blockReason"))


def decode(body: Json) -> Answer:
    """Raises Malformed."""
    answer = Answer(ORIGIN, text(body.get("responseId")), text(body.get("modelVersion")))
    answer.created = rfc3339.seconds(text(body.get("createTime")))
    for at, candidate in enumerate(a_list(body.get("candidates") or [], "candidates")):
        answer.choices.append(_choice(an_object(candidate, f"candidates.{at}"), at))
    if not answer.choices:
        if reason := blocked(body):
            answer.choices.append(Choice(0, [], "content_filter", reason))
        elif "usageMetadata" in body or "responseId" in body:
            answer.choices.append(Choice(0, [], "other"))  # it has nothing to say, which happens
        else:
            raise Malformed("The answer holds no candidates.", "candidates")
    usage = body.get("usageMetadata")
    if isinstance(usage, dict):
        answer.usage = decode_usage(usage)
        answer.service_tier = text(usage.get("serviceTier"))
    answer.extra = rest(body, _ANSWER)
    return answer


def _choice(candidate: Json, at: int) -> Choice:
    place = f"candidates.{at}.content"
    content = mapping(candidate.get("content"))
    given = a_list(content.get("parts") or [], f"{place}.parts")
    parts = [decode_part(part, f"{place}.parts.{number}") for number, part in enumerate(given)]
    word = finish_word(candidate.get("finishReason"))
    number = candidate.get("index")
    choice = Choice(whole(number) if number is not None else at, parts)
    choice.finish = finish_of(word, any(isinstance(part, ToolCall) for part in parts)) or "other"
    choice.raw_finish = word
    if "groundingMetadata" in candidate or "citationMetadata" in candidate:
        texts = [part.text if isinstance(part, Text) else "" for part in parts]
        for number, citation in citations.decode(candidate, texts):
            if number >= 0:
                parts[number].citations.append(citation)  # type: ignore[union-attr] # texts are empty elsewhere
    if isinstance(candidate.get("logprobsResult"), dict):
        choice.logprobs = decode_logprobs(candidate["logprobsResult"])
    choice.extra = rest(candidate, _CANDIDATE)
    return choice


def decode_logprobs(value: Json) -> Json:
    """``logprobsResult`` in OpenAI's form."""
    tops = items(value.get("topCandidates"))
    content = []
    for at, chosen in enumerate(items(value.get("chosenCandidates"))):
        one = _logprob(mapping(chosen))
        others = items(mapping(tops[at]).get("candidates")) if at < len(tops) else []
        one["top_logprobs"] = [_logprob(mapping(other)) for other in others]
        content.append(one)
    return {"content": content}


def _logprob(value: Json) -> Json:
    token = text(value.get("token"))
    return {
        "token": token,
        "logprob": value.get("logProbability", 0.0),
        "bytes": list(token.encode("utf-8", "replace")),
    }


def encode_logprobs(value: Any) -> Json | None:
    """``logprobsResult``; None when there is nothing to say."""
    content = [mapping(one) for one in items(mapping(value).get("content"))]
    if not content:
        return None
    chosen = [{"token": text(one.get("token")), "logProbability": one.get("logprob")} for one in content]
    tops = [
        {
            "candidates": [
                {"token": text(mapping(top).get("token")), "logProbability": mapping(top).get("logprob")}
                for top in items(one.get("top_logprobs"))
            ]
        }
        for one in content
    ]
    return {"chosenCandidates": chosen, "topCandidates": tops}


def _of_modality(details: Any, word: str, number: int) -> int:
    for detail in items(details):
        detail = mapping(detail)
        if detail.get("modality") in (word, number):
            return whole(detail.get("tokenCount"))
    return 0


def decode_usage(value: Json) -> Usage:
    """``usageMetadata``: its prompt holds cached tokens but not those of tools' results, its candidates no thoughts."""
    thoughts = whole(value.get("thoughtsTokenCount"))
    usage = Usage(
        whole(value.get("promptTokenCount")) + whole(value.get("toolUsePromptTokenCount")),
        whole(value.get("candidatesTokenCount")) + thoughts,
        whole(value.get("cachedContentTokenCount")),
        0,
        thoughts,
        _of_modality(value.get("promptTokensDetails"), "AUDIO", 4),
        _of_modality(value.get("candidatesTokensDetails"), "AUDIO", 4),
    )
    if isinstance(value.get("totalTokenCount"), int):
        usage.total = value["totalTokenCount"]
    usage.extra = rest(value, _USAGE)
    # Pages of documents are images there.
    prompt, candidates = value.get("promptTokensDetails"), value.get("candidatesTokensDetails")
    usage.image_in_tokens = _of_modality(prompt, "IMAGE", 2) + _of_modality(prompt, "DOCUMENT", 5)
    usage.image_out_tokens = _of_modality(candidates, "IMAGE", 2)
    usage.cached_audio_tokens = _of_modality(value.get("cacheTokensDetails"), "AUDIO", 4)
    return usage


def encode_usage(usage: Usage) -> Json:
    """``usageMetadata``. Of ``extra`` only members that are Google's are taken: it may be of any dialect."""
    extra = {name: value for name, value in (usage.extra or {}).items() if name in _USAGE_EXTRA}
    value: Json = {
        "promptTokenCount": usage.input_tokens - whole(extra.get("toolUsePromptTokenCount")),
        "candidatesTokenCount": usage.output_tokens - usage.reasoning_tokens,
        "totalTokenCount": usage.total_tokens,
    }
    if usage.cached_tokens:
        value["cachedContentTokenCount"] = usage.cached_tokens
    if usage.reasoning_tokens:
        value["thoughtsTokenCount"] = usage.reasoning_tokens
    if not extra:
        if usage.audio_in_tokens:
            value["promptTokensDetails"] = _details(usage.input_tokens, usage.audio_in_tokens)
        if usage.audio_out_tokens:
            value["candidatesTokensDetails"] = _details(usage.output_tokens, usage.audio_out_tokens)
    return value | extra


def _details(tokens: int, audio: int) -> list[Json]:
    texts = {"modality": "TEXT", "tokenCount": max(0, tokens - audio)}
    return [texts, {"modality": "AUDIO", "tokenCount": audio}]


def encode(answer: Answer) -> Json:
    """An answer for a caller."""
    own = answer.origin == ORIGIN
    extra = answer.extra if own else None
    body: Json = {}
    if not (own and blocked(extra or {}) and all(not choice.parts for choice in answer.choices)):
        body["candidates"] = [_choice_out(choice, own) for choice in answer.choices]
    if answer.usage is not None:
        body["usageMetadata"] = encode_usage(answer.usage)
    body["modelVersion"] = answer.model
    if answer.created and not own:
        body["createTime"] = rfc3339.moment(answer.created)
    if answer.id:
        body["responseId"] = answer.id
    return body | extra if extra else body


def _choice_out(choice: Choice, own: bool) -> Json:
    parts: list[Json] = []
    for part in choice.parts:
        written = encode_part(part, own)
        if written is not None:
            parts.append(written)
            if isinstance(part, Media) and part.transcript:
                parts.append({"text": part.transcript})
    value: Json = {"content": {"parts": parts, "role": "model"}}
    value["finishReason"] = finish_out(choice.finish, choice.raw_finish if own else "")
    value["index"] = choice.index
    if own:
        return value | choice.extra if choice.extra else value
    cited = citations.encode(choice.parts)
    if cited is not None:
        value["groundingMetadata"] = cited
    logprobs = encode_logprobs(choice.logprobs)
    if logprobs is not None:
        value["logprobsResult"] = logprobs
    return value


def encode_part(part: Part, own: bool) -> Json | None:
    """A part of an answer; None where the dialect has no place for it."""
    if isinstance(part, Text):
        return encode_text(part, False, own)
    if isinstance(part, Reasoning):
        return encode_text(part, True, own) if part.text or part.signature else None
    if isinstance(part, ToolCall):
        return encode_call(part, own)
    if isinstance(part, Media):
        if part.text:
            return {"text": part.text}
        return encode_media(part, own) if part.data or part.url or part.file_id else None
    if isinstance(part, Refusal):
        return {"text": part.text}
    if isinstance(part, Opaque) and part.dialect == ORIGIN:
        value: Json = part.value
        return value
    return None
