"""OpenAI's and Anthropic's own SDKs: a conversation's turns reach the key whose account knows their beginning."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.live.fixtures import Start
from tests.live.instance import Gateway
from tests.live.upstreams import Received, Upstream
from tests.live.wire import KEY
from tests.sdks.world import SAID, SCHEMA, provider

KEYS = 6
SYSTEM = random.Random(5).randbytes(3000).hex()


@pytest.fixture
def seen() -> Iterator[Upstream]:
    with Upstream(provider) as upstream:
        yield upstream


def start(start_gateway: Start, upstream: Upstream) -> Gateway:
    keys = [{"name": f"k{number}", "value": f"sk-{number}-canary"} for number in range(KEYS)]
    return start_gateway(
        {
            "providers": {
                name: {
                    "dialect": dialect,
                    "vendor": "custom",
                    "base_url": upstream.url.removesuffix("/v1") + f"/{dialect}",
                    "keys": keys,
                    "prompt_cache_affinity": {"spill": 100},
                    **({"operations": ["chat"]} if dialect == "openai_chat" else {}),
                }
                for name, dialect in (("chat", "openai_chat"), ("claude", "anthropic"))
            },
            "virtual_keys": [{"name": "test", "value": KEY}],
            "model_lists": {"refresh": 0},
            "server": {"drain_timeout": "3s"},
        }
    )


def key_of(received: Received) -> str:
    return received.header("x-api-key") or received.header("authorization") or ""


def keys(upstream: Upstream) -> list[str]:
    return [key_of(received).removeprefix("Bearer ") for received in upstream.requests]


@pytest.mark.parametrize("model", ["chat/the-model", "claude/the-model"])
def test_openai(start_gateway: Start, seen: Upstream, model: str) -> None:
    gateway = start(start_gateway, seen)
    with openai.OpenAI(base_url=f"{gateway.base_url}/v1", api_key=KEY, max_retries=0) as sdk:
        turns: list[Any] = [{"role": "system", "content": SYSTEM}]
        for number in range(5):
            turns.append({"role": "user", "content": f"Question {number}"})
            answer = sdk.chat.completions.create(model=model, messages=turns)
            said = answer.choices[0].message.content
            assert said == SAID
            turns.append({"role": "assistant", "content": said})
        with sdk.chat.completions.stream(model=model, messages=turns) as stream:
            assert stream.get_final_completion().choices[0].message.content == SAID
    assert len(seen.requests) == 6
    assert len(set(keys(seen))) == 1


@pytest.mark.parametrize("model", ["claude/the-model", "chat/the-model"])
def test_anthropic(start_gateway: Start, seen: Upstream, model: str) -> None:
    gateway = start(start_gateway, seen)
    tools: Any = [{"name": "weather", "description": SYSTEM, "input_schema": SCHEMA}]
    with anthropic.Anthropic(base_url=f"{gateway.base_url}/anthropic", api_key=KEY, max_retries=0) as sdk:
        turns: list[Any] = []
        for number in range(5):
            turns.append({"role": "user", "content": f"Question {number}"})
            message = sdk.messages.create(model=model, max_tokens=99, system=SYSTEM, messages=turns)
            assert message.content[0].text == SAID  # type: ignore[union-attr]
            turns.append({"role": "assistant", "content": SAID})
        with sdk.messages.stream(model=model, max_tokens=99, system=SYSTEM, messages=turns) as stream:
            assert "".join(stream.text_stream) == SAID
        assert len(set(keys(seen))) == 1, "although the SDK writes the messages, which grow, before the system prompt"
        # Tools come first in a prompt: with them it is another one, which a key takes that has had less to do.
        sdk.messages.create(model=model, max_tokens=99, system=SYSTEM, tools=tools, messages=turns)
    assert len(set(keys(seen))) == 2
