"""Forms of reranking and of counting tokens, with what was recorded of them."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from providers import forms
from providers.dialects.base import Facts
from providers.forms.rerank import Ranked, RerankAnswer, RerankRequest
from providers.neutral import Json, Losses, Malformed

CORPUS = os.environ.get("MICROGATE_CORPUS", "")
OF = {operation: [d for o, d in forms.FORMS if o == operation] for operation in forms.OPERATIONS}


def recorded(*ends: str) -> Iterator[tuple[str, Json, int, Any]]:
    for path in sorted(Path(CORPUS, "exchanges").glob("*.jsonl")):
        for line in path.read_text().splitlines():
            if not any(end in line for end in ends):
                continue
            row: Any = json.loads(line)
            where = row["path"].partition("?")[0]
            if where.endswith(ends) and isinstance(row["request_body"], dict):
                yield where, row["request_body"], row["status"], row["response_body"]


@pytest.mark.skipif(not CORPUS, reason="no recordings")
def test_recorded_rankings() -> None:
    seen = 0
    for where, body, status, answer in recorded("/rerank"):
        if status != 200:
            continue
        form = forms.load("rerank", "voyage" if "top_k" in body else "cohere")
        asked = form.decode_request(body, model="m", path="")
        losses = Losses()
        vendor = "voyage" if "top_k" in body else ""
        again = form.encode_request(asked, Facts(body["model"], vendor), losses)
        dropped = {name for name, value in body.items() if value not in (None, False)} - again.keys()
        assert dropped <= {"return_documents"}, where
        read = form.decode_answer(json.loads(answer), {})
        assert all(0 <= one.index < len(asked.documents) for one in read.results)
        for other in OF["rerank"]:
            written = forms.load("rerank", other)
            assert written.decode_answer(written.encode_answer(read, asked), {}).results == read.results
        seen += 1
    assert seen >= 3


@pytest.mark.skipif(not CORPUS, reason="no recordings")
def test_recorded_counts() -> None:
    kinds = {"count_tokens": "anthropic", "countTokens": "gemini", "count-tokens": "bedrock"}
    seen = 0
    for where, body, status, answer in recorded(*kinds):
        form = forms.load("count_tokens", next(name for end, name in kinds.items() if where.endswith(end)))
        asked = form.decode_request(body, model="m", path="")
        for other in OF["count_tokens"]:
            counter = forms.load("count_tokens", other)
            told = counter.encode_request(asked, Facts("m"), Losses())
            assert counter.decode_request(told, model="m", path="").request.messages
        if status == 200:
            assert form.decode_answer(json.loads(answer), {}).tokens > 0
        else:
            with pytest.raises(Malformed):
                form.decode_answer(json.loads(answer), {})
        seen += 1
    assert seen >= 8


@pytest.mark.parametrize("dialect", OF["rerank"])
@pytest.mark.parametrize(
    ("body", "member"),
    [
        ({"query": "q"}, "documents"),
        ({"query": "q", "documents": []}, "documents"),
        ({"query": "q", "documents": [1]}, "documents"),
        ({"query": "q", "documents": [{"text": "a", "title": "b"}]}, "documents"),
        ({"documents": ["a"]}, "query"),
        ({"query": "q", "documents": ["a"], "top_n": 1.5}, "top_n"),
        ({"query": "q", "documents": ["a"], "top_n": True}, "top_n"),
    ],
)
def test_wrong_rankings_name_the_member(dialect: str, body: Json, member: str) -> None:
    with pytest.raises(Malformed) as wrong:
        forms.load("rerank", dialect).decode_request(body, model="m", path="")
    assert wrong.value.member == member


@pytest.mark.parametrize("dialect", OF["rerank"])
def test_results_that_name_no_document_are_malformed(dialect: str) -> None:
    form = forms.load("rerank", dialect)
    for answer in ({}, {"results": [{}], "data": [{}]}, {"results": "x", "data": "x"}):
        with pytest.raises(Malformed):
            form.decode_answer(answer, {})
    with pytest.raises(Malformed, match="not sent"):
        form.encode_answer(RerankAnswer([Ranked(1, 0.5)]), RerankRequest("q", ["a"]))


@pytest.mark.parametrize("dialect", OF["count_tokens"])
def test_no_number_is_no_count(dialect: str) -> None:
    form = forms.load("count_tokens", dialect)
    for value in (None, "7", -1, True):
        with pytest.raises(Malformed):
            form.decode_answer({"input_tokens": value, "totalTokens": value, "inputTokens": value}, {})


@pytest.mark.parametrize(
    ("body", "member"),
    [
        ({}, "input"),
        ({"input": {}}, "input.invokeModel"),
        ({"input": {"invokeModel": {}}}, "input.invokeModel.body"),
        ({"input": {"invokeModel": {"body": "!"}}}, "input.invokeModel.body"),
        ({"input": {"invokeModel": {"body": base64.b64encode(b"[]").decode()}}}, "input.invokeModel.body"),
    ],
)
def test_wrong_counts_of_bedrock_name_the_member(body: Json, member: str) -> None:
    with pytest.raises(Malformed) as wrong:
        forms.load("count_tokens", "bedrock").decode_request(body, model="m", path="")
    assert wrong.value.member == member


def test_geminis_inner_model_is_the_targets() -> None:
    form = forms.load("count_tokens", "gemini")
    body: Json = {"generateContentRequest": {"model": "models/gemini/g", "contents": []}}
    changed, path = form.same(body, "", "/p", "g")
    assert (changed, path) == ({"generateContentRequest": {"model": "models/g", "contents": []}}, "/p")
    assert form.same({"contents": []}, "", "/p", "g") == (None, "/p")


def test_vertex_takes_the_members_themselves() -> None:
    form = forms.load("count_tokens", "gemini")
    asked = form.decode_request({"contents": [{"role": "user", "parts": [{"text": "a"}]}]}, model="m", path="")
    told = form.encode_request(asked, Facts("gemini-2.5-flash", "vertex"), Losses())
    assert told["contents"][0]["parts"] == [{"text": "a"}]
    assert form.encode_request(asked, Facts("g"), Losses())["generateContentRequest"]["model"] == "models/g"
