cdef object bisect_left

cdef class Histogram:
    cdef readonly tuple bounds
    cdef readonly list counts
    cdef readonly long long total
    cpdef add(self, value_us)
