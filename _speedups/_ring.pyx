# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Records and the rings that carry them to the control process."""

from cpython.bytearray cimport PyByteArray_FromStringAndSize
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.memoryview cimport PyMemoryView_GET_BUFFER
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset
from posix.unistd cimport write

from _speedups import _ring_file
from _speedups._ring_file import Spill, SpillReader, map_ring, open_ring

cdef extern from "_atomics.h" nogil:
    int64_t mg_load(const int64_t *p)
    void mg_store(int64_t *p, int64_t value)
    void mg_fence()

cdef extern from "_checksum.h" nogil:
    uint64_t mg_checksum(const void *record, uint64_t sequence, uint64_t epoch)

cdef enum:
    SIZE = 640
    HEAD_SIZE = 64
    ROW_SIZE = 704
    ROW_WORDS = 88
    HEADER_WORDS = 512
    STAGE_ROWS = 1024
    W_ROWS = 2
    W_HEAD = 8
    W_EPOCH = 9
    W_DROPPED = 10
    W_SPILLED = 11
    W_SPILL_SEQUENCE = 12
    W_SPILL_MOVED = 14
    W_POSITION = 16
    W_SPILL_DONE = 17
    W_SLEEPING = 18

RECORD_SIZE = SIZE
cdef uint64_t SPILL_BIT = <uint64_t>1 << 62


def _layout_agrees():
    """The constants above, against the module that the slow side uses; a difference is a broken build."""
    for name, value in (
        ("RECORD_SIZE", sizeof(RecordRow)), ("HEAD_SIZE", HEAD_SIZE), ("ROW_SIZE", ROW_SIZE),
        ("ROW_SIZE", ROW_WORDS * 8), ("STAGE_ROWS", STAGE_ROWS), ("RING_HEADER", HEADER_WORDS * 8), ("W_ROWS", W_ROWS), ("W_HEAD", W_HEAD),
        ("W_EPOCH", W_EPOCH), ("W_DROPPED", W_DROPPED), ("W_SPILLED", W_SPILLED),
        ("W_SPILL_SEQUENCE", W_SPILL_SEQUENCE), ("W_SPILL_MOVED", W_SPILL_MOVED), ("W_POSITION", W_POSITION),
        ("W_SPILL_DONE", W_SPILL_DONE), ("W_SLEEPING", W_SLEEPING), ("SPILL_BIT", SPILL_BIT),
    ):
        if getattr(_ring_file, name) != value:
            raise ImportError(f"_speedups._ring was built for another layout: {name} is {value}")


_layout_agrees()


