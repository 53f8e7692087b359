"""openai-python works through the gateway, synchronous and asynchronous, as it does against a provider."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.upstreams import Upstream
from tests.live.wire import KEY

MODEL = "demo/gpt-4o-mini"
HELLO: Any = [{"role": "user", "content": "hello there, world"}]
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]


@pytest.fixture(scope="module")
def demo(start_for_module: Start, upstream_for_module: Upstream) -> Gateway:
    """An instance with the built-in provider, and one named ``azure``."""
    config = configuration(upstream_for_module.url)
    host = upstream_for_module.url.removesuffix("/v1")
    config["providers"]["azure"] = {
        "vendor": "azure_deployments",
        "base_url": f"{host}/openai",
        "keys": [{"name": "k1", "value": "sk-upstream-canary"}],
    }
    return start_for_module(config, more=["--demo"])


@pytest.fixture(scope="module")
def sdk(demo: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{demo.base_url}/v1", api_key=KEY, max_retries=0) as client:
        yield client


def test_chat(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(model=MODEL, messages=HELLO)
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


@pytest.mark.parametrize("usage", [False, True])
def test_chat_stream(sdk: openai.OpenAI, usage: bool) -> None:
    plain = sdk.chat.completions.create(model=MODEL, messages=HELLO)
    options: Any = {"stream_options": {"include_usage": True}} if usage else {}
    chunks = list(sdk.chat.completions.create(model=MODEL, messages=HELLO, stream=True, **options))
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == plain.choices[0].message.content
    assert (chunks[-1].usage == plain.usage) is usage
    # The usage that the gateway asked for by itself stays with the gateway.
    assert any(chunk.usage for chunk in chunks) is usage


def test_tools(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(model=MODEL, messages=HELLO, tools=TOOLS, tool_choice="required")
    calls = answer.choices[0].message.tool_calls
    assert calls
    assert calls[0].type == "function"
    assert calls[0].function.name == "weather"
    with sdk.chat.completions.stream(model=MODEL, messages=HELLO, tools=TOOLS, tool_choice="required") as stream:
        final = stream.get_final_completion()
    streamed = final.choices[0].message.tool_calls
    assert streamed
    assert streamed[0].function.name == "weather"


def test_completions_embeddings_moderations(sdk: openai.OpenAI) -> None:
    assert sdk.completions.create(model="demo/gpt-3.5-turbo-instruct", prompt="say").choices[0].text
    for form in ("float", "base64"):
        found = sdk.embeddings.create(model="demo/text-embedding-3-small", input=["a", "b"], encoding_format=form)  # type: ignore[arg-type]
        assert len(found.data) == 2
    assert sdk.moderations.create(model="demo/omni-moderation-latest", input="x").results[0].flagged in (True, False)


def test_responses(sdk: openai.OpenAI) -> None:
    answer = sdk.responses.create(model=MODEL, input="hello there, world")
    assert answer.output_text
    events = list(sdk.responses.create(model=MODEL, input="hello there, world", stream=True))
    assert events[-1].type == "response.completed"
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == answer.output_text


def wav() -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\0\0" * 8000)
    return out.getvalue()


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # the SDK's word about one of its own methods
def test_audio(sdk: openai.OpenAI) -> None:
    spoken = sdk.audio.speech.create(model="demo/tts-1", voice="alloy", input="hello", response_format="wav")
    assert spoken.content[:4] == b"RIFF"
    with sdk.audio.speech.with_streaming_response.create(model="demo/tts-1", voice="alloy", input="hello") as answer:
        assert b"".join(answer.iter_bytes())
    upload: Any = ("a.wav", wav(), "audio/wav")
    assert isinstance(sdk.audio.transcriptions.create(model="demo/whisper-1", file=upload).text, str)
    assert isinstance(sdk.audio.translations.create(model="demo/whisper-1", file=upload).text, str)


def test_images(sdk: openai.OpenAI) -> None:
    made = sdk.images.generate(model="demo/gpt-image-1", prompt="a hat").data
    assert made
    assert made[0].b64_json or made[0].url
    picture: Any = ("a.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 64, "image/png")
    edited = sdk.images.edit(model="demo/gpt-image-1", image=picture, prompt="a red hat").data
    assert edited


def test_models(sdk: openai.OpenAI) -> None:
    assert [model.id for model in sdk.models.list()]
    assert sdk.models.retrieve("m").id == "m"


def test_errors_are_the_sdk_s_own(sdk: openai.OpenAI, demo: Gateway) -> None:
    with openai.OpenAI(base_url=f"{demo.base_url}/v1", api_key="wrong", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError):
            stranger.models.list()
    with pytest.raises(openai.NotFoundError) as missing:
        sdk.chat.completions.create(model="no/such", messages=HELLO)
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError):
        sdk.chat.completions.create(model=1, messages=HELLO)  # type: ignore[call-overload]


@pytest.mark.parametrize("base", ["/v1", "/openai", "/openai/v1"])
def test_every_base_url_leads_to_the_same(demo: Gateway, base: str) -> None:
    with openai.OpenAI(base_url=demo.base_url + base, api_key=KEY, max_retries=0) as client:
        assert client.chat.completions.create(model=MODEL, messages=HELLO).choices


def test_asynchronous_client(demo: Gateway) -> None:
    async def main() -> None:
        async with openai.AsyncOpenAI(base_url=f"{demo.base_url}/v1", api_key=KEY, max_retries=0) as client:
            answers = await asyncio.gather(
                *(client.chat.completions.create(model=MODEL, messages=HELLO) for _ in range(20))
            )
            assert len({answer.choices[0].message.content for answer in answers}) == 1
            stream = await client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
            text = "".join([choice.delta.content or "" async for chunk in stream for choice in chunk.choices])
            assert text == answers[0].choices[0].message.content
            leaving = await client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
            async for _ in leaving:
                break
            await leaving.close()

    asyncio.run(main())


def test_azure_client(demo: Gateway, upstream_for_module: Upstream) -> None:
    upstream_for_module.clear()
    with openai.AzureOpenAI(
        azure_endpoint=demo.base_url, api_key=KEY, api_version="2024-10-21", max_retries=0
    ) as client:
        answer = client.chat.completions.create(model="my-deployment", messages=HELLO)
        assert answer.choices[0].message.content == "hello"
        chunks = list(client.chat.completions.create(model="my-deployment", messages=HELLO, stream=True))
        assert "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices).startswith("t0")
    first = upstream_for_module.requests[0]
    assert first.target == "/openai/deployments/my-deployment/chat/completions?api-version=2024-10-21"
    assert first.header("api-key") == "sk-upstream-canary"
    assert first.header("authorization") is None
    assert KEY.encode() not in first.head
