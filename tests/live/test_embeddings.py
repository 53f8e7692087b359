"""Embeddings for callers of every dialect from providers of every dialect, through a real gateway."""

from __future__ import annotations

import base64
import json
import struct
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

VECTORS = [[0.25, -0.5, 1.0], [0.0, 2.0, -4.0]]
TEXTS = ["Mérida", "a second text"]
TOKENS = 7
DIALECTS = {
    "openai": "openai_chat",
    "gemini": "gemini",
    "cohere": "cohere",
    "ollama": "ollama",
    "bedrock": "bedrock",
}
"""Provider -> its dialect."""
MODELS = {"bedrock": "cohere.embed-v4:0"}


def provider(received: Received) -> list[Step]:
    """One that answers in its dialect, as its documentation has it."""
    if "limited" in received.target or b"limited" in received.body:
        name = received.target.split("/")[1]
        fault = load(DIALECTS[name]).decode_fault(429, {}, b'{"message": "Slow down."}')
        error = load(DIALECTS[name]).encode_fault(fault)
        return [http(error.body, error.status)]
    return [http(json.dumps(answer_of(received)), fields=[f"x-amzn-bedrock-input-token-count: {TOKENS}"])]


def answer_of(received: Received) -> Json:
    name = received.target.split("/")[1]
    body = received.json()
    if name == "openai":
        assert received.target == "/openai/embeddings"
        found: list[Any] = VECTORS[: len(listed(body["input"]))]
        if body.get("encoding_format") == "base64":
            found = [in_base64(vector) for vector in found]
        data = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(found)]
        usage = {"prompt_tokens": TOKENS, "total_tokens": TOKENS}
        return {"object": "list", "data": data, "model": "served", "usage": usage}
    if name == "gemini":
        usage = {"promptTokenCount": TOKENS}
        if received.target.endswith("/models/the-model:embedContent"):
            assert body["model"] == "models/the-model"
            return {"embedding": {"values": VECTORS[0]}, "usageMetadata": usage}
        assert received.target.endswith("/models/the-model:batchEmbedContents")
        assert {item["model"] for item in body["requests"]} == {"models/the-model"}
        found = [{"values": vector} for vector in VECTORS[: len(body["requests"])]]
        return {"embeddings": found, "usageMetadata": usage}
    if name == "cohere":
        assert received.target == "/cohere/v2/embed"
        assert body["input_type"] == "search_document"
        named: Json = {kind: VECTORS[: len(body["texts"])] for kind in body.get("embedding_types", ["float"])}
        if "base64" in named:
            named["base64"] = [in_base64(vector) for vector in named["base64"]]
        meta = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": TOKENS}}
        return {"id": "e-1", "embeddings": named, "texts": body["texts"], "meta": meta}
    if name == "bedrock":
        assert "model" not in body
        if "titan" in received.target:
            return {"embedding": VECTORS[0], "inputTextTokenCount": TOKENS}
        assert received.target == "/bedrock/model/cohere.embed-v4%3A0/invoke"
        return {
            "id": "b-1",
            "embeddings": {"float": VECTORS[: len(body["texts"])]},
            "response_type": "embeddings_by_type",
        }
    assert received.target == "/ollama/api/embed"
    return {"model": "served", "embeddings": VECTORS[: len(listed(body["input"]))], "prompt_eval_count": TOKENS}


def in_base64(vector: list[float]) -> str:
    return base64.b64encode(struct.pack("<3f", *vector)).decode()


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def configured(upstream: Upstream) -> Json:
    origin = upstream.url.removesuffix("/v1")
    return {
        "providers": {
            name: {
                "dialect": dialect,
                "vendor": "custom",
                "base_url": f"{origin}/{name}",
                "keys": [{"name": "k", "value": "sk-upstream-canary"}],
                "list_models": False,
            }
            for name, dialect in DIALECTS.items()
        }
        | {"talker": {"dialect": "anthropic", "vendor": "custom", "base_url": f"{origin}/openai"}},
        "virtual_keys": [{"name": "test", "value": KEY}],
        "model_lists": {"refresh": 0},
        "server": {"drain_timeout": "3s"},
    }


@pytest.fixture(scope="module")
def world(start_for_module: Start) -> Iterator[Gateway]:
    with Upstream(provider) as upstream:
        yield start_for_module(configured(upstream))


def model_of(target: str) -> str:
    return f"{target}/{MODELS.get(target, 'the-model')}"


def asking(caller: str, model: str, texts: list[str]) -> bytes:
    """Several texts at once, in the caller's dialect."""
    body: Json
    path = {
        "openai": "/v1/embeddings",
        "gemini": f"/genai/v1beta/models/{quote(model, safe='')}:batchEmbedContents",
        "cohere": "/cohere/v2/embed",
        "bedrock": f"/bedrock/model/{quote(model, safe='')}/invoke",
    }[caller]
    if caller == "openai":
        body = {"model": model, "input": texts}
    elif caller == "gemini":
        body = {"requests": [{"model": f"models/{model}", "content": {"parts": [{"text": text}]}} for text in texts]}
    elif caller == "cohere":
        body = {"model": model, "texts": texts, "input_type": "search_document", "embedding_types": ["float"]}
    else:
        body = {"texts": texts, "input_type": "search_document", "embedding_types": ["float"]}
    return request("POST", path, json.dumps(body).encode())


