"""Where everything lies in the arena: words, offsets and the few formulas both twins must agree on.

All shared values are aligned 8-byte words in the machine's own order. A file holds, in this order: a page of header, a
block for each worker (heartbeat and journal; one more for control), a table of reservations for each worker, and the
first segment of limits. Further segments are files of their own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

GCRA: Final = 1
WINDOW: Final = 2
ROLLING: Final = 3
GAUGE: Final = 4
MONEY: Final = 5
HEALTH: Final = 6

REQUESTS: Final = 0
TOKENS: Final = 1
"""Of input and of output."""
INPUT_TOKENS: Final = 2
OUTPUT_TOKENS: Final = 3
USD: Final = 4
"""Nano-dollars, in a ROLLING limit; MONEY always counts them."""
UNITS: Final = (REQUESTS, TOKENS, INPUT_TOKENS, OUTPUT_TOKENS, USD)

MAX_LIMITS: Final = 32
MAX_AMOUNT: Final = 1 << 62
"""No amount or limit exceeds this."""
MAX_SUM: Final = MAX_AMOUNT + 1
"""Sums saturate here: they exceed every limit, and two of them can be added in a signed word."""
NEVER_NS: Final = (1 << 63) - 1
NO_RESERVATION: Final = -1000
MIN_PERIOD_NS: Final = 1000
"""A period's number must fit 48 bits for as long as a machine runs."""

PAGE: Final = 4096
LINE: Final = 8
"""Words of a cache line."""

# Header.
H_MAGIC, H_LAYOUT, H_WORKERS, H_CAPACITY, H_RESERVATIONS, H_BOOT, H_BOOT2, H_SEGMENTS = range(8)
H_WALL_OFFSET: Final = 8
"""CLOCK_REALTIME - CLOCK_MONOTONIC at creation, for windows aligned to the calendar."""
H_DEFINITIONS: Final = 9
"""Grows with every slot that is taken or given back."""
H_FILLED: Final = 10
"""1 once what was spent before this arena was made has been put in."""
MAGIC: Final = int.from_bytes(b"mgarena\1", "little")

# A worker's block.
B_EPOCH, B_PID, B_BEAT, B_STATE, B_IN_FLIGHT, B_CONNECTIONS, B_REACHED = range(7)
"""The last: how many places of its table of reservations were ever used."""
J_OP, J_COUNT, J_STEP, J_ENTRIES = 8, 9, 10, 16
BLOCK_WORDS: Final = 256
ENTRY_WORDS: Final = 3
assert J_ENTRIES + 2 * MAX_LIMITS * ENTRY_WORDS <= BLOCK_WORDS  # a GCRA limit of tokens takes two entries

# Journal operations, in the low byte of J_OP; the reservation's index above it.
OP_NONE, OP_RESERVE, OP_SETTLE, OP_ADD = range(4)
# What an entry names beside its slot: a sub-window 0-59, the pair cell, or the GCRA word.
SUB_WINDOWS: Final = 60
SUB_PAIR: Final = 255
SUB_GCRA: Final = 254

# A reservation: its state word stands in an array of its own; the body holds what a crash has to post.
S_FREE, S_PENDING = 0, 1
R_REQUESTS, R_TOKENS, R_MONEY, R_DONE_TOKENS, R_DONE_MONEY, R_COUNT, R_OUTPUT, R_DONE_OUTPUT, R_UNTIL = range(9)
"""TOKENS are input and output, of which OUTPUT is a part. UNTIL: when it expires if nobody settles it; 0: never."""
R_ENTRIES: Final = 9
R_CALL: Final = R_ENTRIES + MAX_LIMITS
"""Whose call it is, and to whom (``_calls``): its first word is 0 until the call goes out."""
BODY_WORDS: Final = 64
INDEX_BITS: Final = 24

