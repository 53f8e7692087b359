cimport cython

from gateway.control.histogram cimport Histogram

cdef Py_ssize_t PROVIDER, OPERATION, STATUS, OUTCOME, ERROR_KIND, KIND, FLAGS, ATTEMPT, STREAM, PROMPT, COMPLETION, COST
cdef Py_ssize_t GATEWAY_US, UPSTREAM_US, TTFT_US, TOTAL_US, TARGET_MODEL, WIDTH
cdef long long EXCHANGE, PLAIN_ATTEMPT, EMBEDDING, OK, CACHED

@cython.final
cdef class CallSeries:
    cdef readonly Histogram duration, input, output, request, first, each
    cdef readonly long long cost

@cython.final
cdef class Calls:
    cdef readonly bint sums
    cdef readonly object lock
    cdef readonly long long began_ns
    cdef readonly dict series, overhead
    cdef object _models
    @cython.locals(at=Py_ssize_t)
    cpdef put(self, list values)
    @cython.locals(kind=cython.longlong, flags=cython.longlong, outcome=cython.longlong, key=tuple, series=CallSeries,
                   attempt=cython.longlong, prompt=cython.longlong, completion=cython.longlong,
                   upstream_us=cython.longlong, cost=cython.longlong, total_us=cython.longlong,
                   stream=cython.longlong, overhead=Histogram, ttft_us=cython.longlong, rest_us=cython.longlong)
    cdef _add(self, list values, Py_ssize_t at)
    @cython.locals(series=CallSeries)
    cdef CallSeries _new(self, tuple key)
