"""One limit of a reservation, pure: what it takes, whether it fits, whether it still fits once published."""

from __future__ import annotations

from typing import Final, NamedTuple

from _speedups._journal import JournaledArena
from _speedups._layout import (
    GCRA,
    HEALTH,
    L_EXTENSION,
    L_LIMIT,
    L_META,
    L_STEP,
    L_TAU,
    L_WORD,
    LINE,
    META_BUSY,
    NUMBER_BITS,
    NUMBER_MASK,
    REQUESTS,
    ROLL_COUNT_MASK,
    ROLL_WORDS,
    ROLLING,
    SUB_PAIR,
    SUB_WINDOWS,
    amount_of,
    cost_of,
    period_at,
    roll_mark,
    roll_sum,
    roll_tag,
    saturate,
    tag_of,
)
from _speedups._segments import Segment

AGAIN: Final = 1
REFUSED: Final = 2


Rolling = tuple[Segment, int]


class Step(NamedTuple):
    """One limit of a reservation under way: what is taken, and where the own cell lies."""

    slot: int
    kind: int
    meta: int
    segment: Segment
    at: int
    amount: int
    limit: int
    pair: int
    """Word offset of the own cell, -1 for a GCRA word."""
    sub: int
    tag: int
    before: int
    """Count of the own cell in this period."""
    mark: int
    rolling: Rolling | None = None
    """ROLLING: where the sub-windows of all workers begin."""
    content: int = 0
    """ROLLING: word of the own sub-window before."""


Amounts = tuple[int, int, int, int]
"""Requests, tokens, of these output, money."""


def look(arena: JournaledArena, index: int, slot: int, amounts: Amounts, now_ns: int) -> Step | None:
    """The step for this limit, or None when it refuses already."""
    segment, at = arena.line(slot)
    q, meta = segment.q, segment.q[at + L_META]
    kind, generation = meta & 0xFF, meta >> 32
    if kind in (0, HEALTH) or meta & META_BUSY:
        return None
    amount, limit = amount_of(q, at, *amounts), q[at + L_LIMIT]
    if kind == GCRA and meta >> 8 & 0xFF == REQUESTS:
        slack = max(0, q[at + L_WORD] - now_ns)
        if slack + cost_of(amount, q[at + L_STEP]) > q[at + L_TAU]:
            return None
        return Step(slot, kind, meta, segment, at, amount, limit, -1, 0, 0, 0, 0)
    tag = tag_of(generation, period_at(q, at, now_ns)[0])
    rolling = arena.sub_windows(q[at + L_EXTENSION]) if kind == ROLLING else None
    total, newest = _pair_sum(q, arena.geometry.cells, at, tag, rolling)
    if newest != tag:
        # Another worker's clock has reached the next period: so has everybody's.
        tag = newest
        total, _ = _pair_sum(q, arena.geometry.cells, at, tag, rolling)
    pair = at + LINE + 2 * index
    own, before = q[pair], q[pair + 1]
    if own != tag:
        before = roll_sum(_own(rolling, index), tag) if rolling and _lasts(own, before, tag) else 0
    step = Step(slot, kind, meta, segment, at, amount, limit, pair, SUB_PAIR, tag, before, tag & 0xFFFFFFFF)
    if rolling is not None:
        number = tag & NUMBER_MASK
        sub, content = number % SUB_WINDOWS, roll_tag(generation, number)
        word = _own(rolling, index)[sub]
        if word & ~ROLL_COUNT_MASK == content:
            content = word
        if amount > ROLL_COUNT_MASK - (content & ROLL_COUNT_MASK):
            return None
        step = step._replace(sub=sub, mark=roll_mark(number), rolling=rolling, content=content)
    return None if exceeds(step, total + amount, now_ns) else step


def verify(step: Step, arena: JournaledArena, now_ns: int) -> int:
    """After the fence, with the own cell counted: 0 in order, AGAIN or REFUSED."""
    if step.segment.q[step.at + L_META] != step.meta:
        return AGAIN
    if step.pair < 0:
        return 0
    total, newest = _pair_sum(step.segment.q, arena.geometry.cells, step.at, step.tag, step.rolling)
    if newest != step.tag:
        return AGAIN
    return REFUSED if exceeds(step, total, now_ns) else 0


def _pair_sum(q: memoryview[int], cells: int, at: int, tag: int, rolling: Rolling | None) -> tuple[int, int]:
    """Sum of the cells of this period, and the newest period's tag that some cell has. A rolling cell that was last
    changed in an earlier sub-window is summed anew."""
    total, newest = 0, tag
    for index in range(cells):
        cell = at + LINE + 2 * index
        while True:
            own, count = q[cell], q[cell + 1]
            if rolling is not None and own <= newest and own != tag and _lasts(own, count, tag):
                count = roll_sum(_own(rolling, index), tag)
                found = True
            else:
                found = own == tag
            # With its next period an owner changes the count, and takes the place of a sub-window that counts here.
            if q[cell] == own:
                break
        if found:
            total += count
        elif own > newest and own >> NUMBER_BITS == tag >> NUMBER_BITS:
            newest = own
    return saturate(total), newest


def _lasts(own: int, count: int, tag: int) -> bool:
    """Whether a cell of another period still has sub-windows that count in the tag's."""
    return count > 0 and 0 <= tag - own < SUB_WINDOWS


def _own(rolling: Rolling, index: int) -> memoryview[int]:
    """One worker's sub-windows."""
    block, base = rolling
    base += index * ROLL_WORDS
    return block.q[base : base + SUB_WINDOWS]


def store(step: Step, index: int, change: int) -> None:
    q = step.segment.q
    # Tag first: between the two stores a reader finds too much, never too little.
    q[step.pair] = step.tag
    q[step.pair + 1] = step.before + change
    if step.rolling is not None:
        block, base = step.rolling
        block.q[base + index * ROLL_WORDS + step.sub] = step.content + change


def exceeds(step: Step, total: int, now_ns: int) -> bool:
    """Whether a limit refuses with ``total`` spent and reserved, this reservation included. Nothing more is let through
    an exhausted limit, not even a reservation of nothing."""
    if step.kind == GCRA:
        q, at = step.segment.q, step.at
        ahead = max(0, q[at + L_WORD] - now_ns) + cost_of(total, q[at + L_STEP])
        return ahead > q[at + L_TAU] or (not step.amount and ahead >= q[at + L_TAU])
    return total > step.limit or (not step.amount and total >= step.limit)
