cimport cython

from _speedups._bytes cimport monotonic_ns
from gateway.core cimport Core
from gateway.exchange cimport Attempts, Exchange, Link
from gateway.phases.splice cimport splice
from gateway.serving cimport Plan, Target, Upstream
from gateway.upstream.pool cimport Pool

cdef int UNDECIDED, FALLBACK, RETRIED, REUSED, ADMIN

cdef class Asking(Attempts):
    cdef public Core core
    @cython.locals(now_ns=cython.longlong, ready_ns=cython.longlong, ready=cython.longlong, mask=cython.ulonglong, key=cython.int,
                   target=Target, upstream=Upstream, plan=Plan, pool=Pool)
    cpdef ask(self, Exchange x)
    @cython.locals(target=Target, upstream=Upstream, plan=Plan, length=cython.longlong, size=cython.longlong, chunked=cython.bint)
    cpdef send(self, Exchange x, Link link)
    cpdef bint again(self, Exchange x, int status, object kind, bytes body)
    cpdef double next_step(self, Exchange x, int status)
    cpdef give_up(self, Exchange x, object error)
