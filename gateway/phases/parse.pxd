cimport cython

from _speedups._scan cimport JsonScan
from gateway.exchange cimport Exchange
from gateway.server.routes cimport RouteEntry

cdef int TAKES_JSON, TAKES_MULTIPART, TAKES_ANY
cdef Py_ssize_t MODEL_BYTES

@cython.locals(entry=RouteEntry, kind=cython.int)
cpdef object parse(Exchange x)
@cython.locals(scan=JsonScan, model=str)
cpdef object parse_json(Exchange x)
cpdef object parse_multipart(Exchange x)
@cython.locals(scan=JsonScan)
cpdef object parse_any(Exchange x)
