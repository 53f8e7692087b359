# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Compiled twin of ``_affinity_py``: which key holds a prompt's prefix warm. The contract is ``_affinity.pyi``."""

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.math cimport log
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from "_atomics.h" nogil:
    int64_t mg_load(const int64_t *p)
    void mg_store(int64_t *p, int64_t value)

cdef extern from *:
    """
    static inline int mg_lowest_key(uint64_t bits) { return __builtin_ctzll(bits); }
    """
    int mg_lowest_key(uint64_t bits) nogil

cdef extern from "_affinity.h" nogil:
    ctypedef struct mg_digest:
        pass
    ctypedef struct mg_prompt:
        size_t start[3]
        size_t end[3]
    void mg_find_prompt(const uint8_t *doc, size_t n, mg_prompt *found)
    void mg_digest_begin(mg_digest *d, uint64_t seed)
    void mg_digest_add(mg_digest *d, const uint8_t *text, size_t n)
    uint64_t mg_digest_word(const mg_digest *d)
    mg_entry *mg_find(mg_entry *table, uint64_t buckets_mask, uint64_t digest)
    void mg_prefetch(const mg_entry *table, uint64_t buckets_mask, uint64_t digest)
    uint64_t mg_warm(const mg_entry *entry, uint32_t time, uint32_t ttl)
    void mg_note(mg_entry *table, uint64_t buckets_mask, uint64_t digest, int key, uint32_t time)
    uint64_t mg_scramble(uint64_t z)

from _speedups._affinity_py import BLOCK_BYTES, PROMPT_BYTES, memory_bytes, settings_of

cdef Py_ssize_t BLOCK = BLOCK_BYTES
cdef Py_ssize_t LONGEST = PROMPT_BYTES
cdef enum:
    MOST_BLOCKS = 64
    TIME_BITS = 27
    TOKEN_BITS = 40
cdef int64_t TOKENS = (<int64_t>1 << TOKEN_BITS) - 1
cdef int64_t LOAD_TIME = (<int64_t>1 << 23) - 1


cpdef bytes prompt(bytes body):
    cdef mg_prompt found
    cdef const char *text
    cdef char *out
    cdef size_t length[3]
    cdef size_t left = LONGEST
    cdef int part
    cdef bytes made
    if body is None:
        raise TypeError("bytes expected, got NoneType")
    text = PyBytes_AS_STRING(body)
    mg_find_prompt(<const uint8_t *>text, PyBytes_GET_SIZE(body), &found)
    for part in range(3):
        length[part] = min(found.end[part] - found.start[part], left)
        left -= length[part]
    made = PyBytes_FromStringAndSize(NULL, LONGEST - left)
    out = PyBytes_AS_STRING(made)
    for part in range(3):
        memcpy(out, text + found.start[part], length[part])
        out += length[part]
    return made


cpdef bytes digests(bytes body, Py_ssize_t start, Py_ssize_t end, uint64_t seed=0):
    cdef uint64_t words[MOST_BLOCKS]
    cdef const uint8_t *text
    cdef mg_digest state
    cdef Py_ssize_t at = 0, step = BLOCK, size
    cdef int count = 0
    if body is None:
        raise TypeError("bytes expected, got NoneType")
    start = max(start, 0)
    size = min(min(end, PyBytes_GET_SIZE(body)) - start, LONGEST)
    text = <const uint8_t *>PyBytes_AS_STRING(body) + start
    mg_digest_begin(&state, seed)
    while at + step <= size and count < MOST_BLOCKS:
        mg_digest_add(&state, text + at, step)
        at += step
        words[count] = mg_digest_word(&state)
        count += 1
        if at == 16 * step:
            step *= 2
    return PyBytes_FromStringAndSize(<const char *>words, count * 8)


cdef inline uint64_t word(const char *chain, Py_ssize_t at) noexcept:
    cdef uint64_t value
    memcpy(&value, chain + 8 * at, 8)
    return value


