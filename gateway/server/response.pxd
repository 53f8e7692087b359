cdef dict STATUS_LINES
cdef bytes OK_LINE, KEEP, CLOSE

cpdef bytes status_line(int status)
cpdef bytes connection_field(bint http10, bint keep_alive)
