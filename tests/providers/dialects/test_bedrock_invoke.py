"""Bedrock's invoke: bodies of many families, pieces in frames."""

from __future__ import annotations

import json
from base64 import b64decode
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.translation import events_of
from providers.dialects import base, load
from providers.eventstream import EventStreamReader
from providers.neutral import (
    Answer,
    Choice,
    Done,
    Event,
    Fault,
    Json,
    Losses,
    Malformed,
    PartDelta,
    Request,
    Text,
    ToolCall,
    Usage,
)

INVOKE = load("bedrock_invoke")
CLAUDE: Json = {
    "anthropic_version": "bedrock-2023-05-31",
    "anthropic_beta": ["x"],
    "max_tokens": 50,
    "system": "Be brief.",
    "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
}
NOVA: Json = {
    "schemaVersion": "messages-v1",
    "messages": [{"role": "user", "content": [{"text": "Hello"}]}],
    "inferenceConfig": {"max_new_tokens": 50, "topK": 7, "temperature": 0.5},
}
OPENAI: Json = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 50}
PROMPTS: dict[str, Json] = {
    "claude": {"prompt": "\n\nHuman: Hello\n\nAssistant:", "max_tokens_to_sample": 50, "stop_sequences": ["|"]},
    "titan": {"inputText": "Hello", "textGenerationConfig": {"maxTokenCount": 50, "stopSequences": ["|"]}},
    "llama": {"prompt": "Hello", "max_gen_len": 50},
    "mistral": {"prompt": "Hello", "max_tokens": 50, "stop": ["|"]},
    "command": {"prompt": "Hello", "max_tokens": 50, "p": 0.5, "k": 3, "stop_sequences": ["|"]},
}
ANSWER = Answer("test", "id-1", "m", 1, [Choice(0, [Text("Hi there")], "stop")], Usage(12, 3, 2))


def pieces(stream: bytes) -> list[Json]:
    frames = list(EventStreamReader().feed(stream))
    assert all(one.headers[":event-type"] == "chunk" for one in frames)
    return [json.loads(b64decode(json.loads(one.payload)["bytes"])) for one in frames]


def asked(body: Json, model: str = "m") -> Request:
    return INVOKE.decode_request(body, model=model, stream=True)


def streamed(body: Json, answer: Answer = ANSWER) -> list[Json]:
    encoder = INVOKE.stream_encoder(asked(body))
    return pieces(b"".join(map(encoder.encode, events_of(answer))))


@pytest.mark.parametrize("body", [CLAUDE, NOVA, OPENAI, *PROMPTS.values()])
def test_every_family_is_asked_elsewhere(body: Json) -> None:
    losses = Losses()
    said = load("openai_chat").encode_request(asked(body), base.Facts("gpt"), losses)
    assert said["messages"][-1] == {"role": "user", "content": "Hello"}
    assert said.get("max_tokens", said.get("max_completion_tokens")) == 50
    assert "anthropic_version" not in said


@pytest.mark.parametrize("name", PROMPTS)
def test_stops_of_prompts(name: str) -> None:
    body = PROMPTS[name]
    assert asked(body).sampling.stop == ([] if name == "llama" else ["|"])


def test_claudes_members_are_those_of_its_own_api() -> None:
    said = load("anthropic").encode_request(asked(CLAUDE), base.Facts("claude"), Losses())
    assert said == {
        "model": "claude",
        "stream": True,
        **{name: CLAUDE[name] for name in ("max_tokens", "system", "messages")},
    }


def test_novas_top_k_is_found() -> None:
    request = asked(NOVA)
    assert (request.sampling.top_k, request.max_tokens, request.sampling.temperature) == (7, 50, 0.5)


@pytest.mark.parametrize(
    ("body", "model", "family"),
    [
        ({"messages": []}, "us.anthropic.claude-x", "anthropic"),
        ({"messages": []}, "amazon.nova-micro", "bedrock"),
        ({"messages": []}, "openai.gpt-oss", "openai_chat"),
        ({"prompt": "x"}, "meta.llama3", "llama"),
        ({"prompt": "x"}, "cohere.command-text", "command"),
        ({"prompt": "x"}, "mistral.mixtral", "mistral"),
    ],
)
def test_the_model_tells_where_the_body_does_not(body: Json, model: str, family: str) -> None:
    request = asked(body, model)
    assert family in (request.origin, request.shape)


