// SPDX-License-Identifier: MIT
#include "base/heap.h"

#include "base/assert.h"

#include <errno.h>

void wend_heap_init(struct wend_heap *h, struct wend_heap_entry *entries, uint32_t capacity)
{
    wend_assert(capacity < UINT32_MAX);
    *h = (struct wend_heap){.entries = entries, .capacity = capacity};
}

// What entries are ordered by: small enough to be handed on in registers.
struct key {
    wend_instant deadline;
    uint64_t sequence;
};

// Without a jump that nobody could foretell.
static bool is_before(struct key a, struct key b)
{
    return (a.deadline < b.deadline) | ((a.deadline == b.deadline) & (a.sequence < b.sequence));
}

static struct key key_at(const struct wend_heap *h, uint32_t index)
{
    return (struct key){h->entries[index].deadline, h->entries[index].sequence};
}

static void put(struct wend_heap *h, uint32_t index, struct key key, struct wend_heap_node *node)
{
    h->entries[index] = (struct wend_heap_entry){key.deadline, key.sequence, node};
    node->place = index + 1;
}

static void move(struct wend_heap *h, uint32_t from, uint32_t to)
{
    put(h, to, key_at(h, from), h->entries[from].node);
}

// The hole at `index` rises until `key` may stand there.
static uint32_t sift_up(struct wend_heap *h, uint32_t index, struct key key)
{
    while (index > 0) {
        const uint32_t parent = (index - 1) / 2;
        if (!is_before(key, key_at(h, parent)))
            break;
        move(h, parent, index);
        index = parent;
    }
    return index;
}

// The same, away from the top.
static uint32_t sift_down(struct wend_heap *h, uint32_t index, struct key key)
{
    for (;;) {
        uint64_t child = 2 * (uint64_t)index + 1;
        if (child >= h->count)
            break;
        if (child + 1 < h->count)
            child += is_before(key_at(h, (uint32_t)child + 1), key_at(h, (uint32_t)child));
        if (!is_before(key_at(h, (uint32_t)child), key))
            break;
        move(h, (uint32_t)child, index);
        index = (uint32_t)child;
    }
    return index;
}

// Puts `node` where it belongs; the hole at `index` may be too low or too high for it.
static void settle(struct wend_heap *h, uint32_t index, struct key key, struct wend_heap_node *node)
{
    if (index > 0 && is_before(key, key_at(h, (index - 1) / 2)))
        index = sift_up(h, index, key);
    else
        index = sift_down(h, index, key);
    put(h, index, key, node);
}

int wend_heap_set(struct wend_heap *h, struct wend_heap_node *node, wend_instant deadline)
{
    if (deadline == WEND_NEVER) {
        wend_heap_remove(h, node);
        return 0;
    }
    if (!wend_heap_has(node)) {
        if (h->count == h->capacity)
            return -ENOSPC;
        node->place = ++h->count;
    }
    wend_assert(node->place <= h->count);
    settle(h, node->place - 1, (struct key){deadline, h->sequence++}, node);
    return 0;
}

void wend_heap_remove(struct wend_heap *h, struct wend_heap_node *node)
{
    if (!wend_heap_has(node))
        return;
    const uint32_t index = node->place - 1;
    wend_assert(index < h->count && h->entries[index].node == node);
    node->place = 0;
    const uint32_t last = --h->count;
    if (index < last)
        settle(h, index, key_at(h, last), h->entries[last].node);
}

bool wend_heap_begin(const struct wend_heap *h, wend_instant now, struct wend_heap_due *ret)
{
    if (wend_heap_deadline(h) > now || h->count == 0)
        return false;
    *ret = (struct wend_heap_due){h->entries[0].node, h->entries[0].sequence};
    return true;
}

void wend_heap_end(struct wend_heap *h, const struct wend_heap_due *due)
{
    const uint32_t place = due->node->place;

    if (place != 0 && h->entries[place - 1].sequence == due->sequence)
        wend_heap_remove(h, due->node);
}

struct wend_heap_node *wend_heap_pop(struct wend_heap *h, wend_instant now)
{
    if (h->count == 0 || h->entries[0].deadline > now)
        return NULL;
    struct wend_heap_node *node = h->entries[0].node;
    wend_heap_remove(h, node);
    return node;
}

void wend_heap_check(const struct wend_heap *h)
{
    wend_assert(h->count <= h->capacity);
    for (uint32_t i = 0; i < h->count; i++) {
        wend_assert(h->entries[i].node->place == i + 1);
        wend_assert(i == 0 || !is_before(key_at(h, i), key_at(h, (i - 1) / 2)));
    }
}
