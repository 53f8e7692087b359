cimport cython

from _speedups._bytes cimport chunk, decimal, monotonic_ns
from _speedups._head cimport HeaderFilter, HeadScan
from _speedups._stream cimport StreamScan
from gateway.core cimport Core
from gateway.exchange cimport Caller, Exchange
from gateway.phases.cost cimport field as cost_field
from gateway.phases.cost cimport reckon
from gateway.phases.metering cimport delivered
from gateway.phases.settle cimport settle
from gateway.serving cimport Target
from gateway.server.response cimport connection_field, status_line

cdef int ADMIN, CLEAN, TRUNCATED, OK, UPSTREAM_ERROR
cdef bytes LENGTH, CHUNKED, REQUEST_ID, ATTEMPTS, OVERHEAD, LINE, LAST_CHUNK

@cython.locals(core=Core, target=Target, scan=HeadScan, passing=HeaderFilter, framing=bytes, labels=bytes, same=cython.bint)
cpdef bytes head_of(Exchange x, long long length, bytes body)
@cython.locals(caller=Caller, data=bytes)
cpdef whole(Exchange x, bytes body)
@cython.locals(head=bytes)
cpdef bytes opening(Exchange x, long long length, bytes data)
cpdef int outcome_of(Exchange x)
@cython.locals(scan=StreamScan, out=bytes, tail=bytes, verdict=cython.int, caller=Caller)
cpdef piece(Exchange x, bytes data, bint complete)
cpdef bint goes_on(Exchange x, long long events, bytes data, bint complete)
cpdef bint ended_early(Exchange x, bytes data)
cpdef cut(Exchange x, int kind, str message)
@cython.locals(scan=StreamScan, out=bytes, verdict=cython.int, caller=Caller)
cpdef begin(Exchange x, bytes data, bint complete)
