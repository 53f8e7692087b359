/* The sum of counts times prices, in 128 bits. Used by _cost.pyx only. */
#ifndef MICROGATE_COST_H
#define MICROGATE_COST_H

#include <stdint.h>

enum {
    MG_INPUT, MG_CACHE_READ, MG_CACHE_READ_AUDIO, MG_CACHE_WRITE, MG_CACHE_WRITE_1H, MG_INPUT_AUDIO, MG_INPUT_IMAGE,
    MG_OUTPUT, MG_OUTPUT_REASONING, MG_OUTPUT_AUDIO, MG_OUTPUT_IMAGE, MG_WEB_SEARCH, MG_REQUEST, MG_KINDS
};

/* A count has at most 63 bits and a price 60: thirteen products stay below 2^127. */
static inline int64_t mg_cost(const int64_t *counts, const int64_t *prices) {
    unsigned __int128 sum = 500000;
    int i;
    for (i = 0; i < MG_KINDS; i++) sum += (unsigned __int128)counts[i] * (uint64_t)prices[i];
    if (sum >> 64 == 0) return (int64_t)((uint64_t)sum / 1000000);
    sum /= 1000000;
    return sum > INT64_MAX ? INT64_MAX : (int64_t)sum;
}

/* A part of a whole: not negative, and not more than there is. */
static inline int64_t mg_part(int64_t count, int64_t whole, int *cut) {
    if (count <= 0) return 0;
    if (count <= whole) return count;
    *cut = 1;
    return whole;
}

#endif