def vectors_in(caller: str, body: Json) -> list[Any]:
    if caller == "openai":
        assert [item["index"] for item in body["data"]] == list(range(len(body["data"])))
        return [item["embedding"] for item in body["data"]]
    if caller == "gemini":
        return [item["values"] for item in body["embeddings"]]
    found: list[Any] = body["embeddings"]["float"]
    return found


CALLERS = ["openai", "gemini", "cohere", "bedrock"]


@pytest.mark.parametrize("target", DIALECTS)
@pytest.mark.parametrize("caller", CALLERS)
def test_every_caller_gets_the_vectors_of_every_provider(world: Gateway, caller: str, target: str) -> None:
    answer = ask(world.port, asking(caller, model_of(target), TEXTS))
    assert answer.status == 200, answer.body
    assert vectors_in(caller, json.loads(answer.body)) == VECTORS


@pytest.mark.parametrize("target", DIALECTS)
@pytest.mark.parametrize("caller", CALLERS)
def test_errors_arrive_in_the_callers_dialect(world: Gateway, caller: str, target: str) -> None:
    answer = ask(world.port, asking(caller, f"{target}/cohere.limited", TEXTS))
    assert answer.status == 429
    fault = load(DIALECTS[caller]).decode_fault(429, dict(answer.fields), answer.body)
    assert fault.kind == "rate_limit"


@pytest.mark.parametrize("target", DIALECTS)
def test_base64_is_made_where_it_is_not_offered(world: Gateway, target: str) -> None:
    body = {"model": model_of(target), "input": TEXTS[0], "encoding_format": "base64"}
    answer = ask(world.port, request("POST", "/v1/embeddings", json.dumps(body).encode()))
    assert answer.status == 200, answer.body
    (item,) = json.loads(answer.body)["data"]
    assert list(struct.unpack("<3f", base64.b64decode(item["embedding"]))) == VECTORS[0]


def test_one_text_of_geminis_own_way(world: Gateway) -> None:
    for target in DIALECTS:
        path = f"/genai/v1/models/{quote(model_of(target), safe='')}:embedContent"
        body = {"content": {"parts": [{"text": TEXTS[0]}]}, "model": f"models/{model_of(target)}"}
        answer = ask(world.port, request("POST", path, json.dumps(body).encode()))
        assert answer.status == 200, answer.body
        assert json.loads(answer.body)["embedding"]["values"] == VECTORS[0]


def test_a_model_that_takes_one_text_refuses_two(world: Gateway) -> None:
    model = "bedrock/amazon.titan-embed-text-v2:0"
    assert ask(world.port, asking("openai", model, TEXTS[:1])).status == 200
    refused = ask(world.port, asking("openai", model, TEXTS))
    error = json.loads(refused.body)["error"]
    assert (refused.status, error["param"]) == (400, "input")
    assert "one input a request" in error["message"]


def test_titans_form_reaches_other_providers(world: Gateway) -> None:
    path = f"/bedrock/model/{quote('openai/text-embedding-3-small', safe='')}/invoke"
    answer = ask(world.port, request("POST", path, json.dumps({"inputText": TEXTS[0], "dimensions": 3}).encode()))
    assert answer.status == 200, answer.body
    assert json.loads(answer.body) == {"embedding": VECTORS[0], "inputTextTokenCount": TOKENS}


@pytest.mark.parametrize("caller", CALLERS)
def test_a_provider_without_embeddings_is_named(world: Gateway, caller: str) -> None:
    answer = ask(world.port, asking(caller, "talker/m", TEXTS))
    assert answer.status == 400
    fault = load(DIALECTS[caller]).decode_fault(400, dict(answer.fields), answer.body)
    assert "'talker' does not offer embeddings" in fault.message


def test_what_a_provider_can_not_do_is_told_before_it_is_asked(world: Gateway) -> None:
    body = {"model": "ollama/the-model", "texts": TEXTS, "input_type": "clustering", "embedding_types": ["int8"]}
    answer = ask(world.port, request("POST", "/cohere/v2/embed", json.dumps(body).encode()))
    assert answer.status == 400
    assert "'int8' can't be had" in json.loads(answer.body)["message"]
    tokens = {"model": "cohere/the-model", "input": [[1, 2, 3]]}
    answer = ask(world.port, request("POST", "/v1/embeddings", json.dumps(tokens).encode()))
    assert answer.status == 400
    assert "not tokens" in json.loads(answer.body)["error"]["message"]


def test_the_books_know_the_tokens(start_gateway: Start) -> None:
    with Upstream(provider) as upstream:
        gateway = start_gateway(configured(upstream))
        answers = [ask(gateway.port, asking("gemini", model_of(target), TEXTS)) for target in DIALECTS]
        body = {"model": "gemini/the-model", "input": TEXTS, "user": "u-1", "encoding_format": "float"}
        dropped = ask(gateway.port, request("POST", "/v1/embeddings", json.dumps(body).encode()))
        rows = trail_of(gateway)
        told = [rows[answer.header("x-microgate-request-id") or ""].prompt_tokens for answer in answers]
        assert told == [TOKENS] * len(DIALECTS)
        assert rows[dropped.header("x-microgate-request-id") or ""].dropped == "user"
