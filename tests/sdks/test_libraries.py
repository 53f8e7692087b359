"""Libraries above the SDKs work through the gateway, each with the form in which it speaks to a provider."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from tests.live.instance import Gateway
from tests.live.wire import KEY
from tests.sdks.world import CITY, SAID, TARGETS

# No library may fetch anything from elsewhere.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
os.environ.setdefault("OPENAI_AGENTS_DISABLE_TRACING", "1")

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning",
    "ignore::UserWarning",
    "ignore::pydantic.warnings.PydanticDeprecatedSince20",
    # weaviate-client keeps grpcio below the version that google's packages begin to ask for.
    "ignore:.*grpcio:FutureWarning",
)


class Place(BaseModel):
    """Where somebody is."""

    city: str


def weather(city: str) -> str:
    """Looks the weather up."""
    return f"It is warm in {city}."


# --- LangChain


def langchain_models(base: str, target: str) -> Iterator[Any]:
    from langchain_anthropic import ChatAnthropic
    from langchain_google_genai import ChatGoogleGenerativeAI
    from langchain_openai import ChatOpenAI

    model = f"{target}/the-model"
    yield ChatOpenAI(model=model, base_url=f"{base}/langchain/v1", api_key=KEY, max_retries=0)  # type: ignore[arg-type]
    yield ChatAnthropic(model_name=model, base_url=f"{base}/langchain", api_key=KEY, max_retries=0)  # type: ignore[arg-type,call-arg]
    # This client takes no slash in a model's name.
    yield ChatGoogleGenerativeAI(  # type: ignore[call-arg]
        model=f"{target}-model",
        google_api_key=KEY,
        max_retries=1,
        transport="rest",
        client_options={"api_endpoint": f"{base}/langchain"},
    )


@pytest.mark.parametrize("target", ["chat", "claude", "google"])
def test_langchain(world: Gateway, target: str) -> None:
    for model in langchain_models(world.base_url, target):
        answer = model.invoke("Hello")
        assert answer.text == SAID
        assert answer.usage_metadata["output_tokens"] == 17
        assert "".join(chunk.text for chunk in model.stream("Hello")) == SAID
        (call,) = model.bind_tools([weather]).invoke("Weather?").tool_calls
        assert (call["name"], call["args"]) == ("weather", {"city": CITY})


# --- Pydantic AI


def pydantic_models(base: str, target: str) -> Iterator[Any]:
    """Its model for Anthropic (2.38) cannot build a message with the locked SDK of Anthropic, whoever is asked."""
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.google import GoogleProvider
    from pydantic_ai.providers.openai import OpenAIProvider

    model, union = f"{target}/the-model", f"{base}/pydanticai"
    yield OpenAIChatModel(model, provider=OpenAIProvider(base_url=f"{union}/v1", api_key=KEY))
    yield OpenAIResponsesModel(model, provider=OpenAIProvider(base_url=f"{union}/v1", api_key=KEY))
    yield GoogleModel(model, provider=GoogleProvider(base_url=union, api_key=KEY))


@pytest.mark.parametrize("target", ["chat", "claude", "aws"])
def test_pydantic_ai(world: Gateway, target: str) -> None:
    from pydantic_ai import Agent

    async def main() -> None:
        for model in pydantic_models(world.base_url, target):
            plain = await Agent(model).run("Hello")
            assert plain.output == SAID
            assert plain.usage.output_tokens == 17
            tooled = await Agent(model, tools=[weather]).run("Weather?")
            assert f"It is warm in {CITY}." in tooled.output
            async with Agent(model).run_stream("Hello") as stream:
                assert await stream.get_output() == SAID

    asyncio.run(main())


# --- LiteLLM


@pytest.fixture
def no_threads_of_litellm() -> Iterator[None]:
    yield
    from litellm.litellm_core_utils.thread_pool_executor import executor

    executor.shutdown()


@pytest.mark.usefixtures("no_threads_of_litellm")
def test_litellm(world: Gateway) -> None:
    for target in TARGETS:
        through_litellm(world, target)


def through_litellm(world: Gateway, target: str) -> None:
    import litellm

    asked: Any = {"messages": [{"role": "user", "content": "Hello"}], "api_key": KEY, "num_retries": 0}
    for form, base in (("openai", f"{world.base_url}/litellm/v1"), ("anthropic", f"{world.base_url}/litellm")):
        model = f"{form}/{target}/the-model"
        answer: Any = litellm.completion(model=model, api_base=base, **asked)
        assert answer.choices[0].message.content == SAID
        chunks: Any = litellm.completion(model=model, api_base=base, stream=True, **asked)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == SAID
        with pytest.raises(litellm.RateLimitError):  # type: ignore[attr-defined]
            litellm.completion(model=f"{form}/{target}/limited", api_base=base, **asked)


# --- OpenAI Agents


@pytest.mark.parametrize("target", ["chat", "claude", "google"])
def test_openai_agents(world: Gateway, target: str) -> None:
    import openai
    from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool

    async def main() -> None:
        async with openai.AsyncOpenAI(base_url=f"{world.base_url}/v1", api_key=KEY, max_retries=0) as client:
            for kind in (OpenAIChatCompletionsModel, OpenAIResponsesModel):
                model = kind(model=f"{target}/the-model", openai_client=client)
                agent = Agent(name="test", model=model, tools=[function_tool(weather)])
                done = await Runner.run(agent, "Weather?")
                assert done.final_output == f"{SAID} It is warm in {CITY}."
                streamed = Runner.run_streamed(agent, "Weather?")
                async for _ in streamed.stream_events():
                    pass
                assert streamed.final_output == f"{SAID} It is warm in {CITY}."

    asyncio.run(main())


# --- Instructor


@pytest.mark.parametrize("target", ["chat", "claude"])
def test_instructor(world: Gateway, target: str) -> None:
    import anthropic
    import instructor
    import openai

    asked: Any = {"model": f"{target}/the-model", "response_model": Place, "max_retries": 1}
    messages: Any = [{"role": "user", "content": "Where?"}]
    with openai.OpenAI(base_url=f"{world.base_url}/v1", api_key=KEY, max_retries=0) as client:
        for mode in (instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA):
            place = instructor.from_openai(client, mode=mode).chat.completions.create(messages=messages, **asked)
            assert place.city == CITY
    with anthropic.Anthropic(base_url=f"{world.base_url}/anthropic", api_key=KEY, max_retries=0) as other:
        place = instructor.from_anthropic(other).messages.create(messages=messages, max_tokens=99, **asked)
        assert place.city == CITY


# --- Mistral


@pytest.mark.parametrize("target", TARGETS)
def test_mistralai(world: Gateway, target: str) -> None:
    from mistralai.client import Mistral
    from mistralai.client.errors import SDKError

    messages: Any = [{"role": "user", "content": "Hello"}]
    with Mistral(api_key=KEY, server_url=world.base_url) as client:
        answer: Any = client.chat.complete(model=f"{target}/the-model", messages=messages)
        assert answer.choices[0].message.content == SAID
        with client.chat.stream(model=f"{target}/the-model", messages=messages) as stream:
            said = "".join(str(event.data.choices[0].delta.content or "") for event in stream if event.data.choices)
        assert said == SAID
        with pytest.raises(SDKError) as limited:
            client.chat.complete(model=f"{target}/limited", messages=messages, retries=None)
        assert limited.value.status_code == 429
