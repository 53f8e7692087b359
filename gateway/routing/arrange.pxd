cimport cython

from _speedups._bytes cimport monotonic_ns
from gateway.exchange cimport Exchange
from gateway.serving cimport Choice, Resolution, Target

cdef int IS_WELL, IS_DUE, WEIGHTED, ORDER, LEAST_LATENCY, LEAST_COST, LEAST_BUSY, HASH

@cython.locals(targets=list, target=Target, now_ns=cython.longlong, sick=cython.bint)
cpdef list arrange(Exchange x, Resolution resolution, Choice choice)
@cython.locals(target=Target, state=cython.int, primary=list, due=list, fallbacks=list, due_last=list, out=list)
cpdef list around_the_sick(Exchange x, Resolution resolution, Choice choice, long long now_ns)
@cython.locals(strategy=cython.int)
cpdef list ordered(Exchange x, Resolution resolution, list targets, long long now_ns)
@cython.locals(total=cython.double, left=cython.double, pick=cython.int, index=cython.int, target=Target)
cpdef list drawn_by_weight(list targets)
