cimport cython

from _speedups._bytes cimport monotonic_ns
from gateway.core cimport Core
from gateway.exchange cimport Exchange
from gateway.server.reader cimport RequestReader

cdef int IDLE, HEAD, BODY, BUSY, CLOSING, ADMIN, EVENTS

cdef class ServerConnection(RequestReader):
    @cython.locals(wait_ns=cython.longlong)
    cpdef answered(self, Exchange x, bint reusable)
    @cython.locals(spent=cython.longlong, step=cython.longlong, left=cython.longlong)
    cpdef arm_body(self, long long now_ns)
    cpdef answer(self, bytes data)
    cpdef check_body_rate(self, long long now_ns)
    cpdef bytes head_of(self, int status, object response, bytes request_id, bint http10, bint keep_alive)
    cpdef bint asked_head(self)
    cpdef linger(self)
