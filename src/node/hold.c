// SPDX-License-Identifier: MIT
// The decisions of the resequencer. It trusts that each way keeps its own order, as networks mostly
// do: when something newer than the switch comes by the way that was left, or a LEAVE, no older
// message will come by it. Where a way does reorder, a straggler is delivered late, never dropped.
//
// `at` is where in-order delivery stands. The ways of stragglers are not remembered: the way in
// use is that of the newest message, and so an old way that still delivers does not look like
// another change.
#include "node/hold.h"

#include "base/assert.h"
#include "node/plane.h"

static bool is_other_way(const struct wend_hold_message *m, const struct wend_hold_way *way)
{
    return !wend_hold_same_way(&m->way, way);
}

static struct wend_hold_place place_of(const struct wend_hold_message *m)
{
    return (struct wend_hold_place){m->pair, m->counter};
}

// The place that a mark names: where the new way begins.
static struct wend_hold_place mark_of(const struct wend_hold_message *m)
{
    return (struct wend_hold_place){m->pair, m->mark.first};
}

static bool is_at(struct wend_hold_place a, struct wend_hold_place b)
{
    return a.pair == b.pair && a.next == b.next;
}

static wend_duration hold_time(const struct wend_hold *h)
{
    return h->time != 0 ? h->time : WEND_HOLD_TIME;
}

// Of a change to this way.
static wend_duration hold_time_to(const struct wend_hold *h, const struct wend_hold_way *way)
{
    const bool relayed = way->kind == 1 + WEND_WAY_RELAY;
    return relayed && h->relay_time != 0 ? h->relay_time : hold_time(h);
}

// ---- Letting go ----

static void arm(struct wend_hold_pool *p, struct wend_hold *h)
{
    wend_instant deadline = h->mode == WEND_HOLD_SEQUENCE ? h->until : WEND_NEVER;
    if (h->mode != WEND_HOLD_NONE && h->count > 0)
        deadline = wend_instant_min(deadline, p->cells[h->oldest].since + h->wait);
    wend_assert(wend_heap_set(&p->timers, &h->timer, deadline) == 0);
}

// The first news of how far apart the ways are often come when the change has begun.
void wend_hold_set_time(struct wend_hold_pool *p, struct wend_hold *h, wend_duration time)
{
    const bool usual = h->wait == hold_time(h);
    if (time < 1)
        time = 1;
    h->time = time < WEND_HOLD_TIME_MAX ? time : WEND_HOLD_TIME_MAX;
    if (h->mode == WEND_HOLD_NONE || !usual || h->time <= h->wait)
        return;
    h->wait = h->time;
    arm(p, h);
}

void wend_hold_set_relay_time(struct wend_hold *h, wend_duration time)
{
    h->relay_time = time < WEND_HOLD_TIME_MAX ? time : WEND_HOLD_TIME_MAX;
}

static void release_all(struct wend_hold_pool *p, struct wend_hold *h)
{
    while (h->count > 0)
        wend_hold_release_oldest(p, h);
    if (wend_hold_is_before(h->at, h->top)) {
        h->at = h->top;
        h->way = h->top_way;
    }
}

static void finish(struct wend_hold_pool *p, struct wend_hold *h, wend_instant now)
{
    release_all(p, h);
    if (h->mode == WEND_HOLD_SEQUENCE && h->entered && h->new_way.kind != 0)
        h->way = h->new_way;
    h->mode = WEND_HOLD_NONE;
    h->heard_at = now;
}

// Whether the way in use has said LEAVE and brought everything before it.
static bool is_way_left(const struct wend_hold *h)
{
    return h->left.pair == h->at.pair && h->at.next <= h->left.next;
}

// Sets free what follows `at` without a gap. Whether one is before a newer pair's first message is
// known only when the older pair's way has been left.
static void advance(struct wend_hold_pool *p, struct wend_hold *h)
{
    while (h->count > 0) {
        const struct wend_hold_cell *c = &p->cells[h->oldest];
        if (c->pair > h->at.pair && is_way_left(h))
            h->at = (struct wend_hold_place){c->pair, 0};
        if (c->pair != h->at.pair || c->counter != h->at.next)
            return;
        wend_hold_release_oldest(p, h);
        h->at.next++;
        if (h->count == 0)
            h->way = h->top_way;
    }
}

