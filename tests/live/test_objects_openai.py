"""Files, batches and stored responses through OpenAI's own client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import openai
import pytest

from tests.live.fixtures import Start
from tests.live.instance import Gateway
from tests.live.keeper import CONTENT, Keeper
from tests.live.test_objects import ANN, BOB, settings
from tests.live.upstreams import Upstream


@pytest.fixture(scope="module")
def gateway(start_for_module: Start) -> Iterator[Gateway]:
    with Upstream(Keeper()) as upstream:
        yield start_for_module(settings(upstream.url))


Client = Callable[[str], openai.OpenAI]


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Client]:
    """A client with this key, closed at the end of the test."""
    with ExitStack() as stack:
        yield lambda key: stack.enter_context(
            openai.OpenAI(
                base_url=f"{gateway.base_url}/openai/v1",
                api_key=key,
                max_retries=0,
                default_headers={"x-microgate-provider": "p"},
            )
        )


def test_a_batch_from_its_file_to_its_contents(client: Client) -> None:
    ann, bob = client(ANN), client(BOB)
    file = ann.files.create(file=("f.jsonl", b"{}"), purpose="batch")
    batch = ann.batches.create(input_file_id=file.id, endpoint="/v1/responses", completion_window="24h")
    assert ann.batches.retrieve(batch.id).input_file_id == file.id
    assert ann.files.content(file.id).read() == CONTENT
    assert ann.batches.cancel(batch.id).id == batch.id
    for attempt in (
        lambda: bob.batches.retrieve(batch.id),
        lambda: bob.files.content(file.id),
        lambda: bob.batches.create(input_file_id=file.id, endpoint="/v1/responses", completion_window="24h"),
    ):
        with pytest.raises(openai.NotFoundError):
            attempt()
    assert ann.files.delete(file.id).deleted


def test_a_conversation_and_what_is_kept_of_it(client: Client) -> None:
    ann, bob = client(ANN), client(BOB)
    first = ann.responses.create(model="p/m", input="hi")
    events = ann.responses.create(model="p/m", input="on", previous_response_id=first.id, stream=True)
    [second] = [event.response for event in events if event.type == "response.completed"]
    assert second.previous_response_id == first.id
    assert ann.responses.retrieve(second.id).id == second.id
    assert all(item.id.startswith("msg_mg") for item in ann.responses.input_items.list(second.id).data)
    for attempt in (
        lambda: bob.responses.retrieve(second.id),
        lambda: bob.responses.create(model="p/m", input="on", previous_response_id=second.id),
        lambda: bob.responses.delete(second.id),
    ):
        with pytest.raises(openai.NotFoundError):
            attempt()
    ann.responses.delete(second.id)
    with pytest.raises(openai.NotFoundError, match=second.id):
        ann.responses.retrieve(second.id)
