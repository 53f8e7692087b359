cimport cython

cdef long long TICK_NS, HORIZON_TICKS

cdef class Timed:
    cdef public long long deadline_ns
    cdef public long long tick
    cpdef expire(self, long long now_ns)

cdef class Wheel:
    cdef public list slots
    cdef public long long current
    @cython.locals(tick=cython.longlong)
    cpdef set(self, Timed timed, long long deadline_ns)
    @cython.locals(last=cython.longlong, slot=list)
    cpdef park(self, Timed timed, long long tick)
    @cython.locals(target=cython.longlong, index=cython.longlong, seen=cython.longlong, deadline=cython.longlong,
                   tick=cython.longlong, timed=Timed, due=list)
    cpdef long long sweep(self, long long now_ns)