static void finish_sequence_if_over(struct wend_hold_pool *p, struct wend_hold *h, wend_instant now)
{
    const bool reached = h->end.pair != 0 && !wend_hold_is_before(h->at, h->end);
    if (reached || (h->entered && h->is_left))
        finish(p, h, now);
}

static void keep(struct wend_hold_pool *p, struct wend_hold *h, const struct wend_hold_message *m,
                 wend_instant now)
{
    wend_hold_insert(p, h, m, now);
    if (!wend_hold_is_before(place_of(m), h->top)) {
        h->top = (struct wend_hold_place){m->pair, m->counter + 1};
        h->top_way = m->way;
    }
}

// The limits: everything goes out in order. A sequence goes on behind it.
static void relieve(struct wend_hold_pool *p, struct wend_hold *h, wend_instant now)
{
    if (wend_hold_has_room(p) && h->count < WEND_HOLD_PEER_MAX)
        return;
    h->waived = h->top;
    if (h->mode == WEND_HOLD_TRANSIT)
        finish(p, h, now);
    else
        release_all(p, h);
}

// ---- Older than what was delivered ----

static enum wend_hold_verdict straggle(const struct wend_hold *h, const struct wend_hold_message *m)
{
    return wend_hold_is_before(place_of(m), h->waived) ? WEND_HOLD_LATE : WEND_HOLD_DELIVER;
}

// ---- Sequence ----

static void start_sequence(struct wend_hold *h, struct wend_hold_place end, wend_duration wait,
                           wend_instant until)
{
    if (h->mode == WEND_HOLD_NONE) {
        h->top = (struct wend_hold_place){0};
        h->first = h->at;
    }
    h->mode = WEND_HOLD_SEQUENCE;
    h->end = end;
    h->entered = h->is_left = false;
    h->new_way = (struct wend_hold_way){0};
    h->wait = wait;
    h->until = until;
}

// An end that a mark names. An older one than the end or the beginning is of a switch before.
static void end_sequence(struct wend_hold *h, const struct wend_hold_message *m, wend_instant now)
{
    const struct wend_hold_place end = mark_of(m);
    if (wend_hold_is_before(end, h->end) || !wend_hold_is_before(h->first, end))
        return;
    if (wend_hold_is_before(h->end, end))
        start_sequence(h, end, hold_time(h), now + WEND_HOLD_BOTH);
    if (m->mark.kind == WEND_SWITCH_LEAVE) {
        h->is_left = true;
    } else {
        h->entered = true;
        h->new_way = m->way;
    }
}

static void heed_mark_in_sequence(struct wend_hold *h, const struct wend_hold_message *m,
                                  wend_instant now)
{
    switch (m->mark.kind) {
    case WEND_SWITCH_LEAVE:
    case WEND_SWITCH_ENTER: end_sequence(h, m, now); break;
    case WEND_SWITCH_BOTH:
        if (wend_hold_is_before(mark_of(m), h->end))
            break; // said once more, too late
        start_sequence(h, (struct wend_hold_place){0}, hold_time(h), now + WEND_HOLD_BOTH);
        h->first = mark_of(m);
        break;
    case WEND_SWITCH_NONE: // behind the end, and not by the way that was left
        if (h->is_left && !wend_hold_is_before(place_of(m), h->end) &&
            is_other_way(m, &h->left_way)) {
            h->entered = true;
            h->new_way = m->way;
        }
        break;
    }
}

