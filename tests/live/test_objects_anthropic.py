"""Anthropic's files, batches and containers through its own client: sealed like everybody else's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import anthropic
import pytest

from gateway.sealed import SHAPE
from tests.live.fixtures import Start
from tests.live.instance import Gateway
from tests.live.upstreams import Received, Step, Upstream, chunk, chunked_head, http
from tests.live.wire import ask, request

ANN, BOB = "sk-tenant-ann-0011223344556677", "sk-tenant-bob-0011223344556677"
FILE, BATCH, BOX = (
    "file_011CNha8iCJcU1wXNR6q4V8w",
    "msgbatch_01HkcTjaV5uDC8jWR4ZsDV8d",
    "container_011CPR5CNjB747bTd36fQLFk",
)
RESULT = b'{"custom_id":"one","result":{"type":"canceled"}}\n'
DATED = {"created_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-02T00:00:00Z"}


def message(streams: bool) -> list[Step]:
    use = {
        "type": "server_tool_use",
        "id": "srvtoolu_011111111111",
        "name": "code_execution",
        "input": {"id": "file_0123456789"},
    }
    made = {"type": "code_execution_output", "file_id": FILE}
    output = {
        "type": "code_execution_result",
        "stdout": '"file_id": "file_01"',
        "stderr": "",
        "return_code": 0,
        "content": [made],
    }
    result = {"type": "code_execution_tool_result", "tool_use_id": "srvtoolu_011111111111", "content": output}
    whole = {
        "id": "msg_011111111111",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": [use, result],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 2},
        "container": {"id": BOX, "expires_at": DATED["expires_at"]},
    }
    if not streams:
        return [http(json.dumps(whole))]
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**whole, "content": [], "stop_reason": None, "container": None}},
        {"type": "content_block_start", "index": 0, "content_block": result},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None, "container": whole["container"]},
            "usage": {"output_tokens": 2},
        },
        {"type": "message_stop"},
    ]
    data = b"".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in events)
    return [chunked_head(), *(chunk(data[at : at + 50]) for at in range(0, len(data), 50)), chunk(b"")]


def account(received: Received) -> list[Step]:
    path = received.target.partition("?")[0].removeprefix("/v1")
    assert received.header("anthropic-version")
    assert received.header("x-api-key") == "sk-canary"
    file = {"id": FILE, "type": "file", "filename": "f", "mime_type": "text/plain", "size_bytes": 1, **DATED}
    counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
    batch = {
        "id": BATCH,
        "type": "message_batch",
        "processing_status": "ended",
        "request_counts": counts,
        "ended_at": None,
        "cancel_initiated_at": None,
        "archived_at": None,
        "results_url": f"https://api.anthropic.com/v1/messages/batches/{BATCH}/results",
        **DATED,
    }
    answers: dict[str, Any] = {
        "POST /files": file,
        f"GET /files/{FILE}": file,
        f"DELETE /files/{FILE}": {"id": FILE, "type": "file_deleted"},
        "POST /messages/batches": batch,
        f"GET /messages/batches/{BATCH}": batch,
        f"POST /messages/batches/{BATCH}/cancel": batch,
        f"DELETE /messages/batches/{BATCH}": {"id": BATCH, "type": "message_batch_deleted"},
    }
    asked = f"{received.method} {path}"
    if asked == f"GET /messages/batches/{BATCH}/results":
        return [http(RESULT, content_type="application/x-jsonl")]
    if asked == f"GET /files/{FILE}/content":
        return [http(b"contents", content_type="text/plain")]
    if asked == "POST /messages":
        return message(received.json().get("stream") is True)
    if asked not in answers:
        return [http(json.dumps({"type": "error", "error": {"type": "not_found_error", "message": asked}}), 404)]
    return [http(json.dumps(answers[asked]))]


@pytest.fixture(scope="module")
def account_of_all() -> Iterator[Upstream]:
    with Upstream(account) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def gateway(account_of_all: Upstream, start_for_module: Start) -> Gateway:
    url = account_of_all.url
    keys = [{"name": "k", "value": "sk-canary"}]
    return start_for_module(
        {
            "providers": {
                "claude": {"dialect": "anthropic", "base_url": url.removesuffix("/v1"), "keys": keys},
                "other": {"dialect": "openai_chat", "base_url": url, "keys": keys},
            },
            "virtual_keys": [{"name": "ann", "value": ANN}, {"name": "bob", "value": BOB}],
            "model_lists": {"refresh": 0},
            "server": {"drain_timeout": "3s"},
        }
    )


Client = Callable[[str], anthropic.Anthropic]


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Client]:
    """A client with this key, closed at the end of the test."""
    with ExitStack() as stack:
        yield lambda key: stack.enter_context(
            anthropic.Anthropic(base_url=f"{gateway.base_url}/anthropic", api_key=key, max_retries=0)
        )


TOOLS: Any = [{"type": "code_execution_20250825", "name": "code_execution"}]


def test_files_through_the_client(client: Client, account_of_all: Upstream) -> None:
    ann = client(ANN).beta.files
    file = ann.upload(file=("f", b"contents", "text/plain"), betas=["files-api-2025-04-14"])
    assert file.id.startswith("file_mg")
    assert b"contents" in account_of_all.requests[-1].body
    assert account_of_all.requests[-1].header("anthropic-beta") == "files-api-2025-04-14"
    assert (account_of_all.requests[-1].header("content-type") or "").startswith("multipart/form-data; boundary=")
    assert ann.retrieve_metadata(file.id).id == file.id
    assert ann.download(file.id).read() == b"contents"
    assert ann.delete(file.id).id == file.id


def test_batches_through_the_client(client: Client) -> None:
    ann = client(ANN).messages.batches
    params: Any = {"model": "claude", "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]}
    batch = ann.create(requests=[{"custom_id": "one", "params": params}])
    assert batch.id.startswith("msgbatch_mg")
    assert ann.retrieve(batch.id).results_url == f"/v1/messages/batches/{batch.id}/results"
    assert [result.custom_id for result in ann.results(batch.id)] == ["one"]
    assert ann.cancel(batch.id).id == batch.id
    assert ann.delete(batch.id).id == batch.id


@pytest.mark.parametrize("stream", [False, True])
def test_containers_and_what_is_made_in_them(client: Client, account_of_all: Upstream, stream: bool) -> None:
    body: Any = {"model": "claude/m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "tools": TOOLS}
    ann, bob = client(ANN), client(BOB)
    if stream:
        with ann.beta.messages.stream(**body) as events:
            answer = events.get_final_message()
    else:
        answer = ann.beta.messages.create(**body)
    told = json.loads(answer.to_json())
    output = told["content"][-1]["content"]
    assert told["container"]["id"].startswith("container_mg")
    assert output["content"][0]["file_id"].startswith("file_mg")
    assert output["stdout"] == '"file_id": "file_01"'
    assert told["content"][-1]["tool_use_id"] == "srvtoolu_011111111111"
    assert ann.beta.files.retrieve_metadata(output["content"][0]["file_id"]).id == output["content"][0]["file_id"]
    for container in (told["container"]["id"], {"id": told["container"]["id"], "skills": []}):
        ann.beta.messages.create(**body, container=container)
        sent = account_of_all.requests[-1].json()
        assert (sent["container"] if isinstance(container, str) else sent["container"]["id"]) == BOX
        before = len(account_of_all.requests)
        with pytest.raises(anthropic.NotFoundError):
            bob.beta.messages.create(**body, container=container)
        with pytest.raises(anthropic.NotFoundError):
            bob.beta.messages.create(**body, container=BOX if isinstance(container, str) else {"id": BOX})
        assert len(account_of_all.requests) == before


def test_another_tenants_ids_lead_nowhere(client: Client, account_of_all: Upstream) -> None:
    ann, bob = client(ANN), client(BOB)
    file = ann.beta.files.upload(file=("f", b"contents", "text/plain")).id
    params: Any = {"model": "claude", "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]}
    batch = ann.messages.batches.create(requests=[{"custom_id": "one", "params": params}]).id
    before = len(account_of_all.requests)
    for name in (file, file[:-1] + "g", file[:-2], FILE):
        source: Any = {"type": "document", "source": {"type": "file", "file_id": name}}
        params["messages"] = [{"role": "user", "content": [source]}]
        for attempt in (
            lambda name=name: bob.beta.files.retrieve_metadata(name),
            lambda name=name: bob.beta.files.download(name),
            lambda name=name: bob.beta.files.delete(name),
            lambda: bob.messages.create(**{**params, "model": "claude/m"}),
            lambda: bob.messages.batches.create(requests=[{"custom_id": "one", "params": params}]),
        ):
            with pytest.raises(anthropic.NotFoundError) as told:
                attempt()
            assert told.value.body["error"]["message"] == "No such object is known here."  # type: ignore[index]
    for name in (batch, BATCH):
        for attempt in (
            lambda name=name: bob.messages.batches.retrieve(name),
            lambda name=name: bob.messages.batches.cancel(name),
            lambda name=name: bob.messages.batches.delete(name),
        ):
            with pytest.raises(anthropic.NotFoundError):
                attempt()
    with pytest.raises(anthropic.PermissionDeniedError):
        bob.messages.batches.list()
    assert len(account_of_all.requests) == before


def test_objects_of_another_dialect_are_not_taken(gateway: Gateway, account_of_all: Upstream, client: Client) -> None:
    file = client(ANN).beta.files.upload(file=("f", b"contents", "text/plain")).id
    before = len(account_of_all.requests)
    assert SHAPE.fullmatch(file)
    assert ask(gateway.port, request("GET", f"/v1/files/{file}", None, ANN)).status == 404
    named = [("x-microgate-provider", "other")]
    answer = ask(gateway.port, request("POST", "/anthropic/v1/files", b"{}", ANN, fields=named))
    assert answer.status == 400
    assert json.loads(answer.body)["error"]["message"] == (
        "The provider 'other' does not take files from this key. "
        "Name one in the header field x-microgate-provider: claude."
    )
    assert len(account_of_all.requests) == before
