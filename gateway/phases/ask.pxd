from gateway.core cimport Core
from gateway.exchange cimport Attempts, Exchange, Link
from gateway.phases.splice cimport splice
from gateway.serving cimport Plan, Target, Upstream
from gateway.upstream.pool cimport Pool

cdef int UNDECIDED, FALLBACK, RETRIED, REUSED, ADMIN

cdef class Asking(Attempts):
    cdef public Core core
    cpdef ask(self, Exchange x)
    cpdef send(self, Exchange x, Link link)
    cpdef bint again(self, Exchange x, int status, object kind, bytes body)
    cpdef double next_step(self, Exchange x, int status)
    cpdef give_up(self, Exchange x, object error)
