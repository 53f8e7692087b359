/* Nearest neighbours, read without locks beside one writer. Nodes on the way are compared by their codes and may be torn:
 * that costs a better way at worst. What is returned was computed anew from the stored vector between two equal looks
 * at the slot's sequence number. */
#ifndef MICROGATE_HNSW_SEARCH_H
#define MICROGATE_HNSW_SEARCH_H

#include <stdlib.h>
#include <string.h>

#include "_hnsw_dot.h"
#include "_hnsw_file.h"
#include "_hnsw_scopes.h"

/* Candidates are one word: the score's order in the upper half, the slot in the lower, so that one comparison orders them
 * and there are no ties. */
typedef uint64_t hn_scored;

static inline hn_scored hn_pack(float score, uint32_t slot) {
    uint32_t bits;
    memcpy(&bits, &score, 4);
    bits ^= (uint32_t)((int32_t)bits >> 31) | UINT32_C(0x80000000);
    return (uint64_t)bits << 32 | slot;
}

static inline float hn_score(hn_scored packed) {
    uint32_t bits = (uint32_t)(packed >> 32);
    bits ^= (uint32_t)((int32_t)~bits >> 31) | UINT32_C(0x80000000);
    float score;
    memcpy(&score, &bits, 4);
    return score;
}

/* What one search at a time needs, kept between searches. */
typedef struct {
    hn_kernels by;
    uint16_t *visited; /* == stamp: seen in this search */
    uint16_t stamp;
    uint32_t slots; /* how many `visited` has */
    hn_scored *frontier, *found;
    size_t frontier_room, found_room, frontier_size, found_size;
    float *query;
    int8_t *code;
    float scale, error; /* of the query's code */
    int32_t bias;       /* 128 * sum of the query's code */
    uint64_t compared;  /* nodes of the last search */
} hn_search;

typedef struct {
    uint64_t scope;
    int all;            /* whatever the scope */
    uint32_t now_s;     /* 0: whatever the expiry */
    uint32_t except;    /* a slot plus one that is never found */
} hn_filter;

typedef struct {
    uint64_t key;
    float cosine;
} hn_hit;

static void hn_search_free(hn_search *s) {
    free(s->visited);
    free(s->frontier);
    free(s->found);
    free(s->query);
    free(s->code);
    memset(s, 0, sizeof(*s));
}

/* 0, or -1 without memory. */
static int hn_search_init(hn_search *s, const hn_file *f, int kernels) {
    memset(s, 0, sizeof(*s));
    s->by = hn_choose(kernels);
    size_t floats = ((size_t)f->dim * 4 + 63) / 64 * 64;
    s->query = aligned_alloc(64, floats);
    s->code = aligned_alloc(64, f->code_bytes);
    if (!s->query || !s->code) return -1;
    memset(s->query, 0, floats);
    memset(s->code, 0, f->code_bytes);
    return 0;
}

static int hn_grow_list(hn_scored **list, size_t *room, size_t wanted) {
    if (wanted <= *room) return 0;
    size_t more = wanted * 2;
    hn_scored *grown = realloc(*list, more * sizeof(hn_scored));
    if (!grown) return -1;
    *list = grown;
    *room = more;
    return 0;
}

/* Make room for `ef` results and forget which slots were seen. */
static int hn_search_begin(hn_search *s, uint32_t count, size_t ef) {
    if (hn_grow_list(&s->found, &s->found_room, ef + 1) || hn_grow_list(&s->frontier, &s->frontier_room, 256)) return -1;
    if (count > s->slots) {
        uint32_t slots = (count / HN_SEGMENT + 1 + count / HN_SEGMENT / 8) * HN_SEGMENT;
        uint16_t *grown = calloc(slots, sizeof(uint16_t));
        if (!grown) return -1;
        free(s->visited);
        s->visited = grown;
        s->slots = slots;
        s->stamp = 0;
    }
    if (!++s->stamp) {
        memset(s->visited, 0, s->slots * sizeof(uint16_t));
        s->stamp = 1;
    }
    s->frontier_size = s->found_size = 0;
    return 0;
}

static void hn_set_bias(hn_search *s, const hn_file *f) {
    int32_t sum = 0;
    for (uint32_t i = 0; i < f->code_bytes; i++) sum += s->code[i];
    s->bias = 128 * sum;
}

