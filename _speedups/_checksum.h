/* Checksum of a packed record: the record as one little-endian number modulo 2^61 - 1, mixed with its sequence and epoch.
 * Four lanes, because each step depends on the one before it. */
#ifndef MICROGATE_CHECKSUM_H
#define MICROGATE_CHECKSUM_H

#include <stdint.h>
#include <string.h>

#define MG_RECORD_WORDS 80
#define MG_PRIME (((uint64_t)1 << 61) - 1)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "rows are written in the machine's order, which must be little-endian");

static inline uint64_t mg_fold(uint64_t value) { return (value & MG_PRIME) + (value >> 61); }

/* value * 2^bits modulo the prime, for value < 2^61: a rotation in 61 bits. */
static inline uint64_t mg_turn(uint64_t value, unsigned bits) {
    return ((value << bits) & MG_PRIME) | (value >> (61 - bits));
}

static inline uint64_t mg_checksum(const void *record, uint64_t sequence, uint64_t epoch) {
    uint64_t words[MG_RECORD_WORDS], lane[4] = {0, 0, 0, 0}, total = 0;
    memcpy(words, record, sizeof(words));
    for (int i = MG_RECORD_WORDS - 4; i >= 0; i -= 4)
        for (int k = 0; k < 4; k++) {
            /* 2^256 = 2^12 modulo the prime. */
            uint64_t sum = mg_turn(lane[k], 12) + mg_fold(words[i + k]);
            sum = mg_fold(sum);
            lane[k] = sum >= MG_PRIME ? sum - MG_PRIME : sum;
        }
    for (int k = 3; k >= 0; k--) {
        /* 2^64 = 2^3 modulo the prime. */
        total = mg_fold(mg_turn(total, 3) + lane[k]);
        if (total >= MG_PRIME) total -= MG_PRIME;
    }
    total ^= sequence * UINT64_C(0x9E3779B97F4A7C15) + epoch * UINT64_C(0xC2B2AE3D27D4EB4F);
    return total * UINT64_C(0xD6E8FEB86659FD93) + 1;
}

#endif
