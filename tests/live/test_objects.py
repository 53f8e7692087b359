"""Objects of one provider account, kept apart between the tenants who use it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.sealed import SHAPE
from tests.live.fixtures import Start
from tests.live.instance import Gateway
from tests.live.keeper import CONTENT, Keeper
from tests.live.trail import trail_of
from tests.live.upstreams import Upstream, http
from tests.live.wire import Answer, ask, request

ANN, BOB, PIN, FEW, ONE = (f"sk-tenant-{name}-0011223344556677" for name in ("ann", "bob", "pin", "few", "one"))


def settings(url: str, **more: Any) -> dict[str, Any]:
    def provider(*names: str, **more: Any) -> dict[str, Any]:
        keys = [{"name": name, "value": f"sk-canary-{name}"} for name in names]
        return {"dialect": "openai_chat", "base_url": url, "keys": keys, **more}

    return {
        "providers": {
            "p": provider("p1", "p2"),
            "q": provider("q1"),
            "pinned": provider("own", operations=["chat", "responses", "response_object", "files", "batches"]),
            "r": provider("r1", operations=["chat", "responses"]),
        },
        "virtual_keys": [
            {"name": "ann", "value": ANN},
            {"name": "bob", "value": BOB},
            {"name": "pin", "value": PIN, "stateful": "pinned/own"},
            {"name": "few", "value": FEW, "models": ["p/m"]},
            {"name": "one", "value": ONE, "providers": ["q", "r"]},
        ],
        "model_lists": {"refresh": 0},
        "server": {"drain_timeout": "3s"},
        **more,
    }


def at(provider: str) -> list[tuple[str, str]]:
    return [("x-microgate-provider", provider)] if provider else []


class World:
    def __init__(self, gateway: Gateway, upstream: Upstream, kept: Keeper) -> None:
        self.gateway, self.upstream, self.kept = gateway, upstream, kept

    def ask(self, key: str, method: str, path: str, body: Any = None, provider: str = "") -> Answer:
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        return ask(self.gateway.port, request(method, path, data, key, fields=at(provider)))

    def made(self, key: str, path: str, body: Any) -> Any:
        answer = self.ask(key, "POST", path, body)
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def file(self, key: str, provider: str = "p") -> str:
        part = b'--b\r\ncontent-disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
        form = part % (b"purpose", b"", b"batch") + part % (b"file", b'; filename="f"', b"{}") + b"--b--\r\n"
        answer = ask(
            self.gateway.port,
            request(
                "POST", "/v1/files", form, key, content_type="multipart/form-data; boundary=b", fields=at(provider)
            ),
        )
        assert answer.status == 200, answer.body
        return str(json.loads(answer.body)["id"])

    def response(self, key: str, model: str = "p/m", **more: Any) -> str:
        return str(self.made(key, "/v1/responses", {"model": model, "input": "hi", **more})["id"])

    def accounts_of(self, kind: str) -> dict[str, list[str]]:
        kept = self.kept.accounts.items()
        return {account: [name for name in objects if name.startswith(kind)] for account, objects in kept}


@pytest.fixture(scope="module")
def world(start_for_module: Start) -> Iterator[World]:
    kept = Keeper()
    with Upstream(kept) as upstream:
        yield World(start_for_module(settings(upstream.url)), upstream, kept)


def test_a_file_is_made_read_and_deleted(world: World) -> None:
    name = world.file(ANN)
    assert name.startswith("file-")
    assert SHAPE.fullmatch(name)
    read = world.ask(ANN, "GET", f"/v1/files/{name}")
    assert json.loads(read.body)["id"] == name
    assert read.header("x-microgate-provider") == "p"
    assert world.upstream.requests[-1].target.startswith("/v1/files/file-0")
    content = world.ask(ANN, "GET", f"/openai/v1/files/{name}/content")
    assert content.body == CONTENT
    gone = world.ask(ANN, "DELETE", f"/v1/files/{name}")
    assert json.loads(gone.body) == {"id": name, "object": "files", "deleted": True}
    # The provider's own words, and the caller's name for it.
    missed = world.ask(ANN, "GET", f"/v1/files/{name}")
    assert missed.status == 404
    assert json.loads(missed.body)["error"]["message"] == f"No such object: {name}"


def test_a_batch_goes_where_its_file_is(world: World) -> None:
    for _ in range(4):
        name = world.file(ANN)
        batch = world.made(ANN, "/v1/batches", {"input_file_id": name, "endpoint": "/v1/responses"})
        assert batch["id"].startswith("batch_mg")
        assert (batch["input_file_id"], batch["endpoint"]) == (name, "/v1/responses")
        assert world.ask(ANN, "GET", f"/v1/files/{batch['error_file_id']}").status == 200
        cancelled = world.ask(ANN, "POST", f"/v1/batches/{batch['id']}/cancel")
        assert json.loads(cancelled.body)["status"] == "cancel"
    # All objects of one tenant lie in one account.
    assert sum(bool(names) for names in world.accounts_of("batch_").values()) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_conversation_goes_on_where_it_was(world: World, stream: bool) -> None:
    answer = world.ask(ANN, "POST", "/v1/responses", {"model": "p/m", "input": "hi", "stream": stream})
    if stream:
        events = [json.loads(line[6:]) for line in answer.body.split(b"\n") if line.startswith(b"data: ")]
        assert [e.get("delta") for e in events] == [None, None, "a", '"id": "b"', None]
        assert len({e["response"]["id"] for e in events if "response" in e}) == 1
        assert events[1]["item"]["id"] == events[2]["item_id"]
        made = events[-1]["response"]
    else:
        made = json.loads(answer.body)
    assert made["id"].startswith("resp_mg")
    item = made["output"][0]["id"]
    assert item.startswith("msg_mg")
    before = len(world.upstream.requests)
    for _ in range(6):
        more = world.made(ANN, "/v1/responses", {"model": "p/m", "input": "on", "previous_response_id": made["id"]})
        assert more["previous_response_id"] == made["id"]
    assert len({r.header("authorization") for r in world.upstream.requests[before:]}) == 1
    again = world.ask(ANN, "POST", "/v1/responses", {"model": "p/m", "input": [{"type": "item_reference", "id": item}]})
    assert again.status == 200, again.body
    assert world.upstream.requests[-1].json()["input"][0]["id"].startswith("msg_0")
    whole = world.made(ANN, "/v1/responses", {"model": "p/m", "input": made["output"]})
    assert whole["status"] == "completed"
    kept = world.ask(ANN, "GET", f"/v1/responses/{made['id']}?include=x")
    assert json.loads(kept.body)["output"][0]["id"] == item
    listed = world.ask(ANN, "GET", f"/v1/responses/{made['id']}/input_items?limit=2&after={item}")
    page = json.loads(listed.body)
    assert page["query"] == f"limit=2&after={world.upstream.requests[-3].json()['input'][0]['id']}"
    assert page["first_id"] == page["data"][0]["id"]
    assert page["first_id"].startswith("msg_mg")
    assert page["data"][0]["content"] == [{"text": '{"id": "msg_00aa11bb22"}'}]
    assert world.ask(ANN, "DELETE", f"/v1/responses/{made['id']}").status == 200


def test_what_is_not_stored_and_where_nothing_is_stored_passes_as_it_is(world: World) -> None:
    body = {"model": "p/m", "input": "hi", "store": False}
    made = world.made(ANN, "/v1/responses", body)
    assert SHAPE.fullmatch(made["id"]) is None
    # Its items are handed over whole, so that no store is needed.
    assert (
        world.ask(ANN, "POST", "/v1/responses", {**body, "input": [{"type": "reasoning", "id": "rs_1"}]}).status == 200
    )
    assert world.response(ANN, "r/m").startswith("resp_0")
    assert world.response(PIN, "pinned/m").startswith("resp_0")


def test_the_callers_own_data_comes_back_as_it_was(world: World) -> None:
    name = world.file(ANN)
    mine = {"file_id": name, "id": "msg_1234567890", "note": 'a } "id": "resp_12345678"'}
    body = {"model": "p/m", "input": [{"content": [{"type": "input_file", "file_id": name}]}], "metadata": mine}
    made = world.made(ANN, "/v1/responses", body)
    assert made["metadata"] == mine
    assert world.upstream.requests[-1].json()["metadata"] == mine
    assert world.upstream.requests[-1].json()["input"][0]["content"][0]["file_id"].startswith("file-0")


def test_a_chat_may_name_a_file_and_goes_where_it_is(world: World) -> None:
    name = world.file(BOB, "q")
    part = {"type": "file", "file": {"file_id": name}}
    chat = {"model": "q/m", "messages": [{"role": "user", "content": [part]}], "n": 1}
    answer = world.ask(BOB, "POST", "/v1/chat/completions", chat)
    assert answer.status == 200, answer.body
    sent = world.upstream.requests[-1].json()
    assert sent["messages"][0]["content"][0]["file"]["file_id"].startswith("file-0")
    assert sent["model"] == "m"
    elsewhere = world.ask(BOB, "POST", "/v1/chat/completions", {**chat, "model": "p/m"})
    assert elsewhere.status == 400
    assert b"kept at the provider 'q'" in elsewhere.body


REFERRING: dict[str, Any] = {
    "previous_response_id": {"previous_response_id": "resp"},
    "twice": b'{"model":"p/m","input":"x","previous_response_id":"ID","previous_response_id":null}',
    "twice the other way": b'{"model":"p/m","input":"x","previous_response_id":null,"previous_response_id":"ID"}',
    "escaped": b'{"model":"p/m","input":"x","previous_\\u0072esponse_id":"ID"}',
    "conversation": {"conversation": "resp"},
    "conversation as an object": {"conversation": {"id": "resp"}},
    "input_file": {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "resp"}]}]},
    "item_reference": {"input": [{"type": "item_reference", "id": "resp"}]},
    "bare reference": {"input": [{"id": "resp"}]},
    "escaped reference": b'{"model":"p/m","input":[{"\\u0069d":"ID"}]}',
    "file_search": {"tools": [{"type": "file_search", "vector_store_ids": ["resp"]}]},
    "container": {"tools": [{"type": "code_interpreter", "container": "resp"}]},
    "files in a container": {
        "tools": [{"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["resp"]}}]
    },
}


@pytest.fixture(scope="module")
def of_ann(world: World) -> dict[str, str]:
    file = world.file(ANN)
    made = world.made(ANN, "/v1/responses", {"model": "p/m", "input": "secret"})
    batch = world.made(ANN, "/v1/batches", {"input_file_id": file})
    return {"file": file, "resp": made["id"], "msg": made["output"][0]["id"], "batch": batch["id"]}


def strangers(name: str, kept: Keeper) -> list[str]:
    """Ids that must lead nowhere: somebody else's, and what can be made of them."""
    own = [one for objects in kept.accounts.values() for one in objects]
    changed = name[:-1] + ("0" if name[-1] != "0" else "1")
    return [name, changed, name[:-2], name[:40], name + "00", name.upper(), "resp_" + name, own[0], own[-1], "x"]


