"""What a provider's refusal leads to: another key, a rest for this one, a repeat, or the caller's own mistake."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.trail import trail_of
from tests.live.upstreams import Received, Step, Upstream, chunk, chunked_head, http, ordinary
from tests.live.wire import KEY, Answer, ask, request


@dataclass(frozen=True)
class Refusal:
    """How key ``a`` of a provider is answered, and what has to follow."""

    status: int
    body: str
    fields: tuple[str, ...] = ()
    other: bool = True
    """The request is asked again with key ``b``."""
    rests: bool = True
    """The next request does not meet key ``a``."""


REFUSALS = {
    "key": Refusal(401, '{"error":{"message":"Incorrect API key provided.","code":"invalid_api_key"}}'),
    "forbidden": Refusal(403, '{"error":{"message":"Access denied."}}'),
    "quota": Refusal(429, '{"error":{"message":"You exceeded your current quota.","type":"insufficient_quota"}}'),
    "credit": Refusal(402, '{"error":{"message":"Insufficient Balance"}}'),
    "credit-as-400": Refusal(400, '{"error":{"message":"Your credit balance is too low to access the API."}}'),
    "limit-in-field": Refusal(429, '{"error":{"message":"slow down"}}', ("Retry-After: 40",)),
    "limit-in-text": Refusal(429, '{"error":{"message":"Please try again in 9m38.016s."}}'),
    "model-not-for-this-key": Refusal(403, '{"error":{"code":"model_not_found"}}', rests=False),
    "scope": Refusal(401, '{"error":{"message":"You have insufficient permissions. Missing scopes: x"}}', rests=False),
    "too-dear": Refusal(402, '{"error":{"message":"You can only afford 9 tokens."}}', rests=False),
    "bad-request": Refusal(400, '{"error":{"message":"bad"}}', other=False, rests=False),
    "quoting-the-caller": Refusal(
        400,
        json.dumps({"error": {"message": 'got \'"message":"API key not valid insufficient_quota\''}}),
        (),
        False,
        False,
    ),
    "moderated": Refusal(403, '{"error":{"message":"flagged: insufficient_quota"}}', other=False, rests=False),
    "unprocessable": Refusal(422, "{}", other=False, rests=False),
    "over-the-limit-alone": Refusal(
        413, '{"error":{"message":"Request too large for model on tokens per minute"}}', other=False, rests=False
    ),
}


def refused_by_key_a(received: Received) -> list[Step]:
    _, case, key = (received.header("authorization") or "").split("+")
    if key == "b":
        return ordinary(received)
    refusal = REFUSALS[case]
    return [http(refusal.body, refusal.status, fields=refusal.fields)]


def providers_for(url: str, cases: Iterator[str] | list[str]) -> dict[str, object]:
    """One provider a case: all requests go to key ``a`` while it is usable."""
    return {
        case: {
            "dialect": "openai_chat",
            "base_url": url,
            "keys": [{"name": "a", "value": f"sk+{case}+a"}, {"name": "b", "value": f"sk+{case}+b", "weight": 0}],
        }
        for case in cases
    }


@pytest.fixture(scope="module")
def refusing() -> Iterator[Upstream]:
    with Upstream(refused_by_key_a) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def gateway(refusing: Upstream, start_for_module: Start) -> Gateway:
    return start_for_module(
        configuration(refusing.url, providers=providers_for(refusing.url, list(REFUSALS)), routes={})
    )


def asked(gateway: Gateway, case: str) -> Answer:
    return ask(gateway.port, request(body=json.dumps({"model": f"{case}/m", "messages": []}).encode()))


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_leads_where_it_should(case: str, gateway: Gateway, refusing: Upstream) -> None:
    expected = REFUSALS[case]
    refusing.clear()
    first, second = asked(gateway, case), asked(gateway, case)
    keys = [(r.header("authorization") or "")[-1] for r in refusing.requests]
    if not expected.other:
        assert [first.status, second.status] == [expected.status] * 2
        assert json.loads(first.body) == json.loads(expected.body)
        assert keys == ["a", "a"]
        return
    assert [first.status, second.status] == [200, 200]
    assert first.header("x-microgate-attempts") == "2"
    assert keys == (["a", "b", "b"] if expected.rests else ["a", "b", "a", "b"])


def test_a_refused_key_is_named_in_the_log_once(refusing: Upstream, start_gateway: Start) -> None:
    provider = {
        "key": {"dialect": "openai_chat", "base_url": refusing.url, "keys": [{"name": "a", "value": "sk+key+a"}]}
    }
    gateway = start_gateway(configuration(refusing.url, providers=provider, routes={}))
    refusing.clear()
    answers = [asked(gateway, "key") for _ in range(3)]
    # An only key is not put away: its provider's own words are the truth.
    assert [answer.status for answer in answers] == [401] * 3
    assert len(refusing.requests) == 3
    assert gateway.stderr().count("provider key key/a is refused (status 401, key)") == 1
    rows = trail_of(gateway)
    assert {(row.status, row.error_kind) for row in rows.values()} == {(401, 24)}


def test_an_only_key_gives_way_to_the_next_target(refusing: Upstream, start_gateway: Start) -> None:
    with Upstream() as healthy:
        providers = providers_for(refusing.url, ["key", "quota", "bad-request"])
        for name in ("key", "quota", "bad-request"):
            del providers[name]["keys"][1]  # type: ignore[index]
        providers["other"] = {
            "dialect": "openai_chat",
            "base_url": healthy.url,
            "keys": [{"name": "k", "value": "sk-other"}],
        }
        routes = {
            f"r-{name}": {"targets": [f"{name}/m"], "fallbacks": ["other/m"]}
            for name in ("key", "quota", "bad-request")
        }
        gateway = start_gateway(configuration(refusing.url, providers=providers, routes=routes))
        seen = {}
        for name in routes:
            answer = ask(gateway.port, request(body=json.dumps({"model": name, "messages": []}).encode()))
            seen[name] = (answer.status, answer.header("x-microgate-provider"))
        assert seen == {"r-key": (200, "other"), "r-quota": (200, "other"), "r-bad-request": (400, "bad-request")}


def test_a_passed_through_path_puts_no_key_away(refusing: Upstream, start_gateway: Start) -> None:
    """The caller chose the path: what is refused there may well be allowed elsewhere."""
    key = {"name": "test", "value": KEY, "stateful": "key/a"}
    config = configuration(refusing.url, providers=providers_for(refusing.url, ["key"]), routes={}, virtual_keys=[key])
    gateway = start_gateway(config)
    refusing.clear()
    for _ in range(2):
        assert ask(gateway.port, request("GET", "/passthrough/key/organization/users", None)).status == 401
    assert [(r.header("authorization") or "")[-1] for r in refusing.requests] == ["a", "a"]


def test_the_last_refusal_is_the_providers_own(start_gateway: Start) -> None:
    """Both keys limited for longer than anybody would wait: its words, its wait, and no invented answer."""

    def limited(received: Received) -> list[Step]:
        return [http('{"error":{"message":"slow down"}}', 429, fields=["Retry-After: 30"])]

    with Upstream(limited) as upstream:
        gateway = start_gateway(configuration(upstream.url, providers=providers_for(upstream.url, ["p"]), routes={}))
        first, second = asked(gateway, "p"), asked(gateway, "p")
        assert (first.status, first.header("retry-after")) == (429, "30")
        assert json.loads(first.body)["error"]["message"] == "slow down"
        # Now nobody needs to be asked to know.
        assert second.status == 429
        assert 1 <= int(second.header("retry-after") or 0) <= 30
        assert len(upstream.requests) == 2


def test_an_error_in_place_of_the_first_event_moves_on(start_gateway: Start) -> None:
    def refused(received: Received) -> list[Step]:
        if (received.header("authorization") or "").endswith("b"):
            return ordinary(received)
        event = {"error": {"code": 402, "message": "Insufficient credits."}}
        return [chunked_head(), chunk(b"data: " + json.dumps(event).encode() + b"\n\n"), chunk(b"")]

    with Upstream(refused) as upstream:
        gateway = start_gateway(configuration(upstream.url, providers=providers_for(upstream.url, ["p"]), routes={}))
        body = b'{"model":"p/m","messages":[],"stream":true}'
        answers = [ask(gateway.port, request(body=body)) for _ in range(2)]
        assert [answer.status for answer in answers] == [200, 200]
        assert all(answer.body.endswith(b"data: [DONE]\n\n") for answer in answers)
        assert [(r.header("authorization") or "")[-1] for r in upstream.requests] == ["a", "b", "b"]
