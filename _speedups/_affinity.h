/* Which key holds which prompt prefix warm: digests of prefixes, and the table of them. The contract is _affinity.pyi. */
#ifndef MICROGATE_AFFINITY_H
#define MICROGATE_AFFINITY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* --- digests */

typedef struct { uint64_t lane[4]; } mg_digest;

/* Odd numbers with as many ones as zeros: the binary digits of the square roots of 2, 3, 5 and 7. */
static const uint64_t mg_roots[4] = {
    0x6A09E667F3BCC909u, 0xBB67AE8584CAA73Bu, 0x3C6EF372FE94F82Bu, 0xA54FF53A5F1D36F1u,
};

static inline uint64_t mg_fold(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t mg_turn(uint64_t value) { return value << 23 | value >> 41; }

static inline uint64_t mg_word(const uint8_t *text) {
    uint64_t word;
    memcpy(&word, text, 8);
    return word;
}

static inline void mg_digest_begin(mg_digest *d, uint64_t seed) {
    for (int i = 0; i < 4; i++) d->lane[i] = mg_fold(seed ^ mg_roots[i], mg_roots[3 - i]) ^ mg_roots[i];
}

/* n is a multiple of 64. Four independent products at a time: one waits for the one before it. The state is turned and
 * kept beside the product, so that no text makes it forget what came before. */
static inline void mg_digest_add(mg_digest *d, const uint8_t *text, size_t n) {
    uint64_t s0 = d->lane[0], s1 = d->lane[1], s2 = d->lane[2], s3 = d->lane[3];
    for (; n; n -= 64, text += 64) {
        s0 = mg_turn(s0) ^ mg_fold(mg_word(text) ^ s0, mg_word(text + 8) ^ mg_roots[0]);
        s1 = mg_turn(s1) ^ mg_fold(mg_word(text + 16) ^ s1, mg_word(text + 24) ^ mg_roots[1]);
        s2 = mg_turn(s2) ^ mg_fold(mg_word(text + 32) ^ s2, mg_word(text + 40) ^ mg_roots[2]);
        s3 = mg_turn(s3) ^ mg_fold(mg_word(text + 48) ^ s3, mg_word(text + 56) ^ mg_roots[3]);
    }
    d->lane[0] = s0, d->lane[1] = s1, d->lane[2] = s2, d->lane[3] = s3;
}

/* Never 0, which marks an empty entry. */
static inline uint64_t mg_digest_word(const mg_digest *d) {
    uint64_t left = mg_fold(d->lane[0] ^ mg_roots[1], mg_turn(d->lane[1]) ^ mg_roots[2]);
    uint64_t right = mg_fold(d->lane[2] ^ mg_roots[3], mg_turn(d->lane[3]) ^ mg_roots[0]);
    uint64_t word = mg_fold(left ^ mg_roots[0], mg_turn(right) ^ mg_roots[3]) ^ left ^ mg_turn(right);
    return word ? word : 1;
}

/* --- the prompt in a JSON body */

enum { MG_TOOLS, MG_INSTRUCTIONS, MG_MESSAGES, MG_PARTS };

typedef struct { size_t start[MG_PARTS], end[MG_PARTS]; } mg_prompt;

/* Which part of a prompt the member of this name is, in any dialect; -1: none. */
static inline int mg_part(const uint8_t *name, size_t n) {
    static const struct { const char *name; int part; } parts[] = {
        {"tools", MG_TOOLS}, {"toolConfig", MG_TOOLS},
        {"system", MG_INSTRUCTIONS}, {"instructions", MG_INSTRUCTIONS}, {"systemInstruction", MG_INSTRUCTIONS},
        {"system_instruction", MG_INSTRUCTIONS},
        {"messages", MG_MESSAGES}, {"input", MG_MESSAGES}, {"contents", MG_MESSAGES}, {"prompt", MG_MESSAGES},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strlen(parts[i].name) == n && !memcmp(parts[i].name, name, n)) return parts[i].part;
    return -1;
}

/* Behind the string whose opening quote lies before p. */
static inline const uint8_t *mg_behind_string(const uint8_t *p, const uint8_t *end) {
    while (p < end) {
        const uint8_t *quote = memchr(p, '"', (size_t)(end - p)), *slash = quote;
        if (!quote) break;
        while (slash > p && slash[-1] == '\\') slash--;
        if (!((quote - slash) & 1)) return quote + 1;
        p = quote + 1;
    }
    return end;
}

/* Behind the value that begins at p: at the comma or bracket that follows it, or at the end. */
static inline const uint8_t *mg_behind_value(const uint8_t *p, const uint8_t *end) {
    int depth = 0;
    while (p < end) {
        uint8_t c = *p;
        if (c == '"') {
            p = mg_behind_string(p + 1, end);
            continue;
        }
        if (!depth && (c == ',' || c == '}' || c == ']')) break;
        if (c == '{' || c == '[') depth++;
        if (c == '}' || c == ']') depth--;
        p++;
    }
    return p;
}

/* The last members of each kind of an object that is taken to be valid; what is not ends somewhere. */
static inline void mg_find_prompt(const uint8_t *doc, size_t n, mg_prompt *found) {
    const uint8_t *p = doc, *end = doc + n, *name;
    memset(found, 0, sizeof *found);
    while (p < end && *p != '{') p++;
    while (p < end) {
        while (p < end && *p != '"') p++;
        if (end - p < 2) return;
        name = ++p;
        p = mg_behind_string(p, end);
        int part = mg_part(name, (size_t)(p - name) - 1);
        while (p < end && *p != ':') p++;
        if (p >= end) return;
        for (p++; p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n');) p++;
        const uint8_t *value = p;
        p = mg_behind_value(p, end);
        if (part >= 0) {
            found->start[part] = (size_t)(value - doc);
            found->end[part] = (size_t)(p - doc);
        }
    }
}

/* --- table */

#define MG_HOLDERS 6
#define MG_WAYS 4
#define MG_PRESENT ((uint32_t)1 << 31)
#define MG_TIME_MASK ((uint32_t)0x1FFFFFF)
#define MG_AHEAD ((uint32_t)64)

/* A holder: present bit, 25 bits of time in units of 2^27 ns, 6 bits of key. Words are read and written whole; workers
 * that share the memory may overwrite each other's, which costs a memory, never a wrong key. */
typedef struct {
    uint64_t digest;
    uint32_t holder[MG_HOLDERS];
} mg_entry;

_Static_assert(sizeof(mg_entry) == 32, "two entries a cache line");

static inline uint32_t mg_holder(uint32_t time, int key) {
    return MG_PRESENT | (time & MG_TIME_MASK) << 6 | (uint32_t)key;
}

static inline uint32_t mg_holder_load(const uint32_t *p) { return __atomic_load_n(p, __ATOMIC_RELAXED); }

static inline void mg_holder_store(uint32_t *p, uint32_t word) { __atomic_store_n(p, word, __ATOMIC_RELEASE); }

/* Units since the holder's time. Another worker's clock reading may be a moment ahead of ours: that is no age. */
static inline uint32_t mg_age(uint32_t holder, uint32_t time) {
    uint32_t age = (time - (holder >> 6)) & MG_TIME_MASK;
    return age > MG_TIME_MASK - MG_AHEAD ? 0 : age;
}

static inline mg_entry *mg_find(mg_entry *table, uint64_t buckets_mask, uint64_t digest) {
    mg_entry *bucket = table + (digest & buckets_mask) * MG_WAYS;
    for (int i = 0; i < MG_WAYS; i++)
        if (__atomic_load_n(&bucket[i].digest, __ATOMIC_ACQUIRE) == digest) return bucket + i;
    return NULL;
}

static inline void mg_prefetch(const mg_entry *table, uint64_t buckets_mask, uint64_t digest) {
    const mg_entry *bucket = table + (digest & buckets_mask) * MG_WAYS;
    __builtin_prefetch(bucket);
    __builtin_prefetch(bucket + 2);
}

/* Bits of the keys that hold this prefix warm. */
static inline uint64_t mg_warm(const mg_entry *entry, uint32_t time, uint32_t ttl) {
    uint64_t keys = 0;
    for (int i = 0; i < MG_HOLDERS; i++) {
        uint32_t holder = mg_holder_load(&entry->holder[i]);
        if (holder && mg_age(holder, time) <= ttl) keys |= (uint64_t)1 << (holder & 63);
    }
    return keys;
}

/* The entry's youngest holder; of an empty entry older than any. */
static inline uint32_t mg_youngest(const mg_entry *entry, uint32_t time) {
    uint32_t youngest = MG_TIME_MASK + 1;
    for (int i = 0; i < MG_HOLDERS; i++) {
        uint32_t holder = mg_holder_load(&entry->holder[i]);
        if (holder && mg_age(holder, time) < youngest) youngest = mg_age(holder, time);
    }
    return youngest;
}

/* Note that `key` holds this prefix from now on; forgets what was used longest ago when there is no room. */
static inline void mg_note(mg_entry *table, uint64_t buckets_mask, uint64_t digest, int key, uint32_t time) {
    mg_entry *entry = mg_find(table, buckets_mask, digest);
    if (entry == NULL) {
        mg_entry *bucket = table + (digest & buckets_mask) * MG_WAYS;
        uint32_t oldest = 0;
        entry = bucket;
        for (int i = 0; i < MG_WAYS; i++) {
            uint32_t age = mg_youngest(bucket + i, time);
            if (age > oldest) oldest = age, entry = bucket + i;
        }
        /* Empty before it is renamed: a reader in between finds nobody, not the holders of another prefix. */
        for (int i = 0; i < MG_HOLDERS; i++) mg_holder_store(&entry->holder[i], 0);
        __atomic_store_n(&entry->digest, digest, __ATOMIC_RELEASE);
    }
    uint32_t *place = &entry->holder[0], oldest = 0;
    for (int i = 0; i < MG_HOLDERS; i++) {
        uint32_t holder = mg_holder_load(&entry->holder[i]);
        if (holder && (int)(holder & 63) == key) {
            place = &entry->holder[i];
            break;
        }
        uint32_t age = holder ? mg_age(holder, time) : MG_TIME_MASK + 1;
        if (age > oldest) oldest = age, place = &entry->holder[i];
    }
    mg_holder_store(place, mg_holder(time, key));
}

/* --- agreement */

/* splitmix64's output function. */
static inline uint64_t mg_scramble(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

#endif
