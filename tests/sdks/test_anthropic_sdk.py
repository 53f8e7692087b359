"""Anthropic's Python SDK works through the gateway, whatever the provider speaks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.live.instance import Gateway
from tests.live.wire import KEY
from tests.sdks.world import CITY, SAID, SCHEMA, TARGETS

HELLO: Any = [{"role": "user", "content": "Hello"}]
TOOLS: Any = [{"name": "weather", "description": "Looks it up.", "input_schema": SCHEMA}]


@pytest.fixture(scope="module")
def sdk(world: Gateway) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=f"{world.base_url}/anthropic", api_key=KEY, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("target", TARGETS)
def test_a_message_and_a_stream(sdk: anthropic.Anthropic, target: str) -> None:
    model = f"{target}/the-model"
    whole = sdk.messages.create(model=model, max_tokens=99, messages=HELLO)
    assert [block.text for block in whole.content if block.type == "text"] == [SAID]
    assert (whole.stop_reason, whole.usage.output_tokens) == ("end_turn", 17)
    assert (whole.usage.input_tokens, whole.usage.cache_read_input_tokens) == (23, 8)
    with sdk.messages.stream(model=model, max_tokens=99, messages=HELLO) as stream:
        assert "".join(stream.text_stream) == SAID
        final = stream.get_final_message()
    assert (final.stop_reason, final.usage.output_tokens) == ("end_turn", 17)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_round_of_tools(sdk: anthropic.Anthropic, target: str, streamed: bool) -> None:
    asked: Any = {"model": f"{target}/the-model", "max_tokens": 99, "tools": TOOLS}
    if streamed:
        with sdk.messages.stream(messages=HELLO, **asked) as stream:
            first: Any = stream.get_final_message()
    else:
        first = sdk.messages.create(messages=HELLO, **asked)
    assert first.stop_reason == "tool_use"
    (call,) = [block for block in first.content if block.type == "tool_use"]
    assert (call.name, call.input) == ("weather", {"city": CITY})
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "It is warm."}
    turns: Any = [
        *HELLO,
        {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in first.content]},
        {"role": "user", "content": [result]},
    ]
    last = sdk.messages.create(messages=turns, **asked)
    assert last.content[0].text == f"{SAID} It is warm."  # type: ignore[union-attr]


@pytest.mark.parametrize("target", TARGETS)
def test_errors(sdk: anthropic.Anthropic, target: str) -> None:
    def ask(model: str, **more: Any) -> Any:
        return sdk.messages.create(model=model, max_tokens=9, messages=HELLO, **more)

    with pytest.raises(anthropic.RateLimitError) as limited:
        ask(f"{target}/limited")
    assert limited.value.response.headers["retry-after"] == "7"
    assert "Slow down a little." in str(limited.value)
    with pytest.raises(anthropic.BadRequestError):
        ask(f"{target}/wrong")
    with pytest.raises(anthropic.APIStatusError) as overloaded:
        ask(f"{target}/overloaded")
    assert overloaded.value.status_code == 529
    with (
        pytest.raises(anthropic.APIStatusError),
        sdk.messages.stream(model=f"{target}/breaks", max_tokens=9, messages=HELLO) as stream,
    ):
        list(stream)


def test_refusals_of_the_gateway(sdk: anthropic.Anthropic, world: Gateway) -> None:
    with pytest.raises(anthropic.NotFoundError):
        sdk.messages.create(model="nobody/knows", max_tokens=9, messages=HELLO)
    for stranger in (
        anthropic.Anthropic(base_url=f"{world.base_url}/anthropic", api_key="sk-stranger", max_retries=0),
        anthropic.Anthropic(base_url=f"{world.base_url}/anthropic", auth_token="sk-stranger", max_retries=0),
    ):
        with stranger, pytest.raises(anthropic.AuthenticationError):
            stranger.messages.create(model="claude/m", max_tokens=9, messages=HELLO)
    with anthropic.Anthropic(base_url=f"{world.base_url}/anthropic", auth_token=KEY, max_retries=0) as bearer:
        assert bearer.messages.create(model="claude/m", max_tokens=9, messages=HELLO).content
