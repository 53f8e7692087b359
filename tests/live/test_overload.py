"""More than there is room for, at a real gateway: who is served, who is told what, what never reaches a provider."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from gateway.records import ErrorKind, Outcome
from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.trail import trail_of
from tests.live.upstreams import (
    CHAT,
    DONE,
    Act,
    Received,
    Step,
    Until,
    Upstream,
    chunk,
    chunked_head,
    delta,
    http,
    ordinary,
)
from tests.live.wire import KEY, Answer, ask, request
from tests.waiting import PATIENCE_S, wait_for

BODY = b'{"model":"m","messages":[]}'
HIGH, LOW = "sk-test-high", "sk-test-low"
KEYS = [
    {"name": "test", "value": KEY},
    {"name": "other", "value": "sk-test-other"},
    {"name": "high", "value": HIGH, "priority": "high"},
    {"name": "low", "value": LOW, "priority": "low"},
]


def slow(received: Received) -> list[Step]:
    return [0.4, http(CHAT)]


class Gate:
    """Answers nobody before ``open``."""

    def __init__(self) -> None:
        self._opened = threading.Event()
        self.open = self._opened.set

    def __call__(self, received: Received) -> list[Step]:
        return [Until(self._opened.is_set), http(CHAT)]


def overload(upstream: Upstream, **settings: Any) -> dict[str, Any]:
    return configuration(upstream.url, virtual_keys=KEYS, server={"overload": settings})


@pytest.fixture
def callers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(40) as pool:
        yield pool


def asking(
    callers: ThreadPoolExecutor, gateway: Gateway, count: int = 1, key: str = KEY, **fields: str
) -> list[Future[Answer]]:
    named = [(name.replace("_", "-"), value) for name, value in fields.items()]
    raw = request(body=BODY, key=key, fields=named)
    return [callers.submit(ask, gateway.port, raw) for _ in range(count)]


def answered(futures: list[Future[Answer]], count: int) -> None:
    """Wait for so many of the answers."""
    wait_for(lambda: sum(future.done() for future in futures) >= count, f"{count} of {len(futures)} answers")


def statuses(futures: list[Future[Answer]]) -> list[int]:
    return sorted(future.result().status for future in futures)


def cut_off(port: int, raw: bytes, begun: threading.Event) -> bytes:
    """All that comes until the connection ends."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as sock:
        sock.sendall(raw)
        received = b""
        while data := sock.recv(65536):
            received += data
            begun.set()
    return received


def said(answer: Answer) -> str:
    return str(json.loads(answer.body)["error"]["message"])


def test_the_queue_is_bounded_and_served(start_gateway: Start, upstream: Upstream, callers: ThreadPoolExecutor) -> None:
    upstream.script = gate = Gate()
    gateway = start_gateway(overload(upstream, under_way=5, queue=3, queue_wait="60s", queue_target="60s"))
    futures = asking(callers, gateway, 12)
    answered(futures, 5)
    time.sleep(0.2)
    gate.open()
    assert statuses(futures) == [200] * 7 + [503] * 5
    assert upstream.served == 7
    rows = trail_of(gateway).values()
    assert sorted(row.status for row in rows) == [200] * 7 + [503] * 5
    assert {row.error_kind for row in rows if row.status == 503} == {ErrorKind.OVERLOADED}
    waited = [row for row in rows if row.queue_us > 190_000]
    assert len(waited) == 3


def test_nobody_is_asked_for_a_caller_who_waits_no_longer(
    start_gateway: Start, upstream: Upstream, callers: ThreadPoolExecutor
) -> None:
    upstream.script = slow
    gateway = start_gateway(overload(upstream, under_way=1, queue=50, queue_wait="30s", queue_target="30s"))
    futures = asking(callers, gateway, 20, x_stainless_read_timeout="1")
    answers = [future.result() for future in futures]
    served = [answer for answer in answers if answer.status == 200]
    # One at a time takes 0.4 s: in the second that they wait, three begin.
    assert 1 <= len(served) <= 4
    assert upstream.served == len(served)
    assert {said(answer) for answer in answers if answer.status != 200} == {
        "The time that the caller allows for an answer was over before a place became free."
    }


