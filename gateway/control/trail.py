"""A record's values, as ``RingReader.read`` gives them and the request log stores them."""

from __future__ import annotations

from typing import Any, TypeAlias

from gateway.stores.protocols import LogRow

Values: TypeAlias = list[Any]
"""Of one record or of several, one behind the other, each in the order of ``LogRow`` (tests hold them together)."""

WIDTH = len(LogRow._fields)
"""Values of one record."""


def signed(id_hash: int) -> int:
    """A 64-bit id as records and the log hold it here."""
    return id_hash - (1 << 64) if id_hash >= 1 << 63 else id_hash


def unsigned(value: int) -> int:
    """The inverse of ``signed``."""
    return value & 0xFFFFFFFFFFFFFFFF
