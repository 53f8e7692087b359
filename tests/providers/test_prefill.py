"""Who goes on with an answer that was begun, and how it is told to."""

from __future__ import annotations

import pytest

from providers.neutral import Format, Message, Request, Sampling, Text, Thinking, ToolCall
from providers.prefill import continuable, continued, prefill_of, written

PLATFORM = "https://api.example.com/v1"


@pytest.mark.parametrize(
    ("model", "goes_on"),
    [
        ("claude-3-opus-20240229", True),
        ("claude-3-7-sonnet-latest", True),
        ("claude-sonnet-4-20250514", True),
        ("claude-opus-4-1", True),
        ("claude-sonnet-4-5-20250929", True),
        ("claude-haiku-4-5@20251001", True),
        ("claude-opus-4-6", False),
        ("claude-sonnet-4-6", False),
        ("claude-opus-4-10", False),
        ("claude-sonnet-5", False),
        ("claude-mythos-preview", False),
    ],
)
def test_claude_goes_on_up_to_its_generation_4_5(model: str, goes_on: bool) -> None:
    assert (prefill_of("anthropic", "custom", model, PLATFORM, None) is not None) is goes_on
    found = prefill_of("openai_chat", "openrouter", f"anthropic/{model}", PLATFORM, None)
    assert (found is not None and found.trimmed) is goes_on


@pytest.mark.parametrize(
    ("dialect", "vendor", "model", "url", "message"),
    [
        ("openai_chat", "mistral", "mistral-small-latest", PLATFORM, {"prefix": True}),
        ("openai_chat", "deepseek", "deepseek-chat", "https://api.deepseek.com/beta", {"prefix": True}),
        ("openai_chat", "deepseek", "deepseek-chat", "https://api.deepseek.com", None),
        ("openai_chat", "moonshot", "kimi-k2", PLATFORM, {"partial": True}),
        ("openai_chat", "vllm", "qwen", PLATFORM, {}),
        ("openai_chat", "openai", "gpt-4o", PLATFORM, None),
        ("openai_chat", "custom", "whatever", PLATFORM, None),
        ("openai_responses", "openai", "gpt-4o", PLATFORM, None),
        ("gemini", "custom", "gemini-2.0-flash", PLATFORM, {}),
        ("bedrock", "custom", "us.anthropic.claude-sonnet-4-20250514-v1:0", PLATFORM, {}),
        ("bedrock", "custom", "us.anthropic.claude-opus-4-6-v1", PLATFORM, None),
        ("bedrock", "custom", "amazon.nova-pro-v1:0", PLATFORM, {}),
        ("bedrock", "custom", "meta.llama3-70b-instruct-v1:0", PLATFORM, None),
        ("cohere", "custom", "command-a", PLATFORM, None),
    ],
)
def test_vendors_are_told_in_their_own_way(
    dialect: str, vendor: str, model: str, url: str, message: dict[str, bool] | None
) -> None:
    way = prefill_of(dialect, vendor, model, url, None)
    assert (None if way is None else dict(way.message)) == message


def test_the_operator_knows_better() -> None:
    assert prefill_of("openai_chat", "mistral", "m", PLATFORM, "never") is None
    way = prefill_of("openai_chat", "custom", "m", PLATFORM, "final_message")
    assert way is not None
    body = written({"messages": [{"role": "user"}, {"role": "assistant", "content": "a"}]}, way)
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)
    prefix = prefill_of("openai_chat", "custom", "m", PLATFORM, "prefix")
    assert prefix is not None
    assert written({"messages": [{"role": "assistant"}]}, prefix)["messages"] == [{"role": "assistant", "prefix": True}]


def asked(**members: object) -> Request:
    return Request("test", messages=[Message("user", [Text("Hi")], True)], **members)  # type: ignore[arg-type]  # free


def test_only_one_plain_text_is_put_together() -> None:
    assert continuable(asked())
    assert continuable(asked(format=Format("text"), sampling=Sampling(count=1), thinking=Thinking(False)))
    assert not continuable(asked(format=Format("json_object")))
    assert not continuable(asked(sampling=Sampling(count=2)))
    assert not continuable(asked(sampling=Sampling(logprobs=True)))
    assert not continuable(asked(modalities=["text", "audio"]))
    assert not continuable(asked(thinking=Thinking(True)))
    assert not continuable(asked(thinking=Thinking(effort="low")))
    calling = asked()
    calling.messages.append(Message("assistant", [ToolCall("1", "f", "{}")]))
    assert not continuable(calling)


def test_the_beginning_is_the_last_message_and_tokens_are_counted_once() -> None:
    request = asked(max_tokens=10)
    further = continued(request, "Once upon", 4)
    assert [message.role for message in further.messages] == ["user", "assistant"]
    assert further.messages[-1].parts == [Text("Once upon")]
    assert (further.max_tokens, further.stream, request.max_tokens, len(request.messages)) == (6, True, 10, 1)
    assert continued(request, "", 99).max_tokens == 1
    # A beginning of the caller's own is gone on with.
    begun = asked()
    begun.messages.append(Message("assistant", [Text("A: ")], True))
    assert continued(begun, "yes", 1).messages[-1].parts == [Text("A: yes")]
