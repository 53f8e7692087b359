/* Which slots belong to a scope: a table of buckets, each a chain of scopes, each scope a chain of its slots with their
 * number in its head. The writer changes chains so that a reader always walks along one that leads somewhere; it compares
 * all 64 bits of the scope at every step, since a slot it stands on may be given to another scope. */
#ifndef MICROGATE_HNSW_SCOPES_H
#define MICROGATE_HNSW_SCOPES_H

#include "_hnsw_file.h"

static inline uint32_t *hn_bucket(const hn_file *f, uint64_t scope) {
    return f->buckets + (hn_hash(scope) & f->bucket_mask);
}

/* The head of a scope, plus one; 0 when it has no slot. */
static uint32_t hn_scope_head(const hn_file *f, uint64_t scope) {
    uint32_t count = hn_count(f), link = HN_ACQUIRE(hn_bucket(f, scope));
    for (uint32_t steps = 0; link && link <= count && steps <= count; steps++) {
        hn_node *node = hn_at(f, link - 1);
        if (HN_LOAD(&node->scope) == scope) return link;
        link = HN_ACQUIRE(&node->next_scope);
    }
    return 0;
}

static void hn_scope_add(hn_file *f, uint32_t slot) {
    hn_node *node = hn_at(f, slot);
    uint32_t head = hn_scope_head(f, node->scope);
    HN_STORE(&node->before, head);
    if (head) { /* behind the head */
        hn_node *first = hn_at(f, head - 1);
        HN_STORE(&node->next, first->next);
        if (first->next) HN_STORE(&hn_at(f, first->next - 1)->before, slot + 1);
        HN_RELEASE(&first->next, slot + 1);
        HN_STORE(&first->members, first->members + 1);
    } else {
        uint32_t *bucket = hn_bucket(f, node->scope);
        HN_STORE(&node->next, 0);
        HN_STORE(&node->members, 1);
        HN_STORE(&node->next_scope, *bucket);
        HN_RELEASE(bucket, slot + 1);
    }
}

/* The slot keeps its own `next` and `next_scope`: a reader that stands on it finds its way on. */
static void hn_scope_remove(hn_file *f, uint32_t slot) {
    hn_node *node = hn_at(f, slot);
    uint32_t head = hn_scope_head(f, node->scope);
    if (!head) return;
    if (head != slot + 1) {
        hn_node *first = hn_at(f, head - 1);
        if (!node->before) return;
        HN_RELEASE(&hn_at(f, node->before - 1)->next, node->next);
        if (node->next) HN_STORE(&hn_at(f, node->next - 1)->before, node->before);
        HN_STORE(&first->members, first->members - 1);
        return;
    }
    uint32_t follower = node->next_scope, *place = hn_bucket(f, node->scope);
    if (node->next) {
        hn_node *heir = hn_at(f, node->next - 1);
        HN_STORE(&heir->members, node->members - 1);
        HN_STORE(&heir->next_scope, follower);
        HN_STORE(&heir->before, 0);
        follower = node->next;
    }
    while (*place && *place != slot + 1) place = &hn_at(f, *place - 1)->next_scope;
    if (*place) HN_RELEASE(place, follower);
}

/* After a writer was killed between two stores of a change: the chains of one bucket anew, from what the slots say. */
static void hn_scopes_mend(hn_file *f, uint32_t bucket) {
    uint32_t count = hn_count(f);
    HN_STORE(f->buckets + bucket, 0);
    for (uint32_t slot = 0; slot < count; slot++) {
        hn_node *node = hn_at(f, slot);
        if ((hn_hash(node->scope) & f->bucket_mask) != bucket) continue;
        HN_STORE(&node->next, 0);
        HN_STORE(&node->before, 0);
        HN_STORE(&node->next_scope, 0);
        HN_STORE(&node->members, 0);
        if (node->alive) hn_scope_add(f, slot);
    }
}

/* The same of all buckets. */
static void hn_scopes_rebuild(hn_file *f) {
    uint32_t count = hn_count(f);
    for (uint32_t i = 0; i <= f->bucket_mask; i++) HN_STORE(f->buckets + i, 0);
    for (uint32_t slot = 0; slot < count; slot++)
        if (hn_at(f, slot)->alive) hn_scope_add(f, slot);
}

#endif