@pytest.mark.parametrize("key", [BOB, FEW, ONE])
def test_no_path_leads_to_anothers_object(world: World, of_ann: dict[str, str], key: str) -> None:
    before = len(world.upstream.requests)
    answers = set()
    for kind, path in (("file", "files"), ("batch", "batches"), ("resp", "responses")):
        for name in strangers(of_ann[kind], world.kept):
            for below in ("", "/content", "/cancel", "/input_items"):
                for method in ("GET", "DELETE", "POST"):
                    answer = world.ask(key, method, f"/openai/{path}/{name}{below}")
                    if answer.status == 405:
                        continue
                    body = json.loads(answer.body)
                    body["error"].pop("request_id")
                    answers.add((answer.status, json.dumps(body)))
    said = {"message": "No such object is known here.", "type": "invalid_request_error"}
    assert answers == {(404, json.dumps({"error": {**said, "param": None, "code": "not_found"}}))}
    assert len(world.upstream.requests) == before


@pytest.mark.parametrize("form", REFERRING)
def test_no_body_leads_to_anothers_object(world: World, of_ann: dict[str, str], form: str) -> None:
    before = len(world.upstream.requests)
    body = REFERRING[form]
    for name in strangers(of_ann["msg"], world.kept):
        if isinstance(body, bytes):
            data = body.replace(b"ID", name.encode())
        else:
            data = json.dumps({"model": "p/m", "input": "x", **body}).replace('"resp"', json.dumps(name)).encode()
        answer = world.ask(BOB, "POST", "/v1/responses", data)
        if form == "twice":
            # Only the one that counts is sent.
            assert b'previous_response_id":null' in world.upstream.requests[-1].body
            before = len(world.upstream.requests)
            continue
        assert (answer.status, json.loads(answer.body)["error"]["code"]) == (404, "not_found"), name
    assert len(world.upstream.requests) == before