cdef class Record:
    """One row of the trail; see the contract for the fields."""

    def __cinit__(self):
        self.clear()

    cpdef clear(self):
        self.started_ns = self.snapshot = self.virtual_key = self.provider = self.provider_key = self.route = 0
        self.prompt_tokens = self.completion_tokens = self.cached_tokens = self.cache_write_tokens = 0
        self.reasoning_tokens = self.audio_in_tokens = self.audio_out_tokens = self.cost_nanodollars = 0
        self.queue_us = self.gateway_us = self.upstream_us = self.ttft_us = self.total_us = 0
        self.request_bytes = self.response_bytes = self.chunks = 0
        self.flags = 0
        self.kind = self.operation = self.dialect = self.target_dialect = 0
        self.schema = 1
        self.status = self.attempt = self.attempts = 0
        self.stream = self.outcome = self.error_kind = self.usage_source = self.cache_verdict = 0
        self.request_id = self.model = self.target_model = self.dropped = self.receipt = self.client = b""
        self.team = self.customer = 0

    cdef void fill(self, RecordRow *row) noexcept:
        row.started_ns = self.started_ns
        row.snapshot = self.snapshot
        row.virtual_key = self.virtual_key
        row.provider = self.provider
        row.provider_key = self.provider_key
        row.route = self.route
        row.prompt_tokens = self.prompt_tokens
        row.completion_tokens = self.completion_tokens
        row.cached_tokens = self.cached_tokens
        row.cache_write_tokens = self.cache_write_tokens
        row.reasoning_tokens = self.reasoning_tokens
        row.audio_in_tokens = self.audio_in_tokens
        row.audio_out_tokens = self.audio_out_tokens
        row.cost_nanodollars = self.cost_nanodollars
        row.queue_us = self.queue_us
        row.gateway_us = self.gateway_us
        row.upstream_us = self.upstream_us
        row.ttft_us = self.ttft_us
        row.total_us = self.total_us
        row.request_bytes = self.request_bytes
        row.response_bytes = self.response_bytes
        row.chunks = self.chunks
        row.flags = self.flags
        row.kind = self.kind
        row.schema = self.schema
        row.operation = self.operation
        row.dialect = self.dialect
        row.target_dialect = self.target_dialect
        row.status = self.status
        row.attempt = self.attempt
        row.attempts = self.attempts
        row.stream = self.stream
        row.outcome = self.outcome
        row.error_kind = self.error_kind
        row.usage_source = self.usage_source
        row.cache_verdict = self.cache_verdict
        row.pad[0] = row.pad[1] = row.pad[2] = 0
        put_text(row.request_id, 16, self.request_id)
        row.model_len = put_text(row.model, 96, self.model)
        row.target_len = put_text(row.target_model, 96, self.target_model)
        row.dropped_len = put_text(row.dropped, 64, self.dropped)
        row.receipt_len = put_text(row.receipt, 48, self.receipt)
        put_text(row.client, 16, self.client)
        row.team = self.team
        row.customer = self.customer
        memset(row.spare, 0, sizeof(row.spare))

    cpdef bytes pack(self):
        cdef RecordRow row
        self.fill(&row)
        return PyBytes_FromStringAndSize(<char *>&row, SIZE)

    @staticmethod
    def unpack(data):
        """Raises ValueError for fewer than RECORD_SIZE bytes."""
        cdef bytes raw = bytes(memoryview(data)[:SIZE])
        cdef RecordRow row
        cdef Record r
        if PyBytes_GET_SIZE(raw) < SIZE:
            raise ValueError(f"a record has {RECORD_SIZE} bytes, got {len(data)}")
        memcpy(&row, PyBytes_AS_STRING(raw), SIZE)
        r = Record.__new__(Record)
        r.started_ns = row.started_ns
        r.snapshot = row.snapshot
        r.virtual_key = row.virtual_key
        r.provider = row.provider
        r.provider_key = row.provider_key
        r.route = row.route
        r.prompt_tokens = row.prompt_tokens
        r.completion_tokens = row.completion_tokens
        r.cached_tokens = row.cached_tokens
        r.cache_write_tokens = row.cache_write_tokens
        r.reasoning_tokens = row.reasoning_tokens
        r.audio_in_tokens = row.audio_in_tokens
        r.audio_out_tokens = row.audio_out_tokens
        r.cost_nanodollars = row.cost_nanodollars
        r.queue_us = row.queue_us
        r.gateway_us = row.gateway_us
        r.upstream_us = row.upstream_us
        r.ttft_us = row.ttft_us
        r.total_us = row.total_us
        r.request_bytes = row.request_bytes
        r.response_bytes = row.response_bytes
        r.chunks = row.chunks
        r.flags = row.flags
        r.kind = row.kind
        r.schema = row.schema
        r.operation = row.operation
        r.dialect = row.dialect
        r.target_dialect = row.target_dialect
        r.status = row.status
        r.attempt = row.attempt
        r.attempts = row.attempts
        r.stream = row.stream
        r.outcome = row.outcome
        r.error_kind = row.error_kind
        r.usage_source = row.usage_source
        r.cache_verdict = row.cache_verdict
        r.request_id = (<char *>row.request_id)[:16]
        r.model = (<char *>row.model)[:min(row.model_len, 96)]
        r.target_model = (<char *>row.target_model)[:min(row.target_len, 96)]
        r.dropped = (<char *>row.dropped)[:min(row.dropped_len, 64)]
        r.receipt = (<char *>row.receipt)[:min(row.receipt_len, 48)]
        r.client = (<char *>row.client)[:16]
        r.team = row.team
        r.customer = row.customer
        return r


