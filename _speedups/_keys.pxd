from libc.stdint cimport int64_t, uint8_t, uint64_t

from _speedups._bucket cimport ArenaWorker


cdef class KeySet:
    cdef ArenaWorker _arena
    cdef int _count
    cdef uint64_t _whole
    cdef int64_t _weights[64]
    cdef int64_t *_until[64]
    cdef int64_t _own[64]
    cdef uint64_t _total
    cdef uint64_t _cut[64]
    cdef uint8_t _alias[64]

    cdef int _check(self, int64_t index) except -1
    cdef int _divide(self) except -1
    cdef int _choose_among(self, uint64_t allowed, int64_t now_ns) noexcept
    cpdef int choose(self, uint64_t allowed, int64_t now_ns) except? -3000
    cpdef int cool(self, int64_t index, int64_t until_ns) except -1
    cpdef int disable(self, int64_t index) except -1
    cpdef int enable(self, int64_t index) except -1
    cpdef bint usable(self, int64_t index, int64_t now_ns) except *
    cpdef int64_t next_ready_ns(self, uint64_t allowed, int64_t now_ns) except? -3000
