from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from "_affinity.h" nogil:
    ctypedef struct mg_entry:
        pass

cpdef bytes prompt(bytes body)
cpdef bytes digests(bytes body, Py_ssize_t start, Py_ssize_t end, uint64_t seed=*)


cdef class Affinity:
    cdef int _count
    cdef uint64_t _weighted
    cdef uint64_t _buckets_mask
    cdef uint32_t _ttl
    cdef double _spill
    cdef double _agreement
    cdef double _fade
    cdef double _weights[64]
    cdef uint64_t _identities[64]
    cdef object _memory
    cdef int64_t *_loads
    cdef mg_entry *_table

    cdef double _load(self, int key, uint64_t time) noexcept
    cpdef int choose(self, bytes chain, uint64_t mask, int64_t now_ns) except? -3000
    cpdef int used(self, bytes chain, int key, int64_t tokens, int64_t now_ns) except -1
    cpdef int warm(self, bytes chain, int key, int64_t now_ns) except -1
