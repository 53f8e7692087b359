"""Cohere's Python SDK works through the gateway, whatever the provider speaks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cohere
import httpx
import pytest
from cohere.core.api_error import ApiError

from tests.live.instance import Gateway
from tests.live.wire import KEY
from tests.sdks.world import CITY, SAID, SCHEMA, TARGETS

HELLO: Any = [{"role": "user", "content": "Hello"}]
TOOLS: Any = [{"type": "function", "function": {"name": "weather", "description": "-", "parameters": SCHEMA}}]


@pytest.fixture(scope="module")
def sdk(world: Gateway) -> Iterator[cohere.ClientV2]:
    with client(world, KEY) as made:
        yield made


@contextmanager
def client(world: Gateway, key: str) -> Iterator[cohere.ClientV2]:
    with httpx.Client(timeout=60) as connections:
        yield cohere.ClientV2(api_key=key, base_url=f"{world.base_url}/cohere", httpx_client=connections)


@pytest.mark.parametrize("target", TARGETS)
def test_chat_and_its_stream(sdk: cohere.ClientV2, target: str) -> None:
    whole: Any = sdk.chat(model=f"{target}/the-model", messages=HELLO)
    assert whole.message.content[0].text == SAID
    assert (whole.finish_reason, whole.usage.tokens.input_tokens, whole.usage.tokens.output_tokens) == (
        "COMPLETE",
        31,
        17,
    )
    events: list[Any] = list(sdk.chat_stream(model=f"{target}/the-model", messages=HELLO))
    said = [event.delta.message.content.text for event in events if event.type == "content-delta"]
    assert "".join(said) == SAID
    assert events[-1].delta.usage.tokens.output_tokens == 17


@pytest.mark.parametrize("target", TARGETS)
def test_a_round_of_tools(sdk: cohere.ClientV2, target: str) -> None:
    model = f"{target}/the-model"
    first: Any = sdk.chat(model=model, messages=HELLO, tools=TOOLS)
    (call,) = first.message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": CITY})
    events: list[Any] = list(sdk.chat_stream(model=model, messages=HELLO, tools=TOOLS))
    starts = [event.delta.message.tool_calls for event in events if event.type == "tool-call-start"]
    pieces = [event.delta.message.tool_calls for event in events if event.type == "tool-call-delta"]
    arguments = "".join([one.function.arguments or "" for one in (*starts, *pieces)])
    assert ([one.function.name for one in starts], json.loads(arguments)) == (["weather"], {"city": CITY})
    turns = [
        *HELLO,
        {"role": "assistant", "tool_calls": [call.model_dump()]},
        {"role": "tool", "tool_call_id": call.id, "content": "It is warm."},
    ]
    last: Any = sdk.chat(model=model, messages=turns, tools=TOOLS)
    assert last.message.content[0].text == f"{SAID} It is warm."


@pytest.mark.parametrize("target", TARGETS)
def test_errors(sdk: cohere.ClientV2, target: str) -> None:
    def ask(model: str) -> ApiError:
        with pytest.raises(ApiError) as error:
            sdk.chat(model=model, messages=HELLO, request_options={"max_retries": 0})
        return error.value

    assert isinstance(ask(f"{target}/limited"), cohere.TooManyRequestsError)
    assert isinstance(ask(f"{target}/wrong"), cohere.BadRequestError)
    assert isinstance(ask(f"{target}/overloaded"), cohere.ServiceUnavailableError)


def test_refusals_of_the_gateway(sdk: cohere.ClientV2, world: Gateway) -> None:
    with pytest.raises(cohere.NotFoundError):
        sdk.chat(model="nobody/knows", messages=HELLO)
    with client(world, "sk-stranger") as stranger, pytest.raises(cohere.UnauthorizedError):
        stranger.chat(model="co/m", messages=HELLO)
