"""Secrets of callers and of the operator, planted everywhere: no eight bytes of any of them come out anywhere."""

from __future__ import annotations

import json
import random
import re
import string
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from gateway.control.permissions import PERMISSIONS
from tests.live.fixtures import Start
from tests.live.instance import ROOT, Gateway, configuration
from tests.live.rounds import measured
from tests.live.upstreams import (
    Act,
    Received,
    Step,
    Upstream,
    chunk,
    chunked_head,
    delta,
    event,
    http,
    ordinary,
    stream,
)
from tests.live.wire import KEY, ask, request
from tests.waiting import wait_for

RUN = 8
_DRAW = random.Random(20260726)


def canary() -> str:
    return "".join(_DRAW.choices(string.ascii_letters + string.digits, k=32))


PROVIDER_KEY, SECOND_KEY, TOKEN, PROXY = (canary() for _ in range(4))
HEADER, QUERY, BODY, COOKIE, STRANGER = (canary() for _ in range(5))
OPERATORS = {"provider key": PROVIDER_KEY, "second key": SECOND_KEY, "metrics token": TOKEN, "proxy password": PROXY}
CALLERS = {"virtual key": KEY, "header": HEADER, "query": QUERY, "body": BODY, "cookie": COOKIE, "stranger": STRANGER}

QUOTED = "Incorrect API key provided: %s. You can find yours at https://provider.test/keys"


def key_of(received: Received) -> str:
    return (received.header("authorization") or "").removeprefix("Bearer ")


def quoting(received: Received) -> str:
    """An error that quotes what it was sent, as some vendors do."""
    return json.dumps({"error": {"message": QUOTED % key_of(received), "type": "invalid_request_error"}})


def answers(received: Received) -> Iterable[Step]:
    """How the upstream behaves: the path says it."""
    case = received.target.partition("/case-")[2].partition("/")[0].partition("?")[0]
    key = key_of(received)
    if case.isdigit():
        return [http(quoting(received), int(case), fields=[f"x-was-sent: {key}"])]
    quoted = f"<html>{key}</html>"
    return {
        "html": [http(quoted, 500, "text/html")],
        "no-json": [http(f"oops {key}", 200)],
        "gzip": [http(key, 200, fields=["content-encoding: gzip"])],
        "redirect": [http("", 302, fields=[f"location: https://elsewhere.test/{key}"])],
        "reset": [Act.RESET],
        "close": [Act.CLOSE],
        "garbage": [f"{key} is no HTTP\r\n\r\n".encode()],
        "wrong-length": [http(key)[:-4], Act.CLOSE],
        "wrong-header": [f"HTTP/1.1 200 OK\r\n{key}\r\n\r\n".encode()],
        "slow": [5.0],
        "stream-error": [chunked_head(), chunk(event(error={"message": QUOTED % key, "code": 401})), chunk(b"")],
        "stream-no-event": [chunked_head(), chunk(f": {key}\n\n".encode()), chunk(b"")],
        "stream-cut": [chunked_head(), chunk(delta("a")), Act.RESET],
        "stream-ok": stream([delta("a"), delta("", "stop"), b"data: [DONE]\n\n"]),
        "ok": ordinary(received),
    }[case]


CASES = (
    *(str(status) for status in (400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 529)),
    "html", "no-json", "gzip", "redirect", "reset", "close", "garbage", "wrong-length", "wrong-header", "slow",
    "stream-error", "stream-no-event", "stream-cut", "stream-ok", "ok",
)  # fmt: skip
GOOD_AS_THEY_ARE = {"no-json", "gzip", "wrong-length", "stream-error", "stream-no-event"}
"""Passed through, an answer with a good status goes to the caller byte for byte, whatever the provider put into it."""
OPERATIONS = ("/v1/chat/completions", "/v1/embeddings", "/v1/responses", "/anthropic/v1/messages")


