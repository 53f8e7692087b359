"""What was said, in the request log: kept where the policy says so, redacted, once, and nothing of it anywhere else."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration, files_in
from tests.live.upstreams import Received, Step, Upstream, delta, http, stream
from tests.live.wire import Answer, ask, request
from tests.waiting import wait_for

FULL, PLAIN, OFF = (f"sk-{name}-0123456789abcdef0123456789abcdef" for name in ("full", "plain", "off"))
CARD = "4111 1111 1111 1111"
EMAIL = "canary.person@example.com"
TOKEN = "sk-canary0123456789ABCDEFGHIJKLMNOP"
PATTERN = "PROJECT-99887766554433"
FIELD = "field-canary-zyxwvutsrq"
CANARIES = (CARD, CARD.replace(" ", ""), EMAIL, TOKEN, PATTERN, FIELD)
LONG = 70_000


def answers(received: Received) -> Iterable[Step]:
    """Says again what the last message says; as a stream a few characters at a time."""
    body = received.json()
    said = body["messages"][-1]["content"]
    if body.get("stream"):
        parts = [said[at : at + 5] for at in range(0, len(said), 5)]
        return stream([*map(delta, parts), delta("", "stop"), b"data: [DONE]\n\n"])
    message = {"role": "assistant", "content": f"you said: {said}"}
    return [http(json.dumps({"id": "c", "choices": [{"index": 0, "message": message}], "usage": {"total_tokens": 3}}))]


def config(upstream: Upstream, **more: Any) -> dict[str, Any]:
    return configuration(
        upstream.url,
        log={"redact_patterns": ["PROJECT-[0-9]{8,16}"], "redact_fields": ["secret"]},
        virtual_keys=[
            {"name": "full", "value": FULL, "log_content": "full"},
            {"name": "plain", "value": PLAIN},
            {"name": "off", "value": OFF, "log_content": "off"},
        ],
        **more,
    )


@pytest.fixture(scope="module")
def gateway(start_for_module: Start) -> Iterable[Gateway]:
    with Upstream(answers) as upstream:
        yield start_for_module(config(upstream, cache={"enabled": True}), workers=2)


def said(gateway: Gateway, text: str, key: str = FULL, *, log: str = "", **more: Any) -> str:
    """The request's id."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}], **more}).encode()
    fields = [("x-microgate-log", log)] if log else []
    answer = ask(gateway.port, request("POST", "/v1/chat/completions", body, key, fields=fields))
    assert answer.status == 200, answer.body
    found = answer.header("x-microgate-request-id")
    assert found is not None
    return found


def api(gateway: Gateway, path: str) -> Answer:
    return gateway.get(path, (Path(gateway.data_dir) / "admin.token").read_text().strip())


def content(gateway: Gateway, request_id: str) -> dict[str, Any]:
    """Once it is there."""

    def look() -> Any:
        answer = api(gateway, f"/api/logs/{request_id}")
        return json.loads(answer.body)["content"] if answer.status == 200 else None

    found: dict[str, Any] = wait_for(look, "what was said")
    return found


