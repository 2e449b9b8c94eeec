// SPDX-License-Identifier: MIT
// Timers of many objects: a binary heap over the caller's memory, the earliest deadline on top.
//
// An object embeds a wend_heap_node, which remembers its place, so that moving or removing a timer
// is O(log n) and asking whether it is set is O(1). Equal deadlines come out in the order in which
// they were set: the simulator and the daemon agree on what happens first. A zeroed node is unset.
//
// Objects must not move in memory while their node is set. Not thread-safe. Owns no memory.
#ifndef WEND_BASE_HEAP_H
#define WEND_BASE_HEAP_H

#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wend_heap_node {
    uint32_t place; // 1 + index among the entries; 0: unset
};

struct wend_heap_entry {
    wend_instant deadline;
    uint64_t sequence; // breaks ties
    struct wend_heap_node *node;
};

struct wend_heap {
    struct wend_heap_entry *entries;
    uint32_t capacity;
    uint32_t count;
    uint64_t sequence;
};

// The object that embeds `node` as its member `member`.
#define WEND_HEAP_OWNER(node, type, member)                                                        \
    ((type *)(void *)((char *)(node)-offsetof(type, member)))

// The entries need no initialisation.
void wend_heap_init(struct wend_heap *h, struct wend_heap_entry *entries, uint32_t capacity);

// Sets or moves a timer; WEND_NEVER unsets it.
// Returns 0, or -ENOSPC when the node was unset and the heap is full; nothing has changed then.
int wend_heap_set(struct wend_heap *h, struct wend_heap_node *node, wend_instant deadline);

// Unsets a timer; does nothing if it is unset.
void wend_heap_remove(struct wend_heap *h, struct wend_heap_node *node);

static inline bool wend_heap_has(const struct wend_heap_node *node)
{
    return node->place != 0;
}

// The earliest deadline, or WEND_NEVER.
static inline wend_instant wend_heap_deadline(const struct wend_heap *h)
{
    return h->count == 0 ? WEND_NEVER : h->entries[0].deadline;
}

// In the place of pop, for owners who most often set the timer again at once: that moves one entry
// once, where pop and set would move two.
//
//     struct wend_heap_due due;
//     while (wend_heap_begin(&heap, now, &due)) {
//         expire(WEND_HEAP_OWNER(due.node, struct object, timer));
//         wend_heap_end(&heap, &due);
//     }
struct wend_heap_due {
    struct wend_heap_node *node;
    uint64_t sequence;
};

// The earliest timer if its deadline is not after `now`; it stays set. False: none is due.
bool wend_heap_begin(const struct wend_heap *h, wend_instant now, struct wend_heap_due *ret);
// Unsets it, unless it was set anew or unset in the meantime. The object must still be there; that
// it was given to another use, and its timer with it, does no harm.
void wend_heap_end(struct wend_heap *h, const struct wend_heap_due *due);

// Takes out the earliest timer if its deadline is not after `now`; else NULL. Drain until NULL.
struct wend_heap_node *wend_heap_pop(struct wend_heap *h, wend_instant now);

// Asserts the invariants; for tests, walks the whole heap.
void wend_heap_check(const struct wend_heap *h);

#endif