@pytest.mark.parametrize("body", [{}, {"prompt": "x", "maxTokens": 5}, {"texts": ["x"]}, {"prompt": 5}])
def test_other_bodies_are_refused(body: Json) -> None:
    with pytest.raises(Malformed):
        asked(body)


def test_turns_of_claudes_prompts() -> None:
    body = PROMPTS["claude"] | {"prompt": "\n\nHuman: One\n\nAssistant: Two\n\nHuman: Three\n\nAssistant:"}
    assert [(one.role, one.parts[0]) for one in asked(body).messages] == [
        ("user", Text("One")),
        ("assistant", Text("Two")),
        ("user", Text("Three")),
    ]


def test_whole_answers() -> None:
    def answer(body: Json) -> Json:
        return INVOKE.encode_answer(ANSWER, asked(body))

    assert answer(CLAUDE)["content"][0]["text"] == "Hi there"
    assert answer(NOVA) == {
        "output": {"message": {"role": "assistant", "content": [{"text": "Hi there"}]}},
        "stopReason": "end_turn",
        "usage": {
            "inputTokens": 10,
            "outputTokens": 3,
            "totalTokens": 15,
            "cacheReadInputTokenCount": 2,
            "cacheWriteInputTokenCount": 0,
        },
    }
    assert answer(OPENAI)["choices"][0]["message"]["content"] == "Hi there"
    assert answer(PROMPTS["claude"])["completion"] == "Hi there"
    assert answer(PROMPTS["titan"])["results"][0] == {
        "tokenCount": 3,
        "outputText": "Hi there",
        "completionReason": "FINISH",
    }
    assert answer(PROMPTS["llama"])["generation"] == "Hi there"
    assert answer(PROMPTS["mistral"]) == {"outputs": [{"text": "Hi there", "stop_reason": "stop"}]}
    assert answer(PROMPTS["command"])["generations"][0]["finish_reason"] == "COMPLETE"


@pytest.mark.parametrize("body", [CLAUDE, NOVA, OPENAI, *PROMPTS.values()])
def test_streams_end_with_their_counts(body: Json) -> None:
    found = streamed(body)
    assert all("amazon-bedrock-invocationMetrics" not in piece for piece in found[:-1])
    counts = found[-1]["amazon-bedrock-invocationMetrics"]
    assert (counts["inputTokenCount"], counts["outputTokenCount"], counts["cacheReadInputTokenCount"]) == (10, 3, 2)
    assert "Hi there" in json.dumps(found)


def test_claudes_and_novas_pieces_are_their_own_events() -> None:
    call = Answer("test", "i", "m", 1, [Choice(0, [ToolCall("c1", "f", '{"a":1}')], "tool_calls")], Usage(1, 2))
    assert [piece["type"] for piece in streamed(CLAUDE, call)][-2:] == ["message_delta", "message_stop"]
    nova = [next(iter(piece)) for piece in streamed(NOVA, call)]
    assert (nova[0], nova[-2:]) == ("messageStart", ["messageStop", "metadata"])


def test_an_error_in_a_stream_is_an_exception() -> None:
    encoder = INVOKE.stream_encoder(asked(CLAUDE))
    stream = encoder.encode(next(iter(events_of(ANSWER)))) + encoder.encode(Fault("overloaded", "Too much.", 503))
    decoder = INVOKE.stream_decoder()
    fault = decoder.feed(stream)[-1]
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.message) == ("overloaded", "Too much.")
    assert decoder.end() == []


@pytest.mark.parametrize("body", [CLAUDE, NOVA, OPENAI, *PROMPTS.values()])
@given(cuts=st.lists(st.integers(0, 3000), max_size=6))
def test_what_passes_is_counted_at_any_split(body: Json, cuts: list[int]) -> None:
    encoder = INVOKE.stream_encoder(asked(body))
    stream = b"".join(map(encoder.encode, events_of(ANSWER)))
    decoder = INVOKE.stream_decoder()
    events: list[Event] = []
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    for start, end in pairwise(places):
        events += decoder.feed(stream[start:end])
    assert any(isinstance(event, PartDelta) for event in events)
    assert events[-2:] == [Usage(12, 3, 2), Done()]


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_fail(data: bytes) -> None:
    decoder = INVOKE.stream_decoder()
    assert not any(isinstance(event, Done) for event in decoder.feed(data) + decoder.end())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["prompt", "inputText", "messages", "max_tokens", "textGenerationConfig", "max_gen_len"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_no_body_does_more_than_be_malformed(value: object) -> None:
    try:
        asked(value if isinstance(value, dict) else {"prompt": value})
    except Malformed:
        pass
