"""Requests of Bedrock's Converse: as they came, and to and from others' words."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from providers.dialects import load
from providers.dialects.base import Facts
from providers.neutral import Losses, Malformed, Media, Opaque, Reasoning, Text, ToolCall, ToolResult, Unsupported
from tests.providers.dialects.streaming import broken

BEDROCK, CHAT, ANTHROPIC = load("bedrock"), load("openai_chat"), load("anthropic")
CLAUDE = Facts("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock")
NOVA = Facts("us.amazon.nova-2-lite-v1:0", "bedrock")
LLAMA = Facts("us.meta.llama3-3-70b-instruct-v1:0", "bedrock")
GPT = Facts("openai.gpt-oss-120b-1:0", "bedrock")
PNG, PDF = "iVBORw0KGgo=", "JVBERi0xLjQ="
HI = {"role": "user", "content": [{"text": "Hi"}]}
POINT = {"cachePoint": {"type": "default"}}
LONG = {"cachePoint": {"type": "default", "ttl": "1h"}}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
SPEC = {"toolSpec": {"name": "weather", "description": "Of a city.", "inputSchema": {"json": SCHEMA}}}
FUNCTION = {"type": "function", "function": {"name": "weather", "description": "Of a city.", "parameters": SCHEMA}}
FORMAT = {
    "textFormat": {
        "type": "json_schema",
        "structure": {"jsonSchema": {"name": "place", "schema": json.dumps(SCHEMA), "description": "Where."}},
    }
}
CALL = {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Graz"}}}


def says(*blocks: Any, role: str = "user") -> dict[str, Any]:
    return {"messages": [{"role": role, "content": list(blocks)}]}


def result(*content: Any, **more: Any) -> dict[str, Any]:
    return {"toolResult": {"toolUseId": "t1", "content": list(content)} | more}


def picture(source: Any = None, form: str = "png") -> dict[str, Any]:
    return {"image": {"format": form, "source": source or {"bytes": PNG}}}


def paper(**members: Any) -> dict[str, Any]:
    return {"document": {"format": "pdf", "name": "Report", "source": {"bytes": PDF}} | members}


S3 = {"s3Location": {"uri": "s3://bucket/a.png", "bucketOwner": "123456789012"}}
ROUND: dict[str, dict[str, Any]] = {
    "plain": says({"text": "Hi"}),
    "empty members": {"messages": [HI], "system": [], "inferenceConfig": {}, "toolConfig": {"tools": []}},
    "system": {"messages": [HI], "system": [{"text": "Be brief."}, POINT]},
    "system among messages": {"messages": [HI, {"role": "system", "content": [{"text": "Now."}]}]},
    "sampling": {
        "messages": [HI],
        "inferenceConfig": {"maxTokens": 9, "temperature": 0.5, "topP": 1, "stopSequences": ["x"]},
    },
    "odd sampling": {"messages": [HI], "inferenceConfig": {"stopSequences": [], "novel": 1}},
    "images": says({"text": "What?"}, picture(), picture(S3), picture({"bytes": "/9j/"}, "jpeg")),
    "documents": says(
        {"text": "?"}, paper(), paper(source={"text": "words"}, format="txt"), paper(citations={"enabled": True}),
        paper(source={"content": [{"text": "a"}, {"text": "b"}]}, context="c"),
    ),
    "film and sound": says(
        {"video": {"format": "three_gp", "source": {"bytes": "AA=="}}},
        {"audio": {"format": "mp3", "source": {"bytes": "AA=="}}},
        {"video": {"format": "video/mp4", "source": {"bytes": "AA=="}}},
    ),
    "cache points": says(POINT, {"text": "a"}, LONG, LONG, picture(), POINT, {"guardContent": {"text": {"text": "x"}}}),
    "calls": {
        "messages": [
            HI,
            {"role": "assistant", "content": [{"text": "Well."}, CALL, {"toolUse": {"toolUseId": "t2", "name": "w",
             "input": {}, "type": "tool_use"}}]},
            {"role": "user", "content": [result({"text": "12"}, status="success"), POINT, result({"json": {"a": [1]}}),
             result({"text": "no"}, picture(), paper(), status="error"), result({"searchResult": {"source": "s"}}),
             result()]},
        ],
        "toolConfig": {"tools": [SPEC, POINT, {"systemTool": {"name": "nova_grounding"}}], "toolChoice": {"any": {}}},
    },
    "server's tools": says(
        {"toolUse": {"toolUseId": "t", "name": "n", "input": {}, "type": "server_tool_use"}}, result(type="n_result"),
        role="assistant",
    ),
    "thoughts": says(
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}},
        {"reasoningContent": {"reasoningText": {"text": "Hm."}}},
        {"reasoningContent": {"redactedContent": "RXVR"}}, {"reasoningContent": {"redactedContent": "/////w=="}},
        {"citationsContent": {"content": [{"text": "a"}], "citations": [{"title": "t"}]}}, role="assistant",
    ),
    "choice of a tool": {
        "messages": [HI], "toolConfig": {"tools": [SPEC], "toolChoice": {"tool": {"name": "weather"}}},
    },
    "all else": {
        "messages": [HI], "outputConfig": FORMAT | {"effort": "max"}, "serviceTier": {"type": "priority"},
        "performanceConfig": {"latency": "optimized"}, "requestMetadata": {"team": "a"},
        "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"},
        "promptVariables": {"a": {"text": "b"}}, "additionalModelResponseFieldPaths": ["/stop_sequence"],
        "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2000}, "top_k": 5, "x": 1},
    },
}  # fmt: skip


@pytest.mark.parametrize("name", ROUND)
def test_a_request_comes_back_as_it_was(name: str) -> None:
    given = copy.deepcopy(ROUND[name])
    request = BEDROCK.decode_request(given, model="m", stream=True)
    assert (request.model, request.stream) == ("m", True)
    before = copy.deepcopy(request)
    assert BEDROCK.encode_request(request, Facts("m"), Losses("error")) == ROUND[name]
    assert request == before
    assert given == ROUND[name]


def from_chat(facts: Facts = CLAUDE, losses: Losses | None = None, **members: Any) -> dict[str, Any]:
    request = CHAT.decode_request({"model": "m", "messages": [{"role": "user", "content": "Hi"}]} | members)
    return BEDROCK.encode_request(request, facts, losses or Losses("error"))


def to_chat(given: dict[str, Any], losses: Losses | None = None) -> dict[str, Any]:
    return CHAT.encode_request(BEDROCK.decode_request(given), Facts("m", "openai"), losses or Losses("error"))


def call_of_chat(identity: str, arguments: str = '{"city": "Graz"}') -> dict[str, Any]:
    return {"id": identity, "type": "function", "function": {"name": "weather", "arguments": arguments}}


def test_a_conversation_from_chat() -> None:
    written = from_chat(
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "assistant", "content": "Welcome."},
            {"role": "user", "content": "A"},
            {"role": "user", "content": [{"type": "text", "text": "B"},
             {"type": "image_url", "image_url": {"url": f"data:image/jpg;base64,{PNG}"}}]},
            {"role": "assistant", "content": None, "tool_calls": [call_of_chat("c1"), call_of_chat("c2", "")]},
            {"role": "tool", "tool_call_id": "c1", "content": "12"},
            {"role": "tool", "tool_call_id": "c2", "content": ""},
            {"role": "user", "content": "Thanks."},
        ],
        tools=[FUNCTION],
    )  # fmt: skip
    assert written == {
        "system": [{"text": "Be brief."}],
        "messages": [
            {"role": "user", "content": [{"text": "."}]},
            {"role": "assistant", "content": [{"text": "Welcome."}]},
            {"role": "user", "content": [{"text": "A"}, {"text": "B"}, picture(form="jpeg")]},
            {"role": "assistant", "content": [
                {"toolUse": {"toolUseId": "c1", "name": "weather", "input": {"city": "Graz"}}},
                {"toolUse": {"toolUseId": "c2", "name": "weather", "input": {}}}]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": "c1", "content": [{"text": "12"}]}},
                {"toolResult": {"toolUseId": "c2", "content": []}}, {"text": "Thanks."}]},
        ],
        "toolConfig": {"tools": [SPEC]},
    }  # fmt: skip


def test_a_conversation_to_chat() -> None:
    losses = Losses()
    written = to_chat(
        {
            "system": [{"text": "Be brief."}],
            "messages": [
                {"role": "user", "content": [{"text": "A"}, picture(), paper(name="R")]},
                {"role": "assistant", "content": [{"text": "Well."}, CALL]},
                {"role": "user", "content": [result({"json": {"a": 1}}, status="error"), {"text": "And?"}]},
            ],
            "toolConfig": {"tools": [SPEC, POINT], "toolChoice": {"any": {}}},
            "inferenceConfig": {"maxTokens": 9, "stopSequences": ["x"]},
            "outputConfig": FORMAT,
            "additionalModelRequestFields": {"own": 1},
        },
        losses,
    )
    system, user, assistant, tool, last = written["messages"]
    assert system == {"role": "system", "content": "Be brief."}
    assert user["content"] == [
        {"type": "text", "text": "A"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
        {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PDF}", "filename": "R"}},
    ]
    assert assistant["tool_calls"] == [call_of_chat("t1", '{"city":"Graz"}')]
    assert tool == {"role": "tool", "tool_call_id": "t1", "content": '{"a":1}'}
    assert last == {"role": "user", "content": "And?"}
    assert written["tools"][0]["function"] == FUNCTION["function"]
    assert (written["tool_choice"], written["stop"], written["max_completion_tokens"]) == ("required", ["x"], 9)
    assert written["response_format"]["json_schema"]["schema"] == SCHEMA
    assert losses.names == ["additionalModelRequestFields"]


@pytest.mark.parametrize(
    ("choice", "written"),
    [("auto", None), ("required", {"any": {}}),
     ({"type": "function", "function": {"name": "weather"}}, {"tool": {"name": "weather"}})],
)  # fmt: skip
def test_choices_of_tools(choice: Any, written: Any) -> None:
    assert from_chat(tools=[FUNCTION], tool_choice=choice)["toolConfig"].get("toolChoice") == written


def test_llama_cannot_be_forced() -> None:
    losses = Losses()
    assert from_chat(LLAMA, losses, tools=[FUNCTION], tool_choice="required")["toolConfig"] == {"tools": [SPEC]}
    assert losses.names == ["tool_choice"]


def test_no_tool_is_no_tools_unless_they_were_called() -> None:
    assert "toolConfig" not in from_chat(tools=[FUNCTION], tool_choice="none")
    losses = Losses()
    said = [{"role": "assistant", "tool_calls": [call_of_chat("c")]}, {"role": "tool", "tool_call_id": "c",
            "content": "1"}]  # fmt: skip
    assert from_chat(losses=losses, tools=[FUNCTION], tool_choice="none", messages=said)["toolConfig"] == {
        "tools": [SPEC]
    }
    assert losses.names == ["tool_choice"]
    # Calls without tools are refused.
    assert from_chat(messages=said)["toolConfig"]["tools"][0]["toolSpec"]["name"] == "weather"


def test_structured_output_is_closed() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}
    schema = from_chat(response_format=form)["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert json.loads(schema["schema"]) == SCHEMA | {"additionalProperties": False}
    with pytest.raises(Unsupported, match="response_format"):
        from_chat(response_format={"type": "json_object"})


@pytest.mark.parametrize(
    ("facts", "effort", "member"),
    [
        (CLAUDE, "low", ("additionalModelRequestFields", {"thinking": {"type": "enabled", "budget_tokens": 1024}})),
        (NOVA, "low", ("additionalModelRequestFields", {"reasoningConfig": {"type": "enabled",
                                                                           "maxReasoningEffort": "low"}})),
        (NOVA, "none", ("additionalModelRequestFields", {"reasoningConfig": {"type": "disabled"}})),
        (GPT, "high", ("additionalModelRequestFields", {"reasoning_effort": "high"})),
        (Facts("eu.anthropic.claude-opus-4-8"), "high", ("outputConfig", {"effort": "high"})),
    ],
)  # fmt: skip
def test_thinking_in_the_words_of_each_family(facts: Facts, effort: str, member: Any) -> None:
    written = from_chat(facts, reasoning_effort=effort)
    assert written[member[0]] == member[1]
    assert BEDROCK.decode_request(written).thinking is not None


def test_thinking_that_a_model_does_not_know_is_named() -> None:
    losses = Losses()
    assert "additionalModelRequestFields" not in from_chat(LLAMA, losses, reasoning_effort="low")
    assert losses.names == ["thinking"]


def test_thoughts_of_claude_travel_between_its_platforms() -> None:
    given = {
        "max_tokens": 9,
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
             {"type": "redacted_thinking", "data": "EuQB"}, {"type": "text", "text": "Yes."}]},
            {"role": "user", "content": [{"type": "text", "text": "And?", "cache_control": {"type": "ephemeral"}}]},
        ],
    }  # fmt: skip
    written = BEDROCK.encode_request(ANTHROPIC.decode_request(given), CLAUDE, Losses("error"))
    assert written["messages"][1]["content"][:2] == [
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}},
        {"reasoningContent": {"redactedContent": "RXVRQg=="}},
    ]
    assert written["messages"][2]["content"] == [{"text": "And?"}, POINT]
    again = ANTHROPIC.encode_request(BEDROCK.decode_request(written), Facts("claude-sonnet-4-5"), Losses("error"))
    assert again["messages"][1:] == given["messages"][1:]
    losses = Losses()
    BEDROCK.encode_request(ANTHROPIC.decode_request(given), LLAMA, losses)
    assert losses.names == ["messages.reasoning", "cache_control"]


def test_names_of_documents_are_clean_and_differ() -> None:
    def file(name: str) -> dict[str, Any]:
        named = {"filename": name} if name else {}
        return {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PDF}"} | named}

    content = [file("a  b_c.pdf"), file("a b-c"), file(""), file("Ü.x")]
    written = from_chat(messages=[{"role": "user", "content": content}])["messages"][0]["content"]
    names = [block["document"]["name"] for block in written[:-1]]
    assert names == ["a b-c", "a b-c (2)", "document", "--x"]
    assert written[-1] == {"text": "."}  # a document wants words beside it


def test_what_cannot_be_said_is_named() -> None:
    losses = Losses()
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "high"}}
    written = from_chat(
        losses=losses, messages=[{"role": "user", "name": "Ann", "content": [{"type": "text", "text": "?"}, image]}],
        temperature=1.5, seed=1, n=2, logit_bias={"1": 1}, user="u", metadata={"k": "ü"}, tools=[FUNCTION],
        parallel_tool_calls=False, verbosity="low", presence_penalty=0, top_p=0.5,
    )  # fmt: skip
    assert written["inferenceConfig"] == {"temperature": 1.0}
    assert sorted(losses.names) == [
        "logit_bias", "messages.detail", "messages.image", "messages.name", "metadata", "n", "parallel_tool_calls",
        "seed", "temperature", "top_p", "user", "verbosity",
    ]  # fmt: skip
    with pytest.raises(Unsupported):
        from_chat(seed=1)
    assert from_chat(losses=Losses("pass"), verbosity="low")["verbosity"] == "low"


def test_parts_of_the_form() -> None:
    request = BEDROCK.decode_request(ROUND["cache points"])
    first, text, extra_mark, image, guard = request.messages[0].parts
    assert isinstance(first, Opaque)
    assert isinstance(text, Text)
    assert text.cache is not None
    assert text.cache.ttl == "1h"
    assert isinstance(extra_mark, Opaque)
    assert isinstance(image, Media)
    assert (image.media_type, image.data) == ("image/png", PNG)
    assert image.cache is not None
    assert isinstance(guard, Opaque)
    thoughts = BEDROCK.decode_request(ROUND["thoughts"]).messages[0].parts
    assert [part.redacted for part in thoughts if isinstance(part, Reasoning)] == ["", "", "EuQ", "/////w=="]
    calls = BEDROCK.decode_request(ROUND["calls"])
    found = [part for message in calls.messages for part in message.parts]
    assert [part.arguments for part in found if isinstance(part, ToolCall)] == ['{"city":"Graz"}', "{}"]
    results = [part for part in found if isinstance(part, ToolResult)]
    assert [one.is_error for one in results] == [False, False, True, False, False]
    assert results[1].value == {"a": [1]}
    everything = BEDROCK.decode_request(ROUND["all else"])
    assert everything.sampling.top_k == 5
    assert everything.thinking is not None
    assert (everything.thinking.budget, everything.thinking.effort) == (2000, "xhigh")
    assert everything.service_tier == "priority"
    assert everything.safety == {"guardrailIdentifier": "g", "guardrailVersion": "1"}


@pytest.mark.parametrize(
    ("given", "member"),
    [
        ({"messages": {}}, "messages"),
        ({"messages": [{"role": "tool", "content": []}]}, "messages.0.role"),
        (says({"text": 1}), "messages.0.content.0.text"),
        (says("x"), "messages.0.content.0"),
        (says({"image": {"format": "png"}}), "messages.0.content.0.image.source"),
        (says({"toolUse": {"name": "x"}}), "messages.0.content.0.toolUse.toolUseId"),
        ({"messages": [HI], "inferenceConfig": {"temperature": "hot"}}, "inferenceConfig.temperature"),
        ({"messages": [HI], "toolConfig": {"tools": [], "toolChoice": {"none": {}}}}, "toolConfig.toolChoice"),
        ({"messages": [HI], "outputConfig": {"textFormat": {"structure": {"jsonSchema": {"schema": "{"}}}}},
         "outputConfig.textFormat.structure.jsonSchema.schema"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(given: Any, member: str) -> None:
    with pytest.raises(Malformed) as raised:
        BEDROCK.decode_request(given)
    assert raised.value.member == member


def test_the_path_of_a_stream() -> None:
    assert BEDROCK.stream_path("/model/{model}/converse") == ("/model/{model}/converse-stream", "")


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(broken(list(ROUND.values())))
def test_a_broken_request_is_malformed_or_taken(given: Any) -> None:
    try:
        request = BEDROCK.decode_request(given)
    except Malformed:
        return
    for target in (BEDROCK, CHAT, ANTHROPIC, load("gemini"), load("cohere"), load("ollama")):
        target.encode_request(request, CLAUDE, Losses())
    request.origin = "test"
    BEDROCK.encode_request(request, NOVA, Losses())


def test_googles_alphabet_of_base64_is_not_passed_on() -> None:
    data = {"inlineData": {"mimeType": "image/jpeg", "data": "_9j_4AA"}}
    request = load("gemini").decode_request({"contents": [{"role": "user", "parts": [data]}]})
    (block,) = BEDROCK.encode_request(request, CLAUDE, Losses("error"))["messages"][0]["content"]
    assert block == {"image": {"format": "jpeg", "source": {"bytes": "/9j/4AA="}}}
    image = load("ollama").encode_request(request, CLAUDE, Losses("error"))["messages"][0]["images"]
    assert image == ["/9j/4AA="]
    (part,) = load("cohere").encode_request(request, CLAUDE, Losses("error"))["messages"][0]["content"]
    assert part["image_url"]["url"] == "data:image/jpeg;base64,/9j/4AA="


def test_results_that_are_json_and_more() -> None:
    inline = {"inlineData": {"mimeType": "image/png", "data": PNG}}
    response = {"name": "f", "response": {"a": 1}, "parts": [inline]}
    request = load("gemini").decode_request({"contents": [{"role": "user", "parts": [{"functionResponse": response}]}]})
    (block,) = BEDROCK.encode_request(request, CLAUDE, Losses("error"))["messages"][0]["content"]
    assert block["toolResult"]["content"] == [{"json": {"a": 1}}, picture()]