def test_no_batch_query_or_whole_item_leads_there_either(world: World, of_ann: dict[str, str]) -> None:
    before = len(world.upstream.requests)
    own = world.response(BOB)
    for name in strangers(of_ann["file"], world.kept):
        body = {"input_file_id": name, "endpoint": "/v1/chat/completions"}
        assert world.ask(BOB, "POST", "/v1/batches", body).status == 404
        # Whatever it says it is.
        data = request("POST", "/v1/batches", json.dumps(body).encode(), BOB, content_type="text/plain")
        assert ask(world.gateway.port, data).status == 404
    after = world.ask(BOB, "GET", f"/v1/responses/{own}/input_items?after={of_ann['msg']}")
    item = {"type": "message", "id": of_ann["msg"], "role": "assistant", "content": []}
    whole = world.ask(BOB, "POST", "/v1/responses", {"model": "p/m", "input": [item]})
    assert [after.status, whole.status] == [404, 404]
    assert len(world.upstream.requests) == before + 1


def test_objects_of_two_accounts_do_not_meet(world: World) -> None:
    names = [world.file(BOB, "p"), world.file(BOB, "q")]
    content = [{"type": "input_file", "file_id": name} for name in names]
    answer = world.ask(BOB, "POST", "/v1/responses", {"model": "p/m", "input": [{"role": "user", "content": content}]})
    assert answer.status == 400
    assert b"different provider accounts" in answer.body


