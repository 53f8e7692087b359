cdef class RouteEntry:
    cdef public str original
    cdef public str path
    cdef public frozenset methods
    cdef public int audience
    cdef public int operation
    cdef public int dialect
    cdef public int body
    cdef public str prefix
    cdef public bint metered
    cdef public bint stateful
    cdef public bytes rest
    cdef public str below
    cdef public object streams
    cdef public bint names_model
    cdef public bint websocket
    cdef public bint own
    cdef public bint relayed
    cdef public bint strict
    cdef public bint asks_usage

cdef dict EXACT

cpdef RouteEntry find(bytes path)
