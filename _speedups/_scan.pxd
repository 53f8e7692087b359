# Declarations for other compiled modules: attributes are read and methods called without Python in between.
# The contract is _scan.pyi. Nothing here needs a header of ours.

cdef struct Buffer:
    unsigned char *data
    size_t length
    size_t capacity


cdef class JsonScan:
    cdef readonly str model
    cdef readonly Py_ssize_t model_start
    cdef readonly Py_ssize_t model_end
    cdef readonly int stream
    cdef readonly Py_ssize_t stream_options_start
    cdef readonly Py_ssize_t stream_options_end
    cdef readonly int include_usage
    cdef readonly long long max_tokens
    cdef readonly long long choices
    cdef readonly Py_ssize_t fallbacks_start
    cdef readonly Py_ssize_t fallbacks_end
    cdef readonly bint stateful
    cdef readonly Py_ssize_t close
    cdef readonly bint empty
    cdef readonly str error
    cdef readonly Py_ssize_t error_offset

    cdef void _clear(self) noexcept
    cdef bint _refuse(self, int code, Py_ssize_t offset) noexcept
    cpdef bint scan(self, bytes body) except -1


cdef class UsageScan:
    cdef readonly long long prompt
    cdef readonly long long completion
    cdef readonly long long total
    cdef readonly long long cached
    cdef readonly long long cache_write
    cdef readonly long long reasoning
    cdef readonly long long audio_in
    cdef readonly long long audio_out
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


cdef class HeadScan:
    cdef readonly Py_ssize_t fields
    cdef readonly bytes host
    cdef readonly long long content_length
    cdef readonly bytes content_type
    cdef readonly bytes content_encoding
    cdef readonly bytes transfer_encoding
    cdef readonly bytes connection
    cdef readonly bytes expect
    cdef readonly bytes upgrade
    cdef readonly bytes authorization
    cdef readonly bytes x_api_key
    cdef readonly bytes api_key
    cdef readonly bytes x_goog_api_key
    cdef readonly bytes x_microgate_key
    cdef readonly bytes retry_after
    cdef readonly bint has_options
    cdef readonly int error
    cdef readonly str why
    cdef bytes _head
    cdef size_t _first

    cdef void _clear(self, bytes head) noexcept
    cdef bint _refuse(self, int status, str why) noexcept
    cdef bint _fault(self, const unsigned char *line, const unsigned char *end, int status, Py_ssize_t limit) noexcept
    cdef bint _read(self, size_t at, int status, Py_ssize_t limit) except -1
    cdef bint _known(self, const unsigned char *name, size_t length, const unsigned char *value, size_t size,
                     int status) except -1
    cpdef bint request(self, bytes head, bint strict_host=*) except -1
    cpdef bint response(self, bytes head) except -1
    cpdef bytes value_of(self, bytes name)


cdef struct FilterName:
    unsigned int hash
    unsigned int offset
    unsigned int length


cdef class HeaderFilter:
    cdef bint _keep
    cdef bytes _blob
    cdef FilterName *_slots
    cdef unsigned int _mask
    cdef FilterName *_prefixes
    cdef Py_ssize_t _prefix_count

    cdef bint _listed(self, const unsigned char *name, unsigned int length, unsigned int hash) noexcept
    cpdef bytes copy(self, bytes head)


cpdef bint validate(object data) except -1
