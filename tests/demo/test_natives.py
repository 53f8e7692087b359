"""The demo upstream answers in each dialect that is none of OpenAI's, as it does in OpenAI's."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

import httpx
import pytest

from providers.dialects import base, load
from providers.eventstream import EventStreamReader
from providers.natives import NATIVES
from providers.neutral import (
    Answer,
    Collector,
    Fault,
    Format,
    Json,
    Losses,
    Message,
    Reasoning,
    Request,
    Sampling,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

NAMES = sorted(NATIVES)
SCHEMA: Json = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}},
    "required": ["city"],
}
WEATHER = Tool("weather", "Looks it up.", SCHEMA)
HELLO = Message("user", [Text("hello there, world")], True)


def post(http: httpx.Client, name: str, model: str, wanted: Request) -> httpx.Response:
    dialect = load(name)
    body = dialect.encode_request(wanted, base.Facts(model), Losses())
    path, query = NATIVES[name].paths["chat"], ""
    if wanted.stream:
        path, query = dialect.stream_path(path)
    return http.post(f"/{name}{path.replace('{model}', model)}?{query}", json=body)


def asking(*, stream: bool = False, messages: tuple[Message, ...] = (HELLO,), **more: object) -> Request:
    return Request("test", messages=list(messages), stream=stream, max_tokens=more.pop("max_tokens", 400), **more)  # type: ignore[arg-type]


def collected(name: str, answer: httpx.Response) -> Collector:
    assert answer.headers["content-type"].partition(";")[0] == load(name).stream_type.partition(";")[0]
    decoder = load(name).stream_decoder()
    found = Collector(name)
    for event in decoder.feed(answer.content) + decoder.end():
        found.add(event)
    return found


def both(http: httpx.Client, name: str, model: str, **asked: object) -> Answer:
    """The whole answer; a streamed one says the same."""
    whole = post(http, name, model, asking(**asked))  # type: ignore[arg-type]
    assert whole.status_code == 200, whole.text
    answer = load(name).decode_answer(whole.json())
    stream = collected(name, post(http, name, model, asking(stream=True, **asked)))  # type: ignore[arg-type]
    assert stream.done
    assert stream.fault is None
    streamed = stream.answer
    assert said(streamed) == said(answer)
    assert streamed.usage is not None
    assert answer.usage is not None
    assert streamed.usage.output_tokens == answer.usage.output_tokens > 0
    assert [choice.finish for choice in streamed.choices] == [choice.finish for choice in answer.choices]
    return answer


def said(answer: Answer) -> list[object]:
    found: list[object] = []
    for part in (part for choice in answer.choices for part in choice.parts):
        if isinstance(part, ToolCall):
            found.append((part.name, json.loads(part.arguments)))
        elif isinstance(part, Text | Reasoning) and part.text:
            found.append((type(part).__name__, part.text))
    return found


def calls(answer: Answer) -> list[ToolCall]:
    return [part for choice in answer.choices for part in choice.parts if isinstance(part, ToolCall)]


@pytest.mark.parametrize("name", NAMES)
def test_text(http: httpx.Client, name: str) -> None:
    answer = both(http, name, "echo")
    assert said(answer) == [("Text", "hello there, world")]
    assert answer.choices[0].finish == "stop"
    openai = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello there, world"}]}
    same = http.post("/v1/chat/completions", json=openai).json()["choices"][0]["message"]["content"]
    assert said(both(http, name, "any-model")) == [("Text", same)]
    assert both(http, name, "echo", max_tokens=2).choices[0].finish == "length"


@pytest.mark.parametrize("name", NAMES)
def test_a_tool_is_called_and_its_result_ends_the_turn(http: httpx.Client, name: str) -> None:
    answer = both(http, name, "echo", tools=[WEATHER])
    assert said(answer) == [("weather", {"city": "demo", "days": 2})]
    assert answer.choices[0].finish == "tool_calls"
    (call,) = calls(answer)
    result = ToolResult(call.id, "weather", [Text("sunny")], plain=True)
    turn = (HELLO, Message("assistant", [call]), Message("tool", [result]))
    assert said(both(http, name, "echo", tools=[WEATHER], messages=turn)) == [("Text", "The tool said: sunny")]


@pytest.mark.parametrize("name", ["anthropic", "cohere", "gemini"])
def test_no_tool_is_called_when_none_is_wanted(http: httpx.Client, name: str) -> None:
    none = ToolChoice("none")
    assert not calls(both(http, name, "echo", tools=[WEATHER], tool_choice=none))


@pytest.mark.parametrize("name", ["anthropic", "bedrock", "gemini"])
def test_the_forced_tool_is_called(http: httpx.Client, name: str) -> None:
    other = Tool("other", "", {"type": "object", "properties": {}})
    (call,) = calls(both(http, name, "echo", tools=[other, WEATHER], tool_choice=ToolChoice("tool", ["weather"])))
    assert call.name == "weather"


@pytest.mark.parametrize("name", ["cohere", "gemini", "ollama"])
def test_structured_output_fits_its_schema(http: httpx.Client, name: str) -> None:
    answer = both(http, name, "echo", format=Format("json_schema", SCHEMA))
    ((_, text),) = said(answer)  # type: ignore[misc]
    assert json.loads(text) == {"city": "demo", "days": 2}


@pytest.mark.parametrize("name", NAMES)
def test_thoughts_come_first(http: httpx.Client, name: str) -> None:
    answer = both(http, name, "echo+think-3")
    assert said(answer) == [("Reasoning", "hm hm hm"), ("Text", "hello there, world")]


def test_several_candidates(http: httpx.Client) -> None:
    assert len(both(http, "gemini", "echo", sampling=Sampling(count=2)).choices) == 2


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("status", "kind"), [(400, "bad_request"), (401, "auth"), (429, "rate_limit"), (500, "server"), (503, "overloaded")]
)
def test_errors(http: httpx.Client, name: str, status: int, kind: str) -> None:
    for stream in (False, True):
        answer = post(http, name, f"error-{status}", asking(stream=stream))
        assert answer.status_code == status
        fault = told(name, answer.status_code, answer.headers, answer.content)
        assert fault.kind == kind
        assert answer.headers.get("retry-after") == ("1" if status in (429, 503) else None)


def told(name: str, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    return load(name).decode_fault(status, dict(headers), body)


@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_be_read_is_refused_in_the_dialect(http: httpx.Client, name: str) -> None:
    path = NATIVES[name].paths["chat"].replace("{model}", "echo")
    for body in (b"{", b"[]", b'{"messages": 1, "contents": 1}'):
        answer = http.post(f"/{name}{path}", content=body)
        assert answer.status_code == 400
        assert told(name, 400, answer.headers, answer.content).kind == "bad_request"


@pytest.mark.parametrize("name", NAMES)
def test_faults_within_a_stream(http: httpx.Client, name: str) -> None:
    erring = collected(name, post(http, name, "error-event+after-3", asking(stream=True)))
    assert erring.fault is not None
    assert "while streaming" in erring.fault.message
    assert not erring.done
    broken = collected(name, post(http, name, "bad-json", asking(stream=True)))
    assert broken.fault is not None
    assert not broken.done
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
        post(http, name, "cut-stream", asking(stream=True))


@pytest.mark.parametrize("name", NAMES)
def test_faults_instead_of_an_answer(http: httpx.Client, name: str) -> None:
    assert post(http, name, "html-error", asking()).headers["content-type"] == "text/html"
    with pytest.raises(json.JSONDecodeError):
        post(http, name, "bad-json", asking()).json()
    with pytest.raises(httpx.RemoteProtocolError):
        post(http, name, "reset", asking())


def test_the_demo_object_is_read(http: httpx.Client) -> None:
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}], "demo": {"status": 418}}
    assert http.post("/anthropic/v1/messages", json=body).status_code == 418


def test_invoke(http: httpx.Client) -> None:
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 99,
        "messages": [{"role": "user", "content": "hello"}],
    }
    answer = http.post("/bedrock/model/echo/invoke", json=body).json()
    assert [block["text"] for block in answer["content"]] == ["hello"]
    stream = http.post("/bedrock/model/echo/invoke-with-response-stream", json=body)
    assert stream.headers["content-type"] == "application/vnd.amazon.eventstream"
    pieces = [json.loads(frame.payload)["bytes"] for frame in EventStreamReader().feed(stream.content)]
    events = [json.loads(base64.b64decode(piece)) for piece in pieces]
    texts = [event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta"]
    assert "".join(texts) == "hello"
    assert events[-1]["type"] == "message_stop"


@pytest.mark.parametrize("path", ["/anthropic/v1/other", "/gemini/v1beta/models/x:other", "/bedrock/model/x"])
def test_other_paths_are_unknown(http: httpx.Client, path: str) -> None:
    assert http.post(path, json={}).status_code == 404
    assert http.get("/anthropic/v1/messages").status_code == 404
