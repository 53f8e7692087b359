"""What is blotted out of what was said, in whichever form it comes; what is cut takes no half of it along."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.control.redaction import BLOT, Redactor
from gateway.control.said import stored
from gateway.snapshot.content import Content
from gateway.stores.contents import StoredContent

KEY = "sk-proj-0123456789abcdefABCDEF"
SECRETS = {
    "a key": KEY,
    "a key of AWS": "AKIAIOSFODNN7EXAMPLE",
    "a token of GitHub": "ghp_0123456789abcdefghijABCDEFGHIJ",
    "a bearer token": "Bearer abcdef.ghijkl-mnopqr_stuvwx=",
    "a JWT": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dBjftJeZ4CVPmB92K27uhbUJU1p1r_wW1g",
    "a private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIBOgIBAAJBAKj34Gkx\n-----END RSA PRIVATE KEY-----",
    "an address": "first.last+tag@mail.example.co.uk",
    "a card": "4111-1111-1111-1111",
    "another card": "378282246310005",
    "an account": "DE89 3704 0044 0532 0130 00",
    "another account": "GB29NWBK60161331926819",
    "a phone": "+49 (0) 151 / 234 567 89",
}
PLAIN = (
    "order 1234567890123456",  # no card: the check digit is wrong
    "DE00 3704 1144 1532 1130 11",
    "2026-11-26 22:15:00",
    "version 1.2.3.4.5.6.7.8.9",
    "a@b",
    "sk-short",
    "the skin-deep task",
    "1 2 3 4 5 6 7 8",
)


def kept(request: object, response: bytes = b"", media: str = "application/json", **more: Any) -> StoredContent:
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    redactor = more.pop("redactor", None) or Redactor()
    content = Content(request_id=bytes(16), started_us=0, request=body, response=response, media_type=media, **more)
    return stored(content, redactor)


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_kinds_that_are_known(secret: str) -> None:
    redactor = Redactor()
    assert redactor.text(f"before {secret} after") == f"before {BLOT} after"
    assert redactor.found == 1
    found = kept({"messages": [{"content": f"x {secret}, y"}]})
    assert json.loads(found.request) == {"messages": [{"content": f"x {BLOT}, y"}]}
    assert found.redacted
    assert secret not in found.request_words


@pytest.mark.parametrize("text", PLAIN)
def test_what_only_looks_like_one_stays(text: str) -> None:
    assert Redactor().text(text) == text


def test_only_the_kinds_that_are_wanted() -> None:
    assert Redactor(["email"]).text(f"{KEY} a@example.com") == f"{KEY} {BLOT}"
    assert Redactor([]).text(f"{KEY} a@example.com") == f"{KEY} a@example.com"


def test_patterns_and_members() -> None:
    redactor = Redactor([], ["P-[0-9]{4}"], ["secret"])
    value = {"a": "P-1234", "P-5678": 1, "secret": {"x": [1, 2]}, "deep": [{"secret": "s", "b": "P-12"}]}
    assert redactor.value(value) == {"a": BLOT, BLOT: 1, "secret": BLOT, "deep": [{"secret": BLOT, "b": "P-12"}]}
    assert redactor.found == 4


def test_a_number_may_be_one_of_a_card() -> None:
    assert Redactor().value({"card": 4111111111111111, "n": 41, "x": 1.5, "t": True, "z": None}) == {
        "card": BLOT, "n": 41, "x": 1.5, "t": True, "z": None,
    }  # fmt: skip


def test_escapes_hide_nothing() -> None:
    escaped = "".join(f"\\u{ord(character):04x}" for character in "me@example.com")
    body = b'{"a":"mail %s"}' % escaped.encode()
    assert json.loads(kept(body).request) == {"a": f"mail {BLOT}"}
    cut = kept(body[:-2] + b" and then", request_truncated=True)
    assert "example" not in cut.request
    assert BLOT in cut.request


@pytest.mark.parametrize("cut", range(1, len(KEY)))
def test_what_is_cut_takes_no_half_of_a_secret_along(cut: int) -> None:
    body = json.dumps({"content": f"the key is {KEY}"}).encode()
    found = kept(body[: body.index(KEY.encode()) + cut], request_truncated=True)
    assert KEY[:8] not in found.request or cut < 8
    assert "the key is" in found.request


def test_a_member_that_is_not_to_be_kept_ends_a_text_that_was_cut() -> None:
    redactor = Redactor([], [], ["secret"])
    found = kept(b'{"a":"b","secret":{"x":["dddddddd', request_truncated=True, redactor=redactor)
    assert found.request == '{"a":"b",' + BLOT
    assert found.redacted


def test_a_secret_spread_over_the_events_of_a_stream() -> None:
    parts = [KEY[at : at + 3] for at in range(0, len(KEY), 3)]
    events = [{"choices": [{"index": 0, "delta": {"content": part}}]} for part in ["take ", *parts, " now"]]
    found = kept({}, sse(events), "text/event-stream")
    assert found.response == found.response_words == f"take {BLOT} now"


@pytest.mark.parametrize(
    ("events", "text"),
    [
        ([{"choices": [{"index": i, "delta": {"content": c}}]} for i, c in ((0, "a"), (1, "x"), (0, "b"))], "ab\nx"),
        ([{"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "he"},
          {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "llo"},
          {"type": "response.output_text.done", "text": "hello"},
          {"type": "response.completed", "response": {"output": [{"content": [{"text": "hello"}]}]}}], "hello"),
        ([{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi "}},
          {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "there"}},
          {"type": "content_block_delta", "index": 1, "delta": {"partial_json": '{"a":'}},
          {"type": "content_block_delta", "index": 1, "delta": {"partial_json": "1}"}}], 'Hi there\n{"a": 1}'),
        ([{"candidates": [{"content": {"parts": [{"text": part}]}}]} for part in ("o", "k")], "ok"),
    ],
    ids=["chat", "responses", "messages", "gemini"],
)  # fmt: skip
def test_events_of_each_dialect_are_put_together(events: list[dict[str, Any]], text: str) -> None:
    assert kept({}, sse(events), "text/event-stream; charset=utf-8").response == text


def test_arguments_of_a_tool_are_a_document_too() -> None:
    parts = ['{"secret": "ab', 'cdefgh", "n": 1}']
    events = [{"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": p}}]}}]} for p in parts]
    found = kept({}, sse(events), "text/event-stream", redactor=Redactor([], [], ["secret"]))
    assert json.loads(found.response) == {"secret": BLOT, "n": 1}


def test_documents_in_texts_are_read_as_documents() -> None:
    redactor = Redactor(fields=["secret"])
    inner = '{"secret": "abcdefgh", "mail": "me\\u0040example.com", "n": 1.50}'
    found = kept({"calls": [{"arguments": inner}, {"arguments": '{"n": 1.50}'}]}, redactor=redactor)
    calls = [each["arguments"] for each in json.loads(found.request)["calls"]]
    assert json.loads(calls[0]) == {"secret": BLOT, "mail": BLOT, "n": 1.5}
    # Where there is nothing to blot out it stays as it was.
    assert calls[1] == '{"n": 1.50}'
    assert "abcdefgh" not in found.request_words


@pytest.mark.parametrize(
    "body",
    [
        b'{"\\u0073ecret": "abcdefgh", "x": "y z',
        b'{"arguments": "{\\"secret\\": \\"abcdefgh\\"}", "x": "y z',
        b'{"arguments": "{\\u0022secret\\u0022: \\u0022abcdefgh\\u0022}", "x": "y z',
        b'{"arguments": "{\\"\\\\u0073ecret\\": \\"abcdefgh\\"}", "x": "y z',
    ],
)
def test_members_are_found_in_a_text_that_was_cut_however_they_are_written(body: bytes) -> None:
    found = kept(body, request_truncated=True, redactor=Redactor(fields=["secret"]))
    assert "abcdefgh" not in found.request + found.request_words
    assert found.redacted


def test_a_document_in_each_line() -> None:
    lines = b'{"a": "me\\u0040example.com", "secret": 1}\n{"b": 2}\n'
    found = kept({}, lines, "application/x-ndjson", redactor=Redactor(fields=["secret"]))
    assert found.response == f'{{"a":"{BLOT}","secret":"{BLOT}"}}\n{{"b":2}}'
    broken = kept({}, lines[:-4], "application/x-ndjson", redactor=Redactor(fields=["secret"]))
    assert "example" not in broken.response


@pytest.mark.parametrize("secret", ["4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00", "+49 (0) 151 / 234 567 89"])
@pytest.mark.parametrize("left", [1, 3, 6])
def test_no_groups_of_a_number_that_was_cut_stay(secret: str, left: int) -> None:
    body = json.dumps({"content": f"mine is {secret}"}).encode()[: -2 - left]
    found = kept(body, request_truncated=True)
    assert found.request == '{"content": "mine is '


def test_a_stream_that_was_cut_ends_before_half_a_secret() -> None:
    events = sse([{"choices": [{"index": 0, "delta": {"content": f"the key is {KEY[:9]}"}}]}])
    assert kept({}, events, "text/event-stream", response_truncated=True).response == "the key is "


def test_separators_of_lines_within_a_text_end_no_event() -> None:
    event = json.dumps({"choices": [{"index": 0, "delta": {"content": "a\u2028b\x85c"}}]}, ensure_ascii=False)
    assert kept({}, f"data: {event}\r\n\r\n".encode(), "text/event-stream").response == "a\u2028b\x85c"


def test_halves_of_characters_become_whole_or_are_replaced() -> None:
    halves = [{"choices": [{"index": 0, "delta": {"content": half}}]} for half in ("\ud83d", "\ude00", " \ud800")]
    found = kept({"a": "x \ud800"}, sse(halves), "text/event-stream")
    assert json.loads(found.request) == {"a": "x \ufffd"}
    assert found.request_words == "x \ufffd"
    assert found.response == found.response_words == "\U0001f600 \ufffd"


def test_a_private_key_with_a_head_of_its_own() -> None:
    head = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,3F17F5316E2BAC89\n\n"
    text = f"-----BEGIN RSA PRIVATE KEY-----\n{head}MIIBOgIBAAJBAKj34Gkx\n-----END RSA PRIVATE KEY-----"
    assert Redactor().text(f"a {text} b") == f"a {BLOT} b"
    assert Redactor().text(text.replace("RSA PRIVATE KEY", "PGP PRIVATE KEY BLOCK")) == BLOT


def test_data_is_left_out() -> None:
    found = kept({"image": "data:image/png;base64," + "iVBORw0KGgo" * 1000, "text": "a cat"})
    assert found.request == '{"image":"[11022 characters of data]","text":"a cat"}'


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[" * 100_000, b"null", b'"x', b'{"a":1}{"b":2}'])
def test_whatever_comes_is_kept_as_text(body: bytes) -> None:
    assert isinstance(kept(body, body, "text/plain").request, str)


def sse(events: list[dict[str, Any]]) -> bytes:
    return b"".join(b"event: x\ndata: %b\n\n" % json.dumps(event).encode() for event in events) + b"data: [DONE]\n\n"
