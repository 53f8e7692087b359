"""What operators see and try before callers do: how keys and deployments stand, whether a key works, where a request
would go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.live.fixtures import Start
from tests.live.instance import configuration
from tests.live.test_virtual_keys_api import Desk
from tests.live.upstreams import Act, Received, Step, Upstream, http, ordinary
from tests.live.wire import KEY, Answer
from tests.waiting import wait_for

CANARY = "sk-canary-ACCESS-0123456789abcdef"
LIST = json.dumps({"object": "list", "data": [{"id": "a"}, {"id": "b/c"}]})
REFUSED = json.dumps({"error": {"message": f"Incorrect API key provided: {CANARY}."}})
ALICE = "sk-alice-6f1d2c3b4a5968778695a4b3"


class Vendor:
    """Does as the key says that it is asked with."""

    def __call__(self, received: Received) -> list[Step]:
        key = (received.header("authorization") or received.header("x-api-key") or "").removeprefix("Bearer ")
        if key == "sk-limited":
            return [http("{}", 429, fields=["Retry-After: 60"])]
        if key == "sk-sick":
            return [http('{"error":{"message":"down"}}', 503)]
        if key == "sk-silent":
            return [Act.HOLD]
        if key == CANARY:
            return [http(REFUSED, 401)]
        return [http(LIST)] if received.method == "GET" else ordinary(received)


@pytest.fixture(scope="module")
def vendor() -> Iterator[Upstream]:
    with Upstream(Vendor()) as upstream:
        yield upstream


def provider(url: str, *values: str, **more: Any) -> dict[str, Any]:
    keys = [{"name": f"k{index}", "value": value} for index, value in enumerate(values)]
    return {"dialect": "openai_chat", "base_url": url, "keys": keys, **more}


@pytest.fixture(scope="module")
def desk(vendor: Upstream, start_for_module: Start) -> Desk:
    config = configuration(vendor.url, health={"consecutive": 3, "rest": "10m", "throttle": False})
    url = vendor.url
    config["providers"] |= {
        "two": provider(url, "sk-limited", "sk-good", models=["m"]),
        "sick": provider(url, "sk-sick"),
        "bad": provider(url, CANARY),
        "native": {**provider(url, "sk-good"), "dialect": "anthropic"},
        "off": {**provider(url, "sk-good"), "enabled": False},
    }
    config["retry"] = {"attempts": 3, "backoff_initial": "1ms"}
    config["routes"] |= {
        "fast": {
            "strategy": "order",
            "targets": [{"provider": "two", "model": "m", "when": "stream"}, "sick/m", "mock/m"],
            "fallbacks": ["bad/m"],
        }
    }
    config["prices"] = [{"provider": "mock", "model": "m", "input": 1, "output": 2}]
    limits = {"limits": [{"requests": 2, "per": "1h"}], "budgets": [{"usd": 0.001, "per": "month"}]}
    config["virtual_keys"].append({"name": "alice", "value": ALICE, "models": ["fast", "mock/*"], **limits})
    return Desk(start_for_module(config, workers=2))


def told(answer: Answer) -> Any:
    assert answer.status == 200, answer.body
    assert CANARY not in answer.body.decode()
    return json.loads(answer.body)


def id_of(desk: Desk, kind: str, name: str) -> str:
    entries = json.loads(desk.ask("GET", f"/api/{kind}?limit=100").body)["entries"]
    return str(next(entry["path"] for entry in entries if entry["name"] == name).rpartition("/")[2])


def standing(desk: Desk) -> dict[tuple[str, str | None, str | None], dict[str, Any]]:
    found = told(desk.ask("GET", "/api/deployments"))["deployments"]
    return {(each["provider"], each["key"], each["model"]): each for each in found}


def test_keys_that_rest_and_deployments_that_are_out_are_told(desk: Desk) -> None:
    before = standing(desk)
    assert before["two", "k0", None]["state"] == before["sick", None, "m"]["state"] == "well"
    assert (before["off", "k0", None]["state"], before["off", "k0", None]["usable"]) == ("disabled", False)
    wait_for(lambda: [desk.status(KEY, "two/m") for _ in range(4)] and not standing(desk)["two", "k0", None]["usable"],
             "the key that is limited")  # fmt: skip
    for _ in range(3):
        desk.status(KEY, "sick/m")
    after = standing(desk)
    resting, out = after["two", "k0", None], after["sick", None, "m"]
    assert (resting["state"], after["two", "k1", None]["state"]) == ("resting", "well")
    assert resting["until"] is not None
    assert "limited" in resting["why"]
    assert (out["state"], out["usable"], out["failures"] >= 3, out["ejections"]) == ("ejected", False, True, 1)
    assert out["until"] is not None
    assert out["in_flight"] == 0
    assert after["mock", None, "m"]["failures"] == 0
    # Counted from records, which come a little later.
    wait_for(
        lambda: standing(desk)["sick", None, "m"]["requests"] >= 3 and standing(desk)["two", "k0", None]["errors"],
        "the requests that were counted",
    )
    counted = standing(desk)
    sick, limited = counted["sick", None, "m"], counted["two", "k0", None]
    assert sick["requests"] == sick["errors"]
    assert limited["requests"] >= limited["errors"] >= 1
    assert counted["mock", None, "m"]["errors"] == 0


@pytest.mark.parametrize(
    ("name", "key", "status", "ok", "words"),
    [
        ("mock", "k1", 200, True, "lists 2 models"),
        ("two", "k0", 429, False, "has no room for it now"),
        ("bad", "k0", 401, False, "refuses the key: Incorrect API key provided: ..."),
        ("sick", "k0", 503, False, "in trouble: down"),
        ("off", "k0", 200, True, "lists 2 models"),
    ],
)
def test_a_key_is_tried(desk: Desk, vendor: Upstream, name: str, key: str, status: int, ok: bool, words: str) -> None:
    vendor.clear()
    found = told(desk.ask("POST", f"/api/providers/{id_of(desk, 'providers', name)}/keys/{key}/test", {}))
    assert (found["ok"], found["status"], words in found["message"]) == (ok, status, True), found
    assert [(each.method, each.target) for each in vendor.requests] == [("GET", "/v1/models")]
    assert found["models"] == (["a", "b/c"] if ok else [])


def test_a_generation_is_asked_for_only_when_it_is_meant(desk: Desk, vendor: Upstream) -> None:
    path = f"/api/providers/{id_of(desk, 'providers', 'native')}/keys/k0/test"
    vendor.clear()
    assert told(desk.ask("POST", path, {"model": "claude"}))["asked"] == "generation"
    (asked,) = vendor.requests
    assert (asked.method, asked.target) == ("POST", "/v1/v1/messages")
    assert (asked.json()["max_tokens"], asked.header("anthropic-version")) == (1, "2023-06-01")
    audit = json.loads(desk.ask("GET", "/api/audit?limit=1").body)["entries"][0]
    assert (audit["action"], audit["name"], audit["after"]["model"]) == ("test_key", "native", "claude")


def test_what_is_not_there_is_not_tried(desk: Desk) -> None:
    native = id_of(desk, "providers", "native")
    for path in (f"{native}/keys/other", "other/keys/k0", "file:provider~1other/keys/k0"):
        assert desk.ask("POST", f"/api/providers/{path}/test", {}).status == 404, path


def trial(desk: Desk, spec: dict[str, Any], **more: object) -> Answer:
    return desk.ask("POST", "/api/providers/test", {"name": "new", "spec": spec, **more})


def test_a_provider_is_tried_before_it_is_stored(desk: Desk, vendor: Upstream) -> None:
    found = told(trial(desk, provider(vendor.url, "sk-limited", "sk-good"), allow_private=True, key="k1"))
    assert (found["ok"], found["models"]) == (True, ["a", "b/c"])
    assert told(trial(desk, provider(vendor.url, CANARY), allow_private=True))["status"] == 401
    closed = told(trial(desk, provider("http://127.0.0.1:9/v1", "sk-good"), allow_private=True))
    assert (closed["ok"], closed["status"], "no connection" in closed["message"]) == (False, None, True)
    assert "new" not in [entry["name"] for entry in told(desk.ask("GET", "/api/providers?limit=100"))["entries"]]


@pytest.mark.parametrize(
    ("spec", "more", "words"),
    [
        (provider("http://127.0.0.1:1/v1", "sk-good"), {}, "send allow_private: true"),
        (provider("https://10.0.0.1/v1", "sk-good"), {}, "allow_private"),
        (provider("http://169.254.169.254/v1", "sk-good"), {"allow_private": True}, "cloud metadata"),
        (provider("http://127.0.0.1:1/v1", "sk-good", tls={"ca_file": "/etc/passwd"}), {}, "names a file"),
        ({"dialect": "bedrock", "address": {"region": "eu-west-1"}, "keys": [{"name": "k", "value": "x"}]}, {},
         "no list of models"),
        ({"vendor": "nobody"}, {}, "vendor"),
        ({"colour": "red"}, {}, "colour"),
    ],
)  # fmt: skip
def test_what_could_not_be_stored_is_not_tried(
    desk: Desk, spec: dict[str, Any], more: dict[str, Any], words: str
) -> None:
    answer = trial(desk, spec, **more)
    assert (answer.status, words in answer.body.decode()) == (400, True), answer.body


def explained(desk: Desk, **question: Any) -> Any:
    return told(desk.ask("POST", "/api/routes/explain", question))


def test_a_dry_run_tells_the_way_and_asks_nobody(desk: Desk, vendor: Upstream) -> None:
    vendor.clear()
    found = explained(desk, model="fast")
    assert (found["route"], found["strategy"], found["refusal"]) == ("fast", "order", None)
    passed = {each["target"]: each["passed"] for each in found["targets"]}
    assert passed["two/m"] == "condition"
    assert passed["mock/m"] is None
    assert {each["target"]: each["order"] for each in found["targets"]}["bad/m"] is not None
    (mock,) = [each for each in found["targets"] if each["target"] == "mock/m"]
    assert (mock["price_known"], mock["cost_nanodollars"]) == (True, 2 * 1024 * 1000)
    streamed = explained(desk, model="fast", stream=True)
    assert streamed["targets"][0]["target"] == "two/m"
    assert streamed["targets"][0]["condition"]["holds"]
    body = {"messages": [{"role": "user", "content": "x" * 4000}], "max_tokens": 7, "stream": True}
    large = explained(desk, model="fast", body=body, headers={"x-microgate-provider": "mock"})
    assert (large["completion_tokens"], large["prompt_tokens"] > 1000, large["because"]) == (7, True, "pinned")
    assert vendor.requests == []


def test_limits_and_rights_of_the_key_that_would_ask(desk: Desk) -> None:
    alice = id_of(desk, "virtual-keys", "alice")
    found = explained(desk, model="mock/m", virtual_key=alice, max_tokens=10)
    assert (found["refusal"], [each["refuses"] for each in found["limits"]]) == (None, [False, False])
    dear = explained(desk, model="mock/m", virtual_key=alice, max_tokens=1_000_000)
    assert (dear["refusal"]["status"], dear["refusal"]["code"]) == (429, "budget_exceeded")
    assert {each["counts"]: each["needs"] for each in dear["limits"]}["usd"] == "2.00"
    assert explained(desk, model="sick/m", virtual_key=alice)["refusal"]["status"] == 403
    assert explained(desk, model="nothing", virtual_key=alice)["refusal"]["status"] == 404
    assert desk.ask("POST", "/api/routes/explain", {"model": "m", "virtual_key": "nobody"}).status == 404


def test_a_route_that_is_not_stored_yet_is_tried(desk: Desk) -> None:
    route = {"targets": [{"provider": "mock", "model": "x", "when": 'principal.name == "alice"'}, "bad/x"],
             "strategy": "order"}  # fmt: skip
    alice = id_of(desk, "virtual-keys", "alice")
    assert explained(desk, model="fast", route=route)["targets"][0]["target"] == "bad/x"
    assert explained(desk, model="fast", route=route, virtual_key=alice)["targets"][0]["target"] == "mock/x"
    assert explained(desk, model="fast")["targets"][-1]["target"] != "bad/x", "nothing was stored"
    for wrong, words in (
        ({"targets": ["nobody/x"]}, "no provider is called nobody"),
        ({"targets": [{"provider": "mock", "model": "x", "when": "stream &&"}]}, "when"),
        ({"targets": []}, "targets"),
        ({"targets": ["mock/x"], "colour": 1}, "colour"),
    ):
        answer = desk.ask("POST", "/api/routes/explain", {"model": "fast", "route": wrong})
        assert (answer.status, words in answer.body.decode()) == (400, True), answer.body


@pytest.mark.parametrize(
    "question",
    [
        {},
        {"model": ""},
        {"model": "m", "operation": "dance"},
        {"model": "m", "path": "/v1/files"},
        {"model": "m", "headers": {"x y": "z"}},
        {"model": "m", "headers": {"x-a": "b\r\nc"}},
        {"model": "m", "headers": {"x-microgate-timeout": "soon"}},
        {"model": "m", "body": {"messages": [], "fallbacks": "x"}},
        {"model": "m", "colour": 1},
    ],
)
def test_questions_that_cannot_be_meant(desk: Desk, question: dict[str, Any]) -> None:
    answer = desk.ask("POST", "/api/routes/explain", question)
    if "body" in question:
        assert told(answer)["refusal"]["status"] == 400
    else:
        assert answer.status == 400, answer.body


def names_of(desk: Desk, query: str) -> tuple[list[str], str | None]:
    found = told(desk.ask("GET", f"/api/virtual-keys?{query}"))
    return [entry["name"] for entry in found["entries"]], found["next"]


def test_lists_are_searched_by_name_over_their_pages(desk: Desk) -> None:
    for name in ("Seek-1", "seek_2", "seek-3", "other"):
        desk.made(name)
    found, cursor = names_of(desk, "search=SEEK&limit=2")
    assert len(found) == 2
    rest, end = names_of(desk, f"search=SEEK&limit=2&cursor={cursor}")
    assert (sorted(found + rest), end) == (["Seek-1", "seek-3", "seek_2"], None)
    assert names_of(desk, "search=seek_") == (["seek_2"], None), "no pattern"
    assert names_of(desk, "search=ALI") == (["alice"], None), "those of the file too"
    assert names_of(desk, "search=%25") == ([], None)


def test_the_table_of_vendors_says_what_a_provider_needs(desk: Desk) -> None:
    rows = {each["name"]: each for each in told(desk.ask("GET", "/api/vendors"))["entries"]}
    assert (rows["openai"]["base_url"], rows["openai"]["address"]) == ("https://api.openai.com/v1", [])
    assert (rows["azure"]["address"], rows["azure"]["credentials"]) == (["resource"], ["azure"])
    assert (rows["anthropic"]["dialect"], rows["vllm"]["keyless"]) == ("anthropic", True)
    assert "demo" not in rows
