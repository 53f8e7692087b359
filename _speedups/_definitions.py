"""Definitions of limits: slots given out, figures changed, what was spent carried over, calendar periods renewed.

The snapshot builder alone defines and frees, and the control process renews; workers meanwhile read the same words.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from _speedups._arena import ArenaBase
from _speedups._layout import (
    END_MASK,
    GAUGE,
    GCRA,
    H_DEFINITIONS,
    H_SEGMENTS,
    HEALTH,
    INDEX_BITS,
    L_BURST,
    L_ENDS,
    L_EXTENSION,
    L_GRAIN,
    L_ID,
    L_LIMIT,
    L_META,
    L_OFFSET,
    L_PERIOD,
    L_STEP,
    L_TAU,
    L_WHOLE,
    L_WORD,
    LABEL_BITS,
    LABEL_MASK,
    LABEL_SHIFT,
    LINE,
    MAX_AMOUNT,
    META_BUSY,
    META_CALENDAR,
    MIN_PERIOD_NS,
    MONEY,
    ROLL_COUNT_MASK,
    ROLL_GENERATION_SHIFT,
    ROLL_WORDS,
    ROLLING,
    SUB_WINDOWS,
    UNITS,
    USD,
    WINDOW,
    calendar_period,
    cost_of,
    end_word,
    grain_of,
    number_of,
    period_at,
    roll_tag,
    saturate,
    step_of,
    tag_of,
)
from _speedups._segments import Segment, create_next


class DefinedArena(ArenaBase):
    """Adds slots and their limits."""

    def define(
        self,
        slot: int,
        id_hash: int,
        kind: int,
        limit: int,
        period_ns: int,
        burst: int = 0,
        unit: int = 0,
        *,
        offset_ns: int = 0,
        ends: tuple[int, int] | None = None,
        label: int = 0,
    ) -> int:
        """(Re)define a slot; returns its generation. Same id, kind and unit: only the figures change, spent amounts
        stay (another period is another generation, which begins with what was spent); another id: cells are zeroed
        and the generation grows. ``period_ns`` 0: a window that never ends. ``burst`` 0: as much as ``limit``.
        ``offset_ns`` is added to the clock before it is divided into periods of a WINDOW or MONEY limit. ``ends``, for
        those, instead: when the present period ends and the one after it, on CLOCK_MONOTONIC; ends that were laid down
        stay unless the ``label`` (13 bits, the builder's own) is another one. Only the snapshot builder calls this.
        Raises ValueError for figures that cannot be, IndexError for a slot beyond the capacity."""
        limit, burst = min(limit, MAX_AMOUNT), min(burst, MAX_AMOUNT)
        if kind not in (GCRA, WINDOW, ROLLING, GAUGE, MONEY, HEALTH) or unit not in UNITS:
            raise ValueError(f"limit kind {kind}, unit {unit}: unknown")
        if unit == USD and kind != ROLLING:
            raise ValueError("what counts money in fixed periods is of kind MONEY")
        if not 0 <= label < 1 << LABEL_BITS:
            raise ValueError(f"a limit's label has {LABEL_BITS} bits")
        if ends is not None and (kind not in (WINDOW, MONEY) or not 0 < ends[0] < ends[1]):
            raise ValueError("a WINDOW or MONEY limit of the calendar needs two ends, one after the other")
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
        calendar = META_CALENDAR if ends is not None else 0
        about = label << LABEL_SHIFT | calendar | unit << 8 | kind
        if same and not meta & META_BUSY and self._counts_alike(segment.q, at, kind, limit, period, calendar):
            self._set_figures(segment, at, kind, limit, period, burst)
            if ends is not None and meta & LABEL_MASK != label << LABEL_SHIFT:
                self._move_ends(segment.q, at, ends)
            elif kind in (WINDOW, MONEY) and ends is None and segment.q[at + L_OFFSET] != offset_ns:
                put(segment.q, at + L_OFFSET, offset_ns)
            if meta != generation << 32 | about:
                put(segment.q, at + L_META, generation << 32 | about)
            return generation
        generation = generation + 1 & 0x7FFFFFFF
        put(segment.q, at + L_META, (generation << 32) | META_BUSY | about)
        # Read as the definition that is being replaced, whatever the line's kind says of calendars now.
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
        if kind in (WINDOW, MONEY):
            put(segment.q, at + L_OFFSET, 0 if calendar else offset_ns)
        if ends is not None:
            for word, end_ns, number in zip(L_ENDS, ends, (1, 2), strict=True):
                put(segment.q, at + word, end_word(end_ns, number))
        if carried:
            self._carry_over(segment, at, kind, generation, carried)
        put(segment.q, at + L_META, (generation << 32) | about)
        if not same:
            self._count_definition()
            self._slots_by_id[id_hash] = slot
        return generation

    def _counts_alike(self, q: memoryview[int], at: int, kind: int, limit: int, period: int, calendar: int) -> bool:
        """Whether a definition of the same id can have other figures and go on with its cells as they are."""
        if kind in (GCRA, GAUGE, HEALTH):
            return True
        if kind == ROLLING:
            return period == q[at + L_PERIOD] and grain_of(limit, q[at + L_META] >> 8 & 0xFF) == q[at + L_GRAIN]
        return period == q[at + L_PERIOD] and calendar == q[at + L_META] & META_CALENDAR

    def _move_ends(self, q: memoryview[int], at: int, ends: tuple[int, int]) -> None:
        """The periods that were laid down end at other times: a figure of theirs, like another limit."""
        current, following = sorted(L_ENDS, key=lambda word: q[at + word] & ~END_MASK)
        steps = [(following, ends[1]), (current, ends[0])]
        if ends[1] < q[at + following]:
            # In an order in which the two never change places.
            steps.reverse()
        for word, end_ns in steps:
            self._put(q, at + word, end_word(end_ns, q[at + word] & END_MASK))

    def renew(self, slot: int, now_ns: int, next_end: Callable[[int], int]) -> int:
        """Lay down further ends of a limit of the calendar in place of those that have passed; returns when its present
        period ends, 0 for another kind of limit. ``next_end`` tells the end of the period that begins at a time. A
        period that nobody laid down in time counts as one with those it ran into."""
        segment, at = self.line(slot)
        q = segment.q
        if not q[at + L_META] & META_CALENDAR or q[at + L_META] & META_BUSY:
            return 0
        while True:
            passed, later = sorted(L_ENDS, key=lambda word: q[at + word] & ~END_MASK)
            if q[at + passed] & ~END_MASK > now_ns:
                return q[at + passed] & ~END_MASK
            end_ns = next_end(q[at + later] & ~END_MASK)
            # Nobody was here for a whole period: what has run since counts as one.
            while end_ns <= now_ns:
                end_ns = next_end(end_ns)
            self._put(q, at + passed, end_word(end_ns, (q[at + later] & END_MASK) + 1))

    def calendar_slots(self) -> list[tuple[int, int]]:
        """Every slot whose periods follow the calendar, with its label."""
        return [
            (slot, (segment.q[at + L_META] & LABEL_MASK) >> LABEL_SHIFT)
            for slot, segment, at in self._lines()
            if segment.q[at + L_META] & META_CALENDAR
        ]

    def _set_figures(self, segment: Segment, at: int, kind: int, limit: int, period: int, burst: int) -> None:
        put, q = self._put, segment.q
        if kind == GCRA:
            step = step_of(limit, period)
            put(q, at + L_STEP, step)
            put(q, at + L_TAU, cost_of(burst or limit, step) if limit else 0)
            put(q, at + L_BURST, burst or limit)
        elif kind == ROLLING:
            grain = grain_of(limit, q[at + L_META] >> 8 & 0xFF)
            put(q, at + L_GRAIN, grain)
            put(q, at + L_WHOLE, limit)
            limit >>= grain
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
            grain = q[at + L_GRAIN]
            if interrupted:
                # Its own carried sum if it came that far, else what the definition before it left.
                by_generation = [
                    sum(word & ROLL_COUNT_MASK for word in words if word >> ROLL_GENERATION_SHIFT == one & 0x1F)
                    for one in (generation, generation - 1)
                ]
                return (by_generation[0] or by_generation[1]) << grain
            return sum(word & ROLL_COUNT_MASK for word in words if word & ~ROLL_COUNT_MASK in tags) << grain
        cells = [(q[cell], q[cell + 1]) for cell in self._pairs(at)]
        tag = max(tag for tag, _ in cells)
        if not interrupted:
            ends = calendar_period(q[at + L_ENDS[0]], q[at + L_ENDS[1]], now)
            number = number_of(now, q[at + L_PERIOD], q[at + L_OFFSET])
            tag = tag_of(generation, ends[0] if meta & META_CALENDAR else number)
        return saturate(sum(count for own, count in cells if own == tag))

    def _carry_over(self, segment: Segment, at: int, kind: int, generation: int, amount: int) -> None:
        """Into control's cell; workers refuse at this limit until the definition is whole."""
        now, q = time.monotonic_ns(), segment.q
        if kind == ROLLING:
            number = now // q[at + L_PERIOD]
            block, base = self.sub_windows(q[at + L_EXTENSION])
            word = base + self.workers * ROLL_WORDS + number % SUB_WINDOWS
            amount = min(-(-amount >> q[at + L_GRAIN]), ROLL_COUNT_MASK)
            self._put(block.q, word, roll_tag(generation, number) | amount)
        cell = at + LINE + 2 * self.workers
        self._put(q, cell + 1, amount)
        self._put(q, cell, tag_of(generation, period_at(q, at, now)[0]))

    def find(self, id_hash: int) -> int:
        """Slot defined for this id, -1 when there is none."""
        if self._definitions_seen != self.q[H_DEFINITIONS]:
            self._survey()
        return self._slots_by_id.get(id_hash, -1)

    def free(self, slot: int) -> bool:
        """Give the slot back; False while some reservation still names it."""
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

    def clear(self) -> None:
        """Give back every slot that no reservation names, while nobody serves."""
        if self.q[H_DEFINITIONS]:
            for slot in [slot for slot, _, _ in self._lines()]:
                self.free(slot)

    def allocate(self) -> int:
        """Lowest unused slot, handed out once by this object whether it is defined or not; makes a further segment when
        all are taken (OSError when there is no room for it)."""
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
