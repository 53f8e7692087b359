from gateway.core cimport Core
from gateway.exchange cimport Attempts, Exchange, Link

cdef int IDLE, HEAD, BODY, CLOSED
cdef int BY_LENGTH, BY_CHUNKS, BY_CLOSE, NO_BODY

cdef class Home:
    cpdef free(self, UpstreamConnection link)
    cpdef lost(self, UpstreamConnection link)

cdef class UpstreamConnection(Link):
    cdef public Core core
    cdef public Home home
    cdef public object transport
    cdef public object parser
    cdef public Exchange x
    cdef public int state
    cdef public long long served
    cdef public bint counted
    cdef public long long idle_since_ns
    cdef public bytes partial
    cdef public bint head_done
    cdef public bint message_done
    cdef public bint extra
    cdef public int framing
    cdef public long long body_left
    cdef public bint keep
    cdef public int interim
    cdef public list pieces
    cdef public bint upload_chunked
    cdef public bint uploaded
    cdef public bint paused_for_upload
    cdef public bint reading_paused
    cpdef data_received(self, bytes data)
    cpdef close(self)
    cpdef take_head(self, bytes data)
    cpdef head_complete(self, Exchange x, bytes head, bytes rest, int status)
    cpdef long long body_deadline(self, Exchange x, long long now_ns)
    cpdef take_body(self, bytes data)
    cpdef finish(self, Exchange x, bytes data)
    cpdef fail(self, Exchange x, str message)
