"""Ids of the objects that providers keep, as tenants see them: sealed for their owner, opened without a database.

``file-abc`` of a provider becomes ``file-mg`` and hexadecimal digits. In them are the provider key and the id,
enciphered with AES-SIV (RFC 5297), which is deterministic: the same object always has the same id. The owner and the
prefix are authenticated with it, so an id opens only for whom it was sealed; one that was changed, or was sealed for
somebody else, does not open at all. The key is derived from the pepper of the data directory.
"""

from __future__ import annotations

import hmac
import re
from functools import lru_cache
from typing import Any

SHAPE = re.compile(r"((?:[A-Za-z]{1,24}[-_/])?)mg((?:[0-9a-f]{2}){25,1040})")
"""A sealed id. No provider's own looks like it."""
_PREFIX = re.compile(r"[A-Za-z]{1,24}[-_/]")
_HEX = re.compile(r"(?:[0-9a-f]{2})+")
_TEXT = 1
_DIGITS = 2
"""The rest of the id was hexadecimal digits, as many providers' are, and is kept in half the room."""
MOST = 1024
"""Longest id that is sealed; the longest in use have about 80 characters."""
VIRTUAL_KEY = b"virtual_key"


class Seal:
    """Seals and opens with one data directory's key."""

    def __init__(self, pepper: bytes) -> None:
        # It takes 20 ms to import, and a worker that is never asked for an object does without.
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV

        self._cipher: Any = AESSIV(hmac.digest(pepper, b"microgate: ids of stored objects", "sha512"))

    def seal(self, owner: int, key: int, name: str, kind: bytes = VIRTUAL_KEY) -> str:
        """The id under which ``owner`` (a stable id's hash, of this ``kind``) knows the object ``name`` of the account
        of provider key ``key`` (the same). What is sealed for this owner already, or is too long, stays as it is."""
        if len(name) > MOST or (SHAPE.fullmatch(name) and self.open(owner, name, kind) is not None):
            return name
        found = _PREFIX.match(name)
        prefix = "" if found is None else found[0]
        rest = name[len(prefix) :]
        content = key.to_bytes(8, "little")
        if _HEX.fullmatch(rest):
            content += bytes((_DIGITS,)) + bytes.fromhex(rest)
        else:
            content += bytes((_TEXT,)) + rest.encode()
        sealed = self._cipher.encrypt(content, [kind, owner.to_bytes(8, "little"), prefix.encode()])
        return f"{prefix}mg{sealed.hex()}"

    def open(self, owner: int, sealed: str, kind: bytes = VIRTUAL_KEY) -> tuple[int, str] | None:
        """(provider key's id hash, the provider's own id); None unless it was sealed for this owner."""
        from cryptography.exceptions import InvalidTag

        found = SHAPE.fullmatch(sealed)
        if found is None:
            return None
        prefix = found[1]
        try:
            content = self._cipher.decrypt(
                bytes.fromhex(found[2]), [kind, owner.to_bytes(8, "little"), prefix.encode()]
            )
        except InvalidTag:
            return None
        rest = content[9:]
        return int.from_bytes(content[:8], "little"), prefix + (rest.hex() if content[8] == _DIGITS else rest.decode())


@lru_cache(maxsize=2)
def seal_of(pepper: bytes) -> Seal:
    """The seal of this data directory."""
    return Seal(pepper)
