"""The meter is exact: whole answers, cuts, callers that leave, credentials, ids and prices."""

from __future__ import annotations

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.demo.connection import Request
from gateway.faults import meter as metering
from gateway.faults.embedded import Faults
from gateway.faults.meter import Call, Meter, fingerprint
from gateway.faults.schema import Prices
from gateway.faults.tokens import Reading, asked
from tests.faults.client import CHAT, MESSAGES, body, call
from tests.faults.conftest import PRICES
from tests.live.wire import AnswerReader, request
from tests.waiting import wait_for


def price(seen: Call) -> int:
    return (
        seen.prompt_tokens * PRICES.prompt_nanodollars + seen.completion_tokens * PRICES.completion_nanodollars
    )  # fmt: skip


def ended(faults: Faults, count: int = 1) -> list[Call]:
    """The calls, once all of them have ended."""
    wait_for(lambda: faults.meter().open == 0 and faults.meter().total.begun == count, "the end of all calls")
    return faults.calls()


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_whole_answer_costs_what_it_says(faults: Faults, path: str) -> None:
    usage = json.loads(call(faults.url(), path=path).answer.body)["usage"]
    [seen] = faults.calls()
    assert (seen.ending, seen.status, seen.estimated) == ("whole", 200, False)
    assert seen.prompt_tokens == usage.get("prompt_tokens", usage.get("input_tokens"))
    assert seen.completion_tokens == usage.get("completion_tokens", usage.get("output_tokens"))
    assert seen.price_nanodollars == price(seen) > 0
    total = faults.meter().total
    assert (total.begun, total.whole, total.charged, total.price_nanodollars) == (1, 1, 1, price(seen))


def test_a_stream_that_says_no_usage_costs_the_same(faults: Faults) -> None:
    """The text is counted as the demo counts it."""
    call(faults.url(), stream=True, stream_options={"include_usage": True})
    call(faults.url(), stream=True)
    told, counted = ended(faults, 2)
    assert (told.estimated, counted.estimated) == (False, True)
    assert told.prompt_tokens == counted.prompt_tokens
    assert told.completion_tokens == counted.completion_tokens > 5
    assert told.price_nanodollars == counted.price_nanodollars


@pytest.mark.parametrize("how", ["close", "reset", "end"])
@pytest.mark.parametrize("after", [0, 1, 4, 9])
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_cut_costs_what_was_sent(faults: Faults, path: str, after: int, how: str) -> None:
    faults.set(f"cut:{after},how={how}")
    heard = call(faults.url(), path=path, stream=True)
    [seen] = ended(faults)
    assert (seen.ending, seen.events, len(heard.events)) == ("cut", after, after)
    texts = [text for event in heard.events if (text := said(event))]
    assert seen.content_events == len(texts)
    assert seen.completion_tokens == (len("".join(texts)) + 3) // 4
    assert seen.price_nanodollars == price(seen) >= seen.prompt_tokens * PRICES.prompt_nanodollars > 0


def said(event: bytes) -> str:
    """The text of a stream's event, either form."""
    _, mark, data = event.partition(b"data: ")
    if not mark or data == b"[DONE]":
        return ""
    value: Any = json.loads(data)
    delta = value["choices"][0]["delta"] if value.get("choices") else value.get("delta", {})
    return str(delta.get("content") or delta.get("text") or "")


def test_a_whole_answer_that_is_lost_on_the_way_was_made_all_the_same(faults: Faults) -> None:
    call(faults.url())
    faults.set("cut", "limit_data:400")
    call(faults.url())
    whole, cut = ended(faults, 2)
    assert (cut.ending, cut.price_nanodollars) == ("cut", whole.price_nanodollars)


