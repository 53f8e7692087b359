"""Streams that break off go on with another attempt, and the caller reads one answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gateway.records import ErrorKind, Flags, Kind, Outcome, UsageSource
from providers.dialects import load
from providers.neutral import Done, Ended, Event, PartDelta, PartEnd, PartStart, Start, Text, ToolCall, Usage
from tests.live.fixtures import Start as StartGateway
from tests.live.instance import Gateway, configuration
from tests.live.test_translation import asking, read
from tests.live.trail import trail_of
from tests.live.upstreams import DONE, Act, Received, Step, Upstream, chunk, chunked_head, http
from tests.live.wire import ask, request

FIRST = ["One ", "two", "\n\n", "th\u00e9ree \U0001f600 ", "four"]
SECOND = [" five", " six", "."]
WHOLE = "".join([*FIRST, *SECOND])
END: list[Event] = [PartEnd(0, 0), Ended(0, "stop"), Usage(20, 7), Done()]
FORMS = ["openai_chat", "anthropic", "gemini", "bedrock", "ollama"]
CALLERS = ["openai_chat", "openai_responses", "anthropic", "gemini", "bedrock", "cohere"]


def pieces_of(dialect: str, texts: list[str], more: list[Event] | None = None) -> list[bytes]:
    """Events of a stream that says these texts one by one, and then ``more``: by default its end."""
    request = load(dialect).decode_request({"model": "m", "messages": [], "contents": []}, model="m", stream=True)
    request.include_usage = True
    encoder = load(dialect).stream_encoder(request)
    events: list[Event] = [Start("id-1", "the-model", 1_700_000_000), PartStart(0, 0, Text())]
    events += [PartDelta(0, 0, text) for text in texts]
    events += END if more is None else more
    return [piece for event in events if (piece := encoder.encode(event))]


def said_before(received: Received) -> str:
    """The beginning that a provider is asked to go on with; empty: none."""
    name = received.target.split("/")[1]
    asked = load(name).decode_request(received.json(), model="m", stream=True)
    last = asked.messages[-1]
    return "".join(part.text for part in last.parts if isinstance(part, Text)) if last.role == "assistant" else ""


def end_of(dialect: str, at: int, how: str) -> list[Step]:
    """The first stream up to a byte, and how it breaks off."""
    raw = b"".join(pieces_of(dialect, FIRST))[:at]
    ways: dict[str, list[Step]] = {"end": [chunk(b"")], "fin": [Act.CLOSE], "rst": [0.02, Act.RESET]}
    return [chunked_head(load(dialect).stream_type), *([chunk(raw)] if raw else []), *ways[how]]


def cuts_of(dialect: str) -> list[tuple[int, str]]:
    """Behind every event and inside the next, in each of three ways, until all texts have been said."""
    pieces = pieces_of(dialect, FIRST, [])
    ends = [len(b"".join(pieces[: i + 1])) for i in range(len(pieces))]
    return [(at + more, how) for at in ends for more in (0, 5) for how in ("end", "fin", "rst")]


def going_on(received: Received) -> list[Step]:
    """A provider that goes on with exactly what was said."""
    name = received.target.split("/")[1]
    said = said_before(received)
    rest = WHOLE[len(said) :] if WHOLE.startswith(said) else f"({said} is nothing that was said)"
    data = b"".join(pieces_of(name, [rest[i : i + 3] for i in range(0, len(rest), 3)]))
    middle = len(data) // 2
    return [chunked_head(load(name).stream_type), chunk(data[:middle]), 0.005, chunk(data[middle:]), chunk(b"")]


def provider(received: Received) -> list[Step]:
    """Providers called ``cut`` break off where the system prompt says, all others go on."""
    _, dialect, name, *_ = received.target.split("/")
    if name == "cut":
        return end_of(dialect, *cuts_of(dialect)[int(received.body.partition(b"Be ")[2][:4])])
    return going_on(received)


def provider_entry(origin: str, dialect: str, name: str) -> dict[str, Any]:
    return {
        "dialect": dialect,
        "vendor": "custom",
        "base_url": f"{origin.removesuffix('/v1')}/{dialect}/{name}",
        "keys": [{"name": "k", "value": "sk-upstream-canary"}],
        "prefill": "turn",
        **({"operations": ["chat"]} if dialect == "openai_chat" else {}),
    }


def pairs_of_forms(url: str) -> dict[str, Any]:
    """A provider of every dialect that breaks off, one that goes on, and a route for each pair."""
    config = configuration(url, retry={"budget": 10})
    config["providers"] = {
        f"{name}-{dialect.replace('_', '-')}": provider_entry(url, dialect, name)
        for name in ("cut", "on")
        for dialect in FORMS
    }
    config["routes"] = {
        f"{one}-{other}": {
            "targets": [f"cut-{one.replace('_', '-')}/a"],
            "fallbacks": [f"on-{other.replace('_', '-')}/b"],
            "continue_on_cut": True,
        }
        for one in FORMS
        for other in FORMS
    }
    return config


@pytest.fixture(scope="module")
def world(start_for_module: StartGateway) -> Iterator[Gateway]:
    with Upstream(provider, keep=False) as upstream:
        config = pairs_of_forms(upstream.url)
        yield start_for_module(config)


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("first", FORMS)
@pytest.mark.parametrize("second", FORMS)
def test_the_caller_reads_one_answer_wherever_the_cut_falls(
    world: Gateway, caller: str, first: str, second: str
) -> None:
    def one(number: int) -> str:
        raw = asking(caller, f"{first}-{second}", stream=True).replace(b"Be brief.", b"Be %04d.." % number)
        answer = ask(world.port, raw, whole=False)
        told = read(caller, answer.body)
        texts = [part.text for choice in told.answer.choices for part in choice.parts if isinstance(part, Text)]
        right = answer.complete and told.done and told.fault is None and "".join(texts) == WHOLE
        return "" if right else f"{cuts_of(first)[number]}: {answer.status} {answer.complete} {answer.body!r}"

    count = len(cuts_of(first))
    with ThreadPoolExecutor(8) as pool:
        assert list(filter(None, pool.map(one, range(count) if first == caller else range(0, count, 5))))[:1] == []


BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True, "max_tokens": 100}
ERROR = b'data: {"error":{"message":"out of memory","type":"server_error"}}\n\n'
HEAD = chunked_head()


def beginning(*more: Step) -> list[Step]:
    """All texts of the first stream in OpenAI's chat, and what follows."""
    return [HEAD, *map(chunk, pieces_of("openai_chat", FIRST, [])), *more]


