"""The file and the database as one configuration."""

from __future__ import annotations

import msgspec
import pytest

from gateway.config.levels import VirtualKeyEntry
from gateway.config.loader import loads
from gateway.config.names import RowId
from gateway.config.prices import PriceEntry
from gateway.config.references import Secret
from gateway.config.schema import Config
from gateway.config.settings import GROUPS, SETTING, StoredSetting, group_of
from gateway.config.units import Usd
from gateway.config.validate import validate
from gateway.secrets.bodies import converted
from gateway.snapshot.digest import key_digest
from gateway.snapshot.entities import Entities, Merged, merge
from gateway.snapshot.keytable import ENABLED, FROM_FILE
from gateway.snapshot.model import id_hash
from gateway.snapshot.plan import combine, database_entities, plan
from gateway.snapshot.settings import defaults
from gateway.snapshot.stored_settings import under_stored, with_stored
from gateway.stores.protocols import LogLimits

PEPPER = b"p" * 32
FILE = """
providers: {p: {base_url: 'http://h.example/v1', keys: [{name: k, value: v}]}}
virtual_keys: [{name: alice, value: sk-0123456789012345678901}]
"""


def key(name: str, number: int, **more: object) -> VirtualKeyEntry:
    digest = key_digest(PEPPER, name.encode()).hex()
    entry = VirtualKeyEntry(name=name, hash=Secret(digest), id=RowId(f"0192-{number}"))
    return entry if not more else VirtualKeyEntry(**{f: getattr(entry, f) for f in entry.__struct_fields__} | more)  # type: ignore[arg-type]


def entities(*keys: VirtualKeyEntry) -> Entities:
    return Entities(1, {("virtual_key", entry.name): entry for entry in keys})


def config(text: str = FILE) -> Config:
    return loads(text, "f.yaml", {}).config


def merged(*keys: VirtualKeyEntry) -> Merged:
    return merge(config(), entities(*keys), validate, PEPPER)


def test_without_a_database_the_file_is_all() -> None:
    both = merged()
    assert both.config == config()
    assert both.left_out == ()


def test_keys_of_both_are_served_and_told_apart() -> None:
    both = merged(key("bob", 1))
    alice, bob = plan(both.config, PEPPER).keys
    assert (alice.flags, bob.flags) == (ENABLED | FROM_FILE, ENABLED)
    assert bob.id_hash == id_hash("0192-1")
    assert bob.digest == key_digest(PEPPER, b"bob")


def test_on_a_clash_of_names_the_file_wins() -> None:
    both = merged(key("alice", 1), key("bob", 2))
    assert [entry.name for entry in both.config.virtual_keys] == ["alice", "bob"]
    assert [(left.id, left.label) for left in both.shadowed] == [("0192-1", "virtual_key/alice")]


def test_what_cannot_be_used_is_left_out_and_the_rest_is_served() -> None:
    both = merged(key("bob", 1, providers=["gone"]), key("carol", 2, providers=["p"]), key("dave", 3, stateful="p/x"))
    assert [entry.name for entry in both.config.virtual_keys] == ["alice", "carol"]
    assert {left.label: left.why for left in both.unusable} == {
        "virtual_key/bob": "no provider is called gone",
        "virtual_key/dave": "the provider p has no key called x",
    }


def test_one_pin_of_two_rows_stays() -> None:
    both = merged(key("bob", 1, stateful="p/k"), key("carol", 2, stateful="p/k"))
    assert [left.label for left in both.unusable] == ["virtual_key/carol"]


def test_a_value_belongs_to_one_key() -> None:
    of_file = key_digest(PEPPER, b"sk-0123456789012345678901").hex()
    twice = key("bob", 1, hash=Secret(of_file))
    both = merged(twice, key("carol", 2), key("dave", 3, hash=key("carol", 2).hash))
    assert [entry.name for entry in both.config.virtual_keys] == ["alice", "carol"]
    assert {left.label: left.why for left in both.unusable} == {
        "virtual_key/bob": "another virtual key has the same value",
        "virtual_key/dave": "another virtual key has the same value",
    }
    assert len({each.digest for each in plan(both.config, PEPPER).keys}) == 2


def test_an_entity_is_tried_in_its_own_place() -> None:
    changed = entities(key("bob", 1), key("carol", 2)).changed("0192-1", entities(key("robert", 1)))
    assert [name for _, name in changed.entries] == ["carol", "robert"]


def stored(group: str, text: str) -> Entities:
    value = converted(msgspec.json.decode(text), GROUPS[group].spec)
    return Entities(1, {(SETTING, group): StoredSetting(RowId(f"0192-{group}"), value)})


