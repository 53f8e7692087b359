"""The form of the gateway's own virtual keys: ``sk-mg-`` and 32 characters with 128 random bits and their checksum.

The checksum lets a key that was mistyped or cut off be told from one that is unknown. It opens nothing: what counts is
the digest in the table. Keys that a configuration brings along need neither form nor checksum.
"""

from __future__ import annotations

import os
import re
from base64 import b32decode, b32encode
from collections.abc import Callable
from zlib import crc32

PREFIX = "sk-mg-"
RANDOM_BYTES = 16
CHECKSUM_BYTES = 4
"""CRC-32 (ISO 3309) finds every change within 32 neighbouring bits: six characters replaced, or two swapped."""

_FORM = re.compile(rb"sk-mg-([a-z2-7]{32})")


def generate(random: Callable[[int], bytes] = os.urandom) -> str:
    """A new key of 38 characters; the alphabet is RFC 4648's base32 in lower case, which needs no padding here."""
    content = random(RANDOM_BYTES)
    return PREFIX + b32encode(content + crc32(content).to_bytes(CHECKSUM_BYTES, "big")).decode().lower()


def is_own(credential: bytes) -> bool:
    """Whether this is a whole key of the gateway's own making."""
    found = _FORM.fullmatch(credential)
    if found is None:
        return False
    content = b32decode(found[1].upper())
    return crc32(content[:RANDOM_BYTES]) == int.from_bytes(content[RANDOM_BYTES:], "big")


def is_mistyped(credential: bytes) -> bool:
    """Whether it begins like one and is none. To be asked about unknown credentials only: a configured key may begin
    like that."""
    return credential.startswith(PREFIX.encode()) and not is_own(credential)
