# What Cython knows of _cells.h and _steps.h, and the words of the arena (_layout.py) as constants of C.
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from "_steps.h" nogil:
    ctypedef struct Amounts "mg_amounts":
        int64_t requests, tokens, output, money

    ctypedef struct Step "mg_step":
        int64_t *line
        int64_t *pair
        int64_t *word
        int64_t *rolling
        int64_t meta, amount, limit, tag, before, content, sub
        uint32_t slot, mark
        int kind

    int64_t mg_load(const int64_t *p)
    void mg_store(int64_t *p, int64_t value)
    void mg_fence()
    void mg_raise(int64_t *p, int64_t value)
    int64_t mg_saturate(int64_t value)
    int64_t mg_cost(int64_t amount, int64_t step)
    int64_t mg_pair_tag(const int64_t *line, int64_t meta, int64_t now_ns, int64_t *start, int64_t *length)
    int64_t mg_roll_tag(int64_t tag)
    int64_t mg_roll_sum(const int64_t *words, int64_t tag)
    bint mg_roll_lasts(int64_t own, int64_t count, int64_t tag)
    void mg_roll_put(int64_t *word, int64_t *pair, int64_t value)
    int64_t mg_pair_sum(const int64_t *line, int cells, int64_t tag, const int64_t *rolling, int64_t *newest)
    int64_t mg_ahead(const int64_t *line, int64_t now_ns)
    void mg_shift_word(int64_t *word, int64_t delta_ns, int64_t now_ns, int64_t mark)
    int64_t mg_take_word(int64_t *line, int64_t amount, int64_t now_ns)
    int64_t mg_named(const Step *step)
    void mg_step_store(const Step *step, int64_t change)
    int64_t mg_amount(const int64_t *line, int64_t meta, const Amounts *of)
    int64_t mg_until_end(const int64_t *line, int64_t now_ns)
    int64_t mg_room(const Step *step, int64_t total, int64_t now_ns)
    int mg_verify(const Step *step, int cells, int64_t now_ns, int *ample)
    int mg_settle(
        int64_t named, const int64_t *line, int64_t meta, int64_t reserved, int64_t actual, const int64_t *pair,
        const int64_t *words, int64_t *entry
    )
    void mg_standing(const int64_t *line, int cells, const int64_t *rolling, int64_t now_ns, int64_t *figures)
    # Written in the header: Cython takes a literal of more than 32 bits for a Python number.
    const int64_t MAX_AMOUNT "MG_MAX_AMOUNT"
    const int64_t MASK32 "MG_MASK32"
    const int64_t NUMBER_MASK "MG_NUMBER_MASK"
    const int64_t NEVER_NS "MG_NEVER_NS"
    const int64_t SEQUENCE_MASK "MG_SEQUENCE_MASK"
    const int64_t INDEX_MASK "MG_INDEX_MASK"
    const int64_t ROLL_COUNT_MASK "MG_ROLL_COUNT_MASK"
    const int64_t END_MASK "MG_END_MASK"
    int MG_TOKENS, MG_INPUT_TOKENS, MG_OUTPUT_TOKENS, MG_USD
    const int64_t ROLL_NUMBER_MASK "MG_ROLL_NUMBER_MASK"

cdef enum:
    K_NONE = 0
    K_GCRA = 1
    K_WINDOW = 2
    K_ROLLING = 3
    K_GAUGE = 4
    K_MONEY = 5
    K_HEALTH = 6

    LINE = 8
    L_META = 1
    L_LIMIT = 2
    L_PERIOD = 3
    L_STEP = 4
    L_EXTENSION = 4
    L_TAU = 5
    L_GRAIN = 5
    L_WORD = 6
    L_OFFSET = 7
    L_WHOLE = 7
    META_BUSY = 1 << 16
    META_CALENDAR = 1 << 17
    LABEL_SHIFT = 18
    LABEL_BITS = 13

    B_BEAT = 2
    B_STATE = 3
    B_IN_FLIGHT = 4
    B_CONNECTIONS = 5
    B_REACHED = 6
    J_OP = 8
    J_COUNT = 9
    J_STEP = 10
    J_ENTRIES = 16
    ENTRY_WORDS = 3
    BLOCK_WORDS = 256
    OP_NONE = 0
    OP_RESERVE = 1
    OP_SETTLE = 2
    SUB_WINDOWS = 60
    SUB_PAIR = 255
    SUB_GCRA = 254

    S_FREE = 0
    S_PENDING = 1
    R_REQUESTS = 0
    R_TOKENS = 1
    R_MONEY = 2
    R_DONE_TOKENS = 3
    R_DONE_MONEY = 4
    R_COUNT = 5
    R_OUTPUT = 6
    R_DONE_OUTPUT = 7
    R_UNTIL = 8
    R_ENTRIES = 9
    R_CALL = 41
    BODY_WORDS = 64
    INDEX_BITS = 24

    ROLL_WORDS = 64
    ROLL_COUNT_BITS = 36
    STEP_SHIFT = 10

    TRIES = 4
    AGAIN = 1               # MG_AGAIN, MG_REFUSED
    REFUSED = 2
