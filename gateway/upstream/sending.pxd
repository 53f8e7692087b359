from _speedups._bytes cimport chunk, monotonic_ns
from gateway.core cimport Core
from gateway.exchange cimport Exchange, Link

cdef int IDLE, HEAD, BODY, CLOSED

cdef class SendingHalf(Link):
    cdef public Core core
    cdef public object transport
    cdef public Exchange x
    cdef public int state
    cdef public long long served
    cdef public bytes partial
    cdef public bint head_done
    cdef public bint message_done
    cdef public int interim
    cdef public bint upload_chunked
    cdef public bint uploaded
    cdef public bint paused_for_upload
    cdef public bint reading_paused
    cpdef close(self)
