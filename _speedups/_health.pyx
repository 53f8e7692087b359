# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Whether a deployment is well, how busy and how fast it is: words in the arena that all workers share.

The words and what they mean: ARCHITECTURE.md, "Health of deployments". Counts may lose an update when two workers meet, which
changes nothing that is promised; what must happen once (ejection, probe) is decided by compare-and-swap.
"""

import os

from libc.math cimport exp
from libc.stdint cimport int64_t, uint64_t

from _speedups._bucket cimport ArenaWorker

cdef extern from "_atomics.h" nogil:
    int64_t mg_load(const int64_t *p)
    void mg_store(int64_t *p, int64_t value)
    int mg_cas(int64_t *p, int64_t expected, int64_t value)

WELL = 0
OUT = 1
DUE = 2
NEUTRAL = 0
GOOD = 1
SICK = 2
UNCHANGED = 0
EJECTED = 1
RESTORED = 2

cdef enum:
    # Words of a line of kind HEALTH: _layout.L_STEP, L_TAU, L_WORD, L_BURST.
    SINCE = 4
    ROW = 5
    UNTIL = 6
    SPEED = 7
    CELLS = 8
    LOW = 0xFFFFFFFF
    BUSY_MASK = 0xFFFF
    COUNT_MASK = 0xFFFFFF
    FAILED_SHIFT = 16
    TOTAL_SHIFT = 40
    NUMBER_BITS = 48

cdef int64_t WINDOW_NS = 10_000_000_000
cdef int64_t LONGEST_PROBE_NS = 10_000_000_000
cdef double SPEED_MS = 10_000.0
cdef double DEMAND_S = 30.0
cdef int64_t OUTAGE_NS = 15_000_000_000
cdef double MULTIPLE = 2.0
cdef double FEWEST = 50.0
cdef double MOST_REFUSED = 0.9


cdef class Health:
    """One deployment, as one worker sees it and as all of them do. Times are CLOCK_MONOTONIC nanoseconds."""

    def __init__(self, arena, slot, consecutive=5, volume=50, permille=850, rest_ns=30_000_000_000,
                 longest_rest_ns=300_000_000_000):
        cdef ArenaWorker worker
        if consecutive < 1 or volume < 1 or not 0 < permille <= 1000 or rest_ns < 1 or longest_rest_ns < rest_ns:
            raise ValueError("rules of health that cannot be")
        self._arena = arena
        if arena is not None and slot >= 0:
            worker = arena
            # A pointer into the mapping, which lives as long as the worker that is held here.
            self._line = worker.health_word(slot) - UNTIL
            self._cells = worker._cells
            self._own = CELLS + 2 * worker.index
            self._epoch = (<int64_t>worker.epoch & 0x7FFF) << NUMBER_BITS
        else:
            self._line = self._words
            self._cells = 1
            self._own = CELLS
            self._epoch = 0
        self._consecutive = consecutive
        self._volume = volume
        self._permille = permille
        self._rest_ns = rest_ns
        self._longest_rest_ns = longest_rest_ns
        self._random = int.from_bytes(os.urandom(8), "little") | 1

    cdef inline uint64_t _draw(self) noexcept:
        # xorshift64 (Marsaglia 2003): spreading load needs no more.
        self._random ^= self._random << 13
        self._random ^= self._random >> 7
        self._random ^= self._random << 17
        return self._random

    cpdef int state(self, int64_t now_ns) noexcept:
        cdef int64_t until = mg_load(&self._line[UNTIL])
        if until == 0:
            return 0
        if until > now_ns or mg_load(&self._line[SINCE]) + self._probe_ns() > now_ns:
            return 1
        return 2

    cdef inline int64_t _probe_ns(self) noexcept:
        return self._rest_ns if self._rest_ns < LONGEST_PROBE_NS else LONGEST_PROBE_NS

    cpdef bint probe(self, int64_t now_ns) noexcept:
        cdef int64_t since = mg_load(&self._line[SINCE])
        if self.state(now_ns) != 2:
            return False
        return mg_cas(&self._line[SINCE], since, now_ns) != 0

    cpdef bint proven(self) noexcept:
        return mg_load(&self._line[UNTIL]) == 0 and mg_load(&self._line[ROW]) & LOW == 0

    cdef inline int64_t _mine(self, int64_t now_ns) noexcept:
        """The own cell, begun anew (but for what is under way) when its window or its owner's life is over."""
        cdef int64_t *own = self._line + self._own
        cdef int64_t tag = self._epoch | (now_ns // WINDOW_NS & ((<int64_t>1 << NUMBER_BITS) - 1))
        cdef int64_t count = own[1]
        if own[0] != tag:
            count = count & BUSY_MASK if own[0] >> NUMBER_BITS == self._epoch >> NUMBER_BITS else 0
            mg_store(&own[0], tag)
        return count

    cpdef void began(self, int64_t now_ns) noexcept:
        cdef int64_t count = self._mine(now_ns)
        if count & BUSY_MASK != BUSY_MASK:
            count += 1
        mg_store(&self._line[self._own + 1], count)

    cpdef int ended(self, int64_t now_ns, int64_t asked_ns, int verdict) noexcept:
        cdef int64_t count = self._mine(now_ns)
        if count & BUSY_MASK:
            count -= 1
        if verdict and count >> TOTAL_SHIFT != COUNT_MASK >> 1:
            count += <int64_t>1 << TOTAL_SHIFT
            if verdict == 2:
                count += <int64_t>1 << FAILED_SHIFT
        mg_store(&self._line[self._own + 1], count)
        if verdict == 0:
            return 0
        self._fade(now_ns)
        self._requests += 1.0
        if verdict == 1:
            if self._failing_ns and now_ns - self._failing_ns >= OUTAGE_NS:
                # Demand that met a sick deployment says nothing of a well one.
                self._requests = self._accepted = 0.0
            self._failing_ns = 0
            self._accepted += 1.0
            return self._good(now_ns, asked_ns)
        if not self._failing_ns:
            self._failing_ns = now_ns
        return self._sick(now_ns, asked_ns)

    cdef inline int _good(self, int64_t now_ns, int64_t asked_ns) noexcept:
        cdef int64_t row = mg_load(&self._line[ROW])
        cdef int64_t until
        if row & LOW:
            mg_cas(&self._line[ROW], row, row & ~<int64_t>LOW)
        until = mg_load(&self._line[UNTIL])
        if until == 0 or asked_ns < mg_load(&self._line[SINCE]):
            return 0
        if not mg_cas(&self._line[UNTIL], until, 0):
            return 0
        mg_store(&self._line[SINCE], now_ns)
        return 2

    cdef int _sick(self, int64_t now_ns, int64_t asked_ns) noexcept:
        cdef int64_t row, until = mg_load(&self._line[UNTIL])
        cdef int tries
        for tries in range(8):
            row = mg_load(&self._line[ROW])
            if row & LOW == LOW or mg_cas(&self._line[ROW], row, row + 1):
                break
        if until > now_ns or (until and asked_ns < mg_load(&self._line[SINCE])):
            return 0
        if until == 0 and (row & LOW) + 1 < self._consecutive and not self._mostly_failed(now_ns):
            return 0
        return self._eject(now_ns, until)

    cdef bint _mostly_failed(self, int64_t now_ns) noexcept:
        cdef int64_t number = now_ns // WINDOW_NS & ((<int64_t>1 << NUMBER_BITS) - 1)
        cdef int64_t total = 0, failed = 0, count
        cdef int64_t *cell = self._line + CELLS
        cdef int i
        for i in range(self._cells):
            if mg_load(&cell[0]) & ((<int64_t>1 << NUMBER_BITS) - 1) == number:
                count = mg_load(&cell[1])
                total += count >> TOTAL_SHIFT
                failed += count >> FAILED_SHIFT & COUNT_MASK
            cell += 2
        return total >= self._volume and failed * 1000 >= total * self._permille

    cdef int _eject(self, int64_t now_ns, int64_t until) noexcept:
        cdef int64_t row = mg_load(&self._line[ROW])
        cdef int64_t times = row >> 32
        cdef int64_t rest
        if until == 0:
            # Every span of good health as long as a rest makes one ejection forgotten.
            times -= (now_ns - mg_load(&self._line[SINCE])) // self._rest_ns
            if times < 0:
                times = 0
        times += 1
        if times > 1 << 20:
            times = 1 << 20
        rest = self._longest_rest_ns
        if times < self._longest_rest_ns // self._rest_ns:
            rest = self._rest_ns * times
        rest += rest // 1000 * <int64_t>(self._draw() % 200)
        if not mg_cas(&self._line[UNTIL], until, now_ns + rest):
            return 0
        mg_store(&self._line[SINCE], now_ns)
        mg_store(&self._line[ROW], times << 32 | (row & LOW))
        return 1

    cpdef int64_t busy(self) noexcept:
        cdef int64_t *cell = self._line + CELLS
        cdef int64_t total = 0
        cdef int i
        for i in range(self._cells):
            total += mg_load(&cell[1]) & BUSY_MASK
            cell += 2
        return total

    cpdef void took(self, int64_t first_byte_ns, int64_t now_ns) noexcept:
        cdef int64_t word = mg_load(&self._line[SPEED])
        cdef int64_t known = word >> 32, us = first_byte_ns // 1000
        cdef int64_t now_ms = now_ns // 1_000_000
        cdef double weight
        if us < 1:
            us = 1
        elif us > 0x7FFFFFFF:
            us = 0x7FFFFFFF
        if us < known:
            weight = exp(-<double>((now_ms - word) & LOW) / SPEED_MS)
            us = <int64_t>(known * weight + us * (1.0 - weight))
        mg_store(&self._line[SPEED], us << 32 | (now_ms & LOW))

    cpdef int64_t latency_ns(self, int64_t now_ns) noexcept:
        cdef int64_t word = mg_load(&self._line[SPEED])
        cdef double age = <double>((now_ns // 1_000_000 - word) & LOW)
        return <int64_t>((word >> 32) * exp(-age / SPEED_MS) * 1000.0)

    cpdef int64_t load(self, int64_t now_ns) noexcept:
        return self.latency_ns(now_ns) * (self.busy() + 1)

    cdef inline void _fade(self, int64_t now_ns) noexcept:
        cdef int64_t age = now_ns - self._faded_ns
        cdef double factor
        if age < 100_000_000:
            return
        factor = exp(-<double>age / (DEMAND_S * 1e9))
        self._requests *= factor
        self._accepted *= factor
        self._faded_ns = now_ns

    cpdef double refusing(self, int64_t now_ns) noexcept:
        cdef double excess
        if self._requests < FEWEST:
            return 0.0
        self._fade(now_ns)
        excess = (self._requests - MULTIPLE * self._accepted - FEWEST / 2.0) / (self._requests + 1.0)
        if excess <= 0.0:
            return 0.0
        return MOST_REFUSED if excess > MOST_REFUSED else excess

    cpdef bint throttled(self, int64_t now_ns) noexcept:
        cdef double excess = self.refusing(now_ns)
        if excess <= 0.0:
            return False
        if <double>(self._draw() >> 11) * (1.0 / 9007199254740992.0) >= excess:
            return False
        self._requests += 1.0
        return True

    cpdef tuple figures(self, int64_t now_ns):
        cdef int64_t row = mg_load(&self._line[ROW])
        cdef int64_t until = mg_load(&self._line[UNTIL])
        return row & LOW, row >> 32, until - now_ns if until > now_ns else 0
