"""Signatures of finished requests: AWS's published examples, and a verifier that knows nothing of the signer."""

from __future__ import annotations

import datetime as dt
import json
from importlib import import_module
from urllib.parse import quote

import pytest

from gateway.credentials.outcome import Outcome
from gateway.credentials.signing import Signer
from tests.credentials.sigv4 import BadSignature, verify
from tests.live.upstreams import Upstream, http

PAIR = Outcome(access_key_id="AKIDEXAMPLE", token="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
BODY = b'{"messages":[]}'
MODELS = [
    "anthropic.claude-3-7-sonnet-20250219-v1:0",
    "us.anthropic.claude-sonnet-4-20250514-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc+d=e@f",
    "a b~c%d/é",
]


def request(target: str, body: bytes = BODY, method: str = "POST", fields: str = "") -> bytes:
    length = f"content-length: {len(body)}\r\n" if body else ""
    head = f"{method} {target} HTTP/1.1\r\nhost: bedrock-runtime.us-east-1.amazonaws.com\r\n{fields}{length}"
    return head.encode() + b"\r\n" + body


@pytest.fixture
def signer() -> Signer:
    return Signer(PAIR, "us-east-1")


@pytest.mark.parametrize(
    ("method", "target", "more", "body", "signature"),
    [
        # get-vanilla, post-vanilla, get-vanilla-query-order-key-case, post-x-www-form-urlencoded
        ("GET", "/", "", b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "/", "", b"", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            "GET",
            "/?Param2=value2&Param1=value1",
            "",
            b"",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "POST",
            "/",
            "content-type: application/x-www-form-urlencoded\r\n",
            b"Param1=value1",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ],
)
def test_the_published_examples(
    monkeypatch: pytest.MonkeyPatch, method: str, target: str, more: str, body: bytes, signature: str
) -> None:
    monkeypatch.setattr("gateway.credentials.signing.SERVICE", "service")
    moment = dt.datetime(2015, 8, 30, 12, 36, 0, tzinfo=dt.UTC)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: moment)
    data = f"{method} {target} HTTP/1.1\r\nhost: example.amazonaws.com\r\n{more}\r\n".encode() + body
    signed = Signer(PAIR, "us-east-1").sign(data, "https").decode()
    assert "\r\nX-Amz-Date: 20150830T123600Z\r\n" in signed
    scope = "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"
    assert f"\r\nAuthorization: AWS4-HMAC-SHA256 {scope}, SignedHeaders=" in signed
    assert f"Signature={signature}\r\n" in signed


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("suffix", ["converse", "converse-stream"])
def test_every_model_name_signs_as_it_is_sent(signer: Signer, model: str, suffix: str) -> None:
    data = request(f"/model/{quote(model, safe='')}/{suffix}", fields="content-type: application/json\r\n")
    signed = signer.sign(data, "https")
    head, _, body = signed.partition(b"\r\n\r\n")
    assert body == BODY
    assert head.startswith(data.partition(b"\r\n\r\n")[0])
    told = verify(signed, PAIR.token)
    assert (told.access_key_id, told.region, told.service) == ("AKIDEXAMPLE", "us-east-1", "bedrock")
    assert told.signed == ["content-type", "host", "x-amz-date"]


def test_a_query_and_a_colon_that_was_not_encoded(signer: Signer) -> None:
    verify(signer.sign(request("/model/a.b-v1:0/converse?b=2&a=1&a="), "https"), PAIR.token)


def test_through_a_proxy_in_clear_text(signer: Signer) -> None:
    target = "http://bedrock-runtime.us-east-1.amazonaws.com/model/a%3A0/converse"
    verify(signer.sign(request(target), "http"), PAIR.token)


def test_without_a_body(signer: Signer) -> None:
    signed = signer.sign(request("/foundation-models", b"", "GET"), "https")
    assert verify(signed, PAIR.token).signed == ["host", "x-amz-date"]
    assert signed.endswith(b"\r\n\r\n")


def test_a_session_token_is_sent_and_signed() -> None:
    pair = Outcome(access_key_id="ASIA", token="secret", session_token="the-session")
    signed = Signer(pair, "eu-west-1").sign(request("/x"), "https")
    assert b"\r\nX-Amz-Security-Token: the-session\r\n" in signed
    told = verify(signed, "secret")
    assert told.signed == ["host", "x-amz-date", "x-amz-security-token"]


def test_fields_of_the_caller_with_amazons_prefix_are_signed(signer: Signer) -> None:
    fields = "x-amzn-bedrock-trace: ENABLED\r\nx-amz-thing:  a   b \r\nuser-agent: some/1\r\naccept: */*\r\n"
    told = verify(signer.sign(request("/x", fields=fields), "https"), PAIR.token)
    assert told.signed == ["host", "x-amz-date", "x-amz-thing"]


def test_fields_that_come_twice_and_those_of_a_signature(signer: Signer) -> None:
    fields = "x-amz-thing: a\r\nX-Amz-Thing: b\r\nX-Amz-Date: 20010101T000000Z\r\nauthorization: Bearer x\r\n"
    signed = signer.sign(request("/x", fields=fields), "https")
    assert verify(signed, PAIR.token).signed == ["host", "x-amz-date", "x-amz-thing"]
    assert signed.lower().count(b"\r\nx-amz-date:") == signed.lower().count(b"\r\nauthorization:") == 1


@pytest.mark.parametrize("model", MODELS[:3])
def test_the_verifier_agrees_with_amazons_own_client(model: str) -> None:
    answer = {"output": {"message": {"role": "assistant", "content": []}}, "stopReason": "end_turn"}
    with Upstream(lambda received: [http(json.dumps(answer))]) as upstream:
        client = (
            import_module("botocore.session")
            .Session()
            .create_client(
                "bedrock-runtime",
                region_name="us-east-1",
                endpoint_url=upstream.url.removesuffix("/v1"),
                aws_access_key_id=PAIR.access_key_id,
                aws_secret_access_key=PAIR.token,
            )
        )
        client.converse(modelId=model, messages=[{"role": "user", "content": [{"text": "hi"}]}])
        client.close()
        [received] = upstream.requests
    assert received.target == f"/model/{quote(model, safe='')}/converse"
    told = verify(received.head + received.body, PAIR.token)
    assert (told.region, told.service) == ("us-east-1", "bedrock")


def test_the_verifier_refuses_what_was_changed(signer: Signer) -> None:
    signed = signer.sign(request("/model/a/converse"), "https")
    for before, after in ((b'"messages"', b'"Messages"'), (b"/model/a/", b"/model/b/"), (b"20", b"21")):
        assert before in signed
        with pytest.raises(BadSignature):
            verify(signed.replace(before, after, 1), PAIR.token)
    with pytest.raises(BadSignature):
        verify(signed, "another secret")


def test_nothing_that_is_signed_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    pair = Outcome(access_key_id="ASIA", token="secret-canary", session_token="session-canary")
    Signer(pair, "eu-west-1").sign(request("/x"), "https")
    assert "canary" not in caplog.text