# A limit: one line, then a pair of words (tag, count) for each worker and for control.
L_ID, L_META, L_LIMIT, L_PERIOD, L_STEP, L_TAU, L_WORD, L_BURST = range(8)
L_EXTENSION: Final = L_STEP
"""ROLLING: number of its block of sub-windows."""
L_GRAIN: Final = L_TAU
"""ROLLING: one in a sub-window stands for 2**grain units."""
L_WHOLE: Final = L_BURST
"""ROLLING: the limit in units."""
L_OFFSET: Final = L_BURST
"""WINDOW and MONEY: nanoseconds added to the clock before it is divided into periods."""
L_ENDS: Final = (L_TAU, L_WORD)
"""WINDOW and MONEY of the calendar: when two periods end that follow each other, each with its number. One word a
period, so that whoever renews them changes one thing at a time."""
META_BUSY: Final = 1 << 16
"""Being redefined: refuses everything."""
META_CALENDAR: Final = 1 << 17
"""Periods end when ``L_ENDS`` says."""
LABEL_SHIFT: Final = 18
LABEL_BITS: Final = 13
"""What the builder notes of a limit; means nothing here."""
LABEL_MASK: Final = (1 << LABEL_BITS) - 1 << LABEL_SHIFT
END_BITS: Final = 20
"""Of an end: the period's number. The rest is the time, so periods end up to a millisecond late."""
END_MASK: Final = (1 << END_BITS) - 1
STEP_SHIFT: Final = 10
"""Fraction bits of a GCRA step: its error is below 2**-10 ns a unit, always to the strict side. The time of a whole
burst is rounded up to a nanosecond: what a limit lets pass is what its rate gives, to the nanosecond."""
NUMBER_BITS: Final = 48
NUMBER_MASK: Final = (1 << NUMBER_BITS) - 1

# A sub-window's word: count in 36 bits, number in 22, generation in 5. The pair beside it holds the number of the
# newest sub-window its owner has counted in, and the sum of the 60 that end there.
ROLL_WORDS: Final = 64
ROLL_COUNT_BITS: Final = 36
ROLL_COUNT_MASK: Final = (1 << ROLL_COUNT_BITS) - 1
ROLL_NUMBER_MASK: Final = (1 << 22) - 1
ROLL_GENERATION_SHIFT: Final = ROLL_COUNT_BITS + 22
ROLLING_SHARE: Final = 16
"""One slot in this many can be ROLLING."""

LAYOUT: Final = int.from_bytes(
    hashlib.blake2b(
        b"arena 3; header 4096; block 256; entry slot|sub,a,b; body 9+32+23; entry slot:24|generation:8|period:32; "
        b"limit id,meta,limit,period,step,tau,word,burst + (tag,count)*(workers+1); "
        b"rolling 64*(workers+1), its sum of 60 in the pair",
        digest_size=7,
    ).digest(),
    "little",
)


