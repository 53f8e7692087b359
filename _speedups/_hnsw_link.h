/* The graph's links, as its one writer makes and mends them. Every store leaves lists that a reader can follow. */
#ifndef MICROGATE_HNSW_LINK_H
#define MICROGATE_HNSW_LINK_H

#include "_hnsw_search.h"

/* What linking needs beside the search itself: a second query, and lists of candidates. */
typedef struct {
    hn_search search, compare;
    hn_scored candidates[2 * HN_MOST_LINKS + 2], entries[HN_MOST_LINKS];
} hn_linker;

static void hn_write_links(uint32_t *links, uint32_t room, const uint32_t *slots, uint32_t size) {
    for (uint32_t i = 0; i < size; i++) HN_RELEASE(links + i, slots[i] + 1);
    for (uint32_t i = size; i < room && links[i]; i++) HN_RELEASE(links + i, 0);
}

/* Algorithm 4 of arXiv 1603.09320: of candidates in order, the best first, those that are nearer to the base than to any
 * chosen before, up to `most`. Of equal vectors one is chosen: else a question that a thousand callers ask would be
 * an island. */
static uint32_t hn_select(hn_search *compare, const hn_file *f, const hn_scored *candidates, size_t size, uint32_t most, uint32_t *chosen) {
    uint32_t found = 0;
    for (size_t i = 0; i < size && found < most; i++) {
        uint32_t slot = (uint32_t)candidates[i];
        float near = hn_score(candidates[i]);
        if (found) hn_search_slot(compare, f, slot);
        uint32_t k = 0;
        while (k < found && hn_rate(compare, f, hn_at(f, chosen[k])) < near) k++;
        if (k == found) chosen[found++] = slot;
    }
    return found;
}

static int hn_descending(const void *a, const void *b) {
    hn_scored x = *(const hn_scored *)a, y = *(const hn_scored *)b;
    return (x < y) - (x > y);
}

/* Candidates for the links of `base`: what list has them, alive, not `base` itself and not there yet. */
static size_t hn_gather(hn_linker *w, const hn_file *f, uint32_t base, const uint32_t *links, uint32_t room, size_t size) {
    for (uint32_t i = 0; i < room && links[i]; i++) {
        uint32_t slot = links[i] - 1;
        if (slot == base || !hn_at(f, slot)->alive) continue;
        size_t k = 0;
        while (k < size && (uint32_t)w->candidates[k] != slot) k++;
        if (k == size) w->candidates[size++] = hn_pack(hn_rate(&w->search, f, hn_at(f, slot)), slot);
    }
    return size;
}

/* The best of the candidates become the links of `base`; without any it keeps those to the dead, as a way on. */
static void hn_relist(hn_linker *w, hn_file *f, uint32_t base, uint32_t level, size_t size) {
    if (!size) return;
    uint32_t chosen[HN_MOST_LINKS], room = hn_room(f, level);
    qsort(w->candidates, size, sizeof(hn_scored), hn_descending);
    hn_write_links(hn_links(f, base, level), room, chosen, hn_select(&w->compare, f, w->candidates, size, room, chosen));
}

/* A link from `base` to `slot`, for which the others may have to make room. */
static void hn_link_back(hn_linker *w, hn_file *f, uint32_t base, uint32_t slot, uint32_t level) {
    uint32_t *links = hn_links(f, base, level), room = hn_room(f, level), new[2] = {slot + 1, 0};
    for (uint32_t i = 0; i < room; i++) {
        if (links[i] == slot + 1) return;
        if (!links[i]) {
            HN_RELEASE(links + i, slot + 1);
            return;
        }
    }
    hn_search_slot(&w->search, f, base);
    size_t size = hn_gather(w, f, base, links, room, 0);
    hn_relist(w, f, base, level, hn_gather(w, f, base, new, 1, size));
}

