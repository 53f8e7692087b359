"""Customers, teams and virtual keys: who is held to what, and what nobody below may do."""

from __future__ import annotations

import msgspec
import pytest

from _speedups._bucket import GAUGE, GCRA, INPUT_TOKENS, MONEY, OUTPUT_TOKENS, REQUESTS, ROLLING, TOKENS, USD, WINDOW
from gateway.config.loader import loads
from gateway.snapshot.keytable import ENABLED, PRIORITY_HIGH, PRIORITY_LOW
from gateway.snapshot.levels import NOTHING, both
from gateway.snapshot.limits import CUSTOMER, KEY, LEVELS, PERIODS, PROVIDER, TEAM, Label, label_of
from gateway.snapshot.model import ProviderConfig, Ruleset, id_hash
from gateway.snapshot.plan import KeyPlan, Plan, plan

PEPPER = b"p" * 32
S = 10**9
GOOD = "sk-0123456789012345678901"
PROVIDERS = "providers: {p: {base_url: 'http://h/', keys: [{name: k, value: v}]}, q: {base_url: 'http://i/'}}\n"
ROUTES = "routes: {fast: {targets: [p/m]}, slow: {targets: [q/m]}}\n"


def planned(text: str) -> Plan:
    return plan(loads(PROVIDERS + ROUTES + text, "f.yaml", {}).config, PEPPER)


def key(above: str, own: str = "") -> tuple[KeyPlan, Ruleset]:
    made = planned(f"{above}\nvirtual_keys: [{{name: a, value: {GOOD}, {own}}}]")
    (found,) = made.keys
    return found, made.rulesets[found.ruleset]


def test_every_kind_of_limit_and_budget() -> None:
    found, _ = key(
        "time_zone: Europe/Berlin",
        "limits: [{input_tokens: 5, per: 1m}, {output_tokens: 6, per: month}, {tokens: 7, per: day, time_zone: UTC},"
        " {requests: 8, per: 2s, window: smooth}, {concurrency: 3}],"
        " budgets: [{usd: 12.50, per: month}, {usd: '0.000000001', per: 30d, window: rolling}, {usd: 3}]",
    )
    month, day = PERIODS.index("month"), PERIODS.index("day")
    assert [tuple(limit)[1:] for limit in map(as_tuple, found.limits)] == [
        (WINDOW, 5, 60 * S, 0, INPUT_TOKENS, KEY, 0, ""),
        (WINDOW, 6, 31 * 86400 * S, 0, OUTPUT_TOKENS, KEY, month, "Europe/Berlin"),
        (WINDOW, 7, 86400 * S, 0, TOKENS, KEY, day, "UTC"),
        (GCRA, 8, 2 * S, 8, REQUESTS, KEY, 0, ""),
        (GAUGE, 3, 0, 0, REQUESTS, KEY, 0, ""),
        (MONEY, 12_500_000_000, 31 * 86400 * S, 0, REQUESTS, KEY, month, "Europe/Berlin"),
        (ROLLING, 1, 30 * 86400 * S, 0, USD, KEY, 0, ""),
        (MONEY, 3 * S, 0, 0, REQUESTS, KEY, 0, ""),
    ]
    assert len({limit.id_hash for limit in found.limits}) == 8


def as_tuple(limit: object) -> tuple[object, ...]:
    return tuple(getattr(limit, field) for field in limit.__struct_fields__)  # type: ignore[attr-defined]


def test_levels_are_held_to_in_their_order() -> None:
    found, _ = key(
        "customers: {acme: {budgets: [{usd: 9, per: year}]}}\n"
        "teams: {red: {customer: acme, limits: [{requests: 5, per: 1m}]}}",
        "team: red, limits: [{concurrency: 2}], "
        "providers: [q, {provider: p, limits: [{tokens: 4, per: 1h}], budgets: [{usd: 1, per: day}]}]",
    )
    assert [(limit.level, limit.limit) for limit in found.limits] == [
        (KEY, 2), (TEAM, 5), (CUSTOMER, 9 * S), (PROVIDER, 4), (PROVIDER, S),
    ]  # fmt: skip
    assert (found.team, found.customer) == (id_hash("file:team/red"), id_hash("file:customer/acme"))


def test_keys_of_one_team_share_its_limits() -> None:
    made = planned(
        "teams: {red: {limits: [{requests: 5, per: 1m}]}}\n"
        f"virtual_keys: [{{name: a, value: {GOOD}a, team: red}}, {{name: b, value: {GOOD}b, team: red}}]"
    )
    assert len({each.limits for each in made.keys}) == 1


def test_a_customer_without_a_team_between() -> None:
    found, _ = key("customers: {acme: {limits: [{requests: 5, per: 1m}], id: c-1}}", "customer: acme")
    assert [limit.level for limit in found.limits] == [CUSTOMER]
    assert (found.team, found.customer) == (0, id_hash("file:customer/c-1"))


