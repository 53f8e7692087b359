"""Saved views: one's own, those that others share, and who may change which."""

from __future__ import annotations

from typing import Any

import pytest

from tests.control.process import Answer, Control
from tests.control.test_operators import PASSWORD, Person


@pytest.fixture(scope="module")
def people(running: Control) -> dict[str, Person]:
    found = {}
    for name, role in (("ann", "operator"), ("ben", "operator"), ("vera", "viewer"), ("ada", "admin")):
        body = {"name": name, "role": role, "password": PASSWORD}
        assert running.send_json("POST", "/api/operators", body).status == 201
        found[name] = Person(running, name)
    return found


def view(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "page": "logs", "query": {"errors": "true"}, **more}


def made(person: Person, name: str, **more: Any) -> dict[str, Any]:
    answer = person.ask("POST", "/api/views", view(name, **more))
    assert answer.status == 201, answer.body
    assert answer.fields["etag"] == '"1"'
    found: dict[str, Any] = answer.json
    return found


def changed(person: Person, one: dict[str, Any], version: int = 1, **more: Any) -> Answer:
    return person.ask("PUT", f"/api/views/{one['id']}", view(one["name"], **more), if_match=f'"{version}"')


def names(person: Person, query: str = "") -> list[str]:
    return [entry["name"] for entry in person.ask("GET", f"/api/views?{query}").json["entries"]]


def test_ones_own_and_those_that_are_shared(people: dict[str, Person]) -> None:
    ann, ben, vera, ada = (people[name] for name in ("ann", "ben", "vera", "ada"))
    secret, common = made(ann, "mine"), made(ann, "ours", shared=True)
    assert (common["owner"], common["own"], common["query"]) == ("ann", True, {"errors": "true"})
    # Another may call theirs the same; a second one of one's own not.
    made(vera, "mine")
    assert ann.ask("POST", "/api/views", view("mine")).status == 409
    assert names(ann) == ["mine", "ours"]
    assert names(ben) == ["ours"]
    assert sorted(names(vera)) == ["mine", "ours"]
    assert sorted(names(ada)) == ["mine", "mine", "ours"]
    assert names(ann, "page=keys") == []
    (theirs,) = ben.ask("GET", "/api/views").json["entries"]
    assert (theirs["owner"], theirs["own"]) == ("ann", False)
    # Nobody is told of a view that they do not see.
    assert changed(ben, secret).status == 404
    assert changed(ben, common).status == 403
    assert changed(ann, common, 7).status == 412
    assert changed(ann, common, query={"status": "500"}, shared=True).json["version"] == 2
    assert changed(ada, common, 2, shared=False).json["owner"] == "ann"
    assert names(ben) == []
    path = f"/api/views/{common['id']}"
    assert ben.ask("DELETE", path, if_match='"3"').status == 404
    assert ann.ask("DELETE", path).status == 428
    assert ann.ask("DELETE", path, if_match='"3"').status == 204
    assert names(ann) == ["mine"]


def test_who_only_reads_shares_nothing(people: dict[str, Person]) -> None:
    vera = people["vera"]
    assert vera.ask("POST", "/api/views", view("loud", shared=True)).status == 403
    one = made(vera, "quiet")
    assert changed(vera, one, shared=True).status == 403


@pytest.mark.parametrize(
    "body",
    [
        {},
        view(""),
        view(" x"),
        view("x" * 101),
        view("x", page="Logs/"),
        view("x", query={"a": 1}),
        view("x", query={"a": "b" * 513}),
        view("x", query={str(i): "" for i in range(33)}),
        view("x", owner="ada"),
    ],
)
def test_what_is_no_view_is_refused(people: dict[str, Person], body: dict[str, Any]) -> None:
    assert people["ann"].ask("POST", "/api/views", body).status == 400


def test_every_change_is_audited(people: dict[str, Person]) -> None:
    ann, ada = people["ann"], people["ada"]
    one = made(ann, "audited")
    assert changed(ann, one, query={"model": "m"}).status == 200
    assert ann.ask("DELETE", f"/api/views/{one['id']}", if_match='"2"').status == 204
    rows = ada.ask("GET", f"/api/audit?entity_id={one['id']}").json["entries"]
    assert [(entry["action"], entry["kind"]) for entry in rows] == [
        ("delete", "view"),
        ("update", "view"),
        ("create", "view"),
    ]
    assert rows[1]["before"]["query"] == {"errors": "true"}
    assert rows[1]["after"]["query"] == {"model": "m"}
    assert rows[1]["actor"] == rows[2]["after"]["owner"]


def test_pages_follow_each_other(people: dict[str, Person]) -> None:
    for i in range(5):
        made(people["ben"], f"view {i}")
    found: list[str] = []
    cursor = ""
    while True:
        page = people["ben"].ask("GET", f"/api/views?limit=2{cursor}").json
        found += [entry["name"] for entry in page["entries"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}".replace(" ", "%20")
    assert found == [f"view {i}" for i in range(5)]
