"""The file and the database as one configuration."""

from __future__ import annotations

from gateway.config.levels import VirtualKeyEntry
from gateway.config.loader import loads
from gateway.config.names import RowId
from gateway.config.references import Secret
from gateway.config.schema import Config
from gateway.config.validate import validate
from gateway.snapshot.digest import key_digest
from gateway.snapshot.entities import Entities, Merged, merge
from gateway.snapshot.keytable import ENABLED, FROM_FILE
from gateway.snapshot.model import id_hash
from gateway.snapshot.plan import plan

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