/* Search for a vector of the caller's. */
static void hn_search_vector(hn_search *s, const hn_file *f, const float *vector) {
    memcpy(s->query, vector, (size_t)f->dim * 4);
    hn_quantise(vector, f->dim, s->code, &s->scale, &s->error);
    hn_set_bias(s, f);
}

/* Search for what is in a slot. */
static void hn_search_slot(hn_search *s, const hn_file *f, uint32_t slot) {
    const hn_node *node = hn_at(f, slot);
    const uint8_t *code = hn_code(node);
    for (uint32_t i = 0; i < f->code_bytes; i++) s->code[i] = (int8_t)(code[i] ^ 0x80);
    s->scale = node->scale;
    hn_set_bias(s, f);
}

static inline float hn_rate(const hn_search *s, const hn_file *f, const hn_node *node) {
    return (float)(s->by.codes(hn_code(node), s->code, f->code_bytes) - s->bias) * (node->scale * s->scale);
}

static inline int hn_matches(const hn_node *node, const hn_filter *want) {
    if (!HN_LOAD(&node->alive)) return 0;
    if (!want->all && HN_LOAD(&node->scope) != want->scope) return 0;
    uint32_t expires = HN_LOAD(&node->expires_s);
    return !want->now_s || !expires || expires > want->now_s;
}

static int hn_push(hn_search *s, hn_scored value) {
    if (hn_grow_list(&s->frontier, &s->frontier_room, s->frontier_size + 1)) return -1;
    hn_scored *heap = s->frontier;
    size_t at = s->frontier_size++;
    while (at) {
        size_t parent = (at - 1) / 2;
        if (heap[parent] >= value) break;
        heap[at] = heap[parent];
        at = parent;
    }
    heap[at] = value;
    return 0;
}

static hn_scored hn_pop(hn_search *s) {
    hn_scored *heap = s->frontier, top = heap[0], last = heap[--s->frontier_size];
    size_t size = s->frontier_size, at = 0;
    for (size_t child; (child = 2 * at + 1) < size; at = child) {
        if (child + 1 < size && heap[child + 1] > heap[child]) child++;
        if (heap[child] <= last) break;
        heap[at] = heap[child];
    }
    heap[at] = last;
    return top;
}

/* Into the best `ef`, which are kept in order, the best first. */
static inline void hn_keep(hn_search *s, hn_scored value, size_t ef) {
    hn_scored *found = s->found;
    size_t at = s->found_size < ef ? s->found_size++ : ef - 1;
    while (at && found[at - 1] < value) {
        found[at] = found[at - 1];
        at--;
    }
    found[at] = value;
}

/* Nodes looked ahead for while the ones before them are compared. */
#define HN_AHEAD 4

/* Links of a node that were not seen before, their first lines on the way; at most `hn_room`. */
static inline uint32_t hn_unseen(hn_search *s, const hn_file *f, const uint32_t *links, uint32_t room, uint32_t count, uint32_t *slots) {
    uint32_t size = 0;
    for (uint32_t i = 0; i < room; i++) {
        uint32_t link = HN_LOAD(links + i);
        if (!link) break;
        if (link > count || s->visited[link - 1] == s->stamp) continue;
        s->visited[link - 1] = s->stamp;
        if (size < HN_AHEAD) hn_prefetch(hn_at(f, link - 1), sizeof(hn_node) + f->code_bytes);
        slots[size++] = link - 1;
    }
    return size;
}

#define HN_MOST_LINKS 256

/* Algorithm 2 of arXiv 1603.09320 from `entry` on one level: the best `ef` that the filter lets through are in `found`. The
 * way leads over nodes that it does not let through. */
