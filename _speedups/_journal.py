"""The journal that makes reservations survive kill -9.

A worker is the only writer of its cells, and single-threaded, so one journal a worker is enough. *Reserve* writes down
what each own cell was before it changes it (undo); the reservation counts from the store of its state word on. *Settle*
writes down what each own cell will be (redo) before it changes any. Both name absolute values, so applying a record
twice, or half and then whole, ends the same. A GCRA word belongs to all workers and cannot be set absolutely: J_STEP
says which one was begun; a charge in doubt is made again, a refund in doubt is not made, so doubt never admits more.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable

from _speedups._arena import Entry
from _speedups._calls import Call, call_of
from _speedups._layout import (
    B_BEAT,
    B_CONNECTIONS,
    B_EPOCH,
    B_IN_FLIGHT,
    B_PID,
    B_REACHED,
    B_STATE,
    BODY_WORDS,
    ENTRY_WORDS,
    GAUGE,
    GCRA,
    HEALTH,
    INDEX_BITS,
    J_COUNT,
    J_ENTRIES,
    J_OP,
    J_STEP,
    L_EXTENSION,
    L_GRAIN,
    L_META,
    L_PERIOD,
    L_STEP,
    L_WORD,
    LINE,
    OP_ADD,
    OP_NONE,
    OP_RESERVE,
    OP_SETTLE,
    R_COUNT,
    R_DONE_MONEY,
    R_DONE_OUTPUT,
    R_DONE_TOKENS,
    R_ENTRIES,
    R_REQUESTS,
    REQUESTS,
    ROLL_COUNT_BITS,
    ROLL_COUNT_MASK,
    ROLL_NUMBER_MASK,
    ROLL_WORDS,
    ROLLING,
    S_FREE,
    S_PENDING,
    SUB_GCRA,
    SUB_PAIR,
    SUB_WINDOWS,
    amount_of,
    cost_of,
    period_at,
    roll_sum,
    roll_tag,
    saturate,
    tag_of,
)
from _speedups._segments import Segment
from _speedups._sums import SLOT_MASK, SummedArena


def take_lock(path: str) -> int:
    """The descriptor that holds this file's flock. Raises BlockingIOError when somebody else does."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(fd)
        raise
    return fd


