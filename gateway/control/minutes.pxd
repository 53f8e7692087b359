cimport cython

from gateway.control.figures cimport Figures

cdef Py_ssize_t STARTED_US, TOTAL_US, COST, VIRTUAL_KEY, PROVIDER, TARGET_MODEL, OPERATION, STATUS, OUTCOME
cdef Py_ssize_t CACHE_VERDICT, TEAM, CUSTOMER
cdef long long MINUTE_US

@cython.final
cdef class Minutes:
    cdef readonly dict cells
    cdef readonly long long round
    cdef dict _series, _recent
    cdef object _models
    @cython.locals(key=tuple, found=Figures)
    cpdef Figures of(self, list values, Py_ssize_t at, long long minute)
    @cython.locals(ended_us=cython.longlong)
    cpdef add(self, list values, Py_ssize_t at)
    @cython.locals(ended_us=cython.longlong)
    cpdef add_cost(self, list values, Py_ssize_t at)
    cdef Figures _new(self, tuple key, bint well)
    cpdef dict take(self)
    cpdef put_back(self, dict taken)
