cimport cython

from _speedups._bytes cimport equals, part
from gateway.exchange cimport Exchange
from gateway.server.routes cimport RouteEntry
from gateway.serving cimport Plan, Target

cdef int STREAM_OPTIONS_ADDED

@cython.locals(body=bytes, tail=bytes, options=bytes, start=Py_ssize_t, end=Py_ssize_t, at=Py_ssize_t, same=cython.bint,
               asks=cython.bint, entry=RouteEntry, parts=list)
cpdef list splice(Exchange x, Target target, Plan plan)