class JournaledArena(SummedArena):
    """Adds corrections and replay; the twins add workers and the atomic shift of a GCRA word."""

    def shift(self, segment: Segment, word: int, delta_ns: int, now_ns: int, mark: int = -1) -> None:
        """Charge (never into the past) or refund a GCRA word, atomically against every process. A refund with a mark is
        made only while the word's low 32 bits are still that mark."""
        raise NotImplementedError

    # Control's corrections.

    def add(self, slot: int, amount: int, now_ns: int, age: int = 0) -> None:
        segment, at = self.line(slot)
        q, meta = segment.q, segment.q[at + L_META]
        kind, generation = meta & 0xFF, meta >> 32
        self._replay_journal(self.workers)
        if kind in (0, HEALTH):
            raise ValueError(f"arena slot {slot} counts nothing")
        if kind == GCRA:
            cost = cost_of(abs(amount), q[at + L_STEP])
            self.shift(segment, at + L_WORD, cost if amount > 0 else -cost, now_ns)
            return
        if kind == ROLLING:
            # Before the machine's first hour is over, those of the hours before it have negative numbers.
            newest = now_ns // q[at + L_PERIOD]
            number = newest - age
            sub, tag = number % SUB_WINDOWS, roll_tag(generation, number)
            block, base = self.sub_windows(q[at + L_EXTENSION])
            amount = -(-amount >> q[at + L_GRAIN])
            old = block.q[base + self.workers * ROLL_WORDS + sub]
            count = old & ROLL_COUNT_MASK if old & ~ROLL_COUNT_MASK == tag else 0
            ends = max(q[at + LINE + 2 * self.workers], tag_of(generation, newest))
            entry = (slot, sub, tag | max(0, min(ROLL_COUNT_MASK, count + amount)), ends)
        else:
            tag = tag_of(generation, period_at(q, at, now_ns)[0])
            cell = at + LINE + 2 * self.workers
            count = q[cell + 1] if q[cell] == tag else 0
            entry = (slot, SUB_PAIR, tag, saturate(count + amount))
        self._redo(self.workers, OP_ADD, [entry], now_ns)

    # Journal.

    def settlement(self, worker: int, index: int, requests: int, tokens: int, output: int, money: int) -> list[Entry]:
        """What settling this reservation changes, as redo entries. A cell that has moved on to another period is left
        alone, and so is a slot that was given to another limit."""
        q = self.q
        body = self.geometry.bodies(worker) + index * BODY_WORDS
        entries: list[Entry] = []
        for named in q[body + R_ENTRIES : body + R_ENTRIES + q[body + R_COUNT]]:
            slot, generation, mark = named & SLOT_MASK, named >> INDEX_BITS & 0xFF, named >> 32 & 0xFFFFFFFF
            segment, at = self.line(slot)
            words, meta = segment.q, segment.q[at + L_META]
            kind = meta & 0xFF
            reserved = amount_of(words, at, *self._reserved_in(body))
            actual = 0 if kind == GAUGE else amount_of(words, at, requests, tokens, output, money)
            if kind == GCRA:
                entries += self._gcra_settlement(worker, slot, meta, reserved, actual, mark, generation)
                continue
            if kind in (0, HEALTH) or actual == reserved or meta >> 32 & 0xFF != generation:
                continue
            if kind == ROLLING:
                sub = mark & 63
                block, base = self.sub_windows(words[at + L_EXTENSION])
                word = block.q[base + worker * ROLL_WORDS + sub]
                if word >> ROLL_COUNT_BITS & ROLL_NUMBER_MASK == mark >> 6:
                    count = max(0, min(ROLL_COUNT_MASK, (word & ROLL_COUNT_MASK) + actual - reserved))
                    ends = words[at + LINE + 2 * worker]
                    entries.append((slot, sub, word & ~ROLL_COUNT_MASK | count, ends))
                continue
            cell = at + LINE + 2 * worker
            if words[cell] & 0xFFFFFFFF == mark:
                entries.append((slot, SUB_PAIR, words[cell], max(0, saturate(words[cell + 1] + actual - reserved))))
        return entries

    def _gcra_settlement(
        self, worker: int, slot: int, meta: int, reserved: int, actual: int, mark: int, generation: int
    ) -> list[Entry]:
        """Tokens were held in the worker's own cell and are charged now. Requests were charged when they were reserved;
        a void is given back only while nobody has moved the word since: later, time may have refilled it already."""
        segment, at = self.line(slot)
        words, step = segment.q, segment.q[at + L_STEP]
        if meta >> 32 & 0xFF != generation:
            return []
        if meta >> 8 & 0xFF != REQUESTS:
            cell = at + LINE + 2 * worker
            entries: list[Entry] = [(slot, SUB_GCRA, cost_of(actual, step), 0)] if actual else []
            if reserved:
                entries.append((slot, SUB_PAIR, words[cell], max(0, words[cell + 1] - reserved)))
            return entries
        if actual == reserved:
            return []
        delta = cost_of(actual, step) - cost_of(reserved, step)
        return [(slot, SUB_GCRA, delta, mark)]

    def _redo(self, worker: int, op: int, entries: list[Entry], now_ns: int) -> None:
        """Publish the record, apply it, withdraw it."""
        put, q, block = self._put, self.q, self.geometry.block(worker)
        for number, (slot, sub, a, b) in enumerate(entries):
            at = block + J_ENTRIES + number * ENTRY_WORDS
            put(q, at, sub << 32 | slot)
            put(q, at + 1, a)
            put(q, at + 2, b)
        put(q, block + J_COUNT, len(entries))
        put(q, block + J_STEP, 0)
        put(q, block + J_OP, op)
        self._apply(worker, entries, now_ns)
        self._finish(worker, op)

    def _apply(self, worker: int, entries: list[Entry], now_ns: int) -> None:
        """Charges before cells: what is in flight may be counted twice for an instant, never not at all."""
        q, block = self.q, self.geometry.block(worker)
        begun, ordinal = q[block + J_STEP], 0
        for slot, sub, a, b in entries:
            if sub == SUB_GCRA:
                ordinal += 1
                if ordinal > begun:
                    self._put(q, block + J_STEP, ordinal)
                if ordinal > begun or (ordinal == begun and a > 0):
                    segment, at = self.line(slot)
                    self.shift(segment, at + L_WORD, a, now_ns, b)
        for slot, sub, a, b in entries:
            if sub != SUB_GCRA:
                self._set_cell(worker, slot, sub, a, b)

    def _set_cell(self, worker: int, slot: int, sub: int, a: int, b: int) -> None:
        segment, at = self.line(slot)
        if sub == SUB_PAIR:
            # Tag first: between the two stores a reader finds too much, never too little.
            self._put(segment.q, at + LINE + 2 * worker, a)
            self._put(segment.q, at + LINE + 2 * worker + 1, b)
        elif segment.q[at + L_META] & 0xFF == ROLLING:
            block, base = self.sub_windows(segment.q[at + L_EXTENSION])
            base += worker * ROLL_WORDS
            self._put(block.q, base + sub, a)
            self._put(segment.q, at + LINE + 2 * worker, b)
            self._put(segment.q, at + LINE + 2 * worker + 1, roll_sum(block.q[base : base + SUB_WINDOWS], b))

    def _finish(self, worker: int, op: int) -> None:
        q, block = self.q, self.geometry.block(worker)
        if op & 0xFF == OP_SETTLE:
            state = self.geometry.states(worker) + (op >> 8)
            self._put(q, state, q[state] & ~0xFF | S_FREE)
        self._put(q, block + J_OP, OP_NONE)

    def _journal_entries(self, worker: int) -> list[Entry]:
        q, block = self.q, self.geometry.block(worker)
        found: list[Entry] = []
        for number in range(q[block + J_COUNT]):
            named, a, b = q[block + J_ENTRIES + number * ENTRY_WORDS :][:ENTRY_WORDS]
            found.append((named & 0xFFFFFFFF, named >> 32, a, b))
        return found

    def _replay_journal(self, worker: int) -> None:
        q, block = self.q, self.geometry.block(worker)
        op = q[block + J_OP]
        if op & 0xFF == OP_RESERVE:
            state = q[self.geometry.states(worker) + (op >> 8)]
            if state & 0xFF != S_PENDING:
                for slot, sub, a, b in reversed(self._journal_entries(worker)):
                    self._set_cell(worker, slot, sub, a, b)
            self._put(q, block + J_OP, OP_NONE)
        elif op & 0xFF in (OP_SETTLE, OP_ADD):
            self._apply(worker, self._journal_entries(worker), time.monotonic_ns())
            self._finish(worker, op)

    def _replay_owned(self, worker: int, tell: Callable[[Call], None] | None = None) -> int:
        """Replay, for whoever holds the worker's flock."""
        self._replay_journal(worker)
        q, geometry, posted = self.q, self.geometry, 0
        states, bodies = geometry.states(worker), geometry.bodies(worker)
        for index in range(min(q[geometry.block(worker) + B_REACHED], geometry.reservations)):
            if q[states + index] & 0xFF != S_PENDING:
                continue
            body = bodies + index * BODY_WORDS
            if tell is not None and (call := call_of(q[body : body + BODY_WORDS])) is not None:
                tell(call)
            entries = self.settlement(
                worker,
                index,
                q[body + R_REQUESTS],
                q[body + R_DONE_TOKENS],
                q[body + R_DONE_OUTPUT],
                q[body + R_DONE_MONEY],
            )
            self._redo(worker, index << 8 | OP_SETTLE, entries, time.monotonic_ns())
            posted += 1
        return posted

    def replay(self, worker: int, tell: Callable[[Call], None] | None = None) -> int:
        """Raises BlockingIOError while the worker lives."""
        fd = take_lock(self.lock_path(worker))
        try:
            posted = self._replay_owned(worker, tell)
            block = self.geometry.block(worker)
            self._put(self.q, block + B_IN_FLIGHT, 0)
            self._put(self.q, block + B_CONNECTIONS, 0)
        finally:
            os.close(fd)
        return posted

    def lock_path(self, worker: int) -> str:
        if not 0 <= worker < self.workers:
            raise IndexError(f"worker {worker} does not exist")
        return f"{self.path}.w{worker}"

    def become(self, worker: int) -> tuple[int, int]:
        """Own a worker's place: its flock (first value, a descriptor to keep open) and its new epoch."""
        fd = take_lock(self.lock_path(worker))
        try:
            self._replay_owned(worker)
            q, block = self.q, self.geometry.block(worker)
            epoch = q[block + B_EPOCH] + 1
            self._put(q, block + B_EPOCH, epoch)
            self._put(q, block + B_PID, os.getpid())
            self._put(q, block + B_STATE, 0)
            self._put(q, block + B_IN_FLIGHT, 0)
            self._put(q, block + B_CONNECTIONS, 0)
            self._put(q, block + B_BEAT, time.monotonic_ns())
        except BaseException:
            os.close(fd)
            raise
        return fd, epoch
