from __future__ import annotations

import json

from bench import answer


def test_the_chat_answer_has_its_size_and_can_stand_in_nginx_configuration() -> None:
    body = answer.chat()
    assert len(body) == answer.CHAT_BYTES
    assert json.loads(body)["usage"]["total_tokens"] == 367
    assert not set(b"'$\\") & set(body)


def test_headers_make_26_with_those_of_the_server() -> None:
    assert len(answer.HEADERS) + len(("server", "date", "content-type", "content-length", "connection")) == 26


def test_the_stream_ends_with_usage_and_done() -> None:
    events = answer.events()
    assert len(events) == answer.CHUNKS + 4
    assert all(event.startswith(b"data: ") and event.endswith(b"\n\n") for event in events)
    assert json.loads(events[-2][6:])["usage"]["completion_tokens"] == answer.CHUNKS
    assert events[-1] == b"data: [DONE]\n\n"
