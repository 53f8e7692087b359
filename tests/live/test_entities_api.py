"""Customers, teams, price rules, settings and providers' keys made through the API: in force with the answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.live.fixtures import Start
from tests.live.instance import configuration
from tests.live.test_virtual_keys_api import Desk
from tests.live.upstreams import Upstream
from tests.live.wire import KEY, Answer, ask, request
from tests.waiting import wait_for

OF_FILE = {
    "customers": {"house": {"limits": [{"requests": 1000, "per": "1h"}]}},
    "prices": [{"model": "of-file", "input": 1, "output": 1}],
    "retry": {"attempts": 2},
    "virtual_keys": [{"name": "test", "value": KEY, "customer": "house"}],
}
CANARY = "sk-canary-KEY-0123456789abcdef"


class Api(Desk):
    """The same with the answer's document."""

    def told(self, method: str, path: str, body: object = None, version: int | None = None, status: int = 200) -> Any:
        answer = self.asked(method, path, body, version)
        assert answer.status == status, answer.body
        return json.loads(answer.body) if answer.body else None

    def token(self) -> str:
        return (Path(self.gateway.data_dir) / "admin.token").read_text().strip()

    def asked(self, method: str, path: str, body: object = None, version: int | None = None) -> Answer:
        """As ``ask``, with 0 as a version too."""
        fields = [] if version is None else [("If-Match", f'"{version}"')]
        raw = None if body is None else json.dumps(body).encode()
        return ask(self.gateway.port, request(method, path, raw, self.token(), fields=fields))

    def make(self, kind: str, name: str, **spec: object) -> dict[str, Any]:
        found: dict[str, Any] = self.told("POST", f"/api/{kind}", {"name": name, "spec": spec}, status=201)
        return found

    def cost(self, key: str, model: str) -> float:
        """In millionths of a dollar; -1 where it is not known."""
        body = json.dumps({"model": model, "messages": []}).encode()
        answer = ask(self.gateway.port, request(path="/v1/chat/completions", body=body, key=key))
        return float(answer.header("x-microgate-cost") or "-0.000001") * 1e6


@pytest.fixture(scope="module")
def api(upstream_for_module: Upstream, start_for_module: Start) -> Api:
    return Api(start_for_module(configuration(upstream_for_module.url, **OF_FILE), workers=2))


def test_keys_of_a_team_that_was_made_here_share_its_limits(api: Api) -> None:
    api.make("customers", "acme", limits=[{"requests": 5, "per": "1h"}])
    team = api.make("teams", "red", customer="acme", limits=[{"requests": 3, "per": "1h"}])
    ann, ben = (api.made(name, team="red")["key"] for name in ("ann", "ben"))
    lone = api.made("lone", customer="acme")["key"]
    assert [api.status(key) for key in (ann, ben, ann, ben, lone, lone, lone)] == [200, 200, 200, 429, 200, 200, 429]
    path = f"/api/teams/{team['id']}"
    shown = api.told("PUT", path, {"spec": {"limits": [{"requests": 30, "per": "1h"}]}}, 1)
    assert (shown["version"], shown["state"], shown["spec"]) == (
        2,
        "in_force",
        {"limits": [{"requests": 30, "per": 3600.0}]},
    )
    # What was spent stays, and the customer of the team is nobody now.
    assert [api.status(key) for key in (ann, ben)] == [200, 200]
    assert api.told("PUT", path, {"spec": {"enabled": False}}, 2)["version"] == 3
    assert [api.status(key) for key in (ann, ben) * 2] == [401] * 4


def test_what_names_a_team_that_goes_is_named_and_refused(api: Api) -> None:
    team = api.make("teams", "leaving")
    key = api.made("orphan", team="leaving")
    assert api.status(key["key"]) == 200
    api.told("DELETE", f"/api/teams/{team['id']}", version=1, status=204)
    assert api.status(key["key"]) == 401
    found = api.told("GET", f"/api/virtual-keys/{key['id']}")
    assert (found["state"], found["problem"]) == ("unusable", "no team is called leaving")
    api.told("DELETE", f"/api/virtual-keys/{key['id']}", version=1, status=204)


