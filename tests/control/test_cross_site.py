"""No page of another site writes with the cookie of an operator: every route that changes something, and every way in
which a browser can be made to send it."""

from __future__ import annotations

import re

import pytest

from gateway.control.permissions import ANYONE
from tests.control.authorisation import rows
from tests.control.process import Control
from tests.control.test_operators import PASSWORD, Person

MEANT = rows()
WRITES = sorted((path, method) for (path, method), least in MEANT.items() if method != "GET" and least is not ANYONE)
SITES = ("cross-site", "same-site", "none", "")
"""What browsers say of a request that is not the page's own; empty: one that says nothing of it. An ``Origin`` is
compared at the door before (tests/test_admin_door.py)."""
FORMS = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x")
"""All that a form can send."""


@pytest.fixture(scope="module")
def cookie(running: Control) -> str:
    made = {"name": "visitor", "role": "admin", "password": PASSWORD}
    assert running.send_json("POST", "/api/operators", made).status == 201
    return Person(running, "visitor").cookie


@pytest.mark.parametrize(("path", "method"), WRITES)
def test_no_other_site_writes(running: Control, cookie: str, path: str, method: str) -> None:
    concrete = re.sub(r"\{\w+\}", "x", path)
    before = running.get("/api/audit?limit=1").json
    for site in SITES:
        fields = {"sec_fetch_site": site} if site else {}
        answer = running.ask(method, concrete, b"{}", cookie=cookie, content_type="application/json", **fields)
        assert answer.status == 403, (site, answer)
    if method != "DELETE":
        for media in FORMS:
            answer = running.ask(
                method, concrete, b"{}", cookie=cookie, content_type=media, sec_fetch_site="same-origin"
            )
            assert answer.status == 415, (media, answer)
    assert running.get("/api/audit?limit=1").json == before


@pytest.mark.parametrize("path", ["/api/login", "/api/setup"])
def test_nobody_is_logged_in_by_a_form(running: Control, path: str) -> None:
    for media in FORMS:
        assert running.ask("POST", path, b'{"name": "x", "password": "y"}', content_type=media).status == 415
