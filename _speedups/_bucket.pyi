"""Limits that are exact across processes, reservations that survive kill -9, and rings that lose no record.

One memory-mapped arena is shared by all workers. Layout and protocol: ARCHITECTURE.md, "Arena".
"""

from collections.abc import Sequence
from typing import Final

GCRA: Final = 1
WINDOW: Final = 2
ROLLING: Final = 3
GAUGE: Final = 4
MONEY: Final = 5
HEALTH: Final = 6

REQUESTS: Final = 0
"""Unit of a limit: what it counts."""
TOKENS: Final = 1

MAX_LIMITS: Final = 32
"""Limits one request can be held to."""

class Arena:
    """The mapping as the supervisor, the snapshot builder and the control process see it."""

    workers: int
    capacity: int
    """Limit slots mapped now."""
    fresh: bool
    """Created anew (not re-attached): monotonic values are void and the ledger must re-seed."""

    @staticmethod
    def create(path: str, *, workers: int, capacity: int = 4096, reservations: int = 16384, boot_id: bytes = b"") -> Arena:
        """Create, or re-attach when path holds an arena of the same layout, sizes and boot id. Space is allocated with
        posix_fallocate: OSError(ENOSPC) here rather than SIGBUS later. File mode 0600."""

    @staticmethod
    def attach(path: str) -> Arena:
        """Raises ValueError when magic or layout differ."""

    def define(self, slot: int, id_hash: int, kind: int, limit: int, period_ns: int, burst: int = 0, unit: int = 0) -> int:
        """(Re)define a slot; returns its generation. Same id, kind and unit: only the figures change, spent amounts stay
        (another period is another generation, which begins with what was spent); another id: cells are zeroed and the
        generation grows. ``period_ns`` 0: a window that never ends. ``burst`` 0: as much as ``limit``. Only the snapshot
        builder calls this. Raises ValueError for figures that cannot be, IndexError for a slot beyond the capacity."""

    def find(self, id_hash: int) -> int:
        """Slot defined for this id, -1 when there is none."""

    def free(self, slot: int) -> bool:
        """Give the slot back; False while some reservation still names it."""

    def allocate(self) -> int:
        """Lowest unused slot, handed out once by this object whether it is defined or not; makes a further segment when
        all are taken (OSError when there is no room for it)."""

    def used(self, slot: int, now_ns: int) -> int:
        """Spent + reserved now, summed over workers (GCRA: cells of burst in use)."""

    def pending(self, worker: int | None = None) -> int:
        """Reservations not settled yet."""

    def replay(self, worker: int) -> int:
        """After the death of a worker (its flock is free): apply its undo/redo record, post its PENDING reservations with
        what they had delivered, release gauges. Returns how many were posted. Idempotent, itself safe against kill -9."""

    def worker(self, index: int) -> ArenaWorker:
        """Become worker ``index``: takes the flock on the slot's file (BlockingIOError if alive elsewhere), replays what a
        predecessor left, raises the epoch."""

    def status(self, index: int) -> tuple[int, int, int, int, int]:
        """(epoch, pid, heartbeat_ns, state, in_flight) as worker ``index`` last published them."""

    def add(self, slot: int, amount: int, now_ns: int) -> None:
        """Control's own cell (index ``workers``): corrections from the ledger."""

    def close(self) -> None: ...

class LimitSet:
    """The limits a principal is held to, in the order they are reported; built once per principal and snapshot."""

    def __init__(self, slots: Sequence[int]) -> None:
        """Raises ValueError for more than MAX_LIMITS, or when one is named twice."""

    def __len__(self) -> int: ...

