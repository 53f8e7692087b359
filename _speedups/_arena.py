"""The arena's slow side, shared by both twins: its files, addresses and lines; definitions and replay build on it.

It runs in the supervisor, the control process and the snapshot builder, never on a request's way. What must be atomic
against other processes (GCRA words) is left to the twins.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Self

from _speedups._layout import (
    B_EPOCH,
    BODY_WORDS,
    H_BOOT,
    H_BOOT2,
    H_FILLED,
    H_SEGMENTS,
    H_WALL_OFFSET,
    L_META,
    LINE,
    R_COUNT,
    R_ENTRIES,
    S_PENDING,
    Geometry,
)
from _speedups._segments import Segment, boot_words, create_first, open_first, open_next

MAX_RESERVATIONS: Final = 1 << 24
Entry = tuple[int, int, int, int]
"""Of a journal: slot, what of it (sub-window, SUB_PAIR, SUB_GCRA), and two words."""


def shape(workers: int, capacity: int, reservations: int) -> Geometry:
    """Raises ValueError for sizes that cannot be."""
    if not 1 <= workers <= 1024:
        raise ValueError(f"workers must be 1 to 1024, got {workers}")
    if not 1 <= reservations < MAX_RESERVATIONS:
        raise ValueError(f"reservations must be 1 to {MAX_RESERVATIONS - 1}, got {reservations}")
    if not 1 <= capacity <= 1 << 22:
        raise ValueError(f"capacity must be 1 to {1 << 22}, got {capacity}")
    return Geometry(workers, max(16, 1 << (capacity - 1).bit_length()), reservations)


class ArenaBase:
    """What both twins' ``Arena`` is made of."""

    def __init__(self, path: str, first: Segment, geometry: Geometry, fresh: bool) -> None:
        self.path = path
        self.geometry = geometry
        self.workers = geometry.workers
        self.fresh = fresh
        self.segments = [first]
        self.q = first.q
        self._slots_by_id: dict[int, int] = {}
        self._definitions_seen = -1
        self._lowest = 0

    @classmethod
    def create(
        cls, path: str, *, workers: int, capacity: int = 4096, reservations: int = 16384, boot_id: bytes = b""
    ) -> Self:
        geometry, boot = shape(workers, capacity, reservations), boot_words(boot_id)
        try:
            first, found = open_first(path)
            if found == geometry and (first.q[H_BOOT], first.q[H_BOOT2]) == boot:
                return cls(path, first, geometry, fresh=False)
            first.close()
        except (FileNotFoundError, ValueError):
            pass
        return cls(path, create_first(path, geometry, boot), geometry, fresh=True)

    @classmethod
    def attach(cls, path: str) -> Self:
        first, geometry = open_first(path)
        return cls(path, first, geometry, fresh=False)

    def close(self) -> None:
        for segment in self.segments:
            segment.close()
        self.segments.clear()

    # Addresses.

    @property
    def capacity(self) -> int:
        return self.q[H_SEGMENTS] * self.geometry.capacity

    @property
    def wall_offset(self) -> int:
        return self.q[H_WALL_OFFSET]

    @property
    def filled(self) -> bool:
        return self.q[H_FILLED] != 0

    def set_filled(self) -> None:
        self._put(self.q, H_FILLED, 1)

    def segment(self, number: int) -> Segment:
        """Raises IndexError for one that was never made."""
        while number >= len(self.segments):
            if len(self.segments) >= self.q[H_SEGMENTS]:
                raise IndexError(f"arena segment {number} does not exist")
            self.segments.append(open_next(self.path, len(self.segments), self.geometry))
        return self.segments[number]

    def line(self, slot: int) -> tuple[Segment, int]:
        """The segment and the word offset of a limit. Raises IndexError for a slot outside the arena."""
        if slot < 0:
            raise IndexError(f"arena slot {slot} does not exist")
        number, at = divmod(slot, self.geometry.capacity)
        segment = self.segment(number)
        return segment, segment.limits + at * self.geometry.limit_words

    def sub_windows(self, extension: int) -> tuple[Segment, int]:
        number, at = divmod(extension, self.geometry.rolling_blocks)
        segment = self.segment(number)
        return segment, segment.rolling + at * self.geometry.rolling_words

    def _put(self, words: memoryview[int], at: int, value: int) -> None:
        """Every store to shared memory that replay or redefinition makes: one place, so that a test can die at each."""
        words[at] = value

    def _pairs(self, at: int) -> range:
        return range(at + LINE, at + LINE + 2 * self.geometry.cells, 2)

    def _lines(self) -> Iterator[tuple[int, Segment, int]]:
        for slot in range(self.capacity):
            segment, at = self.line(slot)
            if segment.q[at + L_META] & 0xFF:
                yield slot, segment, at

    def _pending_entries(self) -> Iterator[int]:
        """The limits that reservations not settled yet name."""
        q, geometry = self.q, self.geometry
        for worker in range(self.workers):
            if not q[geometry.block(worker) + B_EPOCH]:
                # A place that nobody has ever taken, as all of the second generation's are before the first upgrade.
                continue
            states, bodies = geometry.states(worker), geometry.bodies(worker)
            for index in range(geometry.reservations):
                if q[states + index] & 0xFF == S_PENDING:
                    body = bodies + index * BODY_WORDS
                    yield from q[body + R_ENTRIES : body + R_ENTRIES + q[body + R_COUNT]]
