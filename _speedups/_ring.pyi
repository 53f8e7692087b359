"""Records and the rings that carry them from a worker to the control process; importable from ``_bucket`` too."""

from collections.abc import Iterable
from typing import Any, Final, final

RECORD_SIZE: Final = 640

@final
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
    client: bytes
    team: int
    customer: int
    """The caller's address, 16 bytes: IPv6, or IPv4 mapped into it; zeros: not known."""

    def clear(self) -> None: ...
    def pack(self) -> bytes: ...
    @staticmethod
    def unpack(data: bytes) -> Record: ...

@final
class RingWriter:
    """Producer side of one worker's ring (4 MiB by default); there is one at a time."""

    def __init__(
        self, path: str, slot: int, epoch: int, spill_path: str, size_bytes: int = 4194304, event_fd: int = -1
    ) -> None:
        """Creates or re-attaches the ring. Records of a predecessor stay readable. What a full ring
        cannot take is staged behind it and moved to ``spill_path`` by ``tend``. Raises OSError when either file cannot
        be had, ValueError for a size of less than 8 records."""

    def push(self, record: Record) -> bool:
        """Append with sequence number and checksum. False when ring, stage and spill file are full: the record is
        counted as dropped. Waits for no disk while the stage has room."""

    dropped: int
    spilled: int
    untidy: bool
    """Whether ``tend`` would find something to do."""

    def tend(self) -> None:
        """Move what is staged to the spill file, and empty that when all of it was read. Waits for the disk, so call it
        in a thread: ``push`` may go on meanwhile."""

    def close(self) -> None: ...

@final
class RingReader:
    """Consumer side, in the control process. Positions are durable only when the caller commits them."""

    def __init__(self, path: str, spill_path: str) -> None: ...
    def read(self, most: int) -> list[Any]:
        """The values of up to ``most`` records, one record behind the other, from the ring or, when that is empty, from
        the spill file; torn or overwritten ones are never returned. Does not free anything.

        A record's values are those of ``LogRow``: slot, epoch, sequence, ``started_us``, then the fields from
        ``snapshot`` on without the schema, ids as signed integers, texts decoded, request id and client as
        bytearrays."""

    def resume(self, stored: Iterable[tuple[int, int]]) -> int:
        """Begin again at what is not freed, but behind the records with these (epoch, sequence), where they are still
        waiting. How many are left out thereby."""

    def commit(self) -> None:
        """Free what ``read`` returned (after the caller's own transaction)."""

    def lag(self) -> int:
        """Records waiting."""

    def sleeping(self, yes: bool) -> None:
        """Tell the producer whether to ring the eventfd. Look at ``lag`` once more after saying yes: what was pushed
        just before rings nothing."""

    def close(self) -> None: ...