def test_names_of_levels() -> None:
    made = planned("customers: {acme: {}}\nteams: {red: {customer: acme}}")
    assert made.names[id_hash("file:team/red")] == "team/red"
    assert made.names[id_hash("file:customer/acme")] == "customer/acme"


@pytest.mark.parametrize(
    ("above", "own", "flags"),
    [
        ("teams: {red: {priority: low}}", "team: red", ENABLED | PRIORITY_LOW),
        ("teams: {red: {priority: low}}", "team: red, priority: high", ENABLED | PRIORITY_HIGH),
        ("teams: {red: {priority: low}}", "team: red, priority: normal", ENABLED),
        ("customers: {c: {priority: high}}\nteams: {red: {customer: c}}", "team: red", ENABLED | PRIORITY_HIGH),
        ("customers: {c: {priority: high}}", "customer: c", ENABLED | PRIORITY_HIGH),
        ("teams: {red: {enabled: false}}", "team: red", 0),
        ("customers: {c: {enabled: false}}\nteams: {red: {customer: c}}", "team: red", 0),
        ("customers: {c: {enabled: false}}", "customer: c", 0),
        ("", "enabled: false", 0),
    ],
)
def test_priority_and_being_switched_off_come_from_above(above: str, own: str, flags: int) -> None:
    found, _ = key(above, own)
    assert found.flags & (ENABLED | PRIORITY_HIGH | PRIORITY_LOW) == flags


def test_what_is_allowed_is_what_all_levels_allow() -> None:
    _, rules = key(
        "customers: {c: {models: ['p/*'], routes: [fast], providers: [p, q]}}\n"
        "teams: {red: {customer: c, models: ['p/gpt*', 'q/*'], routes: [fast, slow], providers: [p]}}",
        "team: red, models: ['p/gpt-4o', 'q/x', 'p/gpt-5*'], routes: [fast]",
    )
    assert rules == Ruleset(models=("p/gpt-4o", "p/gpt-5*", "fast"), providers=("p",))


def test_provider_configs_are_rules() -> None:
    found, rules = key(
        "", "providers: [q, {provider: p, keys: [k], weight: 3, limits: [{requests: 1, per: 1m}], budgets: [{usd: 1}]}]"
    )
    assert rules == Ruleset(
        providers=("q", "p"), configs=(ProviderConfig(provider="p", keys=("k",), weight=3.0, limits=2),)
    )
    assert len(found.limits) == 2


@pytest.mark.parametrize(
    ("inner", "outer", "common"),
    [
        ((), (), ()),
        (("a",), (), ("a",)),
        ((), ("a*",), ("a*",)),
        (("a*", "b"), ("ab*", "c*"), ("ab*",)),
        (("a*",), ("a*",), ("a*",)),
        (("abc",), ("ab*", "a*"), ("abc",)),
        (("*",), ("x", "y*"), ("x", "y*")),
        (("a",), ("b",), NOTHING),
        (("a*",), ("b*",), NOTHING),
    ],
)
def test_lists_that_both_allow(inner: tuple[str, ...], outer: tuple[str, ...], common: tuple[str, ...]) -> None:
    assert both(inner, outer) == common
    assert set(both(outer, inner)) == set(common)


def test_a_changed_figure_is_the_same_limit_and_another_period_is_not() -> None:
    def identity(own: str) -> int:
        return key("", own)[0].limits[0].id_hash

    assert identity("budgets: [{usd: 1, per: month}]") == identity("budgets: [{usd: 2, per: month, time_zone: UTC}]")
    different = {
        identity(own)
        for own in (
            "budgets: [{usd: 1, per: month}]",
            "budgets: [{usd: 1, per: 31d}]",
            "budgets: [{usd: 1, per: 31d, window: rolling}]",
            "budgets: [{usd: 1}]",
            "limits: [{tokens: 1, per: month}]",
            "limits: [{input_tokens: 1, per: month}]",
            "limits: [{tokens: 1, per: 31d}]",
        )
    }
    assert len(different) == 7


def test_labels() -> None:
    assert len(LEVELS) == 4
    for label in (Label(KEY), Label(PROVIDER, 7, 255), Label(TEAM, 3, 9), Label(CUSTOMER, 0, 0)):
        assert label_of(label.pack()) == label
        assert label.pack() < 1 << 13


def test_a_plan_can_be_sealed() -> None:
    made = planned(
        "customers: {c: {budgets: [{usd: 1.5, per: month}], limits: [{tokens: 1, per: day}]}}\n"
        f"virtual_keys: [{{name: a, value: {GOOD}, customer: c, providers: [{{provider: p, weight: 2}}]}}]"
    )
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(made), type=Plan) == made
