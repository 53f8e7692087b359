"""Reranking and counting tokens for callers of every dialect, through a real gateway."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from providers.dialects import load
from providers.neutral import Json
from tests.live.fixtures import Start
from tests.live.instance import Gateway
from tests.live.trail import trail_of
from tests.live.upstreams import Received, Step, Upstream, http
from tests.live.wire import KEY, ask, request

DOCUMENTS = ["first", "second", "third"]
RANKED = [(2, 0.75), (0, 0.5)]
COUNT = 31
PROVIDERS: dict[str, Json] = {
    "jina": {"vendor": "jina"},
    "vllm": {"vendor": "vllm"},
    "voyage": {"vendor": "voyage"},
    "fireworks": {"vendor": "fireworks"},
    "openai": {"vendor": "openai"},
    "groq": {"vendor": "groq"},
    "cohere": {"dialect": "cohere"},
    "bedrock": {"dialect": "bedrock"},
    "anthropic": {"dialect": "anthropic"},
    "gemini": {"dialect": "gemini"},
    "ollama": {"dialect": "ollama"},
}
RERANKERS = ["jina", "vllm", "voyage", "fireworks", "cohere", "bedrock"]
COUNTERS = ["openai", "anthropic", "gemini", "bedrock"]
MODELS = {"bedrock": "cohere.rerank-v3-5:0"}


def provider(received: Received) -> list[Step]:
    """A provider that answers in its own form, and only what it understands."""
    _, name, path = received.target.split("/", 2)
    body = received.json()
    if "rerank" in received.target:
        return [http(json.dumps(ranking(name, path, body)))]
    return [http(json.dumps(counting(name, path, body)))]


def ranking(name: str, path: str, body: Json) -> Json:
    assert (body["query"], body["documents"]) == ("q", DOCUMENTS)
    assert body["top_k" if name == "voyage" else "top_n"] == 2
    found = [{"index": index, "relevance_score": score} for index, score in RANKED]
    if name == "bedrock":
        assert path == "model/cohere.rerank-v3-5%3A0/invoke"
        assert (body.get("api_version"), "model" in body) == (2, False)
        return {"results": found}
    assert path == ("v2/rerank" if name == "cohere" else "rerank")
    assert body["model"] == "m-rerank"
    if name in ("voyage", "fireworks"):
        return {"object": "list", "data": found, "model": "served", "usage": {"total_tokens": 9}}
    if name == "cohere":
        return {"id": "r-1", "results": found, "meta": {"billed_units": {"search_units": 1}}}
    return {"model": "served", "results": found, "usage": {"total_tokens": 9}}


def counting(name: str, path: str, body: Json) -> Json:
    if name == "anthropic":
        assert path == "v1/messages/count_tokens"
        assert "Be brief." in json.dumps(body["system"])
        assert (body["messages"][0]["role"], "max_tokens" in body) == ("user", False)
        return {"input_tokens": COUNT}
    if name == "openai":
        assert path == "responses/input_tokens"
        assert "max_output_tokens" not in body
        assert "Weather?" in json.dumps(body["input"])
        return {"object": "response.input_tokens", "input_tokens": COUNT}
    if name == "gemini":
        assert path == "v1beta/models/m-count:countTokens"
        inner = body.get("generateContentRequest", body)
        assert inner.get("model", "models/m-count") == "models/m-count"
        assert inner["contents"][0]["parts"][0]["text"] == "Weather?"
        return {"totalTokens": COUNT}
    assert path == "model/m-count/count-tokens"
    if "invokeModel" not in body["input"]:
        assert body["input"]["converse"]["messages"][0]["content"] == [{"text": "Weather?"}]
    return {"inputTokens": COUNT}


def configured(upstream: Upstream) -> Json:
    origin = upstream.url.removesuffix("/v1")
    return {
        "providers": {
            name: {
                "base_url": f"{origin}/{name}",
                "keys": [{"name": "k", "value": "sk-upstream-canary"}],
                "list_models": False,
                **entry,
            }
            for name, entry in PROVIDERS.items()
        },
        "virtual_keys": [{"name": "test", "value": KEY}],
        "model_lists": {"refresh": 0},
        "server": {"drain_timeout": "3s"},
    }


@pytest.fixture(scope="module")
def world(start_for_module: Start) -> Iterator[Gateway]:
    with Upstream(provider) as upstream:
        yield start_for_module(configured(upstream))


def post(port: int, path: str, body: Json) -> Any:
    return ask(port, request("POST", path, json.dumps(body).encode()))


@pytest.mark.parametrize("target", RERANKERS)
def test_every_reranker_is_read(world: Gateway, target: str) -> None:
    model = f"{target}/{MODELS.get(target, 'm-rerank')}"
    wanted = {"query": "q", "documents": DOCUMENTS, "top_n": 2}
    answer = post(world.port, "/v1/rerank", {"model": model, **wanted})
    assert answer.status == 200, answer.body
    told = json.loads(answer.body)
    assert [(one["index"], one["relevance_score"]) for one in told["results"]] == RANKED
    answer = post(world.port, "/cohere/v2/rerank", {"model": model, **wanted})
    assert [(one["index"], one["relevance_score"]) for one in json.loads(answer.body)["results"]] == RANKED
    answer = post(world.port, f"/bedrock/model/{quote(model, safe='')}/invoke", {**wanted, "api_version": 2})
    assert answer.status == 200, answer.body
    assert [(one["index"], one["relevance_score"]) for one in json.loads(answer.body)["results"]] == RANKED


def test_an_invoke_for_words_is_refused_where_there_are_none(world: Gateway) -> None:
    body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9, "anthropic_version": "bedrock-2023-05-31"}
    answer = post(world.port, "/bedrock/model/voyage%2Fm/invoke", body)
    assert answer.status == 400
    assert (
        "'voyage' does not offer invoke; it offers: embeddings, passthrough, rerank"
        in json.loads(answer.body)["message"]
    )


def test_documents_are_put_in_again(world: Gateway) -> None:
    body = {"model": "cohere/m-rerank", "query": "q", "documents": DOCUMENTS, "top_n": 2, "return_documents": True}
    told = json.loads(post(world.port, "/v1/rerank", body).body)
    assert [one["document"]["text"] for one in told["results"]] == ["third", "first"]
    assert told["meta"]["billed_units"] == {"search_units": 1}


def test_wrong_rankings_are_refused(world: Gateway) -> None:
    body = {"model": "cohere/m-rerank", "query": "q", "documents": [{"a": "b"}]}
    answer = post(world.port, "/v1/rerank", body)
    assert (answer.status, json.loads(answer.body)["error"]["param"]) == (400, "documents")
    answer = post(world.port, "/v1/rerank", {**body, "documents": DOCUMENTS, "top_n": 0})
    assert (answer.status, json.loads(answer.body)["error"]["param"]) == (400, "top_n")
    answer = post(world.port, "/cohere/v2/rerank", {"model": "gemini/m", "query": "q", "documents": DOCUMENTS})
    assert answer.status == 400
    assert "'gemini' does not offer rerank" in json.loads(answer.body)["message"]


CONVERSE = {"messages": [{"role": "user", "content": [{"text": "Weather?"}]}], "system": [{"text": "Be brief."}]}
CLAUDE = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 9,
    "system": "Be brief.",
    "messages": [{"role": "user", "content": "Weather?"}],
}


def count(port: int, caller: str, model: str) -> Any:
    if caller == "openai":
        body = {"model": model, "instructions": "Be brief.", "input": "Weather?"}
        return post(port, "/v1/responses/input_tokens", body)
    if caller == "anthropic":
        said: Json = {"model": model, "system": "Be brief.", "messages": [{"role": "user", "content": "Weather?"}]}
        return post(port, "/anthropic/v1/messages/count_tokens?beta=true", said)
    if caller == "gemini":
        inner: Json = {
            "contents": [{"role": "user", "parts": [{"text": "Weather?"}]}],
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
        }
        body = {"generateContentRequest": {"model": f"models/{model}", **inner}}
        return post(port, f"/genai/v1beta/models/{quote(model, safe='')}:countTokens", body)
    path = f"/bedrock/model/{quote(model, safe='')}/count-tokens"
    if caller == "bedrock":
        return post(port, path, {"input": {"converse": CONVERSE}})
    data = base64.b64encode(json.dumps(CLAUDE).encode()).decode()
    return post(port, path, {"input": {"invokeModel": {"body": data}}})


MEMBER = {
    "openai": "input_tokens",
    "anthropic": "input_tokens",
    "gemini": "totalTokens",
    "bedrock": "inputTokens",
    "invoke": "inputTokens",
}
DIALECTS = {"openai": "openai_responses", "invoke": "bedrock"}


@pytest.mark.parametrize("target", COUNTERS)
@pytest.mark.parametrize("caller", MEMBER)
def test_every_caller_gets_the_count_of_every_counter(world: Gateway, caller: str, target: str) -> None:
    answer = count(world.port, caller, f"{target}/m-count")
    assert answer.status == 200, answer.body
    told = json.loads(answer.body)
    assert told[MEMBER[caller]] == COUNT
    assert caller != "openai" or told["object"] == "response.input_tokens"


@pytest.mark.parametrize("target", ["ollama", "cohere", "groq", "jina"])
@pytest.mark.parametrize("caller", ["anthropic", "gemini", "bedrock"])
def test_nothing_is_guessed(world: Gateway, caller: str, target: str) -> None:
    answer = count(world.port, caller, f"{target}/m-count")
    assert answer.status == 400
    fault = load(DIALECTS.get(caller, caller)).decode_fault(400, dict(answer.fields), answer.body)
    assert f"'{target}' does not offer count_tokens; it offers: " in fault.message


def test_counting_uses_nothing(start_gateway: Start) -> None:
    with Upstream(provider) as upstream:
        gateway = start_gateway(configured(upstream))
        counted = [count(gateway.port, "anthropic", f"{target}/m-count") for target in COUNTERS]
        body = {"model": "voyage/m-rerank", "query": "q", "documents": DOCUMENTS, "top_n": 2}
        ranked = post(gateway.port, "/v1/rerank", body)
        unsaid = post(gateway.port, "/v1/rerank", {**body, "model": "cohere/m-rerank"})
        rows = trail_of(gateway)
        for answer in counted:
            row = rows[answer.header("x-microgate-request-id") or ""]
            assert (row.prompt_tokens, row.completion_tokens) == (0, 0)
        assert rows[ranked.header("x-microgate-request-id") or ""].prompt_tokens == 9
        assert rows[unsaid.header("x-microgate-request-id") or ""].completion_tokens == 0
