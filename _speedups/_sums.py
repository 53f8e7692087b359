"""What limits hold, summed over all workers, and what these publish of themselves."""

from __future__ import annotations

from typing import Final

from _speedups._definitions import DefinedArena
from _speedups._layout import (
    B_BEAT,
    B_CONNECTIONS,
    B_EPOCH,
    B_IN_FLIGHT,
    B_PID,
    B_REACHED,
    B_STATE,
    BODY_WORDS,
    GCRA,
    HEALTH,
    INDEX_BITS,
    L_EXTENSION,
    L_GRAIN,
    L_LIMIT,
    L_META,
    L_PERIOD,
    L_STEP,
    L_TAU,
    L_WHOLE,
    L_WORD,
    LABEL_MASK,
    LABEL_SHIFT,
    MAX_LIMITS,
    MONEY,
    NEVER_NS,
    R_COUNT,
    R_ENTRIES,
    R_MONEY,
    R_OUTPUT,
    R_REQUESTS,
    R_TOKENS,
    ROLL_COUNT_MASK,
    ROLLING,
    S_PENDING,
    STEP_SHIFT,
    SUB_WINDOWS,
    WINDOW,
    amount_of,
    cost_of,
    period_at,
    roll_tag,
    saturate,
    tag_of,
)

SLOT_MASK: Final = (1 << INDEX_BITS) - 1


class SummedArena(DefinedArena):
    """Adds sums."""

    def used(self, slot: int, now_ns: int) -> int:
        segment, at = self.line(slot)
        q, meta = segment.q, segment.q[at + L_META]
        kind = meta & 0xFF
        if kind == ROLLING:
            used = self._rolling_used(q[at + L_EXTENSION], meta >> 32, now_ns // q[at + L_PERIOD])
            return used << q[at + L_GRAIN]
        if kind == HEALTH:
            return max(0, q[at + L_WORD] - now_ns)
        if not kind:
            return 0
        tag = tag_of(meta >> 32, period_at(q, at, now_ns)[0])
        total = saturate(sum(q[cell + 1] for cell in self._pairs(at) if q[cell] == tag))
        if kind == GCRA and q[at + L_WORD] > now_ns:
            step = q[at + L_STEP]
            total += -(-((q[at + L_WORD] - now_ns) << STEP_SHIFT) // step)
        return total

    def _rolling_used(self, extension: int, generation: int, number: int) -> int:
        block, base = self.sub_windows(extension)
        current = {roll_tag(generation, number - age) for age in range(SUB_WINDOWS)}
        words = block.q[base : base + self.geometry.rolling_words].tolist()
        return sum(word & ROLL_COUNT_MASK for word in words if word & ~ROLL_COUNT_MASK in current)

    def rolling_wait(self, slot: int, amount: int, now_ns: int) -> int:
        """Nanoseconds until enough sub-windows of a ROLLING limit have passed for this amount."""
        segment, at = self.line(slot)
        q = segment.q
        sub_window = q[at + L_PERIOD]
        number = now_ns // sub_window
        tags = {roll_tag(q[at + L_META] >> 32, number - age): age for age in range(SUB_WINDOWS)}
        by_age = [0] * SUB_WINDOWS
        block, base = self.sub_windows(q[at + L_EXTENSION])
        for word in block.q[base : base + self.geometry.rolling_words]:
            if (tag := word & ~ROLL_COUNT_MASK) in tags:
                by_age[tags[tag]] += word & ROLL_COUNT_MASK
        excess = sum(by_age) + max(1, amount) - q[at + L_LIMIT]
        if excess <= 0:
            return 0
        age = SUB_WINDOWS - 1
        while age and excess > by_age[age]:
            excess -= by_age[age]
            age -= 1
        return (number - age + SUB_WINDOWS) * sub_window - now_ns

    def reserved(self, slot: int, now_ns: int) -> int:
        segment, at = self.line(slot)
        q, words, geometry = self.q, segment.q, self.geometry
        generation, kind = words[at + L_META] >> 32 & 0xFF, words[at + L_META] & 0xFF
        mark = tag_of(words[at + L_META] >> 32, period_at(words, at, now_ns)[0]) & 0xFFFFFFFF
        total = 0
        for worker in range(self.workers):
            states, bodies = geometry.states(worker), geometry.bodies(worker)
            reached = q[geometry.block(worker) + B_REACHED]
            for index in range(min(reached, geometry.reservations)):
                if q[states + index] & 0xFF != S_PENDING:
                    continue
                body = bodies + index * BODY_WORDS
                for named in q[body + R_ENTRIES : body + R_ENTRIES + min(q[body + R_COUNT], MAX_LIMITS)]:
                    if named & SLOT_MASK != slot or named >> INDEX_BITS & 0xFF != generation:
                        continue
                    if kind not in (WINDOW, MONEY) or named >> 32 & 0xFFFFFFFF == mark:
                        total += amount_of(words, at, *self._reserved_in(body))
        return total << words[at + L_GRAIN] if kind == ROLLING else total

    def state(self, slot: int, now_ns: int) -> tuple[int, int, int]:
        segment, at = self.line(slot)
        q, kind = segment.q, segment.q[at + L_META] & 0xFF
        limit = q[at + L_LIMIT]
        if kind == GCRA:
            step = q[at + L_STEP]
            full_in = max(0, q[at + L_WORD] - now_ns) + cost_of(self.used(slot, NEVER_NS), step)
            return limit, (max(0, q[at + L_TAU] - full_in) << STEP_SHIFT) // step, full_in
        if kind == ROLLING:
            limit = q[at + L_WHOLE]
        remaining = max(0, limit - self.used(slot, now_ns))
        if kind == ROLLING:
            return limit, remaining, q[at + L_PERIOD] * (SUB_WINDOWS - 1)
        ends = period_at(q, at, now_ns)[1]
        return limit, remaining, max(0, ends - now_ns)

    def about(self, slot: int) -> tuple[int, int, int, int]:
        segment, at = self.line(slot)
        q, meta = segment.q, segment.q[at + L_META]
        kind = meta & 0xFF
        period = q[at + L_PERIOD] * (SUB_WINDOWS - 1 if kind == ROLLING else 1)
        return kind, meta >> 8 & 0xFF, (meta & LABEL_MASK) >> LABEL_SHIFT, period

    def standing(self, slot: int, now_ns: int) -> tuple[int, int, int, int]:
        limit, _, reset_ns = self.state(slot, now_ns)
        return limit, self.used(slot, now_ns), self.reserved(slot, now_ns), reset_ns

    def pending(self, worker: int | None = None) -> int:
        q, geometry, count = self.q, self.geometry, 0
        for index in range(self.workers) if worker is None else (worker,):
            states = geometry.states(index)
            count += sum(word & 0xFF == S_PENDING for word in q[states : states + geometry.reservations])
        return count

    def status(self, index: int) -> tuple[int, int, int, int, int]:
        if not 0 <= index < self.workers:
            raise IndexError(f"worker {index} does not exist")
        q, block = self.q, self.geometry.block(index)
        return q[block + B_EPOCH], q[block + B_PID], q[block + B_BEAT], q[block + B_STATE], q[block + B_IN_FLIGHT]

    def connections(self, index: int) -> int:
        if not 0 <= index < self.workers:
            raise IndexError(f"worker {index} does not exist")
        count: int = self.q[self.geometry.block(index) + B_CONNECTIONS]
        return count

    def _reserved_in(self, body: int) -> tuple[int, int, int, int]:
        q = self.q
        return q[body + R_REQUESTS], q[body + R_TOKENS], q[body + R_OUTPUT], q[body + R_MONEY]
