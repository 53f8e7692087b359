/* The sum of counts times prices, in 128 bits. Used by _cost.pyx only. */
#ifndef MICROGATE_COST_H
#define MICROGATE_COST_H

#include <stdint.h>

enum {
    MG_INPUT, MG_CACHE_READ, MG_CACHE_READ_AUDIO, MG_CACHE_WRITE, MG_CACHE_WRITE_1H, MG_INPUT_AUDIO, MG_INPUT_IMAGE,
    MG_OUTPUT, MG_OUTPUT_REASONING, MG_OUTPUT_AUDIO, MG_OUTPUT_IMAGE, MG_WEB_SEARCH, MG_REQUEST, MG_KINDS
};

/* Millionths, half up; the sum has half a unit in it already. */
static inline int64_t mg_rounded(unsigned __int128 sum) {
    if (sum >> 64 == 0) return (int64_t)((uint64_t)sum / 1000000);
    sum /= 1000000;
    return sum > INT64_MAX ? INT64_MAX : (int64_t)sum;
}

/* A count has at most 63 bits and a price 60: thirteen products stay below 2^127. */
static inline int64_t mg_cost(const int64_t *counts, const int64_t *prices) {
    unsigned __int128 sum = 500000;
    int i;
    for (i = 0; i < MG_KINDS; i++) sum += (unsigned __int128)counts[i] * (uint64_t)prices[i];
    return mg_rounded(sum);
}

/* The same where no kinds were told apart, as of what is foreseen and of most answers. */
static inline int64_t mg_cost_of_two(int64_t prompt, int64_t completion, const int64_t *prices) {
    unsigned __int128 sum = 500000 + (unsigned __int128)prices[MG_REQUEST];
    sum += (unsigned __int128)(uint64_t)prompt * (uint64_t)prices[MG_INPUT];
    sum += (unsigned __int128)(uint64_t)completion * (uint64_t)prices[MG_OUTPUT];
    return mg_rounded(sum);
}

/* USD with nine digits behind the point, written in front of `end`; how many characters these are: at most 20. */
static inline int mg_digits_of_usd(char *end, int64_t nanodollars) {
    uint64_t left = (uint64_t)nanodollars;
    int size = 0;
    do {
        if (size == 9) end[-++size] = '.';
        end[-++size] = (char)('0' + left % 10);
        left /= 10;
    } while (left || size < 11);
    return size;
}

/* A part of a whole: not negative, and not more than there is. */
static inline int64_t mg_part(int64_t count, int64_t whole, int *cut) {
    if (count <= 0) return 0;
    if (count <= whole) return count;
    *cut = 1;
    return whole;
}

#endif
