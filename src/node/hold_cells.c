// SPDX-License-Identifier: MIT
// Cells of the resequencer. One is free, in the order of a peer, ready, or borrowed.
#include "base/assert.h"
#include "node/hold.h"

void wend_hold_pool_init(struct wend_hold_pool *p)
{
    p->ready = (struct wend_hold_list){WEND_HOLD_NO_CELL, WEND_HOLD_NO_CELL};
    p->borrowed = p->ready;
    p->free = WEND_HOLD_NO_CELL;
    wend_heap_init(&p->timers, p->entries, WEND_HOLD_PEERS);
}

static void append(struct wend_hold_pool *p, struct wend_hold_list *l, uint32_t at)
{
    p->cells[at].next = WEND_HOLD_NO_CELL;
    if (l->last == WEND_HOLD_NO_CELL)
        l->first = at;
    else
        p->cells[l->last].next = at;
    l->last = at;
}

static uint32_t remove_first(struct wend_hold_pool *p, struct wend_hold_list *l)
{
    const uint32_t at = l->first;
    l->first = p->cells[at].next;
    if (l->first == WEND_HOLD_NO_CELL)
        l->last = WEND_HOLD_NO_CELL;
    return at;
}

static uint32_t take(struct wend_hold_pool *p)
{
    wend_assert(wend_hold_has_room(p));
    p->taken++;
    if (p->free == WEND_HOLD_NO_CELL)
        return p->used_before++;
    const uint32_t at = p->free;
    p->free = p->cells[at].next;
    return at;
}

static void give_back(struct wend_hold_pool *p, uint32_t at)
{
    p->cells[at].next = p->free;
    p->free = at;
    p->taken--;
}

// ---- In the order of a peer ----

static bool is_after(const struct wend_hold_cell *c, const struct wend_hold_message *m)
{
    return c->pair != m->pair ? c->pair > m->pair : c->counter > m->counter;
}

static bool is_nearer_to_oldest(const struct wend_hold_pool *p, const struct wend_hold *h,
                                const struct wend_hold_message *m)
{
    const struct wend_hold_cell *oldest = &p->cells[h->oldest], *last = &p->cells[h->last];
    return oldest->pair == m->pair && last->pair == m->pair && m->counter < last->counter &&
           m->counter > oldest->counter &&
           m->counter - oldest->counter < last->counter - m->counter;
}

// The cell that is to follow the message; NO_CELL: it becomes the last.
static uint32_t find_successor(const struct wend_hold_pool *p, const struct wend_hold *h,
                               const struct wend_hold_message *m)
{
    if (h->count == 0)
        return WEND_HOLD_NO_CELL;
    uint32_t at;
    if (is_nearer_to_oldest(p, h, m)) {
        for (at = h->oldest; !is_after(&p->cells[at], m); at = p->cells[at].next)
            continue;
        return at;
    }
    uint32_t successor = WEND_HOLD_NO_CELL;
    for (at = h->last; at != WEND_HOLD_NO_CELL && is_after(&p->cells[at], m);
         at = p->cells[at].previous)
        successor = at;
    return successor;
}

static void link(struct wend_hold_pool *p, struct wend_hold *h, uint32_t at, uint32_t successor)
{
    struct wend_hold_cell *c = &p->cells[at];
    c->next = successor;
    c->previous = WEND_HOLD_NO_CELL;
    if (successor != WEND_HOLD_NO_CELL)
        c->previous = p->cells[successor].previous;
    else if (h->count > 0)
        c->previous = h->last;
    if (c->previous != WEND_HOLD_NO_CELL)
        p->cells[c->previous].next = at;
    else
        h->oldest = at;
    if (successor != WEND_HOLD_NO_CELL)
        p->cells[successor].previous = at;
    else
        h->last = at;
    h->count++;
}

