"""Where a request would go: the dry run tells what the next call then does, and changes nothing."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.test_health import HEALTH, asked, body, failing, many, several, upstreams
from tests.live.trail import trail_of
from tests.live.upstreams import CHAT, Upstream, http
from tests.live.wire import KEY, Answer, ask, request
from tests.waiting import wait_for

LIMITED = "sk-limited-6f1d2c3b4a5968778695a4b3"


def dry(gateway: Gateway, *fields: tuple[str, str], key: str = KEY, base: str = "/v1", **query: Any) -> Answer:
    path = f"{base}/route?{urlencode(query)}" if query else f"{base}/route"
    return ask(gateway.port, request("GET", path, None, key, fields=fields))


def explained(gateway: Gateway, *fields: tuple[str, str], **query: Any) -> dict[str, Any]:
    answer = dry(gateway, *fields, **{"model": "m", **query})
    assert answer.status == 200, answer.body
    found: dict[str, Any] = json.loads(answer.body)
    return found


def order(told: dict[str, Any]) -> list[str]:
    return [each["target"] for each in sorted(told["targets"], key=lambda e: e["order"] or 99) if each["order"]]


def passed(told: dict[str, Any]) -> dict[str, str]:
    return {each["target"]: each["passed"] for each in told["targets"] if each["passed"]}


def test_nobody_is_asked(start_gateway: Start) -> None:
    config = several(3)
    config["routes"]["m"] = {"targets": ["u0/m", "u1/m"], "fallbacks": ["u2/x"], "strategy": "order"}
    with upstreams(config, None, None, None) as made:
        gateway = start_gateway(config)
        told = explained(gateway)
        assert (told["object"], told["model"], told["route"]) == ("route.explanation", "m", "m")
        assert (told["strategy"], told["because"], told["drawn"]) == ("order", "order", False)
        assert (told["operation"], told["refusal"]) == ("chat", None)
        assert order(told) == ["u0/m", "u1/m", "u2/x"]
        assert [(each["index"], each["fallback"]) for each in told["targets"]] == [(0, False), (1, False), (2, True)]
        assert told["targets"][0]["health"] == {
            "state": "well", "failures": 0, "ejections": 0, "out_for_s": 0.0, "left_out_share": 0.0, "under_way": 0,
            "ttft_ms": 0.0,
        }  # fmt: skip
        assert told["targets"][0]["keys"]["usable"] == told["targets"][0]["keys"]["allowed"] == 1
        assert asked(made) == [0, 0, 0]
        assert "canary" not in json.dumps(told)
        assert trail_of(gateway) == {}, "it is no request to a provider"


def test_sessions_and_hashes_as_a_call(start_gateway: Start) -> None:
    """What is not drawn by lot goes where the dry run says."""
    config = several(4)
    config["routes"]["h"] = {"targets": config["routes"]["m"]["targets"], "strategy": "hash", "hash_on": "x-user"}
    with upstreams(config, None, None, None, None):
        gateway = start_gateway(config)
        seen = set()
        for model, field in (("m", "x-microgate-session"), ("h", "x-user")):
            for value in ("ann", "bob", "cy", "dee"):
                (first, *_) = order(told := explained(gateway, (field, value), model=model))
                assert not told["drawn"] or model == "h"
                assert told["because"] == ("session" if model == "m" else "hash")
                raw = request(body=body(model=model), fields=[(field, value)])
                assert ask(gateway.port, raw).header("x-microgate-provider") == first.partition("/")[0]
                seen.add(first)
        assert len(seen) > 1
        assert explained(gateway)["drawn"]


def test_conditions(start_gateway: Start) -> None:
    """Each one's verdict; the text, which may name others, is not told."""
    config = several(3)
    config["routes"]["m"] = {
        "targets": [
            {"provider": "u0", "model": "m", "when": 'headers["x-tier"] == "gold" && principal.name != "secret"'},
            {"provider": "u1", "model": "m", "when": "stream && body_bytes > 1000"},
        ],
        "fallbacks": [{"provider": "u2", "model": "m", "when": "max_tokens < 10"}],
    }
    with upstreams(config, None, None, None) as made:
        gateway = start_gateway(config)
        told = explained(gateway, ("x-tier", "gold"), max_tokens=5)
        assert order(told) == ["u0/m", "u2/m"]
        assert passed(told) == {"u1/m": "condition"}
        verdicts = {each["target"]: each["condition"] for each in told["targets"]}
        assert verdicts["u0/m"] == {"uses": ["headers", "principal.name"], "holds": True, "why": "it holds"}
        assert verdicts["u1/m"] == {"uses": ["body_bytes", "stream"], "holds": False, "why": "it is false"}
        assert "secret" not in json.dumps(told)
        told = explained(gateway, stream="true", body_bytes=2000, max_tokens=50)
        assert order(told) == ["u1/m"]
        assert "no header field" in next(e["condition"]["why"] for e in told["targets"] if e["target"] == "u0/m")
        told = explained(gateway, max_tokens=50)
        assert order(told) == []
        assert told["because"] is None
        assert "every condition is false" in told["refusal"]
        assert set(passed(told).values()) == {"condition"}
        assert asked(made) == [0, 0, 0]


