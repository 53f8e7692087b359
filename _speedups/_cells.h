/* Cells of a limit: sums over all workers, and the compare-and-swap of GCRA words. Layout: _layout.py. */
#ifndef MICROGATE_CELLS_H
#define MICROGATE_CELLS_H

#include "_atomics.h"

/* Words of a limit's line that are read here. */
enum { MG_L_PERIOD = 3, MG_L_STEP = 4, MG_L_TAU = 5, MG_L_WORD = 6, MG_L_OFFSET = 7, MG_LINE = 8 };
enum { MG_KIND_WINDOW = 2, MG_KIND_MONEY = 5 };

#define MG_MASK32 ((int64_t)0xFFFFFFFF)
#define MG_NUMBER_MASK (((int64_t)1 << 48) - 1)
#define MG_NEVER_NS INT64_MAX
#define MG_SEQUENCE_MASK ((int64_t)0x7FFFFFFFF)
#define MG_INDEX_MASK (((int64_t)1 << 24) - 1)

/* A sub-window's word: count in 36 bits, number in 22, generation in 5. */
enum { MG_SUB_WINDOWS = 60, MG_ROLL_WORDS = 64, MG_ROLL_COUNT_BITS = 36 };
#define MG_ROLL_COUNT_MASK (((int64_t)1 << MG_ROLL_COUNT_BITS) - 1)
#define MG_ROLL_NUMBER_MASK (((int64_t)1 << 22) - 1)

static inline int64_t mg_pair_tag(const int64_t *line, int64_t meta, int64_t now_ns) {
    int kind = meta & 0xFF;
    int64_t number = 0;
    if ((kind == MG_KIND_WINDOW || kind == MG_KIND_MONEY) && line[MG_L_PERIOD])
        number = ((now_ns + line[MG_L_OFFSET]) / line[MG_L_PERIOD]) & MG_NUMBER_MASK;
    return ((meta >> 32) & 0x7FFF) << 48 | number;
}

static inline int64_t mg_roll_tag(int64_t meta, int64_t number) {
    return (((meta >> 32) & 0x1F) << 22 | (number & MG_ROLL_NUMBER_MASK)) << MG_ROLL_COUNT_BITS;
}

/* Sum of the cells of one period; *newest becomes the newest period's tag that some cell has. */
static inline int64_t mg_pair_sum(const int64_t *line, int cells, int64_t tag, int64_t *newest) {
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
        else if (own > latest && own >> 48 == tag >> 48)
            latest = own;
    }
    *newest = latest;
    return total;
}

/* Sum of the last 60 sub-windows; *ahead becomes by how many some worker is ahead of `number`. */
static inline int64_t mg_rolling_sum(const int64_t *base, int cells, int64_t meta, int64_t number, int64_t *ahead) {
    int64_t total = 0, furthest = 0, mine = (meta >> 32) & 0x1F;
    for (int i = 0; i < cells; i++, base += MG_ROLL_WORDS)
        for (int j = 0; j < MG_SUB_WINDOWS; j++) {
            int64_t word = mg_load(base + j);
            if (!(word & MG_ROLL_COUNT_MASK) || word >> (MG_ROLL_COUNT_BITS + 22) != mine) continue;
            int64_t age = (number - (word >> MG_ROLL_COUNT_BITS)) & MG_ROLL_NUMBER_MASK;
            if (age < MG_SUB_WINDOWS)
                total += word & MG_ROLL_COUNT_MASK;
            else if (age > MG_ROLL_NUMBER_MASK - MG_SUB_WINDOWS && MG_ROLL_NUMBER_MASK + 1 - age > furthest)
                furthest = MG_ROLL_NUMBER_MASK + 1 - age;
        }
    *ahead = furthest;
    return total;
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

#endif
