# Declarations for other compiled modules, which cimport these names from _scan.

cdef struct Buffer:
    unsigned char *data
    size_t length
    size_t capacity


cdef class UsageScan:
    cdef readonly long long prompt
    cdef readonly long long completion
    cdef readonly long long total
    cdef readonly long long cached
    cdef readonly long long cache_write
    cdef readonly long long reasoning
    cdef readonly long long audio_in
    cdef readonly long long audio_out
    cdef readonly long long image_in
    cdef readonly long long image_out
    cdef readonly long long cache_write_1h
    cdef readonly long long cached_audio
    cdef readonly long long searches
    cdef readonly bint suspicious
    cdef readonly bint found
    cdef Py_ssize_t _depth
    cdef Py_ssize_t _capture_depth
    cdef int _state
    cdef bint _string
    cdef bint _escape
    cdef bint _recording
    cdef bint _root
    cdef bint _inside
    cdef bint _container
    cdef bint _capturing
    cdef size_t _key_length
    cdef unsigned char[20] _key
    cdef Buffer _buffer

    cdef void _restart(self) noexcept
    cdef void _read(self, const unsigned char *text, size_t length) noexcept
    cdef bint _keep(self, const unsigned char *piece, size_t length) except -1
    cdef int feed_raw(self, const unsigned char *data, size_t length) except -1
    cdef int _take(self, const unsigned char *text, size_t length, void *spans) except -1
    cpdef bint judge(self, bytes data) except -1
    cdef int parse_raw(self, const unsigned char *data, size_t length) except -1
    cpdef void reset(self) noexcept
    cpdef void feed(self, object data) except *
    cpdef void parse(self, object data) except *


cdef class StreamScan:
    cdef readonly UsageScan usage
    cdef readonly long long events
    cdef readonly long long content_events
    cdef readonly bint done
    cdef readonly bint finished
    cdef readonly bint failed
    cdef readonly bytes error_event
    cdef readonly bint malformed
    cdef readonly bint garbled
    cdef int _kind
    cdef bint _hide
    cdef bint _has_data
    cdef bint _borrowed
    cdef bint _oversize
    cdef bint _bom
    cdef bint _swallow
    cdef bint _closed
    cdef bint _settled
    cdef bint _cut
    cdef bint _released
    cdef bint _last_hidden
    cdef size_t _line_length
    cdef size_t _data_length
    cdef size_t _name_length
    cdef const unsigned char *_data_at
    cdef unsigned char[64] _name
    cdef Buffer _line
    cdef Buffer _data
    cdef Buffer _hold

    cdef int _append(self, const unsigned char *piece, size_t length) except -1
    cdef int _own(self) except -1
    cdef int _field(self, const unsigned char *line, size_t length, bint oversize, bint borrowed) except -1
    cdef bint _dispatch(self) except -1
    cdef bint _event(self, const unsigned char *payload, size_t length) except -1
    cdef int _fail(self, const unsigned char *payload, size_t length) except -1
    cdef int _settle(self) except -1
    cpdef bytes feed(self, bytes data)
    cpdef bytes flush(self)
    cpdef int verdict(self) except -1