def _lines(words: int) -> int:
    return -(-words // LINE) * LINE


@dataclass(frozen=True, slots=True)
class Geometry:
    """Offsets in words, from the three sizes of an arena."""

    workers: int
    capacity: int
    """Slots of one segment: a power of two."""
    reservations: int

    @property
    def cells(self) -> int:
        return self.workers + 1

    @property
    def limit_words(self) -> int:
        return LINE + _lines(2 * self.cells)

    @property
    def rolling_words(self) -> int:
        return ROLL_WORDS * self.cells

    @property
    def rolling_blocks(self) -> int:
        return max(4, self.capacity // ROLLING_SHARE)

    @property
    def table_words(self) -> int:
        """Of one worker's reservations: the state words, then the bodies."""
        return _lines(self.reservations) + self.reservations * BODY_WORDS

    def block(self, worker: int) -> int:
        return PAGE // 8 + worker * BLOCK_WORDS

    def states(self, worker: int) -> int:
        return self.block(self.cells) + worker * self.table_words

    def bodies(self, worker: int) -> int:
        return self.states(worker) + _lines(self.reservations)

    @property
    def first_segment(self) -> int:
        page = PAGE // 8
        return -(-self.states(self.workers) // page) * page

    @property
    def segment_words(self) -> int:
        return self.capacity * self.limit_words + self.rolling_blocks * self.rolling_words


def step_of(limit: int, period_ns: int) -> int:
    """Nanoseconds one unit costs a GCRA limit, rounded up, with STEP_SHIFT fraction bits."""
    return min(-(-(period_ns << STEP_SHIFT) // limit) if limit > 0 else MAX_AMOUNT, MAX_AMOUNT)


def cost_of(amount: int, step: int) -> int:
    """Nanoseconds that ``amount`` units move a GCRA word."""
    return min((amount * step + (1 << STEP_SHIFT) - 1) >> STEP_SHIFT, MAX_AMOUNT)


def saturate(value: int) -> int:
    return max(-MAX_SUM, min(MAX_SUM, value))


def tag_of(generation: int, number: int) -> int:
    """What marks a pair cell as belonging to one period of one definition."""
    return (generation & 0x7FFF) << NUMBER_BITS | number & NUMBER_MASK


def number_of(now_ns: int, period_ns: int, offset_ns: int) -> int:
    """Number of the fixed window at this time; a limit without a period has one window for ever."""
    return (now_ns + offset_ns) // period_ns & NUMBER_MASK if period_ns else 0


def end_word(end_ns: int, number: int) -> int:
    """When a period of the calendar ends, and its number, as ``L_ENDS`` has it."""
    return -(-end_ns >> END_BITS) << END_BITS | number & END_MASK


def calendar_period(first: int, second: int, now_ns: int) -> tuple[int, int]:
    """Number of the period at this time, and when it ends (0: nobody has said yet), out of two words of ``L_ENDS``."""
    for word in sorted((first, second), key=_end_of):
        if now_ns < _end_of(word):
            return word & END_MASK, _end_of(word)
    return (max(first, second, key=_end_of) & END_MASK) + 1, 0


def _end_of(word: int) -> int:
    return word & ~END_MASK


def period_at(q: memoryview[int], at: int, now_ns: int) -> tuple[int, int]:
    """Number of a limit's period at this time, and when that ends; 0: never, or nobody has said yet."""
    meta, period = q[at + L_META], q[at + L_PERIOD]
    kind = meta & 0xFF
    if kind not in (WINDOW, MONEY, ROLLING) or not period:
        return 0, 0
    if meta & META_CALENDAR:
        return calendar_period(q[at + L_ENDS[0]], q[at + L_ENDS[1]], now_ns)
    offset = 0 if kind == ROLLING else q[at + L_OFFSET]
    return number_of(now_ns, period, offset), now_ns + period - (now_ns + offset) % period


def amount_of(q: memoryview[int], at: int, requests: int, tokens: int, output: int, money: int) -> int:
    """What a limit takes of these amounts."""
    meta = q[at + L_META]
    kind, unit = meta & 0xFF, meta >> 8 & 0xFF
    if kind == GAUGE:
        return 1
    if kind == MONEY:
        return money
    if unit == USD:
        grain = q[at + L_GRAIN] if kind == ROLLING else 0
        return -(-money >> grain)
    return (requests, tokens, max(0, tokens - output), output)[unit]


def grain_of(limit: int, unit: int) -> int:
    """So that no sub-window of a rolling budget within its figure overflows; other limits count in ones."""
    return max(0, limit.bit_length() - (ROLL_COUNT_BITS - 1)) if unit == USD else 0


def roll_tag(generation: int, number: int) -> int:
    return ((generation & 0x1F) << 22 | number & ROLL_NUMBER_MASK) << ROLL_COUNT_BITS


def roll_sum(words: Iterable[int], tag: int) -> int:
    """What one worker's sub-windows hold in the 60 that end with the tag's."""
    number, mine = tag & NUMBER_MASK, tag >> NUMBER_BITS & 0x1F
    return sum(
        word & ROLL_COUNT_MASK
        for word in words
        if word >> ROLL_GENERATION_SHIFT == mine and number - (word >> ROLL_COUNT_BITS) & ROLL_NUMBER_MASK < SUB_WINDOWS
    )


def roll_mark(number: int) -> int:
    """A sub-window's number as a reservation keeps it: enough to find the word and to know it again."""
    return (number & ROLL_NUMBER_MASK) << 6 | number % SUB_WINDOWS