@pytest.mark.parametrize(
    "spec", ["status:500", "status:429", "html", "timeout:5ms", "reset_peer", "redirect:/x", "garbage:not_http",
             "error_event"]
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
def test_what_was_no_answer_is_free(faults: Faults, spec: str, stream: bool) -> None:
    faults.set(spec)
    call(faults.url(), stream=stream)
    [seen] = ended(faults)
    assert seen.ending in ("failed", "cut")
    assert (seen.prompt_tokens, seen.completion_tokens, seen.price_nanodollars) == (0, 0, 0)
    assert faults.meter().total.charged == 0


def test_an_error_behind_text_leaves_the_text_to_be_paid(faults: Faults) -> None:
    faults.set("error_event:4")
    call(faults.url(), stream=True)
    [seen] = ended(faults)
    assert (seen.ending, seen.content_events) == ("failed", 3)
    assert seen.price_nanodollars == price(seen) > 0


@pytest.mark.parametrize("after", [1, 3, 7])
def test_a_caller_who_leaves_costs_the_events_that_were_sent(faults: Faults, after: int) -> None:
    """The stream stalls behind so many events, so that no further one is sent before the caller has left."""
    faults.set(f"stall:{after}")
    place = urlsplit(faults.url())
    with socket.create_connection((place.hostname, place.port), 10) as sock:
        sock.sendall(request(body=body(stream=True)))
        reader = AnswerReader()
        while not reader.final or reader.final[0].body.count(b"\n\n") < after:
            reader.feed(sock.recv(65536))
    [seen] = ended(faults)
    assert (seen.ending, seen.events, seen.content_events) == ("cancelled", after, after - 1)
    assert seen.price_nanodollars == price(seen) > 0
    assert faults.meter().total.cancelled == 1


def test_a_caller_who_leaves_before_the_head_costs_nothing(faults: Faults) -> None:
    faults.set("latency:60s")
    call(faults.url(), patience=0.05)
    [seen] = ended(faults)
    assert (seen.ending, seen.status, seen.price_nanodollars) == ("cancelled", 0, 0)


def test_each_call_is_in_exactly_one_place(faults: Faults) -> None:
    faults.set("cut:2,every=2,stream=true", "status:503,every=3", "reset_peer,every=5")
    for i in range(30):
        call(faults.url(), stream=bool(i % 2), quiet=0.005)
    calls = ended(faults, 30)
    total = faults.meter().total
    assert total.whole + total.failed + total.cut + total.cancelled == total.begun == 30
    assert min(total.whole, total.failed, total.cut) > 0
    assert total.price_nanodollars == sum(seen.price_nanodollars for seen in calls)
    assert [seen.number for seen in calls] == list(range(1, 31))


def test_credentials_are_told_apart_and_not_told(faults: Faults) -> None:
    for key in ("sk-one", "sk-two", "sk-one", ""):
        call(faults.url(), key=key, quiet=0.005)
    call(faults.url(), key="", fields=(("x-api-key", "sk-two"),), quiet=0.005)
    credentials = faults.meter().credentials
    assert {name: tally.begun for name, tally in credentials.items()} == {
        fingerprint("sk-one"): 2,
        fingerprint("sk-two"): 2,
        "": 1,
    }
    assert sum(tally.price_nanodollars for tally in credentials.values()) == faults.meter().total.price_nanodollars
    assert "sk-" not in repr(faults.meter()) + repr(faults.calls())


def test_repeated_ids_are_counted(faults: Faults) -> None:
    faults.set("status:500,first=1")
    for name in ("a", "a", "b", "c", "c", "c"):
        call(faults.url(), fields=(("Idempotency-Key", name),), quiet=0.005)
    report = faults.meter()
    assert (report.ids, report.repeated) == (3, {"a": 2, "c": 3})
    # Of a, the first call failed: a retry that was needed is no second answer.
    assert report.answered_twice == 1


def test_calls_from_before_a_reset_are_in_no_later_report(faults: Faults) -> None:
    faults.set("stall")
    place = urlsplit(faults.url())
    with socket.create_connection((place.hostname, place.port), 10) as sock:
        sock.sendall(request(body=body(stream=True)))
        wait_for(lambda: faults.meter().open == 1, "the call")
        faults.reset()
    faults.set()
    call(faults.url(), quiet=0.005)
    report = faults.meter()
    assert (report.total.begun, report.total.whole, report.total.cancelled, report.open) == (1, 1, 0, 0)


def test_ids_beyond_the_bound_are_counted_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metering, "MAX_IDS", 2)
    meter = Meter(Prices(), ("x-request-id",))
    for name in ("a", "b", "c", "a"):
        seen = meter.begin(Request(headers={"x-request-id": name}), {})
        meter.end(seen, "whole", Reading(), 0)
    report = meter.report()
    assert (report.ids, report.repeated, report.ids_beyond, report.answered_twice) == (2, {"a": 2}, 1, 1)


@pytest.mark.parametrize(
    ("given", "tokens"),
    [
        ({"messages": [{"role": "user", "content": "12345678"}]}, 5),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "1234"}]}], "system": "1234"}, 8),
        ({"input": ["1234", "12345"]}, 3),
        ({"prompt": "1234"}, 1),
        ({}, 0),
    ],
)
def test_prompts_are_counted(given: dict[str, Any], tokens: int) -> None:
    assert asked(given) == tokens


@pytest.mark.parametrize(
    ("event", "prompt", "completion", "text_bytes"),
    [
        (b'data: {"choices":[{"delta":{"content":"\xc3\xa9x"}}]}\n\n', 0, 0, 3),
        (b'data: {"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"{1"}}]}}]}\n\n', 0, 0, 2),
        (b'data: {"choices":[{"text":"abc"}]}\n\n', 0, 0, 3),
        (b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\n', 3, 4, 0),
        (b'event: x\ndata: {"type":"response.output_text.delta","delta":"abc"}\n\n', 0, 0, 3),
        (b'data: {"type":"response.completed","response":{"usage":{"input_tokens":3,"output_tokens":4}}}\n\n', 3, 4, 0),
        (b'data: {"message":{"usage":{"input_tokens":3,"cache_read_input_tokens":5,"output_tokens":1}}}\n\n', 8, 1, 0),
        (b'data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"abc"}}\n\n', 0, 0, 3),
        (b'data: {"type":"content_block_delta","delta":{"partial_json":"abc"}}\n\n', 0, 0, 3),
        (b"data: [DONE]\n\n", 0, 0, 0),
        (b'data: {"choices":[{"del\n\n', 0, 0, 0),
        (b": ping\n\n", 0, 0, 0),
    ],
)
def test_events_are_read(event: bytes, prompt: int, completion: int, text_bytes: int) -> None:
    read = Reading()
    read.event(event)
    assert (read.prompt, read.completion, read.text_bytes) == (prompt, completion, text_bytes)
    assert read.content_events == bool(text_bytes)