def test_high_priority_has_slots_of_its_own_and_low_goes_last(
    start_gateway: Start, upstream: Upstream, callers: ThreadPoolExecutor
) -> None:
    upstream.script = gate = Gate()
    gateway = start_gateway(overload(upstream, under_way=10, queue=0))
    normal = asking(callers, gateway, 9)
    answered(normal, 1)
    high, low = asking(callers, gateway, 3, HIGH), asking(callers, gateway, 1, LOW)
    answered(high, 1)
    answered(low, 1)
    gate.open()
    assert (statuses(high), statuses(low), statuses(normal)) == ([200, 200, 503], [503], [200] * 8 + [503])


def test_health_models_metrics_and_administration_are_always_answered(
    start_gateway: Start, upstream: Upstream, callers: ThreadPoolExecutor
) -> None:
    upstream.script = gate = Gate()
    gateway = start_gateway(overload(upstream, under_way=1, queue=0))
    gateway.wait_for_control()
    running = asking(callers, gateway)
    upstream.wait(lambda: upstream.served == 1)
    assert ask(gateway.port, request(body=BODY)).status == 503
    token = (gateway.data_dir / "admin.token").read_text().strip()
    paths = {"/livez": "", "/readyz": "", "/v1/models": KEY, "/metrics": "", "/api/config": token}
    for path, key in paths.items():
        assert ask(gateway.port, request("GET", path, None, key)).status == 200, path
    gate.open()
    assert statuses(running) == [200]


def test_the_official_sdks_understand_a_refusal(
    start_gateway: Start, upstream: Upstream, callers: ThreadPoolExecutor
) -> None:
    upstream.script = lambda received: [Act.HOLD]
    gateway = start_gateway(overload(upstream, under_way=1, queue=0))
    running = asking(callers, gateway)
    upstream.wait(lambda: upstream.served == 1)
    talk: Any = [{"role": "user", "content": "Hello"}]
    with (
        openai.OpenAI(base_url=f"{gateway.base_url}/v1", api_key=KEY, max_retries=0) as client,
        pytest.raises(openai.InternalServerError) as refused,
    ):
        client.chat.completions.create(model="m", messages=talk)
    assert refused.value.status_code == 503
    assert refused.value.code == "overloaded"
    assert refused.value.response.headers["retry-after"] in ("1", "2", "3")
    assert refused.value.response.headers["x-should-retry"] == "true"
    assert refused.value.response.headers["x-microgate-request-id"] in refused.value.message
    with (
        anthropic.Anthropic(base_url=f"{gateway.base_url}/anthropic", api_key=KEY, max_retries=0) as other,
        pytest.raises(anthropic.APIStatusError) as turned,
    ):
        other.messages.create(model="m", max_tokens=9, messages=talk)
    assert turned.value.status_code == 503
    assert isinstance(turned.value.body, dict)
    assert turned.value.body["error"]["type"] == "overloaded_error"
    assert turned.value.response.headers["x-should-retry"] == "true"
    upstream.each_open(lambda transport: transport.write(http(CHAT)))
    assert statuses(running) == [200]


def test_an_sdk_that_is_told_to_come_back_is_served_then(
    start_gateway: Start, upstream: Upstream, callers: ThreadPoolExecutor
) -> None:
    upstream.script = lambda received: [0.8, http(CHAT)]
    gateway = start_gateway(overload(upstream, under_way=1, queue=0))
    running = asking(callers, gateway)
    upstream.wait(lambda: upstream.served == 1)
    with openai.OpenAI(base_url=f"{gateway.base_url}/v1", api_key=KEY, max_retries=2) as client:
        answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hello"}])
    assert answer.choices[0].message.content
    assert upstream.served == 2
    assert statuses(running) == [200]


