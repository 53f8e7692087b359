"""By what a virtual key is known: value or hash."""

from __future__ import annotations

import hashlib

import pytest

from gateway.config.loader import loads
from gateway.config.problems import ConfigError
from gateway.snapshot.digest import hash_of, key_digest, sha256_in
from gateway.snapshot.plan import plan

PEPPER = b"p" * 32
GOOD = "sk-0123456789012345678901"
HASH = f"sha256:{hashlib.sha256(GOOD.encode()).hexdigest()}"


def said(*keys: str) -> str:
    try:
        return "\n".join(p.render("f.yaml") for p in loads(f"virtual_keys: [{', '.join(keys)}]", "f.yaml", {}).warnings)
    except ConfigError as error:
        return str(error)


@pytest.mark.parametrize("hashed", [HASH, HASH[:7] + HASH[7:].upper()])
def test_a_hash_stands_for_its_key(hashed: str) -> None:
    def digests(entry: str) -> list[bytes]:
        return [key.digest for key in plan(loads(f"virtual_keys: [{entry}]", "f.yaml", {}).config, PEPPER).keys]

    by_value = digests(f"{{name: a, value: {GOOD}}}")
    assert by_value == digests(f"{{name: a, hash: '{hashed}'}}") == [key_digest(PEPPER, GOOD.encode())]


def test_the_written_form_of_a_hash() -> None:
    assert hash_of(GOOD.encode()) == HASH
    assert sha256_in(HASH) == hashlib.sha256(GOOD.encode()).digest()


@pytest.mark.parametrize("wrong", ["short", HASH[7:], HASH[:-1], HASH + "0", "sha512:" + HASH[7:], f"{HASH[:-1]}g"])
def test_what_is_no_hash_is_refused_and_not_repeated(wrong: str) -> None:
    told = said(f"{{name: a, hash: '{wrong}'}}")
    assert "virtual_keys[0].hash: expected sha256: and 64 hexadecimal digits; `microgate keys hash`" in told
    assert wrong not in told


def test_one_of_value_and_hash_is_needed() -> None:
    assert "virtual_keys[0]: value is missing; `microgate keys generate` makes one" in said("{name: a}")
    both = said(f"{{name: a, value: {GOOD}, hash: '{HASH}'}}")
    assert "virtual_keys[0].hash: is not looked at beside a value" in both


@pytest.mark.parametrize(
    ("second", "field"),
    [(f"value: {GOOD}", "value"), (f"hash: '{HASH}'", "hash"), (f"hash: '{HASH[:7]}{HASH[7:].upper()}'", "hash")],
)
@pytest.mark.parametrize("first", [f"value: {GOOD}", f"hash: '{HASH}'"])
def test_a_key_belongs_to_one_caller_however_it_is_known(first: str, second: str, field: str) -> None:
    told = said(f"{{name: a, {first}}}", f"{{name: b, {second}}}")
    assert f"virtual_keys[1].{field}: is the same as that of a; a key belongs to one caller" in told


def test_a_hash_is_told_by_reference_and_shown_by_nothing() -> None:
    loaded = loads("virtual_keys: [{name: a, hash: env.H}]", "f.yaml", {"H": HASH})
    assert HASH not in repr(loaded)
    assert loaded.config.virtual_keys[0].hash is not None
