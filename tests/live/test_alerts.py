"""Alerts of a real gateway, told to a real receiver: a budget that is spent, a provider that is down and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.alerts.test_deliveries import SECRET, genuine
from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration, files_in
from tests.live.test_entities_api import Api
from tests.live.upstreams import CHAT, Received, Step, Upstream, http
from tests.live.wire import KEY, ask, request
from tests.waiting import wait_for

RULES = {"budgets": [0.8, 1], "provider_down": "500ms", "error_rate": {"share": 0}}


class Provider(Upstream):
    """Answers well, or not at all."""

    def __init__(self) -> None:
        self.well = True
        super().__init__(self._answer)

    def _answer(self, _received: Received) -> list[Step]:
        return [http(CHAT)] if self.well else [http('{"error": {"message": "broken"}}', 500)]


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as server:
        yield server


@pytest.fixture
def receiver() -> Iterator[Upstream]:
    with Upstream(lambda _: [http(b"", 204)]) as server:
        yield server


def start(start_gateway: Start, provider: Provider, receiver: Upstream, most: int = 1, **more: Any) -> Gateway:
    hook = {"name": "pager", "url": f"{receiver.url}/hook", "secret": SECRET}
    budget = {"name": "test", "value": KEY, "budgets": [{"usd": most, "per": "month"}]}
    return start_gateway(
        configuration(
            provider.url,
            virtual_keys=[budget],
            prices=[{"model": "m", "input": 0, "output": 0, "request": "0.2"}],
            alerts={**RULES, "webhooks": [hook]},
            **more,
        )
    )


def told(receiver: Upstream) -> list[tuple[str, str]]:
    verify = genuine()
    assert all(verify(SECRET, each.header("x-microgate-signature") or "", each.body) for each in receiver.requests)
    return [(each.json()["type"], each.json()["alert"]["subject"]) for each in receiver.requests]


def status(gateway: Gateway) -> int:
    return ask(gateway.port, request()).status


def test_a_budget_is_told_of_at_its_shares_and_once_over_a_restart(
    start_gateway: Start, provider: Provider, receiver: Upstream
) -> None:
    gateway = start(start_gateway, provider, receiver)
    api = Api(gateway)
    assert [status(gateway) for _ in range(4)] == [200] * 4
    receiver.wait(lambda: len(receiver.requests) == 1)
    assert receiver.requests[0].json()["alert"]["message"] == (
        "Virtual key test has spent 80 % of its budget of $1.00 per month: $0.80"
    )
    assert [status(gateway) for _ in range(2)] == [200, 402]
    receiver.wait(lambda: len(receiver.requests) == 2)
    assert told(receiver) == [("alert.raised", "virtual_key/test")] * 2
    active = wait_for(
        lambda: (
            (found := api.told("GET", "/api/alerts")["active"])
            and all(each["status"] == "delivered" for alert in found for each in alert["deliveries"])
            and found
        ),
        "both to be delivered",
    )
    assert [(alert["threshold"], alert["level"], alert["until"]) for alert in active] == [
        (1.0, "critical", None),
        (0.8, "warning", None),
    ]
    page = ask(gateway.port, request("GET", "/metrics", None, "")).body.decode()
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }
    budget = "virtual_key", "test", "month"
    assert [found[f"microgate_budget_{what}_dollars", *budget] for what in ("limit", "spent", "reserved")] == [1, 1, 0]
    assert found["microgate_alerts", "budget", "critical"] == found["microgate_alerts", "budget", "warning"] == 1
    assert found["microgate_alert_deliveries_total", "delivered"] == 2
    gateway.stop()
    gateway.start()
    # Nothing of it is new to the successor: a test's delivery, sent when it has looked, is all that comes.
    wait_for(lambda: api.asked("GET", "/api/alerts").body.count(b'"deliveries"') == 2, "alerts of before")
    assert api.told("POST", "/api/alerts/test/pager") == {
        "ok": True,
        "status": 204,
        "took_ms": pytest.approx(0, abs=10_000),
        "message": "",
    }
    assert told(receiver)[2:] == [("alert.test", "gateway")]


def test_a_provider_goes_down_and_comes_back(start_gateway: Start, provider: Provider, receiver: Upstream) -> None:
    sick = {"consecutive": 2, "rest": "100ms", "rest_max": "200ms", "throttle": False}
    gateway = start(start_gateway, provider, receiver, most=10_000, health=sick, retry={"attempts": 1})
    provider.well = False
    wait_for(lambda: status(gateway) and len(receiver.requests) == 1, "the alert")
    assert told(receiver) == [("alert.raised", "provider/mock")]
    assert receiver.requests[0].json()["alert"]["level"] == "critical"
    provider.well = True
    wait_for(lambda: status(gateway) and len(receiver.requests) == 2, "its end")
    assert told(receiver)[1:] == [("alert.resolved", "provider/mock")]
    first, second = (each.json()["alert"] for each in receiver.requests)
    assert first["id"] == second["id"]
    assert first["until"] is None
    assert second["until"] > second["since"]


def test_webhooks_are_set_through_the_api(start_gateway: Start, provider: Provider, receiver: Upstream) -> None:
    gateway = start_gateway(configuration(provider.url))
    api, path = Api(gateway), "/api/settings/alerts"
    hook = {"name": "pager", "url": f"{receiver.url}/hook?token=canary-0123456789", "secret": SECRET}
    refused = api.asked("PUT", path, {"spec": {"webhooks": [hook]}}, 0)
    assert refused.status == 400
    assert b"send allow_private: true" in refused.body
    link_local = {**hook, "url": "http://169.254.169.254/x", "allow_private": True}
    assert api.asked("PUT", path, {"spec": {"webhooks": [link_local]}}, 0).status == 400
    assert api.asked("PUT", path, {"spec": {"webhooks": [{**hook, "secret": "short"}]}}, 0).status == 400
    shown = api.told("PUT", path, {"spec": {"webhooks": [{**hook, "allow_private": True}]}}, 0)
    [masked] = shown["spec"]["webhooks"]
    assert (masked["url"], masked["secret"]) == ("...6789", "...cdef")
    assert shown["in_force"]["budgets"] == [0.8, 1.0]
    # As it was shown it stays what it was.
    shown = api.told("PUT", path, {"spec": {"webhooks": [masked], "budgets": [0.5]}}, shown["version"])
    assert shown["in_force"]["budgets"] == [0.5]
    assert api.told("POST", "/api/alerts/test/pager")["ok"]
    [received] = receiver.requests
    assert received.target == "/v1/hook?token=canary-0123456789"
    assert genuine()(SECRET, received.header("x-microgate-signature") or "", received.body)
    assert api.asked("POST", "/api/alerts/test/nobody").status == 404
    [webhook] = api.told("GET", "/api/alerts")["webhooks"]
    assert webhook == {"name": "pager", "host": "127.0.0.1", "kinds": [], "levels": [], "enabled": True}
    everything = [api.asked("GET", each).body for each in ("/api/settings", "/api/audit", "/api/config", "/api/alerts")]
    everything += files_in(gateway.data_dir).values()
    for secret in (SECRET[8:], "canary-0123456789"):
        assert not any(secret.encode() in each for each in everything)
    # Another master key opens them still.
    api.told("POST", "/api/secrets/rotate", {})
    assert api.told("POST", "/api/alerts/test/pager")["ok"]
    assert json.loads(api.asked("GET", path).body)["version"] == 3
