cdef class RouteEntry:
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

cpdef RouteEntry find(bytes path)