def test_where_a_new_object_goes(world: World) -> None:
    none = world.ask(ANN, "POST", "/v1/files", {})
    assert none.status == 400
    assert b"Which provider is meant? Name one in the header field x-microgate-provider: p, q." in none.body
    assert world.ask(ANN, "POST", "/v1/files", {}, "pinned").status == 400
    assert world.ask(ANN, "POST", "/v1/files", {}, "r").status == 400
    # The only one that the key may use needs no name.
    world.file(ONE, "")
    assert (world.upstream.requests[-1].header("authorization") or "").endswith("q1")
    assert world.ask(ONE, "POST", "/v1/files", {}, "p").status == 400


def test_a_restricted_key_starts_no_batch(world: World) -> None:
    name = world.file(FEW)
    answer = world.ask(FEW, "POST", "/v1/batches", {"input_file_id": name})
    assert answer.status == 403
    assert b"restricted to certain models" in answer.body


def test_a_shared_account_is_not_listed(world: World) -> None:
    before = len(world.upstream.requests)
    for path in ("/v1/files", "/v1/batches", "/v1/files?purpose=batch"):
        answer = world.ask(ANN, "GET", path)
        assert answer.status == 403
        assert b"shared" in answer.body
    assert len(world.upstream.requests) == before


def test_a_pinned_key_has_its_account_and_its_ids(world: World, of_ann: dict[str, str]) -> None:
    name = world.file(PIN, "")
    assert SHAPE.fullmatch(name) is None
    batch = world.made(PIN, "/v1/batches", {"input_file_id": name})
    listed = json.loads(world.ask(PIN, "GET", "/v1/files").body)
    assert name in [one["id"] for one in listed["data"]]
    assert json.loads(world.ask(PIN, "GET", f"/v1/batches/{batch['id']}").body)["input_file_id"] == name
    made = world.response(PIN, "pinned/m")
    assert world.response(PIN, "pinned/m", previous_response_id=made)
    assert world.ask(ANN, "GET", f"/v1/files/{name}").status == 404
    before = len(world.upstream.requests)
    assert world.ask(PIN, "GET", f"/v1/files/{of_ann['file']}").status == 404
    assert world.ask(PIN, "POST", "/v1/batches", {"input_file_id": of_ann["file"]}).status == 404
    assert len(world.upstream.requests) == before


def test_ids_outlive_restarts_rotation_and_no_more(start_gateway: Start) -> None:
    kept = Keeper()
    with Upstream(kept) as upstream:
        config = settings(upstream.url)
        world = World(start_gateway(config, workers=2), upstream, kept)
        file, made = world.file(ANN, "q"), world.response(ANN, "q/m")
        paths = [f"/v1/files/{file}", f"/v1/responses/{made}"]

        def seen(key: str = ANN) -> list[int]:
            return [world.ask(key, "GET", path).status for path in paths for _ in range(3)]

        assert seen() == [200] * 6
        world.gateway.stop()
        # Another value of the virtual key and of the provider's: the same account, the same owner.
        config["virtual_keys"][0]["value"] = changed = ANN + "-rotated"
        config["providers"]["q"]["keys"][0]["value"] = "sk-canary-q1-rotated"
        kept.accounts["sk-canary-q1-rotated"] = kept.accounts["sk-canary-q1"]
        world.gateway.configure(config)
        world.gateway.start()
        assert seen(changed) == [200] * 6
        world.gateway.stop()
        # A pin set later: its account is another one, and what was sealed before still opens.
        config["virtual_keys"][0]["stateful"] = config["virtual_keys"].pop(2)["stateful"]
        world.gateway.configure(config)
        world.gateway.start()
        assert seen(changed) == [200] * 6
        assert json.loads(world.ask(changed, "GET", paths[0]).body)["id"] == file
        world.gateway.stop()
        del config["virtual_keys"][0]["stateful"], config["providers"]["q"]
        config["virtual_keys"] = config["virtual_keys"][:2]
        world.gateway.configure(config)
        world.gateway.start()
        before = len(upstream.requests)
        assert seen(changed) == [404] * 6
        assert len(upstream.requests) == before
        rows = trail_of(world.gateway)
        assert {(row.status, row.provider) for row in rows.values() if row.status == 404} == {(404, 0)}