def test_one_in_trouble_is_passed_over(start_gateway: Start) -> None:
    config = several(2)
    config["health"] = {**HEALTH, "consecutive": 1}
    config["routes"]["m"] = {"targets": ["u0/m"], "fallbacks": ["u1/m"]}
    with upstreams(config, failing, None):
        gateway = start_gateway(config)
        many(gateway, 1)
        told = explained(gateway)
        assert passed(told) == {"u0/m": "ejected"}
        assert order(told) == ["u1/m"]
        assert told["because"] == "fallback"
        health = next(each["health"] for each in told["targets"] if each["target"] == "u0/m")
        assert (health["state"], health["failures"], health["ejections"]) == ("out", 1, 1)
        assert 0 < health["out_for_s"] <= 72


def test_a_probe_that_is_due_is_left_to_a_call(start_gateway: Start) -> None:
    config = several(2)
    config["health"] = {**HEALTH, "consecutive": 1, "rest": "300ms", "rest_max": "300ms"}
    config["routes"]["m"] = {"targets": ["u0/m"], "fallbacks": ["u1/m"]}
    with upstreams(config, failing, None) as made:
        gateway = start_gateway(config)
        many(gateway, 1)
        made[0].clear()
        made[0].script = lambda received: [http(CHAT)]
        wait_for(lambda: explained(gateway)["because"] == "probe", "the probe to be due")
        for _ in range(20):
            assert explained(gateway)["because"] == "probe"
        assert order(explained(gateway)) == ["u0/m", "u1/m"]
        assert made[0].requests == []
        (answer,) = many(gateway, 1)
        assert answer.header("x-microgate-provider") == "u0", "nobody has taken the probe"


def test_throttled_and_resting(start_gateway: Start) -> None:
    config = several(2, retry={"attempts": 1})
    config["health"] = {"consecutive": 1000, "volume": 1_000_000}
    config["providers"]["u1"]["keys"] = [{"name": name, "value": f"sk-{name}-canary"} for name in ("ka", "kb")]
    config["routes"] = {"m": {"targets": ["u0/m"]}, "n": {"targets": ["u1/m"], "fallbacks": ["u0/m"]}}
    limited = http(b'{"error":{"message":"slow","type":"rate_limit"}}', 429, fields=["retry-after: 50"])
    with upstreams(config, failing, lambda received: [limited]):
        gateway = start_gateway(config)
        many(gateway, 80, 4)
        (target,) = explained(gateway)["targets"]
        assert 0.1 < target["health"]["left_out_share"] <= 0.9
        for _ in range(2):
            ask(gateway.port, request(body=body(model="n")))
        told = explained(gateway, model="n")
        assert passed(told) == {"u1/m": "resting"}
        first = told["targets"][0]
        assert first["keys"]["usable"] == 0
        assert first["keys"]["allowed"] == 2
        assert 40 < first["keys"]["ready_in_s"] <= 50
        assert told["because"] == "fallback"


def test_pins(start_gateway: Start) -> None:
    config = several(3)
    with upstreams(config, None, None, None):
        gateway = start_gateway(config)
        told = explained(gateway, ("x-microgate-provider", "u1/k1"))
        assert order(told) == ["u1/m"]
        assert told["because"] == "pinned"
        assert passed(told) == {"u0/m": "pinned", "u2/m": "pinned"}
        assert dry(gateway, ("x-microgate-provider", "nobody"), model="m").status == 400


