from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from _speedups._cells cimport Amounts, Step
from _speedups._ring cimport Record, RingReader, RingWriter

cdef struct Held:
    # One limit of a set as a worker found it last: good for as long as `meta` is, its period while the clock is inside.
    int64_t *line
    int64_t *rolling        # ROLLING: the limit's sub-windows, else NULL
    int64_t meta
    int64_t start
    int64_t length
    int64_t tag
    int64_t sub
    bint ample              # when it was last taken more than half of it was left
    uint32_t slot


cdef struct CallRow:
    # As _calls.py reads it.
    uint64_t provider
    unsigned char request_id[16]
    uint64_t started_ns, virtual_key, team, customer, provider_key, route
    uint16_t attempt
    uint8_t operation, dialect, kind, stream
    uint16_t flags
    int64_t before
    unsigned char model[48]
    unsigned char target_model[48]


cdef class LimitSet:
    cdef int count
    cdef uint32_t slots[32]
    cdef Held *held
    cdef int64_t holder         # number of the worker for which `held` was filled


cdef class ArenaWorker:
    cdef readonly int index
    cdef readonly int64_t epoch
    cdef object _arena
    cdef list _held_buffers
    cdef int _own_fd
    cdef int64_t *_block
    cdef int64_t *_states
    cdef int64_t *_bodies
    cdef int64_t _places        # how many workers' places there are
    cdef int64_t _table_words
    cdef int64_t **_limits
    cdef int64_t **_rolling
    cdef int64_t _segments
    cdef int _shift
    cdef int64_t _mask
    cdef int _cells
    cdef int64_t _limit_words
    cdef int64_t _rolling_blocks
    cdef uint32_t *_free
    cdef int64_t _free_count
    cdef int64_t _reservations
    cdef int64_t _number
    cdef int64_t _refused_slot
    cdef int64_t _refused_amount
    cdef Step _steps[32]

    cdef int _map_more(self, int64_t number) except -1
    cdef int64_t *_sub_windows(self, int64_t extension) except NULL
    cdef int _attempt(self, LimitSet limits, const Amounts *amounts, int64_t now_ns) except? -3000
    cdef int _hold(self, LimitSet limits) except -1
    cdef int _learn(self, Held *held, int64_t meta, int64_t now_ns) except -1
    cdef int _look(self, Step *step, Held *held, int64_t now_ns) except -1
    cdef int _refuse(self, int i) noexcept
    cdef int _refuse_word(self, int i, int64_t *entries) noexcept
    cdef void _roll_back(self, LimitSet limits) noexcept
    cdef int64_t _pending(self, int64_t handle) except -1
    cdef int _apply(self, int count, int64_t now_ns) except -1

    cpdef int64_t reserve(self, LimitSet limits, int64_t requests, int64_t tokens, int64_t money, int64_t now_ns, int64_t output=*, int64_t until_ns=*) except? -3000
    cpdef int deliver(self, int64_t handle, int64_t tokens, int64_t money, int64_t output=*, int64_t until_ns=*) except -1
    cpdef int intend(self, int64_t handle, Record call, int64_t before=*) except -1
    cpdef int withdraw(self, int64_t handle) except -1
    cpdef int settle(self, int64_t handle, int64_t requests, int64_t tokens, int64_t money, int64_t now_ns, int64_t output=*) except -1
    cpdef int64_t expire(self, int64_t now_ns) except -1
    cpdef int64_t reserved(self, int64_t slot, int64_t now_ns) except -1
    cpdef int64_t retry_after_ns(self, LimitSet limits, int64_t i, int64_t now_ns) except -1
    cdef int read_state(self, LimitSet limits, int64_t i, int64_t now_ns, int64_t *figures) except -1
    cpdef int beat(self, int64_t now_ns, int64_t state, int64_t in_flight, int64_t connections=*) except -1
    cpdef int64_t cooldown_ns(self, int64_t slot) except? -3000
    cpdef int set_cooldown(self, int64_t slot, int64_t until_ns) except -1
    cpdef int extend_cooldown(self, int64_t slot, int64_t until_ns) except -1
    cdef int64_t *health_word(self, int64_t slot) except NULL
    cpdef close(self)