@pytest.mark.parametrize(
    ("kind", "name", "spec", "said"),
    [
        ("customers", "house", {}, "the file declares one of this name"),
        ("customers", "x", {"limits": [{"per": "1m"}]}, "exactly one of"),
        ("customers", "x", {"customer": "acme"}, "unknown field `customer`"),
        ("teams", "x", {"customer": "gone"}, "no customer is called gone"),
        ("teams", "a b", {}, "name: "),
        ("prices", "x", {"model": "m", "input": 1}, "missing required field `output`"),
        ("prices", "x", {"model": "m", "input": -1, "output": 1}, "a price cannot be negative"),
        ("prices", "x", {"provider": "gone", "input": 1, "output": 1}, "no provider is called gone"),
        ("prices", "x", {"model": "of-file", "input": 1, "output": 1}, "another rule is for the same"),
        ("prices", "prices[0]", {"model": "n", "input": 1, "output": 1}, "the file declares one of this name"),
    ],
)
def test_what_would_not_come_into_force_is_refused(api: Api, kind: str, name: str, spec: object, said: str) -> None:
    answer = api.asked("POST", f"/api/{kind}", {"name": name, "spec": spec})
    assert (answer.status, said in answer.body.decode()) == (400, True), answer.body


def test_a_price_holds_with_its_answer(api: Api) -> None:
    """Nine tokens of input and four of output."""
    before = api.cost(KEY, "mock/priced")
    rule = api.make("prices", "mock/priced*", model="priced*", input="1", output=10)
    assert rule["spec"] == {"model": "priced*", "input": "1", "output": "10"}
    assert {api.cost(KEY, "mock/priced") for _ in range(4)} == {49} != {before}
    api.told("PUT", f"/api/prices/{rule['id']}", {"spec": {"model": "priced*", "input": "2", "output": 10}}, 1)
    assert {api.cost(KEY, "mock/priced") for _ in range(4)} == {58}
    api.told("DELETE", f"/api/prices/{rule['id']}", version=2, status=204)
    assert {api.cost(KEY, "mock/priced") for _ in range(4)} == {before}


def test_what_the_file_declares_is_shown_and_read_only(api: Api) -> None:
    for kind, name in (("customers", "house"), ("prices", "prices[0]"), ("providers", "mock"), ("routes", "m")):
        listed = api.told("GET", f"/api/{kind}")["entries"]
        [entry] = [each for each in listed if each["name"] == name]
        assert (entry["source"], entry["version"], entry["state"]) == ("file", 0, "in_force")
        path = entry["path"]
        assert api.told("GET", path) == entry
        assert api.asked("PUT", path, {"spec": {}}, 0).status == 403
        assert api.asked("DELETE", path, version=0).status == 403


def test_settings_are_the_files_then_these_then_the_defaults(api: Api) -> None:
    path = "/api/settings/retry"
    first = api.told("GET", path)
    assert (first["version"], first["file"], first["spec"]) == (0, {"attempts": 2}, {})
    assert (first["in_force"]["attempts"], first["in_force"]["backoff_initial"]) == (2, 0.1)
    spec = {"attempts": 9, "backoff_initial": "300ms"}
    shown = api.told("PUT", path, {"spec": spec}, 0)
    version = shown["version"]
    assert (shown["state"], shown["spec"]) == ("in_force", {"attempts": 9, "backoff_initial": 0.3})
    assert (shown["in_force"]["attempts"], shown["in_force"]["backoff_initial"]) == (2, 0.3)
    for stale, wrong, status in (
        (0, spec, 412),
        (version, {"backoff_initial": 9, "backoff_max": 1}, 400),
        (version, {"x": 1}, 400),
        (version, {}, 400),
    ):
        answer = api.asked("PUT", path, {"spec": wrong, "allow_private": wrong == {}}, stale)
        assert answer.status == status, answer.body
    assert [entry["name"] for entry in api.told("GET", "/api/settings")["entries"]][:2] == ["accounting", "retry"]
    api.told("DELETE", path, version=version, status=204)
    assert api.asked("DELETE", path, version=0).status == 404
    assert api.told("GET", path) == first
    actions = [row["action"] for row in api.told("GET", "/api/audit?limit=500")["entries"] if row["kind"] == "setting"]
    assert actions == ["delete", "create"]
    # What was read before a reset replaces nothing that was stored after it.
    again = api.told("PUT", path, {"spec": {"budget": 1}}, 0)["version"]
    assert again > version
    assert api.asked("PUT", path, {"spec": spec}, version).status == 412
    api.told("DELETE", path, version=again, status=204)


