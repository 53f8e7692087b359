"""One secret under AES-256-GCM, bound to the place where it is stored.

``mgs1.KEYID.DATA``: the id of the master key, and in base64url a random nonce of 96 bits, the ciphertext and its tag.
Table, row, field and key id are authenticated with it, so a ciphertext opens only where it was written. Nonces are
random: NIST SP 800-38D 8.3 allows 2^32 of them a key, and a secret is written a few times in its life.
"""

from __future__ import annotations

import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, NamedTuple

from gateway.secrets.master_key import KeyRing

NONCE_BYTES = 12
_SEALED = re.compile(r"mgs1\.([0-9a-f]{16})\.([A-Za-z0-9_-]+={0,2})")


class Place(NamedTuple):
    """Where a secret is stored."""

    table: str
    row: str
    field: str
    """Path within the row: ``value``, ``credential.client_secret``."""


class SealedError(Exception):
    """A stored secret cannot be opened; the message names its place and holds nothing of it."""


def seal(ring: KeyRing, place: Place, plain: str) -> str:
    """``plain`` under the ring's first key, for this place alone."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    key = ring.current
    content = _cipher(key.value).encrypt(nonce, plain.encode(), _bound_to(place, key.id))
    return f"mgs1.{key.id}.{urlsafe_b64encode(nonce + content).decode()}"


def unseal(ring: KeyRing, place: Place, sealed: str) -> str:
    """What ``seal`` was given. Raises SealedError: it was changed, was moved from another place, or its key is not
    there."""
    from cryptography.exceptions import InvalidTag

    found = _SEALED.fullmatch(sealed)
    if found is None:
        raise SealedError(f"{_named(place)} is not encrypted as it should be")
    key = ring.find(found[1])
    if key is None:
        raise SealedError(f"{_named(place)} is encrypted with the master key {found[1]}, which is not given")
    try:
        data = urlsafe_b64decode(found[2])
        plain: bytes = _cipher(key.value).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], _bound_to(place, key.id))
        return plain.decode()
    except (InvalidTag, ValueError):
        raise SealedError(f"{_named(place)} was changed, or belongs elsewhere") from None


def key_of(sealed: str) -> str:
    """Id of the master key of a sealed secret; empty for what is none."""
    found = _SEALED.fullmatch(sealed)
    return found[1] if found is not None else ""


def _cipher(key: bytes) -> Any:
    # Here and not above: control imports this module at every start, and most have no secret in their database.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def _bound_to(place: Place, key_id: str) -> bytes:
    """Each part behind its length: no two places have the same bytes."""
    parts = [part.encode() for part in (*place, key_id)]
    return b"mgs1" + b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _named(place: Place) -> str:
    return f"the secret {place.field} of {place.table} {place.row}"
