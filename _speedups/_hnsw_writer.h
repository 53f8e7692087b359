/* The writer's own knowledge of its file, and changes in an order that leaves a usable file wherever it is killed.
 *
 * A slot is fresh (behind the count), alive, dead (still part of the graph, found by nobody) or free (dead and out of the
 * graph). `in_progress` names the slot that is being changed; whoever opens the file next finishes what it was. */
#ifndef MICROGATE_HNSW_WRITER_H
#define MICROGATE_HNSW_WRITER_H

#include "_hnsw_link.h"

typedef struct {
    hn_linker link;
    uint32_t *keys; /* open addressing by the node's key: slots plus one */
    uint32_t key_mask, key_count;
    uint32_t *dead; /* a ring, the oldest first */
    uint32_t dead_first, dead_size, dead_room;
    uint32_t *free_slots;
    uint32_t free_size, free_room;
    uint32_t ef;
} hn_writer;

static uint32_t *hn_key_place(const hn_writer *w, const hn_file *f, uint64_t key) {
    uint32_t at = (uint32_t)hn_hash(key) & w->key_mask;
    while (w->keys[at] && hn_at(f, w->keys[at] - 1)->key != key) at = (at + 1) & w->key_mask;
    return w->keys + at;
}

static int hn_keys_room(hn_writer *w, const hn_file *f) {
    if (w->keys && w->key_count < w->key_mask / 2) return 0;
    uint32_t size = w->keys ? (w->key_mask + 1) * 2 : 4096, *old = w->keys, old_size = w->keys ? w->key_mask + 1 : 0;
    uint32_t *grown = calloc(size, sizeof(uint32_t));
    if (!grown) return -1;
    w->keys = grown;
    w->key_mask = size - 1;
    for (uint32_t i = 0; i < old_size; i++)
        if (old[i]) *hn_key_place(w, f, hn_at(f, old[i] - 1)->key) = old[i];
    free(old);
    return 0;
}

/* Close the gap, so that no probe ends before its key (Knuth, 6.4, algorithm R). */
static void hn_key_remove(hn_writer *w, const hn_file *f, uint64_t key) {
    uint32_t *place = hn_key_place(w, f, key);
    if (!*place) return;
    uint32_t gap = (uint32_t)(place - w->keys), at = gap;
    w->key_count--;
    for (;;) {
        w->keys[gap] = 0;
        for (;;) {
            at = (at + 1) & w->key_mask;
            if (!w->keys[at]) return;
            uint32_t home = (uint32_t)hn_hash(hn_at(f, w->keys[at] - 1)->key) & w->key_mask;
            if (((at - home) & w->key_mask) >= ((at - gap) & w->key_mask)) break;
        }
        w->keys[gap] = w->keys[at];
        gap = at;
    }
}

static int hn_room_of(uint32_t **list, uint32_t *room, uint32_t size) {
    if (size < *room) return 0;
    uint32_t more = *room ? *room * 2 : 1024, *grown = realloc(*list, more * sizeof(uint32_t));
    if (!grown) return -1;
    *list = grown;
    *room = more;
    return 0;
}

static int hn_free_push(hn_writer *w, uint32_t slot) {
    if (hn_room_of(&w->free_slots, &w->free_room, w->free_size)) return -1;
    w->free_slots[w->free_size++] = slot;
    return 0;
}

static int hn_dead_push(hn_writer *w, uint32_t slot) {
    if (w->dead_size == w->dead_room) {
        uint32_t old = w->dead_room;
        if (hn_room_of(&w->dead, &w->dead_room, w->dead_size)) return -1;
        /* The part that had wrapped around follows the rest now; the room doubled, so it fits. */
        memcpy(w->dead + old, w->dead, w->dead_first * sizeof(uint32_t));
    }
    w->dead[(w->dead_first + w->dead_size++) % w->dead_room] = slot;
    return 0;
}

static uint32_t hn_dead_unlink(hn_writer *w, hn_file *f) {
    uint32_t slot = w->dead[w->dead_first];
    w->dead_first = (w->dead_first + 1) % w->dead_room;
    w->dead_size--;
    hn_unlink(&w->link, f, slot);
    return slot;
}

static void hn_writer_free(hn_writer *w) {
    hn_search_free(&w->link.search);
    hn_search_free(&w->link.compare);
    free(w->keys);
    free(w->dead);
    free(w->free_slots);
    memset(w, 0, sizeof(*w));
}

