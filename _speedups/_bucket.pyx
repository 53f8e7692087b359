# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Limits, reservations and health words on the shared arena: what a request pays for.

Layout, definitions and replay are in ``_layout``, ``_definitions`` and ``_journal``, shared with the pure twin.
"""

import os

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, Py_buffer, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc

from _speedups._cells cimport *
from _speedups._ring cimport put_text

from _speedups import _layout
from _speedups._journal import JournaledArena
from _speedups import _ring

__all__ = [
    "GAUGE", "GCRA", "HEALTH", "INPUT_TOKENS", "MAX_LIMITS", "MONEY", "OUTPUT_TOKENS", "RECORD_SIZE", "REQUESTS",
    "ROLLING", "TOKENS", "USD", "WINDOW",
    "Arena", "ArenaWorker", "LimitSet", "Record", "RingReader", "RingWriter",
]

# A cimport makes names for C only; Python imports these from here as well.
globals().update((name, getattr(_ring, name)) for name in ("RECORD_SIZE", "Record", "RingReader", "RingWriter"))

GCRA = 1
WINDOW = 2
ROLLING = 3
GAUGE = 4
MONEY = 5
HEALTH = 6
REQUESTS = 0
TOKENS = 1
INPUT_TOKENS = 2
OUTPUT_TOKENS = 3
USD = 4
MAX_LIMITS = 32


def _layout_agrees():
    """The constants of ``_cells.pxd``, against the module that the slow side uses; a difference is a broken build."""
    for name, value in (
        ("LINE", LINE), ("L_META", L_META), ("L_LIMIT", L_LIMIT), ("L_PERIOD", L_PERIOD), ("L_STEP", L_STEP),
        ("L_EXTENSION", L_EXTENSION), ("L_TAU", L_TAU), ("L_WORD", L_WORD), ("L_OFFSET", L_OFFSET),
        ("L_GRAIN", L_GRAIN), ("L_WHOLE", L_WHOLE), ("META_CALENDAR", META_CALENDAR), ("LABEL_SHIFT", LABEL_SHIFT),
        ("LABEL_BITS", LABEL_BITS), ("B_REACHED", B_REACHED), ("R_OUTPUT", R_OUTPUT), ("R_UNTIL", R_UNTIL),
        ("R_DONE_OUTPUT", R_DONE_OUTPUT), ("END_MASK", END_MASK), ("TOKENS", MG_TOKENS), ("USD", MG_USD),
        ("INPUT_TOKENS", MG_INPUT_TOKENS), ("OUTPUT_TOKENS", MG_OUTPUT_TOKENS),
        ("META_BUSY", META_BUSY), ("B_BEAT", B_BEAT), ("B_STATE", B_STATE), ("B_IN_FLIGHT", B_IN_FLIGHT),
        ("B_CONNECTIONS", B_CONNECTIONS),
        ("J_OP", J_OP), ("J_COUNT", J_COUNT), ("J_STEP", J_STEP), ("J_ENTRIES", J_ENTRIES),
        ("ENTRY_WORDS", ENTRY_WORDS), ("BLOCK_WORDS", BLOCK_WORDS), ("OP_RESERVE", OP_RESERVE), ("OP_SETTLE", OP_SETTLE),
        ("SUB_WINDOWS", SUB_WINDOWS), ("SUB_PAIR", SUB_PAIR), ("SUB_GCRA", SUB_GCRA), ("S_PENDING", S_PENDING),
        ("R_REQUESTS", R_REQUESTS), ("R_TOKENS", R_TOKENS), ("R_MONEY", R_MONEY), ("R_DONE_TOKENS", R_DONE_TOKENS),
        ("R_DONE_MONEY", R_DONE_MONEY), ("R_COUNT", R_COUNT), ("R_ENTRIES", R_ENTRIES), ("BODY_WORDS", BODY_WORDS),
        ("R_CALL", R_CALL),
        ("INDEX_BITS", INDEX_BITS), ("ROLL_WORDS", ROLL_WORDS), ("ROLL_COUNT_BITS", ROLL_COUNT_BITS),
        ("STEP_SHIFT", STEP_SHIFT), ("GCRA", K_GCRA), ("WINDOW", K_WINDOW), ("ROLLING", K_ROLLING), ("GAUGE", K_GAUGE),
        ("MONEY", K_MONEY), ("HEALTH", K_HEALTH), ("MAX_LIMITS", MAX_LIMITS),
        ("MAX_AMOUNT", MAX_AMOUNT), ("NUMBER_MASK", NUMBER_MASK), ("NEVER_NS", NEVER_NS),
        ("ROLL_COUNT_MASK", ROLL_COUNT_MASK), ("ROLL_NUMBER_MASK", ROLL_NUMBER_MASK),
    ):
        if getattr(_layout, name) != value:
            raise ImportError(f"_speedups._bucket was built for another layout: {name} is {value}")


_layout_agrees()
if sizeof(CallRow) != (BODY_WORDS - R_CALL) * 8:
    raise ImportError("_speedups._bucket was built for another layout of calls")


class Arena(JournaledArena):
    """The mapping as the supervisor, the snapshot builder and the control process see it."""

    def worker(self, index):
        return ArenaWorker(self, index)

    def shift(self, segment, word, delta_ns, now_ns, mark=-1):
        cdef int64_t[:] view = segment.q
        mg_shift_word(&view[<Py_ssize_t>word], delta_ns, now_ns, mark)


cdef inline int64_t clamp(int64_t amount) noexcept:
    return 0 if amount < 0 else MAX_AMOUNT if amount > MAX_AMOUNT else amount


cdef inline void fill_in(Amounts *of, int64_t requests, int64_t tokens, int64_t output, int64_t money) noexcept:
    of.requests = clamp(requests)
    of.tokens = clamp(tokens)
    of.output = min(clamp(output), of.tokens)
    of.money = clamp(money)


cdef inline void held_in(Amounts *of, const int64_t *body) noexcept:
    of.requests = body[R_REQUESTS]
    of.tokens = body[R_TOKENS]
    of.output = body[R_OUTPUT]
    of.money = body[R_MONEY]


cdef int64_t workers_made = 0


cdef class Mapped:
    """Keeps a mapping's memory where it is for as long as a worker points into it."""

    cdef Py_buffer buffer
    cdef bint held

    def __cinit__(self, mapping):
        self.held = False
        PyObject_GetBuffer(mapping, &self.buffer, PyBUF_SIMPLE | PyBUF_WRITABLE)
        self.held = True

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.buffer)


