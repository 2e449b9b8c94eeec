// SPDX-License-Identifier: MIT
// The resequencer's deliveries. What is worth waiting for is known to hold_ways.c; here packets go
// out, or wait behind the first gap: what is behind a later one waits for that too.
//
// `at` is where in-order delivery stands. What comes from before it is delivered late, not dropped.
#include "node/hold.h"

#include "base/assert.h"

static struct wend_hold_place behind(struct wend_hold_place place)
{
    place.next++;
    return place;
}

static struct wend_hold_place oldest_place(const struct wend_hold_pool *p,
                                           const struct wend_hold *h)
{
    const struct wend_hold_cell *c = &p->cells[h->oldest];
    return (struct wend_hold_place){c->pair, c->counter};
}

static void arm(struct wend_hold_pool *p, struct wend_hold *h)
{
    wend_instant deadline = WEND_NEVER;
    if (h->count > 0)
        deadline = wend_hold_awaits(h, oldest_place(p, h), p->cells[h->oldest].since);
    wend_assert(wend_heap_set(&p->timers, &h->timer, deadline) == 0);
}

// The first news of how far apart the ways are often come when the change has begun.
void wend_hold_set_time(struct wend_hold_pool *p, struct wend_hold *h, wend_duration time)
{
    if (time < 1)
        time = 1;
    h->time = time < WEND_HOLD_TIME_MAX ? time : WEND_HOLD_TIME_MAX;
    if (h->count == 0 || h->time <= h->wait)
        return;
    h->wait = h->time;
    arm(p, h);
}

void wend_hold_set_relay_time(struct wend_hold *h, wend_duration time)
{
    h->relay_time = time < WEND_HOLD_TIME_MAX ? time : WEND_HOLD_TIME_MAX;
}

// Whether what is at `to` and came at `since` may go out.
static bool is_due(struct wend_hold *h, struct wend_hold_place to, wend_instant since,
                   wend_instant now)
{
    wend_hold_pass_marks(h, to);
    if (wend_hold_is_at(h->at, to))
        return true;
    const wend_instant until = wend_hold_awaits(h, to, since);
    if (until > now)
        return false;
    if (until != WEND_HOLD_NOBODY)
        h->waived = behind(to);
    return true;
}

static void progress(struct wend_hold_pool *p, struct wend_hold *h, wend_instant now)
{
    while (h->count > 0) {
        const struct wend_hold_place place = oldest_place(p, h);
        if (!is_due(h, place, p->cells[h->oldest].since, now))
            return;
        h->at = behind(place);
        wend_hold_release_oldest(p, h);
    }
}

// The limits: everything goes out in order.
static void relieve(struct wend_hold_pool *p, struct wend_hold *h)
{
    if (h->count == 0 || (wend_hold_has_room(p) && h->count < WEND_HOLD_PEER_MAX))
        return;
    while (h->count > 0) {
        h->at = behind(oldest_place(p, h));
        wend_hold_release_oldest(p, h);
    }
    h->waived = h->at;
}

static void finish(struct wend_hold_pool *p, struct wend_hold *h, wend_instant now)
{
    progress(p, h, now);
    relieve(p, h);
    arm(p, h);
    h->noted = h->at;
}

static enum wend_hold_verdict judge(struct wend_hold_pool *p, struct wend_hold *h,
                                    const struct wend_hold_message *m, wend_instant now)
{
    const struct wend_hold_place place = wend_hold_place_of(m);
    if (wend_hold_is_before(place, h->at))
        return wend_hold_is_before(place, h->waived) ? WEND_HOLD_LATE : WEND_HOLD_DELIVER;
    if (h->count == 0)
        h->wait = wend_hold_time(h);
    if (wend_hold_is_at(place, h->at) || (h->count == 0 && is_due(h, place, now, now))) {
        h->at = behind(place);
        return WEND_HOLD_DELIVER;
    }
    wend_hold_insert(p, h, m, now);
    return WEND_HOLD_TAKEN;
}

enum wend_hold_verdict wend_hold_accept(struct wend_hold_pool *p, struct wend_hold *h,
                                        const struct wend_hold_message *m, wend_instant now)
{
    wend_assert(m->pair != 0 && wend_hold_has_room(p));
    wend_hold_hear(h, m, now);
    const enum wend_hold_verdict verdict = judge(p, h, m, now);
    finish(p, h, now);
    return verdict;
}

void wend_hold_seen(struct wend_hold_pool *p, struct wend_hold *h,
                    const struct wend_hold_message *m, wend_instant now)
{
    if (!wend_hold_knows(h, &m->way, now))
        return;
    wend_hold_hear(h, m, now);
    finish(p, h, now);
}

void wend_hold_expire(struct wend_hold_pool *p, wend_instant now)
{
    struct wend_heap_node *node;
    while ((node = wend_heap_pop(&p->timers, now)) != NULL)
        finish(p, WEND_HEAP_OWNER(node, struct wend_hold, timer), now);
}
