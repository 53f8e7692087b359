cimport cython

cdef double FIRST_PER_BYTE
cdef int SHARE

cdef class Habit:
    cdef public int seen
    cdef public double per_byte
    cdef public double spread
    cdef public double output
    cdef public long long most
    @cython.locals(foreseen=cython.longlong)
    cpdef long long prompt(self, long long size)
    cpdef long long usual(self, long long size)
    @cython.locals(foreseen=cython.longlong)
    cpdef long long completion(self)
    @cython.locals(found=cython.double, distance=cython.double)
    cpdef learn(self, long long size, long long prompt, long long completion)