static int hn_walk(hn_search *s, const hn_file *f, uint32_t level, uint32_t count, size_t ef, const hn_filter *want, const hn_scored *entries, size_t entry_count) {
    uint32_t slots[HN_MOST_LINKS], room = hn_room(f, level);
    for (size_t i = 0; i < entry_count; i++) {
        uint32_t slot = (uint32_t)entries[i];
        s->visited[slot] = s->stamp;
        if (hn_push(s, entries[i])) return -1;
        if (slot + 1 != want->except && hn_matches(hn_at(f, slot), want)) hn_keep(s, entries[i], ef);
    }
    while (s->frontier_size) {
        hn_scored best = hn_pop(s);
        if (s->found_size == ef && best < s->found[ef - 1]) break;
        uint32_t size = hn_unseen(s, f, hn_links(f, (uint32_t)best, level), room, count, slots);
        s->compared += size;
        for (uint32_t i = 0; i < size; i++) {
            if (i + HN_AHEAD < size) hn_prefetch(hn_at(f, slots[i + HN_AHEAD]), sizeof(hn_node) + f->code_bytes);
            const hn_node *node = hn_at(f, slots[i]);
            hn_scored scored = hn_pack(hn_rate(s, f, node), slots[i]);
            if (s->found_size == ef && scored < s->found[ef - 1]) continue;
            if (hn_push(s, scored)) return -1;
            hn_prefetch(hn_links(f, slots[i], level), (size_t)room * 4);
            if (slots[i] + 1 != want->except && hn_matches(node, want)) hn_keep(s, scored, ef);
        }
    }
    return 0;
}

/* From the entry point down to `level`, always to the nearest; over `except` (a slot plus one) no way leads. */
static hn_scored hn_descend(const hn_search *s, const hn_file *f, uint32_t entry, uint32_t level, uint32_t count, uint32_t except) {
    hn_scored best = hn_pack(hn_rate(s, f, hn_at(f, entry)), entry);
    for (uint32_t at = hn_level(f, entry); at > level; at--)
        for (hn_scored before = 0; before != best;) {
            const uint32_t *links = hn_links(f, (uint32_t)best, at);
            before = best;
            for (uint32_t i = 0; i < f->m && links[i]; i++)
                if (links[i] <= count) hn_prefetch(hn_at(f, links[i] - 1), sizeof(hn_node) + f->code_bytes);
            for (uint32_t i = 0; i < f->m; i++) {
                uint32_t link = HN_LOAD(links + i);
                if (!link) break;
                if (link > count || link == except) continue;
                hn_scored scored = hn_pack(hn_rate(s, f, hn_at(f, link - 1)), link - 1);
                if (scored > best) best = scored;
            }
        }
    return best;
}

/* The cosine of a slot that matches and did not change meanwhile; 0 when it has to be left out. */
static int hn_confirm(const hn_search *s, const hn_file *f, uint32_t slot, const hn_filter *want, hn_hit *hit) {
    const hn_node *node = hn_at(f, slot);
    uint32_t sequence = HN_ACQUIRE(&node->sequence);
    if (sequence & 1 || slot >= hn_count(f) || !hn_matches(node, want)) return 0;
    hit->key = HN_LOAD(&node->key);
    float cosine = f->vector_stride ? s->by.floats(hn_vector(f, slot), s->query, (f->dim + 15) / 16 * 16)
                                    : s->by.mixed(hn_code(node), s->query, (f->dim + 15) / 16 * 16) * node->scale;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (HN_LOAD(&node->sequence) != sequence) return 0;
    if (!(cosine < 1.01f && cosine > -1.01f)) return 0; /* damaged: no unit vector */
    hit->cosine = cosine > 1 ? 1 : cosine < -1 ? -1 : cosine;
    return 1;
}

/* Into the best `most` hits, a key once. */
static uint32_t hn_take(hn_hit *hits, uint32_t size, uint32_t most, hn_hit hit) {
    for (uint32_t i = 0; i < size; i++)
        if (hits[i].key == hit.key) return size;
    if (size == most && hits[most - 1].cosine >= hit.cosine) return size;
    uint32_t at = size < most ? size++ : most - 1;
    for (; at && hits[at - 1].cosine < hit.cosine; at--) hits[at] = hits[at - 1];
    hits[at] = hit;
    return size;
}

static void hn_prefetch_exact(const hn_file *f, uint32_t slot) {
    if (f->vector_stride) hn_prefetch(hn_vector(f, slot), f->vector_stride);
    else hn_prefetch(hn_at(f, slot), sizeof(hn_node) + f->code_bytes);
}

/* Of this many candidates by code the best by their vectors are returned; a code is off by 0.001 or so. */
static inline size_t hn_confirmed(uint32_t most) { return 2 * (size_t)most + 14; }