def test_of_a_group_the_file_has_what_it_says_and_the_database_the_rest() -> None:
    file = config(FILE + "retry: {attempts: 2}\nserver: {explain: false, port: 9}\n")
    both = merge(file, stored("retry", '{"attempts": 9, "budget": 0.5}'), validate, PEPPER)
    assert (both.config.retry.attempts, both.config.retry.budget) == (2, 0.5)
    both = merge(file, stored("server", '{"explain": true, "trusted_proxies": ["::1"]}'), validate, PEPPER)
    assert (both.config.server.explain, both.config.server.trusted_proxies, both.config.server.port) == (
        False,
        ["::1"],
        9,
    )
    assert both.left_out == ()


@pytest.mark.parametrize(
    ("group", "text"),
    [
        ("retry", '{"budget": 0.5, "backoff_initial": 9.0}'),
        ("accounting", '{"time_zone": "Nowhere/Else"}'),
        ("server", '{"trusted_proxies": ["x"]}'),
        ("server.limits", '{"header_bytes": 0}'),
        ("timeouts", '{"total": 0.0}'),
        ("model_lists", '{"refresh": 0.5}'),
    ],
)
def test_settings_that_do_not_go_together_are_left_out_whole(group: str, text: str) -> None:
    file = config(FILE + "retry: {backoff_max: 1s}\n")
    both = merge(file, stored(group, text), validate, PEPPER)
    assert both.config == file
    assert [(left.id, left.label) for left in both.unusable] == [(f"0192-{group}", f"setting/{group}")]


def test_every_setting_that_is_refused_has_a_group() -> None:
    """What ``validate`` says of a place outside the entities concerns a group, or what is the file's alone."""
    assert {group_of(path) for path in ((), ("providers", "p"), ("server", "tls", "cert"), ("admin", "listen"))} == {""}
    assert group_of(("server", "limits", "header_bytes")) == "server.limits"


def test_what_holds_without_a_word_is_what_a_worker_holds_to() -> None:
    for name in GROUPS:
        assert defaults(name).keys() == set(GROUPS[name].spec.__struct_fields__)
    assert defaults("log")["retention"] == LogLimits().max_age_s


def test_rules_of_both_are_sorted_and_the_files_come_first() -> None:
    file = config(FILE + "prices: [{model: a, input: 1, output: 1}, {input: 3, output: 3, name: all}]\n")
    of_database = {
        ("price", name): PriceEntry(name=name, id=RowId(f"0192-{name}"), output=Usd("2"), input=Usd("2"), **more)
        for name, more in {"any": {"model": "a*"}, "twice": {"model": "a"}, "all": {}}.items()
    }
    both = merge(file, Entities(1, of_database), validate, PEPPER)
    assert [(left.label, left in both.shadowed) for left in both.left_out] == [
        ("price/all", True),
        ("price/twice", False),
    ]
    rules = plan(both.config, PEPPER).price_rules
    assert [(rule.id, rule.source) for rule in rules] == [
        ("file:price/prices[0]", "prices[0]"),
        ("0192-any", "price any"),
        ("file:price/all", "price all"),
    ]
    # A start without the database has the same rules, except what the file no longer says.
    again = combine(plan(config(), PEPPER), plan(both.config, PEPPER))
    assert [rule.id for rule in again.price_rules] == ["0192-any"]
    assert database_entities(again) == 1


def test_a_sealed_plan_brings_its_settings_to_a_start() -> None:
    both = merge(config(), stored("timeouts", '{"connect": 7.5}'), validate, PEPPER)
    sealed = with_stored(plan(both.config, PEPPER), both.settings)
    assert database_entities(sealed) == 1
    assert under_stored(config(), sealed).timeouts.connect == 7.5
    assert under_stored(config(FILE + "timeouts: {connect: 2s}\n"), sealed).timeouts.connect == 2.0
    worse = msgspec.structs.replace(
        sealed, stored_settings={"timeouts": b'{"total": 0.0}', "of a later version": b"{}"}
    )
    assert under_stored(config(), worse) == config()
    # A group that cannot be used takes no other one away.
    beside = msgspec.structs.replace(
        sealed, stored_settings={"timeouts": b'{"total": 0.0}', "retry": b'{"attempts": 7}'}
    )
    assert under_stored(config(), beside).retry.attempts == 7


def test_an_embedder_of_the_database_is_there_at_a_start() -> None:
    """The file alone does not know it: its provider comes from the sealed plan as well."""
    provider = {("provider", "own"): msgspec.structs.replace(config().providers["p"], id=RowId("0192-own"))}
    cache = stored("cache", '{"enabled": true, "semantic": {"embedder": "own/e"}}')
    both = merge(config(), Entities(1, provider | dict(cache.entries)), validate, PEPPER)
    assert both.left_out == ()
    sealed = with_stored(plan(both.config, PEPPER), both.settings)
    found = under_stored(config(), sealed).cache
    assert (found.enabled, found.semantic) == (True, both.config.cache.semantic)
    gone = msgspec.structs.replace(sealed, providers={})
    assert under_stored(config(), gone) == config()
