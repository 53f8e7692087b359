"""Which of several targets is asked: strategies, sessions and pins, seen from outside."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.live.fixtures import Start
from tests.live.test_health import asked, body, many, several, upstreams
from tests.live.upstreams import CHAT, Received, Step, Until, http
from tests.live.wire import ask, request


def providers(answers: list[object]) -> Counter[str]:
    return Counter(answer.header("x-microgate-provider") for answer in answers)  # type: ignore[attr-defined]


def slow(received: Received) -> list[Step]:
    return [0.2, http(CHAT)]


def test_order(start_gateway: Start) -> None:
    config = several(3)
    config["routes"]["m"]["strategy"] = "order"
    with upstreams(config, None, None, None) as made:
        many(start_gateway(config), 20)
        assert asked(made) == [20, 0, 0]


def test_weights(start_gateway: Start) -> None:
    config = several(2)
    config["routes"]["m"]["targets"] = [
        {"provider": "u0", "model": "m", "weight": 9},
        {"provider": "u1", "model": "m", "weight": 1},
    ]
    with upstreams(config, None, None) as made:
        many(start_gateway(config), 400)
        assert 330 < len(made[0].requests) < 390, "six standard deviations"


def test_least_latency_leaves_a_slow_one(start_gateway: Start) -> None:
    config = several(3)
    config["routes"]["m"]["strategy"] = "least-latency"
    with upstreams(config, slow, None, None) as made:
        many(start_gateway(config), 100)
        assert 1 <= len(made[0].requests) <= 5, "it is found out about, and then left"
        assert min(asked(made)[1:]) > 20


def test_least_busy(start_gateway: Start) -> None:
    config = several(2)
    config["routes"]["m"]["strategy"] = "least-busy"
    with upstreams(config, None, None) as made:
        # As slow as forty answers of the other one.
        made[0].script = lambda received: [Until(lambda: len(made[1].requests) >= 40), http(CHAT)]
        many(start_gateway(config), 60, 8)
        assert len(made[0].requests) < 25
        assert len(made[1].requests) > 35


def test_least_cost(start_gateway: Start) -> None:
    """By the prices that are known of OpenAI's models; what is not known comes last."""
    config = several(2)
    for provider in config["providers"].values():
        provider["vendor"] = "openai"
    targets = ["u0/a-model-without-price", "u0/gpt-4o", "u1/gpt-4o-mini"]
    config["routes"]["m"] = {"targets": targets, "strategy": "least-cost"}
    with upstreams(config, None, None) as made:
        many(start_gateway(config), 20)
        assert asked(made) == [0, 20]
        assert {received.json()["model"] for received in made[1].requests} == {"gpt-4o-mini"}


def test_hash_on_a_header_field(start_gateway: Start) -> None:
    config = several(4)
    config["routes"]["m"].update(strategy="hash", hash_on="X-User")
    with upstreams(config, None, None, None, None):
        gateway = start_gateway(config)
        first = {user: providers(many(gateway, 3, X_User=user)) for user in ("ann", "bob", "cy", "dee", "eve", "flo")}
        assert {len(seen) for seen in first.values()} == {1}
        assert len({next(iter(seen)) for seen in first.values()}) > 1


def test_a_session_stays(start_gateway: Start) -> None:
    """At one target and one of its keys, whatever the strategy; without one they are drawn."""
    config = several(3)
    for provider in config["providers"].values():
        provider["keys"] = [{"name": f"k{index}", "value": f"sk-{index}-canary"} for index in range(4)]
    with upstreams(config, None, None, None) as made:
        gateway = start_gateway(config)
        for session in ("one", "two", "three"):
            for upstream in made:
                upstream.clear()
            many(gateway, 12, x_microgate_session=session)
            seen = {(index, r.header("authorization")) for index, one in enumerate(made) for r in one.requests}
            assert len(seen) == 1
            assert not any(r.header("x-microgate-session") for one in made for r in one.requests)
        for upstream in made:
            upstream.clear()
        many(gateway, 60)
        assert len({r.header("authorization") for one in made for r in one.requests}) == 4


def test_a_session_moves_on_when_its_target_fails(start_gateway: Start) -> None:
    config = several(3)
    with upstreams(config, None, None, None) as made:
        gateway = start_gateway(config)
        (answer,) = many(gateway, 1, x_microgate_session="s")
        at = int((answer.header("x-microgate-provider") or "u9")[1:])
        made[at].script = lambda received: [http(b'{"error":{"message":"no"}}', 500)]
        others = providers(many(gateway, 20, x_microgate_session="s"))
        assert set(others) == {name for name in others if name != f"u{at}"}
        assert len(others) == 1


def test_a_pin(start_gateway: Start) -> None:
    config = several(3)
    config["providers"]["u1"]["keys"] = [{"name": name, "value": f"sk-{name}-canary"} for name in ("ka", "kb", "kc")]
    with upstreams(config, None, None, None) as made:
        gateway = start_gateway(config)
        assert providers(many(gateway, 10, x_microgate_provider="u2")) == {"u2": 10}
        assert providers(many(gateway, 10, X_Microgate_Provider="u1/kb")) == {"u1": 10}
        assert {r.header("authorization") for r in made[1].requests} == {"Bearer sk-kb-canary"}
        for wrong, said in (
            ("nobody", "no target of"),
            ("u1/kz", "no key called"),
            ("http://x", "no target"),
        ):
            (answer,) = many(gateway, 1, x_microgate_provider=wrong)
            assert answer.status == 400
            assert said in json.loads(answer.body)["error"]["message"]
        assert sum(asked(made)) == 20


def test_a_pinned_target_has_no_fallback(start_gateway: Start) -> None:
    config = several(2)
    config["routes"]["m"] = {"targets": ["u0/m"], "fallbacks": ["u1/m"]}
    with upstreams(config, lambda received: [http(b'{"error":{"message":"no"}}', 500)], None) as made:
        gateway = start_gateway(config)
        raw = request(body=body(), fields=[("x-microgate-provider", "u0")])
        assert ask(gateway.port, raw).status == 500
        assert asked(made)[1] == 0


def test_conditions(start_gateway: Start) -> None:
    """A target whose condition fails is passed over; with none left the model is not found for this request."""
    config = several(3)
    config["routes"]["m"] = {
        "targets": [
            {"provider": "u0", "model": "m", "when": 'headers["x-tier"] == "gold"'},
            {"provider": "u1", "model": "m", "when": '!("x-tier" in headers) && principal.name == "test"'},
        ],
        "fallbacks": [{"provider": "u2", "model": "m", "when": "stream"}],
    }
    with upstreams(config, None, None, None) as made:
        gateway = start_gateway(config)
        many(gateway, 3, x_tier="gold")
        many(gateway, 2)
        (answer,) = many(gateway, 1, x_tier="silver")
        assert asked(made) == [3, 2, 0]
        assert answer.status == 404
        assert "every condition is false" in json.loads(answer.body)["error"]["message"]
        ask(gateway.port, request(body=body(stream=True), fields=[("x-tier", "silver")]))
        assert asked(made) == [3, 2, 1]


def test_a_wrong_condition_is_found_when_the_file_is_read(start_gateway: Start) -> None:
    config = several(1)
    config["routes"]["m"]["targets"] = [{"provider": "u0", "model": "m", "when": 'modle == "a"'}]
    with pytest.raises(AssertionError, match=r"routes\.m\.targets\[0\]\.when.*did you mean model"):
        start_gateway(config)
