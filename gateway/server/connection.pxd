from _speedups._bytes cimport monotonic_ns
from gateway.exchange cimport Exchange
from gateway.server.reader cimport RequestReader

cdef int IDLE, HEAD, BODY, BUSY, CLOSING

cdef class ServerConnection(RequestReader):
    cpdef check_body_rate(self, long long now_ns)
    cpdef bytes head_of(self, int status, object response, bytes request_id, bint http10, bint keep_alive)
    cpdef linger(self)