class ArenaWorker:
    """One worker's own cells, reservations and health words. Single-threaded; all calls take CLOCK_MONOTONIC nanoseconds."""

    index: int
    epoch: int

    def reserve(self, limits: LimitSet, requests: int, tokens: int, money: int, now_ns: int) -> int:
        """Reserve at every limit or at none: WINDOW, ROLLING and GCRA limits take ``requests`` or ``tokens`` according to
        their unit, GAUGE takes 1, MONEY takes ``money`` (nano-dollars). Returns a handle >= 0, or ``-1 - i`` when limit
        ``i`` refuses, ``-1000`` when no reservation slot is free. An empty set returns a handle as well. An exhausted
        limit refuses an amount of 0, too, and so does a slot that nobody defined.

        A GCRA limit of tokens holds what is reserved and is charged with the true amount when that is settled; one of
        requests is charged at once, and a void is given back only if nobody was admitted in between."""

    def deliver(self, handle: int, tokens: int, money: int) -> None:
        """Absolute amounts delivered so far: what a crash would post."""

    def settle(self, handle: int, requests: int, tokens: int, money: int, now_ns: int) -> None:
        """Post the true amounts (``requests`` 0: void), release gauges, free the handle. Exactly once per handle: a second
        call raises ValueError."""

    def retry_after_ns(self, limits: LimitSet, i: int, now_ns: int) -> int:
        """When limit ``i`` of the set could admit again: nanoseconds from now, 0 for a gauge."""

    def state_of(self, limits: LimitSet, i: int, now_ns: int) -> tuple[int, int, int]:
        """(limit, remaining, reset_ns from now) for the refusal and the x-ratelimit headers."""

    def beat(self, now_ns: int, state: int, in_flight: int) -> None:
        """Publish the heartbeat (state 0 starting, 1 serving, 2 draining)."""

    def cooldown_ns(self, slot: int) -> int:
        """HEALTH slot: until when it is out (0: healthy, 2**63 - 1: disabled)."""

    def set_cooldown(self, slot: int, until_ns: int) -> None: ...
    def extend_cooldown(self, slot: int, until_ns: int) -> None:
        """As set_cooldown, but never to an earlier time."""

    def close(self) -> None:
        """Give the place up; what is pending is posted by whoever takes it next."""

class Record:
    """One row of the trail, as plain fields over a fixed C struct of RECORD_SIZE bytes; scratch object, reused.

    ``kind`` 1 attempt, 2 exchange. Ids are 64-bit hashes of stable ids; times in microseconds; money in nano-dollars.
    Append-only with ``schema``: a reader of an older schema ignores what follows.
    """

    kind: int
    schema: int
    flags: int
    request_id: bytes
    """16 bytes."""
    started_ns: int
    """Wall clock."""
    snapshot: int
    virtual_key: int
    provider: int
    provider_key: int
    route: int
    operation: int
    dialect: int
    target_dialect: int
    status: int
    """Status sent to the caller (exchange) or got from the provider (attempt); 0: none."""
    attempt: int
    attempts: int
    stream: int
    outcome: int
    error_kind: int
    usage_source: int
    cache_verdict: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    audio_in_tokens: int
    audio_out_tokens: int
    cost_nanodollars: int
    queue_us: int
    gateway_us: int
    upstream_us: int
    ttft_us: int
    total_us: int
    request_bytes: int
    response_bytes: int
    chunks: int
    model: bytes
    """As asked, at most 96 bytes."""
    target_model: bytes
    dropped: bytes
    """Parameters left out for this target, comma-separated, at most 64 bytes."""
    receipt: bytes
    """At most 48 bytes."""

    def clear(self) -> None: ...
    def pack(self) -> bytes: ...
    @staticmethod
    def unpack(data: bytes) -> Record: ...

RECORD_SIZE: Final = 640

class RingWriter:
    """Producer side of one worker's ring (4 MiB by default); there is one at a time."""

    def __init__(self, path: str, slot: int, epoch: int, spill_path: str, size_bytes: int = 4 << 20, event_fd: int = -1) -> None:
        """Creates or re-attaches the ring. Records of a predecessor stay readable. A full ring spills to
        ``spill_path`` (append-only file, O_APPEND, one write a record)."""

    def push(self, record: Record) -> bool:
        """Append with sequence number and checksum. False when ring and spill file are both full: the record is counted as
        dropped."""

    dropped: int
    spilled: int
    def close(self) -> None: ...

class RingReader:
    """Consumer side, in the control process. Positions are durable only when the caller commits them."""

    def __init__(self, path: str, spill_path: str) -> None: ...
    def read(self, most: int) -> list[tuple[int, int, int, bytes]]:
        """Up to ``most`` records as (slot, epoch, sequence, packed record), ring first, then the spill file; torn or
        overwritten ones are never returned. Does not free anything."""

    def commit(self) -> None:
        """Free what ``read`` returned (after the caller's own transaction)."""

    def lag(self) -> int:
        """Records waiting."""

    def sleeping(self, yes: bool) -> None:
        """Tell the producer whether to ring the eventfd. Look at ``lag`` once more after saying yes: what was pushed just
        before rings nothing."""

    def close(self) -> None: ...
