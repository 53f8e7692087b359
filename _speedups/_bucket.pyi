"""Limits that are exact across processes, reservations that survive kill -9, and rings that lose no record.

One memory-mapped arena is shared by all workers. Layout and protocol: ARCHITECTURE.md, "Arena".
"""

from collections.abc import Callable, Sequence
from typing import Final, Self, final

from _speedups._calls import Call as Call
from _speedups._journal import JournaledArena
from _speedups._ring import RECORD_SIZE as RECORD_SIZE
from _speedups._ring import Record as Record
from _speedups._ring import RingReader as RingReader
from _speedups._ring import RingWriter as RingWriter

__all__ = [
    "GAUGE",
    "GCRA",
    "HEALTH",
    "INPUT_TOKENS",
    "MAX_LIMITS",
    "MONEY",
    "OUTPUT_TOKENS",
    "RECORD_SIZE",
    "REQUESTS",
    "ROLLING",
    "TOKENS",
    "USD",
    "WINDOW",
    "Arena",
    "ArenaWorker",
    "LimitSet",
    "Record",
    "RingReader",
    "RingWriter",
]

GCRA: Final = 1
WINDOW: Final = 2
ROLLING: Final = 3
GAUGE: Final = 4
MONEY: Final = 5
HEALTH: Final = 6

REQUESTS: Final = 0
"""Unit of a limit: what it counts."""
TOKENS: Final = 1
"""Of input and of output."""
INPUT_TOKENS: Final = 2
OUTPUT_TOKENS: Final = 3
USD: Final = 4
"""Nano-dollars, of a ROLLING limit; MONEY always counts them."""

MAX_LIMITS: Final = 32
"""Limits one request can be held to."""

class Arena(JournaledArena):
    """The mapping as the supervisor, the snapshot builder and the control process see it."""

    workers: int
    @property
    def capacity(self) -> int:
        """Limit slots there are now."""

    @property
    def wall_offset(self) -> int:
        """Nanoseconds from CLOCK_MONOTONIC to the wall clock when it was created."""
    fresh: bool
    """Created anew (not re-attached): monotonic values are void and the ledger must re-seed."""
    @property
    def filled(self) -> bool:
        """Whether what was spent before it was made has been put in."""
    def set_filled(self) -> None: ...
    @classmethod
    def create(
        cls, path: str, *, workers: int, capacity: int = 4096, reservations: int = 16384, boot_id: bytes = b""
    ) -> Self:
        """Create, or re-attach when path holds an arena of the same layout, sizes and boot id. Space is allocated with
        posix_fallocate: OSError(ENOSPC) here rather than SIGBUS later. File mode 0600."""

    @classmethod
    def attach(cls, path: str) -> Self:
        """Raises ValueError when magic or layout differ."""

    def reserved(self, slot: int, now_ns: int) -> int:
        """The part of ``used`` that is reserved and not settled yet. Looks through all reservations."""

    def about(self, slot: int) -> tuple[int, int, int, int]:
        """As ``ArenaWorker.about``."""

    def standing(self, slot: int, now_ns: int) -> tuple[int, int, int, int]:
        """As ``ArenaWorker.standing``."""

    def used(self, slot: int, now_ns: int) -> int:
        """Spent + reserved now, summed over workers (GCRA: cells of burst in use; HEALTH: nanoseconds of cooldown
        left)."""

    def pending(self, worker: int | None = None) -> int:
        """Reservations not settled yet."""

    def replay(self, worker: int, tell: Callable[[Call], None] | None = None) -> int:
        """After the death of a worker (its flock is free): apply its undo/redo record, post its PENDING reservations
        with what they had delivered, release gauges. Returns how many were posted. Idempotent, itself safe against
        kill -9. ``tell`` is called with each call that had gone out, before it is posted: again, when a replay that
        was killed is repeated."""

    def worker(self, index: int) -> ArenaWorker:
        """Become worker ``index``: takes the flock on the slot's file (BlockingIOError if alive elsewhere), replays
        what a predecessor left, raises the epoch."""

    def status(self, index: int) -> tuple[int, int, int, int, int]:
        """(epoch, pid, heartbeat_ns, state, in_flight) as worker ``index`` last published them."""

    def connections(self, index: int) -> int:
        """Callers' connections of worker ``index``, published with its heartbeat."""

    def add(self, slot: int, amount: int, now_ns: int, age: int = 0) -> None:
        """Control's own cell (index ``workers``): corrections from the ledger. ``age``: how many sub-windows ago it was
        spent, of a ROLLING limit (0 to 59)."""

    def close(self) -> None: ...

