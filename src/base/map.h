// SPDX-License-Identifier: MIT
// An index over the caller's memory: from a 64-bit hash to the slots of objects that have it.
//
// The map stores hashes and slots, never keys: a search yields candidates, and the caller, who owns
// the objects, compares keys. Open addressing with linear probing; removal shifts entries back, so
// there are no tombstones and a map that is used for weeks stays as fast as a new one. Hashes must
// be well spread (wend_hash with a random key).
//
// Entries lie at the front of the array at first and spread over twice as much whenever that is
// half full: a map with room for thousands touches a kilobyte while it has a few. The insertion
// that makes it spread takes as long as to insert all that is there.
//
//     struct wend_map_cursor c = wend_map_find(&map, hash);
//     uint32_t slot;
//     while (wend_map_next(&map, &c, &slot))
//         if (same_key(&objects[slot], key))
//             return &objects[slot];
//     return NULL;
//
// Not thread-safe. Owns no memory; no destructor.
#ifndef WEND_BASE_MAP_H
#define WEND_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wend_map_entry {
    uint64_t hash;
    uint32_t slot;
    uint32_t used; // 0 or 1
};

struct wend_map {
    struct wend_map_entry *entries;
    uint32_t mask;     // of the part in use
    uint32_t capacity; // of the whole
    uint32_t count;
};

// Position of a search; changing the map ends it.
struct wend_map_cursor {
    uint64_t hash;
    uint32_t at;
    uint32_t left; // entries not looked at yet
};

// How many entries an array of `capacity` may hold: seven eighths, so that probes stay short,
// and in a small one all but one, so that they end.
static inline uint32_t wend_map_limit(uint32_t capacity)
{
    return capacity < 8 ? capacity - 1 : capacity - capacity / 8;
}

// `capacity` is a power of two of at least 2. Clears the array.
void wend_map_init(struct wend_map *m, struct wend_map_entry *entries, uint32_t capacity);
// The same for entries that are zero already: none of them is touched before it is used.
void wend_map_init_zeroed(struct wend_map *m, struct wend_map_entry *entries, uint32_t capacity);

// Starts a search for entries with this hash.
struct wend_map_cursor wend_map_find(const struct wend_map *m, uint64_t hash);
// The next candidate, or false when there is none left.
bool wend_map_next(const struct wend_map *m, struct wend_map_cursor *c, uint32_t *ret_slot);

// Adds an entry; the caller searched first, equal entries are not looked for.
// Returns 0, or -ENOSPC when wend_map_limit is reached; the map is then unchanged.
int wend_map_insert(struct wend_map *m, uint64_t hash, uint32_t slot);

// Returns 0, or -ENOENT when no entry has this hash and slot.
int wend_map_remove(struct wend_map *m, uint64_t hash, uint32_t slot);

// Asserts the invariants; for tests and debug builds, walks the whole array.
void wend_map_check(const struct wend_map *m);

#endif
