/* A vector index in memory: where everything is (`_hnsw_file.py` says why), and how words shared with other processes are
 * read and written. Nothing that is read from the file is trusted as an index before it was compared with the count. */
#ifndef MICROGATE_HNSW_FILE_H
#define MICROGATE_HNSW_FILE_H

#include <stddef.h>
#include <stdint.h>

#define HN_SEGMENT_BITS 10
#define HN_SEGMENT (1u << HN_SEGMENT_BITS)
#define HN_LEVELS 25

enum {
    HN_W_CAPACITY = 16,
    HN_W_COUNT,
    HN_W_LIVE,
    HN_W_ENTRY,
    HN_W_IN_PROGRESS = 24,
    HN_W_GENERATION,
    HN_W_OPEN,
    HN_W_WHOLE
};

/* Head of a node. `next`, `before` and `next_scope` are slots plus one. */
typedef struct {
    uint32_t sequence; /* odd while the slot is written */
    uint32_t alive;
    uint64_t scope, key;
    uint32_t expires_s; /* wall clock; 0: never */
    float scale;        /* 1 / length of the code: code * scale has length 1 */
    float error;        /* length of (vector - code * scale) */
    uint32_t next, before;        /* of the same scope; the first is its head */
    uint32_t next_scope, members; /* of heads only */
    uint32_t spare[3];
} hn_node;

_Static_assert(sizeof(hn_node) == 64, "a node's head is one cache line");

typedef struct {
    uint8_t *base, *segments;
    uint64_t *words;
    uint32_t *buckets;
    uint64_t segment_bytes, vectors_at, upper_at[HN_LEVELS + 1];
    uint32_t node_stride, vector_stride; /* vector_stride 0: codes only */
    uint32_t dim, code_bytes, m, shift, levels, bucket_mask;
} hn_file;

#define HN_LOAD(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define HN_STORE(p, value) __atomic_store_n((p), (value), __ATOMIC_RELAXED)
#define HN_ACQUIRE(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define HN_RELEASE(p, value) __atomic_store_n((p), (value), __ATOMIC_RELEASE)

static inline uint32_t hn_count(const hn_file *f) { return (uint32_t)HN_ACQUIRE(f->words + HN_W_COUNT); }

static inline uint8_t *hn_segment(const hn_file *f, uint32_t slot) {
    return f->segments + (slot >> HN_SEGMENT_BITS) * f->segment_bytes;
}

static inline hn_node *hn_at(const hn_file *f, uint32_t slot) {
    return (hn_node *)(hn_segment(f, slot) + (size_t)(slot & (HN_SEGMENT - 1)) * f->node_stride);
}

/* Bytes are components plus 128: unsigned times signed is what VNNI multiplies. */
static inline uint8_t *hn_code(const hn_node *node) { return (uint8_t *)(node + 1); }

static inline float *hn_vector(const hn_file *f, uint32_t slot) {
    return (float *)(hn_segment(f, slot) + f->vectors_at + (size_t)(slot & (HN_SEGMENT - 1)) * f->vector_stride);
}

static inline uint32_t hn_room(const hn_file *f, uint32_t level) { return level ? f->m : 2 * f->m; }

/* Slots plus one, up to the first 0 or `hn_room`. */
static inline uint32_t *hn_links(const hn_file *f, uint32_t slot, uint32_t level) {
    if (!level) return (uint32_t *)(hn_code(hn_at(f, slot)) + f->code_bytes);
    uint32_t place = (slot & (HN_SEGMENT - 1)) >> (f->shift * level);
    return (uint32_t *)(hn_segment(f, slot) + f->upper_at[level] + (size_t)place * f->m * 4);
}

static inline uint64_t hn_hash(uint64_t value) { /* the finaliser of splitmix64 */
    value = (value ^ (value >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94D049BB133111EB);
    return value ^ (value >> 31);
}

/* Which of the slots, or of the groups, of a group stands for it on `level`. */
static inline uint32_t hn_chosen(const hn_file *f, uint32_t group, uint32_t level) {
    return (uint32_t)hn_hash(((uint64_t)level << 32 | group) + 1) & ((1u << f->shift) - 1);
}

static inline uint32_t hn_level(const hn_file *f, uint32_t slot) {
    uint32_t level = 0, group = slot;
    while (level + 1 < f->levels && (group & ((1u << f->shift) - 1)) == hn_chosen(f, group >> f->shift, level + 1)) {
        group >>= f->shift;
        level++;
    }
    return level;
}

/* The slot that stands for a group on `level`. */
static inline uint32_t hn_standing(const hn_file *f, uint32_t group, uint32_t level) {
    for (; level; level--) group = group << f->shift | hn_chosen(f, group, level);
    return group;
}

static inline void hn_prefetch(const void *at, size_t bytes) {
    for (size_t line = 0; line < bytes; line += 64) __builtin_prefetch((const char *)at + line);
}

#endif