cdef class RingWriter:
    """Producer side of one worker's ring; there is one at a time."""

    def __init__(self, path, slot, epoch, spill_path, size_bytes=4 << 20, event_fd=-1):
        self._words = NULL
        self._mapping = open_ring(path, slot, size_bytes)
        # Held, so that the mapping cannot be closed under the pointer.
        self._view = memoryview(self._mapping)
        self._words = <int64_t *>PyMemoryView_GET_BUFFER(self._view).buf
        self._rows = self._words[W_ROWS]
        self._slot, self._epoch, self._event_fd = slot, epoch, event_fd
        mg_store(&self._words[W_EPOCH], self._epoch)
        self._spill = Spill(spill_path, self._mapping)
        self._at = self._words[W_HEAD] % self._rows

    cpdef bint push(self, Record record) except? False:
        cdef int64_t *words = self._words
        cdef int64_t *row
        cdef int64_t sequence
        if words == NULL:
            raise ValueError("the ring is closed")
        sequence = words[W_HEAD]
        if sequence - mg_load(&words[W_POSITION]) >= self._rows:
            return self._push_to_stage(record)
        row = words + HEADER_WORDS + self._at * ROW_WORDS
        self._write_row(row, record, sequence)
        mg_store(&words[W_HEAD], sequence + 1)
        self._at += 1
        if self._at == self._rows:
            self._at = 0
        self._tell()
        return True

    cdef inline void _write_row(self, int64_t *row, Record record, uint64_t sequence) noexcept:
        row[0] = <int64_t>sequence
        row[1] = self._epoch
        row[2] = self._slot
        row[4] = SIZE
        row[5] = row[6] = row[7] = 0
        record.fill(<RecordRow *>(row + 8))
        row[3] = <int64_t>mg_checksum(row + 8, sequence, <uint64_t>self._epoch)

    cdef inline void _tell(self) noexcept:
        cdef uint64_t one = 1
        if self._event_fd >= 0:
            # The consumer says that it sleeps and looks once more; the row was published before its word is read.
            mg_fence()
            if mg_load(&self._words[W_SLEEPING]):
                mg_store(&self._words[W_SLEEPING], 0)
                # A counter at its maximum is awake enough: the result does not matter.
                write(self._event_fd, &one, sizeof(one))

    cdef bint _push_to_stage(self, Record record) except? False:
        cdef int64_t *words = self._words
        cdef int64_t sequence = words[W_SPILL_SEQUENCE]
        if sequence - mg_load(&words[W_SPILL_MOVED]) >= STAGE_ROWS:
            self._spill.tend()
            if sequence - mg_load(&words[W_SPILL_MOVED]) >= STAGE_ROWS:
                mg_store(&words[W_DROPPED], words[W_DROPPED] + 1)
                self._tell()
                return False
        self._write_row(
            words + HEADER_WORDS + (self._rows + sequence % STAGE_ROWS) * ROW_WORDS, record, <uint64_t>sequence | SPILL_BIT
        )
        mg_store(&words[W_SPILL_SEQUENCE], sequence + 1)
        mg_store(&words[W_SPILLED], words[W_SPILLED] + 1)
        self._tell()
        return True

    @property
    def untidy(self):
        return self._words != NULL and self._spill.untidy

    def tend(self):
        self._spill.tend()

    @property
    def dropped(self):
        if self._words == NULL:
            raise ValueError("the ring is closed")
        return self._words[W_DROPPED]

    @property
    def spilled(self):
        if self._words == NULL:
            raise ValueError("the ring is closed")
        return self._words[W_SPILLED]

    cpdef close(self):
        if self._words == NULL:
            return
        self._words = NULL
        self._spill.close()
        self._view = None
        self._mapping.close()


