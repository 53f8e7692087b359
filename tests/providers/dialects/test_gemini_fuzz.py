"""Whatever comes in, a dialect raises what it says it raises."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from providers.dialects.gemini.arrays import ArrayReader
from providers.neutral import (
    Losses,
    Malformed,
    Request,
)
from tests.providers.dialects.gemini_cases import CHAT, GEMINI, OPENAI, THREE, TWO, array, read, response, sse

_WORDS = """
    contents parts role text thought thoughtSignature thought_signature functionCall functionResponse name
    args id response inlineData fileData fileUri mimeType data tools functionDeclarations parameters
    parametersJsonSchema toolConfig functionCallingConfig mode allowedFunctionNames generationConfig
    temperature topK responseSchema responseMimeType thinkingConfig thinkingBudget thinkingLevel
    stopSequences responseModalities systemInstruction labels candidates content finishReason index
    usageMetadata promptTokenCount groundingMetadata groundingChunks web groundingSupports segment
    startIndex endIndex partIndex groundingChunkIndices logprobsResult chosenCandidates topCandidates
    promptFeedback blockReason partialArgs jsonPath willContinue error code details type items anyOf
    promptTokensDetails createTime citationMetadata citations
"""
NAMES = st.sampled_from(_WORDS.split())
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=4),
    st.sampled_from(["user", "model", "ANY", "application/json", "STOP", "OBJECT", "$.a[0]", "gs://a/b"]),
)  # fmt: skip
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5), max_leaves=25
)
BODIES = st.dictionaries(NAMES, VALUES, max_size=6)


@settings(max_examples=300, deadline=None)
@given(BODIES, st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=3))
def test_no_request_raises_anything_else(body: dict[str, Any], parts: list[Any]) -> None:
    for candidate in (body, body | {"contents": [{"role": "user", "parts": parts}]}):
        try:
            request = GEMINI.decode_request(candidate)
        except Malformed:
            continue
        for facts in (TWO, THREE):
            GEMINI.encode_request(request, facts, Losses())
        CHAT.encode_request(request, OPENAI, Losses())


@settings(max_examples=300, deadline=None)
@given(BODIES, st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=3))
def test_no_answer_raises_anything_else(body: dict[str, Any], parts: list[Any]) -> None:
    whole = {"candidates": [{"content": {"parts": parts}} | body]}
    for candidate in (body, whole):
        try:
            answer = GEMINI.decode_answer(candidate)
        except Malformed:
            continue
        GEMINI.encode_answer(answer, Request("gemini"))
        answer.origin = "other"
        GEMINI.encode_answer(answer, Request("gemini"))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(BODIES, max_size=3), st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=3), st.integers(1, 30)
)
def test_no_stream_raises(values: list[Any], parts: list[Any], size: int) -> None:
    values = [*values, response(*parts)]
    for data in (sse(values), array(values)):
        encoder = GEMINI.stream_encoder(Request("gemini"))
        for event in read(data, size):
            encoder.encode(event)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.integers(400, 599))
def test_no_bytes_raise(data: bytes, status: int) -> None:
    read(data)
    read(b"[" + data)
    read(b"data: " + data)
    assert GEMINI.decode_fault(status, {"retry-after": "x"}, data).message
    ArrayReader().feed(data)
