/* Cells of a limit: sums over all workers, the compare-and-swap of GCRA words. Layout: _layout.py. */
#ifndef MICROGATE_CELLS_H
#define MICROGATE_CELLS_H

#include "_atomics.h"

/* Words of a limit's line that are read here. */
enum { MG_L_META = 1, MG_L_LIMIT = 2, MG_L_PERIOD = 3, MG_L_STEP = 4, MG_L_TAU = 5, MG_L_WORD = 6, MG_L_OFFSET = 7, MG_LINE = 8 };
enum { MG_L_GRAIN = MG_L_TAU, MG_L_WHOLE = MG_L_OFFSET };
enum { MG_KIND_GCRA = 1, MG_KIND_WINDOW = 2, MG_KIND_ROLLING = 3, MG_KIND_GAUGE = 4, MG_KIND_MONEY = 5 };
enum { MG_TOKENS = 1, MG_INPUT_TOKENS = 2, MG_OUTPUT_TOKENS = 3, MG_USD = 4 };
enum { MG_CALENDAR = 1 << 17 };
#define MG_END_MASK (((int64_t)1 << 20) - 1)
/* How long the end of a period is taken for unknown that nobody has laid down yet. */
#define MG_UNLAID_NS ((int64_t)1000000000)

#define MG_MASK32 ((int64_t)0xFFFFFFFF)
#define MG_NUMBER_MASK (((int64_t)1 << 48) - 1)
#define MG_NEVER_NS INT64_MAX
#define MG_SEQUENCE_MASK ((int64_t)0x7FFFFFFFF)
#define MG_INDEX_MASK (((int64_t)1 << 24) - 1)

/* A sub-window's word: count in 36 bits, number in 22, generation in 5. */
enum { MG_SUB_WINDOWS = 60, MG_ROLL_WORDS = 64, MG_ROLL_COUNT_BITS = 36 };
#define MG_ROLL_COUNT_MASK (((int64_t)1 << MG_ROLL_COUNT_BITS) - 1)
#define MG_ROLL_NUMBER_MASK (((int64_t)1 << 22) - 1)

/* Number of the period of the calendar at now_ns, and its end; 0: nobody has said yet. Each end is one word with the
 * number of its period, so whatever moment of a renewal this reads is right. */
static inline int64_t mg_calendar(const int64_t *line, int64_t now_ns, int64_t *end_ns) {
    int64_t first = mg_load(line + MG_L_TAU), second = mg_load(line + MG_L_WORD);
    if ((second & ~MG_END_MASK) < (first & ~MG_END_MASK)) {
        int64_t other = first;
        first = second;
        second = other;
    }
    int64_t word = now_ns < (first & ~MG_END_MASK) ? first : second;
    *end_ns = word & ~MG_END_MASK;
    if (now_ns < *end_ns) return word & MG_END_MASK;
    *end_ns = 0;
    return (word & MG_END_MASK) + 1;
}

/* Nanoseconds until the period of a fixed window ends; 0: never, or nobody has said yet. */
static inline int64_t mg_until_end(const int64_t *line, int64_t now_ns) {
    int64_t period = line[MG_L_PERIOD], end_ns;
    if (!period) return 0;
    if (mg_load(line + MG_L_META) & MG_CALENDAR) {
        mg_calendar(line, now_ns, &end_ns);
        return end_ns ? end_ns - now_ns : 0;
    }
    return period - (now_ns + line[MG_L_OFFSET]) % period;
}

/* Tag of the period at now_ns; *start and *length become where that period lies, 0 and for ever when there is none. */
static inline int64_t mg_pair_tag(const int64_t *line, int64_t meta, int64_t now_ns, int64_t *start, int64_t *length) {
    int kind = meta & 0xFF;
    int64_t number = 0, period = line[MG_L_PERIOD];
    *start = 0;
    *length = INT64_MAX;
    if (meta & MG_CALENDAR) {
        int64_t end_ns;
        number = mg_calendar(line, now_ns, &end_ns);
        *start = now_ns;
        *length = end_ns ? end_ns - now_ns : MG_UNLAID_NS;
    } else if ((kind == MG_KIND_WINDOW || kind == MG_KIND_MONEY || kind == MG_KIND_ROLLING) && period) {
        int64_t offset = kind == MG_KIND_ROLLING ? 0 : line[MG_L_OFFSET];
        number = (now_ns + offset) / period;
        *start = number * period - offset;
        *length = period;
        number &= MG_NUMBER_MASK;
    }
    return ((meta >> 32) & 0x7FFF) << 48 | number;
}

/* Tag of a sub-window's word, from the tag of the pair beside it. */
static inline int64_t mg_roll_tag(int64_t tag) {
    return ((tag >> 48 & 0x1F) << 22 | (tag & MG_ROLL_NUMBER_MASK)) << MG_ROLL_COUNT_BITS;
}

