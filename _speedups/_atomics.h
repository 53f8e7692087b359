/* Shared words: loads acquire, stores release, so that another process, or whoever reads what a killed process left,
 * sees stores in program order. */
#ifndef MICROGATE_ATOMICS_H
#define MICROGATE_ATOMICS_H

#include <stdint.h>

_Static_assert(sizeof(void *) == 8, "the arena's words are read and written whole on 64-bit machines only");
_Static_assert(__atomic_always_lock_free(sizeof(int64_t), 0), "8-byte atomics must be lock-free");
_Static_assert(_Alignof(int64_t) == 8, "words must be naturally aligned");

static inline int64_t mg_load(const int64_t *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }

static inline void mg_store(int64_t *p, int64_t value) { __atomic_store_n(p, value, __ATOMIC_RELEASE); }

static inline void mg_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

static inline int mg_cas(int64_t *p, int64_t expected, int64_t value) {
    return __atomic_compare_exchange_n(p, &expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE);
}

/* Store, unless the word is as high already. */
static inline void mg_raise(int64_t *p, int64_t value) {
    int64_t old = mg_load(p);
    while (old < value && !mg_cas(p, old, value)) old = mg_load(p);
}

/* No amount or limit exceeds this; sums saturate just above it, so that they exceed every limit and two of them can be
 * added without overflow. */
#define MG_MAX_AMOUNT ((int64_t)1 << 62)
#define MG_MAX_SUM (MG_MAX_AMOUNT + 1)

static inline int64_t mg_saturate(int64_t value) {
    return value > MG_MAX_SUM ? MG_MAX_SUM : value < -MG_MAX_SUM ? -MG_MAX_SUM : value;
}

/* Nanoseconds that `amount` units move a GCRA word; 10 fraction bits in `step`, rounded up. */
static inline int64_t mg_cost(int64_t amount, int64_t step) {
    unsigned __int128 cost = ((unsigned __int128)(uint64_t)amount * (uint64_t)step + 1023) >> 10;
    return cost > (unsigned __int128)MG_MAX_AMOUNT ? MG_MAX_AMOUNT : (int64_t)cost;
}

/* Units that `ns` nanoseconds of a GCRA word stand for, rounded down. */
static inline int64_t mg_units(int64_t ns, int64_t step) {
    unsigned __int128 units = ((unsigned __int128)(uint64_t)ns << 10) / (uint64_t)step;
    return units > (unsigned __int128)MG_MAX_AMOUNT ? MG_MAX_AMOUNT : (int64_t)units;
}

#endif
