// SPDX-License-Identifier: MIT
// Invariant: from an entry's home (its hash, masked) to the entry itself there is no unused place.
// So a search ends at the first unused place, and removal must close the gap it makes.
//
// Only the first mask + 1 places are in use; those behind are zero.
#include "base/map.h"

#include "base/assert.h"

#include <errno.h>
#include <string.h>

#define FIRST 64 // places in use at first

void wend_map_init(struct wend_map *m, struct wend_map_entry *entries, uint32_t capacity)
{
    memset(entries, 0, capacity * sizeof(*entries));
    wend_map_init_zeroed(m, entries, capacity);
}

void wend_map_init_zeroed(struct wend_map *m, struct wend_map_entry *entries, uint32_t capacity)
{
    wend_assert(capacity >= 2 && (capacity & (capacity - 1)) == 0);
    const uint32_t first = capacity < FIRST ? capacity : FIRST;
    *m = (struct wend_map){.entries = entries, .mask = first - 1, .capacity = capacity};
}

static uint32_t home_of(const struct wend_map *m, uint64_t hash)
{
    return (uint32_t)hash & m->mask;
}

// How many steps `at` is behind the home of the entry that sits there.
static uint32_t distance_at(const struct wend_map *m, uint32_t at)
{
    return (at - home_of(m, m->entries[at].hash)) & m->mask;
}

struct wend_map_cursor wend_map_find(const struct wend_map *m, uint64_t hash)
{
    return (struct wend_map_cursor){.hash = hash, .at = home_of(m, hash), .left = m->mask + 1};
}

bool wend_map_next(const struct wend_map *m, struct wend_map_cursor *c, uint32_t *ret_slot)
{
    while (c->left > 0) {
        const struct wend_map_entry *e = &m->entries[c->at];
        if (!e->used)
            break;
        c->at = (c->at + 1) & m->mask;
        c->left--;
        if (e->hash == c->hash) {
            *ret_slot = e->slot;
            return true;
        }
    }
    c->left = 0;
    return false;
}

static void put(struct wend_map *m, uint64_t hash, uint32_t slot)
{
    uint32_t at = home_of(m, hash);
    while (m->entries[at].used)
        at = (at + 1) & m->mask;
    m->entries[at] = (struct wend_map_entry){.hash = hash, .slot = slot, .used = 1};
}

// Spreads entries over twice as many places: the home of each is where it was, or that far behind.
// They are taken out and put in again one after the other, from an unused place on, so each run in
// its order. Then an entry finds a place no further from its new home than it had from its old one,
// or, of the run that began before the end and went on at the front, one behind the old end: it
// passes over none that is still to be moved and would leave a gap. The runs at the front come
// last, and as no half is more than half full, none of them gets from its new home to the end of
// the array.
static void spread(struct wend_map *m)
{
    const uint32_t before = m->mask + 1;
    uint32_t unused = 0;
    while (m->entries[unused].used)
        unused++;
    m->mask = 2 * before - 1;
    for (uint32_t i = 1; i < before; i++) {
        struct wend_map_entry *e = &m->entries[(unused + i) & (before - 1)];
        const struct wend_map_entry moved = *e;
        *e = (struct wend_map_entry){0};
        if (moved.used)
            put(m, moved.hash, moved.slot);
    }
}

int wend_map_insert(struct wend_map *m, uint64_t hash, uint32_t slot)
{
    if (m->count >= wend_map_limit(m->capacity))
        return -ENOSPC;
    if (m->count > m->mask / 2 && m->mask + 1 < m->capacity)
        spread(m);
    put(m, hash, slot);
    m->count++;
    return 0;
}

// Moves later entries of the run into the gap as long as that brings them nearer to their home.
static void close_gap(struct wend_map *m, uint32_t gap)
{
    for (uint32_t at = (gap + 1) & m->mask; m->entries[at].used; at = (at + 1) & m->mask) {
        if (distance_at(m, at) < ((at - gap) & m->mask))
            continue; // its home lies behind the gap
        m->entries[gap] = m->entries[at];
        gap = at;
    }
    m->entries[gap] = (struct wend_map_entry){0};
}

int wend_map_remove(struct wend_map *m, uint64_t hash, uint32_t slot)
{
    uint32_t at = home_of(m, hash);
    for (; m->entries[at].used; at = (at + 1) & m->mask) {
        if (m->entries[at].hash == hash && m->entries[at].slot == slot) {
            close_gap(m, at);
            m->count--;
            return 0;
        }
    }
    return -ENOENT;
}

void wend_map_check(const struct wend_map *m)
{
    uint32_t used = 0;
    for (uint32_t at = 0; at <= m->mask; at++) {
        if (!m->entries[at].used)
            continue;
        used++;
        for (uint32_t i = 1, steps = distance_at(m, at); i <= steps; i++)
            wend_assert(m->entries[(at - i) & m->mask].used);
    }
    wend_assert(used == m->count && used <= m->mask && m->mask < m->capacity);
}