static enum wend_hold_verdict accept_in_sequence(struct wend_hold_pool *p, struct wend_hold *h,
                                                 const struct wend_hold_message *m,
                                                 wend_instant now)
{
    enum wend_hold_verdict verdict = WEND_HOLD_TAKEN;
    if (wend_hold_is_before(place_of(m), h->at)) {
        verdict = straggle(h, m);
    } else if (is_at(place_of(m), h->at)) {
        h->at.next++;
        h->way = m->way;
        verdict = WEND_HOLD_DELIVER;
    } else {
        keep(p, h, m, now);
    }
    advance(p, h);
    heed_mark_in_sequence(h, m, now);
    relieve(p, h, now);
    finish_sequence_if_over(p, h, now);
    return verdict;
}

// ---- Transit ----

static void start_transit(struct wend_hold *h, const struct wend_hold_message *m, uint64_t first,
                          uint64_t missing)
{
    h->mode = WEND_HOLD_TRANSIT;
    h->first = (struct wend_hold_place){m->pair, first};
    h->base = h->at.next;
    h->missing = missing;
    h->new_way = m->way;
    h->top = (struct wend_hold_place){0};
    h->wait = hold_time_to(h, &m->way);
    h->entered = false;
}

// The new way begins sooner than was thought; never below what was delivered.
static void lower_first(struct wend_hold *h, uint64_t first)
{
    if (first < h->at.next)
        first = h->at.next;
    if (first >= h->first.next)
        return;
    h->missing -= h->first.next - first;
    h->first.next = first;
}

// Nothing more will come by the way that was left: its own LEAVE, or, where the wait is for the
// rest of an older pair, that pair's. An earlier switch's LEAVE may come by a way that was taken
// twice: once ENTER has said where the new way begins, it is known by its number.
static bool is_end_of_old_way(const struct wend_hold *h, const struct wend_hold_message *m)
{
    if (m->mark.kind != WEND_SWITCH_LEAVE || !is_other_way(m, &h->new_way))
        return false;
    if (m->pair != h->first.pair)
        return h->missing == UINT64_MAX;
    return m->mark.first > h->base && (!h->entered || m->mark.first >= h->first.next);
}

static enum wend_hold_verdict accept_older_in_transit(struct wend_hold_pool *p, struct wend_hold *h,
                                                      const struct wend_hold_message *m,
                                                      wend_instant now)
{
    const enum wend_hold_verdict verdict = straggle(h, m);
    if (m->pair == h->first.pair && m->counter >= h->base) {
        h->missing--;
        if (m->counter >= h->at.next)
            h->at.next = m->counter + 1;
    }
    if (h->missing == 0 || is_end_of_old_way(h, m))
        finish(p, h, now);
    return verdict;
}

static enum wend_hold_verdict accept_in_none(struct wend_hold_pool *p, struct wend_hold *h,
                                             const struct wend_hold_message *m, wend_instant now);

// The way that was left carries what is newer than the switch: it was taken again, and has brought
// all that it had.
static enum wend_hold_verdict turn_back(struct wend_hold_pool *p, struct wend_hold *h,
                                        const struct wend_hold_message *m, wend_instant now)
{
    finish(p, h, now);
    const enum wend_hold_verdict verdict = accept_in_none(p, h, m, now);
    if (verdict == WEND_HOLD_TAKEN)
        return verdict;
    wend_hold_insert(p, h, m, now); // behind those that have just become ready
    wend_hold_release_oldest(p, h);
    return WEND_HOLD_TAKEN;
}

// A switch beyond the one that is waited for: from now on each gap is waited for.
static bool is_second_switch(const struct wend_hold *h, const struct wend_hold_message *m)
{
    if (m->mark.kind == WEND_SWITCH_BOTH || is_other_way(m, &h->new_way))
        return true;
    return m->mark.kind == WEND_SWITCH_ENTER && m->pair == h->first.pair &&
           m->mark.first > h->first.next;
}

