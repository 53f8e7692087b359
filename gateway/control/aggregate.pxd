cimport cython

from gateway.control.figures cimport Figures
from gateway.control.histogram cimport Histogram
from gateway.control.minutes cimport Minutes

cdef Py_ssize_t WIDTH
cdef long long EXCHANGE, SHADOW, FALLBACK, UNPRICED, EMBEDDING, ESTIMATE
cdef Py_ssize_t VIRTUAL_KEY, PROVIDER, PROVIDER_KEY, TOKENS, COST, QUEUE_US, GATEWAY_US, UPSTREAM_US, TTFT_US, TOTAL_US
cdef Py_ssize_t CHUNKS, REQUEST_BYTES, RESPONSE_BYTES, FLAGS, KIND, OPERATION, STATUS, ATTEMPT, ATTEMPTS, STREAM
cdef Py_ssize_t OUTCOME, ERROR_KIND, USAGE_SOURCE, CACHE_VERDICT, TARGET_MODEL, STARTED_US, TEAM, CUSTOMER
cdef long long MINUTE_US

cdef class Requests:
    cdef readonly str labels
    cdef readonly long long count

cdef class Usage:
    cdef readonly str labels
    cdef readonly long long prompt, completion, cached, cache_write, reasoning, audio_in, audio_out
    cdef readonly long long cost, estimated, fallbacks, retries, received, sent, unpriced

cdef class Timing:
    cdef readonly str labels
    cdef readonly Histogram duration, ttft, between
    cdef readonly long long chunks

cdef class Overhead:
    cdef readonly str labels
    cdef readonly Histogram gateway, queue

cdef class Attempts:
    cdef readonly str labels
    cdef readonly long long count
    cdef readonly Histogram upstream

cdef class _Series:
    cdef Attempts attempts
    cdef Requests requests
    cdef Usage usage
    cdef Timing timing
    cdef Overhead overhead
    cdef Figures figures
    cdef long long minute, team, customer, round

cdef class Aggregates:
    cdef readonly dict requests, usage, timing, overhead, attempts, upstream, shadow_requests, shadow_usage, shadow_timing
    cdef readonly dict embedding_requests, embedding_usage, embedding_timing
    cdef readonly long long records, folded
    cdef public Minutes minutes
    cdef object _names
    cdef dict _exchange_series, _attempt_series, _models, _failed_models
    cdef set _unnamed
    @cython.locals(at=Py_ssize_t, kind=cython.longlong)
    cpdef add(self, list values)
    @cython.locals(key=tuple, series=_Series, attempt=Attempts, usage=Usage, overhead=Overhead, timing=Timing,
                   attempts=cython.longlong, received=cython.longlong, sent=cython.longlong, prompt=cython.longlong,
                   completion=cython.longlong, cached=cython.longlong, cache_write=cython.longlong,
                   reasoning=cython.longlong, audio_in=cython.longlong, audio_out=cython.longlong,
                   cost=cython.longlong, source=cython.longlong, flags=cython.longlong, queue_us=cython.longlong,
                   total_us=cython.longlong, stream=cython.longlong, chunks=cython.longlong, ttft_us=cython.longlong,
                   minutes=Minutes, figures=Figures, started_us=cython.longlong, team=cython.longlong,
                   customer=cython.longlong, minute=cython.longlong, is_new=cython.bint)
    cdef _add_exchange(self, list values, Py_ssize_t at)
    @cython.locals(key=tuple, attempts=Attempts)
    cdef _add_attempt(self, list values, Py_ssize_t at)
    @cython.locals(usage=Usage)
    cdef _add_cost(self, tuple key, list f)
    @cython.locals(f=list, requests=Requests, usage=Usage, timing=Timing)
    cdef _add_shadow(self, list values, Py_ssize_t at)
    cdef _Series _new_series(self, tuple key, list f)
    cdef Attempts _attempts_of(self, tuple key, list f)
    cdef str _name(self, long long id_hash, tuple key)
    cdef str _model(self, list f)