static inline void hn_begin(hn_file *f, uint32_t slot) {
    HN_RELEASE(f->words + HN_W_IN_PROGRESS, (uint64_t)slot + 1);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

static inline void hn_end(hn_file *f) { HN_RELEASE(f->words + HN_W_IN_PROGRESS, 0); }

static inline void hn_torn(hn_node *node) { /* from here on whoever reads the slot leaves it out */
    HN_STORE(&node->sequence, node->sequence | 1);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

static inline void hn_settled(hn_node *node) { HN_RELEASE(&node->sequence, (node->sequence | 1) + 1); }

static int hn_remove_slot(hn_writer *w, hn_file *f, uint32_t slot) {
    hn_node *node = hn_at(f, slot);
    hn_key_remove(w, f, node->key);
    hn_begin(f, slot);
    HN_RELEASE(&node->alive, 0);
    hn_scope_remove(f, slot);
    HN_STORE(f->words + HN_W_LIVE, f->words[HN_W_LIVE] - 1);
    hn_end(f);
    return hn_dead_push(w, slot);
}

/* Dead slots in the graph cost every search their comparison: at most a quarter of it. */
static int hn_tidy(hn_writer *w, hn_file *f) {
    while (w->dead_size > 64 && w->dead_size > hn_count(f) / 4)
        if (hn_free_push(w, hn_dead_unlink(w, f))) return -1;
    return 0;
}

/* The slot for the next vector plus one: a free one, a dead one when there are many, a fresh one, any dead one; 0 when the
 * file has to grow first. */
static uint32_t hn_take_slot(hn_writer *w, hn_file *f, int may_grow) {
    uint32_t count = hn_count(f);
    if (w->free_size) return w->free_slots[--w->free_size] + 1;
    if (w->dead_size > 64 && w->dead_size > count / 8) return hn_dead_unlink(w, f) + 1;
    if (count < f->words[HN_W_CAPACITY]) return count + 1;
    return may_grow || !w->dead_size ? 0 : hn_dead_unlink(w, f) + 1;
}

static void hn_fill(hn_file *f, uint32_t slot, uint64_t scope, uint64_t key, const float *vector, uint32_t expires_s) {
    hn_node *node = hn_at(f, slot);
    uint8_t *code = hn_code(node);
    HN_STORE(&node->scope, scope);
    HN_STORE(&node->key, key);
    HN_STORE(&node->expires_s, expires_s);
    float scale, error;
    hn_quantise(vector, f->dim, (int8_t *)code, &scale, &error);
    for (uint32_t i = 0; i < f->code_bytes; i++) code[i] = i < f->dim ? code[i] ^ 0x80 : 0x80;
    node->scale = scale;
    node->error = error;
    if (f->vector_stride) memcpy(hn_vector(f, slot), vector, (size_t)f->dim * 4);
}

/* Finish what is linked: the slot has its own links. */
static void hn_publish(hn_file *f, uint32_t slot) {
    if (slot >= hn_count(f)) HN_RELEASE(f->words + HN_W_COUNT, (uint64_t)slot + 1);
}

/* A vector into a slot that `hn_take_slot` gave; its key is not there. 0, or -1 without memory. */
static int hn_put(hn_writer *w, hn_file *f, uint32_t slot, uint64_t scope, uint64_t key, const float *vector, uint32_t expires_s) {
    hn_node *node = hn_at(f, slot);
    if (hn_keys_room(w, f)) return -1;
    hn_begin(f, slot);
    hn_torn(node);
    hn_fill(f, slot, scope, key, vector, expires_s);
    int linked = hn_link_own(&w->link, f, slot, w->ef);
    HN_STORE(&node->alive, linked == 0);
    hn_settled(node);
    if (linked) {
        hn_end(f);
        if (slot < hn_count(f)) hn_free_push(w, slot);
        return -1;
    }
    hn_publish(f, slot);
    hn_link_others(&w->link, f, slot);
    hn_scope_add(f, slot);
    HN_STORE(f->words + HN_W_LIVE, f->words[HN_W_LIVE] + 1);
    hn_end(f);
    *hn_key_place(w, f, key) = slot + 1;
    w->key_count++;
    return 0;
}

/* A graph from nothing, after a writer that makes no links. */
static int hn_rebuild(hn_writer *w, hn_file *f) {
    uint32_t count = hn_count(f);
    HN_RELEASE(f->words + HN_W_ENTRY, 0);
    for (uint32_t slot = 0; slot < count; slot++)
        for (uint32_t at = hn_level(f, slot) + 1; at--;) hn_write_links(hn_links(f, slot, at), hn_room(f, at), NULL, 0);
    for (uint32_t slot = 0; slot < count; slot++) {
        if (!hn_at(f, slot)->alive) continue;
        if (hn_link_own(&w->link, f, slot, w->ef)) return -1;
        hn_link_others(&w->link, f, slot);
    }
    HN_RELEASE(f->words + HN_W_WHOLE, 1);
    return 0;
}

/* Finish what a killed writer had begun, and learn what the file holds. 0, or -1 without memory. */
static int hn_recover(hn_writer *w, hn_file *f) {
    uint32_t count = hn_count(f), changed = (uint32_t)f->words[HN_W_IN_PROGRESS];
    uint64_t live = 0;
    for (uint32_t slot = 0; slot < count; slot++) {
        hn_node *node = hn_at(f, slot);
        if (node->sequence & 1) { /* overwritten in part: its lists may be anything that was ever in them */
            HN_STORE(&node->alive, 0);
            hn_settled(node);
        }
        if (node->alive) {
            if (hn_keys_room(w, f)) return -1;
            uint32_t *place = hn_key_place(w, f, node->key);
            if (!*place) w->key_count++;
            *place = slot + 1;
            live++;
        } else if (hn_links(f, slot, 0)[0] || f->words[HN_W_ENTRY] == (uint64_t)slot + 1 ? hn_dead_push(w, slot) : hn_free_push(w, slot))
            return -1;
    }
    HN_STORE(f->words + HN_W_LIVE, live);
    /* Being cleared, or written by a twin that makes no links: anything may be unfinished. */
    if (changed && !f->words[HN_W_WHOLE]) hn_scopes_rebuild(f);
    else if (changed && changed <= count) hn_scopes_mend(f, hn_hash(hn_at(f, changed - 1)->scope) & f->bucket_mask);
    if (!f->words[HN_W_WHOLE]) {
        if (hn_rebuild(w, f)) return -1;
    } else if (changed && changed <= count && hn_at(f, changed - 1)->alive && f->words[HN_W_ENTRY] != changed) {
        if (hn_link_own(&w->link, f, changed - 1, w->ef)) return -1;
        hn_link_others(&w->link, f, changed - 1);
    }
    hn_end(f);
    return 0;
}

/* Forget all vectors; readers find none from here on. */
static void hn_clear(hn_writer *w, hn_file *f) {
    uint32_t count = hn_count(f);
    hn_begin(f, 0);
    HN_RELEASE(f->words + HN_W_WHOLE, 0); /* killed on the way: what is left is linked anew */
    for (uint32_t slot = 0; slot < count; slot++) {
        hn_node *node = hn_at(f, slot);
        HN_RELEASE(&node->alive, 0);
        HN_STORE(&node->sequence, node->sequence + 2);
    }
    HN_RELEASE(f->words + HN_W_ENTRY, 0);
    for (uint32_t i = 0; i <= f->bucket_mask; i++) HN_STORE(f->buckets + i, 0);
    HN_STORE(f->words + HN_W_LIVE, 0);
    HN_RELEASE(f->words + HN_W_COUNT, 0);
    HN_RELEASE(f->words + HN_W_GENERATION, f->words[HN_W_GENERATION] + 1);
    HN_RELEASE(f->words + HN_W_WHOLE, 1);
    hn_end(f);
    if (w->keys) memset(w->keys, 0, ((size_t)w->key_mask + 1) * sizeof(uint32_t));
    w->key_count = w->dead_size = w->dead_first = w->free_size = 0;
}

/* Remove what is over; how many, -1 without memory. */
static int64_t hn_expire(hn_writer *w, hn_file *f, uint32_t now_s) {
    uint32_t count = hn_count(f);
    int64_t removed = 0;
    for (uint32_t slot = 0; slot < count; slot++) {
        hn_node *node = hn_at(f, slot);
        if (!node->alive || !node->expires_s || node->expires_s > now_s) continue;
        if (hn_remove_slot(w, f, slot)) return -1;
        removed++;
    }
    return removed;
}

#endif
