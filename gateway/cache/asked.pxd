cimport cython

from _speedups._canonical cimport Canonical
from gateway.exchange cimport Exchange
from gateway.server.routes cimport RouteEntry

cdef int GEMINI
cdef dict _kinds

cdef class Kind:
    cdef public Canonical canonical
    cdef public bint stored
    cdef public tuple headers
    cdef public bytes about

cpdef bytes asked(Exchange x, bytes leads_to)
@cython.locals(entry=RouteEntry, kind=Kind, canonical=Canonical, prefix=bytes)
cpdef bytes asked_with(Exchange x, bytes body, bytes leads_to)
cpdef bytes said(bytes head, tuple names)
