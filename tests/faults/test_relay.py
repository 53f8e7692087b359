"""Between a caller and a provider: what passes, what is spoilt, and who hears of a loss."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from gateway.faults.embedded import Faults, InThread
from gateway.faults.relay import Events
from gateway.faults.schema import Setup, UpstreamEntry
from tests.faults.client import CHAT, call
from tests.live.upstreams import CHAT as SAID
from tests.live.upstreams import (
    Act,
    Received,
    Step,
    Upstream,
    chunk,
    chunked_head,
    http,
    ordinary,
    stream,
    stream_events,
)
from tests.live.wire import ask, request
from tests.waiting import wait_for


@pytest.fixture
def provider() -> Iterator[Upstream]:
    with Upstream() as made:
        yield made


@pytest.fixture
def faults(provider: Upstream) -> Iterator[Faults]:
    entry = UpstreamEntry(to=f"http://127.0.0.1:{provider.port}/base")
    with InThread(Setup(upstreams={"p": entry})) as made:
        yield made


def test_a_call_passes_as_it_is(provider: Upstream, faults: Faults) -> None:
    provider.script = lambda _: [http(SAID, fields=["X-One: 1", "x-two: 2"])]
    heard = call(faults.url(), path=CHAT + "?a=b", fields=(("x-other", "y"), ("accept-encoding", "gzip")))
    assert (heard.answer.body, heard.answer.header("x-one"), heard.answer.header("x-two")) == (SAID, "1", "2")
    [seen] = provider.requests
    assert seen.target == "/base/v1/chat/completions?a=b"
    assert (seen.header("x-other"), seen.header("authorization")) == ("y", "Bearer sk-caller")
    assert seen.header("host") == f"127.0.0.1:{provider.port}"
    assert seen.header("accept-encoding") is None
    total = faults.meter().total
    assert (total.whole, total.prompt_tokens, total.completion_tokens) == (1, 9, 4)


def test_connections_to_the_provider_are_kept(provider: Upstream, faults: Faults) -> None:
    for _ in range(5):
        assert call(faults.url(), quiet=0.005).answer.body == SAID
    assert (len(provider.visits), provider.served) == (1, 5)


def test_a_stream_passes_event_by_event(provider: Upstream, faults: Faults) -> None:
    whole = stream_events()
    # In pieces that respect no event.
    text = b"".join(whole)
    provider.script = lambda _: [chunked_head(), *(chunk(text[i : i + 7]) for i in range(0, len(text), 7)), chunk(b"")]
    heard = call(faults.url(), stream=True)
    assert (heard.answer.body, heard.answer.complete) == (text, True)
    [seen] = faults.calls()
    assert (seen.events, seen.prompt_tokens, seen.completion_tokens, seen.estimated) == (len(whole), 9, 4, False)
    faults.set("cut:2")
    assert call(faults.url(), stream=True).answer.body == b"".join(whole[:2])


def test_the_sdk_through_it(provider: Upstream, faults: Faults) -> None:
    with openai.OpenAI(api_key="sk", base_url=faults.url() + "/v1", max_retries=0) as client:
        chunks = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}], stream=True)
        assert sum(1 for _ in chunks) == 5
        assert client.chat.completions.create(model="m", messages=[]).choices[0].message.content == "hello"


@pytest.mark.parametrize("act", [Act.CLOSE, Act.RESET])
def test_a_provider_that_is_lost_is_lost_to_the_caller(provider: Upstream, faults: Faults, act: Act) -> None:
    steps: list[Step] = [*stream(stream_events())[:3], 0.05, act]
    provider.script = lambda _: steps
    heard = call(faults.url(), stream=True)
    assert (heard.end, heard.answer.complete, len(heard.events)) == ("reset", False, 2)
    provider.script = lambda _: [act]
    assert call(faults.url()).data == b""
    assert [seen.ending for seen in faults.calls()] == ["cut", "cut"]


def test_a_kept_connection_that_died_is_not_the_callers_trouble(provider: Upstream, faults: Faults) -> None:
    def once(received: Received) -> list[Step]:
        return [Act.CLOSE] if received.nth else list(ordinary(received))

    provider.script = once
    for _ in range(3):
        assert call(faults.url(), quiet=0.005).answer.body == SAID
    assert faults.meter().total.whole == 3


def test_a_provider_that_is_not_there(faults: Faults, provider: Upstream) -> None:
    entry = UpstreamEntry(to="http://127.0.0.1:9")
    with InThread(Setup(upstreams={"p": entry})) as nowhere:
        heard = call(nowhere.url())
        assert heard.answer.status == 502
        assert b"cannot reach" in heard.answer.body
        assert nowhere.meter().total.failed == 1


def test_the_provider_hears_of_a_caller_who_leaves(provider: Upstream, faults: Faults) -> None:
    provider.script = lambda _: [*stream(stream_events())[:3], Act.HOLD]
    call(faults.url(), stream=True, patience=1.0)
    wait_for(lambda: provider.open == 0, "the provider's connection to be closed")
    [seen] = faults.calls()
    assert (seen.ending, seen.events) == ("cancelled", 2)


def test_an_answer_that_ends_with_its_connection(provider: Upstream, faults: Faults) -> None:
    provider.script = lambda _: [b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello", Act.CLOSE]
    assert call(faults.url()).answer.body == b"hello"


def test_lists_and_errors_pass(provider: Upstream, faults: Faults) -> None:
    provider.script = lambda r: [http("[]") if r.method == "GET" else http('{"error":1}', status=418)]
    heard = call(faults.url())
    assert (heard.answer.status, heard.answer.body) == (418, b'{"error":1}')
    port = int(faults.url().rpartition(":")[2])
    assert ask(port, request("GET", "/v1/models", None)).body == b"[]"
    assert [seen.ending for seen in faults.calls()] == ["failed", "whole"]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_events_are_found_at_any_split(size: int) -> None:
    text = b"data: a\n\nevent: b\r\ndata: c\r\n\r\ndata: [DONE]\n\nrest"
    events = Events("text/event-stream; charset=utf-8")
    found = [event for i in range(0, len(text), size) for event in events.feed(text[i : i + size])]
    assert found == [b"data: a\n\n", b"event: b\r\ndata: c\r\n\r\n", b"data: [DONE]\n\n"]
    assert (events.rest(), events.rest()) == (b"rest", b"")