static enum wend_hold_verdict accept_in_transit(struct wend_hold_pool *p, struct wend_hold *h,
                                                const struct wend_hold_message *m, wend_instant now)
{
    const bool by_new = !is_other_way(m, &h->new_way);
    if (by_new && m->pair == h->first.pair && m->counter >= h->at.next)
        lower_first(h, m->counter);
    if (wend_hold_is_before(place_of(m), h->first))
        return accept_older_in_transit(p, h, m, now);
    if (!by_new && m->pair == h->first.pair && !is_other_way(m, &h->way))
        return turn_back(p, h, m, now);
    if (is_second_switch(h, m)) {
        start_sequence(h, m->mark.kind != WEND_SWITCH_NONE ? mark_of(m) : place_of(m), hold_time(h),
                       now + WEND_HOLD_BOTH);
        return accept_in_sequence(p, h, m, now);
    }
    if (m->mark.kind == WEND_SWITCH_ENTER && m->pair == h->first.pair) {
        lower_first(h, m->mark.first);
        h->entered = true;
    }
    keep(p, h, m, now);
    relieve(p, h, now);
    if (h->mode == WEND_HOLD_TRANSIT && h->missing == 0)
        finish(p, h, now);
    return WEND_HOLD_TAKEN;
}

// ---- None ----

static void pass(struct wend_hold *h, const struct wend_hold_message *m, wend_instant now)
{
    h->at = (struct wend_hold_place){m->pair, m->counter + 1};
    h->way = m->way;
    h->heard_at = now;
}

// Where the new way began, if messages below it may still be coming by another; else at.next.
static uint64_t find_first(const struct wend_hold *h, const struct wend_hold_message *m)
{
    const bool left = is_way_left(h);
    if (m->mark.kind == WEND_SWITCH_ENTER) {
        const uint64_t first = m->mark.first < m->counter ? m->mark.first : m->counter;
        return left && h->left.next == m->mark.first ? h->at.next : first;
    }
    if (is_other_way(m, &h->way))
        return left ? h->at.next : m->counter;
    // After its LEAVE the same way again: what lies between took another.
    return left && !is_other_way(m, &h->left_way) ? m->counter : h->at.next;
}

// Whether messages of the pair before may still be coming by another way.
static bool may_older_come(const struct wend_hold *h, const struct wend_hold_message *m,
                           wend_instant now)
{
    return h->at.pair != 0 && !is_way_left(h) && is_other_way(m, &h->way) &&
           now - h->heard_at < hold_time_to(h, &m->way);
}

static enum wend_hold_verdict accept_both(struct wend_hold_pool *p, struct wend_hold *h,
                                          const struct wend_hold_message *m, wend_instant now)
{
    const uint64_t first = m->mark.first < m->counter ? m->mark.first : m->counter;
    // What is missing below was lost on the way in use, by which this comes too, or which was left
    // for this one; by another way, it may still come, unless that has been silent for as long as
    // we would wait: it is for this that both are taken.
    const bool silent = now - h->heard_at >= hold_time(h);
    if (h->at.next < first && (is_other_way(m, &h->way) == is_way_left(h) || silent)) {
        h->at.next = first;
        if (wend_hold_is_before(h->waived, h->at))
            h->waived = h->at;
    }
    start_sequence(h, (struct wend_hold_place){0}, hold_time(h), now + WEND_HOLD_BOTH);
    return accept_in_sequence(p, h, m, now);
}

// The first message of a newer pair. Where it is the very first, only the rest of the older pair
// may be missing; else what is below it: that came by another way, or by a longer one to this
// machine.
static enum wend_hold_verdict accept_fresh(struct wend_hold_pool *p, struct wend_hold *h,
                                           const struct wend_hold_message *m, wend_instant now)
{
    const bool enters = m->mark.kind == WEND_SWITCH_ENTER;
    const bool left = h->at.pair != 0 && is_way_left(h);
    const bool older = may_older_come(h, m, now);
    const uint64_t first = enters && m->mark.first < m->counter ? m->mark.first : m->counter;
    const bool wait_for_older = older || (enters && h->at.pair != 0 && !left);
    h->at = (struct wend_hold_place){m->pair, 0};
    if (m->mark.kind == WEND_SWITCH_BOTH)
        return accept_both(p, h, m, now);
    if (first == 0 && !wait_for_older) {
        pass(h, m, now);
        return WEND_HOLD_DELIVER;
    }
    if (enters || older) {
        start_transit(h, m, first, first == 0 ? UINT64_MAX : first);
        return accept_in_transit(p, h, m, now);
    }
    // A pair's first messages mostly go through a relay, if packets did: a direct one may be far
    // ahead of them.
    const bool ahead = m->way.kind == 1 + WEND_WAY_DIRECT && is_other_way(m, &h->way);
    const wend_duration most = ahead ? WEND_HOLD_TIME_MAX : WEND_HOLD_FRESH;
    const wend_duration wait = hold_time(h) < most ? hold_time(h) : most;
    start_sequence(h, place_of(m), wait, now + wait);
    return accept_in_sequence(p, h, m, now);
}

