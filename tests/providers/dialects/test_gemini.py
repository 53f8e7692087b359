"""Requests of generateContent come back as they were, and what is wrong with them is named."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from providers.dialects.base import Facts
from providers.neutral import (
    Losses,
    Malformed,
)
from tests.providers.dialects.gemini_cases import GEMINI, THREE, TWO, USER


def again(body: dict[str, Any], facts: Facts = TWO) -> Any:
    before = copy.deepcopy(body)
    written = GEMINI.encode_request(GEMINI.decode_request(body), facts, Losses("error"))
    assert body == before
    return json.loads(json.dumps(written))


WHOLE: dict[str, Any] = {
    "systemInstruction": {"role": "user", "parts": [{"text": "Be brief."}]},
    "contents": [
        {
            "role": "user",
            "parts": [
                {"text": "Look"},
                {"inlineData": {"mimeType": "image/png", "data": "aGk=", "displayName": "a"}},
                {"fileData": {"fileUri": "gs://b/film.mp4"}, "videoMetadata": {"startOffset": "2s"}},
                {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/x", "mimeType": "b"}},
            ],
        },
        {
            "role": "model",
            "parts": [
                {"text": "Hm", "thought": True, "thoughtSignature": "c2ln"},
                {"text": "Well", "thoughtSignature": "c2ln"},
                {"thoughtSignature": "c2ln", "thought": True},
                {"executableCode": {"language": "PYTHON", "code": "1"}},
                {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
                {"functionCall": {"id": "c1", "name": "f", "args": {"a": 1.0, "b": []}}, "thoughtSignature": "c2ln"},
                {"functionCall": {"name": "g"}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {
                    "functionResponse": {
                        "id": "c1", "name": "f", "response": {"x": 1}, "scheduling": "SILENT",
                        "parts": [{"inlineData": {"mimeType": "image/png", "data": "aGk="}}],
                    }
                },
                {"functionResponse": {"name": "g", "response": {"error": "no"}, "parts": []}},
            ],
        },
        {"parts": [{"text": ""}]},
        {"role": "function", "parts": {"functionResponse": {"name": "g", "response": {}}}},
        {"role": "model"},
    ],
    "tools": [
        {"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT"}}, {"name": "g", "behavior": "B"}]},
        {"googleSearch": {}, "urlContext": {}},
        {},
        {"functionDeclarations": [{"name": "h", "description": "", "parametersJsonSchema": {"type": "object"}}]},
    ],
    "toolConfig": {
        "functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f", "g"]},
        "retrievalConfig": {"languageCode": "en"},
    },
    "generationConfig": {
        "temperature": 0, "topP": 0.5, "topK": 40.0, "candidateCount": 2, "maxOutputTokens": 9, "seed": 0,
        "stopSequences": ["a"], "presencePenalty": 0.1, "frequencyPenalty": -0.1, "responseLogprobs": True,
        "logprobs": 3,
        "responseMimeType": "application/json", "responseSchema": {"type": "STRING", "nullable": True},
        "responseModalities": ["TEXT", "IMAGE"], "mediaResolution": "MEDIA_RESOLUTION_LOW",
        "speechConfig": {"languageCode": "en"},
        "thinkingConfig": {"thinkingBudget": -1, "includeThoughts": True}, "enableEnhancedCivicAnswers": None,
    },
    "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    "cachedContent": "cachedContents/1",
    "labels": {"team": "a"},
    "serviceTier": "flex",
}  # fmt: skip


def test_a_request_of_everything_comes_back() -> None:
    assert again(WHOLE) == WHOLE


@pytest.mark.parametrize(
    "body",
    [
        {"contents": []},
        {"contents": USER},
        {"contents": [{"role": "user", "parts": {"text": "Hi"}}]},
        {"contents": [USER], "tools": []},
        {"contents": [USER], "tools": {"function_declarations": [{"name": "f"}]}},
        {"contents": [USER], "generationConfig": {}, "toolConfig": {}, "labels": None},
        {
            "contents": [USER],
            "system_instruction": {"parts": [{"text": "a"}]},
            "generation_config": {"top_p": 1, "topK": 2},
        },
        {
            "contents": [USER],
            "toolConfig": {"function_calling_config": {"mode": "any", "allowed_function_names": ["f"]}},
        },
        {
            "contents": [USER],
            "toolConfig": {"functionCallingConfig": {"mode": "AUTO", "streamFunctionCallArguments": True}},
        },
        {"contents": [USER], "toolConfig": {"functionCallingConfig": {}}},
        {
            "contents": [USER],
            "generationConfig": {"responseMimeType": "text/x.enum", "responseSchema": {"enum": ["a"]}},
        },
        {"contents": [USER], "generationConfig": {"responseModalities": ["text"], "stopSequences": []}},
        {"contents": [USER], "generationConfig": {"thinking_config": {"thinking_level": "low"}}},
        {"contents": [{"role": "user", "parts": [{"inline_data": {"mime_type": "image/png", "data": "aGk="}}]}]},
        {"contents": [{"role": "model", "parts": [{"function_call": {"name": "f", "args": {"file_uri": 1}}}]}]},
        {"contents": [{"role": "user", "parts": [{"toolResponse": {"toolType": "X"}}, {"videoMetadata": {}}]}]},
        {"contents": [{"role": "user", "parts": None}]},
        {"contents": [USER], "somethingNew": {"a": 1}, "model_armor_config": {"prompt_template_name": "x"}},
    ],
)
def test_odd_spellings_come_back(body: dict[str, Any]) -> None:
    facts = Facts("", "gemini")
    assert json.loads(json.dumps(GEMINI.encode_request(GEMINI.decode_request(body), facts, Losses("error")))) == body


def test_the_path_names_the_model_and_asks_for_a_stream() -> None:
    request = GEMINI.decode_request({"contents": [USER]}, model="gemini-3-flash", stream=True)
    assert (request.model, request.stream, request.include_usage) == ("gemini-3-flash", True, True)
    assert "model" not in GEMINI.encode_request(request, THREE, Losses())
    assert again({"contents": [USER], "model": "models/old"}, TWO)["model"] == "models/gemini-2.5-flash"
    assert GEMINI.stream_path("/models/m:generateContent") == ("/models/m:streamGenerateContent", "alt=sse")


def test_levels_become_budgets_for_models_that_know_none() -> None:
    body = {"contents": [USER], "generationConfig": {"thinkingConfig": {"thinkingLevel": "HIGH"}}}
    assert again(body, TWO)["generationConfig"]["thinkingConfig"] == {"thinkingBudget": 24_576}
    assert again(body, THREE) == body


@pytest.mark.parametrize(
    ("body", "member"),
    [
        ({}, "contents"),
        ({"contents": "Hi"}, "contents"),
        ({"contents": ["Hi"]}, "contents.0"),
        ({"contents": [{"role": "system", "parts": []}]}, "contents.0.role"),
        ({"contents": [{"parts": "Hi"}]}, "contents.0.parts"),
        ({"contents": [{"parts": [{"text": 1}]}]}, "contents.0.parts.0.text"),
        ({"contents": [{"parts": [{"functionCall": {}}]}]}, "contents.0.parts.0.functionCall.name"),
        (
            {"contents": [{"parts": [{"functionCall": {"name": "f", "args": []}}]}]},
            "contents.0.parts.0.functionCall.args",
        ),
        ({"contents": [{"parts": [{"inlineData": {}}]}]}, "contents.0.parts.0.inlineData.data"),
        ({"contents": [USER], "systemInstruction": "Hi"}, "systemInstruction"),
        ({"contents": [USER], "tools": [{"functionDeclarations": [{}]}]}, "tools.0.functionDeclarations.0.name"),
        ({"contents": [USER], "generationConfig": {"temperature": "1"}}, "generationConfig.temperature"),
        ({"contents": [USER], "generationConfig": {"topK": 1.5}}, "generationConfig.topK"),
        ({"contents": [USER], "generationConfig": {"stopSequences": "a"}}, "generationConfig.stopSequences"),
        (
            {"contents": [USER], "toolConfig": {"functionCallingConfig": {"mode": "SOME"}}},
            "toolConfig.functionCallingConfig.mode",
        ),
    ],
)
def test_what_is_wrong_is_named(body: dict[str, Any], member: str) -> None:
    with pytest.raises(Malformed) as raised:
        GEMINI.decode_request(body)
    assert raised.value.member == member
