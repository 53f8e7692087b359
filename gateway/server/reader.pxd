cimport cython

from _speedups._bytes cimport find_byte, head_end, monotonic_ns, part
from _speedups._head cimport HeadScan
from gateway.core cimport Core
from gateway.exchange cimport Caller, Exchange
from gateway.pipeline cimport admit_head, end_locally
from gateway.pipeline cimport run as run_phases
from gateway.server.body cimport BodyReader
from gateway.server.routes cimport RouteEntry

cdef int IDLE, HEAD, BODY, BUSY, CLOSING
cdef int SLASH, MARK, JSON_BODY, TAKES_NO_BODY, TAKES_JSON, TAKES_BINARY

cdef class RequestReader(Caller):
    cdef public Core core
    cdef public object transport
    cdef public object parser
    cdef public int state
    cdef public bytes address
    cdef public long long made_ns
    cdef public long long served
    cdef public Exchange x
    cdef public bytearray partial
    cdef public Py_ssize_t fed
    cdef public bint head_done
    cdef public bint message_done
    cdef public bint upgrading
    cdef public long long head_started_ns
    cdef public BodyReader body
    cdef public long long body_limit
    cdef public long long body_started_ns
    cdef public bytes rest
    cdef public bint consuming
    cdef public bint reading_paused
    cdef public bint writing_paused
    cdef public bint half_closed
    cdef public long long dropped
    cpdef arm_body(self, long long now_ns)
    cpdef consume(self, bytes data)
    cpdef go_on(self)
    cpdef pause_reading(self)
    @cython.locals(core=Core, end=Py_ssize_t, head=bytes, partial=bytearray)
    cpdef bytes take_head(self, bytes data)
    cpdef bint feed(self, bytes data)
    @cython.locals(core=Core, scan=HeadScan, x=Exchange, mark=Py_ssize_t, length=cython.longlong, chunked=cython.bint,
                   target=bytes, expect=bytes, coded=bytes)
    cpdef bytes head_complete(self, bytes head, bytes rest)
    cpdef bint may_upgrade(self, HeadScan scan)
    @cython.locals(body=bytes)
    cpdef bytes whole_body(self, Exchange x, bytes rest, long long length)
    @cython.locals(route=RouteEntry, kind=cython.int, limit=cython.longlong)
    cpdef object size_body(self, Exchange x, long long length, bint chunked)
    cpdef bytes turn_away(self, Exchange x, object refusal, bytes rest, long long length, bint chunked)
    cpdef bytes take_body(self, bytes data)
    cpdef body_complete(self, Exchange x, BodyReader body)
    cpdef run(self, Exchange x)
    cpdef reject(self, str kind, str message)
    cpdef reject_head(self, bytes head)

cpdef bytes absolute_path(bytes target)
