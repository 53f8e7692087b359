cdef class ChunkedBody:
    cdef readonly bint done
    cdef readonly bint extra
    cdef readonly bint broken
    cdef int _state
    cdef int _digits
    cdef long long _left
    cdef Py_ssize_t _framing_bytes
    cdef bint _colon

    cdef int _fail(self) noexcept
    cpdef void reset(self) noexcept
    cpdef bytes feed(self, bytes data)
