"""SDKs read a stream that broke off and went on with another provider as one answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from google import genai

from providers.dialects import load
from tests.live.fixtures import Start
from tests.live.instance import Gateway
from tests.live.test_continuing import FIRST, FORMS, SECOND, WHOLE, end_of, pairs_of_forms, pieces_of
from tests.live.upstreams import Received, Step, Upstream, chunk, chunked_head
from tests.live.wire import KEY

HELLO: Any = [{"role": "user", "content": "Hello"}]


def provider(received: Received) -> list[Step]:
    """Cut behind all that the first one says; the other says the rest."""
    _, dialect, name, *_ = received.target.split("/")
    if name == "cut":
        said = len(b"".join(pieces_of(dialect, FIRST, [])))
        return end_of(dialect, said + 4, "rst")
    return [chunked_head(load(dialect).stream_type), *map(chunk, pieces_of(dialect, SECOND)), chunk(b"")]


@pytest.fixture(scope="module")
def cutting(start_for_module: Start) -> Iterator[Gateway]:
    with Upstream(provider, keep=False) as upstream:
        yield start_for_module(pairs_of_forms(upstream.url))


PAIRS = [f"{one}-{other}" for one in FORMS[:3] for other in FORMS]


@pytest.mark.parametrize("model", PAIRS)
def test_openai(cutting: Gateway, model: str) -> None:
    with openai.OpenAI(base_url=f"{cutting.base_url}/v1", api_key=KEY, max_retries=0) as sdk:
        with sdk.chat.completions.stream(model=model, messages=HELLO, stream_options={"include_usage": True}) as stream:
            for _ in stream:
                pass
            final = stream.get_final_completion()
        assert (final.choices[0].message.content, final.choices[0].finish_reason) == (WHOLE, "stop")
        assert final.usage is not None
        assert final.usage.completion_tokens > 7, "tokens of both attempts"
        with sdk.responses.stream(model=model, input="Hello") as events:
            for _ in events:
                pass
            response = events.get_final_response()
        assert (response.output_text, response.status) == (WHOLE, "completed")


@pytest.mark.parametrize("model", PAIRS)
def test_anthropic(cutting: Gateway, model: str) -> None:
    with (
        anthropic.Anthropic(base_url=f"{cutting.base_url}/anthropic", api_key=KEY, max_retries=0) as sdk,
        sdk.messages.stream(model=model, max_tokens=99, messages=HELLO) as stream,
    ):
        assert "".join(stream.text_stream) == WHOLE
        final = stream.get_final_message()
    assert [block.text for block in final.content if block.type == "text"] == [WHOLE]
    assert final.stop_reason == "end_turn"
    assert final.usage.output_tokens > 7


@pytest.mark.parametrize("model", PAIRS)
def test_google(cutting: Gateway, model: str) -> None:
    options: Any = {"base_url": f"{cutting.base_url}/genai"}
    with genai.Client(api_key=KEY, http_options=options) as sdk:
        chunks = list(sdk.models.generate_content_stream(model=model, contents="Hello"))
    assert "".join(piece.text or "" for piece in chunks) == WHOLE
    assert len({piece.response_id for piece in chunks}) == 1
    ends = [piece.candidates[0].finish_reason for piece in chunks if piece.candidates]
    assert [end for end in ends if end] == ends[-1:]
