"""Pure twin of ``_bucket.pyx``: the same bytes, cells stored as single aligned words, GCRA words under flock."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Sequence
from typing import Final

from _speedups._calls import words_of
from _speedups._journal import JournaledArena
from _speedups._layout import (
    B_BEAT,
    B_CONNECTIONS,
    B_IN_FLIGHT,
    B_REACHED,
    B_STATE,
    BODY_WORDS,
    ENTRY_WORDS,
    GAUGE,
    GCRA,
    HEALTH,
    INDEX_BITS,
    INPUT_TOKENS,
    J_COUNT,
    J_ENTRIES,
    J_OP,
    L_META,
    L_STEP,
    L_TAU,
    L_WORD,
    MAX_AMOUNT,
    MAX_LIMITS,
    MONEY,
    NEVER_NS,
    NO_RESERVATION,
    OP_NONE,
    OP_RESERVE,
    OP_SETTLE,
    OUTPUT_TOKENS,
    R_CALL,
    R_COUNT,
    R_DONE_MONEY,
    R_DONE_OUTPUT,
    R_DONE_TOKENS,
    R_ENTRIES,
    R_MONEY,
    R_OUTPUT,
    R_REQUESTS,
    R_TOKENS,
    R_UNTIL,
    REQUESTS,
    ROLLING,
    S_FREE,
    S_PENDING,
    SUB_PAIR,
    TOKENS,
    USD,
    WINDOW,
    amount_of,
    cost_of,
    period_at,
    saturate,
)
from _speedups._ring_py import RECORD_SIZE, Record, RingReader, RingWriter
from _speedups._segments import Segment
from _speedups._steps_py import AGAIN, Amounts, Step, look, store, verify

__all__ = [
    "GAUGE", "GCRA", "HEALTH", "INPUT_TOKENS", "MAX_LIMITS", "MONEY", "OUTPUT_TOKENS", "RECORD_SIZE", "REQUESTS",
    "ROLLING", "TOKENS", "USD", "WINDOW",
    "Arena", "ArenaWorker", "LimitSet", "Record", "RingReader", "RingWriter",
]  # fmt: skip

TRIES: Final = 4
"""A period that ends in the middle of a reservation makes it start again; more often than this is a broken clock."""


class Arena(JournaledArena):
    """The mapping as the supervisor, the snapshot builder and the control process see it."""

    _lock_fd = -1

    def worker(self, index: int) -> ArenaWorker:
        return ArenaWorker(self, index)

    def shift(self, segment: Segment, word: int, delta_ns: int, now_ns: int, mark: int = -1) -> None:
        with _Locked(self):
            now = segment.q[word]
            if delta_ns > 0:
                self._put(segment.q, word, saturate(max(now, now_ns) + delta_ns))
            elif mark in (-1, now & 0xFFFFFFFF):
                self._put(segment.q, word, max(0, now + delta_ns))

    def take(self, segment: Segment, at: int, amount: int, now_ns: int) -> int:
        """Charge a GCRA word if its burst allows; the word's new value, or -1."""
        with _Locked(self):
            q = segment.q
            word, tau = max(q[at + L_WORD], now_ns), q[at + L_TAU]
            cost = cost_of(amount, q[at + L_STEP])
            if word - now_ns + cost > tau or (not amount and word - now_ns >= tau):
                return -1
            if amount:
                self._put(q, at + L_WORD, word + cost)
            return q[at + L_WORD]

    def extend(self, segment: Segment, word: int, until_ns: int) -> None:
        with _Locked(self):
            if segment.q[word] < until_ns:
                self._put(segment.q, word, until_ns)

    def close(self) -> None:
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1
        super().close()


