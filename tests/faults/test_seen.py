"""Every fault as a caller sees it on its socket, and what the meter makes of the call."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.faults.embedded import Faults
from gateway.faults.schema import KINDS
from tests.faults.client import CHAT, MESSAGES, QUIET_S, Heard, body, call, exchange
from tests.live.wire import request
from tests.waiting import PATIENCE_S, wait_for

EARLY_S = 0.005
"""Timers count in whole milliseconds of a clock that is looked at now and then, and may be early by a few."""

Check = Callable[[Heard], object]


def whole(heard: Heard) -> bool:
    return heard.answer.status == 200 and heard.answer.complete and not heard.broken


def document(heard: Heard) -> Any:
    return json.loads(heard.answer.body)


def no_json(heard: Heard) -> bool:
    try:
        document(heard)
    except ValueError:
        return heard.answer.complete
    return False


def unfinished(heard: Heard) -> bool:
    return heard.answer.status == 200 and not heard.answer.complete


def nothing(heard: Heard) -> bool:
    return heard.data == b""


class End:
    """What is true of one that ended so."""

    def __init__(self, how: str, *more: Check) -> None:
        self.how = how
        self.more = more

    def __call__(self, heard: Heard) -> bool:
        return heard.end == self.how and all(each(heard) for each in self.more)


def heard_of(faults: Faults, check: Check, spec: str, *, stream: bool = False) -> Heard:
    """A call; the end that is expected, and a second answer, are waited for however busy the machine is."""
    quiet = PATIENCE_S if isinstance(check, End) and check.how != "kept" else QUIET_S
    return call(faults.url(), stream=stream, quiet=quiet, answers=2 if spec.startswith("duplicate") else 1)


def events(count: int) -> Check:
    return lambda heard: len(heard.events) == count


PLAIN: list[tuple[str, Check, str]] = [
    ("latency:80ms", lambda h: whole(h) and h.seconds >= 0.08 - EARLY_S, "whole"),
    ("latency:90ms,jitter=40ms", lambda h: whole(h) and h.seconds >= 0.05 - EARLY_S, "whole"),
    ("bandwidth:8kB", lambda h: whole(h) and h.seconds >= len(h.data) / 8000 - 0.05, "whole"),
    ("slow_close:10ms", End("closed", whole, lambda h: h.answer.header("connection") == "close"), "whole"),
    ("close_idle", End("closed", whole, lambda h: h.answer.header("connection") == "keep-alive"), "whole"),
    ("timeout:30ms", End("closed", nothing), "cut"),
    ("reset_peer", End("reset", nothing), "cut"),
    ("reset_peer:after_head", End("reset", lambda h: h.data.endswith(b"\r\n\r\n"), unfinished), "cut"),
    ("reset_peer:body,body_bytes=7", End("reset", lambda h: len(h.answer.body) == 7, unfinished), "cut"),
    ("slicer:50", End("kept", whole), "whole"),
    ("limit_data:20", End("closed", lambda h: len(h.data) == 20), "cut"),
    ("limit_data:500", End("closed", lambda h: len(h.data) == 500, unfinished), "cut"),
    ("status:429,retry_after=1500ms", lambda h: h.answer.header("retry-after") == "2", "failed"),
    ("status:503", lambda h: h.answer.status == 503 and h.answer.header("retry-after") is None, "failed"),
    ('status:404,body={"a":1}', lambda h: h.answer.status == 404 and document(h) == {"a": 1}, "failed"),
    ("error_event", lambda h: h.answer.status == 500 and document(h)["error"]["type"] == "server_error", "failed"),
    ("cut", End("closed", unfinished, lambda h: len(h.answer.body) > 50), "cut"),
    ("cut:how=reset", End("reset", unfinished), "cut"),
    ("stall:lasts=60ms", lambda h: whole(h) and h.seconds >= 0.06 - EARLY_S, "whole"),
    ("html", lambda h: h.answer.status == 502 and b"<html>" in h.answer.body, "failed"),
    ("html:200", lambda h: whole(h) and h.answer.header("content-type") == "text/html", "failed"),
    ("informational:20", lambda h: [a.status for a in h.answers] == [103] * 20 + [200] and whole(h), "whole"),
    ("informational:2,status=100", lambda h: [a.status for a in h.answers] == [100, 100, 200], "whole"),
    ("duplicate:20ms", End("kept", whole, lambda h: h.data == h.data[: len(h.data) // 2] * 2), "whole"),
    ("wrong_length:10", End("closed", unfinished, lambda h: document(h)["object"] == "chat.completion"), "cut"),
    ("wrong_length:-10", lambda h: h.broken != "" and no_json(h), "failed"),
    ("garbage", End("kept", no_json, lambda h: len(h.answer.body) > 50), "failed"),
    ("garbage:words", End("kept", no_json, lambda h: h.answer.body == b"upstream says hello"), "failed"),
    ("garbage:empty", End("kept", whole, lambda h: h.answer.body == b""), "failed"),
    ("garbage:not_http", End("closed", lambda h: h.broken != ""), "cut"),
    ("redirect:http://a.test/x?y=1", lambda h: h.answer.header("location") == "http://a.test/x?y=1", "failed"),
    ("redirect:/x,status=302", lambda h: h.answer.status == 302, "failed"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "check", "ending"), PLAIN, ids=[spec for spec, _, _ in PLAIN])
def test_a_whole_answer(faults: Faults, spec: str, check: Check, ending: str) -> None:
    faults.set(spec)
    heard = heard_of(faults, check, spec)
    assert check(heard), heard
    # The caller may know before the meter does: a connection is ended first.
    [seen] = wait_for(lambda: [c for c in faults.calls() if c.ending], "the call's end")
    assert (seen.ending, seen.faults) == (ending, [spec.partition(":")[0]])


STREAMED: list[tuple[str, Check, str]] = [
    ("latency:60ms,before=first_event", lambda h: whole(h) and h.seconds >= 0.06 - EARLY_S, "whole"),
    ("latency:5ms,before=every_event", lambda h: whole(h) and h.seconds >= 0.003 * (len(h.events) - 1), "whole"),
    ("bandwidth:40kB", lambda h: whole(h) and h.seconds >= len(h.data) / 40_000 - 0.05, "whole"),
    ("slow_close:10ms", End("closed", whole), "whole"),
    ("timeout:30ms", End("closed", nothing), "cut"),
    ("reset_peer:after_head", End("reset", unfinished), "cut"),
    ("reset_peer:body,body_bytes=300", End("reset", lambda h: len(h.data.partition(b"\r\n\r\n")[2]) == 300), "cut"),
    ("slicer:100", End("kept", whole), "whole"),
    ("limit_data:700", End("closed", unfinished, lambda h: len(h.data) == 700), "cut"),
    ("status:500", lambda h: h.answer.status == 500, "failed"),
    ("error_event", End("kept", events(1), lambda h: b'"error"' in h.events[0]), "failed"),
    ("error_event:3", End("kept", events(4), lambda h: b'"error"' in h.events[3]), "failed"),
    ("cut:0", End("closed", unfinished, events(0)), "cut"),
    ("cut:3", End("closed", unfinished, events(3)), "cut"),
    ("cut:3,how=reset", End("reset", unfinished, events(3)), "cut"),
    ("cut:3,how=end", End("kept", whole, events(3)), "cut"),
    ("stall:2,lasts=60ms", lambda h: whole(h) and h.seconds >= 0.06 - EARLY_S, "whole"),
    ("html", lambda h: h.answer.status == 502, "failed"),
    ("informational:3", lambda h: [a.status for a in h.answers] == [103, 103, 103, 200] and whole(h), "whole"),
    ("duplicate", lambda h: [a.complete for a in h.answers] == [True, True], "whole"),
    ("wrong_length:-3", lambda h: "CRLF" in h.broken, "cut"),
    ("garbage", lambda h: b"[DONE]" in h.data and not h.events[0].endswith(b"}"), "failed"),
    ("garbage:words,after=2", lambda h: h.events[2] == b"data: upstream says hello", "failed"),
    ("garbage:empty,after=1", lambda h: h.events[1] == b"data: ", "failed"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "check", "ending"), STREAMED, ids=[spec for spec, _, _ in STREAMED])
def test_a_stream(faults: Faults, spec: str, check: Check, ending: str) -> None:
    faults.set(spec)
    heard = heard_of(faults, check, spec, stream=True)
    assert check(heard), heard
    [seen] = wait_for(lambda: [c for c in faults.calls() if c.ending], "the call's end")
    assert (seen.ending, seen.faults) == (ending, [spec.partition(":")[0]])


def test_every_kind_is_looked_at() -> None:
    named = {spec.partition(":")[0] for spec, _, _ in PLAIN + STREAMED}
    assert named | {"down"} == set(KINDS)


@pytest.mark.parametrize("spec", ["timeout", "stall"])
@pytest.mark.parametrize("stream", [False, True])
def test_what_falls_silent_is_silent_until_the_caller_leaves(faults: Faults, spec: str, stream: bool) -> None:
    faults.set(spec)
    heard = call(faults.url(), stream=stream, patience=1.0)
    assert heard.end == "kept"
    assert (heard.data == b"") == (spec == "timeout")
    wait_for(lambda: faults.meter().total.cancelled == 1, "the caller's leaving")
    assert faults.meter().open == 0


def test_nobody_listens_while_it_is_down(faults: Faults) -> None:
    place = (urlsplit(faults.url()).hostname, urlsplit(faults.url()).port)
    with socket.create_connection(place) as sock:
        assert exchange(sock, request(body=body())).answer.status == 200
        faults.set("down")
        sock.settimeout(PATIENCE_S)
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(place)
    faults.set()
    assert call(faults.url()).answer.status == 200


def test_down_comes_and_goes_by_itself(faults: Faults) -> None:
    faults.set("down:since=50ms,until=2s")

    def refused() -> bool:
        try:
            call(faults.url(), quiet=0.01)
        except ConnectionRefusedError:
            return True
        return False

    wait_for(refused, "being down")
    wait_for(lambda: not refused(), "being up again")


def test_an_idle_connection_is_closed_only_while_it_is_idle(faults: Faults) -> None:
    faults.set("close_idle:1s,first=1", "latency:1300ms,connection=reused")
    with socket.create_connection((urlsplit(faults.url()).hostname, urlsplit(faults.url()).port)) as sock:
        assert exchange(sock, request(body=body()), quiet=0.01).end == "kept"
        # The second answer is under way when the time is over.
        assert exchange(sock, request(body=body()), quiet=0.01).answer.complete


def test_a_reused_connection_can_be_the_only_one_that_fails(faults: Faults) -> None:
    faults.set("reset_peer:connection=reused")
    with socket.create_connection((urlsplit(faults.url()).hostname, urlsplit(faults.url()).port)) as sock:
        assert whole(exchange(sock, request(body=body()), quiet=0.01))
        assert exchange(sock, request(body=body())).end == "reset"
    assert whole(call(faults.url()))


def test_several_at_once(faults: Faults) -> None:
    faults.set("latency:50ms", "informational:2", "slicer:40", "cut:2", "slow_close:0ms")
    begun = time.monotonic()
    heard = call(faults.url(), stream=True)
    assert time.monotonic() - begun >= 0.05 - EARLY_S
    assert [a.status for a in heard.answers] == [103, 103, 200]
    assert (len(heard.events), heard.answer.complete, heard.end) == (2, False, "closed")
    [seen] = faults.calls()
    assert seen.faults == ["latency", "informational", "slicer", "cut", "slow_close"]


ANTHROPIC_ERRORS = {
    "status:429": (429, "rate_limit_error"),
    "status:529": (529, "overloaded_error"),
    "status:401": (401, "authentication_error"),
    "error_event": (500, "api_error"),
}


@pytest.mark.parametrize("spec", ANTHROPIC_ERRORS)
def test_errors_are_in_the_providers_words(faults: Faults, spec: str) -> None:
    faults.set(spec)
    heard = call(faults.url(), path=MESSAGES)
    status, kind = ANTHROPIC_ERRORS[spec]
    assert (heard.answer.status, document(heard)["type"], document(heard)["error"]["type"]) == (status, "error", kind)
    theirs = document(call(faults.url(), path=CHAT))
    assert set(theirs) == {"error"}
    assert set(theirs["error"]) == {"message", "type", "param", "code"}


def test_an_error_event_is_in_the_providers_words(faults: Faults) -> None:
    faults.set("error_event:2")
    heard = call(faults.url(), path=MESSAGES, stream=True)
    assert re.match(rb"event: error\ndata: \{", heard.events[2])
    assert json.loads(heard.events[2].partition(b"data: ")[2])["error"]["type"] == "overloaded_error"