/* What one worker's sub-windows hold in the 60 that end with the tag's. */
static inline int64_t mg_roll_sum(const int64_t *words, int64_t tag) {
    int64_t total = 0, newest = mg_roll_tag(tag) >> MG_ROLL_COUNT_BITS, mine = newest >> 22;
    for (int j = 0; j < MG_SUB_WINDOWS; j++) {
        int64_t word = mg_load(words + j), own = word >> MG_ROLL_COUNT_BITS;
        int counts = (((newest - own) & MG_ROLL_NUMBER_MASK) < MG_SUB_WINDOWS) & (own >> 22 == mine);
        total += word & MG_ROLL_COUNT_MASK & -(int64_t)counts;
    }
    return total;
}

/* Whether a cell of another period still has sub-windows that count in the tag's. */
static inline int mg_roll_lasts(int64_t own, int64_t count, int64_t tag) {
    return count > 0 && (uint64_t)(tag - own) < MG_SUB_WINDOWS;
}

/* Sum of the cells of one period; *newest becomes the newest period's tag that some cell has. `rolling`: the limit's
 * sub-windows, or NULL; there a cell that was last changed in an earlier sub-window is summed anew. */
static inline int64_t mg_pair_sum(const int64_t *line, int cells, int64_t tag, const int64_t *rolling, int64_t *newest) {
    const int64_t *cell = line + MG_LINE;
    int64_t total = 0, latest = tag;
    for (int i = 0; i < cells; i++, cell += 2) {
        int64_t own, count;
        /* The owner publishes a new period before it clears the count: an unchanged tag means that they belong together. */
        do {
            own = mg_load(cell);
            count = mg_load(cell + 1);
        } while (mg_load(cell) != own);
        if (own == tag)
            total = mg_saturate(total + count);
        else if (own > latest) {
            if (own >> 48 == tag >> 48) latest = own;
        } else if (rolling && mg_roll_lasts(own, count, tag)) {
            int64_t sum = mg_roll_sum(rolling + i * MG_ROLL_WORDS, tag);
            /* Its owner's next sub-window takes the place of one that counts here: then the cell is read anew. */
            if (mg_load(cell) != own) {
                i--, cell -= 2;
                continue;
            }
            total += sum;
        }
    }
    *newest = latest;
    return total;
}

/* Put a sub-window's word that only differs in its count, and keep the sum beside it true. */
static inline void mg_roll_put(int64_t *word, int64_t *pair, int64_t value) {
    int64_t change = value - *word;
    mg_store(word, value);
    if (((pair[0] - (value >> MG_ROLL_COUNT_BITS)) & MG_ROLL_NUMBER_MASK) < MG_SUB_WINDOWS)
        mg_store(pair + 1, pair[1] + change);
}

/* Nanoseconds by which a GCRA word lies ahead of the clock. */
static inline int64_t mg_ahead(const int64_t *line, int64_t now_ns) {
    int64_t ahead = mg_load(line + MG_L_WORD) - now_ns;
    return ahead > 0 ? ahead : 0;
}

/* Charge (never into the past) or refund a GCRA word; with a mark only while the word still carries it. */
static inline void mg_shift_word(int64_t *word, int64_t delta_ns, int64_t now_ns, int64_t mark) {
    int64_t old, value;
    do {
        old = mg_load(word);
        if (delta_ns > 0) {
            value = mg_saturate((old > now_ns ? old : now_ns) + delta_ns);
        } else {
            if (mark != -1 && mark != (old & MG_MASK32)) return;
            value = old + delta_ns > 0 ? old + delta_ns : 0;
        }
    } while (!mg_cas(word, old, value));
}

/* Charge a GCRA limit if its burst allows; the word's new value, or -1. */
static inline int64_t mg_take_word(int64_t *line, int64_t amount, int64_t now_ns) {
    int64_t tau = line[MG_L_TAU], cost = mg_cost(amount, line[MG_L_STEP]), old, start;
    do {
        old = mg_load(line + MG_L_WORD);
        start = old > now_ns ? old : now_ns;
        if (start - now_ns + cost > tau || (!amount && start - now_ns >= tau)) return -1;
        if (!amount) return old;
    } while (!mg_cas(line + MG_L_WORD, old, start + cost));
    return start + cost;
}

/* What a request takes: of `tokens`, input and output, `output` are a part; `money` in nano-dollars. */
typedef struct {
    int64_t requests, tokens, output, money;
} mg_amounts;

/* What a limit takes of these. */
static inline int64_t mg_amount(const int64_t *line, int64_t meta, const mg_amounts *of) {
    int kind = meta & 0xFF;
    if (kind == MG_KIND_GAUGE) return 1;
    if (kind == MG_KIND_MONEY) return of->money;
    switch (meta >> 8 & 0xFF) {
        case MG_TOKENS: return of->tokens;
        case MG_INPUT_TOKENS: return of->tokens > of->output ? of->tokens - of->output : 0;
        case MG_OUTPUT_TOKENS: return of->output;
        case MG_USD: {
            int64_t grain = kind == MG_KIND_ROLLING ? line[MG_L_GRAIN] & 63 : 0;
            return (of->money + (((int64_t)1 << grain) - 1)) >> grain;
        }
        default: return of->requests;
    }
}

#endif
