"""What is encrypted for one place opens there, and nowhere else."""

from __future__ import annotations

import itertools
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.secrets.envelope import Place, SealedError, key_of, seal, unseal
from gateway.secrets.master_key import KeyRing, MasterKey
from tests.live.rounds import measured

OLD, NEW = MasterKey(b"o" * 32), MasterKey(b"n" * 32)
RING = KeyRing([OLD], "a test")
HERE = Place("provider_keys", "0192-1", "value")
PLAIN = "sk-provider-canary-0123456789"


@given(st.text(max_size=200))
def test_it_opens_where_it_was_sealed(plain: str) -> None:
    sealed = seal(RING, HERE, plain)
    assert unseal(RING, HERE, sealed) == plain
    assert key_of(sealed) == OLD.id
    assert len(plain) < 4 or plain not in sealed


def test_the_same_secret_never_looks_the_same() -> None:
    assert len({seal(RING, HERE, PLAIN) for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "elsewhere",
    [HERE._replace(table="tokens"), HERE._replace(row="0192-2"), HERE._replace(field="proxy"),
     # The parts are bound one by one, not as one text.
     Place("provider_keys0192-1", "", "value"), Place("provider_keys", "0192-1value", "")],
)  # fmt: skip
def test_a_ciphertext_that_was_moved_is_refused(elsewhere: Place) -> None:
    with pytest.raises(SealedError, match=r"was changed, or belongs elsewhere") as caught:
        unseal(RING, elsewhere, seal(RING, HERE, PLAIN))
    assert PLAIN not in str(caught.value)


def test_every_flipped_bit_is_refused() -> None:
    magic, key_id, data = seal(RING, HERE, PLAIN).split(".")
    content = urlsafe_b64decode(data)
    for at, bit in itertools.product(range(len(content)), range(8)):
        changed = bytearray(content)
        changed[at] ^= 1 << bit
        with pytest.raises(SealedError):
            unseal(RING, HERE, f"{magic}.{key_id}.{urlsafe_b64encode(changed).decode()}")
    measured("bits flipped, one by one", 8 * len(content), "each refused")
    for cut in range(len(content)):
        with pytest.raises(SealedError):
            unseal(RING, HERE, f"{magic}.{key_id}.{urlsafe_b64encode(content[:cut]).decode()}")


def test_the_name_of_another_key_is_refused_though_that_key_is_there() -> None:
    both = KeyRing([NEW, OLD], "a test")
    sealed = seal(RING, HERE, PLAIN)
    assert unseal(both, HERE, sealed) == PLAIN
    with pytest.raises(SealedError, match="was changed"):
        unseal(both, HERE, sealed.replace(OLD.id, NEW.id))


def test_a_key_that_is_not_given_is_named() -> None:
    with pytest.raises(SealedError, match=f"encrypted with the master key {OLD.id}, which is not given"):
        unseal(KeyRing([NEW], "a test"), HERE, seal(RING, HERE, PLAIN))


@pytest.mark.parametrize("text", ["", PLAIN, "mgs1.", "mgs1.0123456789abcdef.", "mgs1.0123456789abcdef.!", "mgs2.x.y"])
def test_what_was_never_encrypted_is_refused_and_not_repeated(text: str) -> None:
    assert key_of(text) == ""
    with pytest.raises(SealedError, match="not encrypted as it should be") as caught:
        unseal(RING, HERE, text)
    assert PLAIN not in str(caught.value)