def found(gateway: Gateway, search: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(api(gateway, f"/api/logs?search={quote(search)}").body)["entries"]
    return entries


def test_what_was_said_is_kept_and_found(gateway: Gateway) -> None:
    request_id = said(gateway, "An épicerie in Zanzibar", n=1)
    kept = content(gateway, request_id)
    assert json.loads(kept["request"])["messages"][0]["content"] == "An épicerie in Zanzibar"
    assert json.loads(kept["response"])["choices"][0]["message"]["content"] == "you said: An épicerie in Zanzibar"
    assert (kept["media_type"], kept["redacted"]) == ("application/json", False)
    assert (kept["request_truncated"], kept["response_truncated"]) == (False, False)
    for search in ("zanzibar", "EPICERIE", '"epicerie in zanzibar"', "zanzibar -mombasa"):
        (entry,) = found(gateway, search)
        assert entry["request_id"] == request_id
        assert any(part["hit"] for part in entry["snippet"])
    for search in ('"zanzibar in"', "zanzibar -epicerie", "zanzibar mombasa", "user zanzibar"):
        assert found(gateway, search) == []


def test_a_stream_is_kept_as_the_text_that_it_makes_up(gateway: Gateway) -> None:
    kept = content(gateway, said(gateway, "words that go over several events, kilimanjaro", stream=True))
    assert kept["response"] == "words that go over several events, kilimanjaro"
    assert kept["media_type"].startswith("text/event-stream")


def test_answers_of_the_cache_are_kept_as_well(gateway: Gateway) -> None:
    first = said(gateway, "asked twice", temperature=0)
    wanted = content(gateway, first)["response"]
    wait_for(lambda: cached(gateway, wanted), "an answer of the cache")


def cached(gateway: Gateway, wanted: str) -> bool:
    again = said(gateway, "asked twice", temperature=0)
    kept = content(gateway, again)
    assert kept["response"] == wanted
    entries = json.loads(api(gateway, f"/api/logs/{again}").body)["entries"]
    return bool(entries[0]["cache"] == "hit")


def test_what_is_too_long_is_cut_and_told(gateway: Gateway) -> None:
    kept = content(gateway, said(gateway, "lorem " * (LONG // 6)))
    assert (kept["request_truncated"], kept["response_truncated"]) == (True, True)
    assert 60_000 < len(kept["request"]) <= 65536
    assert 60_000 < len(kept["response"]) <= 65536


def test_a_key_and_a_caller_may_want_less(gateway: Gateway) -> None:
    unsaid = [said(gateway, "nothing of this", PLAIN), said(gateway, "nothing of this", log="metadata")]
    # Not even a row; nobody may ask for more than their key.
    unseen = [said(gateway, "a secret meeting", OFF), said(gateway, "a secret meeting", log="off")]
    more = ask(
        gateway.port, request("POST", "/v1/chat/completions", b"{}", PLAIN, fields=[("x-microgate-log", "full")])
    )
    assert (more.status, b"off or metadata" in more.body) == (400, True)
    last = said(gateway, "the last one is kept")
    content(gateway, last)
    for request_id in unsaid:
        path = f"/api/logs/{request_id}"
        wait_for(lambda path=path: api(gateway, path).status == 200, "the row")  # type: ignore[misc]
        assert json.loads(api(gateway, path).body)["content"] is None
    for request_id in unseen:
        assert api(gateway, f"/api/logs/{request_id}").status == 404
    # The other worker's records are read in a turn of their own.
    usage = wait_for(lambda: json.loads(api(gateway, "/api/usage?key=off").body)["entries"], "the ledger")
    assert usage[0]["requests"] == 1
    assert found(gateway, "secret meeting") == found(gateway, '"nothing of this"') == []


@pytest.mark.parametrize("more", [{}, {"stream": True}])
def test_nothing_that_is_redacted_is_on_the_disk(gateway: Gateway, more: dict[str, Any]) -> None:
    """H8: no eight bytes of it in a row, wherever the gateway writes."""
    text = f"pay {CARD} or mail {EMAIL}, key {TOKEN}, see {PATTERN}. {more}"
    kept = content(gateway, said(gateway, text, metadata={"secret": {"deep": FIELD}, "card": CARD}, **more))
    assert kept["redacted"]
    assert kept["request"].count("[redacted]") == 6
    assert kept["response"].count("[redacted]") == 4
    runs = {canary[at : at + 8].encode() for canary in CANARIES for at in range(len(canary) - 7)}
    for folder in (Path(gateway.data_dir), Path(gateway.folder)):
        for path, data in files_in(folder).items():
            if path != gateway.config_file and "cache" not in path.parts:
                assert not [run for run in runs if run in data], path
    assert found(gateway, CARD) == found(gateway, EMAIL) == []


def test_files_are_the_owners_alone(gateway: Gateway) -> None:
    content(gateway, said(gateway, "private"))
    folder = Path(gateway.paths.log_dir) / "content"
    assert folder.stat().st_mode & 0o777 == 0o700
    modes = {}
    for path in folder.iterdir():
        # A WAL may go meanwhile.
        with contextlib.suppress(FileNotFoundError):
            modes[path.name] = path.stat().st_mode & 0o777
    assert set(modes.values()) == {0o600}


def test_contents_that_wait_while_control_is_dead_are_kept_once(start_gateway: Start) -> None:
    with Upstream(answers) as upstream:
        gateway = start_gateway(config(upstream))
        content(gateway, said(gateway, "before"))
        control = gateway.send("mg-control", signal.SIGSTOP)
        ids = [said(gateway, f"number {number} of those who wait") for number in range(20)]
        os.kill(control, signal.SIGKILL)
        for request_id in ids:
            assert "of those who wait" in content(gateway, request_id)["request"]
        assert len(found(gateway, '"those who wait"')) == 20
        # A file goes once what is in it is there for everybody.
        wait_for(lambda: not waiting(gateway), "the end of the files")
        # Switched off, it costs nothing and keeps nothing.
        gateway.configure({**config(upstream), "virtual_keys": [{"name": "full", "value": FULL}]})
        wait_for(lambda: json.loads(api(gateway, "/api/config").body)["virtual_keys"] == 1, "the configuration")
        gateway.wait_for_workers()
        silent = said(gateway, "after that")
        wait_for(lambda: api(gateway, f"/api/logs/{silent}").status == 200, "the row")
        assert json.loads(api(gateway, f"/api/logs/{silent}").body)["content"] is None


def waiting(gateway: Gateway) -> list[str]:
    return [name for name in os.listdir(gateway.paths.runtime_dir) if name.startswith("content-")]
