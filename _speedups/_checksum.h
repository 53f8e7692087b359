/* Checksum of a packed record: the record as one little-endian number modulo 2^61 - 1, mixed with its sequence and epoch.
 * Four blocks at once, because each step depends on the one before it. */
#ifndef MICROGATE_CHECKSUM_H
#define MICROGATE_CHECKSUM_H

#include <stdint.h>
#include <string.h>

#define MG_RECORD_WORDS 80
#define MG_BLOCKS 4
#define MG_BLOCK_WORDS (MG_RECORD_WORDS / MG_BLOCKS)
#define MG_PRIME (((uint64_t)1 << 61) - 1)

__extension__ typedef unsigned __int128 mg_wide;

_Static_assert(MG_BLOCK_WORDS * MG_BLOCKS == MG_RECORD_WORDS && 3 * MG_BLOCK_WORDS < 61, "blocks that fit");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "rows are written in the machine's order, which must be little-endian");

static inline uint64_t mg_fold(uint64_t value) { return (value & MG_PRIME) + (value >> 61); }

/* value * 2^bits modulo the prime, for value < 2^61: a rotation in 61 bits. */
static inline uint64_t mg_turn(uint64_t value, unsigned bits) {
    return ((value << bits) & MG_PRIME) | (value >> (61 - bits));
}

static inline uint64_t mg_checksum(const void *record, uint64_t sequence, uint64_t epoch) {
    uint64_t words[MG_RECORD_WORDS], total = 0;
    mg_wide block[MG_BLOCKS] = {0};
    memcpy(words, record, sizeof(words));
    /* 2^64 = 2^3 modulo the prime: Horner with shifts, reduced once a block, whose 20 words need 124 bits. */
    for (int i = MG_BLOCK_WORDS - 1; i >= 0; i--)
        for (int k = 0; k < MG_BLOCKS; k++) block[k] = (block[k] << 3) + words[k * MG_BLOCK_WORDS + i];
    for (int k = MG_BLOCKS - 1; k >= 0; k--) {
        uint64_t sum = mg_fold(((uint64_t)block[k] & MG_PRIME) + ((uint64_t)(block[k] >> 61) & MG_PRIME)) + (uint64_t)(block[k] >> 122);
        total = mg_fold(mg_turn(total, 3 * MG_BLOCK_WORDS) + mg_fold(sum));
        if (total >= MG_PRIME) total -= MG_PRIME;
    }
    total ^= sequence * UINT64_C(0x9E3779B97F4A7C15) + epoch * UINT64_C(0xC2B2AE3D27D4EB4F);
    return total * UINT64_C(0xD6E8FEB86659FD93) + 1;
}

#endif
