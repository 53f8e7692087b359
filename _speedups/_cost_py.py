"""Pure twin of ``_cost``: see ``_cost.pyi``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, final

KINDS: Final = (
    "input", "cache_read", "cache_read_audio", "cache_write", "cache_write_1h", "input_audio", "input_image",
    "output", "output_reasoning", "output_audio", "output_image",
    "web_search", "request",
)  # fmt: skip
DEAREST: Final = 1 << 60
MOST: Final = (1 << 63) - 1
NANO_A_MILLION: Final = 1_000_000


def in_usd(before: bytes, nanodollars: int, behind: bytes) -> bytes:
    """See ``_cost.pyi``."""
    if nanodollars < 0:
        raise ValueError("negative")
    return b"%b%d.%09d%b" % (before, *divmod(nanodollars, 1_000_000_000), behind)


@final
class Rates:
    """See ``_cost.pyi``."""

    __slots__ = ("above", "over", "prices")

    def __init__(self, prices: Sequence[int], above: int = -1, over: Rates | None = None) -> None:
        if len(prices) != len(KINDS):
            raise ValueError(f"{len(KINDS)} prices expected, got {len(prices)}")
        for kind, price in zip(KINDS, prices, strict=True):
            if not 0 <= price <= DEAREST:
                raise ValueError(f"the price for {kind} is outside 0 to {DEAREST}: {price}")
        self.prices = tuple(prices)
        self.above = above if over is not None else -1
        self.over = over

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
        rates = self
        while rates.over is not None and prompt > rates.above:
            rates = rates.over
        cut = False

        def part(count: int, whole: int) -> int:
            nonlocal cut
            if count > whole:
                cut = True
                return whole
            return max(count, 0)

        prompt, completion = max(prompt, 0), max(completion, 0)
        # Audio may be read from the cache: only what is more than the whole prompt is impossible.
        audio_in = part(audio_in, prompt)
        cached = part(cached, prompt)
        fresh = prompt - cached
        cache_write = part(cache_write, fresh)
        fresh -= cache_write
        cache_write_1h = part(cache_write_1h, cache_write)
        cached_audio = part(cached_audio, min(cached, audio_in))
        audio_in = min(audio_in - cached_audio, fresh)
        fresh -= audio_in
        image_in = min(max(image_in, 0), fresh)
        fresh -= image_in
        reasoning = part(reasoning, completion)
        told = completion - reasoning
        audio_out = part(audio_out, told)
        told -= audio_out
        image_out = part(image_out, told)
        told -= image_out
        counts = (
            *(fresh, cached - cached_audio, cached_audio, cache_write - cache_write_1h, cache_write_1h),
            *(audio_in, image_in, told, reasoning, audio_out, image_out, max(searches, 0), 1),
        )
        products = sum(count * price for count, price in zip(counts, rates.prices, strict=True))
        cost = min((products + NANO_A_MILLION // 2) // NANO_A_MILLION, MOST)
        return ~cost if cut else cost
