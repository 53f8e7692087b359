from _speedups._bytes cimport chunk, monotonic_ns
from gateway.exchange cimport Caller, Exchange
from gateway.phases.settle cimport settle

cdef int CLEAN, TRUNCATED

cpdef bytes head_of(Exchange x, long long length)
cpdef whole(Exchange x, bytes body)
cpdef int outcome_of(Exchange x)
cpdef piece(Exchange x, bytes data, bint complete)
cpdef cut(Exchange x, int kind, str message)
cpdef begin(Exchange x, bytes data, bint complete)
