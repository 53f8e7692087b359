"""What an embedder is, and what is checked of the vectors that one gives."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gateway.principal import Principal


TINY = 1e-30
"""Shorter ones have lost their direction to the rounding of float32."""
NEARLY = 1e-5
"""What rounding of float32 makes of a length of 1."""


class NotEmbedded(Exception):
    """There are no vectors for these texts. ``text_at_fault``: the embedder refuses the text (too long, not
    acceptable), and would refuse it again; others may be embedded."""

    def __init__(self, reason: str, *, text_at_fault: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.text_at_fault = text_at_fault


class Embedder(Protocol):
    """Turns texts into vectors that can be compared with each other, and with no other embedder's."""

    @property
    def name(self) -> str:
        """What an index of its vectors belongs to: ``provider/model``, a route, or the digest of a model's files."""

    @property
    def dimension(self) -> int:
        """Floats of a vector; 0: not known before the first answer."""

    async def embed(self, texts: list[str], asked_by: Principal | None = None) -> list[bytes]:
        """One vector a text, in their order: little-endian float32 of length 1. Raises NotEmbedded, for all of them.

        ``asked_by`` is whom the ledger names: the virtual key of the first text. Where several share a call, the others
        are named by nobody.
        """

    def may_see(self, asked_by: Principal) -> bool:
        """Whether texts of this virtual key may go to wherever this embeds."""

    def cut_all(self) -> None:
        """The worker is going: end what is under way."""


def unit_vector(values: Iterable[float]) -> bytes:
    """These numbers as little-endian float32 of length 1. Raises NotEmbedded where they are no direction: not finite,
    all zero, or no numbers."""
    try:
        floats = values if isinstance(values, array) else array("f", values)
    except (TypeError, OverflowError) as error:
        raise NotEmbedded("the vector holds what is no number") from error
    length = math.hypot(*floats)
    if not math.isfinite(length) or length < TINY:
        raise NotEmbedded("the vector has no direction: it is zero, or not finite")
    if abs(length - 1.0) > NEARLY:
        floats = array("f", [value / length for value in floats])
    return little_endian(floats)


def little_endian(floats: array[float]) -> bytes:
    if sys.byteorder == "big":
        floats.byteswap()
    return floats.tobytes()


def from_little_endian(data: bytes) -> array[float]:
    floats = array("f", data)
    if sys.byteorder == "big":
        floats.byteswap()
    return floats
