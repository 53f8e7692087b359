cimport cython

from _speedups._bytes cimport chunk, monotonic_ns
from gateway.core cimport Core
from gateway.exchange cimport Exchange, Link
from gateway.serving cimport Target

cdef int IDLE, HEAD, BODY, CLOSED

cdef class SendingHalf(Link):
    cdef public Core core
    cdef public object transport
    cdef public Exchange x
    cdef public int state
    cdef public long long served
    cdef public bytes partial
    cdef public bint closing
    cdef public int interim
    cdef public bint upload_chunked
    cdef public bint uploaded
    cdef public bint paused_for_upload
    cdef public bint reading_paused
    @cython.locals(target=Target, limit=cython.longlong, first=cython.longlong, wait=cython.longlong,
                   token=cython.longlong)
    cpdef send(self, Exchange x, bytes data, bint chunked_upload)
    cpdef close(self)
