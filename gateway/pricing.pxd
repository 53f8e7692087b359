cimport cython

from _speedups._bytes cimport monotonic_ns
from _speedups._cost cimport Rates

cdef class Price:
    cdef public dict entry
    cdef public str source
    cdef public dict special
    cdef public bint known
    cdef public bint refused
    cdef public Rates rates
    cdef public long long until_ns
    cpdef Rates at(self, long long now_ns)
    cpdef Price of_key(self, unsigned long long virtual_key)

@cython.locals(most=cython.longlong, now_ns=cython.longlong, price=Price, either=Price)
cpdef long long dearest(list prices, unsigned long long virtual_key, long long prompt, long long completion)
