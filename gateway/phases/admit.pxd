cimport cython

from _speedups._bucket cimport ArenaWorker
from _speedups._bytes cimport monotonic_ns
from gateway.exchange cimport Exchange
from gateway.serving cimport Principal

cdef long long BYTES_PER_TOKEN_BITS, DEFAULT_OUTPUT_TOKENS

@cython.locals(output=cython.longlong)
cpdef long long estimate(Exchange x)
@cython.locals(principal=Principal, arena=ArenaWorker, now_ns=cython.longlong, handle=cython.longlong)
cpdef object admit(Exchange x)