def ending(texts: list[str]) -> list[Step]:
    return [HEAD, *map(chunk, pieces_of("openai_chat", texts)), chunk(b"")]


def pair(first: str, second: str, **more: Any) -> dict[str, Any]:
    """Two providers of OpenAI's chat behind a route that continues."""
    config = configuration(first, provider={"prefill": "prefix", "stream_usage": "always"}, **more)
    config["providers"]["other"] = {**config["providers"]["mock"], "base_url": second}
    config["routes"]["m"] = {"targets": ["mock/m"], "fallbacks": ["other/n"], "continue_on_cut": True}
    return config


def text_of(body: bytes) -> tuple[str, bool, bool]:
    """What was said, whether the stream ended, whether it ended with an error."""
    told = read("openai_chat", body)
    texts = [part.text for choice in told.answer.choices for part in choice.parts if isinstance(part, Text)]
    return "".join(texts), told.done, told.fault is not None


@pytest.mark.parametrize("how", ["idle", "error", "error in the same piece", "reset"])
def test_whatever_cuts_a_stream_it_goes_on_once(start_gateway: StartGateway, how: str) -> None:
    """One answer with one id, one beginning and one end; the books have both attempts."""
    ways: dict[str, list[Step]] = {
        "idle": beginning(Act.HOLD),
        "error": beginning(chunk(ERROR), chunk(b"")),
        "error in the same piece": [HEAD, chunk(b"".join([*pieces_of("openai_chat", FIRST, []), ERROR])), chunk(b"")],
        "reset": beginning(0.02, Act.RESET),
    }
    kinds = {"idle": ErrorKind.TIMEOUT_IDLE, "reset": ErrorKind.RESET}
    with Upstream(lambda received: ways[how]) as first, Upstream(lambda received: ending(SECOND)) as second:
        # Where nothing stands still, a busy machine must not either.
        config = pair(first.url, second.url, timeouts={"stream_idle": "1s" if how == "idle" else "60s"})
        gateway = start_gateway(config)
        answer = ask(gateway.port, request(body=json.dumps(BODY).encode()))
        assert text_of(answer.body) == (WHOLE, True, False)
        events = [json.loads(line[6:]) for line in answer.body.split(b"\n\n") if line.startswith(b"data: {")]
        assert {one["id"] for one in events} == {"id-1"}
        assert sum("role" in choice["delta"] for one in events for choice in one["choices"]) == 1
        assert answer.body.count(DONE) == 1
        (asked,) = second.requests
        sent = asked.json()
        assert sent["messages"] == [*BODY["messages"], {"role": "assistant", "content": "".join(FIRST), "prefix": True}]
        assert (sent["model"], sent["max_tokens"], sent["stream"]) == ("n", 100 - len(FIRST), True)
        if how == "idle":
            first.wait(lambda: first.open == 0)
        (row,) = trail_of(gateway).values()
        assert (row.outcome, row.status, row.attempts) == (Outcome.OK, 200, 2)
        assert row.flags & Flags.CONTINUED
        # The first attempt has not said its usage: estimated, and marked so.
        assert (row.completion_tokens, row.usage_source) == (len(FIRST) + 7, UsageSource.ESTIMATE)
        (attempt,) = trail_of(gateway, Kind.ATTEMPT).values()
        assert attempt.error_kind == kinds.get(how, ErrorKind.STREAM_ERROR)


