# Declarations for other compiled modules, which cimport these names from _scan.

cdef struct FieldLine:
    unsigned int start        # offsets within the head: of the name, and of the line's CR
    unsigned int end
    unsigned int name_length
    unsigned int hash


cdef class HeadScan:
    cdef readonly bytes head
    cdef readonly bytes method
    cdef readonly Py_ssize_t target_start
    cdef readonly Py_ssize_t target_end
    cdef readonly int status
    cdef readonly bint http10
    cdef readonly bint keep_alive
    cdef readonly int media
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
    cdef size_t _first
    cdef FieldLine[256] _lines

    cdef void _clear(self, bytes head) noexcept
    cdef bint _refuse(self, int status, str why) noexcept
    cdef bint _fault(self, const unsigned char *line, const unsigned char *end, int status, Py_ssize_t limit) noexcept
    cdef bint _read(self, size_t at, int status, Py_ssize_t limit) except -1
    cdef bint _field(self, int known, const unsigned char *value, size_t size, int status) except -1
    cdef int _judge_connection(self) noexcept
    cpdef bint request(self, bytes head, bint strict_host=*) except -1
    cpdef bint response(self, bytes head) except -1
    cpdef bytes value_of(self, bytes name)


cdef struct FilterName:
    unsigned int hash
    unsigned int offset
    unsigned int length


cdef struct FilterPrefix:
    unsigned int offset
    unsigned int length
    unsigned int next  # of those with the same key, counted from 1; 0 ends the chain


cdef class HeaderFilter:
    cdef bint _keep
    cdef bytes _blob
    cdef FilterName *_slots
    cdef unsigned int _mask
    cdef FilterPrefix *_prefixes
    cdef unsigned int[64] _chains  # by first and third byte
    cdef unsigned int _short  # prefixes without a third byte

    cdef bint _listed(self, const unsigned char *name, unsigned int length, unsigned int hash) noexcept
    cdef bint _begins(self, unsigned int chain, const unsigned char *name, unsigned int length) noexcept
    cpdef bytes select(self, HeadScan scan)
    cpdef bytes copy(self, bytes head)
