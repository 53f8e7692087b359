cimport cython

from _speedups._stream cimport StreamScan
from gateway.core cimport Core
from gateway.exchange cimport Audience, Exchange
from gateway.serving cimport Target

cdef int OK, CLIENT_ABORT, BUDGET, CLIENT_GONE
cdef long long MOST_BYTES, MOST_BYTES_OF_ALL
cdef frozenset IN_FULL
cdef str CUT

cdef class Kept:
    cdef public long long bytes

cdef class Captured(Audience):
    cdef public Core core
    cdef public Kept kept
    cdef public bytes key
    cdef public bint keep
    cdef public long long most
    cdef public bint complete
    cdef public list parts
    cdef public long long base
    cdef public long long size
    cdef public bint has_begun
    cdef public bint at_once
    cdef public bint streamed
    cdef public int status
    cdef public bytes answer_head
    cdef public bytes media
    cdef public long long length
    cdef public Target target
    cdef public bint gone
    cdef public int shown
    cdef public bint ended
    cdef public bint broken
    cdef public str message
    cdef public bytes event
    cdef public int error_kind
    cdef public int outcome
    cdef public long long last_byte_ns
    cdef public long long prompt
    cdef public long long completion
    cpdef sealed(self, Exchange x)
    cpdef come(self)
    cpdef overflow(self)
    cpdef bint wanted(self)
    @cython.locals(size=Py_ssize_t)
    cpdef told(self, bytes data)
    cpdef end(self, Exchange x, int outcome)
    @cython.locals(scan=StreamScan)
    cpdef bint storable(self, Exchange x) except -1
    cpdef drop(self, long long until)
    cpdef free(self)
