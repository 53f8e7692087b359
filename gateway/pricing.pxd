cimport cython

from _speedups._cost cimport Rates

cdef class Price:
    cdef public dict entry
    cdef public str source
    cdef public dict special
    cdef public bint known
    cdef public bint refused
    cdef public Rates rates
    cdef public tuple names
    cdef public dict tiers
    cdef public bint tiered
    cdef public long long until_ns
    cpdef Rates at(self, long long now_ns)
    cpdef Price of_key(self, unsigned long long virtual_key)
    cpdef Rates of_tier(self, str tier)
    @cython.locals(price=Price, cost=cython.longlong)
    cpdef long long foresee(self, unsigned long long virtual_key, long long prompt, long long completion, long long now_ns) except? -1
