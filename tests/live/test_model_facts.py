"""/v1/models tells sizes, capabilities and prices of models that are known, and openai's client reads it."""

from __future__ import annotations

import json
from typing import Any

import openai

from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.upstreams import Received, Step, Upstream, http, ordinary
from tests.live.wire import KEY, request
from tests.live.wire import ask as ask_once
from tests.waiting import wait_for


def script(received: Received) -> list[Step]:
    if received.method != "GET":
        return ordinary(received)
    names = ["gpt-4o-2024-08-06", "ft:gpt-4o-mini-2024-07-18:acme::x", "never-heard-of"]
    listed = [*({"id": name} for name in names), {"id": "local", "max_model_len": 4096}]
    return [http(json.dumps({"object": "list", "data": listed}))]


def models(gateway: Gateway, key: str = KEY) -> dict[str, dict[str, Any]]:
    answer = ask_once(gateway.port, request("GET", "/v1/models", None, key))
    assert answer.status == 200
    return {model["id"]: model for model in json.loads(answer.body)["data"]}


def test_facts_of_every_kind_of_name(start_gateway: Start) -> None:
    plain = {"id", "object", "created", "owned_by"}
    with Upstream(script) as upstream:
        providers = {
            "openai": {
                "vendor": "openai",
                "base_url": upstream.url,
                "keys": [{"name": "k", "value": "sk-canary"}],
                "models": ["text-embedding-3-small"],
                "aliases": {"cheap": "gpt-4o-mini"},
            },
            "mine": {"dialect": "openai_chat", "base_url": upstream.url, "models": ["gpt-4o"], "list_models": True},
        }
        routes = {"fast": {"targets": ["openai/gpt-4.1-mini", "mine/gpt-4o"]}}
        few = {"name": "few", "value": "sk-few-0123456789abcdef", "providers": ["mine"], "models": ["fast"]}
        config = configuration("", providers=providers, routes=routes, model_lists={"refresh": "1h"})
        config["virtual_keys"].append(few)
        gateway = start_gateway(config, workers=2)
        assert models(gateway)["fast"]["context_length"] == 1_000_000
        both = {"openai/never-heard-of", "mine/never-heard-of"}
        wait_for(lambda: both <= models(gateway).keys(), "the providers' lists")
        gateway.wait_for_workers()
        found = models(gateway)
        whole = found["openai/gpt-4o-2024-08-06"]
        assert whole["context_length"] == 128_000
        assert whole["top_provider"]["max_completion_tokens"] == 16_384
        assert whole["pricing"]["prompt"] == "0.0000025"
        assert "tools" in whole["supported_parameters"]
        assert "image" in whole["architecture"]["input_modalities"]
        assert found["openai/cheap"]["pricing"]["completion"] == "0.0000006"
        assert found["openai/text-embedding-3-small"]["architecture"]["output_modalities"] == ["embeddings"]
        tuned = found["openai/ft:gpt-4o-mini-2024-07-18:acme::x"]
        assert tuned["context_length"] == 128_000
        assert "pricing" not in tuned
        # Of a server of one's own is known what it says itself, whatever its models are called.
        assert found["mine/local"].keys() == {*plain, "context_length"}
        assert found["mine/local"]["context_length"] == 4096
        assert found["openai/never-heard-of"].keys() == found["mine/gpt-4o"].keys() == plain
        # A route is what its first target is, for those who may use that.
        assert found["fast"]["pricing"]["prompt"] == "0.0000004"
        assert models(gateway, "sk-few-0123456789abcdef")["fast"].keys() == plain
        one = ask_once(gateway.port, request("GET", "/v1/models/openai%2Fgpt-4o-2024-08-06", None))
        assert json.loads(one.body) == whole
        # It is not forgotten when the configuration changes.
        config["routes"]["slow"] = {"targets": ["mine/local"]}
        gateway.configure(config)
        wait_for(lambda: "slow" in models(gateway), "the new route")
        gateway.wait_for_workers()
        found = models(gateway)
        assert found["slow"]["context_length"] == found["mine/local"]["context_length"] == 4096
        with openai.OpenAI(base_url=f"{gateway.base_url}/v1", api_key=KEY, max_retries=0) as sdk:
            listed = {model.id: model for model in sdk.models.list()}
            assert listed.keys() == found.keys()
            assert (listed["fast"].object, listed["fast"].owned_by) == ("model", "microgate")
            assert (listed["fast"].model_extra or {})["context_length"] == 1_000_000
            assert sdk.models.retrieve("openai/cheap").id == "openai/cheap"
