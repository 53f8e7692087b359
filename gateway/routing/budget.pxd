cimport cython

cdef long long MEMORY_NS, FADE_NS
cdef double FEWEST
cdef long long FEWEST_UNDER_WAY

cdef class RetryBudget:
    cdef public double recent
    cdef public double new
    cdef public double saved
    cdef public long long faded_ns
    @cython.locals(age=cython.longlong)
    cpdef fade(self, long long now_ns)
    cpdef asked(self, long long now_ns)
    @cython.locals(most=cython.double, saved=cython.double)
    cpdef bint allows(self, double share, long long under_way, long long further_under_way, long long now_ns)
    cpdef spend(self)
