"""POST /api/playground."""

from __future__ import annotations

import datetime as dt
import time

import pytest

from gateway.control.playground_api import LIFE_S, name_for
from tests.control.process import Control
from tests.control.test_configuration import enabled
from tests.control.test_operators import PASSWORD, Person


@pytest.fixture(scope="module")
def ann(running: Control) -> Person:
    """An operator of the shared control process."""
    running.send_json("POST", "/api/operators", {"name": "ann", "role": "operator", "password": PASSWORD})
    return Person(running, "ann")


def key_of(control: Control, name: str) -> dict[str, object]:
    entries = control.get("/api/virtual-keys?limit=1000").json["entries"]
    [found] = [entry for entry in entries if entry["name"] == name]
    return dict(found)


def test_an_operator_has_one_key_with_another_value_each_time(running: Control, ann: Person) -> None:
    first = ann.ask("POST", "/api/playground")
    assert first.status == 200, first.body
    assert first.json["name"] == "playground-ann"
    left_s = dt.datetime.fromisoformat(first.json["expires_at"]).timestamp() - time.time()
    assert LIFE_S - 600 < left_s <= LIFE_S
    key = key_of(running, "playground-ann")
    assert key["spec"]["metadata"] == {"playground of": "ann"}  # type: ignore[index]
    assert enabled(running, first.json["key"].encode())
    # What it was given holds on.
    spec = {"models": ["mock/*"], "metadata": {"playground of": "ann"}}
    assert ann.ask("PUT", str(key["path"]), {"spec": spec}, if_match=f'"{key["version"]}"').status == 200
    second = ann.ask("POST", "/api/playground", {})
    assert second.status == 200, second.body
    assert not enabled(running, first.json["key"].encode())
    assert enabled(running, second.json["key"].encode())
    after = key_of(running, "playground-ann")
    assert (after["id"], after["spec"]["models"]) == (key["id"], ["mock/*"])  # type: ignore[index]
    assert second.json["key"] not in str(after)
    row = running.get("/api/audit?limit=1&kind=virtual_key").json["entries"][0]
    assert (row["action"], row["name"]) == ("renew", "playground-ann")
    assert second.json["key"] not in str(row)


def test_nobody_learns_another_key(running: Control, ann: Person) -> None:
    for body in ({"virtual_key": "file:virtual_key/alice"}, {"name": "bob"}, []):
        assert ann.ask("POST", "/api/playground", body).status == 400
    running.send_json("POST", "/api/operators", {"name": "eve", "role": "operator", "password": PASSWORD})
    made = ann.ask("POST", "/api/virtual-keys", {"name": "playground-eve", "spec": {}})
    assert made.status == 201
    refused = Person(running, "eve").ask("POST", "/api/playground")
    assert (refused.status, "was not made for the playground" in refused.json["error"]["message"]) == (403, True)
    assert enabled(running, made.json["key"].encode())


def test_a_key_that_was_switched_off_stays_off(running: Control) -> None:
    mine = running.send_json("POST", "/api/playground")
    assert mine.json["name"] == "playground-admin.token"
    key = key_of(running, "playground-admin.token")
    spec = {**key["spec"], "enabled": False}  # type: ignore[dict-item]
    assert running.send_json("PUT", str(key["path"]), {"spec": spec}, if_match=f'"{key["version"]}"').status == 200
    refused = running.send_json("POST", "/api/playground")
    assert (refused.status, "switched off" in refused.json["error"]["message"]) == (403, True)
    assert not enabled(running, mine.json["key"].encode())


def test_long_names_stay_apart() -> None:
    one, other = name_for("n" * 120 + "1"), name_for("n" * 120 + "2")
    assert one != other
    assert len(one) == len(other) == 128


@pytest.mark.parametrize("change", [{"enabled": False}, {"role": "viewer"}, {"password": "another password"}, None])
def test_it_ends_with_the_sessions(running: Control, change: dict[str, object] | None) -> None:
    name = f"leaving-{change and next(iter(change))}"
    made = running.send_json("POST", "/api/operators", {"name": name, "role": "operator", "password": PASSWORD})
    mine = Person(running, name).ask("POST", "/api/playground")
    assert enabled(running, mine.json["key"].encode())
    path, version = f"/api/operators/{made.json['id']}", made.fields["etag"]
    answer = running.send_json("PATCH" if change else "DELETE", path, change, if_match=version)
    assert answer.status in (200, 204), answer.body
    assert not enabled(running, mine.json["key"].encode())
