cimport cython

from _speedups._bytes cimport chunk, monotonic_ns
from gateway.exchange cimport Caller, Exchange, Link
from gateway.phases.settle cimport settle
from gateway.serving cimport Target

cdef int MISS, SHARED, FROM_CACHE, LAST_OF_OPENAI

cdef class Following(Link):
    cdef public object flight
    cdef public Exchange x
    cdef public long long at
    cdef public bint paused
    cdef public bint queued

@cython.locals(following=Following, first=Target)
cpdef Following joined(Exchange x, object flight)
cpdef Exchange ordinary(Exchange x)
