"""Whose an answer is: the 16 bytes with which the keys of the exact cache begin."""

from __future__ import annotations

import hashlib

KEY, TEAM, CUSTOMER, ALL = range(4)
"""Who shares answers; places in ``gateway.cache.wish.LEVELS``."""
SCOPE_BYTES = 16
_WHOSE = (b"key:%d", b"team:%d", b"customer:%d")


def scope_of(level: int, identity: int, partition: bytes = b"") -> bytes:
    """``identity``: 64-bit id of the virtual key, team or customer; of no meaning for all. ``partition``: what callers
    have named, whose answers are shared with those alone who name the same."""
    whose = b"all" if level == ALL else _WHOSE[level] % identity
    return hashlib.sha256(b"%b\0%b" % (whose, partition)).digest()[:SCOPE_BYTES]