def test_a_cache_whose_embedder_is_gone_says_so_and_comes_back(api: Api) -> None:
    path = "/api/settings/cache"
    made = api.make("providers", "vectors", base_url="https://vectors.example.com/v1", dialect="openai_chat")
    spec = {"enabled": True, "semantic": {"embedder": "vectors/e"}}
    stored = api.told("PUT", path, {"spec": spec}, 0)
    assert (stored["state"], stored["in_force"]["enabled"]) == ("in_force", True)
    api.told("DELETE", made["path"], version=made["version"], status=204)
    shown = api.told("GET", path)
    assert (shown["state"], shown["in_force"]["enabled"]) == ("unusable", False)
    assert shown["problem"] == "no provider is called vectors"
    problem = "the stored settings of the cache are left out: no provider is called vectors"
    assert api.told("GET", "/api/cache")["problem"] == problem
    assert api.told("GET", "/api/config")["shadowed"] == ["setting/cache"]
    reasons = api.told("GET", "/api/health")["reasons"]
    assert "1 entities of the database are not in force: /api/config names them" in reasons
    # Nothing that is unusable is stored, and what is stored is in force with its provider, or is changed.
    assert api.asked("PUT", path, {"spec": spec}, shown["version"]).status == 400
    api.make("providers", "vectors", base_url="https://vectors.example.com/v1", dialect="openai_chat")
    assert api.told("GET", path)["state"] == "in_force"
    shown = api.told("PUT", path, {"spec": {"enabled": False}}, shown["version"])
    api.told("DELETE", path, version=shown["version"], status=204)


def test_a_setting_is_in_force_in_every_worker(api: Api) -> None:
    path = "/api/settings/server.limits"
    long = request(body=json.dumps({"model": "m", "messages": ["x" * 5000]}).encode())
    assert [ask(api.gateway.port, long).status for _ in range(6)] == [200] * 6
    version = api.told("PUT", path, {"spec": {"json_body_bytes": "4KiB"}}, 0)["version"]
    assert [ask(api.gateway.port, long).status for _ in range(6)] == [413] * 6
    api.told("DELETE", path, version=version, status=204)
    assert [ask(api.gateway.port, long).status for _ in range(6)] == [200] * 6


@pytest.mark.parametrize(
    ("group", "spec"),
    [
        ("server.limits", {"header_bytes": 1}),
        ("server.limits", {"connections": 1}),
        ("server.limits", {"header_timeout": 0}),
        ("server.overload", {"memory": "1MiB"}),
    ],
)
def test_no_setting_keeps_out_who_could_take_it_back(api: Api, group: str, spec: object) -> None:
    answer = api.asked("PUT", f"/api/settings/{group}", {"spec": spec}, 0)
    assert (answer.status, b"would keep out who could take it back" in answer.body) == (400, True), answer.body


def test_limits_stand_as_callers_are_told(api: Api) -> None:
    customer = api.make("customers", "payer", budgets=[{"usd": 5, "per": "month"}])
    team = api.make("teams", "blue", customer="payer", limits=[{"requests": 7, "per": "1h"}])
    spent = {"provider": "mock", "limits": [{"tokens": 5000, "per": "1h"}]}
    priced = api.make("prices", "for-m", model="m", input=1, output=10)
    key = api.made("carl", team="blue", limits=[{"requests": 5, "per": "1h"}, {"concurrency": 3}], providers=[spent])
    assert [api.status(key["key"], "mock/m") for _ in range(3)] == [200] * 3

    def standing(of: dict[str, Any]) -> list[tuple[str, str | None, str, object, object]]:
        entries = api.told("GET", f"{of['path']}/limits")["entries"]
        return [tuple(each[name] for name in ("level", "name", "counts", "limit", "spent")) for each in entries]

    # What ends a request may follow its answer.
    wait_for(lambda: standing(customer) == [("customer", "payer", "usd", "5.00", "0.000147")], "the settlement")
    assert standing(team) == [("team", "blue", "requests", 7, 3)]
    assert standing(key) == [
        ("virtual_key", None, "requests", 5, 3),
        ("virtual_key", None, "concurrency", 3, 0),
        ("team", "blue", "requests", 7, 3),
        ("customer", "payer", "usd", "5.00", "0.000147"),
        ("provider", "mock", "tokens", 5000, 39),
    ]
    told = json.loads(api.gateway.get("/v1/usage", key["key"]).body)
    theirs = [(each["level"], each["name"], each["counts"], each["limit"], each["spent"])
              for each in (*told["limits"], *told["budgets"])]  # fmt: skip
    assert sorted(theirs, key=str) == sorted(standing(key), key=str)
    of_file = api.told("GET", "/api/customers/file:customer~1house/limits")["entries"]
    assert [each["limit"] for each in of_file] == [1000]
    assert api.asked("GET", "/api/teams/file:team~1gone/limits").status == 404
    assert api.told("GET", f"{priced['path']}")["state"] == "in_force"