class _Locked:
    """Holds the arena's flock; every process (and every arena object) has a descriptor of its own."""

    __slots__ = ("fd",)

    def __init__(self, arena: Arena) -> None:
        if arena._lock_fd < 0:
            arena._lock_fd = os.open(f"{arena.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.fd = arena._lock_fd

    def __enter__(self) -> None:
        fcntl.flock(self.fd, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self.fd, fcntl.LOCK_UN)


class LimitSet:
    """The limits a principal is held to, in the order they are reported."""

    __slots__ = ("slots",)

    def __init__(self, slots: Sequence[int]) -> None:
        self.slots = tuple(slots)
        if len(self.slots) > MAX_LIMITS:
            raise ValueError(f"a request can be held to {MAX_LIMITS} limits, got {len(self.slots)}")
        if len(set(self.slots)) != len(self.slots):
            raise ValueError("a limit is named twice")
        if any(not 0 <= slot < 1 << INDEX_BITS for slot in self.slots):
            raise ValueError("a limit's slot is out of range")

    def __len__(self) -> int:
        return len(self.slots)


class ArenaWorker:
    """One worker's own cells, reservations and health words. Single-threaded."""

    def __init__(self, arena: Arena, index: int) -> None:
        self._arena = arena
        self._own_fd, self.epoch = arena.become(index)
        self.index = index
        geometry = arena.geometry
        self._q, self._u = arena.q, arena.segments[0].u
        self._block = geometry.block(index)
        self._states, self._bodies = geometry.states(index), geometry.bodies(index)
        self._free = list(range(geometry.reservations - 1, -1, -1))
        self._refused = (-1, 0)
        # Taking a lock is the one full memory fence that plain Python offers.
        self._fence = threading.Lock()

    def close(self) -> None:
        """Give the place up; what is pending is posted by whoever takes it next."""
        if self._own_fd >= 0:
            os.close(self._own_fd)
            self._own_fd = -1

    def __del__(self) -> None:
        if getattr(self, "_own_fd", -1) >= 0:
            self.close()

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
        if not self._free:
            return NO_RESERVATION
        amounts = (_clamp(requests), _clamp(tokens), min(_clamp(output), _clamp(tokens)), _clamp(money))
        for _ in range(TRIES):
            verdict = self._attempt(limits, amounts, now_ns)
            if verdict != AGAIN:
                break
        else:
            return -1
        if verdict < 0:
            return verdict
        return self._commit(limits, amounts, until_ns)

    def _commit(self, limits: LimitSet, amounts: Amounts, until_ns: int) -> int:
        q, index = self._q, self._free.pop()
        body, state = self._bodies + index * BODY_WORDS, self._states + index
        q[body + R_REQUESTS], q[body + R_TOKENS], q[body + R_OUTPUT], q[body + R_MONEY] = amounts
        q[body + R_DONE_TOKENS] = q[body + R_DONE_OUTPUT] = q[body + R_DONE_MONEY] = 0
        q[body + R_COUNT], q[body + R_UNTIL] = len(limits.slots), until_ns
        q[body + R_CALL] = 0
        if index >= q[self._block + B_REACHED]:
            q[self._block + B_REACHED] = index + 1
        sequence = (q[state] >> 8) + 1 & 0x7FFFFFFFF
        q[state] = sequence << 8 | S_PENDING
        q[self._block + J_OP] = OP_NONE
        return sequence << INDEX_BITS | index

    def _attempt(self, limits: LimitSet, amounts: Amounts, now_ns: int) -> int:
        """0 when every limit has been taken, AGAIN, or what reserve returns for a refusal."""
        q, block = self._q, self._block
        body = self._bodies + self._free[-1] * BODY_WORDS + R_ENTRIES
        steps: list[Step] = []
        entry = block + J_ENTRIES
        for i, slot in enumerate(limits.slots):
            step = look(self._arena, self.index, slot, amounts, now_ns)
            if step is None:
                return self._refuse(i, slot, amounts)
            steps.append(step)
            self._u[body + i] = (step.mark << 8 | step.meta >> 32 & 0xFF) << INDEX_BITS | step.slot
            if step.pair < 0:
                continue
            q[entry] = step.sub << 32 | step.slot
            q[entry + 1], q[entry + 2] = (step.tag, step.before) if step.sub == SUB_PAIR else (step.content, step.tag)
            entry += ENTRY_WORDS
        q[block + J_COUNT] = (entry - block - J_ENTRIES) // ENTRY_WORDS
        q[block + J_OP] = self._free[-1] << 8 | OP_RESERVE
        for step in steps:
            if step.pair >= 0:
                store(step, self.index, step.amount)
        with self._fence:
            pass
        for i, step in enumerate(steps):
            verdict = verify(step, self._arena, now_ns)
            if verdict:
                self._roll_back(steps)
                return AGAIN if verdict == AGAIN else self._refuse(i, step.slot, amounts)
        return self._take_words(steps, amounts, body, now_ns)

    def _take_words(self, steps: list[Step], amounts: Amounts, body: int, now_ns: int) -> int:
        for i, step in enumerate(steps):
            if step.pair >= 0:
                continue
            word = self._arena.take(step.segment, step.at, step.amount, now_ns)
            if word < 0:
                for j, taken in enumerate(steps[:i]):
                    if taken.pair < 0:
                        cost = cost_of(taken.amount, taken.segment.q[taken.at + L_STEP])
                        mark = self._u[body + j] >> 32
                        self._arena.shift(taken.segment, taken.at + L_WORD, -cost, now_ns, mark)
                self._roll_back(steps)
                return self._refuse(i, step.slot, amounts)
            self._u[body + i] = ((word & 0xFFFFFFFF) << 8 | step.meta >> 32 & 0xFF) << INDEX_BITS | step.slot
        return 0

    def _roll_back(self, steps: list[Step]) -> None:
        for step in steps:
            if step.pair >= 0:
                store(step, self.index, 0)
        self._q[self._block + J_OP] = OP_NONE

    def _refuse(self, i: int, slot: int, amounts: Amounts) -> int:
        segment, at = self._arena.line(slot)
        self._refused = (slot, amount_of(segment.q, at, *amounts))
        return -1 - i

    def deliver(self, handle: int, tokens: int, money: int, output: int = 0, until_ns: int = 0) -> None:
        """Raises ValueError for a handle that is not pending."""
        index = self._pending(handle)
        body = self._bodies + index * BODY_WORDS
        q, tokens = self._q, _clamp(tokens)
        q[body + R_DONE_TOKENS], q[body + R_DONE_MONEY] = tokens, _clamp(money)
        q[body + R_DONE_OUTPUT] = min(_clamp(output), tokens)
        if until_ns:
            self._q[body + R_UNTIL] = until_ns

    def intend(self, handle: int, call: Record, before: int = 0) -> None:
        """Raises ValueError for a handle that is not pending."""
        at = self._bodies + self._pending(handle) * BODY_WORDS + R_CALL
        provider, *rest = words_of(call, _clamp(before))
        # The first word counts: whoever finds it finds the rest.
        self._q[at] = 0
        for n, word in enumerate(rest, 1):
            self._q[at + n] = word
        self._q[at] = provider

    def withdraw(self, handle: int) -> None:
        """Raises ValueError for a handle that is not pending."""
        self._q[self._bodies + self._pending(handle) * BODY_WORDS + R_CALL] = 0

    def settle(self, handle: int, requests: int, tokens: int, money: int, now_ns: int, output: int = 0) -> None:
        index = self._pending(handle)
        arena = self._arena
        output = min(_clamp(output), _clamp(tokens))
        entries = arena.settlement(self.index, index, _clamp(requests), _clamp(tokens), output, _clamp(money))
        if entries:
            arena._redo(self.index, index << 8 | OP_SETTLE, entries, now_ns)
        else:
            state = self._states + index
            self._q[state] = self._q[state] & ~0xFF | S_FREE
        self._free.append(index)

    def expire(self, now_ns: int) -> int:
        q, expired = self._q, 0
        if len(self._free) == self._arena.geometry.reservations:
            return 0
        for index in range(q[self._block + B_REACHED]):
            state, body = q[self._states + index], self._bodies + index * BODY_WORDS
            if state & 0xFF != S_PENDING or not 0 < q[body + R_UNTIL] <= now_ns:
                continue
            handle = state >> 8 << INDEX_BITS | index
            tokens, money = q[body + R_DONE_TOKENS], q[body + R_DONE_MONEY]
            self.settle(handle, q[body + R_REQUESTS], tokens, money, now_ns, q[body + R_DONE_OUTPUT])
            expired += 1
        return expired

    def _pending(self, handle: int) -> int:
        index = handle & (1 << INDEX_BITS) - 1
        if (
            handle < 0
            or index >= self._arena.geometry.reservations
            or self._q[self._states + index] != handle >> INDEX_BITS << 8 | S_PENDING
        ):
            raise ValueError(f"reservation {handle} is not pending")
        return index

    def retry_after_ns(self, limits: LimitSet, i: int, now_ns: int) -> int:
        slot = limits.slots[i]
        segment, at = self._arena.line(slot)
        q, kind = segment.q, segment.q[at + L_META] & 0xFF
        amount = self._refused[1] if self._refused[0] == slot else 1
        if kind == GCRA:
            held = self._arena.used(slot, NEVER_NS)
            return max(0, max(0, q[at + L_WORD] - now_ns) + cost_of(amount + held, q[at + L_STEP]) - q[at + L_TAU])
        if kind == ROLLING:
            return self._arena.rolling_wait(slot, amount, now_ns)
        if kind in (WINDOW, MONEY):
            ends = period_at(q, at, now_ns)[1]
            return ends - now_ns if ends else NEVER_NS
        return 0

    def state_of(self, limits: LimitSet, i: int, now_ns: int) -> tuple[int, int, int]:
        return self._arena.state(limits.slots[i], now_ns)

    def reserved(self, slot: int, now_ns: int) -> int:
        return self._arena.reserved(slot, now_ns)

    def about(self, slot: int) -> tuple[int, int, int, int]:
        return self._arena.about(slot)

    def standing(self, slot: int, now_ns: int) -> tuple[int, int, int, int]:
        return self._arena.standing(slot, now_ns)

    def beat(self, now_ns: int, state: int, in_flight: int, connections: int = 0) -> None:
        q, block = self._q, self._block
        q[block + B_STATE], q[block + B_IN_FLIGHT] = state, in_flight
        q[block + B_CONNECTIONS] = connections
        q[block + B_BEAT] = now_ns

    def health_line(self, slot: int) -> tuple[memoryview[int], int, int]:
        segment, at = self._arena.line(slot)
        return segment.q, at, self._arena.geometry.cells

    def cooldown_ns(self, slot: int) -> int:
        segment, at = self._arena.line(slot)
        return segment.q[at + L_WORD]

    def set_cooldown(self, slot: int, until_ns: int) -> None:
        segment, at = self._arena.line(slot)
        segment.q[at + L_WORD] = until_ns

    def extend_cooldown(self, slot: int, until_ns: int) -> None:
        """As set_cooldown, but never to an earlier time."""
        segment, at = self._arena.line(slot)
        self._arena.extend(segment, at + L_WORD, until_ns)


def _clamp(amount: int) -> int:
    return max(0, min(MAX_AMOUNT, amount))
