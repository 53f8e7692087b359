cimport cython

from _speedups._bytes cimport head_end, monotonic_ns, part
from gateway.core cimport Core
from gateway.exchange cimport Attempts, Exchange
from gateway.upstream.sending cimport SendingHalf

cdef int IDLE, HEAD, BODY, CLOSED
cdef int CR
cdef int BY_LENGTH, BY_CHUNKS, BY_CLOSE, NO_BODY

cdef class Home:
    cpdef free(self, UpstreamConnection link)
    cpdef lost(self, UpstreamConnection link)

cdef class UpstreamConnection(SendingHalf):
    cdef public Home home
    cdef public object parser
    cdef public bint counted
    cdef public long long idle_since_ns
    cdef public bint extra
    cdef public int framing
    cdef public long long body_left
    cdef public bint keep
    cdef public bint stays
    cdef public bint last_chunk
    cdef public list pieces
    cpdef data_received(self, bytes data)
    @cython.locals(x=Exchange, end=Py_ssize_t, head=bytes, rest=bytes, status=cython.int)
    cpdef take_head(self, bytes data)
    cpdef head_complete(self, Exchange x, bytes head, bytes rest, int status)
    cpdef long long body_deadline(self, Exchange x, long long now_ns)
    @cython.locals(x=Exchange, size=Py_ssize_t, framing=cython.int, now_ns=cython.longlong)
    cpdef take_body(self, bytes data)
    cpdef finish(self, Exchange x, bytes data)
    cpdef fail(self, Exchange x, str message)
