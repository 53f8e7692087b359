cimport cython

cdef class Histogram:
    cdef readonly tuple bounds
    cdef readonly list counts
    cdef readonly long long total
    @cython.locals(at=Py_ssize_t, bound=cython.longlong)
    cpdef add(self, long long value_us)
