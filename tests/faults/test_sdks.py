"""The official clients get answers from the player, and raise what they raise for a provider's own trouble."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from gateway.faults.embedded import Faults

ASKED: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hi"}]


@pytest.fixture
def client(faults: Faults) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="sk-a", base_url=faults.url() + "/v1", max_retries=0) as made:
        yield made


@pytest.fixture
def claude(faults: Faults) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(api_key="sk-b", base_url=faults.url(), max_retries=0) as made:
        yield made


def streamed(client: openai.OpenAI) -> str:
    chunks = client.chat.completions.create(model="m", messages=ASKED, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_openai(faults: Faults, client: openai.OpenAI) -> None:
    said = client.chat.completions.create(model="m", messages=ASKED)
    assert streamed(client) == said.choices[0].message.content
    assert len(client.embeddings.create(model="e", input=["a", "b"]).data) == 2
    assert said.usage is not None
    total = faults.meter().total
    assert (total.whole, total.completion_tokens) == (3, 2 * said.usage.completion_tokens)


def test_anthropic(faults: Faults, claude: anthropic.Anthropic) -> None:
    said = claude.messages.create(model="m", max_tokens=99, messages=[{"role": "user", "content": "hi"}])
    with claude.messages.stream(model="m", max_tokens=99, messages=[{"role": "user", "content": "hi"}]) as stream:
        final = stream.get_final_message()
    assert [block.model_dump()["text"] for block in final.content] == [said.content[0].model_dump()["text"]]
    assert final.usage.output_tokens == said.usage.output_tokens
    total = faults.meter().total
    assert (total.whole, total.estimated) == (2, 0)
    assert (total.prompt_tokens, total.completion_tokens) == (2 * said.usage.input_tokens, 2 * said.usage.output_tokens)


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ("status:429", openai.RateLimitError),
        ("status:401", openai.AuthenticationError),
        ("status:503", openai.InternalServerError),
        ("html", openai.InternalServerError),
        ("reset_peer", openai.APIConnectionError),
        ("timeout:20ms", openai.APIConnectionError),
        ("cut", openai.APIConnectionError),
        ("garbage:not_http", openai.APIConnectionError),
    ],
)
def test_openai_in_trouble(faults: Faults, client: openai.OpenAI, spec: str, wanted: type[Exception]) -> None:
    faults.set(spec)
    with pytest.raises(wanted):
        client.chat.completions.create(model="m", messages=ASKED)


def test_openai_in_a_stream(faults: Faults, client: openai.OpenAI) -> None:
    faults.set("error_event:2")
    with pytest.raises(openai.APIError, match="while streaming"):
        streamed(client)


def test_anthropic_in_trouble(faults: Faults, claude: anthropic.Anthropic) -> None:
    faults.set("status:429")
    with pytest.raises(anthropic.RateLimitError):
        claude.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
    faults.set("error_event:3")
    with (
        pytest.raises(anthropic.APIStatusError, match="overloaded_error"),
        claude.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}]) as stream,
    ):
        stream.get_final_message()


def test_the_clients_own_retries_meet_a_fault_that_ends(faults: Faults) -> None:
    faults.set("status:500,first=1")
    with openai.OpenAI(api_key="sk-a", base_url=faults.url() + "/v1", max_retries=1) as client:
        assert streamed(client)
    total = faults.meter().total
    assert (total.begun, total.failed, total.whole) == (2, 1, 1)
