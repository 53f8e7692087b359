"""Keys with credentials through a real gateway: what providers get, who waits, and what callers are told."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from _speedups._bucket import Arena
from gateway.records import ErrorKind, Outcome
from tests.credentials.issuers import TENANT, Issuer, account_key
from tests.credentials.sigv4 import verify
from tests.live.fixtures import Start
from tests.live.frames import End, Provider, connect, handshake, run
from tests.live.instance import Gateway, configuration
from tests.live.trail import trail_of
from tests.live.upstreams import Act, Received, Step, Upstream, http, ordinary
from tests.live.wire import KEY, Answer, ask, request
from tests.waiting import wait_for

MODEL = "us.anthropic.claude-sonnet-4-20250514-v1:0"
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 1},
}
CONVERSED = {
    "output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 3, "outputTokens": 1, "totalTokens": 4},
    "metrics": {"latencyMs": 1},
}
GENERATED = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "hello"}]}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1, "totalTokenCount": 4},
}


def origin(server: Upstream) -> str:
    return server.url.removesuffix("/v1")


def account(issuing: Upstream, **more: str) -> dict[str, Any]:
    return {"type": "service_account", "key": account_key(f"{origin(issuing)}/token"), **more}


def one_key(upstream: Upstream, credential: dict[str, Any], **more: Any) -> dict[str, Any]:
    provider = {"vendor": "custom", "keys": [{"name": "k", "credential": credential}], **more.pop("provider", {})}
    return configuration(upstream.url, provider=provider, **more)


def sent(received: Received) -> str:
    return str(received.header("authorization"))


@pytest.fixture
def aside() -> Iterator[Any]:
    """Run something in threads; their results are awaited at the end of the test."""
    threads: list[threading.Thread] = []

    def start(count: int, what: Any) -> list[Any]:
        results: list[Any] = []

        def run() -> None:
            results.append(what())

        for _ in range(count):
            threads.append(threading.Thread(target=run))
            threads[-1].start()
        return results

    yield start
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("vendor", ["azure", "azure_deployments"])
def test_a_token_of_entra_goes_to_both_forms_of_azure(
    entra: Upstream, issuer: Issuer, upstream: Upstream, start_gateway: Start, vendor: str
) -> None:
    credential = {
        "type": "entra_client_secret",
        "tenant": TENANT,
        "client_id": "app",
        "client_secret": "secret-canary",
        "authority": origin(entra),
    }
    provider = {"vendor": vendor, "keys": [{"name": "k", "credential": credential}]}
    gateway = start_gateway(configuration(upstream.url, provider=provider))
    assert ask(gateway.port, timeout=30).status == 200
    [received] = upstream.requests
    assert sent(received) == f"Bearer {issuer.token}"
    assert received.header("api-key") is None
    path = {"azure": "/v1/chat/completions", "azure_deployments": "/v1/deployments/m/chat/completions?api-version="}
    assert received.target.startswith(path[vendor])


def test_a_key_and_a_token_at_one_provider(
    issuing: Upstream, issuer: Issuer, upstream: Upstream, start_gateway: Start, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", origin(issuing))
    keys = [
        {"name": "token", "credential": {"type": "managed_identity"}, "models": ["t"]},
        {"name": "text", "value": "text-canary", "models": ["m"]},
    ]
    config = configuration(upstream.url, provider={"vendor": "azure", "keys": keys})
    config["routes"]["t"] = {"targets": ["mock/t"]}
    gateway = start_gateway(config)
    for model in ("t", "m"):
        body = json.dumps({"model": model, "messages": []}).encode()
        assert ask(gateway.port, request(body=body), timeout=30).status == 200
    token, text = upstream.requests
    assert (sent(token), token.header("api-key")) == (f"Bearer {issuer.token}", None)
    assert (text.header("authorization"), text.header("api-key")) == (None, "text-canary")


def test_fifty_requests_wait_for_one_fetch(
    issuing: Upstream, issuer: Issuer, upstream: Upstream, start_gateway: Start, aside: Any
) -> None:
    issuer.gate.clear()
    gateway = start_gateway(one_key(upstream, account(issuing)))
    answers = aside(50, lambda: ask(gateway.port, timeout=30))
    wait_for(lambda: issuer.asked, "the fetch")
    wait_for(lambda: gateway.open_files() > 50, "the callers")
    assert not upstream.requests
    issuer.gate.set()
    wait_for(lambda: len(answers) == 50, "the answers")
    assert {answer.status for answer in answers} == {200}
    assert {sent(received) for received in upstream.requests} == {f"Bearer {issuer.token}"}
    assert issuer.given == len(issuer.asked) == 1


def test_a_realtime_session_waits_for_the_token_it_is_opened_with(
    issuing: Upstream, issuer: Issuer, start_gateway: Start
) -> None:
    issuer.gate.clear()
    with Provider() as provider:
        keys = [{"name": "k", "credential": account(issuing)}]
        gateway = start_gateway(configuration(provider.url, provider={"vendor": "custom", "keys": keys}))

        async def main() -> None:
            opening = asyncio.ensure_future(connect(gateway.port, handshake("/v1/realtime?model=m")))
            await asyncio.to_thread(wait_for, lambda: issuer.asked, "the fetch")
            assert not provider.heads
            issuer.gate.set()
            end = await opening
            assert isinstance(end, End)
            assert (await end.json())["type"] == "session.created"
            await end.close()
            assert (await end.ended()).code == 1000

        run(main())
        assert f"authorization: Bearer {issuer.token}\r\n".encode() in provider.heads[0]


def test_nobody_waits_for_a_renewal(
    issuing: Upstream, issuer: Issuer, upstream: Upstream, start_gateway: Start
) -> None:
    issuer.life_s = 20
    gateway = start_gateway(one_key(upstream, account(issuing)))
    assert ask(gateway.port, timeout=30).status == 200
    first = issuer.token
    issuer.gate.clear()
    # Renewed when four fifths of its life are over; nothing comes of it while the gate is closed.
    wait_for(lambda: len(issuer.asked) >= 2, "the renewal")
    upstream.clear()
    for _ in range(20):
        assert ask(gateway.port).status == 200
    assert {sent(received) for received in upstream.requests} == {f"Bearer {first}"}
    issuer.gate.set()

    def renewed() -> bool:
        assert ask(gateway.port).status == 200
        return sent(upstream.requests[-1]) == f"Bearer {issuer.token}"

    wait_for(renewed, "the new token")
    assert issuer.given == 2


def test_two_providers_share_a_credential_and_a_change_elsewhere_fetches_nothing(
    issuing: Upstream, issuer: Issuer, upstream: Upstream, start_gateway: Start
) -> None:
    config = one_key(upstream, account(issuing))
    config["providers"]["other"] = config["providers"]["mock"]
    config["routes"]["o"] = {"targets": ["other/m"]}
    gateway = start_gateway(config)
    body = b'{"model":"o","messages":[]}'
    assert ask(gateway.port, timeout=30).status == 200
    assert ask(gateway.port, request(body=body)).status == 200
    config["providers"]["mock"]["headers"] = {"x-changed": "yes"}
    gateway.configure(config)

    def changed() -> bool:
        assert ask(gateway.port).status == 200
        return upstream.requests[-1].header("x-changed") == "yes"

    wait_for(changed, "the new configuration")
    assert {sent(received) for received in upstream.requests} == {f"Bearer {issuer.token}"}
    assert issuer.given == 1


CALLS = {
    "openai": ("/v1/chat/completions", {"model": "m", "messages": []}, ("error", "message")),
    "anthropic": (
        "/anthropic/v1/messages",
        {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]},
        ("error", "message"),
    ),
    "gemini": (
        "/genai/v1beta/models/m:generateContent",
        {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
        ("error", "message"),
    ),
    "bedrock": (
        "/bedrock/model/m/converse",
        {"messages": [{"role": "user", "content": [{"text": "hi"}]}]},
        ("message",),
    ),
}


def test_a_credential_that_cannot_be_had_is_told_in_every_dialect(upstream: Upstream, start_gateway: Start) -> None:
    with Upstream() as gone:
        unreachable = account(gone)
    gateway = start_gateway(one_key(upstream, unreachable))
    ids = []
    for path, body, where in CALLS.values():
        answer = ask(gateway.port, request(path=path, body=json.dumps(body).encode()), timeout=40)
        assert answer.status == 502, (path, answer.body)
        message = json.loads(answer.body)
        for step in where:
            message = message[step]
        assert message == "No access token for the provider: its issuer can't be reached."
        ids.append(answer.header("x-microgate-request-id"))
    assert not upstream.requests
    assert "no credential for provider key mock/k (unreachable: " in gateway.stderr()
    rows = trail_of(gateway)
    assert {rows[str(one)].error_kind for one in ids} == {ErrorKind.CREDENTIAL}
    assert {rows[str(one)].attempts for one in ids} == {0}


def test_a_token_that_ends_while_its_issuer_is_away(
    issuing: Upstream, issuer: Issuer, upstream: Upstream, start_gateway: Start
) -> None:
    issuer.life_s = 8
    gateway = start_gateway(one_key(upstream, account(issuing)))
    assert ask(gateway.port, timeout=30).status == 200
    issuer.broken = [Act.RESET]
    refused = wait_for(lambda: failing(gateway), "the end of the token")
    assert (refused.status, b"its issuer can't be reached" in refused.body) == (502, True)
    issuer.broken = None
    wait_for(lambda: ask(gateway.port, timeout=30).status == 200, "the next token")
    said = gateway.stderr()
    assert said.count("no credential for provider key mock/k (unreachable") == 1
    assert "the credential of provider key mock/k is there again" in said


def failing(gateway: Gateway) -> Answer | None:
    answer = ask(gateway.port, timeout=30)
    return answer if answer.status != 200 else None


def test_another_key_or_another_target_is_asked_instead(
    issuing: Upstream, issuer: Issuer, upstream: Upstream, start_gateway: Start
) -> None:
    issuer.broken = [http('{"error":"invalid_grant","error_description":"no such account"}', 400)]
    keys = [
        {"name": "bad", "credential": account(issuing), "weight": 1000, "deny_models": ["other"]},
        {"name": "good", "value": "good-canary", "weight": 0.001, "deny_models": ["lone"]},
    ]
    config = configuration(upstream.url, provider={"vendor": "custom", "keys": keys})
    plain = {"vendor": "custom", "base_url": upstream.url, "keys": [{"name": "k", "value": "plain-canary"}]}
    config["providers"]["plain"] = plain
    config["routes"]["lone"] = {"targets": ["mock/lone"], "fallbacks": ["plain/m"]}
    gateway = start_gateway(config)
    for _ in range(5):
        assert ask(gateway.port, timeout=30).status == 200
    assert {sent(received) for received in upstream.requests} == {"Bearer good-canary"}
    upstream.clear()
    assert ask(gateway.port, request(body=b'{"model":"lone","messages":[]}')).status == 200
    assert sent(upstream.requests[0]) == "Bearer plain-canary"


def test_who_waits_is_told_when_its_time_is_over(
    issuing: Upstream, issuer: Issuer, upstream: Upstream, start_gateway: Start
) -> None:
    issuer.gate.clear()
    gateway = start_gateway(one_key(upstream, account(issuing), timeouts={"total": "1s"}))
    answer = ask(gateway.port, timeout=30)
    assert answer.status == 502
    assert "its issuer does not answer in time" in answer.body.decode()
    issuer.gate.set()
    wait_for(lambda: ask(gateway.port).status == 200, "the token")


def test_a_caller_who_leaves_while_it_waits_leaves_nothing_behind(
    issuing: Upstream, issuer: Issuer, upstream: Upstream, start_gateway: Start
) -> None:
    issuer.gate.clear()
    gateway = start_gateway(one_key(upstream, account(issuing)))
    wait_for(lambda: issuer.asked, "the fetch")
    with socket.create_connection(("127.0.0.1", gateway.port)) as leaving:
        leaving.sendall(request())
        wait_for(lambda: in_flight(gateway) == 1, "the request")
        # A caller that only stopped sending would still get its answer.
        leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wait_for(lambda: in_flight(gateway) == 0, "the end of the request")
    issuer.gate.set()
    assert ask(gateway.port, timeout=30).status == 200
    assert len(upstream.requests) == 1
    outcomes = sorted(row.outcome for row in trail_of(gateway).values())
    assert outcomes == [Outcome.OK, Outcome.CLIENT_ABORT]


@pytest.mark.parametrize("size", [50_000, 3_000_000])
def test_an_upload_waits_whole(
    issuing: Upstream, issuer: Issuer, upstream: Upstream, start_gateway: Start, aside: Any, size: int
) -> None:
    issuer.gate.clear()
    gateway = start_gateway(one_key(upstream, account(issuing), server={"limits": {"binary_hold_bytes": 1000}}))
    body = os.urandom(size)
    raw = request(path="/passthrough/mock/x", body=body, content_type="application/octet-stream")
    answers = aside(1, lambda: ask(gateway.port, raw, timeout=30))
    wait_for(lambda: in_flight(gateway) == 1, "the request")
    assert not upstream.requests
    issuer.gate.set()
    wait_for(lambda: answers, "the answer")
    assert answers[0].status == 200
    assert upstream.requests[0].body == body


def test_stopping_ends_the_fetch(issuing: Upstream, issuer: Issuer, upstream: Upstream, start_gateway: Start) -> None:
    issuer.gate.clear()
    gateway = start_gateway(one_key(upstream, account(issuing)))
    wait_for(lambda: issuer.asked, "the fetch")
    [pid] = [pid for pid in gateway.children() if fetches(pid)]
    gateway.stop()
    wait_for(lambda: not fetches(pid), "the end of the child")


def test_a_fetch_does_not_outlive_its_worker(
    issuing: Upstream, issuer: Issuer, upstream: Upstream, start_gateway: Start
) -> None:
    issuer.gate.clear()
    gateway = start_gateway(one_key(upstream, account(issuing)))
    wait_for(lambda: issuer.asked, "the fetch")
    [pid] = [pid for pid in gateway.children() if fetches(pid)]
    os.kill(gateway.worker_pids()[0], signal.SIGKILL)
    wait_for(lambda: not fetches(pid), "the end of the child")
    issuer.gate.set()

    def answered() -> bool:
        try:
            return ask(gateway.port, timeout=30).status == 200
        except (OSError, AssertionError):
            return False

    wait_for(answered, "its successor's token")


def in_flight(gateway: Gateway) -> int:
    """Requests of the worker, as its last heartbeat said."""
    arena = Arena.attach(gateway.paths.arena)
    try:
        return int(arena.status(0)[4])
    finally:
        arena.close()


def test_a_fetch_that_is_killed_is_told_and_done_again(
    issuing: Upstream, issuer: Issuer, upstream: Upstream, start_gateway: Start, aside: Any
) -> None:
    issuer.broken = [Act.HOLD]
    gateway = start_gateway(one_key(upstream, account(issuing)))
    answers = aside(1, lambda: ask(gateway.port, timeout=30))
    wait_for(lambda: issuer.asked, "the fetch")
    [pid] = [pid for pid in gateway.children() if fetches(pid)]
    issuer.broken = None
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: answers, "the answer")
    # Told, unless the request came when the next fetch had begun.
    assert answers[0].status in (200, 502)
    wait_for(lambda: ask(gateway.port, timeout=30).status == 200, "the token")
    assert "the fetching process ended with status -9" in gateway.stderr()


def fetches(pid: int) -> bool:
    try:
        return b"gateway.credentials.fetch" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def test_nothing_is_logged_that_is_secret(
    issuing: Upstream, issuer: Issuer, upstream: Upstream, start_gateway: Start, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{origin(issuing)}/aws")
    config = one_key(upstream, account(issuing))
    signing = {"type": "aws_chain", "region": "us-east-1"}
    config["providers"]["aws"] = {**config["providers"]["mock"], "keys": [{"name": "a", "credential": signing}]}
    config["routes"]["a"] = {"targets": ["aws/a"]}
    gateway = start_gateway(config, more=["--log-level", "debug"])
    assert ask(gateway.port, timeout=30).status == 200
    assert ask(gateway.port, request(body=b'{"model":"a","messages":[]}'), timeout=30).status == 200
    gateway.stop()  # which looks for the word that every secret here holds
    assert issuer.given == 2


# --- Bedrock


def bedrock(received: Received) -> list[Step]:
    verify(received.head + received.body, "aws-secret-canary")
    return [http(json.dumps(CONVERSED))]


def test_requests_to_bedrock_are_signed(start_gateway: Start) -> None:
    pair = {"type": "aws_keys", "access_key_id": "AKIDPAIR", "secret_access_key": "aws-secret-canary"}
    with Upstream(bedrock) as upstream:
        provider = {
            "vendor": "bedrock",
            "dialect": "bedrock",
            "base_url": origin(upstream),
            "keys": [{"name": "k", "credential": {**pair, "region": "eu-west-1"}}],
        }
        gateway = start_gateway(configuration(upstream.url, provider=provider))
        model = f"mock/{MODEL}"
        chat = {"model": model, "messages": [{"role": "user", "content": "Grüße"}]}
        native = {"messages": [{"role": "user", "content": [{"text": "Grüße"}]}], "inferenceConfig": {"maxTokens": 5}}
        for path, body in (
            ("/v1/chat/completions", chat),
            (f"/bedrock/model/{quote(model, safe='')}/converse", native),
            ("/passthrough/mock/model/a%3Ab/converse?x=2&a=1", native),
        ):
            answer = ask(gateway.port, request(path=path, body=json.dumps(body).encode()), timeout=30)
            assert (answer.status, b"hello" in answer.body) == (200, True), answer.body
        assert ask(gateway.port, request("GET", "/passthrough/mock/some-list?b&a=", None)).status == 200
        first, second, third, fourth = upstream.requests
        for received in upstream.requests:
            told = verify(received.head + received.body, "aws-secret-canary")
            assert (told.access_key_id, told.region, told.service) == ("AKIDPAIR", "eu-west-1", "bedrock")
            assert received.header("x-amz-security-token") is None
        assert first.target == second.target == f"/model/{quote(MODEL, safe='')}/converse"
        assert json.loads(second.body) == native
        assert third.target == "/model/a%3Ab/converse?x=2&a=1"
        assert fourth.target == "/some-list?b&a="


def test_a_role_signs_and_is_assumed_again(
    issuing: Upstream, issuer: Issuer, upstream: Upstream, start_gateway: Start, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("AWS_ENDPOINT_URL_STS", origin(issuing))
    issuer.life_s = 12
    role = {
        "type": "aws_assume_role",
        "role_arn": "arn:aws:iam::123456789012:role/gateway",
        "access_key_id": "AKIDOURS",
        "secret_access_key": "our-secret-canary",
        "region": "us-east-1",
    }
    gateway = start_gateway(one_key(upstream, role))

    def asked() -> int:
        assert ask(gateway.port, timeout=30).status == 200
        received = upstream.requests[-1]
        token = str(received.header("x-amz-security-token"))
        told = verify(received.head + received.body, token.replace("/session", "/secret"))
        assert "x-amz-security-token" in told.signed
        return int(told.access_key_id.removeprefix("AKIDISSUED"))

    assert asked() == 1
    wait_for(lambda: asked() >= 2, "the second pair")


def test_a_body_too_long_to_be_held_cannot_be_signed(upstream: Upstream, start_gateway: Start) -> None:
    pair = {"type": "aws_keys", "access_key_id": "A", "secret_access_key": "aws-canary", "region": "us-east-1"}
    config = one_key(upstream, pair, server={"limits": {"binary_hold_bytes": 1000}})
    gateway = start_gateway(config)
    assert ask(gateway.port, timeout=30).status == 200
    long = request(path="/passthrough/mock/x", body=b"x" * 500_000, content_type="application/octet-stream")
    answer = ask(gateway.port, long)
    assert (answer.status, b"can't be signed" in answer.body) == (413, True)


# --- Vertex


def vertex(received: Received) -> list[Step]:
    if "/publishers/google/" in received.target:
        return [http(json.dumps(GENERATED))]
    if "limited" in received.target:
        return [http('{"error":{"code":429,"message":"Quota exceeded.","status":"RESOURCE_EXHAUSTED"}}', 429)]
    return [http(json.dumps(MESSAGE))] if "/publishers/" in received.target else ordinary(received)


@pytest.fixture
def vertexes(issuing: Upstream, start_gateway: Start) -> Iterator[tuple[Gateway, Upstream]]:
    with Upstream(vertex) as upstream:
        base = f"{origin(upstream)}/v1/projects/p/locations/global"
        key = {"name": "k", "credential": account(issuing)}
        config = configuration(upstream.url)
        for dialect in ("anthropic", "gemini"):
            entry = {"vendor": "vertex", "dialect": dialect, "base_url": base, "keys": [key]}
            config["providers"][f"v-{dialect}"] = entry
        yield start_gateway(config), upstream


ANTHROPIC = b'{ "max_tokens":5,  "model" : "v-anthropic/claude@1",\n"messages":[{"role":"user","content":"\\u0068i"}]'


def anthropic(gateway: Gateway, body: bytes) -> Answer:
    return ask(gateway.port, request(path="/anthropic/v1/messages", body=body), timeout=30)


def test_claude_on_vertex_for_its_own_callers(vertexes: tuple[Gateway, Upstream], issuer: Issuer) -> None:
    gateway, upstream = vertexes
    answer = anthropic(gateway, ANTHROPIC + b"}")
    assert (answer.status, json.loads(answer.body)) == (200, MESSAGE)
    [received] = upstream.requests
    prefix = "/v1/projects/p/locations/global/publishers/anthropic/models/claude%401"
    assert received.target == f"{prefix}:rawPredict"
    assert sent(received) == f"Bearer {issuer.token}"
    assert received.header("x-api-key") is None
    member = b'"anthropic_version":"vertex-2023-10-16"'
    assert received.body == (ANTHROPIC + b"}").replace(b'"model" : "v-anthropic/claude@1"', member)
    # A caller that says so itself is believed.
    anthropic(gateway, ANTHROPIC + b',"anthropic_version":"vertex-2030"}')
    told = json.loads(upstream.requests[-1].body)
    assert (told["anthropic_version"], "model" in told) == ("vertex-2030", False)
    anthropic(gateway, ANTHROPIC + b',"stream":true}')
    assert upstream.requests[-1].target == f"{prefix}:streamRawPredict"
    assert json.loads(upstream.requests[-1].body)["stream"] is True


def test_errors_of_google_reach_callers_of_claude(vertexes: tuple[Gateway, Upstream]) -> None:
    gateway, _ = vertexes
    answer = anthropic(gateway, ANTHROPIC.replace(b"claude@1", b"limited") + b"}")
    assert answer.status == 429
    told = json.loads(answer.body)
    assert (told["type"], told["error"]["type"]) == ("error", "rate_limit_error")
    assert told["error"]["message"] == "Quota exceeded."


@pytest.mark.parametrize("dialect", ["anthropic", "gemini"])
def test_callers_of_openai_reach_both_publishers(
    vertexes: tuple[Gateway, Upstream], issuer: Issuer, dialect: str
) -> None:
    gateway, upstream = vertexes
    body = {"model": f"v-{dialect}/some-model", "messages": [{"role": "user", "content": "hi"}]}
    answer = ask(gateway.port, request(body=json.dumps(body).encode()), timeout=30)
    assert answer.status == 200, answer.body
    assert json.loads(answer.body)["choices"][0]["message"]["content"] == "hello"
    received = upstream.requests[-1]
    publisher, method = ("anthropic", "rawPredict") if dialect == "anthropic" else ("google", "generateContent")
    assert received.target.endswith(f"/locations/global/publishers/{publisher}/models/some-model:{method}")
    told = json.loads(received.body)
    assert "model" not in told
    assert told.get("anthropic_version") == ("vertex-2023-10-16" if dialect == "anthropic" else None)
    assert sent(received) == f"Bearer {issuer.token}"
    streamed = ask(gateway.port, request(body=json.dumps({**body, "stream": True}).encode()))
    assert streamed.status == 200
    stream = "streamRawPredict" if dialect == "anthropic" else "streamGenerateContent?alt=sse"
    assert upstream.requests[-1].target.endswith(f"models/some-model:{stream}")


def test_lists_of_models_are_asked_for_with_a_token(issuing: Upstream, issuer: Issuer, start_gateway: Start) -> None:
    models = [http('{"object":"list","data":[{"id":"deployed"}]}')]
    with Upstream(lambda received: models if received.method == "GET" else ordinary(received)) as upstream:
        config = one_key(upstream, account(issuing), provider={"list_models": True}, model_lists={"refresh": "1h"})
        config["providers"]["mock"]["keys"] = [{"name": "k", "credential": account(issuing)}]
        gateway = start_gateway(config)
        wait_for(lambda: b"mock/deployed" in gateway.get("/v1/models", KEY).body, "the list")
        [listed] = [received for received in upstream.requests if received.method == "GET"]
        assert sent(listed).startswith("Bearer issued-token-")
