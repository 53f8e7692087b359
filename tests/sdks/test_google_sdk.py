"""google-genai works through the gateway, whatever the provider speaks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from tests.live.instance import Gateway
from tests.live.wire import KEY
from tests.sdks.world import CITY, SAID, SCHEMA, TARGETS


@pytest.fixture(scope="module")
def sdk(world: Gateway) -> Iterator[genai.Client]:
    with client(world, KEY) as made:
        yield made


def client(world: Gateway, key: str, version: str = "v1beta") -> genai.Client:
    return genai.Client(api_key=key, http_options={"base_url": f"{world.base_url}/genai", "api_version": version})


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_an_answer_and_a_stream(world: Gateway, target: str, version: str) -> None:
    model = f"{target}/the-model"
    with client(world, KEY, version) as sdk:
        answer_and_stream(sdk, model)


def answer_and_stream(sdk: genai.Client, model: str) -> None:
    whole = sdk.models.generate_content(model=model, contents="Hello")
    assert whole.text == SAID
    assert whole.usage_metadata is not None
    assert (whole.usage_metadata.prompt_token_count, whole.usage_metadata.candidates_token_count) == (31, 17)
    assert whole.candidates is not None
    assert whole.candidates[0].finish_reason == types.FinishReason.STOP
    chunks = list(sdk.models.generate_content_stream(model=model, contents="Hello"))
    assert "".join(chunk.text or "" for chunk in chunks) == SAID


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_round_of_tools(sdk: genai.Client, target: str, streamed: bool) -> None:
    weather = types.FunctionDeclaration(name="weather", description="Looks it up.", parameters_json_schema=SCHEMA)
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[weather])])
    turns: list[Any] = [types.Content(role="user", parts=[types.Part(text="Weather?")])]
    model = f"{target}/the-model"
    if streamed:
        chunks = list(sdk.models.generate_content_stream(model=model, contents=turns, config=config))
        calls = [call for chunk in chunks for call in chunk.function_calls or ()]
    else:
        calls = sdk.models.generate_content(model=model, contents=turns, config=config).function_calls or []
    assert [(call.name, call.args) for call in calls] == [("weather", {"city": CITY})]
    turns.append(types.Content(role="model", parts=[types.Part(function_call=calls[0])]))
    response = types.FunctionResponse(id=calls[0].id, name="weather", response={"result": "It is warm."})
    turns.append(types.Content(role="user", parts=[types.Part(function_response=response)]))
    last = sdk.models.generate_content(model=model, contents=turns, config=config)
    assert SAID in (last.text or "")
    assert "It is warm." in (last.text or "")


@pytest.mark.parametrize("target", TARGETS)
def test_errors(sdk: genai.Client, target: str) -> None:
    def ask(model: str) -> errors.APIError:
        with pytest.raises(errors.APIError) as error:
            sdk.models.generate_content(model=model, contents="Hello")
        return error.value

    limited = ask(f"{target}/limited")
    assert (limited.code, limited.status, limited.message) == (429, "RESOURCE_EXHAUSTED", "Slow down a little.")
    assert ask(f"{target}/wrong").code == 400
    assert ask(f"{target}/overloaded").code == 503
    with pytest.raises(errors.APIError):
        list(sdk.models.generate_content_stream(model=f"{target}/breaks", contents="Hello"))


def test_refusals_of_the_gateway(sdk: genai.Client, world: Gateway) -> None:
    with pytest.raises(errors.ClientError) as unknown:
        sdk.models.generate_content(model="nobody/knows", contents="Hello")
    assert (unknown.value.code, unknown.value.status) == (404, "NOT_FOUND")
    with client(world, "sk-stranger") as other, pytest.raises(errors.ClientError) as stranger:
        other.models.generate_content(model="google/m", contents="Hello")
    assert (stranger.value.code, stranger.value.status) == (401, "UNAUTHENTICATED")
