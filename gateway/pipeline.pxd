from _speedups._bytes cimport monotonic_ns
from gateway.exchange cimport Exchange
from gateway.phases.admit cimport admit
from gateway.phases.authenticate cimport authenticate
from gateway.phases.forward cimport forward
from gateway.phases.lookup cimport lookup
from gateway.phases.parse cimport parse
from gateway.phases.route cimport route
from gateway.phases.settle cimport settle

cdef int PARSED, ADMITTED, LOOKED_UP, ROUTED, OK, REFUSED, UNREACHABLE, INTERNAL

cpdef object admit_head(Exchange x)
cpdef run(Exchange x)
cpdef proceed(Exchange x, int done)
cpdef end_locally(Exchange x, object response)
