"""Whether a deployment is well, how busy and how fast it is, for all workers.

A deployment is a model at a provider. It is *ejected* after a number of failures in a row, or when most of a good many
attempts within ten seconds failed; then it is *out* for a rest that grows with every ejection, with up to 20 % of
jitter. When the rest is over one attempt at a time is let through (*due*): a good answer restores it, another failure
ejects it again. Rests and probes follow Envoy's outlier detection and every circuit breaker's half-open state.

Words in the arena's slot of kind HEALTH (without one, words of its own): since when the present state lasts (of a
deployment that is out: when it was ejected or last probed), failures in a row and ejections, until when it is out,
a peak EWMA of the time to the first byte, and a cell for each worker: attempts and failures of the present ten
seconds, attempts under way.
"""

from typing import Final, final

from _speedups._bucket import ArenaWorker

WELL: Final = 0
OUT: Final = 1
DUE: Final = 2
"""Out, but a probe may be taken."""

NEUTRAL: Final = 0
"""How an attempt ended: nothing is learned from it (the caller left)."""
GOOD: Final = 1
"""It was answered, be it with the caller's own mistake or a rate limit."""
SICK: Final = 2

UNCHANGED: Final = 0
EJECTED: Final = 1
RESTORED: Final = 2

@final
class Health:
    """One deployment, as one worker sees it and as all of them do. Times are CLOCK_MONOTONIC nanoseconds. No method but
    the constructor raises."""

    def __init__(
        self,
        arena: ArenaWorker | None,
        slot: int,
        consecutive: int = 5,
        volume: int = 50,
        permille: int = 850,
        rest_ns: int = ...,
        longest_rest_ns: int = ...,
    ) -> None:
        """``slot`` -1: no other worker sees it. ``volume`` and ``permille``: so many attempts at least, so large a
        share of them failed, in ten seconds. Raises ValueError for rules that cannot be, IndexError for a slot outside
        the arena."""

    def state(self, now_ns: int) -> int:
        """WELL, OUT or DUE."""

    def probe(self, now_ns: int) -> bool:
        """Take the probe that is due; True for one asker of all workers, within ten seconds (or a rest, when that is
        shorter)."""

    def proven(self) -> bool:
        """Whether it is well and its last answer was good."""

    def began(self, now_ns: int) -> None:
        """An attempt is under way."""

    def ended(self, now_ns: int, asked_ns: int, verdict: int) -> int:
        """It is over: ``verdict`` is NEUTRAL, GOOD or SICK, ``asked_ns`` when it began. Returns EJECTED or RESTORED to
        the one whose attempt did that, else UNCHANGED."""

    def busy(self) -> int:
        """Attempts under way, of all workers."""

    def took(self, first_byte_ns: int, now_ns: int) -> None:
        """A time to the first byte. Slower ones count at once, faster ones by and by (10 s): Finagle's peak EWMA."""

    def latency_ns(self, now_ns: int) -> int:
        """That average; it fades, so that what was slow and is no longer asked is asked again. 0: nothing is known."""

    def load(self, now_ns: int) -> int:
        """``latency_ns * (busy + 1)``: what a further attempt would wait for, by the power of two choices."""

    def refusing(self, now_ns: int) -> float:
        """The share of attempts to be left out for the deployment's sake: ``(requests - 2 accepted - 25) / (requests +
        1)``, at most 0.9, over about 30 s and from 50 requests on (client-side throttling of the SRE book, chapter 21).
        Attempts count when they end, since generated answers take long, and when they are left out. This worker's
        own."""

    def throttled(self, now_ns: int) -> bool:
        """Whether this attempt is to be left out, by lot with the probability ``refusing``."""

    def figures(self, now_ns: int) -> tuple[int, int, int]:
        """Failures in a row, ejections that are remembered, nanoseconds that it is still out."""
