"""Which members of an entity are secret is told by their type."""

from __future__ import annotations

import itertools
import json

import msgspec
import pytest

from gateway.config.levels import VirtualKeyEntry
from gateway.config.references import Secret
from gateway.config.schema import KeyEntry, ProviderEntry
from gateway.secrets.bodies import converted, key_ids, mask, masked, opened, plain, sealed, secrets_of
from gateway.secrets.envelope import Place, SealedError, unseal
from gateway.secrets.master_key import KeyRing, MasterKey
from tests.live.rounds import measured

KEY = MasterKey(b"k" * 32)
RING = KeyRing([KEY], "a test")
BODY = {
    "base_url": "https://api.example.com/v1",
    "proxy": "http://user:proxy-canary@10.0.0.1:3128",
    "timeouts": {"connect": "3s"},
    "headers": {"x-team": "a"},
    "keys": [
        {"name": "a", "value": "sk-canary-value-0123456789"},
        {
            "name": "b",
            "credential": {
                "type": "entra_client_secret",
                "tenant": "t",
                "client_id": "c",
                "client_secret": "canary-client-secret-0123",
            },
        },
    ],
}


def provider() -> ProviderEntry:
    return converted(BODY, ProviderEntry)


def test_secrets_are_found_at_any_depth() -> None:
    found = {field: secret.reveal() for secret, field in secrets_of(provider())}
    assert found == {
        "proxy": "http://user:proxy-canary@10.0.0.1:3128",
        "keys[0].value": "sk-canary-value-0123456789",
        "keys[1].credential.client_secret": "canary-client-secret-0123",
    }


def test_what_is_stored_holds_none_and_opens_to_what_was_given() -> None:
    body = sealed(RING, "providers", "1", provider())
    assert "canary" not in json.dumps(body)
    assert key_ids(body, ProviderEntry) == {KEY.id}
    assert opened(RING, "providers", "1", body, ProviderEntry) == provider()
    assert plain(provider())["keys"][0]["value"] == "sk-canary-value-0123456789"


def test_ciphertexts_that_change_places_are_refused() -> None:
    body = sealed(RING, "providers", "1", provider())
    with pytest.raises(SealedError):
        opened(RING, "providers", "2", body, ProviderEntry)
    one, other = body["keys"]
    one["value"], other["credential"]["client_secret"] = other["credential"]["client_secret"], one["value"]
    with pytest.raises(SealedError, match=r"keys\[0\]\.value of providers 1 was changed, or belongs elsewhere"):
        opened(RING, "providers", "1", body, ProviderEntry)


def test_no_ciphertext_opens_in_any_other_place() -> None:
    """Of several rows of two tables, every secret at the place of every other one."""
    rows = [(table, row) for table in ("provider", "tokens") for row in ("1", "2", "11")]
    written = {
        (*where, field): secret.reveal()
        for where in rows
        for secret, field in secrets_of(converted(sealed(RING, *where, provider()), ProviderEntry))
    }
    opened_elsewhere = tried = 0
    for (place, text), other in itertools.product(written.items(), written):
        tried += 1
        try:
            unseal(RING, Place(*other), text)
        except SealedError:
            assert place != other
        else:
            opened_elsewhere += place != other
    measured("ciphertexts tried at places", tried, "each opens at its own alone")
    measured("opened elsewhere", opened_elsewhere, "0")
    assert (tried, opened_elsewhere) == (18 * 18, 0)


def test_a_secret_in_clear_in_the_store_is_refused() -> None:
    with pytest.raises(SealedError, match="not encrypted as it should be"):
        opened(RING, "providers", "1", BODY, ProviderEntry)


def test_what_is_shown_has_the_last_characters_of_long_secrets() -> None:
    shown = masked(provider())
    assert shown["keys"][0] == {"name": "a", "value": "...6789"}
    assert mask("short") == mask("fifteen-letters") == "..."
    assert "canary" not in json.dumps(shown)


def test_references_are_text_and_read_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET_OF_THE_MACHINE", "canary")
    entry = converted({"name": "a", "value": "env.A_SECRET_OF_THE_MACHINE"}, KeyEntry)
    assert entry.value is not None
    assert entry.value.reveal() == "env.A_SECRET_OF_THE_MACHINE"


@pytest.mark.parametrize("value", ["line\nbreak", "caf\u00e9", " space", 7, None, ["x"]])
def test_a_credential_that_no_field_could_carry_is_refused(value: object) -> None:
    if value is None:
        assert converted({"name": "a", "value": None}, KeyEntry).value is None
        return
    with pytest.raises(msgspec.ValidationError) as caught:
        converted({"name": "a", "value": value}, KeyEntry)
    assert "line" not in str(caught.value).replace("one line", "")


def test_an_entity_without_secrets_stays_the_object_it_is() -> None:
    entry = KeyEntry(name="a", models=["m"])
    assert list(secrets_of(entry)) == []
    assert opened(RING, "k", "1", sealed(RING, "k", "1", entry), KeyEntry) == entry
    assert KeyEntry(name="a", value=Secret("x")) != entry


def test_limits_and_budgets_come_back_as_they_were() -> None:
    given = {
        "name": "a",
        "limits": [{"tokens": 5, "per": "month"}, {"requests": 5, "per": 90}, {"concurrency": 3}],
        "budgets": [{"usd": "12.000000001", "per": "day"}, {"usd": 0.5, "per": "30d", "window": "rolling"}],
        "providers": ["p", {"provider": "q", "budgets": [{"usd": 3}]}],
    }
    entry = converted(given, VirtualKeyEntry)
    assert converted(plain(entry), VirtualKeyEntry) == entry
    assert [budget.usd for budget in entry.budgets] == [12_000_000_001, 500_000_000]
    assert [limit.per and limit.per.calendar for limit in entry.limits] == ["month", "", None]