def test_a_refused_body_is_not_read(start_gateway: Start, upstream: Upstream, callers: ThreadPoolExecutor) -> None:
    upstream.script = gate = Gate()
    gateway = start_gateway(overload(upstream, under_way=1, queue=0))
    running = asking(callers, gateway)
    upstream.wait(lambda: upstream.served == 1)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: gw.test\r\nAuthorization: Bearer %b\r\n" % KEY.encode()
    answer = ask(gateway.port, head + b"Content-Type: application/json\r\nContent-Length: 30000000\r\n\r\n{")
    assert answer.status == 503
    assert answer.header("connection") == "close"
    gate.open()
    assert statuses(running) == [200]


class Memory:
    """A control group that says what the test wants."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "memory.max").write_text("1000000000")
        (folder / "memory.stat").write_text("anon 1\ninactive_file 0\n")
        self.use(0.5)

    def use(self, share: float) -> None:
        new = self.folder / "new"
        new.write_text(str(int(share * 1e9)))
        new.rename(self.folder / "memory.current")


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path)


def test_connections_are_not_kept_and_then_requests_refused_while_memory_is_short(
    start_gateway: Start, upstream: Upstream, memory: Memory
) -> None:
    upstream.script = ordinary
    gateway = start_gateway(overload(upstream), env={"MICROGATE_CGROUP": str(memory.folder)})
    raw = request(body=BODY)
    assert ask(gateway.port, raw).header("connection") != "close"
    memory.use(0.86)
    wait_for(lambda: ask(gateway.port, raw).header("connection") == "close", "no more connections are kept")
    assert ask(gateway.port, raw).status == 200
    memory.use(0.93)
    wait_for(lambda: ask(gateway.port, raw).status == 503, "a refusal")
    assert said(ask(gateway.port, raw)) == "The gateway is short of memory."
    assert ask(gateway.port, request("GET", "/livez", None, "")).status == 200
    memory.use(0.5)
    wait_for(lambda: ask(gateway.port, raw).status == 200, "an answer")
    assert ask(gateway.port, raw).header("connection") != "close"


def test_the_largest_stream_is_given_up_with_an_error_event_when_nothing_else_helps(
    start_gateway: Start, upstream: Upstream, memory: Memory, callers: ThreadPoolExecutor
) -> None:
    end, gate = chunk(delta("", "stop") + DONE), threading.Event()
    begun = threading.Event(), threading.Event()
    upstream.script = lambda received: [chunked_head(), chunk(delta("a")), Until(gate.is_set), end, chunk(b"")]
    gateway = start_gateway(overload(upstream), env={"MICROGATE_CGROUP": str(memory.folder)})
    padding = b"x" * 200_000
    large = callers.submit(
        cut_off,
        gateway.port,
        request(body=b'{"model":"m","stream":true,"messages":[{"role":"user","content":"%b"}]}' % padding),
        begun[0],
    )
    fields = [("Connection", "close")]
    few = request(body=b'{"model":"m","stream":true,"messages":[]}', fields=fields)
    small = callers.submit(cut_off, gateway.port, few, begun[1])
    assert all(each.wait(PATIENCE_S) for each in begun)
    memory.use(0.97)
    cut = large.result()
    memory.use(0.5)
    gate.set()
    assert b"short of memory" in cut
    assert b"[DONE]" not in cut
    assert not cut.endswith(b"0\r\n\r\n")
    assert b"short of memory" not in small.result()
    assert small.result().endswith(b"0\r\n\r\n")
    rows = {row.request_bytes > 100_000: row for row in trail_of(gateway).values()}
    assert (rows[True].outcome, rows[True].error_kind) == (Outcome.TRUNCATED, ErrorKind.OVERLOADED)
