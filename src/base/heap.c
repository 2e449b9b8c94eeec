// SPDX-License-Identifier: MIT
#include "base/heap.h"

#include "base/assert.h"

#include <errno.h>

void wend_heap_init(struct wend_heap *h, struct wend_heap_entry *entries, uint32_t capacity)
{
    wend_assert(capacity < UINT32_MAX);
    *h = (struct wend_heap){.entries = entries, .capacity = capacity};
}

static bool is_before(const struct wend_heap_entry *a, const struct wend_heap_entry *b)
{
    if (a->deadline != b->deadline)
        return a->deadline < b->deadline;
    return a->sequence < b->sequence;
}

static void put(struct wend_heap *h, uint32_t index, struct wend_heap_entry e)
{
    h->entries[index] = e;
    e.node->place = index + 1;
}

// Finds a place for `e`, starting at the hole at `index` and going towards the top.
static void sift_up(struct wend_heap *h, uint32_t index, struct wend_heap_entry e)
{
    while (index > 0) {
        const uint32_t parent = (index - 1) / 2;
        if (!is_before(&e, &h->entries[parent]))
            break;
        put(h, index, h->entries[parent]);
        index = parent;
    }
    put(h, index, e);
}

// The same, away from the top.
static void sift_down(struct wend_heap *h, uint32_t index, struct wend_heap_entry e)
{
    for (;;) {
        uint64_t child = 2 * (uint64_t)index + 1;
        if (child >= h->count)
            break;
        if (child + 1 < h->count && is_before(&h->entries[child + 1], &h->entries[child]))
            child++;
        if (!is_before(&h->entries[child], &e))
            break;
        put(h, index, h->entries[child]);
        index = (uint32_t)child;
    }
    put(h, index, e);
}

// Puts `e` where it belongs; the hole at `index` may be too low or too high for it.
static void settle(struct wend_heap *h, uint32_t index, struct wend_heap_entry e)
{
    if (index > 0 && is_before(&e, &h->entries[(index - 1) / 2]))
        sift_up(h, index, e);
    else
        sift_down(h, index, e);
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
    const struct wend_heap_entry e = {deadline, h->sequence++, node};
    settle(h, node->place - 1, e);
    return 0;
}

void wend_heap_remove(struct wend_heap *h, struct wend_heap_node *node)
{
    if (!wend_heap_has(node))
        return;
    const uint32_t index = node->place - 1;
    wend_assert(index < h->count && h->entries[index].node == node);
    node->place = 0;
    const struct wend_heap_entry last = h->entries[--h->count];
    if (index < h->count)
        settle(h, index, last);
}

wend_instant wend_heap_deadline(const struct wend_heap *h)
{
    return h->count == 0 ? WEND_NEVER : h->entries[0].deadline;
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
        wend_assert(i == 0 || !is_before(&h->entries[i], &h->entries[(i - 1) / 2]));
    }
}
