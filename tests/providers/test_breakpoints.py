"""Where prompts are marked for Claude's cache when the caller marks nothing."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from anthropic.types import MessageCreateParams
from pydantic import TypeAdapter

from providers.breakpoints import MEMBER, MINIMUM_BYTES, marked, placed, spliced, takes_marks
from providers.dialects import load
from providers.dialects.base import Facts
from providers.neutral import (
    CacheMark,
    Losses,
    Media,
    Message,
    Part,
    Reasoning,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

LONG = "x" * MINIMUM_BYTES
MARK = {"type": "ephemeral"}
CLAUDE = "claude-sonnet-4-5"
POINT = {"cachePoint": {"type": "default"}}


def chat(*messages: tuple[str, str], tools: int = 2, **more: Any) -> dict[str, Any]:
    listed = [
        {"type": "function", "function": {"name": f"t{n}", "parameters": {"type": "object", "properties": {}}}}
        for n in range(tools)
    ]
    body: dict[str, Any] = {"model": "m", "messages": [{"role": r, "content": c} for r, c in messages], **more}
    return body | {"tools": listed} if tools else body


def told(body: dict[str, Any], dialect: str = "anthropic", model: str = CLAUDE) -> dict[str, Any]:
    """What the provider is sent for a chat completion."""
    request = load("openai_chat").decode_request(copy.deepcopy(body), model=model)
    losses = Losses("error")
    found = placed(request, json.dumps(body).encode(), dialect, model)
    return load(dialect).encode_request(found, Facts(model), losses)


def marks(value: Any, where: str = "") -> list[str]:
    """Paths of everything that bears a mark."""
    if isinstance(value, list):
        return [path for at, one in enumerate(value) for path in marks(one, f"{where}.{at}")]
    if not isinstance(value, dict):
        return []
    own = [where[1:]] if "cache_control" in value or "cachePoint" in value else []
    return own + [path for name, one in value.items() for path in marks(one, f"{where}.{name}")]


CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "one question": (chat(("system", LONG), ("user", "Hi")), ["tools.1", "system.0"]),
    "without tools": (chat(("system", LONG), ("user", "Hi"), tools=0), ["system.0"]),
    "second turn": (
        chat(("system", LONG), ("user", "1"), ("assistant", "2"), ("user", "3")),
        ["tools.1", "system.0", "messages.0.content.0"],
    ),
    "fourth turn, no system": (
        chat(("user", LONG), ("assistant", "2"), ("user", "3"), ("assistant", "4"), ("user", "5"), tools=0),
        ["messages.2.content.0"],
    ),
    "two messages are one turn": (
        chat(("user", LONG), ("user", "b"), ("assistant", "2"), ("user", "3"), tools=0),
        ["messages.0.content.1"],
    ),
    "the end of several system messages": (
        chat(("system", LONG), ("developer", "b"), ("user", "c"), tools=0),
        ["system.1"],
    ),
    "only one of the tools may be used": (
        chat(
            ("user", LONG),
            tool_choice={
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "t0"}}]},
            },
        ),
        ["tools.0"],
    ),
    "short": (chat(("system", "Be brief."), ("user", "Hi")), []),
    "the caller marks": (
        chat(("user", "Hi"), tools=0)
        | {"messages": [{"role": "user", "content": [{"type": "text", "text": LONG, "cache_control": MARK}]}]},
        ["messages.0.content.0"],
    ),
    "a text about marks": (chat(("system", LONG), ("user", '"cache_control"'), tools=0), ["system.0"]),
}


@pytest.mark.parametrize("name", CASES)
def test_what_anthropic_is_told(name: str) -> None:
    body, expected = CASES[name]
    sent = told(body)
    assert sorted(marks(sent)) == sorted(expected)
    assert len(marks(sent)) <= 4
    plain = load("anthropic").encode_request(
        load("openai_chat").decode_request(copy.deepcopy(body), model=CLAUDE), Facts(CLAUDE), Losses("error")
    )
    if name != "the caller marks":
        assert unmarked(sent) == spelled_out(plain), "nothing else changes"
    TypeAdapter(MessageCreateParams).validate_python(sent)


def unmarked(value: Any) -> Any:
    if isinstance(value, list):
        return [unmarked(one) for one in value]
    if isinstance(value, dict):
        return {name: unmarked(one) for name, one in spelled_out(value).items() if name != "cache_control"}
    return value


def spelled_out(body: Any) -> Any:
    """Bare strings as the blocks that they stand for."""
    if not isinstance(body, dict) or "messages" not in body:
        return body
    blocks = lambda text: [{"type": "text", "text": text}] if isinstance(text, str) else text  # noqa: E731
    out = {**body, "messages": [{**one, "content": blocks(one["content"])} for one in body["messages"]]}
    return out | {"system": blocks(body["system"])} if "system" in body else out


def test_results_of_tools_are_a_turn_of_the_user() -> None:
    parts: list[tuple[str, list[Part]]] = [
        ("user", [Text(LONG)]),
        ("assistant", [ToolCall("c1", "t", "{}")]),
        ("tool", [ToolResult("c1", parts=[Text("sun")])]),
        ("assistant", [ToolCall("c2", "t", "{}")]),
        ("tool", [ToolResult("c2", parts=[Text("rain")])]),
    ]
    request = Request("openai_chat", messages=[Message(role, said) for role, said in parts])  # type: ignore[arg-type]
    sent = load("anthropic").encode_request(marked(request), Facts(CLAUDE), Losses("error"))
    assert marks(sent) == ["messages.2.content.0"]
    assert sent["messages"][2]["content"][0]["tool_use_id"] == "c1"


def test_blank_texts_thoughts_and_sounds_bear_no_mark() -> None:
    first = [Text("a"), Media("image", "image/png", data="iVBO"), Text("  "), Reasoning("b"), Media("audio", data="x")]
    request = Request("test", messages=[Message("user", list(first)), Message("assistant", [Text("2")]),
                                        Message("user", [Text("3")])])  # fmt: skip
    found = marked(request).messages[0].parts
    assert [getattr(part, "cache", None) is not None for part in found] == [False, True, False, False, False]


def test_the_request_itself_stays_as_it_is() -> None:
    """Another target may be tried with it, which has no place for marks."""
    request = Request(
        "test", messages=[Message("system", [Text("a")]), Message("user", [Text("b")])], tools=[Tool("t")]
    )
    before = copy.deepcopy(request)
    assert marked(request) != before
    assert request == before


@pytest.mark.parametrize(
    "request_",
    [
        Request("test"),
        Request("test", messages=[Message("user", [Text("b")])]),
        Request("test", tools=[Tool("t", custom=True), Tool("web", own={"type": "web"})]),
        Request("test", tools=[Tool("t", cache=CacheMark())], messages=[Message("system", [Text("a")])]),
        Request("test", messages=[Message("system", [Text("a")]),
                                  Message("user", [ToolResult("c", parts=[Text("b", cache=CacheMark("1h"))])])]),
        Request("test", tools=[Tool("t")], tool_choice=ToolChoice("auto", ["other"])),
    ],
)  # fmt: skip
def test_nothing_to_mark_or_marked_already(request_: Request) -> None:
    assert marked(request_) is request_


def test_bedrock_gets_points_of_its_own() -> None:
    body = chat(("system", LONG), ("user", "1"), ("assistant", "2"), ("user", "3"))
    sent = told(body, "bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0")
    assert sent["system"] == [{"text": LONG}, POINT]
    assert sent["messages"][0]["content"] == [{"text": "1"}, POINT]
    assert sent["toolConfig"]["tools"][-1] == POINT
    assert len(marks(sent)) == 3


@pytest.mark.parametrize(
    ("dialect", "model", "takes"),
    [
        ("anthropic", CLAUDE, True),
        ("anthropic", "a-follower", True),
        ("bedrock", "anthropic.claude-3-5-haiku-20241022-v1:0", True),
        ("bedrock", "us.anthropic.claude-3-7-sonnet-20250219-v1:0", True),
        ("bedrock", "anthropic.claude-3-haiku-20240307-v1:0", False),
        ("bedrock", "anthropic.claude-3-5-sonnet-20240620-v1:0", False),
        ("bedrock", "amazon.nova-pro-v1:0", False),
        ("bedrock", "arn:aws:bedrock:eu-west-1:1:application-inference-profile/x", False),
        ("openai_chat", CLAUDE, False),
        ("gemini", CLAUDE, False),
    ],
)
def test_who_is_marked_for(dialect: str, model: str, takes: bool) -> None:
    assert takes_marks(dialect, model) is takes


# --- bytes


def test_one_member_is_spliced_and_every_other_byte_stays() -> None:
    body = b'{ "model" : "m",\t"system":"%b" , "messages":[] } \r\n' % LONG.encode()
    out = spliced(body)
    assert out.replace(b"," + MEMBER, b"") == body
    read = json.loads(out)
    assert read["cache_control"] == MARK
    TypeAdapter(MessageCreateParams).validate_python(read | {"max_tokens": 1})


@pytest.mark.parametrize(
    "said", [rb"\u0063ache_contro", rb"\\u0063ache_control", rb"caf\u00e9 cache_control", rb"\u0041"]
)
def test_escapes_that_spell_no_mark_do_not_count(said: bytes) -> None:
    body = b'{"system":"%b%b","%b":1}' % (LONG.encode(), said, said)
    assert json.loads(spliced(body))["cache_control"] == MARK


@pytest.mark.parametrize(
    "body",
    [
        b'{"system":"short"}',
        b'{"system":[{"type":"text","text":"%b","cache_control":{"type":"ephemeral"}}]}' % LONG.encode(),
        b'{"cache_control":null,"system":"%b"}' % LONG.encode(),
        b'{"cache\\u005fcontrol":null,"system":"%b"}' % LONG.encode(),
        b'{"system":"%b","\\u0063ache_contr\\u006Fl":null}' % LONG.encode(),
        b'{"system":"%b","cache\\u0050oint":null}' % LONG.encode(),
        b"{" + b" " * MINIMUM_BYTES + b"}",
        b" " * MINIMUM_BYTES,
        b"[" + b" " * MINIMUM_BYTES + b"]",
    ],
)
def test_what_is_marked_short_or_no_object_stays(body: bytes) -> None:
    assert spliced(body) is body
