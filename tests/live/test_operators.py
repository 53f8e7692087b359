"""Operators through a worker's relay and at an address of their own: what passes, and what stays outside."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from gateway.operators import setup_secret
from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration, free_port
from tests.live.wire import Answer, ask, request
from tests.waiting import wait_for

PASSWORD = "correct horse battery"
Fields = Iterable[tuple[str, str]]


def post(port: int, path: str, body: object, fields: Fields = ()) -> Answer:
    return ask(port, request("POST", path, json.dumps(body).encode(), "", fields=fields))


def get(port: int, path: str, fields: Fields = ()) -> Answer:
    return ask(port, request("GET", path, None, "", fields=fields))


@pytest.mark.parametrize("own_address", [False, True])
def test_from_the_first_start_to_the_logout(start_gateway: Start, own_address: bool) -> None:
    more = {"admin": {"listen": f"127.0.0.1:{free_port()}"}} if own_address else {}
    gateway: Gateway = start_gateway(configuration("http://127.0.0.1:9/v1", **more))
    port = int(more["admin"]["listen"].rpartition(":")[2]) if own_address else gateway.port
    secret = setup_secret.pending(str(gateway.data_dir))
    token = [("Authorization", f"Bearer {(gateway.data_dir / 'admin.token').read_text().strip()}")]
    wait_for(lambda: _status(port, "/api/operators", token) == 200, "the database", 60)
    assert f"valid once, for POST {gateway.base_url}/api/setup: {secret}\n" in gateway.stderr()

    first = {"secret": secret, "name": "first", "password": PASSWORD}
    assert get(port, "/api/me").status == 401
    assert post(port, "/api/setup", {**first, "secret": "mg-setup-" + "0" * 32}).status == 403
    # Strangers get no further than those two paths, and not with much.
    assert post(port, "/api/setup", {**first, "padding": "x" * 5000}).status == 401
    assert post(port, "/api/setup", first, [("Origin", "http://evil.test")]).status == 401
    done = post(port, "/api/setup", first, [("Origin", "http://gateway.test")])
    assert (done.status, json.loads(done.body)["name"]) == (201, "first")

    session = (done.header("set-cookie") or "").partition(";")[0]
    mine = [("Cookie", session)]
    assert json.loads(get(port, "/api/me", mine).body)["via"] == "session"
    assert get(port, "/api/me", [*mine, ("Origin", "http://evil.test")]).status == 401
    made = post(port, "/api/tokens", {"name": "t"}, [*mine, ("Sec-Fetch-Site", "same-origin")])
    assert made.status == 201
    assert post(port, "/api/tokens", {"name": "t"}, [*mine, ("Sec-Fetch-Site", "cross-site")]).status == 403
    api_token = json.loads(made.body)["token"]
    for field in ("Authorization", "X-Api-Key"):
        shown = f"Bearer {api_token}" if field == "Authorization" else api_token
        assert json.loads(get(port, "/api/me", [(field, shown)]).body)["via"] == "api_token"
    # The ETag and the condition pass as well.
    [entry] = json.loads(get(port, "/api/operators", mine).body)["entries"]
    one = get(port, f"/api/operators/{entry['id']}", mine)
    assert one.header("etag") == '"1"'
    assert _delete(port, f"/api/operators/{entry['id']}", [*token, ("If-Match", '"9"')]).status == 412

    assert post(port, "/api/logout", {}, [*mine, ("Sec-Fetch-Site", "same-origin")]).status == 204
    assert get(port, "/api/me", mine).status == 401
    again = post(port, "/api/login", {"name": "first", "password": PASSWORD})
    assert again.status == 200
    if own_address:
        assert post(gateway.port, "/api/login", {"name": "first", "password": PASSWORD}).status == 401


def _status(port: int, path: str, fields: Fields) -> int:
    try:
        return get(port, path, fields).status
    except OSError:
        return 0


def _delete(port: int, path: str, fields: Fields) -> Answer:
    return ask(port, request("DELETE", path, None, "", fields=fields))
