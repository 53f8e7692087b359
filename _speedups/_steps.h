/* What a reservation does at each limit, made and settled, and how a limit stands. Layout: _layout.py. */
#ifndef MICROGATE_STEPS_H
#define MICROGATE_STEPS_H

#include "_cells.h"

enum { MG_AGAIN = 1, MG_REFUSED = 2 };
/* What an entry of the journal names beside its slot: a sub-window, or one of these. */
enum { MG_SUB_GCRA = 254, MG_SUB_PAIR = 255, MG_ENTRY_WORDS = 3 };

/* One limit of a reservation under way: what is taken, and where the own cell lies. */
typedef struct {
    int64_t *line;
    int64_t *pair;    /* NULL for a GCRA word */
    int64_t *word;    /* ROLLING: the sub-window, else NULL */
    int64_t *rolling; /* ROLLING: the sub-windows of all workers, else NULL */
    int64_t meta, amount, limit, tag;
    int64_t before;   /* count of the own cell in this period */
    int64_t content;  /* ROLLING: word of the sub-window before */
    int64_t sub;
    uint32_t slot, mark;
    int kind;
} mg_step;

/* The limit as a reservation names it. */
static inline int64_t mg_named(const mg_step *step) {
    return (int64_t)((uint64_t)step->mark << 32 | ((uint64_t)(step->meta >> 32) & 0xFF) << 24 | step->slot);
}

/* Put what the own cell was before, and `change`. */
static inline void mg_step_store(const mg_step *step, int64_t change) {
    /* Tag first: between the two stores a reader finds too much, never too little. */
    mg_store(step->pair, step->tag);
    mg_store(step->pair + 1, step->before + change);
    if (step->word) mg_store(step->word, step->content + change);
}

/* What is left of the limit with `total` spent and reserved, this reservation included; negative: it refuses. Nothing
 * more is let through an exhausted limit, not even a reservation of nothing. */
static inline int64_t mg_room(const mg_step *step, int64_t total, int64_t now_ns) {
    int64_t limit = step->limit;
    if (step->kind == MG_KIND_GCRA) {
        /* Cells were read before the word: a settlement charges the word before it releases the cell. */
        int64_t ahead = mg_ahead(step->line, now_ns);
        total = mg_cost(total > 0 ? total : 0, step->line[MG_L_STEP]) + ahead;
        limit = step->line[MG_L_TAU];
    }
    /* Corrections may have made it as negative as a word can be. */
    int64_t room = limit - (total < -1 ? -1 : total);
    return room || step->amount ? room : -1;
}

/* After the fence, with the own cell counted: 0 in order, or MG_AGAIN or MG_REFUSED. *ample: more than half is left. */
static inline int mg_verify(const mg_step *step, int cells, int64_t now_ns, int *ample) {
    *ample = 0;
    if (mg_load(step->line + MG_L_META) != step->meta) return MG_AGAIN;
    if (!step->pair) return 0;
    int64_t newest, total = mg_pair_sum(step->line, cells, step->tag, step->rolling, &newest);
    if (newest != step->tag) return MG_AGAIN;
    int64_t room = mg_room(step, total, now_ns);
    if (room < 0) return MG_REFUSED;
    *ample = room > (step->kind == MG_KIND_GCRA ? step->line[MG_L_TAU] : step->limit) >> 1;
    return 0;
}

/* One entry of the journal; 1, how many there are. */
static inline int mg_put_entry(int64_t *entry, int64_t sub, int64_t named, int64_t first, int64_t second) {
    entry[0] = sub << 32 | (named & MG_INDEX_MASK);
    entry[1] = first;
    entry[2] = second;
    return 1;
}

/* What settling does to one limit that a reservation names, of the same generation, as entries of the journal at
 * `entry`: how many, 0 to 2. `pair`: the own cell; `words`: ROLLING: the own sub-windows. */
static inline int mg_settle(
    int64_t named, const int64_t *line, int64_t meta, int64_t reserved, int64_t actual, const int64_t *pair,
    const int64_t *words, int64_t *entry
) {
    int64_t mark = named >> 32 & MG_MASK32, word, count;
    int made = 0;
    switch (meta & 0xFF) {
        case MG_KIND_GCRA:
            if (!(meta >> 8 & 0xFF)) {
                int64_t step = line[MG_L_STEP];
                return mg_put_entry(entry, MG_SUB_GCRA, named, mg_cost(actual, step) - mg_cost(reserved, step), mark);
            }
            /* Held in the own cell so far, charged now. */
            if (actual) made = mg_put_entry(entry, MG_SUB_GCRA, named, mg_cost(actual, line[MG_L_STEP]), 0);
            if (!reserved) return made;
            actual = 0;
            break;
        case MG_KIND_ROLLING:
            word = words[mark & 63];
            if ((word >> MG_ROLL_COUNT_BITS & MG_ROLL_NUMBER_MASK) != mark >> 6) return 0;
            count = (word & MG_ROLL_COUNT_MASK) + actual - reserved;
            count = count < 0 ? 0 : count > MG_ROLL_COUNT_MASK ? MG_ROLL_COUNT_MASK : count;
            return mg_put_entry(entry, mark & 63, named, (word & ~MG_ROLL_COUNT_MASK) | count, pair[0]);
        case MG_KIND_WINDOW:
        case MG_KIND_GAUGE:
        case MG_KIND_MONEY:
            break;
        default:
            return 0;
    }
    if ((pair[0] & MG_MASK32) != mark) return made;
    count = mg_saturate(pair[1] + actual - reserved);
    return made + mg_put_entry(entry + made * MG_ENTRY_WORDS, MG_SUB_PAIR, named, pair[0], count > 0 ? count : 0);
}

/* A limit as its callers are told of it: its figure, what remains, nanoseconds until all of it is there again. */
static inline void mg_standing(
    const int64_t *line, int cells, const int64_t *rolling, int64_t now_ns, int64_t *figures
) {
    int64_t meta = line[MG_L_META], newest, start, length, used;
    int kind = meta & 0xFF;
    figures[0] = mg_load(line + MG_L_LIMIT);
    figures[1] = figures[2] = 0;
    if (kind < MG_KIND_GCRA || kind > MG_KIND_MONEY) return;
    used = mg_pair_sum(line, cells, mg_pair_tag(line, meta, now_ns, &start, &length), rolling, &newest);
    if (kind == MG_KIND_GCRA) {
        figures[2] = mg_ahead(line, now_ns) + mg_cost(used < 0 ? 0 : used, line[MG_L_STEP]);
        int64_t left = line[MG_L_TAU] - figures[2];
        figures[1] = left > 0 ? mg_units(left, line[MG_L_STEP]) : 0;
        return;
    }
    if (kind == MG_KIND_ROLLING) {
        figures[2] = line[MG_L_PERIOD] * (MG_SUB_WINDOWS - 1);
        figures[0] = line[MG_L_WHOLE];
        used <<= line[MG_L_GRAIN];
    } else if (kind != MG_KIND_GAUGE)
        figures[2] = mg_until_end(line, now_ns);
    figures[1] = figures[0] > used ? figures[0] - used : 0;
}

#endif