@pytest.fixture(scope="module")
def planted(start_for_module: Start) -> Iterator[Gateway]:
    with Upstream(answers) as upstream:
        base = configuration(upstream.url)
        providers = {
            case: {
                "dialect": "openai_chat",
                "base_url": f"{upstream.url}/case-{case}",
                "keys": [{"name": "a", "value": PROVIDER_KEY}, {"name": "b", "value": SECOND_KEY, "weight": 0}],
                "timeouts": {"first_byte": "300ms"},
            }
            for case in CASES
        }
        proxied = {**providers["ok"], "proxy": f"http://user:{PROXY}@127.0.0.1:9"}
        config = {
            **base,
            "providers": {**providers, "proxied": proxied},
            "routes": {"m": {"targets": ["500/m"], "fallbacks": ["reset/m", "401/m"]}},
            "metrics": {"token": TOKEN},
            "retry": {"backoff_initial": "1ms", "backoff_max": "2ms"},
        }
        yield start_for_module(config, more=("--log-level", "debug"))


def body(model: str, **more: object) -> bytes:
    content = [{"role": "user", "content": BODY}]
    return json.dumps(
        {"model": model, "messages": content, "input": BODY, "user": BODY, "max_tokens": 5, **more}
    ).encode()


FIELDS = [
    ("X-Anything", HEADER),
    ("User-Agent", HEADER),
    ("Idempotency-Key", HEADER),
    ("X-Request-Id", HEADER),
    ("X-Microgate-Session", HEADER),
    ("OpenAI-Organization", HEADER),
    ("Forwarded", f"for={HEADER}"),
    ("Cookie", f"session={COOKIE}"),
]


def sent() -> Iterator[bytes]:
    """Requests that end in every way there is."""
    for case in (*CASES, "proxied"):
        for path in OPERATIONS:
            yield request("POST", f"{path}?q={QUERY}", body(f"{case}/m", stream="stream" in case), fields=FIELDS)
        if case not in GOOD_AS_THEY_ARE:
            yield request("GET", f"/passthrough/{case}/x?q={QUERY}", None, fields=FIELDS)
    path = f"/v1/chat/completions?q={QUERY}"
    yield request("POST", path, body("m"), fields=FIELDS)
    for key in (STRANGER, f"sk-mg-{STRANGER}", ""):
        yield request("POST", path, body("m"), key, fields=FIELDS)
        yield request("GET", f"/api/logs?q={QUERY}", None, key, fields=FIELDS)
        yield request("GET", f"/metrics?q={QUERY}", None, key, fields=[*FIELDS, ("X-Forwarded-For", "1.2.3.4")])
    # What is wrong with the request itself.
    for wrong in (
        f'{{"model":"m","messages":"{BODY}"', f'{{"model":"m","{BODY}":1,"{BODY}":2}}', f'{{"model":{{"{BODY}":1}}}}',
        f'{{"model":"m","model":"{BODY}"}}', f'{{"model":"m","stream":"{BODY}"}}', f'"{BODY}',
        f'{{"model":"m","x":\\{BODY}}}',
        f'{{"messages":["{BODY}"]}}', f'{{"model":"m","fallbacks":{{"{BODY}":1}}}}',
    ):  # fmt: skip
        for operation in OPERATIONS:
            yield request("POST", f"{operation}?q={QUERY}", wrong.encode(), fields=FIELDS)
    for name in (
        "Content-Encoding", "Transfer-Encoding", "Expect", "Upgrade", "Content-Length", "X-Microgate-Timeout", "Host",
        "Authorization", f"Bad {HEADER}", "X-Api-Key", "Sec-WebSocket-Key", "Content-Type",
    ):  # fmt: skip
        value = HEADER if name != "X-Microgate-Timeout" else "soon"
        yield request("POST", path, body("m"), fields=[*FIELDS, (name, value)])
    yield request("POST", path, f"--x\r\n{BODY}".encode(), content_type=f"multipart/form-data; boundary={HEADER}")
    yield request("POST", "/v1/audio/transcriptions", f"--x\r\n{BODY}".encode(), content_type="multipart/form-data")
    yield request("BREW", path, body("m"), fields=FIELDS)
    yield request("DELETE", path, None, fields=FIELDS)
    yield request("GET", f"/v1/files/{'file-mg' + '0' * 60}?q={QUERY}", None, fields=FIELDS)
    yield request("GET", f"/v1/route?model=m&q={QUERY}", None, fields=[*FIELDS, ("X-Microgate-Explain", "1")])
    yield request("GET", f"/v1/models?q={QUERY}", None, fields=FIELDS)
    yield f"GET /{QUERY} HTTP/9.9\r\nHost: {HEADER}\r\n\r\n".encode()


