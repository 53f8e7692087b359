"""Which credentials open the gateway, and what the others are told."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import pytest

from gateway.snapshot.digest import hash_of, key_digest
from gateway.snapshot.store import load_or_create_keys
from gateway.virtual_key import generate
from tests.live.fixtures import Start
from tests.live.instance import Gateway, configuration
from tests.live.upstreams import Upstream
from tests.live.wire import ask, request

OWN = generate()
IMPORTED = "sk-of-another-gateway-0123456789"
LONG = "sk-" + "x" * 4000


@pytest.fixture(scope="module")
def keyed(upstream_for_module: Upstream, start_for_module: Start) -> Gateway:
    keys = [
        {"name": "own", "value": OWN},
        {"name": "imported", "hash": hash_of(IMPORTED.encode())},
        {"name": "long", "value": LONG + "1"},
    ]
    return start_for_module(configuration(upstream_for_module.url, virtual_keys=keys))


@pytest.mark.parametrize("key", [OWN, IMPORTED, LONG + "1"], ids=["own", "imported", "long"])
def test_a_key_opens_however_the_file_names_it(keyed: Gateway, key: str) -> None:
    assert ask(keyed.port, request(key=key)).status == 200


def refused(gateway: Gateway, key: str) -> str:
    answer = ask(gateway.port, request(key=key))
    assert answer.status == 401
    return answer.body.decode()


def test_a_mistyped_key_is_told_so(keyed: Gateway) -> None:
    swapped = OWN[:-2] + OWN[-1] + OWN[-2]
    for wrong in (swapped if swapped != OWN else OWN[:-1], OWN[:-1], OWN + "a", OWN.upper().replace("SK-MG", "sk-mg")):
        assert "mistyped or cut off" in refused(keyed, wrong)
    assert "not known here" in refused(keyed, generate())
    assert "not known here" in refused(keyed, IMPORTED[:-1])


def test_what_is_stored_opens_nothing(keyed: Gateway) -> None:
    pepper = load_or_create_keys(str(Path(keyed.paths.data_dir) / "microgate.key")).pepper
    digest = key_digest(pepper, OWN.encode())
    for stored in (digest.hex(), hash_of(OWN.encode()), hashlib.sha256(OWN.encode()).hexdigest()):
        assert "not known here" in refused(keyed, stored)
    assert digest == hmac.digest(pepper, hashlib.sha256(OWN.encode()).digest(), "sha256")


def test_keys_that_begin_alike_are_not_taken_for_each_other(keyed: Gateway) -> None:
    """What is remembered of a credential is remembered of all of it."""
    for _ in range(2):
        assert ask(keyed.port, request(key=LONG + "1")).status == 200
        for other in (LONG, LONG + "2", LONG + "11", LONG[:-1] + "1"):
            refused(keyed, other)
