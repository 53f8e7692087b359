from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef struct RecordRow:
    uint64_t started_ns, snapshot, virtual_key, provider, provider_key, route
    int64_t prompt_tokens, completion_tokens, cached_tokens, cache_write_tokens
    int64_t reasoning_tokens, audio_in_tokens, audio_out_tokens
    int64_t cost_nanodollars
    int64_t queue_us, gateway_us, upstream_us, ttft_us, total_us
    int64_t request_bytes, response_bytes, chunks
    uint32_t flags
    uint16_t kind, schema, operation, dialect, target_dialect, status, attempt, attempts
    uint8_t stream, outcome, error_kind, usage_source, cache_verdict
    uint8_t model_len, target_len, dropped_len, receipt_len
    uint8_t pad[3]
    unsigned char request_id[16]
    unsigned char model[96]
    unsigned char target_model[96]
    unsigned char dropped[64]
    unsigned char receipt[48]
    unsigned char client[16]
    uint64_t team, customer
    unsigned char spare[80]


cdef inline uint8_t put_text(unsigned char *field, Py_ssize_t room, bytes text) noexcept:
    """Copy at most ``room`` bytes and zero the rest: a row never carries bytes of another request."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(text)
    if size > room:
        size = room
    memcpy(field, PyBytes_AS_STRING(text), size)
    memset(field + size, 0, room - size)
    return <uint8_t>size


cdef class Record:
    cdef public uint64_t started_ns, snapshot, virtual_key, provider, provider_key, route
    cdef public int64_t prompt_tokens, completion_tokens, cached_tokens, cache_write_tokens
    cdef public int64_t reasoning_tokens, audio_in_tokens, audio_out_tokens
    cdef public int64_t cost_nanodollars
    cdef public int64_t queue_us, gateway_us, upstream_us, ttft_us, total_us
    cdef public int64_t request_bytes, response_bytes, chunks
    cdef public uint32_t flags
    cdef public uint16_t kind, schema, operation, dialect, target_dialect, status, attempt, attempts
    cdef public uint8_t stream, outcome, error_kind, usage_source, cache_verdict
    cdef public bytes request_id, model, target_model, dropped, receipt, client
    cdef public uint64_t team, customer

    cdef void fill(self, RecordRow *row) noexcept
    cpdef clear(self)
    cpdef bytes pack(self)


cdef class RingWriter:
    cdef object _mapping
    cdef object _spill
    cdef object _view
    cdef int64_t *_words
    cdef int64_t _rows
    cdef int64_t _at
    cdef int64_t _slot
    cdef int64_t _epoch
    cdef int _event_fd

    cdef void _write_row(self, int64_t *row, Record record, uint64_t sequence) noexcept
    cdef void _tell(self) noexcept
    cdef bint _push_to_stage(self, Record record) except? False
    cpdef bint push(self, Record record) except? False
    cpdef close(self)


cdef class RingReader:
    cdef object _mapping
    cdef object _spill
    cdef object _view
    cdef int64_t *_words
    cdef int64_t _rows
    cdef int64_t _next

    cdef int _check(self) except -1