cdef class RingReader:
    """Consumer side, in the control process. Positions are durable only when the caller commits them."""

    def __init__(self, path, spill_path):
        self._words = NULL
        self._mapping = map_ring(path)
        # Held, so that the mapping cannot be closed under the pointer.
        self._view = memoryview(self._mapping)
        self._words = <int64_t *>PyMemoryView_GET_BUFFER(self._view).buf
        self._rows = self._words[W_ROWS]
        self._next = self._words[W_POSITION]
        self._spill = SpillReader(spill_path, self._mapping)

    cdef int _check(self) except -1:
        if self._words == NULL:
            raise ValueError("the ring is closed")
        return 0

    def read(self, Py_ssize_t most):
        cdef list values = []
        cdef int64_t head
        cdef int64_t *row
        cdef bytes spilled
        self._check()
        head = mg_load(&self._words[W_HEAD])
        while self._next < head and most > 0:
            row = self._words + HEADER_WORDS + self._next % self._rows * ROW_WORDS
            if row[0] == self._next:
                most -= take(values, row)
            self._next += 1
        if not values:
            for spilled in self._spill.read(most):
                take(values, <int64_t *>PyBytes_AS_STRING(spilled))
        return values

    def resume(self, stored):
        cdef int64_t done, epoch, sequence, skipped
        cdef int64_t *row
        self._check()
        self._next = done = self._words[W_POSITION]
        self._spill.next = self._words[W_SPILL_DONE]
        skipped = 0
        for epoch, sequence in stored:
            if <uint64_t>sequence & SPILL_BIT:
                skipped += self._spill.skip(epoch, sequence)
            elif done <= sequence < mg_load(&self._words[W_HEAD]):
                row = self._words + HEADER_WORDS + sequence % self._rows * ROW_WORDS
                if row[0] == sequence and row[1] == epoch:
                    skipped += sequence + 1 - self._next
                    self._next = sequence + 1
        return skipped

    def commit(self):
        self._check()
        mg_store(&self._words[W_POSITION], self._next)
        mg_store(&self._words[W_SPILL_DONE], self._spill.next)

    def lag(self):
        self._check()
        return mg_load(&self._words[W_HEAD]) - self._next + self._spill.waiting()

    def sleeping(self, bint yes):
        self._check()
        mg_store(&self._words[W_SLEEPING], yes)
        mg_fence()

    def close(self):
        if self._words == NULL:
            return
        self._words = NULL
        self._spill.close()
        self._view = None
        self._mapping.close()


cdef inline object text(unsigned char *field, Py_ssize_t size, Py_ssize_t room):
    return PyUnicode_DecodeUTF8(<char *>field, min(size, room), "replace")


cdef int take(list values, int64_t *row) except -1:
    """Append the row's values if it is whole; how many rows that were."""
    cdef RecordRow *r = <RecordRow *>(row + 8)
    cdef int64_t *words = row + 8
    cdef int i
    if row[4] != SIZE or <uint64_t>row[3] != mg_checksum(r, <uint64_t>row[0], <uint64_t>row[1]):
        return 0
    values.append(row[2])
    values.append(row[1])
    values.append(row[0])
    values.append(r.started_ns // 1000)
    for i in range(1, 22):  # snapshot to chunks
        values.append(words[i])
    values.append(r.flags)
    values.append(r.kind)
    for i in range(2, 8):  # operation to attempts, behind the schema
        values.append((&r.kind)[i])
    for i in range(5):  # stream to cache_verdict
        values.append((&r.stream)[i])
    # No bytes objects and no None: sqlite3 would look for an adapter of each.
    values.append(PyByteArray_FromStringAndSize(<char *>r.request_id, 16))
    values.append(text(r.model, r.model_len, 96))
    values.append(text(r.target_model, r.target_len, 96))
    values.append(text(r.dropped, r.dropped_len, 64))
    values.append(text(r.receipt, r.receipt_len, 48))
    values.append(PyByteArray_FromStringAndSize(<char *>r.client, 16))
    values.append(<int64_t>r.team)
    values.append(<int64_t>r.customer)
    return 1


def _bench_push(RingWriter writer, Record record, int64_t count):
    """Push in a C loop, emptying the ring when it is full, for the benchmark of what a C caller pays."""
    cdef int64_t i
    for i in range(count):
        if writer._words[W_HEAD] - writer._words[W_POSITION] >= writer._rows:
            mg_store(&writer._words[W_POSITION], writer._words[W_HEAD])
        writer.push(record)
