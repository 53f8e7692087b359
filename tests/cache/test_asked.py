"""Which requests have an answer to keep, and which of them ask the same."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from gateway.cache.asked import DETERMINED, HEADERS, RULES, Rule, asked, canonical_for, said
from gateway.core import Core
from gateway.exchange import Exchange
from gateway.server.routes import find
from gateway.serving import View
from gateway.snapshot.model import Snapshot
from providers.headers import REQUEST_ALLOW_BY_DIALECT
from providers.operations import Dialect, Operation

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
MESSAGES = "/anthropic/v1/messages"
GENERATE = "/genai/v1beta/models/gemini-2.5-flash:generateContent"
CONVERSE = "/bedrock/model/amazon.nova-lite-v1%3A0/converse"

BODIES: dict[str, dict[str, Any]] = {
    CHAT: {"messages": [{"role": "user", "content": "hi"}]},
    "/v1/completions": {"prompt": "hi"},
    RESPONSES: {"input": "hi", "store": False},
    MESSAGES: {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]},
    GENERATE: {"contents": [{"parts": [{"text": "hi"}]}]},
    CONVERSE: {"messages": [{"role": "user", "content": [{"text": "hi"}]}]},
    "/cohere/v2/chat": {"messages": [{"role": "user", "content": "hi"}]},
    "/v1/embeddings": {"input": "hi"},
    "/genai/v1beta/models/e:embedContent": {"content": {"parts": [{"text": "hi"}]}},
    "/cohere/v2/embed": {"texts": ["hi"], "input_type": "search_query", "embedding_types": ["float"]},
    "/v1/rerank": {"query": "q", "documents": ["a", "b"]},
    "/cohere/v2/rerank": {"query": "q", "documents": ["a", "b"]},
    "/v1/moderations": {"input": "hi"},
}


LOOP = asyncio.new_event_loop()
LOOP.close()
CORE = Core(LOOP, View(Snapshot(version=1, created_ns=0, providers={}, routes={}), {}), None, None, None)


def exchange(path: str, body: bytes | dict[str, Any], head: bytes = b"", **more: Any) -> Exchange:
    path, _, query = path.partition("?")
    x = Exchange(None, CORE, 0)
    entry = find(path.encode())
    assert entry is not None
    x.route, x.dialect, x.operation = entry, entry.dialect, entry.operation
    x.query = query.encode()
    x.head = b"POST %s HTTP/1.1\r\nhost: x\r\n%s\r\n" % (path.encode(), head)
    x.body = body if isinstance(body, bytes) else json.dumps(body).encode()
    for name, value in more.items():
        setattr(x, name, value)
    return x


def digest(path: str, body: bytes | dict[str, Any], head: bytes = b"", to: bytes = b"m", **more: Any) -> bytes | None:
    return asked(exchange(path, body, head, **more), to)


def with_member(path: str, **members: Any) -> bytes | None:
    return digest(path, {**BODIES[path], **members})


@pytest.mark.parametrize("path", BODIES)
def test_what_is_kept(path: str) -> None:
    found = with_member(path)
    assert found is not None
    assert len(found) == 32
    turned = dict(reversed(BODIES[path].items()))
    assert digest(path, json.dumps(turned, indent=2).encode()) == found
    assert with_member(path, model="m") == found
    assert with_member(path, seed=1) != found
    assert digest(path, BODIES[path], to=b"n") not in (found, None)


def test_each_rule_is_met_by_a_path() -> None:
    met = set()
    for path in BODIES:
        entry = find(path.encode())
        assert entry is not None
        met.add((entry.dialect, entry.operation))
    assert met == set(RULES)


@pytest.mark.parametrize(
    "path",
    ["/v1/images/generations", "/v1/audio/speech", "/v1/responses/input_tokens", "/anthropic/v1/messages/count_tokens",
     "/v1/ocr", "/genai/v1beta/models/m:countTokens", "/bedrock/model/m/invoke", "/v1/responses/compact"],
)  # fmt: skip
def test_what_is_never_kept(path: str) -> None:
    assert digest(path, {"model": "m", "input": "hi", "store": False}) is None


def rule_of(path: str) -> Rule:
    entry = find(path.encode())
    assert entry is not None
    return RULES[entry.dialect, entry.operation]


@pytest.mark.parametrize(
    ("path", "member"), [(path, member) for path in BODIES for member in rule_of(path).drop if member != "store"]
)
def test_members_that_do_not_matter(path: str, member: str) -> None:
    assert with_member(path, **{member: "x"}) == with_member(path)
    assert with_member(path, extra={member: "x"}) != with_member(path, extra={})


@pytest.mark.parametrize(("path", "member"), [(path, member) for path in BODIES for member in rule_of(path).bar])
def test_members_that_forbid_it(path: str, member: str) -> None:
    assert with_member(path, **{member: {"a": 1}}) is None
    assert with_member(path, **{member: None}) is not None


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
def test_stored_objects(path: str) -> None:
    assert with_member(path, store=True) is None
    assert with_member(path, store=False) is not None
    body = {name: value for name, value in BODIES[path].items() if name != "store"}
    # Chats are stored when that is asked for, responses unless it is not.
    assert (digest(path, body) is None) is (path == RESPONSES)
    assert (digest(path, {**body, "store": None}) is None) is (path == RESPONSES)


def test_what_is_not_stored_does_not_matter() -> None:
    assert with_member(CHAT, store=False) == with_member(CHAT)


@pytest.mark.parametrize(
    ("path", "tools"),
    [
        (RESPONSES, [{"type": "function", "name": "f"}, {"type": "web_search"}]),
        (RESPONSES, [{"type": "mcp", "server_url": "https://x"}]),
        (RESPONSES, [{"type": "code_interpreter", "container": {"type": "auto"}}]),
        (MESSAGES, [{"type": "web_search_20250305", "name": "web_search"}]),
        (MESSAGES, [{"type": "computer_20250124", "name": "computer"}]),
        (GENERATE, [{"googleSearch": {}}]),
        (GENERATE, [{"functionDeclarations": []}, {"codeExecution": {}}]),
        (CHAT, [{"type": "browser_search"}]),
    ],
)
def test_tools_of_the_provider(path: str, tools: list[Any]) -> None:
    assert with_member(path, tools=tools) is None


@pytest.mark.parametrize(
    ("path", "tools"),
    [
        (RESPONSES, [{"type": "function", "name": "f", "parameters": {}}, {"type": "custom", "name": "g"}]),
        (CHAT, [{"type": "function", "function": {"name": "f"}}]),
        (MESSAGES, [{"name": "f", "input_schema": {"type": "object"}}]),
        (GENERATE, [{"functionDeclarations": [{"name": "f"}]}]),
        ("/cohere/v2/chat", [{"type": "function", "function": {"name": "f"}}]),
    ],
)
def test_tools_of_the_caller(path: str, tools: list[Any]) -> None:
    assert with_member(path, tools=tools) not in (None, with_member(path))


def test_bedrocks_tools() -> None:
    spec = {"toolSpec": {"name": "f", "inputSchema": {"json": {}}}}
    assert with_member(CONVERSE, toolConfig={"tools": [spec]}) is not None
    assert with_member(CONVERSE, toolConfig={"tools": [spec, {"systemTool": {"name": "nova_grounding"}}]}) is None


def test_objects_uploads_and_what_is_no_json() -> None:
    assert digest(CHAT, BODIES[CHAT], stateful=True) is None
    assert digest(CHAT, BODIES[CHAT], uploading=True) is None
    assert digest(CHAT, BODIES[CHAT], multipart=True) is None
    assert digest(CHAT, b"[]") is None


def test_one_operation_under_several_paths() -> None:
    body = BODIES[CHAT]
    assert (
        digest("/openai/v1/chat/completions", body)
        == digest(CHAT, body)
        == digest("/litellm/v1/chat/completions", body)
    )
    content = BODIES["/genai/v1beta/models/e:embedContent"]
    one = digest("/genai/v1beta/models/e:embedContent", content)
    assert one == digest("/genai/v1/models/e:embedContent", content)
    assert one != digest("/genai/v1beta/models/e:batchEmbedContents", content)


def test_how_a_stream_is_asked_for() -> None:
    streamed, body = GENERATE.replace(":generate", ":streamGenerate"), BODIES[GENERATE]
    whole, array, events = (digest(path, body) for path in (GENERATE, streamed, streamed + "?alt=sse"))
    assert len({whole, array, events}) == 3
    usage = {"include_usage": True}
    asks = [{}, {"stream": True}, {"stream": True, "stream_options": usage}]
    assert len({with_member(CHAT, **members) for members in asks}) == 3
    assert digest(CONVERSE, BODIES[CONVERSE]) != digest(CONVERSE + "-stream", BODIES[CONVERSE])


def test_fields_of_the_head() -> None:
    plain = digest(MESSAGES, BODIES[MESSAGES])
    beta = digest(MESSAGES, BODIES[MESSAGES], b"Anthropic-Beta: interleaved-thinking-2025-05-14\r\n")
    assert beta == digest(MESSAGES, BODIES[MESSAGES], b"anthropic-beta: interleaved-thinking-2025-05-14\r\n")
    assert beta not in (plain, None)
    assert digest(MESSAGES, BODIES[MESSAGES], b"x-other: interleaved-thinking-2025-05-14\r\n") == plain
    assert digest(CHAT, BODIES[CHAT], b"anthropic-beta: a\r\n") == digest(CHAT, BODIES[CHAT])


def test_each_line_of_a_field_counts() -> None:
    head = b"POST / HTTP/1.1\r\nA: 1\r\nb: x a: y\r\na: 2\r\nab: 3\r\n\r\n"
    assert said(head, (b"a", b"c")) == b"\r\na: 1\r\na: 2"
    assert said(b"POST / HTTP/1.1\r\na: 1", (b"a",)) == b"\r\na: 1"


def test_fields_that_count_are_fields_that_pass() -> None:
    for dialect, names in HEADERS.items():
        assert set(names) <= set(REQUEST_ALLOW_BY_DIALECT[Dialect(dialect).name.lower()])


def test_field_and_body_do_not_run_into_each_other() -> None:
    """What a caller writes into a field can't stand for what the model's name leads to."""
    one = asked(exchange(MESSAGES, BODIES[MESSAGES], b"anthropic-beta: ab\r\n"), b"c")
    assert one != asked(exchange(MESSAGES, BODIES[MESSAGES], b"anthropic-beta: a\r\n"), b"bc")


def test_no_route_asks_nothing() -> None:
    assert asked(exchange(CHAT, BODIES[CHAT], route=None), b"m") is None


def test_the_scratch_object_is_kept_and_tells_more() -> None:
    scratch = canonical_for(Dialect.OPENAI_CHAT, Operation.CHAT)
    assert scratch is canonical_for(Dialect.OPENAI_CHAT, Operation.CHAT)
    assert scratch is not None
    assert with_member(CHAT, temperature=0)
    assert scratch.temperature == 0
    assert canonical_for(Dialect.OPENAI_CHAT, Operation.SPEECH) is None


def test_what_is_determined_has_rules() -> None:
    assert {operation for _, operation in RULES} >= DETERMINED


def test_every_reason_says_something() -> None:
    for rule in RULES.values():
        assert all(rule.drop.values())
        assert all(rule.bar.values())
        assert not rule.stored or "store" in rule.drop
