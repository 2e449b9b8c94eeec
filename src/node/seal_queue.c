// SPDX-License-Identifier: MIT
#include "node/seal_state.h"

#include "base/assert.h"

static uint32_t take_cell(struct wend_seal *s)
{
    const uint32_t cell = s->cells_free;
    if (cell != WEND_SEAL_NO_CELL) {
        s->cells_free = s->cells[cell].next;
        return cell;
    }
    return s->cells_used < WEND_SEAL_CELLS ? s->cells_used++ : WEND_SEAL_NO_CELL;
}

static void count_drop(struct wend_seal *s, struct wend_seal_slot *p)
{
    struct wend_plane_stats *stats = &s->config.stats[wend_seal_number(s, p)];
    atomic_fetch_add_explicit(&stats->queue_dropped, 1, memory_order_relaxed);
    wend_drops_add(&s->drops, WEND_DROP_QUEUE_FULL);
}

void wend_seal_queue_pop(struct wend_seal *s, struct wend_seal_slot *p)
{
    wend_assert(p->count > 0);
    const uint32_t cell = p->first;
    p->first = s->cells[cell].next;
    p->count--;
    s->cells[cell].next = s->cells_free;
    s->cells_free = cell;
}

void wend_seal_queue_drop(struct wend_seal *s, struct wend_seal_slot *p)
{
    while (p->count > 0) {
        wend_seal_queue_pop(s, p);
        count_drop(s, p);
    }
}

struct wend_seal_cell *wend_seal_queue_push(struct wend_seal *s, struct wend_seal_slot *p)
{
    uint32_t cell = WEND_SEAL_NO_CELL;
    if (p->count < WEND_SEAL_QUEUE_MAX)
        cell = take_cell(s);
    if (cell == WEND_SEAL_NO_CELL) {
        count_drop(s, p); // its oldest, or the new one if it has none
        if (p->count == 0)
            return NULL;
        wend_seal_queue_pop(s, p);
        cell = take_cell(s);
    }
    if (p->count == 0)
        p->first = cell;
    else
        s->cells[p->last].next = cell;
    p->last = cell;
    p->count++;
    s->cells[cell].next = WEND_SEAL_NO_CELL;
    return &s->cells[cell];
}