// One that is put before others leaves with them, so it is as if it had waited as long.
void wend_hold_insert(struct wend_hold_pool *p, struct wend_hold *h,
                      const struct wend_hold_message *m, wend_instant now)
{
    wend_assert(m->packet.len <= WEND_HOLD_CELL_LEN);
    const uint32_t successor = find_successor(p, h, m);
    const uint32_t at = take(p);
    struct wend_hold_cell *c = &p->cells[at];
    c->counter = m->counter;
    c->pair = m->pair;
    c->slot = m->slot;
    c->since = successor == WEND_HOLD_NO_CELL ? now : p->cells[successor].since;
    c->len = (uint16_t)m->packet.len;
    if (c->len > 0)
        memcpy(p->bytes[at], m->packet.at, c->len);
    link(p, h, at, successor);
}

static uint32_t unlink_oldest(struct wend_hold_pool *p, struct wend_hold *h)
{
    const uint32_t at = h->oldest;
    h->oldest = p->cells[at].next;
    if (--h->count > 0)
        p->cells[h->oldest].previous = WEND_HOLD_NO_CELL;
    return at;
}

void wend_hold_release_oldest(struct wend_hold_pool *p, struct wend_hold *h)
{
    const uint32_t at = unlink_oldest(p, h);
    if (p->cells[at].len > 0)
        append(p, &p->ready, at);
    else
        give_back(p, at);
}

// ---- Out ----

uint8_t *wend_hold_next(struct wend_hold_pool *p, uint32_t *ret_slot, size_t *ret_len)
{
    if (p->ready.first == WEND_HOLD_NO_CELL)
        return NULL;
    const uint32_t at = remove_first(p, &p->ready);
    append(p, &p->borrowed, at);
    *ret_slot = p->cells[at].slot;
    *ret_len = p->cells[at].len;
    return p->bytes[at];
}

void wend_hold_return(struct wend_hold_pool *p)
{
    while (p->borrowed.first != WEND_HOLD_NO_CELL)
        give_back(p, remove_first(p, &p->borrowed));
}

void wend_hold_close(struct wend_hold_pool *p, struct wend_hold *h, uint32_t slot)
{
    while (h->count > 0)
        give_back(p, unlink_oldest(p, h));
    struct wend_hold_list ready = p->ready;
    p->ready = (struct wend_hold_list){WEND_HOLD_NO_CELL, WEND_HOLD_NO_CELL};
    while (ready.first != WEND_HOLD_NO_CELL) {
        const uint32_t at = remove_first(p, &ready);
        if (p->cells[at].slot == slot)
            give_back(p, at);
        else
            append(p, &p->ready, at);
    }
    wend_heap_remove(&p->timers, &h->timer);
    *h = (struct wend_hold){0};
}

// ---- Invariants ----

void wend_hold_check(const struct wend_hold_pool *p, const struct wend_hold *h)
{
    uint32_t count = 0;
    wend_assert(h->count < WEND_HOLD_PEER_MAX);
    wend_assert((h->count == 0) == !wend_heap_has(&h->timer));
    for (uint32_t at = h->oldest; count < h->count; at = p->cells[at].next, count++) {
        const struct wend_hold_cell *c = &p->cells[at];
        const struct wend_hold_place place = {c->pair, c->counter};
        wend_assert(at < p->used_before && !wend_hold_is_before(place, h->at));
        wend_assert(count + 1 < h->count ? c->next != WEND_HOLD_NO_CELL : at == h->last);
        if (count + 1 == h->count)
            continue;
        const struct wend_hold_cell *next = &p->cells[c->next];
        wend_assert(
            wend_hold_is_before(place, (struct wend_hold_place){next->pair, next->counter}));
        wend_assert(next->previous == at && c->since <= next->since);
    }
}

static uint32_t count_list(const struct wend_hold_pool *p, uint32_t at)
{
    uint32_t count = 0;
    for (; at != WEND_HOLD_NO_CELL; at = p->cells[at].next)
        wend_assert(at < p->used_before && ++count <= WEND_HOLD_CELLS);
    return count;
}

void wend_hold_pool_check(const struct wend_hold_pool *p)
{
    const uint32_t unused = count_list(p, p->free);
    const uint32_t out = count_list(p, p->ready.first) + count_list(p, p->borrowed.first);
    wend_assert(p->used_before <= WEND_HOLD_CELLS && p->taken == p->used_before - unused);
    wend_assert(out <= p->taken);
    wend_heap_check(&p->timers);
}
