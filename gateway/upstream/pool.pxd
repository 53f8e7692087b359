cimport cython

from _speedups._bytes cimport monotonic_ns
from gateway.core cimport Core
from gateway.exchange cimport Exchange
from gateway.upstream.connection cimport Home, UpstreamConnection

cdef long long IDLE_NS
cdef int WARM
cdef long long SURPLUS_NS

cdef class Pool(Home):
    cdef public Core core
    cdef public object origin
    cdef public bint encrypted
    cdef public object dialer
    cdef public int limit
    cdef public list idle
    cdef public object waiting
    cdef public object wanting_new
    cdef public int open
    cdef public int dead
    cdef public int forgotten
    cdef public int dialing
    cdef public bint retired
    cdef public set tasks
    cdef object __weakref__
    @cython.locals(idle=list, link=UpstreamConnection)
    cpdef UpstreamConnection take(self)
    cpdef wait(self, Exchange x, bint fresh=*)
    cpdef bint full(self)
    cpdef forget(self, Exchange x)
    @cython.locals(x=Exchange)
    cpdef answered_first(self, UpstreamConnection link)
    cpdef free(self, UpstreamConnection link)
    cpdef Exchange next_waiting(self, bint fresh)
    cpdef int wanted(self)
    cpdef dial_more(self)
    cpdef dial(self)
    cpdef unreachable(self, int kind, str message)
