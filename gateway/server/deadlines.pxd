cdef class Timed:
    cdef public long long deadline_ns
    cdef public long long tick
    cpdef expire(self, long long now_ns)

cdef class Wheel:
    cdef public list slots
    cdef public long long current
    cpdef set(self, Timed timed, long long deadline_ns)
    cpdef park(self, Timed timed, long long tick)
    cpdef long long sweep(self, long long now_ns)
