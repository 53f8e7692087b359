"""One limit of a reservation, pure: what it takes, whether it fits, whether it still fits once published."""

from __future__ import annotations

from typing import Final, NamedTuple

from _speedups._journal import JournaledArena
from _speedups._layout import (
    GAUGE,
    GCRA,
    HEALTH,
    L_EXTENSION,
    L_LIMIT,
    L_META,
    L_OFFSET,
    L_PERIOD,
    L_STEP,
    L_TAU,
    L_WORD,
    LINE,
    META_BUSY,
    MONEY,
    REQUESTS,
    ROLL_COUNT_BITS,
    ROLL_COUNT_MASK,
    ROLL_GENERATION_SHIFT,
    ROLL_NUMBER_MASK,
    ROLL_WORDS,
    ROLLING,
    SUB_PAIR,
    SUB_WINDOWS,
    TOKENS,
    cost_of,
    number_of,
    roll_mark,
    roll_tag,
    saturate,
    tag_of,
)
from _speedups._segments import Segment

AGAIN: Final = 1
REFUSED: Final = 2


class Step(NamedTuple):
    """One limit of a reservation under way: what is taken, and where the own cell lies."""

    slot: int
    kind: int
    meta: int
    segment: Segment
    at: int
    amount: int
    limit: int
    words: memoryview[int]
    cell: int
    """Word offset of the own cell, -1 for a GCRA word."""
    sub: int
    tag: int
    before: int
    """Count of the own cell in this period."""
    mark: int


def look(arena: JournaledArena, index: int, slot: int, amounts: tuple[int, int, int], now_ns: int) -> Step | None:
    """The step for this limit, or None when it refuses already."""
    segment, at = arena.line(slot)
    q, meta = segment.q, segment.q[at + L_META]
    kind, generation = meta & 0xFF, meta >> 32
    if kind in (0, HEALTH) or meta & META_BUSY:
        return None
    amount, limit = amount_of(meta, amounts), q[at + L_LIMIT]
    if kind == ROLLING:
        return _look_rolling(arena, index, slot, segment, at, meta, amount, now_ns)
    if kind == GCRA and meta >> 8 & 0xFF == REQUESTS:
        slack = max(0, q[at + L_WORD] - now_ns)
        if slack + cost_of(amount, q[at + L_STEP]) > q[at + L_TAU]:
            return None
        return Step(slot, kind, meta, segment, at, amount, limit, q, -1, 0, 0, 0, 0)
    period = 0 if kind in (GAUGE, GCRA) else q[at + L_PERIOD]
    tag = tag_of(generation, number_of(now_ns, period, q[at + L_OFFSET] if period else 0))
    total, newest = _pair_sum(q, arena.geometry.cells, at, tag)
    if newest != tag:
        # Another worker's clock has reached the next period: so has everybody's.
        tag = newest
        total, _ = _pair_sum(q, arena.geometry.cells, at, tag)
    cell = at + LINE + 2 * index
    before = q[cell + 1] if q[cell] == tag else 0
    step = Step(slot, kind, meta, segment, at, amount, limit, q, cell, SUB_PAIR, tag, before, tag & 0xFFFFFFFF)
    return None if exceeds(step, total + amount, now_ns) else step


def _look_rolling(
    arena: JournaledArena, index: int, slot: int, segment: Segment, at: int, meta: int, amount: int, now_ns: int
) -> Step | None:
    q = segment.q
    block, base = arena.sub_windows(q[at + L_EXTENSION])
    number = now_ns // q[at + L_PERIOD]
    total, ahead = _rolling_sum(block.q, arena.geometry.rolling_words, base, meta >> 32, number)
    if ahead:
        number += ahead
        total, _ = _rolling_sum(block.q, arena.geometry.rolling_words, base, meta >> 32, number)
    if total + amount > q[at + L_LIMIT] or total + (not amount) > q[at + L_LIMIT] or amount > ROLL_COUNT_MASK:
        return None
    sub, tag = number % SUB_WINDOWS, roll_tag(meta >> 32, number)
    cell = base + index * ROLL_WORDS + sub
    old = block.q[cell]
    before = old & ROLL_COUNT_MASK if old & ~ROLL_COUNT_MASK == tag else 0
    mark = roll_mark(number)
    return Step(slot, ROLLING, meta, segment, at, amount, q[at + L_LIMIT], block.q, cell, sub, tag, before, mark)