@pytest.fixture(scope="module")
def gateway(start_for_module: Start, upstream_for_module: Upstream) -> Gateway:
    config = configuration(upstream_for_module.url)
    config["providers"]["other"] = dict(config["providers"]["mock"])
    config["providers"]["claude"] = {**config["providers"]["mock"], "dialect": "anthropic"}
    config["routes"]["both"] = {"targets": ["mock/m"], "fallbacks": ["other/m"]}
    config["virtual_keys"].append({"name": "limited", "value": LIMITED, "providers": ["mock"], "models": ["both"]})
    return start_for_module(config)


def test_a_name_that_is_no_route(gateway: Gateway) -> None:
    told = explained(gateway, model="other/x")
    assert (told["route"], told["strategy"], told["because"], order(told)) == (None, None, "only", ["other/x"])


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        ("/v1/responses", "responses"),
        ("/v1/embeddings", "embeddings"),
        ("/anthropic/v1/messages", "chat"),
        ("/genai/v1beta/models/m:streamGenerateContent", "chat"),
        ("/v1/audio/speech", "speech"),
    ],
)
def test_paths(gateway: Gateway, path: str, operation: str) -> None:
    told = explained(gateway, path=path)
    assert told["operation"] == operation
    assert order(told) == ["mock/m"]


def test_an_operation_that_the_target_has_not(gateway: Gateway) -> None:
    told = explained(gateway, model="claude/m", path="/v1/audio/speech")
    assert passed(told) == {"claude/m": "unable"}
    assert told["because"] is None


def test_the_key_decides_what_is_shown(gateway: Gateway) -> None:
    told = json.loads(dry(gateway, key=LIMITED, model="both").body)
    assert [each["target"] for each in told["targets"]] == ["mock/m"]
    assert dry(gateway, key=LIMITED, model="other/m").status == 403
    assert dry(gateway, key=LIMITED, model="m").status == 403


@pytest.mark.parametrize(
    ("query", "status", "param"),
    [
        ({}, 400, "model"),
        ({"model": ""}, 400, "model"),
        ({"model": "x" * 513}, 400, "model"),
        ({"model": "nothing/here"}, 404, "model"),
        ({"model": "m", "modle": "m"}, 400, "modle"),
        ({"model": "m", "stream": "yes"}, 400, "stream"),
        ({"model": "m", "max_tokens": "-1"}, 400, "max_tokens"),
        ({"model": "m", "body_bytes": "9" * 13}, 400, "body_bytes"),
        ({"model": "m", "path": "/v1/models"}, 400, "path"),
        ({"model": "m", "path": "/v1/files"}, 400, "path"),
        ({"model": "m", "path": "/v1/route"}, 400, "path"),
        ({"model": "m", "path": "/passthrough/mock/x"}, 400, "path"),
        ({"model": "m", "path": "/api/logs"}, 400, "path"),
        ({"model": "m", "path": "/v1/ch\u00e9t"}, 400, "path"),
        ({"model": "m", "path": "/genai/v1beta/models/\u00e9:generateContent"}, 400, "path"),
    ],
)
def test_mistakes(gateway: Gateway, query: dict[str, str], status: int, param: str) -> None:
    answer = dry(gateway, **query)
    assert answer.status == status
    error = json.loads(answer.body)["error"]
    assert error["param"] == param
    assert error["request_id"] == answer.header("x-microgate-request-id")


def test_who_and_how(gateway: Gateway) -> None:
    assert dry(gateway, key="", model="m").status == 401
    assert dry(gateway, key="sk-nobody-000000000000", model="m").status == 401
    assert ask(gateway.port, request("POST", "/v1/route?model=m")).status == 405
    assert ask(gateway.port, request("GET", "/v1/route?model=m&model=m", None)).status == 400
    assert json.loads(dry(gateway, base="/openai/v1", model="both").body)["route"] == "both"


def test_what_the_operator_keeps_to_himself(start_gateway: Start, upstream: Upstream) -> None:
    gateway = start_gateway(configuration(upstream.url, server={"explain": False}))
    assert dry(gateway, model="m").status == 403