@final
class LimitSet:
    """The limits a principal is held to, in the order they are reported; built once per principal and snapshot."""

    def __init__(self, slots: Sequence[int]) -> None:
        """Raises ValueError for more than MAX_LIMITS, or when one is named twice."""

    def __len__(self) -> int: ...

@final
class ArenaWorker:
    """One worker's own cells, reservations and health words. Single-threaded; all calls take CLOCK_MONOTONIC
    nanoseconds."""

    index: int
    epoch: int

    def __init__(self, arena: Arena, index: int) -> None: ...
    def reserve(
        self,
        limits: LimitSet,
        requests: int,
        tokens: int,
        money: int,
        now_ns: int,
        output: int = 0,
        until_ns: int = 0,
    ) -> int:
        """Reserve at every limit or at none: WINDOW, ROLLING and GCRA limits take what their unit says of ``requests``,
        ``tokens``, the ``output`` that is a part of these, and ``money`` (nano-dollars); GAUGE takes 1, MONEY takes
        ``money``. Returns a handle >= 0, or ``-1 - i`` when limit ``i`` refuses, ``-1000`` when no reservation slot is
        free. An empty set returns a handle as well. From ``until_ns`` on (0: never) ``expire`` may settle it.
        An exhausted limit refuses an amount of 0, too, and so does a slot that nobody defined.

        A GCRA limit of tokens holds what is reserved and is charged with the true amount when that is settled; one
        of requests is charged at once, and a void is given back only if nobody was admitted in between."""

    def deliver(self, handle: int, tokens: int, money: int, output: int = 0, until_ns: int = 0) -> None:
        """Absolute amounts delivered so far: what a crash would post. ``until_ns`` extends the reservation."""

    def intend(self, handle: int, call: Record, before: int = 0) -> None:
        """The call that the reservation is for is about to go out: whoever replays is told of it. Of the record: who
        asks, whom, for what, and when. ``before``: nano-dollars among what is delivered that are not this call's."""

    def withdraw(self, handle: int) -> None:
        """The call has ended, and its record is written: nobody need be told of it."""

    def settle(self, handle: int, requests: int, tokens: int, money: int, now_ns: int, output: int = 0) -> None:
        """Post the true amounts (``requests`` 0: void), release gauges, free the handle. Exactly once per handle: a
        second call raises ValueError."""

    def expire(self, now_ns: int) -> int:
        """Settle what nobody has settled in time with what it had delivered; returns how many there were."""

    def reserved(self, slot: int, now_ns: int) -> int:
        """As ``Arena.reserved``."""

    def about(self, slot: int) -> tuple[int, int, int, int]:
        """(kind, unit, label, period in nanoseconds) of a limit."""

    def standing(self, slot: int, now_ns: int) -> tuple[int, int, int, int]:
        """(limit, spent and reserved, reserved, nanoseconds to the reset or 0) of a limit."""

    def retry_after_ns(self, limits: LimitSet, i: int, now_ns: int) -> int:
        """When limit ``i`` of the set could admit again: nanoseconds from now, 0 for a gauge."""

    def state_of(self, limits: LimitSet, i: int, now_ns: int) -> tuple[int, int, int]:
        """(limit, remaining, reset_ns from now) for the refusal and the x-ratelimit headers."""

    def beat(self, now_ns: int, state: int, in_flight: int, connections: int = 0) -> None:
        """Publish the heartbeat (state 0 starting, 1 serving, 2 draining)."""

    def cooldown_ns(self, slot: int) -> int:
        """HEALTH slot: until when it is out (0: healthy, 2**63 - 1: disabled)."""

    def set_cooldown(self, slot: int, until_ns: int) -> None: ...
    def extend_cooldown(self, slot: int, until_ns: int) -> None:
        """As set_cooldown, but never to an earlier time."""

    def health_line(self, slot: int) -> tuple[memoryview[int], int, int]:
        """HEALTH slot: the words it lies in, its offset among them, and how many cells it has. Raises IndexError for a
        slot outside the arena."""

    def close(self) -> None:
        """Give the place up; what is pending is posted by whoever takes it next."""