// A BOTH that was overtaken still says what follows, unless a newer switch has ended it already.
static void heed_late_both(struct wend_hold *h, const struct wend_hold_message *m, wend_instant now)
{
    if (m->mark.kind != WEND_SWITCH_BOTH || m->pair != h->at.pair ||
        wend_hold_is_before(mark_of(m), h->left))
        return;
    start_sequence(h, (struct wend_hold_place){0}, hold_time(h), now + WEND_HOLD_BOTH);
}

static enum wend_hold_verdict accept_in_none(struct wend_hold_pool *p, struct wend_hold *h,
                                             const struct wend_hold_message *m, wend_instant now)
{
    if (wend_hold_is_before(place_of(m), h->at)) {
        heed_late_both(h, m, now);
        return straggle(h, m);
    }
    if (m->pair > h->at.pair)
        return accept_fresh(p, h, m, now);
    if (m->mark.kind == WEND_SWITCH_BOTH)
        return accept_both(p, h, m, now);
    const uint64_t first = find_first(h, m);
    if (first > h->at.next) {
        start_transit(h, m, first, first - h->at.next);
        return accept_in_transit(p, h, m, now);
    }
    pass(h, m, now);
    return WEND_HOLD_DELIVER;
}

enum wend_hold_verdict wend_hold_accept(struct wend_hold_pool *p, struct wend_hold *h,
                                        const struct wend_hold_message *m, wend_instant now)
{
    enum wend_hold_verdict verdict = WEND_HOLD_NOTHING;
    wend_assert(m->pair != 0 && wend_hold_has_room(p));
    switch (h->mode) {
    case WEND_HOLD_NONE: verdict = accept_in_none(p, h, m, now); break;
    case WEND_HOLD_TRANSIT: verdict = accept_in_transit(p, h, m, now); break;
    case WEND_HOLD_SEQUENCE: verdict = accept_in_sequence(p, h, m, now); break;
    }
    if (m->mark.kind == WEND_SWITCH_LEAVE && !wend_hold_is_before(mark_of(m), h->left)) {
        h->left = mark_of(m);
        h->left_way = m->way;
        if (h->mode == WEND_HOLD_SEQUENCE)
            advance(p, h);
    }
    arm(p, h);
    return verdict;
}

// ---- Time ----

static void expire_sequence(struct wend_hold_pool *p, struct wend_hold *h, wend_instant now)
{
    while (h->count > 0 && p->cells[h->oldest].since + h->wait <= now) {
        const struct wend_hold_cell *c = &p->cells[h->oldest];
        h->at = (struct wend_hold_place){c->pair, c->counter + 1};
        wend_hold_release_oldest(p, h);
        h->waived = h->at;
        advance(p, h);
    }
    if (h->until > now) {
        finish_sequence_if_over(p, h, now);
        return;
    }
    if (h->count > 0)
        h->waived = h->top;
    finish(p, h, now);
}

void wend_hold_expire(struct wend_hold_pool *p, wend_instant now)
{
    struct wend_heap_node *node;
    while ((node = wend_heap_pop(&p->timers, now)) != NULL) {
        struct wend_hold *h = WEND_HEAP_OWNER(node, struct wend_hold, timer);
        if (h->mode == WEND_HOLD_TRANSIT) {
            h->waived = h->top;
            finish(p, h, now);
        } else {
            expire_sequence(p, h, now);
        }
        arm(p, h);
    }
}
