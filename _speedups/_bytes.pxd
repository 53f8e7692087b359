cpdef bytes part(bytes data, Py_ssize_t start, Py_ssize_t stop)
cpdef Py_ssize_t head_end(bytes data) except -2
cpdef bytes chunk(bytes data)
cpdef long long monotonic_ns() except -1
