"""The table of authorisation against every route of the application, and against every role."""

from __future__ import annotations

import json
import re

import pytest
from litestar import Router
from litestar.routes import HTTPRoute

from gateway.control.app import api_router
from gateway.control.permissions import PERMISSIONS, is_declared
from gateway.operators.roles import Role
from tests.control.process import Control, wait_for
from tests.control.test_operators import PASSWORD


def routes_of(router: Router) -> set[tuple[str, str]]:
    """(path, method) of every route; OPTIONS is answered by the framework and tells the methods."""
    return {
        (route.path.replace(":str}", "}"), method)
        for route in router.routes
        if isinstance(route, HTTPRoute)
        for method in route.methods
        if method != "OPTIONS"
    }


def test_every_route_is_declared_and_nothing_else() -> None:
    declared = {(path, method) for path, methods in PERMISSIONS.items() for method in methods}
    assert routes_of(api_router()) == declared


def test_what_is_not_declared_is_nobodys() -> None:
    assert not is_declared("/api/forgotten", "GET")
    assert not is_declared("/api/health", "DELETE")
    assert is_declared("/api/tokens/{token_id:str}", "DELETE")


@pytest.fixture(scope="module")
def credentials(running: Control) -> dict[Role | None, dict[str, str]]:
    wait_for(lambda: running.get("/api/operators").status == 200, "the database", 60)
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
    sorted((p, m) for p, methods in PERMISSIONS.items() for m in methods if p not in ENDS_THE_SESSION),
)
def test_each_role_may_what_the_table_says(
    running: Control, credentials: dict[Role | None, dict[str, str]], path: str, method: str
) -> None:
    least = PERMISSIONS[path][method]
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
