cimport cython

from _speedups._bytes cimport monotonic_ns
from gateway.exchange cimport Exchange
from gateway.overload.admission cimport Admission
from gateway.phases.admit cimport admit
from gateway.phases.authenticate cimport authenticate
from gateway.phases.cost cimport reckon
from gateway.phases.forward cimport forward
from gateway.phases.lookup cimport lookup
from gateway.phases.parse cimport parse
from gateway.phases.route cimport route
from gateway.phases.settle cimport settle
from gateway.server.routes cimport RouteEntry, find
from gateway.serving cimport Resolution

cdef int HELD, PARSED, ADMITTED, LOOKED_UP, ROUTED, OK, REFUSED, UNREACHABLE, INTERNAL, PUBLIC, DATA
cdef list HEAD_HOOKS, PARSED_HOOKS, ROUTED_HOOKS, REFUSED_HOOKS

@cython.locals(entry=RouteEntry, admission=Admission)
cpdef object admit_head(Exchange x)
@cython.locals(entry=RouteEntry, admission=Admission)
cpdef run(Exchange x)
@cython.locals(entry=RouteEntry, resolution=Resolution)
cpdef proceed(Exchange x, int done)
cpdef end_locally(Exchange x, object response)