static int hn_nearest_by_graph(hn_search *s, const hn_file *f, const hn_filter *want, uint32_t most, size_t ef, hn_hit *hits) {
    uint32_t count = hn_count(f), entry = (uint32_t)HN_ACQUIRE(f->words + HN_W_ENTRY), size = 0;
    if (!entry || entry > count) return 0;
    if (hn_search_begin(s, count, ef)) return -1;
    s->compared = 0;
    hn_scored near = hn_descend(s, f, entry - 1, 0, count, 0);
    if (hn_walk(s, f, 0, count, ef, want, &near, 1)) return -1;
    size_t candidates = s->found_size < hn_confirmed(most) ? s->found_size : hn_confirmed(most);
    for (size_t i = 0; i < candidates && i < 2; i++) hn_prefetch_exact(f, (uint32_t)s->found[i]);
    for (size_t i = 0; i < candidates; i++) {
        hn_hit hit;
        if (i + 2 < candidates) hn_prefetch_exact(f, (uint32_t)s->found[i + 2]);
        if (hn_confirm(s, f, (uint32_t)s->found[i], want, &hit)) size = hn_take(hits, size, most, hit);
    }
    return (int)size;
}

/* All slots of a scope, exactly: codes say between which bounds a cosine is (Cauchy-Schwarz: it is off by at most what both
 * sides lost), and vectors are read of those that can be among the best. */
static int hn_nearest_by_scan(hn_search *s, const hn_file *f, const hn_filter *want, uint32_t head, uint32_t most, hn_hit *hits) {
    uint32_t count = hn_count(f), size = 0, link = head;
    uint32_t members = HN_LOAD(&hn_at(f, head - 1)->members);
    size_t room = (size_t)(members < count ? members : count) + 64;
    if (hn_search_begin(s, 0, most) || hn_grow_list(&s->frontier, &s->frontier_room, room)) return -1;
    while (link && link <= count && s->frontier_size < room) {
        const hn_node *node = hn_at(f, link - 1);
        uint32_t next = HN_ACQUIRE(&node->next);
        if (HN_LOAD(&node->scope) != want->scope) break;
        if (next && next <= count) hn_prefetch(hn_at(f, next - 1), sizeof(hn_node) + f->code_bytes);
        float score = hn_rate(s, f, node), off = s->error + node->error + 1e-5f;
        if (hn_matches(node, want)) hn_keep(s, hn_pack(score - off, link - 1), most);
        s->frontier[s->frontier_size++] = hn_pack(score + off, link - 1);
        link = next;
    }
    s->compared = s->frontier_size;
    hn_scored least = s->found_size == most ? s->found[most - 1] & ~UINT64_C(0xFFFFFFFF) : 0;
    for (size_t i = 0; i < s->frontier_size; i++) {
        hn_hit hit;
        if (s->frontier[i] >= least && hn_confirm(s, f, (uint32_t)s->frontier[i], want, &hit))
            size = hn_take(hits, size, most, hit);
    }
    return (int)size;
}

/* Members of a scope up to which all are compared: below it that takes less time than a graph most of whose nodes are
 * passed over. A scan takes as long as there are members, the graph in proportion to ef * live / members. With 100,000
 * vectors of 384 dimensions they meet at 2,800 members for ef 16 and at 4,800 for ef 64 [bench/index/scopes.py]. */
#define HN_SCAN_ALWAYS 512
#define HN_SCAN_FACTOR 256

static inline int hn_scan_pays(uint64_t members, uint64_t live, size_t ef) {
    return members <= HN_SCAN_ALWAYS || members * members <= live * HN_SCAN_FACTOR * ef / 64;
}

static uint32_t hn_members(const hn_file *f, uint64_t scope) {
    uint32_t head = hn_scope_head(f, scope);
    return head ? HN_LOAD(&hn_at(f, head - 1)->members) : 0;
}

/* How many of `hits` were found, -1 without memory. */
static int hn_nearest(hn_search *s, const hn_file *f, const hn_filter *want, uint32_t most, size_t ef, hn_hit *hits) {
    uint32_t head = hn_scope_head(f, want->scope);
    s->compared = 0;
    if (!head) return 0;
    uint32_t members = HN_LOAD(&hn_at(f, head - 1)->members);
    if (ef < most) ef = most;
    if (!HN_LOAD(f->words + HN_W_WHOLE) || hn_scan_pays(members, HN_LOAD(f->words + HN_W_LIVE), ef))
        return hn_nearest_by_scan(s, f, want, head, most, hits);
    return hn_nearest_by_graph(s, f, want, most, ef, hits);
}

#endif
