"""boto3's bedrock-runtime works through the gateway, whatever the provider speaks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from tests.live.instance import Gateway
from tests.live.wire import KEY
from tests.sdks.world import CITY, SAID, SCHEMA, TARGETS

HELLO: Any = [{"role": "user", "content": [{"text": "Hello"}]}]
TOOLS: Any = {"tools": [{"toolSpec": {"name": "weather", "description": "-", "inputSchema": {"json": SCHEMA}}}]}


def client(world: Gateway, key: str) -> Any:
    """The virtual key is the access key id; the secret key signs, and is nobody's business."""
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=f"{world.base_url}/bedrock",
        region_name="eu-central-1",
        aws_access_key_id=key,
        aws_secret_access_key="unused",
        config=Config(retries={"max_attempts": 0}),
    )


@pytest.fixture(scope="module")
def sdk(world: Gateway) -> Iterator[Any]:
    made = client(world, KEY)
    yield made
    made.close()


@pytest.mark.parametrize("target", TARGETS)
def test_converse_and_its_stream(sdk: Any, target: str) -> None:
    model = f"{target}/the-model"
    whole = sdk.converse(modelId=model, messages=HELLO)
    assert whole["output"]["message"]["content"] == [{"text": SAID}]
    assert (whole["stopReason"], whole["usage"]["outputTokens"]) == ("end_turn", 17)
    assert (whole["usage"]["inputTokens"], whole["usage"]["cacheReadInputTokens"]) == (23, 8)
    events = list(sdk.converse_stream(modelId=model, messages=HELLO)["stream"])
    said = [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]
    assert "".join(said) == SAID
    assert events[-1]["metadata"]["usage"]["outputTokens"] == 17


@pytest.mark.parametrize("target", TARGETS)
def test_a_round_of_tools(sdk: Any, target: str) -> None:
    model = f"{target}/the-model"
    first = sdk.converse(modelId=model, messages=HELLO, toolConfig=TOOLS)
    assert first["stopReason"] == "tool_use"
    message = first["output"]["message"]
    (call,) = [block["toolUse"] for block in message["content"] if "toolUse" in block]
    assert (call["name"], call["input"]) == ("weather", {"city": CITY})
    events = list(sdk.converse_stream(modelId=model, messages=HELLO, toolConfig=TOOLS)["stream"])
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    assert json.loads("".join(delta["toolUse"]["input"] for delta in deltas if "toolUse" in delta)) == {"city": CITY}
    result = {"toolResult": {"toolUseId": call["toolUseId"], "content": [{"text": "It is warm."}]}}
    turns = [*HELLO, message, {"role": "user", "content": [result]}]
    last = sdk.converse(modelId=model, messages=turns, toolConfig=TOOLS)
    assert last["output"]["message"]["content"] == [{"text": f"{SAID} It is warm."}]


@pytest.mark.parametrize("target", TARGETS)
def test_errors(sdk: Any, target: str) -> None:
    def ask(model: str) -> tuple[str, int]:
        with pytest.raises(ClientError) as error:
            sdk.converse(modelId=model, messages=HELLO)
        response: Any = error.value.response
        return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]

    assert ask(f"{target}/limited") == ("ThrottlingException", 429)
    assert ask(f"{target}/wrong") == ("ValidationException", 400)
    assert ask(f"{target}/overloaded") == ("ServiceUnavailableException", 503)
    with pytest.raises(EventStreamError):
        list(sdk.converse_stream(modelId=f"{target}/breaks", messages=HELLO)["stream"])


@pytest.mark.parametrize("target", [name for name in TARGETS if name != "aws"])
def test_invoke(sdk: Any, target: str) -> None:
    """Claude's own body, for any provider."""
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    asked = {"modelId": f"{target}/the-model", "body": json.dumps(body)}
    whole = json.loads(sdk.invoke_model(**asked)["body"].read())
    assert whole["content"][0]["text"] == SAID
    chunks = [event["chunk"]["bytes"] for event in sdk.invoke_model_with_response_stream(**asked)["body"]]
    events = [json.loads(chunk) for chunk in chunks]
    said = [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"]
    assert "".join(said) == SAID
    assert events[-1]["amazon-bedrock-invocationMetrics"]["outputTokenCount"] == 17


def test_refusals_of_the_gateway(sdk: Any, world: Gateway) -> None:
    with pytest.raises(sdk.exceptions.ResourceNotFoundException):
        sdk.converse(modelId="nobody/knows", messages=HELLO)
    other = client(world, "AKIASTRANGER")
    with pytest.raises(ClientError) as stranger:
        other.converse(modelId="aws/m", messages=HELLO)
    other.close()
    response: Any = stranger.value.response
    assert response["Error"]["Code"] == "UnrecognizedClientException"
