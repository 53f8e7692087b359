cdef int LENGTH, CHUNK_LINE, CHUNK_DATA, CHUNK_END, TRAILER

cdef class BodyReader:
    cdef public object parser
    cdef public int framing
    cdef public long long left
    cdef public list pieces
    cdef public long long data_bytes
    cdef public long long framing_bytes
    cdef public long long limit
    cdef public bint too_large
    cdef public bytes line
    cdef public bint done
    cdef public str error
    cpdef bytes take(self, bytes data)
    cpdef bint feed(self, bytes data)
    cpdef bytes take_chunks(self, bytes data)
    cpdef keep_line(self, bytes line)
    cpdef bytes collected(self)
