"""The table of authorisation against every route of the application, and against every role."""

from __future__ import annotations

import json
import re

import msgspec
import pytest
from litestar import Router, get
from litestar.routes import HTTPRoute

from gateway.control.app import api_router
from gateway.control.entity_kinds import KINDS, SETTINGS
from gateway.control.login_api import NewToken
from gateway.control.operators_api import NewOperator, OperatorChange
from gateway.control.permissions import PERMISSIONS, is_declared
from gateway.operators.roles import Role
from tests.control.authorisation import rows
from tests.control.process import Control
from tests.control.test_operators import PASSWORD

MEANT = rows()


def routes_of(router: Router) -> set[tuple[str, str]]:
    """(path, method) of every route; OPTIONS is answered by the framework and tells the methods."""
    return {
        (route.path.replace(":str}", "}"), method)
        for route in router.routes
        if isinstance(route, HTTPRoute)
        for method in route.methods
        if method != "OPTIONS"
    }


def test_every_route_is_declared_as_it_is_meant_and_nothing_else() -> None:
    declared = {(path, method): least for path, methods in PERMISSIONS.items() for method, least in methods.items()}
    assert declared == MEANT
    assert routes_of(api_router()) == declared.keys()


def test_an_undeclared_route_is_noticed() -> None:
    @get("/forgotten")
    async def forgotten() -> None: ...

    assert routes_of(Router("/api", route_handlers=[forgotten])) - MEANT.keys() == {("/api/forgotten", "GET")}


def test_what_is_not_declared_is_nobodys() -> None:
    assert not is_declared("/api/forgotten", "GET")
    assert not is_declared("/api/health", "DELETE")
    assert is_declared("/api/tokens/{token_id:str}", "DELETE")


@pytest.fixture(scope="module")
def credentials(running: Control) -> dict[Role | None, dict[str, str]]:
    found: dict[Role | None, dict[str, str]] = {None: {}}
    for role in Role:
        name = f"role-{role.spelled}"
        running.send_json("POST", "/api/operators", {"name": name, "role": role.spelled, "password": PASSWORD})
        body = json.dumps({"name": name, "password": PASSWORD}).encode()
        login = running.ask("POST", "/api/login", body, content_type="application/json")
        session = login.fields["set-cookie"].partition(";")[0]
        found[role] = {"cookie": session, "sec_fetch_site": "same-origin"}
    return found


ENDS_THE_SESSION = {"/api/logout"}
"""With which the rest is asked; tests/control/test_operators.py asks for it."""


@pytest.mark.parametrize(
    ("path", "method"),
    sorted((path, method) for path, method in MEANT if path not in ENDS_THE_SESSION),
)
def test_each_role_may_what_the_table_says(
    running: Control, credentials: dict[Role | None, dict[str, str]], path: str, method: str
) -> None:
    least = MEANT[path, method]
    concrete = re.sub(r"\{\w+\}", "x", path)
    for role, shown in credentials.items():
        # A body that is wrong for every route: whoever may is told so, and nothing is changed.
        body = None if method in ("GET", "DELETE") else b"[]"
        media = {"content_type": "application/json"} if body else {}
        status = running.ask(method, concrete, body, **shown, **media).status
        if least is None or (role is not None and role >= least):
            assert status not in (401, 403), (role, status)
            assert status < 500
        else:
            assert status == (401 if role is None else 403), role


# Properties: who may not change a thing may set none of its members, and nobody sets what the gateway makes of it.

WRITABLE: list[tuple[str, str, type[msgspec.Struct], bool]] = [
    *(("POST", f"/api/{path}", kind.spec, True) for path, kind in KINDS.items()),
    *(("PUT", f"/api/{path}/x", kind.spec, True) for path, kind in KINDS.items()),
    *(("PUT", f"/api/{kind.path}", kind.spec, True) for kind in SETTINGS.values()),
    ("POST", "/api/operators", NewOperator, False),
    ("PATCH", "/api/operators/x", OperatorChange, False),
]
"""Method, path, what has the members, and whether they lie in ``spec``."""
OWN = ("id", "version", "source", "state", "shown", "key", "digest", "created_at", "operator_id", "actor", "is_admin")
"""Members that the gateway makes."""