/* Links of a slot whose vector is in place, into its own lists, which nobody follows yet. 0, or -1 without memory. */
static int hn_link_own(hn_linker *w, hn_file *f, uint32_t slot, uint32_t ef) {
    uint32_t count = hn_count(f), entry = (uint32_t)f->words[HN_W_ENTRY], level = hn_level(f, slot);
    uint32_t chosen[HN_MOST_LINKS];
    hn_filter want = {.all = 1, .except = slot + 1};
    for (uint32_t at = 0; at <= level; at++) hn_write_links(hn_links(f, slot, at), hn_room(f, at), NULL, 0);
    if (!entry || entry > count) return 0;
    uint32_t top = hn_level(f, entry - 1);
    hn_search_slot(&w->search, f, slot);
    size_t entries = 1;
    w->entries[0] = hn_descend(&w->search, f, entry - 1, level, count, slot + 1);
    for (uint32_t at = level < top ? level : top;; at--) {
        if (hn_search_begin(&w->search, count > slot ? count : slot + 1, ef)) return -1;
        w->search.visited[slot] = w->search.stamp;
        if (hn_walk(&w->search, f, at, count, ef, &want, w->entries, entries)) return -1;
        uint32_t size = hn_select(&w->compare, f, w->search.found, w->search.found_size, f->m, chosen);
        hn_write_links(hn_links(f, slot, at), hn_room(f, at), chosen, size);
        if (!at) return 0;
        if (w->search.found_size) {
            entries = w->search.found_size < f->m ? w->search.found_size : f->m;
            memcpy(w->entries, w->search.found, entries * sizeof(hn_scored));
        }
    }
}

/* Links from others to a slot that has its own. */
static void hn_link_others(hn_linker *w, hn_file *f, uint32_t slot) {
    uint32_t entry = (uint32_t)f->words[HN_W_ENTRY], level = hn_level(f, slot), others[HN_MOST_LINKS];
    for (uint32_t at = 0; at <= level; at++) {
        const uint32_t *links = hn_links(f, slot, at);
        uint32_t size = 0;
        for (; size < f->m && links[size]; size++) others[size] = links[size] - 1;
        for (uint32_t i = 0; i < size; i++) hn_link_back(w, f, others[i], slot, at);
    }
    /* Alone: whatever was reachable is dead. */
    if (!entry || level > hn_level(f, entry - 1) || !hn_links(f, slot, 0)[0]) HN_RELEASE(f->words + HN_W_ENTRY, slot + 1);
}

/* Some slot that is alive, as high as there is one, plus one; 0 when there is none. */
static uint32_t hn_another_entry(const hn_file *f) {
    uint32_t count = hn_count(f);
    for (uint32_t level = f->levels; level--;)
        for (uint32_t group = 0; (uint64_t)group << f->shift * level < count; group++) {
            uint32_t slot = hn_standing(f, group, level);
            if (slot < count && hn_at(f, slot)->alive) return slot + 1;
        }
    return 0;
}

/* Links that lead to a node whose way may be gone; with 2 some were lost when a file shrank to a fifth and grew again. */
#define HN_BACK 4

/* Take a dead slot out of the graph: those that link to it and that it links to are linked to each other instead. Lists that
 * it does not link back to may still name it, until they are chosen anew: they lead nowhere, or to its next vector. */
static void hn_unlink(hn_linker *w, hn_file *f, uint32_t slot) {
    if (f->words[HN_W_ENTRY] == (uint64_t)slot + 1) HN_RELEASE(f->words + HN_W_ENTRY, hn_another_entry(f));
    for (uint32_t at = hn_level(f, slot) + 1; at--;) {
        uint32_t *links = hn_links(f, slot, at), room = hn_room(f, at), base;
        for (uint32_t i = 0; i < room && links[i]; i++) {
            const uint32_t *theirs = hn_links(f, base = links[i] - 1, at);
            uint32_t k = 0;
            while (k < room && theirs[k] && theirs[k] != slot + 1) k++;
            if (k == room || theirs[k] != slot + 1) continue;
            hn_search_slot(&w->search, f, base);
            size_t size = hn_gather(w, f, base, theirs, room, 0);
            hn_relist(w, f, base, at, hn_gather(w, f, base, links, room, size));
        }
        /* Who lost a link from here may have had no other: those it links to link back, as when it came. */
        uint32_t orphans[HN_MOST_LINKS], count = 0;
        for (uint32_t i = 0; i < room && links[i]; i++)
            if (hn_at(f, links[i] - 1)->alive) orphans[count++] = links[i] - 1;
        hn_write_links(links, room, NULL, 0);
        for (uint32_t i = 0; i < count; i++) {
            const uint32_t *theirs = hn_links(f, orphans[i], at);
            uint32_t others[HN_BACK], size = 0;
            for (uint32_t k = 0; k < room && theirs[k] && size < HN_BACK; k++)
                if (theirs[k] != slot + 1) others[size++] = theirs[k] - 1;
            for (uint32_t k = 0; k < size; k++) hn_link_back(w, f, others[k], orphans[i], at);
        }
    }
}

#endif
