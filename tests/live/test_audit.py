"""I6: every route that changes something leaves one row of the audit, with who, what, before and after, and no secret.

A route that is new is in neither table below, and fails.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.config.settings import GROUPS
from gateway.control.entity_kinds import KINDS
from gateway.operators import setup_secret
from tests.control.authorisation import rows
from tests.live.fixtures import Start
from tests.live.instance import configuration
from tests.live.test_entities_api import Api
from tests.live.upstreams import Upstream, http
from tests.live.wire import Answer, ask, request

ASKS = {("/api/config/check", "POST"), ("/api/routes/explain", "POST")}
"""They change nothing, and send nothing to anybody."""
PASSWORD = "a long enough password"
SECRETS = (
    "sk-first-0123456789",
    "sk-second-0123456789",
    "sk-third-0123456789",
    "whsec-0123456789abcdef",
    "hidden=query",
)

Row = dict[str, Any]


class Audited(Api):
    """The admin API, with what each request left in the audit."""

    told_once: list[str]
    """Secrets that answers held."""
    done: set[tuple[str, str]]
    """(path, method) as declared."""

    def begin(self) -> Audited:
        self.told_once, self.done, self.cookie = [], set(), ""
        self._seen = {row["id"] for row in self.rows()}
        return self

    def rows(self) -> list[Row]:
        found: list[Row] = self.told("GET", "/api/audit?limit=1000")["entries"]
        return found

    def change(
        self, method: str, declared: str, body: object = None, version: int | None = None, *, as_session: bool = False,
        **names: str,
    ) -> tuple[Any, list[Row]]:  # fmt: skip
        """What is answered, and the rows that came with it, the oldest first."""
        path = declared.format(**names)
        answer = self.of_session(method, path, body) if as_session else self.asked(method, path, body, version)
        assert answer.status in (200, 201, 204), (method, path, answer.body)
        session = (answer.header("set-cookie") or "").partition(";")[0]
        if session:
            self.cookie = session
        if session and method + declared != "POST/api/logout":
            self.told_once.append(session.partition("=")[2])
        found = json.loads(answer.body) if answer.body else None
        if isinstance(found, dict):
            self.told_once += [found[each] for each in ("key", "token") if isinstance(found.get(each), str)]
        new = [row for row in reversed(self.rows()) if row["id"] not in self._seen]
        self._seen |= {row["id"] for row in new}
        self.done.add((declared, method))
        return found, new

    def of_session(self, method: str, path: str, body: object) -> Answer:
        fields = [("Sec-Fetch-Site", "same-origin"), *([("Cookie", self.cookie)] if self.cookie else [])]
        raw = None if body is None else json.dumps(body).encode()
        return ask(self.gateway.port, request(method, path, raw, "", fields=fields))


def one(row: list[Row], kind: str, action: str, *, before: bool = False, after: bool = False) -> Row:
    assert [(each["kind"], each["action"]) for each in row] == [(kind, action)]
    [found] = row
    assert found["actor"]
    assert ((found["before"] is not None), (found["after"] is not None)) == (before, after), found
    return found


@pytest.fixture(scope="module")
def hooks() -> Iterator[Upstream]:
    with Upstream(lambda _: [http(b"", 204)]) as server:
        yield server


@pytest.fixture(scope="module")
def audited(start_for_module: Start, upstream_for_module: Upstream) -> Audited:
    gateway = start_for_module(configuration(upstream_for_module.url, cache={"enabled": True}), workers=2)
    return Audited(gateway).begin()


def test_every_change_has_its_row(audited: Audited, upstream_for_module: Upstream, hooks: Upstream) -> None:
    people(audited)
    entities(audited, upstream_for_module.url)
    provider_keys(audited, upstream_for_module.url)
    settings(audited, hooks.url)
    the_rest(audited)
    writes = {(path, method) for path, method in rows() if method != "GET"}
    assert audited.done | ASKS == writes
    text = json.dumps(audited.rows())
    assert [secret for secret in (*SECRETS, PASSWORD, *audited.told_once) if secret in text] == []
    assert len(audited.told_once) >= 8
    assert "argon2" not in text


def people(api: Audited) -> None:
    secret = setup_secret.pending(str(api.gateway.data_dir))
    api.told_once.append(secret)
    first = {"secret": secret, "name": "first", "password": PASSWORD}
    _, row = api.change("POST", "/api/setup", first, as_session=True)
    assert one(row, "operator", "create", after=True)["actor"] == "setup"
    me = row[0]["entity_id"]
    _, row = api.change("POST", "/api/login", {"name": "first", "password": PASSWORD}, as_session=True)
    assert one(row, "operator", "login")["actor"] == me
    new = {"current": PASSWORD, "new": PASSWORD + "!"}
    _, row = api.change("POST", "/api/me/password", new, as_session=True)
    one(row, "operator", "password", before=True, after=True)
    token, row = api.change("POST", "/api/tokens", {"name": "ci"}, as_session=True)
    assert one(row, "api_token", "create", after=True)["after"]["role"] == "viewer"
    _, row = api.change("DELETE", "/api/tokens/{token_id}", as_session=True, token_id=token["id"])
    assert one(row, "api_token", "delete", before=True)["before"]["name"] == "ci"
    _, row = api.change("POST", "/api/playground", {}, as_session=True)
    assert one(row, "virtual_key", "create", after=True)["actor"] == me
    _, row = api.change("POST", "/api/logout", as_session=True)
    assert one(row, "operator", "logout")["actor"] == me

    made, row = api.change("POST", "/api/operators", {"name": "second", "role": "viewer", "password": PASSWORD})
    assert one(row, "operator", "create", after=True)["actor"] == "admin.token"
    path = "/api/operators/{operator_id}"
    _, row = api.change("PATCH", path, {"role": "operator"}, 1, operator_id=made["id"])
    assert one(row, "operator", "update", before=True, after=True)["before"]["role"] == "viewer"
    _, row = api.change("DELETE", path, None, 2, operator_id=made["id"])
    one(row, "operator", "delete", before=True)


def entities(api: Audited, url: str) -> None:
    specs: dict[str, Row] = {
        "customers": {}, "teams": {}, "virtual-keys": {}, "routes": {"targets": ["mock/m"]},
        "prices": {"provider": "mock", "model": "m", "input": 1, "output": 2},
        "providers": {"base_url": url, "keys": [{"name": "a", "value": SECRETS[0]}], "list_models": False},
    }  # fmt: skip
    assert specs.keys() == KINDS.keys()
    for place, spec in specs.items():
        name, confirmed = KINDS[place].name, {"allow_private": True} if place == "providers" else {}
        made, row = api.change("POST", f"/api/{place}", {"name": "audited", "spec": spec, **confirmed})
        assert one(row, name, "create", after=True)["name"] == "audited"
        path, version = f"/api/{place}/{{entity_id}}", 1
        if place == "virtual-keys":
            _, row = api.change("POST", f"{path}/renew", None, version, entity_id=made["id"])
            one(row, name, "renew", before=True, after=True)
            version += 1
        body = {"name": "renamed", "spec": spec, **confirmed}
        _, row = api.change("PUT", path, body, version, entity_id=made["id"])
        assert one(row, name, "update", before=True, after=True)["entity_id"] == made["id"]
        _, row = api.change("DELETE", path, None, version + 1, entity_id=made["id"])
        one(row, name, "delete", before=True)


def provider_keys(api: Audited, url: str) -> None:
    spec = {"base_url": url, "keys": [{"name": "a", "value": SECRETS[0]}]}
    trial = {"name": "tried", "spec": spec, "allow_private": True}
    _, row = api.change("POST", "/api/providers/test", trial)
    one(row, "provider", "test_key", after=True)
    made, _ = api.change("POST", "/api/providers", {**trial, "spec": {**spec, "list_models": False}})
    every, path = "/api/providers/{entity_id}/keys", "/api/providers/{entity_id}/keys/{key_name}"
    b = {"entity_id": made["id"], "key_name": "b"}
    _, row = api.change("POST", every, {"name": "b", "spec": {"value": SECRETS[1]}}, entity_id=made["id"])
    one(row, "provider", "add_key", before=True, after=True)
    _, row = api.change("PUT", path, {"spec": {"value": SECRETS[2]}}, 2, **b)
    one(row, "provider", "change_key", before=True, after=True)
    _, row = api.change("POST", f"{path}/test", {}, **b)
    assert one(row, "provider", "test_key", after=True)["after"]["key"] == "b"
    _, row = api.change("DELETE", path, None, 3, **b)
    one(row, "provider", "remove_key", before=True, after=True)


def settings(api: Audited, url: str) -> None:
    hook = {"name": "pager", "url": f"{url}/hook?{SECRETS[4]}", "secret": SECRETS[3], "allow_private": True}
    for group in GROUPS:
        spec = {"webhooks": [hook]} if group == "alerts" else {}
        made, row = api.change("PUT", f"/api/settings/{group}", {"spec": spec}, 0)
        assert one(row, "setting", "create", after=True)["name"] == group
        made, row = api.change("PUT", f"/api/settings/{group}", {"spec": spec}, made["version"])
        one(row, "setting", "update", before=True, after=True)
        if group == "alerts":
            told, row = api.change("POST", "/api/alerts/test/{webhook}", webhook="pager")
            assert one(row, "webhook", "test_webhook", after=True)["after"] == {"ok": told["ok"], "status": 204}
        _, row = api.change("DELETE", f"/api/settings/{group}", None, made["version"])
        one(row, "setting", "delete", before=True)


def the_rest(api: Audited) -> None:
    view = {"name": "mine", "page": "logs", "query": {"status": "500"}}
    made, row = api.change("POST", "/api/views", view)
    one(row, "view", "create", after=True)
    _, row = api.change("PUT", "/api/views/{view_id}", {**view, "query": {}}, 1, view_id=made["id"])
    one(row, "view", "update", before=True, after=True)
    _, row = api.change("DELETE", "/api/views/{view_id}", None, 2, view_id=made["id"])
    one(row, "view", "delete", before=True)
    _, row = api.change("POST", "/api/cache/clear", {})
    one(row, "cache", "clear", after=True)
    # Of the provider above, and the rotation itself.
    _, row = api.change("POST", "/api/secrets/rotate", {})
    assert [(each["kind"], each["action"]) for each in row] == [("master_key", "rotate"), ("provider", "rotate")]
    for path, body in (("/api/config/check", {}), ("/api/routes/explain", {"model": "m"})):
        _, row = api.change("POST", path, body)
        assert row == []
        api.done.discard((path, "POST"))
