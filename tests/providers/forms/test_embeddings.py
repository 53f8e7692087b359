"""Forms of embeddings: what each dialect can say of a request, and what it can't."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from providers import forms
from providers.dialects.base import Facts
from providers.forms.embeddings import EmbedAnswer, EmbedRequest, packed, unpacked, vectors
from providers.neutral import Json, Losses, Malformed, Media, Policy, Text, Unsupported

NAMES = [dialect for operation, dialect in forms.FORMS if operation == "embeddings"]
PIXEL = "iVBORw0KGgo="
BATCH = "/genai/v1beta/models/*:batchEmbedContents"


def decoded(dialect: str, body: Json, *, model: str = "m", path: str = "") -> EmbedRequest:
    asked: EmbedRequest = forms.load("embeddings", dialect).decode_request(body, model=model, path=path)
    return asked


def encoded(
    dialect: str, asked: EmbedRequest, *, model: str = "m", vendor: str = "", policy: Policy = "drop"
) -> tuple[Json, list[str]]:
    losses = Losses(policy)
    body = forms.load("embeddings", dialect).encode_request(asked, Facts(model, vendor), losses)
    return body, losses.names


def answered(dialect: str, body: Json, headers: dict[str, str] | None = None) -> EmbedAnswer:
    answer: EmbedAnswer = forms.load("embeddings", dialect).decode_answer(body, headers or {})
    return answer


def test_purpose_and_size_have_a_name_in_each_dialect() -> None:
    asked = decoded(
        "cohere", {"texts": ["a", "b"], "input_type": "search_query", "output_dimension": 256, "truncate": "END"}
    )
    assert (asked.inputs, asked.purpose, asked.dimensions, asked.truncate) == (["a", "b"], "query", 256, "end")
    body, lost = encoded("gemini", asked)
    options = {"taskType": "RETRIEVAL_QUERY", "outputDimensionality": 256}
    assert body == {
        "requests": [{"model": "models/m", "content": {"parts": [{"text": text}]}, **options} for text in ("a", "b")]
    }
    assert lost == ["truncate"]
    body, lost = encoded("openai_chat", asked)
    assert body == {"model": "m", "input": ["a", "b"], "dimensions": 256}
    assert lost == ["input_type", "truncate"]
    body, lost = encoded("openai_chat", asked, vendor="voyage")
    assert body == {
        "model": "m", "input": ["a", "b"], "output_dimension": 256, "input_type": "query", "truncation": True
    }  # fmt: skip
    body, lost = encoded("openai_chat", asked, vendor="jina")
    assert body == {
        "model": "m", "input": ["a", "b"], "dimensions": 256, "task": "retrieval.query", "truncate": True
    }  # fmt: skip
    body, lost = encoded("ollama", asked)
    assert body == {"model": "m", "input": ["a", "b"], "dimensions": 256, "truncate": True}
    assert lost == ["input_type"]


def test_what_is_left_out_is_an_error_where_the_policy_says_so() -> None:
    asked = decoded("openai_chat", {"input": "a", "user": "u"})
    with pytest.raises(Unsupported) as refused:
        encoded("ollama", asked, policy="error")
    assert refused.value.member == "user"


def test_cohere_is_told_a_purpose_in_any_case() -> None:
    body, _ = encoded("cohere", decoded("openai_chat", {"input": ["a"]}))
    assert body == {"model": "m", "texts": ["a"], "input_type": "search_document", "embedding_types": ["float"]}


def test_images() -> None:
    asked = decoded("gemini", {"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": PIXEL}}]}})
    assert asked.inputs == [[Media("image", "image/png", data=PIXEL)]]
    body, _ = encoded("cohere", asked)
    assert (body["images"], body["input_type"]) == ([f"data:image/png;base64,{PIXEL}"], "image")
    again = decoded("cohere", body)
    assert again.inputs == asked.inputs
    body, _ = encoded("bedrock_invoke", asked, model="amazon.titan-embed-image-v1")
    assert body == {"inputImage": PIXEL}
    body, _ = encoded("openai_chat", asked, vendor="jina")
    assert body["input"] == [{"image": PIXEL}]
    mixed = EmbedRequest([[Text("a"), Media("image", "image/png", data=PIXEL)]])
    body, _ = encoded("cohere", mixed)
    assert [part["type"] for part in body["inputs"][0]["content"]] == ["text", "image_url"]
    assert decoded("cohere", body).inputs == mixed.inputs
    for dialect in ("openai_chat", "ollama"):
        with pytest.raises(Malformed, match="texts alone"):
            encoded(dialect, asked)
    linked = decoded("cohere", {"images": ["https://example.org/a.png"], "input_type": "image"})
    with pytest.raises(Malformed, match="data only"):
        encoded("bedrock_invoke", linked, model="amazon.titan-embed-image-v1")


def test_tokens_reach_only_those_who_take_them() -> None:
    one = decoded("openai_chat", {"input": [1, 2, 3]})
    assert (one.inputs, one.single) == ([[1, 2, 3]], True)
    several = decoded("openai_chat", {"input": [[1, 2], [3]]})
    assert encoded("openai_chat", several)[0]["input"] == [[1, 2], [3]]
    for dialect in ("gemini", "cohere", "ollama"):
        with pytest.raises(Malformed, match="not tokens"):
            encoded(dialect, several)


@pytest.mark.parametrize(
    ("dialect", "body", "member"),
    [
        ("openai_chat", {}, "input"),
        ("openai_chat", {"input": []}, "input"),
        ("openai_chat", {"input": ["a", 1]}, "input"),
        ("openai_chat", {"input": [1, "a"]}, "input"),
        ("openai_chat", {"input": [[1, "a"]]}, "input"),
        ("openai_chat", {"input": "a", "dimensions": 0}, "dimensions"),
        ("openai_chat", {"input": "a", "dimensions": "9"}, "dimensions"),
        ("openai_chat", {"input": "a", "encoding_format": "hex"}, "encoding_format"),
        ("openai_chat", {"input": "a", "input_type": "poem"}, "input_type"),
        ("gemini", {"content": {"parts": []}}, "content.parts"),
        ("gemini", {"content": {"parts": [{"functionCall": {}}]}}, "content.parts"),
        ("gemini", {}, "content"),
        ("gemini", {"content": {"parts": [{"text": "a"}]}, "taskType": "POEM"}, "taskType"),
        ("cohere", {"input_type": "search_query"}, "texts"),
        ("cohere", {"texts": ["a"], "input_type": "poem"}, "input_type"),
        ("cohere", {"texts": ["a"], "embedding_types": ["hex"]}, "embedding_types"),
        ("cohere", {"texts": ["a"], "truncate": "MIDDLE"}, "truncate"),
        ("cohere", {"inputs": [{"content": [{"type": "sound"}]}]}, "inputs.content"),
        ("bedrock_invoke", {"inputText": "", "dimensions": 9}, "inputText"),
        ("bedrock_invoke", {"singleEmbeddingParams": {"image": {}}}, "singleEmbeddingParams"),
        ("ollama", {"input": [1]}, "input"),
        ("ollama", {"input": []}, "input"),
    ],
)
def test_wrong_requests_name_the_member(dialect: str, body: Json, member: str) -> None:
    with pytest.raises(Malformed) as wrong:
        decoded(dialect, body)
    assert wrong.value.member == member


@pytest.mark.parametrize("dialect", NAMES)
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": []},
        {"embeddings": []},
        {"embeddings": {}},
        {"data": [{"embedding": []}], "embeddings": [[]]},
        {"data": [{"embedding": ["a"]}], "embeddings": [["a"]]},
        {"data": [{"embedding": None}], "embeddings": [None], "embedding": None},
        {"data": "x", "embeddings": "x"},
        {"embeddings": {"base64": [[1.0]], "float": ["AAAA"]}},
    ],
)
def test_answers_without_vectors_are_malformed(dialect: str, body: Json) -> None:
    with pytest.raises(Malformed):
        answered(dialect, body)


def test_requests_of_a_batch_that_differ_are_geminis_alone() -> None:
    first = {"content": {"parts": [{"text": "a"}]}, "taskType": "CLUSTERING"}
    other = {"content": {"parts": [{"text": "b"}]}, "taskType": "CLASSIFICATION"}
    with pytest.raises(Malformed, match="differ"):
        decoded("gemini", {"requests": [first, other]}, path=BATCH)
    assert decoded("gemini", {"requests": [first, first]}, path=BATCH).purpose == "clustering"


def test_geminis_batch_names_the_model_in_each_request() -> None:
    form = forms.load("embeddings", "gemini")
    target = "/v1beta/models/{model}:embedContent"
    body: Json = {"requests": [{"model": "models/gemini/g", "content": 1}, {"content": 2}]}
    changed, path = form.same(body, BATCH, target, "g")
    assert changed == {"requests": [{"model": "models/g", "content": 1}, {"model": "models/g", "content": 2}]}
    assert path == "/v1beta/models/{model}:batchEmbedContents"
    assert form.same(changed, BATCH, target, "g")[0] is None
    assert form.same({"content": 1}, "/genai/v1/models/*:embedContent", target, "g") == (None, target)


def test_encodings_are_made_of_each_other_without_loss() -> None:
    vector = [0.25, -1.5, 3.0]
    assert unpacked(packed(vector)) == vector
    assert vectors(EmbedAnswer({"base64": [packed(vector)]}), "float") == [vector]
    assert vectors(EmbedAnswer({"float": [vector]}), "base64") == [packed(vector)]
    with pytest.raises(Malformed):
        vectors(EmbedAnswer({"float": [vector]}), "int8")
    with pytest.raises(Malformed):
        unpacked("!")


def test_several_encodings_reach_cohere_and_come_back() -> None:
    body = {"texts": ["a"], "input_type": "search_query", "embedding_types": ["float", "int8", "base64"]}
    asked = decoded("cohere", body)
    assert encoded("cohere", asked)[0]["embedding_types"] == ["float", "int8", "base64"]
    on_bedrock, _ = encoded("bedrock_invoke", asked, model="cohere.embed-v4:0")
    assert on_bedrock["embedding_types"] == ["float", "int8"]
    answer = answered(
        "bedrock_invoke", {"embeddings": {"float": [[1.0]], "int8": [[7]]}}, {"x-amzn-bedrock-input-token-count": "4"}
    )
    told = forms.load("embeddings", "cohere").encode_answer(answer, asked)
    assert told["embeddings"] == {"float": [[1.0]], "int8": [[7]], "base64": [packed([1.0])]}
    assert told["meta"]["billed_units"] == {"input_tokens": 4}


def test_titan_and_nova() -> None:
    asked = decoded("openai_chat", {"input": "a", "dimensions": 256})
    assert encoded("bedrock_invoke", asked, model="amazon.titan-embed-text-v2:0")[0] == {
        "inputText": "a",
        "dimensions": 256,
    }
    assert encoded("bedrock_invoke", asked, model="amazon.titan-embed-text-v1") == ({"inputText": "a"}, ["dimensions"])
    body, _ = encoded("bedrock_invoke", asked, model="amazon.nova-2-multimodal-embeddings-v1:0")
    assert decoded("bedrock_invoke", body).dimensions == 256
    with pytest.raises(Malformed, match="known here"):
        encoded("bedrock_invoke", asked, model="meta.llama3")
    binary = decoded("bedrock_invoke", {"inputText": "a", "embeddingTypes": ["float", "binary"]})
    told = forms.load("embeddings", "bedrock_invoke").encode_answer(
        EmbedAnswer({"float": [[1.0]], "binary": [[0, 1]]}, input_tokens=3), binary
    )
    assert told == {
        "embedding": [1.0], "embeddingsByType": {"float": [1.0], "binary": [0, 1]}, "inputTextTokenCount": 3
    }  # fmt: skip


def recorded() -> list[tuple[str, str, Json, Json, dict[str, str]]]:
    """(dialect, model, request, answer, header fields) of every recorded exchange of embeddings that went well."""
    found = []
    kinds = {"/embeddings": "openai_chat", "EmbedContents": "gemini", "embedContent": "gemini", "/v2/embed": "cohere"}
    for path in sorted(Path(os.environ["MICROGATE_CORPUS"], "exchanges").glob("*.jsonl")):
        for line in path.read_text().splitlines():
            if "mbed" not in line:
                continue
            row: Any = json.loads(line)
            where = row["path"]
            dialect = next((name for end, name in kinds.items() if where.endswith(end)), "")
            body = row["request_body"]
            if "/model/" in where and where.endswith("/invoke") and isinstance(body, dict):
                said = body.keys() & {"texts", "inputText", "singleEmbeddingParams"}
                dialect = "bedrock_invoke" if said and "embed" in where else ""
            if dialect and row["status"] == 200 and "/api/embeddings" not in where:
                model = str(body.get("model") or where.split("/model/")[-1].split("/")[0]).replace("%3A", ":")
                found.append((dialect, model, body, json.loads(row["response_body"]), row["response_headers"]))
    return found


@pytest.mark.skipif("MICROGATE_CORPUS" not in os.environ, reason="no recordings")
def test_recorded_exchanges_are_read_and_written_again() -> None:
    rows = recorded()
    assert len(rows) > 40
    for dialect, model, body, answer, headers in rows:
        path = BATCH if "requests" in body else ""
        asked = decoded(dialect, body, model=model, path=path)
        again, lost = encoded(
            dialect, asked, model=model.removeprefix("models/"), vendor="voyage" if "voyage" in model else ""
        )
        assert not lost
        twice = decoded(dialect, again, model=model, path=path)
        twice.encodings = asked.encodings  # float is what all mean who say none
        assert twice == asked
        if model.startswith("pplx"):
            with pytest.raises(Malformed, match="int8"):  # in base64, which is float32 everywhere else
                encoded(dialect, asked, model=model, vendor="perplexity")
            continue
        read = answered(dialect, answer, headers)
        assert all(len(found) == len(asked.inputs) for found in read.vectors.values())
        form = forms.load("embeddings", dialect)
        assert vectors(answered(dialect, form.encode_answer(read, asked)), "float") == vectors(read, "float")
        for other in NAMES:
            if other in ("openai_chat", "cohere"):
                told = forms.load("embeddings", other).encode_answer(read, EmbedRequest(asked.inputs))
                assert vectors(answered(other, told), "float") == vectors(read, "float")
