"""Google's generateContent, by the types of google-genai."""

from __future__ import annotations

import json
from typing import Any

from google.genai.types import GenerateContentResponse

from tests.corpus.readout import Reader, Said, counted, events, settled

FINISH = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "filter",
    "RECITATION": "filter",
    "BLOCKLIST": "filter",
    "PROHIBITED_CONTENT": "filter",
    "SPII": "filter",
    "IMAGE_SAFETY": "filter",
    "MODEL_ARMOR": "filter",
    "MALFORMED_FUNCTION_CALL": "error",
    "UNEXPECTED_TOOL_CALL": "error",
}


def _parsed(value: Any, strict: bool) -> GenerateContentResponse:
    try:
        return GenerateContentResponse.model_validate(value)
    except (ValueError, AttributeError):
        if strict:
            raise
    # Members that came later than the SDK are left out, as its own converters do.
    return GenerateContentResponse.model_validate(_known(value))


def _known(value: dict[str, Any]) -> dict[str, Any]:
    kept = {
        name: value[name] for name in ("usageMetadata", "modelVersion", "responseId", "promptFeedback") if name in value
    }
    usage = kept.get("usageMetadata")
    if usage is not None:
        kept["usageMetadata"] = {name: count for name, count in usage.items() if name.endswith("Count")}
    kept.pop("promptFeedback", None)
    kept["candidates"] = [
        {
            "content": {"parts": [_part(part) for part in (candidate.get("content") or {}).get("parts") or ()]},
            **({"finishReason": _reason(candidate["finishReason"])} if "finishReason" in candidate else {}),
        }
        for candidate in value.get("candidates") or ()
    ]
    return kept


def _reason(word: Any) -> str:
    """By number in protocol buffers' JSON (``Candidate.FinishReason``)."""
    return (
        {1: "STOP", 2: "MAX_TOKENS", 3: "SAFETY", 4: "RECITATION"}.get(word, "OTHER") if isinstance(word, int) else word
    )


def _part(part: dict[str, Any]) -> dict[str, Any]:
    return {name: part[name] for name in ("text", "thought", "functionCall") if name in part}


def _take(response: GenerateContentResponse, said: Said) -> None:
    usage = response.usage_metadata
    if usage is not None:
        thoughts = usage.thoughts_token_count
        given = (usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0)
        produced = (usage.candidates_token_count or 0) + (thoughts or 0)
        said.usage = counted(given, produced, usage.cached_content_token_count, thoughts)
    if not response.candidates:
        if response.prompt_feedback is not None:
            said.finish = "filter"
        return
    candidate = next((one for one in response.candidates if not one.index), None)
    if candidate is None:
        return
    if candidate.finish_reason is not None:
        said.finish = FINISH.get(candidate.finish_reason.value, "other")
    parts = candidate.content.parts if candidate.content is not None else None
    for part in parts or ():
        if part.function_call is not None:
            call = part.function_call
            said.calls.append((call.id or "", call.name or "", call.args or {}))
        elif part.text and part.thought:
            said.reasoning += part.text
        elif part.text:
            said.text += part.text


def whole(data: bytes, strict: bool) -> Said:
    said = Said()
    value = json.loads(data)
    for one in value if isinstance(value, list) else [value]:
        _take(_parsed(one, strict), said)
    return settled(said)


def stream(data: bytes, strict: bool) -> Said:
    if data.lstrip()[:1] == b"[":
        return whole(data, strict)
    said = Said()
    for _, value in events(data):
        _take(_parsed(value, strict), said)
    return settled(said)


READER = Reader(whole, stream)