@pytest.mark.parametrize(
    "why",
    ["finished", "tool call", "several answers", "form of the answer", "no prefill", "not asked for", "thoughts"],
)
def test_what_can_not_go_on_is_cut_with_an_error(start_gateway: StartGateway, why: str) -> None:
    script, body = beginning(Act.CLOSE), dict(BODY)
    if why == "finished":
        script = [HEAD, *map(chunk, pieces_of("openai_chat", FIRST, [PartEnd(0, 0), Ended(0, "stop")])), Act.CLOSE]
    elif why == "tool call":
        call: list[Event] = [PartEnd(0, 0), PartStart(0, 1, ToolCall("1", "f", "{"))]
        script = [HEAD, *map(chunk, pieces_of("openai_chat", FIRST, call)), Act.CLOSE]
    elif why == "several answers":
        body["n"] = 2
    elif why == "form of the answer":
        body["response_format"] = {"type": "json_object"}
    elif why == "thoughts":
        body["reasoning_effort"] = "high"
    with Upstream(lambda received: script) as first, Upstream(lambda received: ending(SECOND)) as second:
        config = pair(first.url, second.url)
        if why == "no prefill":
            for entry in config["providers"].values():
                del entry["prefill"]
        if why == "not asked for":
            del config["routes"]["m"]["continue_on_cut"]
        answer = ask(start_gateway(config).port, request(body=json.dumps(body).encode()), whole=False)
        assert (len(second.requests), answer.complete, DONE in answer.body) == (0, False, False)
        assert text_of(answer.body) == ("".join(FIRST), False, True)


def test_a_third_cut_is_told(start_gateway: StartGateway) -> None:
    """Each attempt says a little and breaks off; an only target is asked once more, twice at most."""

    def little(received: Received) -> list[Step]:
        return [HEAD, *map(chunk, pieces_of("openai_chat", ["a", "b"], [])), 0.02, Act.RESET]

    with Upstream(little) as only:
        config = pair(only.url, only.url)
        config["routes"]["m"]["fallbacks"] = []
        gateway = start_gateway(config)
        answer = ask(gateway.port, request(body=json.dumps(BODY).encode()), whole=False)
        assert (text_of(answer.body), answer.complete) == (("ababab", False, True), False)
        said = [one.json()["messages"][-1]["content"] for one in only.requests]
        assert said == ["hi", "ab", "abab"]
        (row,) = trail_of(gateway).values()
        assert (row.outcome, row.attempts, row.completion_tokens) == (Outcome.TRUNCATED, 3, 6)


def test_who_refuses_to_go_on_is_passed_over_and_at_last_the_cut_is_told(start_gateway: StartGateway) -> None:
    refusing = [http(b'{"error":{"message":"down"}}', 503)]
    for last, wanted in ((ending(SECOND), (WHOLE, True, False)), (refusing, ("".join(FIRST), False, True))):
        with (
            Upstream(lambda received: beginning(0.02, Act.RESET)) as first,
            Upstream(lambda received: refusing) as second,
            Upstream(lambda received, last=last: last) as third,
        ):
            config = pair(first.url, second.url, retry={"attempts": 3, "backoff_max": "1ms"})
            config["providers"]["third"] = {**config["providers"]["mock"], "base_url": third.url}
            config["routes"]["m"]["fallbacks"].append("third/o")
            gateway = start_gateway(config)
            answer = ask(gateway.port, request(body=json.dumps(BODY).encode()), whole=False)
            assert text_of(answer.body) == wanted
            assert answer.body.count(b"HTTP/1.1") == 0
            assert [len(each.requests) for each in (first, second, third)] == [1, 1, 1]
            (row,) = trail_of(gateway).values()
            assert (row.status, row.completion_tokens > 0) == (200, True)


def test_where_nothing_was_said_anybody_can_begin(start_gateway: StartGateway) -> None:
    """A cut behind the event that says who speaks needs no provider that goes on."""
    with (
        Upstream(lambda received: [HEAD, *map(chunk, pieces_of("openai_chat", [], [])), Act.CLOSE]) as first,
        Upstream(lambda received: ending(["all"])) as second,
    ):
        config = pair(first.url, second.url)
        for entry in config["providers"].values():
            del entry["prefill"]
        answer = ask(start_gateway(config).port, request(body=json.dumps(BODY).encode()))
        assert text_of(answer.body) == ("all", True, False)
        assert second.requests[0].json()["messages"] == BODY["messages"]
