cimport cython

cdef Py_ssize_t BUCKETS, PER_OCTAVE, LOOKED_UP
cdef long long TOP
cdef bytearray SMALL
cdef Py_ssize_t TOKENS, COST, GATEWAY_US, TTFT_US, TOTAL_US, REQUEST_BYTES, RESPONSE_BYTES, FLAGS, STATUS, ATTEMPT
cdef Py_ssize_t ATTEMPTS, STREAM, OUTCOME, CACHE_VERDICT
cdef long long FALLBACK, OK, REFUSED, HIT, SIMILAR, SHARED

cpdef put(bytearray out, unsigned long long value)

@cython.final
cdef class Reader:
    cdef bytes data
    cdef public Py_ssize_t at
    cpdef Py_ssize_t byte(self) except -1
    @cython.locals(value=cython.ulonglong, byte=cython.ulonglong, shift=int, at=Py_ssize_t)
    cpdef unsigned long long number(self) except? 0xFFFFFFFFFFFFFFFF

@cython.final
cdef class Digest:
    cdef readonly long long count, total
    cdef Py_ssize_t first, last
    cdef bytearray low
    cdef list high
    @cython.locals(above=Py_ssize_t)
    cpdef add(self, long long value)
    cdef fill(self, Py_ssize_t bucket, long long count)
    cdef Py_ssize_t within(self, Py_ssize_t bucket) except -1
    @cython.locals(bucket=Py_ssize_t, count=cython.longlong)
    cpdef merge(self, Digest other)
    @cython.locals(bucket=Py_ssize_t, number=cython.longlong, count=cython.longlong)
    cpdef pack(self, bytearray out)
    @cython.locals(bucket=Py_ssize_t, count=cython.longlong, left=cython.longlong)
    cpdef unpack(self, Reader reader)
    @cython.locals(bucket=Py_ssize_t, running=cython.longlong, rank=cython.longlong)
    cpdef spread(self, double unit=*)

@cython.final
cdef class Figures:
    cdef readonly long long requests, errors, refused, cache_hits, similar_hits, shared, fallbacks, retries
    cdef readonly long long prompt, completion, cached, reasoning, cost, saved, received, sent
    cdef readonly Digest duration, ttft, overhead, speed
    @cython.locals(status=cython.longlong, outcome=cython.longlong, verdict=cython.longlong, flags=cython.longlong,
                   attempts=cython.longlong, received=cython.longlong, sent=cython.longlong, cost=cython.longlong,
                   total_us=cython.longlong, gateway_us=cython.longlong, stream=cython.longlong,
                   ttft_us=cython.longlong, prompt=cython.longlong, completion=cython.longlong,
                   cached=cython.longlong, reasoning=cython.longlong, attempt=cython.longlong,
                   took_us=cython.longlong)
    cpdef add(self, list values, Py_ssize_t at)
    cpdef charge(self, long long cost_nanodollars)
    cpdef merge(self, Figures other)
    cpdef pack(self, bytearray out)
    cpdef unpack(self, Reader reader)