def verify(step: Step, arena: JournaledArena, index: int, now_ns: int) -> int:
    """After the fence, with the own cell counted: 0 in order, AGAIN, AGAIN or REFUSED."""
    if step.segment.q[step.at + L_META] != step.meta:
        return AGAIN
    if step.cell < 0:
        return 0
    if step.kind == ROLLING:
        block_base = step.cell - step.sub - index * ROLL_WORDS
        number = step.tag >> ROLL_COUNT_BITS & ROLL_NUMBER_MASK
        total, ahead = _rolling_sum(step.words, arena.geometry.rolling_words, block_base, step.meta >> 32, number)
        if ahead:
            return AGAIN
        return REFUSED if total > step.limit or (not step.amount and total >= step.limit) else 0
    total, newest = _pair_sum(step.words, arena.geometry.cells, step.at, step.tag)
    if newest != step.tag:
        return AGAIN
    return REFUSED if exceeds(step, total, now_ns) else 0


def _pair_sum(q: memoryview[int], cells: int, at: int, tag: int) -> tuple[int, int]:
    """Sum of the cells of this period, and the newest period's tag that some cell has."""
    total, newest = 0, tag
    for cell in range(at + LINE, at + LINE + 2 * cells, 2):
        while True:
            own, count = q[cell], q[cell + 1]
            if q[cell] == own:
                break
        if own == tag:
            total += count
        elif own > newest and own >> 48 == tag >> 48:
            newest = own
    return saturate(total), newest


def _rolling_sum(q: memoryview[int], words: int, base: int, generation: int, number: int) -> tuple[int, int]:
    """Sum of the last 60 sub-windows, and by how many some worker is ahead of ``number``."""
    total, ahead = 0, 0
    mine = generation & 0x1F
    for word in q[base : base + words]:
        if not word & ROLL_COUNT_MASK or word >> ROLL_GENERATION_SHIFT != mine:
            continue
        age = number - (word >> ROLL_COUNT_BITS) & ROLL_NUMBER_MASK
        if age < SUB_WINDOWS:
            total += word & ROLL_COUNT_MASK
        elif age > ROLL_NUMBER_MASK - SUB_WINDOWS:
            ahead = max(ahead, ROLL_NUMBER_MASK + 1 - age)
    return total, ahead


def amount_of(meta: int, amounts: tuple[int, int, int]) -> int:
    kind = meta & 0xFF
    if kind == GAUGE:
        return 1
    if kind == MONEY:
        return amounts[2]
    return amounts[1] if meta >> 8 & 0xFF == TOKENS else amounts[0]


def store(step: Step, count: int) -> None:
    if step.sub == SUB_PAIR:
        step.words[step.cell] = step.tag
        step.words[step.cell + 1] = count
    else:
        step.words[step.cell] = step.tag | count


def exceeds(step: Step, total: int, now_ns: int) -> bool:
    """Whether a limit refuses with ``total`` spent and reserved, this reservation included. Nothing more is let through
    an exhausted limit, not even a reservation of nothing."""
    if step.kind == GCRA:
        q, at = step.segment.q, step.at
        ahead = max(0, q[at + L_WORD] - now_ns) + cost_of(total, q[at + L_STEP])
        return ahead > q[at + L_TAU] or (not step.amount and ahead >= q[at + L_TAU])
    return total > step.limit or (not step.amount and total >= step.limit)
