"""Providers and routes made through the API: served, shown without their keys, kept encrypted, over rotations."""

from __future__ import annotations

import io
import json
import random
import signal
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import secrets as command
from gateway.secrets import master_key
from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration, files_in
from tests.live.rounds import measured, rounds
from tests.live.test_virtual_keys_api import Desk
from tests.live.upstreams import Upstream
from tests.live.wire import KEY
from tests.waiting import wait_for

CANARY = "sk-canary-PROVIDER-0123456789abcdef"


def made(desk: Desk, path: str, name: str, spec: dict[str, Any], **more: object) -> dict[str, Any]:
    answer = desk.ask("POST", path, {"name": name, "spec": spec, **more})
    assert answer.status == 201, answer.body
    found: dict[str, Any] = json.loads(answer.body)
    return found


def provider(url: str, **more: object) -> dict[str, Any]:
    return {"dialect": "openai_chat", "base_url": url, "keys": [{"name": "k", "value": CANARY}], **more}


@pytest.fixture(scope="module")
def desk(upstream_for_module: Upstream, start_for_module: Start) -> Desk:
    return Desk(start_for_module(configuration(upstream_for_module.url)))


def files_of(gateway: Gateway) -> bytes:
    return b"".join(files_in(gateway.data_dir).values())


def test_a_provider_and_a_route_to_it_serve(desk: Desk, upstream_for_module: Upstream) -> None:
    one = made(desk, "/api/providers", "added", provider(upstream_for_module.url), allow_private=True)
    made(desk, "/api/routes", "team/model-1", {"targets": ["added/x", "mock/m"], "strategy": "order"})
    upstream_for_module.clear()
    assert [desk.status(KEY, model) for model in ("added/x", "team/model-1")] == [200, 200]
    assert {received.header("authorization") for received in upstream_for_module.requests} == {f"Bearer {CANARY}"}
    shown = [
        desk.ask("GET", path).body.decode() for path in (f"/api/providers/{one['id']}", "/api/audit", "/api/config")
    ]
    assert json.loads(shown[0])["spec"]["keys"] == [{"name": "k", "value": "...cdef"}]
    assert not any(CANARY[at : at + 8] in text for text in shown for at in range(len(CANARY) - 8))
    assert CANARY[10:20].encode() not in files_of(desk.gateway)


def test_a_secret_that_is_sent_as_it_is_shown_stays(desk: Desk, upstream_for_module: Upstream) -> None:
    one = made(desk, "/api/providers", "edited", provider(upstream_for_module.url), allow_private=True)
    path = f"/api/providers/{one['id']}"
    spec = {**one["spec"], "models": ["m2"]}
    assert desk.ask("PUT", path, {"spec": spec, "allow_private": True}, version=1).status == 200
    upstream_for_module.clear()
    assert desk.status(KEY, "edited/m2") == 200
    assert upstream_for_module.requests[0].header("authorization") == f"Bearer {CANARY}"
    spec["keys"] = [{"name": "k", "value": "...0000"}]
    refused = desk.ask("PUT", path, {"spec": spec, "allow_private": True}, version=2)
    assert (refused.status, b"keys[0].value: send the value itself" in refused.body) == (400, True)
    assert desk.ask("DELETE", path, version=2).status == 204
    assert desk.status(KEY, "edited/m2") == 404


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://api.example.com/v1", "asked without TLS; send allow_private: true if it is meant"),
        ("https://10.0.0.1/v1", "allow_private"),
        ("https://169.254.169.254/v1", "169.254.169.254"),
        ("http://169.254.169.254/v1", "169.254.169.254"),
    ],
)
def test_private_addresses_have_to_be_meant_and_metadata_never_is(desk: Desk, url: str, said: str) -> None:
    for confirmed in (False, True):
        body = {"name": "x", "spec": provider(url), "allow_private": confirmed}
        answer = desk.ask("POST", "/api/providers", body)
        if not confirmed or "169.254" in url:
            assert answer.status == 400
        if not confirmed and "169" not in url:
            assert said in answer.body.decode()
        if answer.status == 201:
            desk.ask("DELETE", f"/api/providers/{json.loads(answer.body)['id']}", version=1)


def test_no_file_and_no_variable_of_the_machine_is_read(desk: Desk, upstream_for_module: Upstream) -> None:
    body = {"name": "x", "spec": provider("https://api.example.com/v1", tls={"ca_file": "/etc/passwd"})}
    answer = desk.ask("POST", "/api/providers", body)
    assert (answer.status, b"names a file" in answer.body) == (400, True)
    keys = [{"name": "k", "value": "env.PATH"}]
    one = made(desk, "/api/providers", "literal", provider(upstream_for_module.url, keys=keys), allow_private=True)
    upstream_for_module.clear()
    assert desk.status(KEY, "literal/m") == 200
    assert upstream_for_module.requests[0].header("authorization") == "Bearer env.PATH"
    desk.ask("DELETE", f"/api/providers/{one['id']}", version=1)


