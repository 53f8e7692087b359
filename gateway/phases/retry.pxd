cimport cython

from _speedups._bytes cimport monotonic_ns
from _speedups._health cimport Health
from _speedups._keys cimport KeySet
from gateway.core cimport Core
from gateway.exchange cimport Attempts, Exchange
from gateway.phases.settle cimport release
from gateway.routing.budget cimport RetryBudget
from gateway.serving cimport Target, Upstream

cdef int UNDECIDED, RETRIED, ADMIN, IN_TROUBLE, ROTATE_KEY, WAS_GOOD, WAS_SICK, IS_WELL, IS_OUT
cdef double SHORT_REST_S, LONGEST_REST_S, REFUSED_REST_S

cdef class Retrying(Attempts):
    cdef public Core core
    cdef public RetryBudget budget
    cdef public dict told
    cdef public object second
    cpdef ask(self, Exchange x)
    @cython.locals(target=Target, upstream=Upstream, now_ns=cython.longlong, rest=cython.double)
    cpdef put_away(self, Exchange x, int status, object found)
    @cython.locals(now_ns=cython.longlong)
    cpdef bint again(self, Exchange x, int status, object kind, object found)
    cpdef repeats(self, Exchange x)
    @cython.locals(target=Target, other=Target, keys=KeySet, now_ns=cython.longlong, ready_ns=cython.longlong,
                   limited=cython.bint, mask=cython.ulonglong)
    cpdef double next_step(self, Exchange x, object found)
    @cython.locals(targets=list, index=cython.int, target=Target)
    cpdef Target other_target(self, Exchange x, long long now_ns)
    @cython.locals(target=Target)
    cpdef bint guarded(self, Exchange x)
    @cython.locals(core=Core)
    cpdef bint affordable(self, Exchange x, double share, long long now_ns)
    cpdef give_up(self, Exchange x, object error)
