// SPDX-License-Identifier: MIT
#include <string.h>

#include "base/assert.h"
#include "node/seal_state.h"

static uint32_t take_cell(struct wend_seal *s)
{
    const uint32_t cell = s->cells_free;
    if (cell != WEND_SEAL_NO_CELL) {
        s->cells_free = s->cells[cell].next;
        return cell;
    }
    return s->cells_used < WEND_SEAL_CELLS ? s->cells_used++ : WEND_SEAL_NO_CELL;
}

static void free_cell(struct wend_seal *s, uint32_t cell)
{
    s->cells[cell].next = s->cells_free;
    s->cells_free = cell;
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
    if (p->early > 0)
        p->early--;
    free_cell(s, cell);
}

// The oldest one that the node has not taken as early data: those are likely to arrive all the
// same, and what becomes of them is known soon. Returns false when there is none.
static bool drop_oldest(struct wend_seal *s, struct wend_seal_slot *p)
{
    if (p->count == p->early)
        return false;
    uint32_t *link = &p->first, before = WEND_SEAL_NO_CELL;
    for (uint32_t i = 0; i < p->early; i++) {
        before = *link;
        link = &s->cells[before].next;
    }
    const uint32_t cell = *link;
    *link = s->cells[cell].next;
    if (p->last == cell)
        p->last = before;
    p->count--;
    free_cell(s, cell);
    return true;
}

void wend_seal_queue_drop(struct wend_seal *s, struct wend_seal_slot *p)
{
    while (p->count > 0) {
        wend_seal_queue_pop(s, p);
        count_drop(s, p);
    }
    p->early_told = 0;
}

struct wend_seal_cell *wend_seal_queue_push(struct wend_seal *s, struct wend_seal_slot *p)
{
    uint32_t cell = WEND_SEAL_NO_CELL;
    if (p->count < WEND_SEAL_QUEUE_MAX)
        cell = take_cell(s);
    if (cell == WEND_SEAL_NO_CELL) {
        count_drop(s, p); // its oldest, or the new one if it has none
        if (!drop_oldest(s, p))
            return NULL;
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

// ---- Early data ----

void wend_seal_tell_early(struct wend_seal *s, struct wend_seal_slot *p, struct wend_notice *ret)
{
    if (p->early_told > 0)
        return;
    uint32_t cell = p->first;
    for (uint32_t i = 0; i < p->count; i++, cell = s->cells[cell].next) {
        const struct wend_seal_cell *c = &s->cells[cell];
        if (c->len > WEND_EARLY_MAX - ret->early_len)
            break;
        memcpy(ret->early + ret->early_len, c->bytes, c->len);
        ret->early_len = (uint16_t)(ret->early_len + c->len);
        ret->early_count++;
    }
    p->early = p->early_told = (uint8_t)ret->early_count;
}

void wend_seal_early_done(struct wend_seal *s, struct wend_seal_slot *p, uint32_t count)
{
    struct wend_plane_stats *stats = &s->config.stats[wend_seal_number(s, p)];
    const uint32_t flushed = (uint32_t)(p->early_told - p->early); // before the verdict came
    while (p->early > 0 && count > flushed) {
        wend_seal_add(&stats->sent_packets, 1);
        wend_seal_add(&stats->sent_bytes, s->cells[p->first].len);
        wend_seal_queue_pop(s, p);
        count--;
    }
    p->early = p->early_told = 0;
}