def test_what_refers_to_a_removed_provider_is_named_and_left_out(desk: Desk, upstream_for_module: Upstream) -> None:
    one = made(desk, "/api/providers", "leaving", provider(upstream_for_module.url), allow_private=True)
    route = made(desk, "/api/routes", "orphan", {"targets": ["leaving/x"]})
    assert desk.status(KEY, "orphan") == 200
    assert desk.ask("DELETE", f"/api/providers/{one['id']}", version=1).status == 204
    found = json.loads(desk.ask("GET", f"/api/routes/{route['id']}").body)
    assert (found["state"], found["problem"]) == ("unusable", "no provider is called leaving")
    assert desk.status(KEY, "orphan") == 404
    assert json.loads(desk.ask("GET", "/api/config").body)["shadowed"] == ["route/orphan"]
    assert desk.ask("DELETE", f"/api/routes/{route['id']}", version=1).status == 204


def test_rotation_survives_being_killed_and_old_keys_can_go(upstream: Upstream, start_gateway: Start) -> None:
    gateway = start_gateway(configuration(upstream.url))
    desk = Desk(gateway)
    names = [f"p{number}" for number in range(12)]
    for name in names:
        made(desk, "/api/providers", name, provider(upstream.url), allow_private=True)
    data_dir = str(gateway.data_dir)
    first = master_key.read_file(data_dir)
    assert first is not None
    pause = random.Random(6)
    kills = rounds(6, 60)
    for _ in range(kills):
        rotating = threading.Thread(target=command.rotate, args=(data_dir, False, io.StringIO()))
        rotating.start()
        time.sleep(pause.uniform(0, 0.15))
        gateway.send("mg-control", signal.SIGKILL)
        rotating.join()
        Desk(gateway)
        listed = json.loads(desk.ask("GET", "/api/providers?limit=100").body)["entries"]
        rows = [entry for entry in listed if entry["source"] == "database"]
        assert [(row["state"], row["spec"]["keys"][0]["value"]) for row in rows] == [("in_force", "...cdef")] * len(
            names
        )
    out = io.StringIO()
    assert command.rotate(data_dir, True, out) == 0
    measured("killed while it encrypted anew", kills, "100 % of the rows readable")
    measured("rows, of these unreadable after any kill", f"{len(names)}, 0", "0")
    ring = master_key.read_file(data_dir)
    assert ring is not None
    assert ring.ids == (ring.current.id,)
    assert master_key.used(data_dir) == {ring.current.id}
    assert f"{ring.current.id}  encrypts\n" in out.getvalue()
    assert first.current.id not in out.getvalue()
    upstream.clear()
    assert {desk.status(KEY, f"{name}/m") for name in names} == {200}
    assert {received.header("authorization") for received in upstream.requests} == {f"Bearer {CANARY}"}


def test_without_its_master_key_it_does_not_start(upstream: Upstream, start_gateway: Start) -> None:
    gateway = start_gateway(configuration(upstream.url))
    desk = Desk(gateway)
    made(desk, "/api/providers", "locked", provider(upstream.url), allow_private=True)
    sealed = Path(gateway.data_dir) / "snapshot.sealed"
    wait_for(sealed.exists, "the sealed copy")
    gateway.stop()
    key = Path(gateway.data_dir) / "master.key"
    away = key.rename(key.with_suffix(".away"))
    with pytest.raises(
        AssertionError, match=r"ended with 1:[\s\S]*encrypted with the master key [0-9a-f]{16}, and there is"
    ):
        gateway.start()
    assert not key.exists()
    # The same key by another way.
    [line] = away.read_text().split()[2:]
    gateway.env["MICROGATE_MASTER_KEY"] = line
    gateway.start()
    Desk(gateway)
    wait_for(lambda: desk.status(KEY, "locked/m") == 200, "the provider")


def test_rows_that_change_places_are_refused(upstream: Upstream, start_gateway: Start) -> None:
    gateway = start_gateway(configuration(upstream.url))
    desk = Desk(gateway)
    for name in ("one", "two"):
        made(desk, "/api/providers", name, provider(upstream.url), allow_private=True)
    gateway.stop()
    with sqlite3.connect(gateway.paths.control_db) as writer:
        rows = writer.execute("SELECT id, body FROM entities WHERE kind = 'provider' ORDER BY name").fetchall()
        for (row, _), (_, body) in zip(rows, reversed(rows), strict=True):
            writer.execute("UPDATE entities SET body = ? WHERE id = ?", (body, row))
    gateway.start()
    Desk(gateway)
    wait_for(lambda: len(json.loads(desk.ask("GET", "/api/config").body)["shadowed"]) == 2, "their refusal")
    found = json.loads(desk.ask("GET", f"/api/providers/{rows[0][0]}").body)
    assert found["state"] == "unusable"
    assert "was changed, or belongs elsewhere" in found["problem"]
    assert desk.status(KEY, "one/m") == 404
