from gateway.core cimport Core
from gateway.exchange cimport Attempts, Exchange, Link
from gateway.serving cimport Plan, Target
from gateway.upstream.connection cimport UpstreamConnection

cdef int UNDECIDED, HOLD, PEEK, RELAY

cpdef forward(Exchange x)

cdef class Forward(Attempts):
    cdef public Core core
    cpdef ask(self, Exchange x)
    cpdef send(self, Exchange x, Link link)
    cpdef list edited(self, Exchange x, Target target, Plan plan)
    cpdef int decide(self, Exchange x)
    cpdef hold(self, Exchange x, bytes data, bint complete)
    cpdef judge(self, Exchange x, bytes body)
    cpdef peek(self, Exchange x, bytes data, bint complete)
    cpdef failed(self, Exchange x, int kind, str message, bint answered)
    cpdef bint again(self, Exchange x, int status, object kind, bytes body)
    cpdef double next_step(self, Exchange x, int status)
    cpdef give_up(self, Exchange x, object error)
