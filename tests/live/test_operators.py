"""Operators through a worker's relay and at an address of their own: what passes, and what stays outside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import pytest

from gateway.operators import setup_secret
from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.wire import Answer, ask, request
from tests.ports import free_port
from tests.waiting import wait_for

PASSWORD = "correct horse battery"
SCRAPER = "scraper-0123456789"
Fields = Iterable[tuple[str, str]]


def post(port: int, path: str, body: object, fields: Fields = ()) -> Answer:
    return ask(port, request("POST", path, json.dumps(body).encode(), "", fields=fields))


def get(port: int, path: str, fields: Fields = ()) -> Answer:
    return ask(port, request("GET", path, None, "", fields=fields))


@pytest.mark.parametrize("own_address", [False, True])
def test_from_the_first_start_to_the_logout(start_gateway: Start, own_address: bool) -> None:
    more: dict[str, Any] = {"metrics": {"token": SCRAPER}, "admin": {"hosts": ["GW.example.com"]}}
    if own_address:
        more["admin"]["listen"] = f"127.0.0.1:{free_port()}"
    config = configuration("http://127.0.0.1:9/v1", server={"trusted_proxies": ["127.0.0.1"]}, **more)
    gateway: Gateway = start_gateway(config)
    port = int(more["admin"]["listen"].rpartition(":")[2]) if own_address else gateway.port
    secret = setup_secret.pending(str(gateway.data_dir))
    token = [("Authorization", f"Bearer {(gateway.data_dir / 'admin.token').read_text().strip()}")]
    wait_for(lambda: _status(port, "/api/operators", token) == 200, "the database")
    # As a link where the web interface is built, else by itself.
    assert re.search(rf"^No operator yet\. .*{secret}$", gateway.stderr(), re.MULTILINE)

    first = {"secret": secret, "name": "first", "password": PASSWORD}
    assert get(port, "/api/me").status == 401
    assert post(port, "/api/setup", {**first, "secret": "mg-setup-" + "0" * 32}).status == 403
    # Strangers get no further than those two paths, and not with much.
    assert post(port, "/api/setup", {**first, "padding": "x" * 5000}).status == 401
    assert post(port, "/api/setup", first, [("Origin", "http://evil.test")]).status == 401
    done = post(port, "/api/setup", first, [("Origin", "http://gateway.localhost")])
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
    names_of_others(port, token)
    cookies_over_tls(port)
    waits_by_address(port)


def names_of_others(port: int, token: Fields) -> None:
    """A page whose name leads here gets nothing, whatever it shows."""
    asked = [
        request("GET", "/api/me", None, "", fields=token),
        request("POST", "/api/login", b"{}", ""),
        request("GET", "/metrics", None, ""),
    ]
    for raw in asked:
        for host in (b"evil.test", b"evil.test:%d" % port):
            answer = ask(port, raw.replace(b"gateway.localhost", host))
            assert (answer.status, json.loads(answer.body)["error"]["code"]) == (421, "misdirected_request"), raw
            assert b"admin.hosts" in answer.body
    for host in (b"127.0.0.1:%d" % port, b"[::1]", b"gw.EXAMPLE.com", b"localhost"):
        assert ask(port, asked[0].replace(b"gateway.localhost", host)).status == 200, host
    browser = request("GET", "/", None, "", fields=[("Accept", "text/html")])
    assert ask(port, browser).header("location") == "/ui/"
    assert ask(port, browser.replace(b"gateway.localhost", b"evil.test")).header("location") is None
    # Without a credential it is told no more than of any path; with its own the scraper may use any name.
    assert ask(port, request("GET", "/api/me", None, "").replace(b"gateway.localhost", b"evil.test")).status == 401
    scraper = request("GET", "/metrics", None, SCRAPER).replace(b"gateway.localhost", b"microgate:8080")
    assert ask(port, scraper).status == 200


def cookies_over_tls(port: int) -> None:
    """Behind a proxy that speaks TLS the browser's own word tells of it."""
    body = {"name": "first", "password": PASSWORD}
    for origin, secure in (("http://gateway.localhost", False), ("https://gateway.localhost", True)):
        answer = post(port, "/api/login", body, [("Origin", origin)])
        assert ("secure" in (answer.header("set-cookie") or "").lower().split("; ")) is secure


def waits_by_address(port: int) -> None:
    """Whoever guesses wrong keeps nobody else out; behind a proxy that is the address it names."""

    def tried(address: str, name: str = "first", password: str = PASSWORD) -> int:
        fields = [("X-Forwarded-For", address), ("X-Microgate-Source", "192.0.2.9")]
        return post(port, "/api/login", {"name": name, "password": password}, fields).status

    assert [tried("192.0.2.1", password="wrong password") for _ in range(6)] == [401] * 5 + [429]
    assert tried("192.0.2.1") == 429
    assert tried("192.0.2.2") == 200
    # Whoever knocks without end is not even asked what they want.
    knocks = [("X-Forwarded-For", "192.0.2.3")]
    told = (post(port, "/api/setup", {}, knocks) for _ in range(200))
    refused = next(answer for answer in told if answer.status == 429)
    assert (refused.header("retry-after"), b"Too many requests before a log-in" in refused.body) == ("1", True)
    assert tried("192.0.2.4") == 200


def _status(port: int, path: str, fields: Fields) -> int:
    try:
        return get(port, path, fields).status
    except OSError:
        return 0


def _delete(port: int, path: str, fields: Fields) -> Answer:
    return ask(port, request("DELETE", path, None, "", fields=fields))
