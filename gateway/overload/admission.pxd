cimport cython

from _speedups._bytes cimport monotonic_ns
from gateway.principal cimport Principal

cdef int HELD, WAITING, ADMIT, WAIT, FULL, LATE, EXPIRED, SHARE, LAG, MEMORY, NORMAL, HIGH, LOW
cdef int PRIORITY_SHIFT, PRIORITY_BITS, HIGH_FLAG, RECORDED_A_SECOND, SOONER_SHIFT, LATER_SHIFT

cdef class Admission:
    cdef public object loop
    cdef public long long under_way
    cdef public long long easy
    cdef public long long high_held
    cdef public long long active_keys
    cdef public long long waiting
    cdef public long long limit
    cdef public long long ceiling
    cdef public long long low_line
    cdef public long long normal_line
    cdef public long long high_line
    cdef public long long reserve
    cdef public long long room
    cdef public long long patience
    cdef public long long target
    cdef public bint shut
    cdef public list queues
    cdef public long long empty_ns
    cdef public long long lag
    cdef public long long soonest
    cdef public bint scheduled
    cdef public list refused
    cdef public object refusals
    cdef public long long second
    cdef public long long recorded
    cdef public object go_on
    cdef public object end_locally
    cpdef allow(self, long long limit, long long ceiling, bint shut)
    cpdef take(self, Principal principal)
    cpdef hold(self, Principal principal)
    cpdef claim(self, Principal principal)
    cpdef leave(self, int slot, Principal principal)
    @cython.locals(above=cython.longlong)
    cpdef answered(self, long long took_ns)
    cpdef bint has_time(self)
    cpdef long long now(self)
    cpdef object at_head(self, object x)
    @cython.locals(verdict=cython.int)
    cpdef bint enter(self, object x)
    @cython.locals(principal=Principal, rank=cython.int, room=cython.longlong)
    cpdef int judge(self, object x)
    cpdef int full(self)
    cpdef long long share(self)
    cpdef bint has_slot(self, int rank)
    cpdef bint ahead(self, int rank)
    cpdef int lower(self, int rank)
    cpdef park(self, object x)
    cpdef displace(self, int rank)
    cpdef schedule(self)
    cpdef bint standing(self, long long now_ns)
    cpdef int overdue(self, object x, long long expires_ns, long long now_ns, bint standing)
    cpdef expired(self, object x)
    cpdef expire(self)
    cpdef object refusal(self, object x, int reason)

cpdef int rank_of(Principal principal)
