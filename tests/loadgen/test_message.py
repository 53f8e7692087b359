from __future__ import annotations

import json

from gateway.loadgen import message


def test_the_standard_request_has_17_headers_and_850_bytes() -> None:
    body = message.chat_body("mock/gpt-4o-mini")
    head, _, sent = message.request("h:1", "/v1/chat/completions", "sk", body).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /v1/chat/completions HTTP/1.1"
    assert len(lines) == 18
    assert sent == body
    assert len(body) == 850
    assert json.loads(body)["model"] == "mock/gpt-4o-mini"


def test_bodies_have_the_size_that_was_asked_for() -> None:
    for size in (400, 851, 100_000):
        assert len(message.chat_body("m", size=size)) == size
    assert json.loads(message.chat_body("m", size=1))["messages"][1]["content"] == ""


def test_a_stream_asks_for_its_usage() -> None:
    body = json.loads(message.chat_body("m", stream=True))
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
