from _speedups._bytes cimport monotonic_ns
from gateway.core cimport Core
from gateway.exchange cimport Exchange

cpdef settle(Exchange x, int outcome)
cpdef write_attempt(Exchange x, int outcome, int error_kind)
cpdef write(Exchange x, int kind, long long prompt, long long completion, int source)
cpdef long long micros(long long ns)
cpdef write_details(Exchange x)
cpdef write_times(Exchange x)
