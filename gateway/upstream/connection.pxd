cimport cython

from _speedups._bytes cimport head_end, monotonic_ns, part, taken
from _speedups._chunked cimport ChunkedBody
from _speedups._head cimport HeadScan
from gateway.core cimport Core
from gateway.exchange cimport Attempts, Exchange
from gateway.serving cimport Target
from gateway.upstream.sending cimport SendingHalf

cdef int IDLE, HEAD, BODY, CLOSED
cdef int CR, MAX_HEAD, MAX_INTERIM
cdef int BY_LENGTH, BY_CHUNKS, BY_CLOSE, NO_BODY
cdef int UNDECIDED, PEEK

cdef class Home:
    cpdef answered_first(self, UpstreamConnection link)
    cpdef free(self, UpstreamConnection link)
    cpdef lost(self, UpstreamConnection link)

cdef class UpstreamConnection(SendingHalf):
    cdef public Home home
    cdef public bint counted
    cdef public int framing
    cdef public long long body_left
    cdef public ChunkedBody chunks
    cdef public bint keep
    cpdef data_received(self, bytes data)
    @cython.locals(x=Exchange, scan=HeadScan, end=Py_ssize_t, head=bytes, rest=bytes, status=cython.int)
    cpdef take_head(self, bytes data)
    @cython.locals(scan=HeadScan)
    cpdef head_complete(self, Exchange x, bytes head, bytes rest, int status)
    cpdef begin_body(self, Exchange x, bytes rest)
    @cython.locals(limit=cython.longlong, idle=cython.longlong, token=cython.longlong, target=Target)
    cpdef long long body_deadline(self, Exchange x, long long now_ns)
    @cython.locals(target=Target)
    cpdef long long token_due_ns(self, Exchange x)
    @cython.locals(x=Exchange, chunks=ChunkedBody, size=Py_ssize_t, framing=cython.int, now_ns=cython.longlong,
                   due=cython.longlong)
    cpdef take_body(self, bytes data)
    cpdef finish(self, Exchange x, bytes data)
    cpdef fail(self, Exchange x, str message)