def told_to_operators() -> Iterator[tuple[str, str, object]]:
    """(method, path, body) with secrets where operators put them, well and wrong."""
    base = {"dialect": "openai_chat", "base_url": "https://api.example.com/v1"}
    yield "POST", "/api/login", {"name": "nobody", "password": TYPED}
    yield "POST", "/api/login", {"name": "nobody", "password": [TYPED]}
    yield "POST", "/api/setup", {"secret": TYPED, "name": "x", "password": TYPED}
    yield "POST", "/api/operators", {"name": "made", "role": "viewer", "password": TYPED}
    yield "POST", "/api/operators", {"name": "made", "role": "viewer", "password": {"x": TYPED}}
    yield "POST", "/api/operators", {"name": "made", "role": "boss", "password": TYPED}
    yield "POST", "/api/me/password", {"current": TYPED, "new": TYPED}
    yield "POST", "/api/virtual-keys", {"name": "brought", "spec": {"value": BROUGHT}}
    yield "POST", "/api/virtual-keys", {"name": "twice", "spec": {"value": BROUGHT}}
    for wrong in (f" {BROUGHT}", BROUGHT[:10], f"{BROUGHT}\n", [BROUGHT], {"x": BROUGHT}):
        yield "POST", "/api/virtual-keys", {"name": "wrong", "spec": {"value": wrong}}
        yield "POST", "/api/virtual-keys", {"name": "wrong", "spec": {"hash": wrong}}
        yield "POST", "/api/providers", {"name": "wrong", "spec": {**base, "keys": [{"name": "k", "value": wrong}]}}
        yield "POST", "/api/providers", {"name": "wrong", "spec": {**base, "proxy": wrong}}
    stored = {**base, "keys": [{"name": "k", "value": STORED}]}
    yield "POST", "/api/providers", {"name": "kept", "spec": {**stored, "proxy": f"http://u:{STORED}@10.0.0.1:3128"}}
    yield "POST", "/api/providers", {"name": "wrong", "spec": {**stored, "proxy": f"ftp://u:{STORED}@10.0.0.1:3128"}}
    yield "POST", "/api/providers", {"name": "wrong", "spec": {**stored, "base_url": f"https://u:{STORED}@h.test/v1"}}
    yield "POST", "/api/config/check", {"providers": {"p": {**stored, "proxy": f"http://u:{STORED}@"}}}
    yield "POST", "/api/secrets/rotate", {}


TYPED, BROUGHT, STORED = (canary() for _ in range(3))
SECRETS = {**OPERATORS, **CALLERS, "password": TYPED, "imported key": BROUGHT, "stored key": STORED}
INTERNAL = re.compile(
    rb"Traceback|\.py\b|\bline \d+, in |<\w+ object at 0x|sqlite|psycopg|alembic|SELECT |INSERT |/root/|/home/|/tmp/|"
    rb"site-packages|/proc/|/dev/shm|https?://[^/ \"\[]*:[^/ \"]*@",
    re.IGNORECASE,
)
"""What no error says: how the gateway is made, where it lies, or an address with a password in it."""


def runs(secret: str) -> Iterator[bytes]:
    return (secret[at : at + RUN].encode() for at in range(len(secret) - RUN + 1))


def found_in(text: bytes, secrets: dict[str, str]) -> list[str]:
    return [name for name, secret in secrets.items() for part in runs(secret) if part in text]