cdef class Affinity:
    def __init__(self, keys, ttl_ns=300_000_000_000, *, weights=None, identities=None, entries=65_536, spill=0.5,
                 agreement=0.0, load_ns=30_000_000_000, memory=None):
        cdef Py_buffer view
        cdef int index
        weights, identities, memory, buckets = settings_of(
            keys, ttl_ns, weights, identities, entries, spill, agreement, load_ns, memory
        )
        self._count = keys
        self._weighted = 0
        for index in range(self._count):
            self._weights[index] = weights[index]
            self._identities[index] = identities[index]
            if weights[index]:
                self._weighted |= <uint64_t>1 << index
        self._ttl = ttl_ns >> TIME_BITS
        self._spill = spill
        self._agreement = agreement
        self._fade = (<double>(<int64_t>1 << TIME_BITS)) / load_ns
        self._buckets_mask = buckets - 1
        # This view lives as long as the object, and with it what the pointers point into.
        self._memory = memory
        PyObject_GetBuffer(self._memory, &view, PyBUF_WRITABLE)
        self._loads = <int64_t *>view.buf
        self._table = <mg_entry *>(self._loads + 64)
        PyBuffer_Release(&view)

    def __len__(self):
        return self._count

    cdef double _load(self, int key, uint64_t time) noexcept:
        cdef int64_t seen = mg_load(self._loads + key)
        cdef int64_t age = (<int64_t>time - (seen >> TOKEN_BITS)) & LOAD_TIME
        if age > LOAD_TIME - 64:
            age = 0
        cdef double halvings = age * self._fade
        cdef int whole
        if halvings >= 60:
            return 0
        whole = <int>halvings
        return <double>(seen & TOKENS) * (1 - (halvings - whole) / 2) / <double>(<int64_t>1 << whole)

    cpdef int choose(self, bytes chain, uint64_t mask, int64_t now_ns) except? -3000:
        cdef const char *text
        cdef Py_ssize_t count, at, popular = 0
        cdef uint64_t time = <uint64_t>now_ns >> TIME_BITS
        cdef uint64_t left, undecided, holders, digest, seed
        cdef int warm[64]
        cdef double loads[64]
        cdef double total = 0, weight = 0, cost, lowest = 0, rank, highest = 0, draw
        cdef int key, best = -1, home = -1
        cdef double ranks[64]
        cdef const mg_entry *entry
        if chain is None:
            raise TypeError("bytes expected, got NoneType")
        mask &= self._weighted
        count = PyBytes_GET_SIZE(chain) // 8
        if not count or not mask:
            return -1
        if not mask & (mask - 1):
            return mg_lowest_key(mask)
        text = PyBytes_AS_STRING(chain)
        for at in range(count):
            mg_prefetch(self._table, self._buckets_mask, word(text, at))
        left = mask
        while left:
            key = mg_lowest_key(left)
            left &= left - 1
            warm[key] = 0
            loads[key] = self._load(key, time)
            total += loads[key]
            weight += self._weights[key]
        undecided = mask
        at = count
        while at and (undecided or not popular):
            entry = mg_find(self._table, self._buckets_mask, word(text, at - 1))
            if entry is not NULL:
                holders = mg_warm(entry, <uint32_t>time, self._ttl)
                if not popular and holders & (holders - 1):
                    popular = at
                left = holders & undecided
                undecided &= ~holders
                while left:
                    warm[mg_lowest_key(left)] = at
                    left &= left - 1
            at -= 1
        seed = word(text, min(popular, count - 1))
        left = mask
        while left:
            key = mg_lowest_key(left)
            left &= left - 1
            digest = mg_scramble(seed ^ self._identities[key])
            draw = (<double>(digest >> 11) + 0.5) / 9007199254740992.0
            ranks[key] = self._weights[key] / -log(draw)
            if home < 0 or ranks[key] > highest:
                home, highest = key, ranks[key]
        left = mask
        while left:
            key = mg_lowest_key(left)
            left &= left - 1
            cost = -self._spill * warm[key] / count
            if total:
                cost += loads[key] * weight / (self._weights[key] * total)
            if key == home and popular < count:
                cost -= self._agreement
            if best < 0 or cost < lowest or (cost == lowest and ranks[key] > ranks[best]):
                best, lowest = key, cost
        return best

    cpdef int used(self, bytes chain, int key, int64_t tokens, int64_t now_ns) except -1:
        cdef const char *text
        cdef Py_ssize_t at
        cdef uint64_t time = <uint64_t>now_ns >> TIME_BITS
        cdef int64_t load
        if chain is None:
            raise TypeError("bytes expected, got NoneType")
        if not 0 <= key < self._count:
            raise IndexError(f"key {key} does not exist")
        tokens = max(<int64_t>0, min(tokens, TOKENS))
        load = min(TOKENS, <int64_t>self._load(key, time) + tokens)
        mg_store(self._loads + key, <int64_t>(time & LOAD_TIME) << TOKEN_BITS | load)
        text = PyBytes_AS_STRING(chain)
        for at in range(PyBytes_GET_SIZE(chain) // 8):
            mg_note(self._table, self._buckets_mask, word(text, at), key, <uint32_t>time)
        return 0

    cpdef int warm(self, bytes chain, int key, int64_t now_ns) except -1:
        cdef const char *text
        cdef const mg_entry *entry
        cdef Py_ssize_t at
        cdef uint64_t time = <uint64_t>now_ns >> TIME_BITS
        if chain is None:
            raise TypeError("bytes expected, got NoneType")
        if not 0 <= key < self._count:
            raise IndexError(f"key {key} does not exist")
        text = PyBytes_AS_STRING(chain)
        for at in range(PyBytes_GET_SIZE(chain) // 8, 0, -1):
            entry = mg_find(self._table, self._buckets_mask, word(text, at - 1))
            if entry is not NULL and mg_warm(entry, <uint32_t>time, self._ttl) >> key & 1:
                return at
        return 0


def _bench(Affinity affinity, bytes body, uint64_t mask, int64_t now_ns, int64_t count):
    """Digests, choice and note in a C loop, for the benchmark of what a C caller pays."""
    cdef int64_t i
    cdef int key = 0
    cdef bytes chain
    for i in range(count):
        chain = digests(body, 0, PyBytes_GET_SIZE(body), 0)
        key = affinity.choose(chain, mask, now_ns)
        affinity.used(chain, key, 1000, now_ns)
    return key