cdef class LimitSet:
    """The limits a principal is held to, in the order they are reported; built once per principal and snapshot."""

    def __init__(self, slots):
        slots = tuple(slots)
        if len(slots) > 32:
            raise ValueError(f"a request can be held to {MAX_LIMITS} limits, got {len(slots)}")
        if len(set(slots)) != len(slots):
            raise ValueError("a limit is named twice")
        for slot in slots:
            if not 0 <= slot < 1 << INDEX_BITS:
                raise ValueError("a limit's slot is out of range")
        free(self.held)
        self.held = NULL
        self.holder = 0
        self.count = len(slots)
        for i in range(self.count):
            self.slots[i] = slots[i]

    def __dealloc__(self):
        free(self.held)

    def __len__(self):
        return self.count


cdef inline int64_t *line_of(ArenaWorker worker, int64_t slot) except NULL:
    cdef int64_t number = slot >> worker._shift
    if number >= worker._segments or number < 0:
        worker._map_more(number)
    return worker._limits[number] + (slot & worker._mask) * worker._limit_words


cdef class ArenaWorker:
    """One worker's own cells, reservations and health words. Single-threaded; all calls take CLOCK_MONOTONIC nanoseconds."""

    def __cinit__(self, arena, int index):
        self._own_fd = -1
        self._limits = NULL
        self._rolling = NULL
        self._free = NULL

    def __init__(self, arena, int index):
        cdef int64_t i
        cdef int64_t *base
        geometry = arena.geometry
        self._arena = arena
        self._own_fd, self.epoch = arena.become(index)
        self.index = index
        self._held_buffers = []
        self._segments = 0
        self._shift = (<object>geometry.capacity).bit_length() - 1
        self._mask = geometry.capacity - 1
        self._cells = geometry.cells
        self._limit_words = geometry.limit_words
        self._rolling_blocks = geometry.rolling_blocks
        self._reservations = geometry.reservations
        self._refused_slot = -1
        global workers_made
        workers_made += 1
        self._number = workers_made
        self._map_more(0)
        base = <int64_t *>(<Mapped>self._held_buffers[0]).buffer.buf
        self._places = geometry.workers
        self._table_words = geometry.table_words
        self._block = base + <int64_t>geometry.block(index)
        self._states = base + <int64_t>geometry.states(index)
        self._bodies = base + <int64_t>geometry.bodies(index)
        self._free = <uint32_t *>malloc(self._reservations * sizeof(uint32_t))
        if self._free == NULL:
            raise MemoryError
        self._free_count = self._reservations
        for i in range(self._reservations):
            self._free[i] = <uint32_t>(self._reservations - 1 - i)

    def __dealloc__(self):
        if self._own_fd >= 0:
            os.close(self._own_fd)
        free(self._limits)
        free(self._rolling)
        free(self._free)

    cpdef close(self):
        """Give the place up; what is pending is posted by whoever takes it next."""
        if self._own_fd >= 0:
            os.close(self._own_fd)
            self._own_fd = -1

    cdef int _map_more(self, int64_t number) except -1:
        """Map growth segments up to this one. Raises IndexError when it was never made."""
        if number < 0:
            raise IndexError("no such arena slot")
        cdef int64_t **limits
        cdef int64_t **rolling
        cdef int64_t *base
        while self._segments <= number:
            segment = self._arena.segment(self._segments)
            held = Mapped(segment.mapping)
            base = <int64_t *>held.buffer.buf
            limits = <int64_t **>realloc(self._limits, (self._segments + 1) * sizeof(int64_t *))
            if limits == NULL:
                raise MemoryError
            self._limits = limits
            rolling = <int64_t **>realloc(self._rolling, (self._segments + 1) * sizeof(int64_t *))
            if rolling == NULL:
                raise MemoryError
            self._rolling = rolling
            limits[self._segments] = base + <int64_t>segment.limits
            rolling[self._segments] = base + <int64_t>segment.rolling
            self._held_buffers.append(held)
            self._segments += 1
        return 0

    cdef int64_t *_sub_windows(self, int64_t extension) except NULL:
        cdef int64_t number = extension // self._rolling_blocks
        if number >= self._segments:
            self._map_more(number)
        return self._rolling[number] + extension % self._rolling_blocks * self._cells * ROLL_WORDS

    cpdef int64_t reserve(
        self, LimitSet limits, int64_t requests, int64_t tokens, int64_t money, int64_t now_ns, int64_t output=0,
        int64_t until_ns=0,
    ) except? -3000:
        cdef int64_t index, sequence
        cdef int64_t *body
        cdef Amounts amounts
        cdef int verdict = AGAIN, tries
        if self._free_count == 0:
            return -1000
        fill_in(&amounts, requests, tokens, output, money)
        for tries in range(TRIES):
            verdict = self._attempt(limits, &amounts, now_ns)
            if verdict != AGAIN:
                break
        else:
            return -1
        if verdict < 0:
            return verdict
        self._free_count -= 1
        index = self._free[self._free_count]
        body = self._bodies + index * BODY_WORDS
        body[R_REQUESTS] = amounts.requests
        body[R_TOKENS] = amounts.tokens
        body[R_OUTPUT] = amounts.output
        body[R_MONEY] = amounts.money
        body[R_DONE_TOKENS] = 0
        body[R_DONE_OUTPUT] = 0
        body[R_DONE_MONEY] = 0
        body[R_COUNT] = limits.count
        body[R_UNTIL] = until_ns
        body[R_CALL] = 0
        if index >= self._block[B_REACHED]:
            mg_store(&self._block[B_REACHED], index + 1)
        sequence = ((self._states[index] >> 8) + 1) & SEQUENCE_MASK
        mg_store(&self._states[index], sequence << 8 | S_PENDING)
        mg_store(&self._block[J_OP], OP_NONE)
        return sequence << INDEX_BITS | index

    cdef int _hold(self, LimitSet limits) except -1:
        """Find the lines of a set's limits in this worker's mapping."""
        cdef int i
        if limits.held == NULL:
            limits.held = <Held *>calloc(limits.count + 1, sizeof(Held))
            if limits.held == NULL:
                raise MemoryError
        limits.holder = 0
        for i in range(limits.count):
            limits.held[i].slot = limits.slots[i]
            limits.held[i].line = line_of(self, limits.slots[i])
            # Of no definition: the first look learns it.
            limits.held[i].meta = -1
        limits.holder = self._number
        return 0

    cdef int _learn(self, Held *held, int64_t meta, int64_t now_ns) except -1:
        """Another definition, or another period of it. Its figures are those of ``meta``, or ``meta`` changes before a
        reservation is kept."""
        held.meta = -1
        held.ample = False
        held.rolling = NULL
        if meta & 0xFF == K_ROLLING:
            held.rolling = self._sub_windows(held.line[L_EXTENSION])
        held.tag = mg_pair_tag(held.line, meta, now_ns, &held.start, &held.length)
        held.sub = (held.tag & NUMBER_MASK) % SUB_WINDOWS
        held.meta = meta
        return 0

    cdef int _attempt(self, LimitSet limits, const Amounts *amounts, int64_t now_ns) except? -3000:
        """0 when every limit has been taken, AGAIN, or what reserve returns for a refusal."""
        cdef int i, verdict, ample, cells = 0, words = 0
        cdef int64_t index, taken
        cdef int64_t *entries
        cdef int64_t *entry
        cdef Step *step
        cdef Held *held
        if limits.holder != self._number:
            self._hold(limits)
        index = self._free[self._free_count - 1]
        entries = self._bodies + index * BODY_WORDS + R_ENTRIES
        entry = self._block + J_ENTRIES
        for i in range(limits.count):
            step = &self._steps[i]
            held = &limits.held[i]
            step.slot = held.slot
            step.line = held.line
            step.meta = mg_load(&held.line[L_META])
            step.kind = step.meta & 0xFF
            step.amount = mg_amount(step.line, step.meta, amounts)
            if self._look(step, held, now_ns):
                return self._refuse(i)
            entries[i] = mg_named(step)
            if step.pair == NULL:
                words += 1
                continue
            cells += 1
            entry[0] = step.sub << 32 | step.slot
            if step.word == NULL:
                entry[1] = step.tag
                entry[2] = step.before
            else:
                entry[1] = step.content
                entry[2] = step.tag
            entry += ENTRY_WORDS
        if cells:
            mg_store(&self._block[J_COUNT], cells)
            mg_store(&self._block[J_OP], index << 8 | OP_RESERVE)
            for i in range(limits.count):
                step = &self._steps[i]
                if step.pair != NULL:
                    mg_step_store(step, step.amount)
            mg_fence()
            for i in range(limits.count):
                step = &self._steps[i]
                verdict = mg_verify(step, self._cells, now_ns, &ample)
                limits.held[i].ample = ample
                if verdict:
                    self._roll_back(limits)
                    return AGAIN if verdict == AGAIN else self._refuse(i)
        if words:
            for i in range(limits.count):
                step = &self._steps[i]
                if step.pair != NULL:
                    continue
                taken = mg_take_word(step.line, step.amount, now_ns)
                if taken < 0:
                    self._roll_back(limits)
                    return self._refuse_word(i, entries)
                step.mark = <uint32_t>(taken & MASK32)
                entries[i] = mg_named(step)
        return 0

    cdef int _refuse(self, int i) noexcept:
        self._refused_slot = self._steps[i].slot
        self._refused_amount = self._steps[i].amount
        return -1 - i

    cdef int _refuse_word(self, int i, int64_t *entries) noexcept:
        """Give back the GCRA words that were taken before limit ``i`` refused."""
        cdef int j
        cdef Step *step
        for j in range(i):
            step = &self._steps[j]
            if step.pair == NULL:
                mg_shift_word(&step.line[L_WORD], -mg_cost(step.amount, step.line[L_STEP]), 0, step.mark)
        return self._refuse(i)

    cdef void _roll_back(self, LimitSet limits) noexcept:
        cdef int i
        for i in range(limits.count):
            # One that was judged by what it had left may have come to its end, or its period: all are looked at anew.
            limits.held[i].ample = False
            if self._steps[i].pair != NULL:
                mg_step_store(&self._steps[i], 0)
        mg_store(&self._block[J_OP], OP_NONE)

    cdef int _look(self, Step *step, Held *held, int64_t now_ns) except -1:
        """Fills the step in; REFUSED when the limit refuses already."""
        cdef int64_t *line = step.line
        cdef int64_t ahead, total, newest, own
        cdef bint ample
        if step.kind == K_NONE or step.kind == K_HEALTH or step.meta & META_BUSY:
            return REFUSED
        if step.kind == K_GCRA and step.meta >> 8 & 0xFF == 0:
            step.pair = NULL
            step.mark = 0
            ahead = mg_ahead(line, now_ns)
            return REFUSED if ahead + mg_cost(step.amount, line[L_STEP]) > line[L_TAU] else 0
        step.limit = mg_load(&line[L_LIMIT])
        if held.meta != step.meta or <uint64_t>(now_ns - held.start) >= <uint64_t>held.length:
            self._learn(held, step.meta, now_ns)
        step.tag = held.tag
        step.rolling = held.rolling
        step.pair = line + LINE + 2 * self.index
        own = step.pair[0]
        # Where more than half was left, the sum behind the store decides alone; in any case it has the last word.
        ample = held.ample and own == step.tag
        total = 0
        if not ample:
            total = mg_pair_sum(line, self._cells, step.tag, step.rolling, &newest)
            if newest != step.tag:
                # Another worker's clock has reached the next period: so has everybody's.
                step.tag = newest
                total = mg_pair_sum(line, self._cells, step.tag, step.rolling, &newest)
        step.before = step.pair[1] if own == step.tag else 0
        if step.rolling == NULL:
            step.word = NULL
            step.sub = SUB_PAIR
            step.mark = <uint32_t>(step.tag & MASK32)
            return REFUSED if not ample and mg_room(step, mg_saturate(total + step.amount), now_ns) < 0 else 0
        step.word = step.rolling + self.index * ROLL_WORDS
        if own != step.tag and mg_roll_lasts(own, step.pair[1], step.tag):
            step.before = mg_roll_sum(step.word, step.tag)
        step.sub = held.sub if step.tag == held.tag else (step.tag & NUMBER_MASK) % SUB_WINDOWS
        step.word += step.sub
        step.content = mg_roll_tag(step.tag)
        if step.word[0] & ~ROLL_COUNT_MASK == step.content:
            step.content = step.word[0]
        step.mark = <uint32_t>((step.tag & ROLL_NUMBER_MASK) << 6 | step.sub)
        if step.amount > ROLL_COUNT_MASK - (step.content & ROLL_COUNT_MASK):
            return REFUSED
        return REFUSED if not ample and mg_room(step, total + step.amount, now_ns) < 0 else 0

    cdef inline int64_t _pending(self, int64_t handle) except -1:
        cdef int64_t index = handle & INDEX_MASK
        if handle < 0 or index >= self._reservations or self._states[index] != ((handle >> INDEX_BITS) << 8 | S_PENDING):
            raise ValueError(f"reservation {handle} is not pending")
        return index

    cpdef int deliver(
        self, int64_t handle, int64_t tokens, int64_t money, int64_t output=0, int64_t until_ns=0
    ) except -1:
        """Raises ValueError for a handle that is not pending."""
        cdef int64_t *body = self._bodies + self._pending(handle) * BODY_WORDS
        mg_store(&body[R_DONE_TOKENS], clamp(tokens))
        mg_store(&body[R_DONE_OUTPUT], min(clamp(output), clamp(tokens)))
        mg_store(&body[R_DONE_MONEY], clamp(money))
        if until_ns:
            mg_store(&body[R_UNTIL], until_ns)
        return 0

    cpdef int intend(self, int64_t handle, Record call, int64_t before=0) except -1:
        """Raises ValueError for a handle that is not pending."""
        cdef int64_t *body = self._bodies + self._pending(handle) * BODY_WORDS
        cdef CallRow *row = <CallRow *>(body + R_CALL)
        # The first word counts: whoever finds it finds the rest.
        mg_store(&body[R_CALL], 0)
        put_text(row.request_id, 16, call.request_id)
        row.started_ns = call.started_ns
        row.virtual_key = call.virtual_key
        row.team = call.team
        row.customer = call.customer
        row.provider_key = call.provider_key
        row.route = call.route
        row.attempt = call.attempt
        row.operation = <uint8_t>call.operation
        row.dialect = <uint8_t>call.dialect
        row.kind = <uint8_t>call.kind
        row.stream = call.stream
        row.flags = <uint16_t>call.flags
        row.before = clamp(before)
        put_text(row.model, 48, call.model)
        put_text(row.target_model, 48, call.target_model)
        mg_store(&body[R_CALL], <int64_t>call.provider)
        return 0

    cpdef int withdraw(self, int64_t handle) except -1:
        """Raises ValueError for a handle that is not pending."""
        mg_store(&(self._bodies + self._pending(handle) * BODY_WORDS)[R_CALL], 0)
        return 0

    cpdef int64_t expire(self, int64_t now_ns) except -1:
        cdef int64_t index, state, expired = 0
        cdef int64_t *body
        if self._free_count == self._reservations:
            return 0
        for index in range(self._block[B_REACHED]):
            state = self._states[index]
            body = self._bodies + index * BODY_WORDS
            if state & 0xFF == S_PENDING and 0 < body[R_UNTIL] <= now_ns:
                self.settle(
                    (state >> 8) << INDEX_BITS | index, body[R_REQUESTS], body[R_DONE_TOKENS], body[R_DONE_MONEY],
                    now_ns, body[R_DONE_OUTPUT],
                )
                expired += 1
        return expired

    cpdef int64_t reserved(self, int64_t slot, int64_t now_ns) except -1:
        cdef int64_t *line = line_of(self, slot)
        cdef int64_t meta = mg_load(&line[L_META]), kind = meta & 0xFF, total = 0, start, length, tag, named
        cdef int64_t place, index, reached, table = self._table_words, spread
        cdef const int64_t *states
        cdef const int64_t *body
        cdef Amounts amounts
        cdef int i
        tag = mg_pair_tag(line, meta, now_ns, &start, &length) & MASK32
        spread = self._bodies - self._states
        for place in range(self._places):
            reached = mg_load(self._block + (place - self.index) * BLOCK_WORDS + B_REACHED)
            states = self._states + (place - self.index) * table
            for index in range(min(reached, self._reservations)):
                if mg_load(states + index) & 0xFF != S_PENDING:
                    continue
                body = states + spread + index * BODY_WORDS
                for i in range(<int>min(body[R_COUNT], <int64_t>32)):
                    named = body[R_ENTRIES + i]
                    if (named & INDEX_MASK) != slot or (named >> INDEX_BITS & 0xFF) != (meta >> 32 & 0xFF):
                        continue
                    if (kind != K_WINDOW and kind != K_MONEY) or (named >> 32 & MASK32) == tag:
                        held_in(&amounts, body)
                        total += mg_amount(line, meta, &amounts)
        return total << line[L_GRAIN] if kind == K_ROLLING else total

    def about(self, slot):
        return self._arena.about(slot)

    def standing(self, slot, int64_t now_ns):
        cdef int64_t figures[3]
        self.read_state(LimitSet((slot,)), 0, now_ns, figures)
        return figures[0], self._arena.used(slot, now_ns), self.reserved(slot, now_ns), figures[2]

    cpdef int settle(
        self, int64_t handle, int64_t requests, int64_t tokens, int64_t money, int64_t now_ns, int64_t output=0
    ) except -1:
        cdef int64_t index = self._pending(handle)
        cdef int64_t *body = self._bodies + index * BODY_WORDS
        cdef int64_t *line
        cdef const int64_t *words = NULL
        cdef int64_t named, meta, reserved, actual
        cdef int64_t *entries = self._block + J_ENTRIES
        cdef int i, made = 0
        cdef Amounts held, actuals
        fill_in(&actuals, requests, tokens, output, money)
        held_in(&held, body)
        for i in range(<int>body[R_COUNT]):
            named = body[R_ENTRIES + i]
            line = line_of(self, named & INDEX_MASK)
            meta = mg_load(&line[L_META])
            reserved = mg_amount(line, meta, &held)
            actual = 0 if meta & 0xFF == K_GAUGE else mg_amount(line, meta, &actuals)
            # A GCRA limit of tokens is charged only now, even where the two are equal.
            if actual == reserved and (meta & 0xFF != K_GCRA or meta >> 8 & 0xFF == 0):
                continue
            if (named >> INDEX_BITS & 0xFF) != (meta >> 32 & 0xFF):
                continue
            if meta & 0xFF == K_ROLLING:
                words = self._sub_windows(line[L_EXTENSION]) + self.index * ROLL_WORDS
            made += mg_settle(
                named, line, meta, reserved, actual, line + LINE + 2 * self.index, words, entries + made * ENTRY_WORDS
            )
        if made:
            mg_store(&self._block[J_COUNT], made)
            mg_store(&self._block[J_STEP], 0)
            mg_store(&self._block[J_OP], index << 8 | OP_SETTLE)
            self._apply(made, now_ns)
        mg_store(&self._states[index], self._states[index] & ~<int64_t>0xFF)
        if made:
            mg_store(&self._block[J_OP], OP_NONE)
        self._free[self._free_count] = <uint32_t>index
        self._free_count += 1
        return 0

    cdef int _apply(self, int count, int64_t now_ns) except -1:
        """Charges before cells: what is in flight may be counted twice for an instant, never not at all."""
        cdef int i, begun = 0
        cdef int64_t *entry = self._block + J_ENTRIES
        cdef int64_t *line
        cdef int64_t sub
        for i in range(count):
            if entry[0] >> 32 == SUB_GCRA:
                begun += 1
                mg_store(&self._block[J_STEP], begun)
                line = line_of(self, entry[0] & MASK32)
                mg_shift_word(&line[L_WORD], entry[1], now_ns, entry[2])
            entry += ENTRY_WORDS
        entry = self._block + J_ENTRIES
        for i in range(count):
            sub = entry[0] >> 32
            if sub != SUB_GCRA:
                line = line_of(self, entry[0] & MASK32)
                if sub == SUB_PAIR:
                    mg_store(&line[LINE + 2 * self.index], entry[1])
                    mg_store(&line[LINE + 2 * self.index + 1], entry[2])
                else:
                    mg_roll_put(
                        self._sub_windows(line[L_EXTENSION]) + self.index * ROLL_WORDS + sub,
                        line + LINE + 2 * self.index, entry[1],
                    )
            entry += ENTRY_WORDS
        return 0

    cpdef int64_t retry_after_ns(self, LimitSet limits, int64_t i, int64_t now_ns) except -1:
        cdef int64_t *line
        cdef int64_t amount = 1, kind, ahead, newest, held, start, length
        if not 0 <= i < limits.count:
            raise IndexError("no such limit in the set")
        line = line_of(self, limits.slots[i])
        kind = line[L_META] & 0xFF
        if self._refused_slot == limits.slots[i]:
            amount = self._refused_amount
        if kind == K_GCRA:
            held = mg_pair_sum(line, self._cells, mg_pair_tag(line, line[L_META], 0, &start, &length), NULL, &newest)
            ahead = mg_ahead(line, now_ns) + mg_cost(clamp(mg_saturate(amount + held)), line[L_STEP]) - line[L_TAU]
            return ahead if ahead > 0 else 0
        if kind == K_ROLLING:
            return self._arena.rolling_wait(limits.slots[i], amount, now_ns)
        if kind == K_WINDOW or kind == K_MONEY:
            ahead = mg_until_end(line, now_ns)
            return ahead if ahead else NEVER_NS
        return 0

    cdef int read_state(self, LimitSet limits, int64_t i, int64_t now_ns, int64_t *figures) except -1:
        """As state_of, into ``figures[0..2]``: limit, remaining, nanoseconds to the reset."""
        cdef int64_t *line
        cdef int64_t *rolling = NULL
        if not 0 <= i < limits.count:
            raise IndexError("no such limit in the set")
        line = line_of(self, limits.slots[i])
        if line[L_META] & 0xFF == K_ROLLING:
            rolling = self._sub_windows(line[L_EXTENSION])
        mg_standing(line, self._cells, rolling, now_ns, figures)
        return 0

    def state_of(self, LimitSet limits, int64_t i, int64_t now_ns):
        cdef int64_t figures[3]
        self.read_state(limits, i, now_ns, figures)
        return figures[0], figures[1], figures[2]

    cpdef int beat(self, int64_t now_ns, int64_t state, int64_t in_flight, int64_t connections=0) except -1:
        mg_store(&self._block[B_STATE], state)
        mg_store(&self._block[B_IN_FLIGHT], in_flight)
        mg_store(&self._block[B_CONNECTIONS], connections)
        mg_store(&self._block[B_BEAT], now_ns)
        return 0

    def health_line(self, slot):
        segment, at = self._arena.line(slot)
        return segment.q, at, self._cells

    cpdef int64_t cooldown_ns(self, int64_t slot) except? -3000:
        return mg_load(&line_of(self, slot)[L_WORD])

    cpdef int set_cooldown(self, int64_t slot, int64_t until_ns) except -1:
        mg_store(&line_of(self, slot)[L_WORD], until_ns)
        return 0

    cpdef int extend_cooldown(self, int64_t slot, int64_t until_ns) except -1:
        """As set_cooldown, but never to an earlier time."""
        mg_raise(self.health_word(slot), until_ns)
        return 0

    cdef int64_t *health_word(self, int64_t slot) except NULL:
        """The word itself, good for as long as this worker is."""
        return &line_of(self, slot)[L_WORD]


def _bench_reserve(ArenaWorker worker, LimitSet limits, int64_t count, int64_t now_ns, int64_t step_ns):
    """Reserve and settle in a C loop, for the benchmark of what a C caller pays; returns how many were admitted."""
    cdef int64_t i, handle, admitted = 0
    for i in range(count):
        handle = worker.reserve(limits, 1, 10, 10, now_ns)
        if handle >= 0:
            admitted += 1
            worker.settle(handle, 1, 7, 7, now_ns)
        now_ns += step_ns
    return admitted