def test_the_search_finds_what_it_looks_for() -> None:
    assert found_in(f"...{HEADER[5:13]}...".encode(), CALLERS) == ["header"]
    assert found_in(HEADER[5:12].encode(), CALLERS) == []


def test_what_is_internal_is_found() -> None:
    for text in (b'File "/x/y.py", line 3, in f', b"no such table: SQLITE_MASTER", b"http://user:pw@10.0.0.1/x"):
        assert INTERNAL.search(text)
    assert not INTERNAL.search(
        b'{"error":{"message":"Send a virtual key, for example as \'Authorization: Bearer KEY\'."}}'
    )


def test_nothing_secret_comes_out(planted: Gateway) -> None:
    planted.wait_for_control()
    statuses: Counter[int] = Counter()
    for raw in sent():
        try:
            answer = ask(planted.port, raw, whole=False)
        except AssertionError:
            continue  # the connection was closed without an answer: nothing came out
        statuses[answer.status] += 1
        said = "\n".join(f"{name}: {value}" for name, value in answer.fields).encode() + answer.body
        assert found_in(said, SECRETS) == [], (raw, said)
        assert answer.status < 400 or not INTERNAL.search(said), (raw, said)
    assert statuses.keys() >= {200, 400, 401, 404, 429, 500, 502, 504}

    token = (planted.data_dir / "admin.token").read_text().strip()
    wait_for(lambda: planted.get("/api/operators", token).status == 200, "the database")
    administered: Counter[int] = Counter()
    for method, path, content in told_to_operators():
        answer = ask(planted.port, request(method, path, json.dumps(content).encode(), token, fields=FIELDS))
        administered[answer.status] += 1
        said = "\n".join(f"{name}: {value}" for name, value in answer.fields).encode() + answer.body
        assert found_in(said, SECRETS) == [], (path, content, said)
        assert answer.status < 400 or not INTERNAL.search(said), (path, content, said)
    assert administered.keys() >= {200, 201, 400, 403}
    assert 500 not in administered
    # The live view shows what the log does, without an end.
    shown_paths = [path for path, methods in PERMISSIONS.items() if "GET" in methods and "{" not in path]
    shown_paths.remove("/api/live")
    wait_for(lambda: b'"model":"401/m"' in planted.get("/api/logs?limit=1000", token).body, "the log")
    # Everybody's tokens: the admin token is nobody who could have some.
    pages = [planted.get(path.replace("tokens", "tokens?all=true"), token) for path in shown_paths]
    pages += [planted.get(path, token) for path in ("/api/logs?limit=1000&attempts=true", "/api/schema/openapi.json")]
    assert {page.status for page in pages} == {200}
    shown = b"".join(page.body for page in pages)
    shown += ask(planted.port, request("GET", "/metrics", None, TOKEN)).body
    command = [sys.executable, "-m", "gateway", "doctor", "--data-dir", str(planted.data_dir)]
    dumped = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert b"data directory" in dumped.stdout
    assert b"microgate_requests" in shown
    assert b'"model":"401/m"' in shown
    assert found_in(shown + dumped.stdout + dumped.stderr, SECRETS) == []
    answers = statuses + administered
    measured("secrets planted", len(SECRETS), "no 8 bytes of any in any output")
    measured("answers to callers and operators", answers.total(), "0 with a secret")
    refused = {status: count for status, count in sorted(answers.items()) if status >= 400}
    measured(
        "of these errors", f"{sum(refused.values())}, by status {refused}", "no stack, SQL, path, URL with credentials"
    )
    measured("pages of the admin API, metrics and doctor looked through", len(pages) + 2, "0 with a secret")

    planted.stop()
    assert "mg-" in planted.stderr() or planted.stderr()
    kept = planted.stderr().encode() + b"".join(
        path.read_bytes()
        for folder in (Path(planted.paths.data_dir), Path(planted.paths.log_dir), Path(planted.paths.spool_dir))
        for path in folder.iterdir()
        if path.is_file()
    )
    assert found_in(kept, SECRETS) == []
    measured("bytes of logs, databases and other files looked through", len(kept), "0 with a secret")
