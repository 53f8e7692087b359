"""Operators from outside: set-up, logins, sessions, API tokens, roles, and what another site's page may not do."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from gateway.operator_ticket import COOKIE
from gateway.operators import setup_secret
from gateway.operators.lockout import FREE_TRIES
from tests.control.process import Answer, Control

PASSWORD = "correct horse battery"
SAME = {"sec_fetch_site": "same-origin"}


def cookie_of(answer: Answer) -> str:
    return answer.fields["set-cookie"].partition(";")[0]


class Person:
    """Somebody logged in."""

    def __init__(self, control: Control, name: str, password: str = PASSWORD) -> None:
        self.control = control
        body = json.dumps({"name": name, "password": password}).encode()
        answer = control.ask("POST", "/api/login", body, content_type="application/json")
        assert answer.status == 200, answer.body
        self.answer = answer
        self.cookie = cookie_of(answer)

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        return self.control.send_json(method, path, body, cookie=self.cookie, **{**SAME, **headers})


@pytest.fixture(scope="module")
def desk(running: Control) -> Control:
    """The shared control process, with three operators."""
    for role in ("viewer", "operator", "admin"):
        made = running.send_json("POST", "/api/operators", {"name": role, "role": role, "password": PASSWORD})
        assert made.status == 201, made.body
    return running


def test_the_first_operator_is_made_with_the_secret_once(control: Control) -> None:
    secret = setup_secret.pending(control.paths.data_dir)
    assert (Path(control.paths.data_dir) / "setup.secret").stat().st_mode & 0o777 == 0o600

    def set_up(secret: str, password: str = PASSWORD) -> Answer:
        body = json.dumps({"secret": secret, "name": "first", "password": password}).encode()
        return control.ask("POST", "/api/setup", body, content_type="application/json")

    # Until then nobody but the data directory's own token is let in.
    assert control.ask("GET", "/api/me").status == 401
    assert set_up(secret[:-1]).status == 403
    assert set_up("").status == 403
    assert set_up(secret, "short").status == 400
    done = set_up(secret)
    assert (done.status, done.json) == (
        201,
        {"name": "first", "role": "admin", "via": "session", "must_change_password": False},
    )
    assert control.ask("GET", "/api/me", cookie=cookie_of(done)).json["name"] == "first"
    assert set_up(secret).status == 403
    assert setup_secret.pending(control.paths.data_dir) == ""
    assert [entry["name"] for entry in control.get("/api/operators").json["entries"]] == ["first"]
    control.end()
    control.start()
    assert control.ask("GET", "/api/me", cookie=cookie_of(done)).json["role"] == "admin"
    assert set_up(secret).status == 403


def test_a_session_is_a_cookie_that_no_script_and_no_other_site_sees(desk: Control) -> None:
    person = Person(desk, "viewer")
    attributes = {part.strip().lower() for part in person.answer.fields["set-cookie"].split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/", "max-age=43200"} <= attributes
    assert person.ask("GET", "/api/me").json == {
        "name": "viewer",
        "role": "viewer",
        "via": "session",
        "must_change_password": False,
    }


def test_a_session_ends_with_the_logout(desk: Control) -> None:
    one, other = Person(desk, "viewer"), Person(desk, "viewer")
    assert one.ask("POST", "/api/logout").status == 204
    assert one.ask("GET", "/api/me").status == 401
    assert other.ask("GET", "/api/me").status == 200


def changed(desk: Control, name: str, change: dict[str, object]) -> Answer:
    entry = next(each for each in desk.get("/api/operators").json["entries"] if each["name"] == name)
    return desk.send_json("PATCH", f"/api/operators/{entry['id']}", change, if_match=f'"{entry["version"]}"')


@pytest.mark.parametrize("change", [{"role": "operator"}, {"password": PASSWORD + "!"}, {"enabled": False}])
def test_sessions_end_with_a_new_role_or_password_or_none(desk: Control, change: dict[str, object]) -> None:
    name = "changing-" + next(iter(change))
    desk.send_json("POST", "/api/operators", {"name": name, "role": "viewer", "password": PASSWORD})
    person = Person(desk, name)
    token = person.ask("POST", "/api/tokens", {"name": "t"}).json["token"]
    answer = changed(desk, name, change)
    assert (answer.status, answer.fields["etag"]) == (200, '"2"')
    assert person.ask("GET", "/api/me").status == 401
    # A token stays: it is no login. Only who is switched off has none either.
    assert desk.ask("GET", "/api/me", authorization=f"Bearer {token}").status == (401 if "enabled" in change else 200)
    if "enabled" in change:
        again = {"name": name, "password": PASSWORD}
        refused = desk.ask("POST", "/api/login", json.dumps(again).encode(), content_type="application/json")
        assert refused.status == 401


def test_a_new_password_of_ones_own(desk: Control) -> None:
    desk.send_json("POST", "/api/operators", {"name": "self", "role": "viewer", "password": PASSWORD})
    one, other = Person(desk, "self"), Person(desk, "self")
    assert one.ask("POST", "/api/me/password", {"current": "wrong password", "new": PASSWORD + "2"}).status == 403
    assert one.ask("POST", "/api/me/password", {"current": PASSWORD, "new": "short"}).status == 400
    done = one.ask("POST", "/api/me/password", {"current": PASSWORD, "new": PASSWORD + "2"})
    assert done.status == 200
    assert [person.ask("GET", "/api/me").status for person in (one, other)] == [401, 401]
    assert desk.ask("GET", "/api/me", cookie=cookie_of(done)).status == 200
    Person(desk, "self", PASSWORD + "2")


def test_a_password_that_somebody_else_made_is_changed_first(desk: Control) -> None:
    given = {"name": "newcomer", "role": "admin", "password": PASSWORD, "one_time": True}
    made = desk.send_json("POST", "/api/operators", given)
    path = f"/api/operators/{made.json['id']}"
    assert made.json["one_time"] is True
    for reset in (False, True):
        if reset:
            version = desk.get(path).json["version"]
            change = {"password": PASSWORD, "one_time": True}
            assert desk.send_json("PATCH", path, change, if_match=f'"{version}"').status == 200
        person = Person(desk, "newcomer")
        assert person.answer.json["must_change_password"] is True
        assert person.ask("GET", "/api/me").json["must_change_password"] is True
        for method, where in (
            ("GET", "/api/providers"),
            ("POST", "/api/tokens"),
            ("GET", "/api/live"),
            ("PATCH", path),
        ):
            refused = person.ask(method, where, None if method == "GET" else {})
            assert (refused.status, refused.json["error"]["code"]) == (403, "password_change_required"), where
        same = person.ask("POST", "/api/me/password", {"current": PASSWORD, "new": PASSWORD})
        assert (same.status, person.ask("GET", "/api/providers").status) == (400, 403)
        done = person.ask("POST", "/api/me/password", {"current": PASSWORD, "new": PASSWORD + "2"})
        assert (done.status, done.json["must_change_password"]) == (200, False)
        assert desk.ask("GET", "/api/providers", cookie=cookie_of(done)).status == 200
        assert desk.get(path).json["one_time"] is False
    refused = desk.send_json("PATCH", path, {"one_time": True}, if_match=f'"{desk.get(path).json["version"]}"')
    assert refused.status == 400
    rows = desk.get(f"/api/audit?entity_id={made.json['id']}").json["entries"]
    told = [(row["action"], row["after"].get("one_time", False)) for row in reversed(rows) if row["after"]]
    assert told == [("create", True), ("password", False), ("password", True), ("password", False)]


def test_wrong_passwords_lock_the_account_alike_whether_it_exists(desk: Control) -> None:
    desk.send_json("POST", "/api/operators", {"name": "guessed", "role": "viewer", "password": PASSWORD})

    def tried(name: str, password: str) -> tuple[int, str]:
        body = json.dumps({"name": name, "password": password}).encode()
        answer = desk.ask("POST", "/api/login", body, content_type="application/json")
        return answer.status, answer.json["error"]["message"]

    told = {name: [tried(name, "wrong password") for _ in range(FREE_TRIES + 1)] for name in ("guessed", "nobody")}
    assert told["guessed"] == told["nobody"]
    assert [status for status, _ in told["guessed"]] == [401] * FREE_TRIES + [429]
    # The right one is not looked at now.
    assert tried("guessed", PASSWORD)[0] == 429


def test_api_tokens_have_a_role_and_an_end(desk: Control) -> None:
    person = Person(desk, "operator")
    made = person.ask("POST", "/api/tokens", {"name": "ci", "role": "operator", "expires_at": 4_000_000_000})
    assert made.status == 201
    token = made.json["token"]
    assert desk.ask("GET", "/api/me", authorization=f"Bearer {token}").json == {
        "name": "operator", "role": "operator", "via": "api_token", "must_change_password": False,
    }  # fmt: skip
    listed = person.ask("GET", "/api/tokens").json["entries"]
    assert [(entry["name"], entry["token"]) for entry in listed] == [("ci", None)]
    assert listed[0]["shown"] == f"...{token[-4:]}"
    assert person.ask("POST", "/api/tokens", {"name": "more", "role": "admin"}).status == 403
    assert person.ask("POST", "/api/tokens", {"name": "past", "expires_at": 1}).status == 400
    # A token makes no other, and belongs to whoever made it.
    bearer = {"authorization": f"Bearer {token}"}
    assert desk.send_json("POST", "/api/tokens", {"name": "child"}, **bearer).status == 403
    assert Person(desk, "viewer").ask("DELETE", f"/api/tokens/{listed[0]['id']}").status == 404
    assert Person(desk, "viewer").ask("GET", "/api/tokens?all=true").status == 403
    assert person.ask("DELETE", f"/api/tokens/{listed[0]['id']}").status == 204
    assert desk.ask("GET", "/api/me", **bearer).status == 401
    assert token not in json.dumps(desk.get("/api/audit").json)


def test_a_token_has_no_more_than_its_owner_has_now(desk: Control) -> None:
    desk.send_json("POST", "/api/operators", {"name": "falling", "role": "admin", "password": PASSWORD})
    token = Person(desk, "falling").ask("POST", "/api/tokens", {"name": "t", "role": "admin"}).json["token"]
    assert desk.ask("GET", "/api/operators", authorization=f"Bearer {token}").status == 200
    changed(desk, "falling", {"role": "viewer"})
    assert desk.ask("GET", "/api/operators", authorization=f"Bearer {token}").status == 403
    assert desk.ask("GET", "/api/me", authorization=f"Bearer {token}").json["role"] == "viewer"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec_fetch_site": "same-origin"}, 201),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"sec_fetch_site": "none"}, 403),
        ({"sec_fetch_site": ""}, 403),
        # What a form can send.
        ({"sec_fetch_site": "same-origin", "content_type": "text/plain"}, 415),
        ({"sec_fetch_site": "same-origin", "content_type": "application/x-www-form-urlencoded"}, 415),
        ({"sec_fetch_site": "same-origin", "content_type": ""}, 415),
    ],
)
def test_no_other_site_writes_with_the_cookie(desk: Control, headers: dict[str, str], status: int) -> None:
    person = Person(desk, "viewer")
    given = {name: value for name, value in headers.items() if value} | {"cookie": person.cookie}
    given.setdefault("content_type", "application/json" if "content_type" not in headers else "")
    answer = desk.ask("POST", "/api/tokens", b'{"name": "csrf"}', **{k: v for k, v in given.items() if v})
    assert answer.status == status
    if status == 201:
        person.ask("DELETE", f"/api/tokens/{answer.json['id']}")


def test_logging_in_takes_json_only(desk: Control) -> None:
    body = json.dumps({"name": "viewer", "password": PASSWORD}).encode()
    assert desk.ask("POST", "/api/login", body, content_type="text/plain").status == 415
    assert desk.ask("POST", "/api/login", body).status == 415


def test_changes_name_the_version_they_have_seen(desk: Control) -> None:
    made = desk.send_json("POST", "/api/operators", {"name": "versioned", "role": "viewer", "password": PASSWORD})
    path = f"/api/operators/{made.json['id']}"
    assert made.fields["etag"] == '"1"'
    assert desk.send_json("PATCH", path, {"role": "operator"}).status == 428
    assert desk.send_json("PATCH", path, {"role": "operator"}, if_match="1").status == 400
    assert desk.send_json("PATCH", path, {"role": "operator"}, if_match='"1"').status == 200
    stale = desk.send_json("PATCH", path, {"role": "admin"}, if_match='"1"')
    assert (stale.status, stale.fields["etag"]) == (412, '"2"')
    assert desk.send_json("DELETE", path, if_match='"1"').status == 412
    assert desk.send_json("DELETE", path, if_match='"2"').status == 204
    assert desk.get(path).status == 404
    twice = {"name": "viewer", "role": "viewer", "password": PASSWORD}
    assert desk.send_json("POST", "/api/operators", twice).status == 409


def test_every_change_leaves_a_row_without_secrets(desk: Control) -> None:
    desk.send_json("POST", "/api/operators", {"name": "audited", "role": "viewer", "password": PASSWORD})
    changed(desk, "audited", {"role": "operator"})
    person = Person(desk, "audited")
    rows = [row for row in desk.get("/api/audit?limit=1000").json["entries"] if row["name"] == "audited"]
    assert [(row["action"], row["before"], row["after"]) for row in rows] == [
        ("login", None, None),
        ("update", {"role": "viewer", "enabled": True}, {"role": "operator", "enabled": True}),
        ("create", None, {"role": "viewer", "enabled": True}),
    ]
    assert rows[1]["actor"] == "admin.token"
    assert rows[0]["actor"] == rows[0]["entity_id"]
    assert person.ask("GET", "/api/audit").status == 403
    text = json.dumps(desk.get("/api/audit?limit=1000").json)
    assert "argon2" not in text
    assert PASSWORD not in text
    assert person.cookie.partition("=")[2] not in text


def test_what_is_stored_logs_nobody_in(desk: Control) -> None:
    person = Person(desk, "viewer")
    token = person.ask("POST", "/api/tokens", {"name": "stored"}).json["token"]
    with sqlite3.connect(f"file:{desk.paths.control_db}?mode=ro", uri=True) as reader:
        dump = "\n".join(reader.iterdump())
        digests = [row[0] for row in reader.execute("SELECT digest FROM credentials")]
    for secret in (token, person.cookie.partition("=")[2], PASSWORD):
        assert secret[4:20] not in dump
    for digest in digests:
        assert desk.ask("GET", "/api/me", authorization=f"Bearer {digest.hex()}").status == 401
        assert desk.ask("GET", "/api/me", cookie=f"{COOKIE}={digest.hex()}").status == 401
