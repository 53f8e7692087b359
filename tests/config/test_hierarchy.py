"""What is said of customers, teams and virtual keys that cannot be."""

from __future__ import annotations

import pytest

from gateway.config.loader import loads
from gateway.config.problems import ConfigError

GOOD = "sk-0123456789012345678901"
BASE = (
    "providers: {p: {base_url: 'http://h/', keys: [{name: k, value: v}]}, q: {base_url: 'http://i/'}}\n"
    "routes: {fast: {targets: [p/m]}}\n"
)


def said(text: str) -> list[str]:
    try:
        loaded = loads(BASE + text, "f.yaml", {})
    except ConfigError as error:
        return [problem.render("f.yaml") for problem in error.problems]
    return [problem.render("f.yaml") for problem in loaded.warnings]


def vkey(own: str, above: str = "") -> str:
    return f"{above}\nvirtual_keys: [{{name: a, value: {GOOD}, {own}}}]"


CUSTOMER = "customers: {acme: {models: ['p/*'], providers: [p]}}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (vkey("team: red", "teams: {read: {}}"), "virtual_keys[0].team: no team is called red; did you mean read?"),
        (vkey("team: red"), "no team is called red; none is configured"),
        (vkey("customer: acne", "customers: {acme: {}}"), "no customer is called acne; did you mean acme?"),
        ("teams: {red: {customer: acne}}\ncustomers: {acme: {}}", "teams.red.customer: no customer is called acne"),
        (
            vkey("team: red, customer: b", "customers: {a: {}, b: {}}\nteams: {red: {customer: a}}"),
            "virtual_keys[0].customer: the team red belongs to a; leave the customer to the team",
        ),
        (vkey("team: red, customer: b", "customers: {b: {}}\nteams: {red: {}}"), "belongs to no customer"),
        (vkey("customer: acme, models: [q/x]", CUSTOMER), "virtual_keys[0].models: the customer acme allows none"),
        (vkey("customer: acme, routes: [fast]", CUSTOMER), "virtual_keys[0].routes: the customer acme allows none"),
        (vkey("customer: acme, providers: [q]", CUSTOMER), "providers: the customer acme allows none of these"),
        (
            "teams: {red: {customer: acme, providers: [q]}}\n" + CUSTOMER,
            "teams.red.providers: the customer acme allows",
        ),
        (vkey("routes: [fest]"), "virtual_keys[0].routes[0]: no route is called fest; did you mean fast?"),
        ("customers: {acme: {routes: [fest]}}", "customers.acme.routes[0]: no route is called fest"),
        ("customers: {acme: {providers: [z]}}", "customers.acme.providers[0]: no provider is called z"),
        ("customers: {acme: {models: ['a*b']}}", "customers.acme.models[0]: a * can only stand at the end"),
        ("customers: {a: {id: b}, b: {}}", "customers.b: has the same id as a"),
        ("teams: {a: {limits: [{requests: 1}]}}", "teams.a.limits[0]: per is missing"),
        (
            vkey("providers: [{provider: p, keys: [kk]}]"),
            "providers[0].keys[0]: no key of p is called kk; did you mean",
        ),
        (vkey("providers: [p, {provider: p}]"), "providers[1]: p is named twice"),
        (vkey("providers: [{provider: z}]"), "providers[0]: no provider is called z"),
        (vkey("providers: [{provider: p, limits: [{requests: 1}]}]"), "providers[0].limits[0]: per is missing"),
        (vkey("limits: [{input_tokens: 1, output_tokens: 1, per: 1m}]"), "expected exactly one of"),
        (vkey("limits: [{requests: 1, per: dey}]"), "or one of minute, hour, day, week, month, quarter, year"),
        (
            vkey("limits: [{requests: 1, per: day, window: rolling}]"),
            "window: a day of the calendar is fixed; write the length of a rolling window as a time, e.g. per: 1d",
        ),
        (vkey("limits: [{requests: 1, per: 1d, time_zone: UTC}]"), "only a period of the calendar has a time zone"),
        (
            vkey("limits: [{requests: 1, per: day, time_zone: Europe/Berlln}]"),
            "no time zone is called Europe/Berlln; did you mean Europe/Berlin?",
        ),
        (vkey("", "time_zone: Mars/Olympus"), "time_zone: no time zone is called Mars/Olympus"),
        (
            vkey(
                "team: red, limits: [" + ", ".join(f"{{requests: 1, per: {n}s}}" for n in range(1, 31)) + "]",
                "teams: {red: {limits: [{requests: 1, per: 1m}, {tokens: 1, per: 1m}, {concurrency: 1}]}}",
            ),
            "is held to 33 limits and budgets (30 its own, 3 its team's); at most 32 can be looked at with each",
        ),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    lines = said(text)
    assert len(lines) == 1, lines
    assert message in lines[0]


@pytest.mark.parametrize(
    "text",
    [
        "customers: {acme: {limits: [{tokens: 5, per: month}], models: ['p/*'], routes: [fast], priority: low}}\n"
        "teams: {red: {customer: acme, models: [p/x]}}\n" + vkey("team: red, customer: acme, models: ['*']"),
        vkey("providers: [q, {provider: p, keys: [k], weight: 0, limits: [{concurrency: 3}]}]"),
        vkey("limits: [{requests: 1, per: day}, {requests: 1, per: 1d}, {requests: 1, per: 1d, window: rolling}]"),
        vkey("limits: [{tokens: 1, per: quarter, time_zone: Asia/Kolkata}]", "time_zone: Europe/Berlin"),
    ],
)
def test_what_is_right(text: str) -> None:
    assert said(text) == []
