"""What a virtual key is stored as: HMAC-SHA256(pepper, SHA-256(key)).

The inner SHA-256 is there so that tables of plain SHA-256 hashes kept by other gateways can be imported; the outer HMAC
makes a stolen table useless without the pepper, which never lies beside it. A digest presented as a key is hashed again
and therefore opens nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import re

DIGEST_BYTES = 32
PEPPER_BYTES = 32

_HASH = re.compile(r"sha256:([0-9A-Fa-f]{64})")


def key_digest(pepper: bytes, key: bytes) -> bytes:
    """The 32 bytes under which ``key`` stands in the table; always of the whole credential, whatever its length."""
    return hmac.digest(pepper, hashlib.sha256(key).digest(), "sha256")


def imported_digest(pepper: bytes, sha256_of_key: bytes) -> bytes:
    """The same for a key of which only the SHA-256 is known. Raises ValueError unless that is 32 bytes."""
    if len(sha256_of_key) != DIGEST_BYTES:
        raise ValueError("a SHA-256 hash has 32 bytes")
    return hmac.digest(pepper, sha256_of_key, "sha256")


def hash_of(key: bytes) -> str:
    """``sha256:`` and the hexadecimal SHA-256 of a key: how a configuration may name one that it does not hold."""
    return f"sha256:{hashlib.sha256(key).hexdigest()}"


def sha256_in(text: str) -> bytes:
    """The 32 bytes of such a hash. Raises ValueError for anything else."""
    found = _HASH.fullmatch(text)
    if found is None:
        raise ValueError("expected sha256: and 64 hexadecimal digits")
    return bytes.fromhex(found[1])
