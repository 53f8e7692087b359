"""Requests as commands read and send them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.calling import Asked, BadRequest, Calling, NobodyThere, read_request, read_requests
from tests.cli.played_gateway import KEY, Played
from tests.ports import free_port


def test_a_chat_body_is_sent_as_it_is_spelled() -> None:
    text = b' {"messages": [], "model":"m", "temperature": 1e2, "n": 1.0} '
    assert read_request(text, 7) == Asked(7, "/v1/chat/completions", text.strip(), {})


def test_a_request_has_path_body_and_headers() -> None:
    text = b'{"path": "/anthropic/v1/messages", "body": {"model": "x",  "a": 1e2}, "headers": {"anthropic-beta": "b"}}'
    asked = read_request(text)
    assert asked == Asked(1, "/anthropic/v1/messages", b'{"model": "x",  "a": 1e2}', {"anthropic-beta": "b"})
    assert read_request(b'{"body": {}}').path == "/v1/chat/completions"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "truncated"),
        (b"{", "truncated"),
        (b"[]", "object"),
        (b'"x"', "object"),
        (b"{}", "neither a chat body"),
        (b'{"model": "m"}', "neither a chat body"),
        (b'{"body": []}', "object"),
        (b'{"body": "x"}', "object"),
        (b'{"body": {}, "mehtod": "GET"}', "'mehtod'"),
        (b'{"body": {}, "path": 7}', "str"),
        (b'{"body": {}, "path": "v1"}', "path"),
        (b'{"body": {}, "path": "/v1 HTTP/1.1"}', "path"),
        (b'{"body": {}, "path": "/v1\\r\\nx: y"}', "path"),
        (b'{"body": {}, "path": "/\xc3\xbc"}', "path"),
        (b'{"body": {}, "headers": {"a": 1}}', "str"),
        (b'{"body": {}, "headers": {"a": "b\\r\\nc: d"}}', "no header field"),
        (b'{"body": {}, "headers": {"a b": "c"}}', "no header field"),
        (b'{"body": {}, "headers": {"Authorization": "Bearer x"}}', "'Authorization'"),
        (b'{"body": {}, "headers": {"x-microgate-cache": "off"}}', "'x-microgate-cache'"),
    ],
)
def test_what_is_no_request_is_named(text: bytes, why: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read_request(text)
    assert why in str(caught.value)


def test_a_file_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "requests.jsonl"
    good = b'{"model": "m", "messages": []}'
    file.write_bytes(b"\xef\xbb\xbf" + good + b"\n\n  \r\n" + good + b"\r\n" + good)
    assert [asked.line for asked in read_requests(str(file))] == [1, 4, 5]
    file.write_bytes(good + b"\n\n" + b'{"model": "m"\n' + good)
    with pytest.raises(BadRequest, match=r"requests\.jsonl, line 3: "):
        list(read_requests(str(file)))


@pytest.mark.parametrize("url", ["", "127.0.0.1:8080", "ftp://x", "http://", "http://x:y", "http://a@x", "http://x/?a"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(BadRequest, match="no address"):
        Calling(url, KEY)


def test_a_key_is_needed() -> None:
    with pytest.raises(BadRequest, match="MICROGATE_KEY"):
        Calling("http://127.0.0.1:8080", "")


def test_it_is_sent_as_a_caller_would(played: Played) -> None:
    calling = Calling(played.url + "/below/", KEY)
    asked = Asked(1, "/v1/x?y=z", b'{"a":1}', {"anthropic-beta": "b"})
    answer = calling.ask(asked, "on")
    again = calling.ask(asked, "on")
    calling.close()
    assert (answer.status, answer.fields["x-microgate-cache"]) == (200, "miss")
    assert again.fields["x-microgate-cache"] == "hit-exact"
    first = played.sent[0]
    assert (first.path, first.body, first.fields["anthropic-beta"]) == ("/below/v1/x?y=z", b'{"a":1}', "b")


def test_a_connection_that_has_gone_is_made_again(played: Played) -> None:
    played.says = lambda _: (200, {"connection": "close"}, b"{}")
    calling = Calling(played.url, KEY)
    asked = Asked(1, "/", b"{}", {})
    assert [calling.ask(asked, "on").status for _ in range(3)] == [200] * 3
    calling.close()


def test_nobody_there() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(NobodyThere, match=f"no gateway answers at {url} "):
        Calling(url, KEY).ask(Asked(1, "/", b"{}", {}), "on")
