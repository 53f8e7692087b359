from gateway.core cimport Core
from gateway.exchange cimport Caller, Exchange

cdef int IDLE, HEAD, BODY, BUSY, CLOSING
cdef int LENGTH, CHUNK_LINE, CHUNK_DATA, CHUNK_END, TRAILER

cdef class ServerConnection(Caller):
    cdef public Core core
    cdef public object transport
    cdef public object parser
    cdef public int state
    cdef public long long made_ns
    cdef public long long served
    cdef public Exchange x
    cdef public bytearray partial
    cdef public Py_ssize_t fed
    cdef public bint head_done
    cdef public bint message_done
    cdef public long long head_started_ns
    cdef public int framing
    cdef public long long body_left
    cdef public long long body_limit
    cdef public list body_parts
    cdef public long long body_bytes
    cdef public long long body_started_ns
    cdef public long long raw_bytes
    cdef public bytes line
    cdef public bytes rest
    cdef public bint consuming
    cdef public bint reading_paused
    cdef public bint writing_paused
    cdef public bint half_closed
    cdef public long long dropped
    cpdef check_body_rate(self, long long now_ns)
    cpdef arm_body(self, long long now_ns)
    cpdef consume(self, bytes data)
    cpdef go_on(self)
    cpdef pause_reading(self)
    cpdef bytes take_head(self, bytes data)
    cpdef bint feed(self, bytes data)
    cpdef bytes head_complete(self, bytes head, bytes rest)
    cpdef bytes whole_body(self, Exchange x, bytes rest, long long length)
    cpdef object size_body(self, Exchange x, long long length, bint chunked)
    cpdef bytes turn_away(self, Exchange x, object refusal, bytes rest, long long length, bint chunked)
    cpdef bytes take_body(self, bytes data)
    cpdef bytes take_chunks(self, Exchange x, bytes data)
    cpdef body_piece(self, Exchange x, bytes piece)
    cpdef body_complete(self, Exchange x)
    cpdef run(self, Exchange x)
    cpdef bytes head_of(self, int status, object response, bytes request_id, bint http10, bint keep_alive)
    cpdef reject(self, str kind, str message)
    cpdef linger(self)

cpdef bytes absolute_path(bytes target)
