"""The arena's slow side, shared by both twins: definitions, sums, growth, and the replay of what a dead worker left.

It runs in the supervisor, the control process and the snapshot builder, never on a request's way. What must be atomic
against other processes (GCRA words) is left to the twins.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final, Self

from _speedups._layout import (
    B_EPOCH,
    BODY_WORDS,
    GAUGE,
    GCRA,
    H_BOOT,
    H_BOOT2,
    H_DEFINITIONS,
    H_SEGMENTS,
    HEALTH,
    INDEX_BITS,
    L_BURST,
    L_EXTENSION,
    L_ID,
    L_LIMIT,
    L_META,
    L_OFFSET,
    L_PERIOD,
    L_STEP,
    L_TAU,
    L_WORD,
    LINE,
    MAX_AMOUNT,
    META_BUSY,
    MIN_PERIOD_NS,
    MONEY,
    R_COUNT,
    R_ENTRIES,
    REQUESTS,
    ROLL_COUNT_MASK,
    ROLL_GENERATION_SHIFT,
    ROLL_WORDS,
    ROLLING,
    S_PENDING,
    SUB_WINDOWS,
    TOKENS,
    WINDOW,
    Geometry,
    cost_of,
    number_of,
    roll_tag,
    saturate,
    step_of,
    tag_of,
)
from _speedups._segments import Segment, boot_words, create_first, create_next, open_first, open_next

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

    # Definitions: the snapshot builder only.

    def define(
        self, slot: int, id_hash: int, kind: int, limit: int, period_ns: int, burst: int = 0, unit: int = 0
    ) -> int:
        limit, burst = min(limit, MAX_AMOUNT), min(burst, MAX_AMOUNT)
        if kind not in (GCRA, WINDOW, ROLLING, GAUGE, MONEY, HEALTH) or unit not in (REQUESTS, TOKENS):
            raise ValueError(f"limit kind {kind}, unit {unit}: unknown")
        if limit < 0 or burst < 0 or not 0 < id_hash < 1 << 64:
            raise ValueError("a limit's figures must not be negative and its id hash must be 64 bits, not 0")
        if kind in (GAUGE, HEALTH):
            period_ns = 0
        if (period_ns or kind in (GCRA, ROLLING)) and period_ns < MIN_PERIOD_NS:
            raise ValueError(f"a period must be {MIN_PERIOD_NS} ns or more, got {period_ns}")
        segment, at = self.line(slot)
        meta = segment.q[at + L_META]
        generation = meta >> 32
        same = meta & 0xFF == kind and segment.u[at + L_ID] == id_hash and meta >> 8 & 0xFF == unit
        put = self._put
        period = -(-period_ns // (SUB_WINDOWS - 1)) if kind == ROLLING else period_ns
        if same and (period == segment.q[at + L_PERIOD] or kind in (GCRA, GAUGE, HEALTH)) and not meta & META_BUSY:
            self._set_figures(segment, at, kind, limit, period, burst)
            return generation
        generation = generation + 1 & 0x7FFFFFFF
        put(segment.q, at + L_META, (generation << 32) | META_BUSY | unit << 8 | kind)
        carried = self._spent(segment, at, meta) if same else 0
        if not same:
            extension = self._take_extension() if kind == ROLLING else 0
            for cell in range(at + LINE, at + self.geometry.limit_words):
                put(segment.q, cell, 0)
            put(segment.q, at + L_WORD, 0)
            put(segment.q, at + L_STEP, extension)
            put(segment.q, at + L_TAU, 0)
            put(segment.q, at + L_BURST, 0)
            put(segment.u, at + L_ID, id_hash)
        self._set_figures(segment, at, kind, limit, period, burst)
        if carried:
            self._carry_over(segment, at, kind, generation, carried)
        put(segment.q, at + L_META, (generation << 32) | unit << 8 | kind)
        if not same:
            self._count_definition()
            self._slots_by_id[id_hash] = slot
        return generation

    def _set_figures(self, segment: Segment, at: int, kind: int, limit: int, period: int, burst: int) -> None:
        put, q = self._put, segment.q
        if kind == GCRA:
            step = step_of(limit, period)
            put(q, at + L_STEP, step)
            put(q, at + L_TAU, cost_of(burst or limit, step) if limit else 0)
            put(q, at + L_BURST, burst or limit)
        put(q, at + L_PERIOD, period)
        put(q, at + L_LIMIT, limit)

    def _spent(self, segment: Segment, at: int, meta: int) -> int:
        """What the cells hold for the definition that is being replaced. When its own definer was killed half-way the
        figures may be the new ones already: then the newest cells count, whatever their period."""
        q, generation, kind = segment.q, meta >> 32, meta & 0xFF
        now = time.monotonic_ns()
        interrupted = bool(meta & META_BUSY)
        if kind == ROLLING:
            block, base = self.sub_windows(q[at + L_EXTENSION])
            number = now // (q[at + L_PERIOD] or 1)
            tags = [roll_tag(generation, number - age) for age in range(SUB_WINDOWS)]
            words = [block.q[base + i] for i in range(self.geometry.rolling_words)]
            if interrupted:
                # Its own carried sum if it came that far, else what the definition before it left.
                by_generation = [
                    sum(word & ROLL_COUNT_MASK for word in words if word >> ROLL_GENERATION_SHIFT == one & 0x1F)
                    for one in (generation, generation - 1)
                ]
                return by_generation[0] or by_generation[1]
            return sum(word & ROLL_COUNT_MASK for word in words if word & ~ROLL_COUNT_MASK in tags)
        cells = [(q[cell], q[cell + 1]) for cell in self._pairs(at)]
        tag = max(tag for tag, _ in cells)
        if not interrupted:
            tag = tag_of(generation, number_of(now, q[at + L_PERIOD], q[at + L_OFFSET]))
        return saturate(sum(count for own, count in cells if own == tag))

    def _carry_over(self, segment: Segment, at: int, kind: int, generation: int, amount: int) -> None:
        """Into control's cell; workers refuse at this limit until the definition is whole."""
        now, q = time.monotonic_ns(), segment.q
        if kind == ROLLING:
            number = now // q[at + L_PERIOD]
            block, base = self.sub_windows(q[at + L_EXTENSION])
            word = base + self.workers * ROLL_WORDS + number % SUB_WINDOWS
            amount = min(amount, ROLL_COUNT_MASK)
            self._put(block.q, word, roll_tag(generation, number) | amount)
        cell = at + LINE + 2 * self.workers
        self._put(q, cell + 1, amount)
        offset = 0 if kind == ROLLING else q[at + L_OFFSET]
        self._put(q, cell, tag_of(generation, number_of(now, q[at + L_PERIOD], offset)))

    def _pairs(self, at: int) -> range:
        return range(at + LINE, at + LINE + 2 * self.geometry.cells, 2)

    def find(self, id_hash: int) -> int:
        if self._definitions_seen != self.q[H_DEFINITIONS]:
            self._survey()
        return self._slots_by_id.get(id_hash, -1)

    def free(self, slot: int) -> bool:
        segment, at = self.line(slot)
        if any(entry & (1 << INDEX_BITS) - 1 == slot for entry in self._pending_entries()):
            return False
        id_hash = segment.u[at + L_ID]
        self._put(segment.q, at + L_META, segment.q[at + L_META] & ~0xFF)
        self._put(segment.u, at + L_ID, 0)
        self._count_definition()
        self._slots_by_id.pop(id_hash, None)
        self._lowest = min(self._lowest, slot)
        return True

    def allocate(self) -> int:
        if self._definitions_seen != self.q[H_DEFINITIONS]:
            self._survey()
        while True:
            for slot in range(self._lowest, self.capacity):
                segment, at = self.line(slot)
                if not segment.q[at + L_META] & 0xFF:
                    # Handed out once, whether or not it is defined before the next call.
                    self._lowest = slot + 1
                    return slot
            self._lowest = self.capacity
            self._grow()

    def _grow(self) -> None:
        create_next(self.path, self.q[H_SEGMENTS], self.geometry)
        self._put(self.q, H_SEGMENTS, self.q[H_SEGMENTS] + 1)

    def _count_definition(self) -> None:
        known = self._definitions_seen == self.q[H_DEFINITIONS]
        self._put(self.q, H_DEFINITIONS, self.q[H_DEFINITIONS] + 1)
        if known:
            self._definitions_seen = self.q[H_DEFINITIONS]

    def _lines(self) -> Iterator[tuple[int, Segment, int]]:
        for slot in range(self.capacity):
            segment, at = self.line(slot)
            if segment.q[at + L_META] & 0xFF:
                yield slot, segment, at

    def _survey(self) -> None:
        """Somebody else changed definitions: learn them anew."""
        self._definitions_seen = self.q[H_DEFINITIONS]
        self._slots_by_id = {segment.u[at + L_ID]: slot for slot, segment, at in self._lines()}
        self._lowest = 0

    def _take_extension(self) -> int:
        """A zeroed block of sub-windows that no limit uses."""
        taken = {
            segment.q[at + L_EXTENSION] for _, segment, at in self._lines() if segment.q[at + L_META] & 0xFF == ROLLING
        }
        while True:
            for extension in range(self.q[H_SEGMENTS] * self.geometry.rolling_blocks):
                if extension not in taken:
                    block, base = self.sub_windows(extension)
                    for word in range(base, base + self.geometry.rolling_words):
                        self._put(block.q, word, 0)
                    return extension
            self._grow()

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