@pytest.mark.parametrize(("method", "path", "members", "inside"), WRITABLE)
def test_no_member_is_set_by_whoever_may_not(
    running: Control, credentials: dict[Role | None, dict[str, str]], method: str, path: str,
    members: type[msgspec.Struct], inside: bool,
) -> None:  # fmt: skip
    least = MEANT[path.replace("/x", "/{operator_id}" if "operators" in path else "/{entity_id}"), method]
    assert least is not None
    before = running.get("/api/audit?limit=1").json["entries"][0]["id"]
    for field in members.__struct_fields__:
        given = {"name": "refused", "spec": {field: "x"}} if inside else {"name": "refused", field: "x"}
        for role in Role:
            if role < least:
                body = json.dumps(given).encode()
                answer = running.ask(
                    method, path, body, content_type="application/json", if_match='"1"', **credentials[role]
                )
                assert answer.status == 403, (role, field)
    assert running.get("/api/audit?limit=1").json["entries"][0]["id"] == before


@pytest.mark.parametrize("path", [f"/api/{path}" for path in KINDS] + ["/api/operators"])
def test_what_the_gateway_makes_is_nobodys_to_set(running: Control, path: str) -> None:
    for field in OWN:
        body: dict[str, object] = {"name": "refused", field: "x"}
        if path == "/api/operators":
            body |= {"role": "viewer", "password": PASSWORD}
        answer = running.send_json("POST", path, body)
        assert (answer.status, field in answer.body.decode()) == (400, True), answer.body
        if path != "/api/operators":
            answer = running.send_json("POST", path, {"name": "refused", "spec": {field: "x"}})
            assert answer.status == 400, answer.body
    names = [entry["name"] for entry in running.get(path).json["entries"]]
    assert "refused" not in names


def test_nobody_gives_a_token_more_than_they_have(
    running: Control, credentials: dict[Role | None, dict[str, str]]
) -> None:
    for role in Role:
        for wanted in Role:
            body = {"name": f"{role.spelled}-{wanted.spelled}", "role": wanted.spelled}
            answer = running.send_json("POST", "/api/tokens", body, **credentials[role])
            assert answer.status == (201 if wanted <= role else 403), (role, wanted)
        for field in sorted({*OWN, "owner"} - set(NewToken.__struct_fields__)):
            answer = running.send_json("POST", "/api/tokens", {"name": "n", field: "x"}, **credentials[role])
            assert answer.status == 400, (role, field)


# Objects: what belongs to somebody is not there for others.


def test_the_tokens_of_others_are_not_there(running: Control, credentials: dict[Role | None, dict[str, str]]) -> None:
    made = {
        role: running.send_json("POST", "/api/tokens", {"name": "mine", "role": "viewer"}, **credentials[role]).json
        for role in Role
    }
    for role in (Role.VIEWER, Role.OPERATOR):
        listed = running.ask("GET", "/api/tokens", **credentials[role]).json["entries"]
        assert {entry["operator_id"] for entry in listed} == {made[role]["operator_id"]}
        assert running.ask("GET", "/api/tokens?all=true", **credentials[role]).status == 403
        for owner, token in made.items():
            if owner is not role:
                assert running.ask("DELETE", f"/api/tokens/{token['id']}", **credentials[role]).status == 404
    for token in made.values():
        assert running.ask("GET", "/api/me", authorization=f"Bearer {token['token']}").status == 200
    # An admin may, and one's own may go.
    assert running.ask("DELETE", f"/api/tokens/{made[Role.VIEWER]['id']}", **credentials[Role.ADMIN]).status == 204
    assert running.ask("DELETE", f"/api/tokens/{made[Role.OPERATOR]['id']}", **credentials[Role.OPERATOR]).status == 204


@pytest.mark.parametrize(("path", "method"), sorted(place for place in MEANT if "{" in place[0]))
def test_what_is_not_there_is_404_on_every_path(running: Control, path: str, method: str) -> None:
    """Also an id of another kind, and what no id is."""
    other = running.get("/api/operators").json["entries"][0]["id"]
    ids = ["x", "file:provider~1gone", "0192f0c1-2345-7890-abcd-ef0123456789"]
    for identity in ids if "operators" in path else [*ids, other]:
        concrete = re.sub(r"\{\w+\}", identity, path)
        body = None
        if method in ("POST", "PUT", "PATCH"):
            body = {"name": "n", "spec": {}} if path.endswith("/keys") else {"spec": {}}
        if method == "PATCH":
            body = {"enabled": True}
        if body is not None and path.startswith("/api/views"):
            body = {"name": "n", "page": "logs", "query": {}}
        if path.endswith("/renew"):
            body = None
        if path.endswith("/test"):
            body = {}
        answer = running.send_json(method, concrete, body, if_match='"1"')
        assert answer.status == 404, (concrete, answer.body)
