"""What counts of tokens cost, exactly: products in 128 bits, divided once, rounded half up once.

Prices are nano-dollars for a million units, costs nano-dollars. A model has a price for every kind of ``KINDS``; where
its vendor names none for a kind, ``providers.prices`` has put there that of the kind which it is a part of.
"""

from collections.abc import Sequence
from typing import Final, final

__pyx_capi__: dict[str, object]
"""What other extension modules call; only in the compiled module."""

KINDS: Final[tuple[str, ...]]
"""What prices are for, in the order in which ``Rates`` takes them; a request counts one ``request``."""
DEAREST: Final[int]
"""Of any price, 2**60: 1,152 USD a token."""
MOST: Final[int]
"""Of any cost, 2**63 - 1: nine billion dollars."""
NANO_A_MILLION: Final[int]
"""Units that a price is for."""

def in_usd(before: bytes, nanodollars: int, behind: bytes) -> bytes:
    """``before``, then USD with nine digits behind the point (``0.001234567``), then ``behind``. Raises ValueError when
    negative."""

@final
class Rates:
    """The prices of a model, or of a model above a number of input tokens."""

    prices: tuple[int, ...]
    """In the order of ``KINDS``."""
    above: int
    """With more input tokens than this ``over`` counts; -1: there is no other price."""
    over: Rates | None

    def __init__(self, prices: Sequence[int], above: int = -1, over: Rates | None = None) -> None:
        """Raises ValueError for another number of prices, or one outside 0 to DEAREST."""

    def cost(
        self,
        prompt: int,
        completion: int,
        cached: int = 0,
        cache_write: int = 0,
        reasoning: int = 0,
        audio_in: int = 0,
        audio_out: int = 0,
        image_in: int = 0,
        image_out: int = 0,
        cache_write_1h: int = 0,
        cached_audio: int = 0,
        searches: int = 0,
    ) -> int:
        """Nano-dollars, at most MOST.

        ``prompt`` holds ``cached``, ``cache_write``, ``audio_in`` and ``image_in``; ``completion`` holds ``reasoning``,
        ``audio_out`` and ``image_out``; ``cache_write`` holds ``cache_write_1h``, ``cached`` and ``audio_in`` both hold
        ``cached_audio``. A negative count is 0. A part that is larger than its whole is cut to it, and the cost comes
        back as its complement (``~cost``, negative), so that the record can say so."""