def test_records_name_operation_and_provider_key(start_gateway: Start) -> None:
    kept = Keeper()
    with Upstream(kept) as upstream:
        world = World(start_gateway(settings(upstream.url)), upstream, kept)
        name = world.file(ANN, "q")
        world.ask(ANN, "GET", f"/v1/files/{name}")
        rows = list(trail_of(world.gateway).values())
        assert {(row.operation, row.status, bool(row.provider), bool(row.provider_key)) for row in rows} == {
            (13, 200, True, True)
        }


@pytest.mark.parametrize(
    "named",
    [
        {"cachedContent": "cachedContents/abc"},
        {"cached_content": "projects/1/locations/x/cachedContents/abc"},
        {
            "contents": [
                {"parts": [{"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc"}}]}
            ]
        },
        {"contents": [{"parts": [{"file_data": {"file_uri": "files/abc"}}]}]},
        {"contents": [{"parts": [{"fileData": {"file\\u0055ri": "files/abc"}}]}]},
        {"contents": [{"parts": [{"file\\u0044ata": {"fileUri": "files/abc"}}]}]},
        {"cachedContent": "twice", "\\u0063achedContent": "cachedContents/abc"},
    ],
)
def test_what_google_keeps_is_for_the_pinned_key_alone(start_gateway: Start, named: Any) -> None:
    with Upstream(lambda received: [http('{"candidates":[]}')]) as upstream:
        keys = [{"name": "k", "value": "sk-canary"}]
        config = settings(upstream.url)
        config["providers"] = {"g": {"dialect": "gemini", "base_url": upstream.url.removesuffix("/v1"), "keys": keys}}
        config["virtual_keys"] = [{"name": "ann", "value": ANN}, {"name": "pin", "value": PIN, "stateful": "g/k"}]
        world = World(start_gateway(config), upstream, Keeper())
        data = json.dumps(named).replace("\\\\", "\\").encode()
        path = "/genai/v1beta/models/g%2Fm:generateContent"
        before = len(upstream.requests)
        answer = world.ask(ANN, "POST", path, data)
        assert (answer.status, json.loads(answer.body)["error"]["status"]) == (404, "NOT_FOUND")
        assert len(upstream.requests) == before
        world.ask(PIN, "POST", path, data)
        assert upstream.requests[-1].body == data


def test_what_is_public_at_google_is_no_object(start_gateway: Start) -> None:
    with Upstream(lambda received: [http('{"candidates":[]}')]) as upstream:
        keys = [{"name": "k", "value": "sk-canary"}]
        config = settings(upstream.url)
        config["providers"] = {"g": {"dialect": "gemini", "base_url": upstream.url.removesuffix("/v1"), "keys": keys}}
        config["virtual_keys"] = config["virtual_keys"][:1]
        world = World(start_gateway(config), upstream, Keeper())
        for uri in ("gs://bucket/files/a", "https://www.youtube.com/watch?v=a", "https://x.example/files/a.pdf"):
            body = {"contents": [{"parts": [{"fileData": {"fileUri": uri}}]}], "generationConfig": {"topP": 1.0}}
            world.ask(ANN, "POST", "/genai/v1beta/models/g%2Fm:generateContent", body)
            assert upstream.requests[-1].json() == body


def test_arguments_and_outcomes_of_calls_are_the_callers_own(world: World) -> None:
    """A tool may well have a parameter of this name."""
    schema = {"type": "object", "properties": {"file_id": {"type": "string", "default": "f"}}, "required": ["file_id"]}
    tool = {"type": "function", "function": {"name": "f", "parameters": {**schema, "file_id": "x"}}}
    body = {"model": "p/m", "messages": [], "tools": [tool], "metadata": {"file_id": "mine"}}
    answer = world.ask(ANN, "POST", "/v1/chat/completions", body)
    assert answer.status == 200, answer.body
    assert world.upstream.requests[-1].json() == {**body, "model": "m"}
