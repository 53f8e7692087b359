from libc.stdint cimport int64_t, uint64_t

from _speedups._bucket cimport ArenaWorker


cdef class Health:
    cdef ArenaWorker _arena
    cdef int64_t *_line
    cdef int64_t _words[10]
    cdef int _cells
    cdef int _own
    cdef int64_t _epoch
    cdef int64_t _consecutive
    cdef int64_t _volume
    cdef int64_t _permille
    cdef int64_t _rest_ns
    cdef int64_t _longest_rest_ns
    cdef uint64_t _random
    cdef double _requests
    cdef double _accepted
    cdef int64_t _faded_ns
    cdef int64_t _failing_ns

    cdef uint64_t _draw(self) noexcept
    cdef int64_t _probe_ns(self) noexcept
    cdef int64_t _mine(self, int64_t now_ns) noexcept
    cdef int _good(self, int64_t now_ns, int64_t asked_ns) noexcept
    cdef int _sick(self, int64_t now_ns, int64_t asked_ns) noexcept
    cdef bint _mostly_failed(self, int64_t now_ns) noexcept
    cdef int _eject(self, int64_t now_ns, int64_t until) noexcept
    cdef void _fade(self, int64_t now_ns) noexcept
    cpdef int state(self, int64_t now_ns) noexcept
    cpdef bint probe(self, int64_t now_ns) noexcept
    cpdef bint proven(self) noexcept
    cpdef void began(self, int64_t now_ns) noexcept
    cpdef int ended(self, int64_t now_ns, int64_t asked_ns, int verdict) noexcept
    cpdef int64_t busy(self) noexcept
    cpdef void took(self, int64_t first_byte_ns, int64_t now_ns) noexcept
    cpdef int64_t latency_ns(self, int64_t now_ns) noexcept
    cpdef int64_t load(self, int64_t now_ns) noexcept
    cpdef double refusing(self, int64_t now_ns) noexcept
    cpdef bint throttled(self, int64_t now_ns) noexcept
    cpdef tuple figures(self, int64_t now_ns)
