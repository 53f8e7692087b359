# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Weighted choice among the keys of a provider, minding health that all workers share."""

import os

from libc.stdint cimport int64_t, uint8_t, uint64_t

from _speedups._bucket cimport ArenaWorker

cdef extern from "_atomics.h" nogil:
    int64_t mg_load(const int64_t *p)
    void mg_store(int64_t *p, int64_t value)
    void mg_raise(int64_t *p, int64_t value)

cdef extern from *:
    """
    static inline int mg_lowest(uint64_t bits) { return __builtin_ctzll(bits); }
    /* The high word of a product: a draw below `bound` without division. */
    static inline uint64_t mg_scale(uint64_t draw, uint64_t bound) {
        return (uint64_t)(((unsigned __int128)draw * bound) >> 64);
    }
    /* One draw below `count`, and what is left of it as a draw below `bound`. */
    static inline int mg_column(uint64_t draw, int count, uint64_t bound, uint64_t *height) {
        unsigned __int128 product = (unsigned __int128)draw * (uint64_t)count;
        *height = mg_scale((uint64_t)product, bound);
        return (int)(product >> 64);
    }
    """
    int mg_lowest(uint64_t bits) nogil
    uint64_t mg_scale(uint64_t draw, uint64_t bound) nogil
    int mg_column(uint64_t draw, int count, uint64_t bound, uint64_t *height) nogil

MAX_KEYS = 64
cdef int64_t DISABLED = 0x7FFFFFFFFFFFFFFF
cdef uint64_t state = int.from_bytes(os.urandom(8), "little")


cdef inline uint64_t draw() noexcept:
    """splitmix64: one addition and two multiplications a draw; load spreading needs no more."""
    global state
    cdef uint64_t z
    state += <uint64_t>0x9E3779B97F4A7C15
    z = state
    z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
    return z ^ (z >> 31)


cdef class KeySet:
    """The keys of one provider, in configuration order; immutable but for health, which lives in the arena."""

    def __init__(self, arena, keys):
        if len(keys) > 64:
            raise ValueError(f"a provider can have {MAX_KEYS} keys, got {len(keys)}")
        self._arena = arena
        self._count = 0
        # Pointers into the mapping, which lives as long as the worker that is held here.
        for weight, slot, _ in keys:
            if weight < 0:
                raise ValueError("a key's weight must not be negative")
            self._weights[self._count] = weight
            self._own[self._count] = 0
            if arena is not None and slot >= 0:
                self._until[self._count] = self._arena.health_word(slot)
            else:
                self._until[self._count] = &self._own[self._count]
            self._count += 1
        self._whole = ~<uint64_t>0 if self._count == 64 else (<uint64_t>1 << self._count) - 1
        self._divide()

    cdef int _divide(self) except -1:
        """Walker's alias table: as many columns as keys, each as high as all weights together and shared by at most two
        keys, so that one draw and one look at health choose among all. Left out when the weights are too large for it."""
        cdef int index, small, large
        total = sum([self._weights[index] for index in range(self._count)])
        self._total = 0
        if total * self._count >= 1 << 63:
            return 0
        left = [self._weights[index] * self._count for index in range(self._count)]
        below = [index for index in range(self._count) if left[index] < total]
        above = [index for index in range(self._count) if left[index] >= total]
        while below:
            small, large = below.pop(), above.pop()
            self._cut[small], self._alias[small] = left[small], large
            left[large] -= total - left[small]
            (below if left[large] < total else above).append(large)
        for index in above:
            self._cut[index], self._alias[index] = total, index
        self._total = total
        return 0

    def __len__(self):
        return self._count

    cdef inline int _check(self, int64_t index) except -1:
        if not 0 <= index < self._count:
            raise IndexError(f"key {index} does not exist")
        return 0

    cpdef int choose(self, uint64_t allowed, int64_t now_ns) except? -3000:
        cdef uint64_t height
        cdef int index
        if self._total:
            index = 0
            if self._count > 1:
                index = mg_column(draw(), self._count, self._total, &height)
                if height >= self._cut[index]:
                    index = self._alias[index]
            # Drawn among all and kept if it may be: what is drawn again instead falls to the others by their weight.
            if allowed >> index & 1 and mg_load(self._until[index]) <= now_ns:
                return index
        return self._choose_among(allowed, now_ns)

    cdef int _choose_among(self, uint64_t allowed, int64_t now_ns) noexcept:
        cdef uint64_t total = 0, drawn
        cdef uint64_t bounds[64]
        cdef int found[64]
        cdef int index, count = 0, idle = -1
        allowed &= self._whole
        while allowed:
            index = mg_lowest(allowed)
            allowed &= allowed - 1
            if mg_load(self._until[index]) > now_ns:
                continue
            if self._weights[index]:
                total += self._weights[index]
                bounds[count] = total
                found[count] = index
                count += 1
            elif idle < 0:
                idle = index
        if count == 0:
            return idle
        if count == 1:
            return found[0]
        drawn = mg_scale(draw(), total)
        index = 0
        while drawn >= bounds[index]:
            index += 1
        return found[index]

    cpdef int cool(self, int64_t index, int64_t until_ns) except -1:
        """Leave this key out until ``until_ns`` (CLOCK_MONOTONIC); never shortens a longer wait."""
        self._check(index)
        mg_raise(self._until[index], until_ns)
        return 0

    cpdef int disable(self, int64_t index) except -1:
        return self.cool(index, DISABLED)

    cpdef int enable(self, int64_t index) except -1:
        self._check(index)
        mg_store(self._until[index], 0)
        return 0

    cpdef bint usable(self, int64_t index, int64_t now_ns) except *:
        self._check(index)
        return mg_load(self._until[index]) <= now_ns

    cpdef int64_t next_ready_ns(self, uint64_t allowed, int64_t now_ns) except? -3000:
        cdef int64_t earliest = DISABLED, until
        cdef int index
        for index in range(self._count):
            if allowed >> index & 1:
                until = mg_load(self._until[index])
                if until < earliest:
                    earliest = until
        if earliest == DISABLED:
            return -1
        return earliest if earliest > now_ns else now_ns


def seed(value):
    """Seed this process's generator (a forked child must do it first)."""
    global state
    state = value & 0xFFFFFFFFFFFFFFFF


def _bench_choose(KeySet keys, uint64_t allowed, int64_t now_ns, int64_t count):
    """Choose in a C loop, for the benchmark of what a C caller pays."""
    cdef int64_t i, total = 0
    for i in range(count):
        total += keys.choose(allowed, now_ns)
    return total
