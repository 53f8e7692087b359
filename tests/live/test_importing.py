"""What `microgate import` makes of other gateways' configurations serves every model that they name.

Providers are led to an upstream of the test, with a plain key: how they sign is tested elsewhere.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from gateway.cli.importing.command import run
from tests.live.fixtures import Start
from tests.live.upstreams import CHAT, Received, Step, Upstream, http
from tests.live.wire import KEY, ask, request
from tests.waiting import wait_for

CONFIGS = Path(os.environ.get("MICROGATE_CORPUS") or Path(__file__).resolve().parents[3] / "shared" / "data", "configs")
OURS: dict[str, tuple[str, dict[str, Any]]] = {
    "litellm": (
        "yaml",
        {
            "model_list": [
                {"model_name": "plain", "litellm_params": {"model": "gpt-4o", "api_key": "os.environ/K"}},
                {
                    "model_name": "azure-model",
                    "litellm_params": {"model": "azure/d", "api_base": "https://x.openai.azure.com"},
                },
                {"model_name": "claude", "litellm_params": {"model": "anthropic/claude-haiku-4-5"}},
                {
                    "model_name": "on-aws",
                    "litellm_params": {"model": "bedrock/anthropic.claude", "aws_region_name": "us-east-1"},
                },
                {
                    "model_name": "on-gcp",
                    "litellm_params": {"model": "vertex_ai/gemini-2.5-pro", "vertex_project": "p"},
                },
                {"model_name": "at-home", "litellm_params": {"model": "ollama/llama3"}},
                {"model_name": "mine/*", "litellm_params": {"model": "groq/*"}},
                {"model_name": "*", "litellm_params": {"model": "openai/*", "api_key": "os.environ/K"}},
            ],
            "router_settings": {"model_group_alias": {"alias": "plain"}, "num_retries": 1},
            "general_settings": {"master_key": KEY},
        },
    ),
    "bifrost": (
        "json",
        {
            "providers": {
                "openai": {"keys": [{"name": "a", "value": "env.K", "models": ["gpt-4o"], "weight": 1}]},
                "gemini": {"keys": [{"name": "a", "value": "env.K", "models": ["gemini-2.5-pro"], "weight": 1}]},
            },
            "governance": {
                "virtual_keys": [
                    {
                        "id": "v",
                        "name": "v",
                        "value": KEY,
                        "provider_configs": [
                            {"provider": name, "allowed_models": ["*"], "key_ids": ["*"]}
                            for name in ("openai", "gemini")
                        ],
                    }
                ]
            },
        },
    ),
}
"""Product -> (suffix, document)."""

_ANSWERS = (
    (
        b"/v1/messages",
        {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [{"type": "text", "text": "hello"}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 1, "output_tokens": 1},
        },
    ),
    (
        b"/converse",
        {
            "output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
        },
    ),
    (
        b":generateContent",
        {
            "candidates": [{"content": {"role": "model", "parts": [{"text": "hello"}]}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2},
        },
    ),
    (
        b"/api/chat",
        {"model": "m", "message": {"role": "assistant", "content": "hello"}, "done": True, "done_reason": "stop"},
    ),
)


def in_its_dialect(received: Received) -> list[Step]:
    for path, body in _ANSWERS:
        if path in received.target.encode():
            return [http(json.dumps(body))]
    return [http(CHAT)]


def sources(folder: Path) -> Iterator[tuple[str, Path]]:
    for product, (suffix, document) in OURS.items():
        file = folder / f"{product}-ours.{suffix}"
        file.write_text(yaml.safe_dump(document) if suffix == "yaml" else json.dumps(document))
        yield product, file
    for file in sorted(CONFIGS.glob("*-*")):
        yield file.name.partition("-")[0], file


def names(product: str, file: Path) -> list[str]:
    """Models that callers of the other gateway ask for; of a star one that it stands for."""
    document = yaml.safe_load(file.read_text())
    if product == "litellm":
        found = [entry["model_name"] for entry in document["model_list"]]
        found += document.get("router_settings", {}).get("model_group_alias", {})
        lost = {
            entry["model_name"]
            for entry in document["model_list"]
            if entry["litellm_params"]["model"].startswith("mistralai/")
        }
        return ["gpt-4o" if name == "*" else name.replace("*", "some-model") for name in found if name not in lost]
    found = []
    for name, provider in document.get("providers", {}).items():
        for key in provider["keys"]:
            models = key["models"] or ["*"]
            found += [f"{name}/{'some-model' if model == '*' else model}" for model in models]
    return list(dict.fromkeys(found))


def led_to(upstream: str, made: dict[str, Any]) -> dict[str, Any]:
    """The same configuration with every provider at ``upstream``, and a virtual key that may ask for everything."""
    for provider in made.get("providers", {}).values():
        for field in ("address", "query"):
            provider.pop(field, None)
        provider["base_url"] = upstream
        provider["list_models"] = False
        for key in provider.get("keys", []):
            key.pop("credential", None)
            key["value"] = "sk-of-the-test"
    made["virtual_keys"] = [{"name": "test", "value": KEY}]
    made.pop("cache", None)
    return made


def is_served(port: int, model: str) -> bool:
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hi"}]}).encode()
    return ask(port, request(body=body)).status == 200


def test_every_imported_model_is_served(tmp_path: Path, upstream: Upstream, start_gateway: Start) -> None:
    upstream.script = in_its_dialect
    gateway = None
    asked = 0
    for product, file in sources(tmp_path):
        output = tmp_path / "made.yaml"
        wanted = names(product, file)
        if not wanted:
            continue
        assert run(product, str(file), str(output), "json", "", io.StringIO(), {}) in (0, 2), file.name
        config = led_to(upstream.url, yaml.safe_load(output.read_text()))
        config["routes"] = {**config.get("routes", {}), f"mark-{file.stem}": {"targets": ["mark/m"]}}
        config["providers"] = {
            **config.get("providers", {}),
            "mark": {"dialect": "openai_chat", "base_url": upstream.url},
        }
        if gateway is None:
            gateway = start_gateway(config)
        else:
            gateway.configure(config)
        port = gateway.port
        wait_for(partial(is_served, port, f"mark-{file.stem}"), "the next configuration")
        for name in wanted:
            assert is_served(port, name), (file.name, name, gateway.stderr()[-2000:])
            asked += 1
    assert asked >= 11