def test_keys_of_a_provider_come_and_go_one_by_one(api: Api, upstream_for_module: Upstream) -> None:
    spec = {"dialect": "openai_chat", "base_url": upstream_for_module.url, "keys": [{"name": "a", "value": CANARY}]}
    body = {"name": "turning", "spec": spec, "allow_private": True}
    provider = api.told("POST", "/api/providers", body, status=201)
    path = f"/api/providers/{provider['id']}/keys"

    def sent() -> set[str | None]:
        upstream_for_module.clear()
        assert {api.status(KEY, "turning/m") for _ in range(16)} == {200}
        return {received.header("authorization") for received in upstream_for_module.requests}

    assert sent() == {f"Bearer {CANARY}"}
    added = api.told("POST", path, {"name": "b", "spec": {"value": f"{CANARY}-b"}}, status=201)
    assert (added["version"], added["spec"]) == (2, {"value": "...ef-b"})
    assert sent() == {f"Bearer {CANARY}", f"Bearer {CANARY}-b"}
    assert api.asked("POST", path, {"name": "b", "spec": {"value": "x"}}).status == 409
    # Another value for the same key; the other one stays.
    assert api.told("PUT", f"{path}/a", {"spec": {"value": f"{CANARY}-2"}}, 2)["version"] == 3
    assert sent() == {f"Bearer {CANARY}-2", f"Bearer {CANARY}-b"}
    assert api.told("PUT", f"{path}/b", {"spec": {"value": "...ef-b", "enabled": False}}, 3)["version"] == 4
    assert sent() == {f"Bearer {CANARY}-2"}
    assert api.asked("DELETE", f"{path}/b", version=3).status == 412
    api.told("DELETE", f"{path}/b", version=4, status=204)
    assert [key["name"] for key in api.told("GET", path)["entries"]] == ["a"]
    assert api.asked("GET", f"{path}/b").status == 404
    assert CANARY[3:15] not in api.asked("GET", "/api/audit?limit=500").body.decode()
    of_file = "/api/providers/file:provider~1mock/keys"
    assert [key["name"] for key in api.told("GET", of_file)["entries"]] == ["k1"]
    assert api.asked("POST", of_file, {"name": "x", "spec": {"value": "y"}}).status == 403


def test_all_of_it_outlives_a_restart_without_the_database(upstream: Upstream, start_gateway: Start) -> None:
    gateway = start_gateway(configuration(upstream.url))
    api = Api(gateway)
    api.make("teams", "red", limits=[{"requests": 4, "per": "1h"}])
    key = api.made("ann", team="red")["key"]
    api.make("prices", "kept", model="priced", input=1, output=10)
    api.told("PUT", "/api/settings/server.limits", {"spec": {"json_body_bytes": "4KiB"}}, 0)
    sealed = Path(gateway.data_dir) / "snapshot.sealed"
    before = sealed.stat().st_mtime_ns if sealed.exists() else 0
    api.made("last")
    wait_for(lambda: sealed.exists() and sealed.stat().st_mtime_ns != before, "the sealed copy")
    gateway.kill()
    database = Path(gateway.paths.control_db)
    away = database.with_suffix(".away")
    database.rename(away)
    gateway.start()
    long = request(body=json.dumps({"model": "m", "messages": ["x" * 5000]}).encode())
    assert ask(gateway.port, long).status == 413
    assert api.cost(key, "mock/priced") == 49
    assert [api.status(key) for _ in range(4)] == [200, 200, 200, 429]
