from _speedups._bytes cimport monotonic_ns
from gateway.exchange cimport Exchange, Link
from gateway.phases.ask cimport Asking

cdef int UNDECIDED, HOLD, PEEK, RELAY

cpdef forward(Exchange x)

cdef class Forward(Asking):
    cpdef int decide(self, Exchange x)
    cpdef hold(self, Exchange x, bytes data, bint complete)
    cpdef judge(self, Exchange x, bytes body)
    cpdef peek(self, Exchange x, bytes data, bint complete)
    cpdef failed(self, Exchange x, int kind, str message, bint answered)
