cpdef bytes part(bytes data, Py_ssize_t start, Py_ssize_t stop)
cpdef bytes taken(bytearray buffer, Py_ssize_t count)
cpdef bint equals(bytes data, Py_ssize_t start, Py_ssize_t stop, bytes other) except -1
cpdef Py_ssize_t head_end(bytes data) except -2
cpdef Py_ssize_t find_byte(bytes data, int byte) except -2
cpdef bytes chunk(bytes data)
cpdef long long monotonic_ns() except -1
cpdef long long realtime_ns() except -1
cpdef bytes decimal(long long value)
cpdef bytes numbered(bytes prefix, unsigned long long number)
cpdef bytes unhex(bytes digits)
cpdef unsigned long long word_at(object words, Py_ssize_t index) except? 0
