cimport cython

from _speedups._bytes cimport monotonic_ns
from _speedups._stream cimport StreamScan, UsageScan
from gateway.core cimport Core
from gateway.exchange cimport Exchange, Link
from gateway.phases.ask cimport Asking
from gateway.relay cimport begin as relay_begin
from gateway.relay cimport cut as relay_cut
from gateway.relay cimport piece as relay_piece
from gateway.relay cimport whole as relay_whole
from gateway.server.routes cimport RouteEntry
from gateway.serving cimport Target

cdef int UNDECIDED, HOLD, PEEK, RELAY, RESPONSES, ADMIN
cdef int EVENTS, HTML, JSON_BODY, UNSTATED
cdef long long HOLD_BYTES, PEEK_BYTES, PEEK_NS

cpdef forward(Exchange x)

cdef class Forward(Asking):
    @cython.locals(limit=cython.longlong)
    cpdef received(self, Exchange x, Link link, bytes data, bint complete)
    @cython.locals(mode=cython.int)
    cpdef take(self, Exchange x, bytes data, bint complete)
    @cython.locals(media=cython.int, entry=RouteEntry, target=Target)
    cpdef int decide(self, Exchange x)
    cpdef hold(self, Exchange x, bytes data, bint complete)
    @cython.locals(status=cython.int, usage=UsageScan, entry=RouteEntry, valid=cython.bint, strict=cython.bint)
    cpdef judge(self, Exchange x, bytes body)
    @cython.locals(scan=StreamScan, out=bytes, begun=cython.bint, guarded=cython.bint, most=cython.longlong)
    cpdef peek(self, Exchange x, bytes data, bint complete)
    cpdef cut(self, Exchange x, int kind, str message)
    cpdef failed(self, Exchange x, int kind, str message, bint answered)
