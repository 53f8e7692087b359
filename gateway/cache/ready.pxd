from gateway.principal cimport Principal
from gateway.server.response cimport status_line
from gateway.server.routes cimport RouteEntry
from gateway.serving cimport View

cdef bytes LINE, OK_LINE

cdef class Ready:
    cdef public int dialect
    cdef public int operation
    cdef public bint streamed
    cdef public int form
    cdef public long long created_ns
    cdef public long long cost_nanodollars
    cdef public long long took_us
    cdef public long long prompt
    cdef public long long completion
    cdef public bytes content_type
    cdef public bytes labels
    cdef public bytes body
    cdef public bytes head

cdef class Again:
    cdef public Principal principal
    cdef public RouteEntry route
    cdef public View view
    cdef public Ready found

cpdef Ready ready(bytes data)
cpdef bytes head_for(bytes content_type, bytes labels, Py_ssize_t length)
