from _speedups._bytes cimport monotonic_ns
from gateway.exchange cimport Exchange

cpdef long long estimate(Exchange x)
cpdef object admit(Exchange x)
