// SPDX-License-Identifier: MIT
// Which ways may still bring what is missing.
//
// A track is behind from the moment that another way has brought something newer. If it lives, what
// was sent by it before that comes within the difference of the ways, for which the hold time
// stands: so long it is waited for, and anew when it brings something. Whether it carries anything
// more is not known without a LEAVE.
//
// A debt stands for a way that may have no track yet. Once a track other than the debt's own is
// past a counter, so is the debt: that track is the way that was missing.
#include "base/assert.h"
#include "node/hold.h"
#include "node/plane.h"

#define REMEMBER_BOTH WEND_S(1) // a suspect path's double lasts half of that

static struct wend_hold_place later(struct wend_hold_place a, struct wend_hold_place b)
{
    return wend_hold_is_before(a, b) ? b : a;
}

static bool is_track(const struct wend_hold *h, size_t i)
{
    return h->tracks[i].way.kind != 0;
}

// The place that a mark names: where the new way begins. Never beyond the mark itself.
static struct wend_hold_place mark_of(const struct wend_hold_message *m)
{
    struct wend_hold_place place = wend_hold_place_of(m);
    if (m->mark.first < place.next)
        place.next = m->mark.first;
    return place;
}

static bool is_left(const struct wend_hold_track *t)
{
    return !wend_hold_is_before(t->next, t->end);
}

// ---- Debts ----

static bool is_open(const struct wend_hold *h, const struct wend_hold_debt *d)
{
    return wend_hold_is_before(h->at, d->to);
}

static void owe(struct wend_hold *h, const struct wend_hold_debt *debt)
{
    struct wend_hold_debt *place = &h->debts[0];
    for (size_t i = 0; i < WEND_HOLD_DEBTS; i++) {
        struct wend_hold_debt *d = &h->debts[i];
        if (is_open(h, place) && (!is_open(h, d) || d->since < place->since))
            place = d;
    }
    *place = *debt;
}

// Where the way that is missing has come to.
static struct wend_hold_place progress_of(const struct wend_hold *h, const struct wend_hold_debt *d)
{
    struct wend_hold_place at = later(d->from, h->at);
    for (size_t i = 0; i < WEND_HOLD_TRACKS && d->by != WEND_HOLD_NO_TRACK; i++)
        if (is_track(h, i) && i != d->by && wend_hold_is_before(h->tracks[i].from, d->to))
            at = later(at, h->tracks[i].next);
    return at;
}

// ---- Marks ----

// ENTER as the first message of a pair: what is below is the rest of an older one.
static bool continues_older_pair(const struct wend_hold_message *m)
{
    return m->mark.kind == WEND_SWITCH_ENTER && m->mark.first == 0;
}

// What is one short of its end lacks the LEAVE only.
static void mind_end(struct wend_hold_track *t)
{
    if (t->next.pair == t->end.pair && t->next.next + 1 == t->end.next)
        t->next = t->end;
}

// By a way that was left at `end` everything from `from` on has come.
static bool has_brought_all(const struct wend_hold_track *t, struct wend_hold_place from,
                            struct wend_hold_place end)
{
    if (!is_left(t))
        return false;
    return end.next == 0 ? !wend_hold_is_before(t->next, from) : wend_hold_is_at(t->next, end);
}

static void enter(struct wend_hold *h, uint8_t by, const struct wend_hold_message *m,
                  wend_instant now)
{
    const struct wend_hold_place end = mark_of(m);
    bool brought = h->at.pair == 0 && end.next == 0;
    h->entered = later(h->entered, end);
    for (uint8_t i = 0; i < WEND_HOLD_TRACKS; i++) {
        struct wend_hold_track *t = &h->tracks[i];
        if (!is_track(h, i) || i == by)
            continue;
        if (!wend_hold_is_before(end, t->next) && wend_hold_is_before(end, t->end))
            t->end = end;
        mind_end(t);
        brought = brought || has_brought_all(t, h->at, end);
    }
    const struct wend_hold_place begin = {continues_older_pair(m) ? 0 : end.pair, 0};
    const struct wend_hold_debt debt = {
        .from = later(h->at, begin), .to = end, .since = now, .by = by, .is_marked = true};
    if (!brought && is_open(h, &debt))
        owe(h, &debt);
}

void wend_hold_pass_marks(struct wend_hold *h, struct wend_hold_place to)
{
    for (size_t i = 0; i < WEND_HOLD_DEBTS; i++) {
        const struct wend_hold_debt *d = &h->debts[i];
        if (d->is_marked && d->to.pair == h->at.pair && d->to.next == h->at.next + 1 &&
            !wend_hold_is_before(to, d->to))
            h->at = d->to;
    }
}

static void leave(struct wend_hold *h, uint8_t by, const struct wend_hold_message *m)
{
    struct wend_hold_track *t = &h->tracks[by];
    const struct wend_hold_place end = {m->pair, m->counter + 1};
    if (!wend_hold_is_at(t->next, end))
        return; // it has brought newer ones: it was taken again
    t->end = t->left = end;
    for (size_t i = 0; i < WEND_HOLD_DEBTS; i++) {
        struct wend_hold_debt *d = &h->debts[i];
        const bool same = d->is_marked && d->to.pair == end.pair;
        if (d->by == WEND_HOLD_NO_TRACK || d->by == by)
            continue;
        if (same ? wend_hold_is_at(d->to, end)
                 : wend_hold_is_before(d->from, end) && !wend_hold_is_before(d->to, end))
            d->to = (struct wend_hold_place){0};
    }
}

// What begins by an ENTER, or after a LEAVE, goes one way again.
static void end_both(struct wend_hold *h, const struct wend_hold_message *m)
{
    const struct wend_hold_place end = mark_of(m);
    if (m->mark.kind != WEND_SWITCH_NONE && m->mark.kind != WEND_SWITCH_BOTH &&
        wend_hold_is_before(h->both, end) && wend_hold_is_before(end, h->both_end))
        h->both_end = end;
}

// The peer mistrusts the way that it used. Where that has been silent for long, it is as good as
// left, and the message came by the only other one.
static void both(struct wend_hold *h, uint8_t by, uint8_t used, const struct wend_hold_message *m,
                 wend_instant now)
{
    struct wend_hold_track *t = &h->tracks[used];
    const bool dead = used != by && is_track(h, used) && now - t->heard >= WEND_HOLD_DEAD;
    if (wend_hold_is_at(h->both, mark_of(m)))
        return;
    if (dead)
        t->end = t->next;
    h->both = dead ? (struct wend_hold_place){0} : mark_of(m);
    h->both_end = (struct wend_hold_place){m->pair, UINT64_MAX};
    h->both_by = 0;
    h->both_since = now;
    for (uint8_t i = 0; i < WEND_HOLD_TRACKS; i++)
        if (is_track(h, i) && wend_hold_is_before(h->both, h->tracks[i].next))
            h->both_by |= (uint8_t)(1u << i);
}

static void heed_mark(struct wend_hold *h, uint8_t by, uint8_t used,
                      const struct wend_hold_message *m, wend_instant now)
{
    switch (m->mark.kind) {
    case WEND_SWITCH_LEAVE: leave(h, by, m); break;
    case WEND_SWITCH_ENTER: enter(h, by, m, now); break;
    case WEND_SWITCH_BOTH: both(h, by, used, m, now); break;
    case WEND_SWITCH_NONE: break;
    }
}

// ---- Tracks ----

static bool is_relayed(const struct wend_hold *h, uint8_t track)
{
    return h->tracks[track].way.kind == 1 + WEND_WAY_RELAY;
}

static void set_behind(struct wend_hold *h, uint8_t track, uint8_t ahead, wend_instant now)
{
    struct wend_hold_track *t = &h->tracks[track];
    t->behind = true;
    t->behind_relay = is_relayed(h, ahead) && !is_relayed(h, track);
    t->behind_since = now;
}

static void fall_behind(struct wend_hold *h, uint8_t ahead, wend_instant now)
{
    for (uint8_t i = 0; i < WEND_HOLD_TRACKS; i++)
        if (i != ahead && !h->tracks[i].behind)
            set_behind(h, i, ahead, now);
}

// Messages that followed one another went past the tracks.
static void catch_up(struct wend_hold *h)
{
    struct wend_hold_track *t = &h->tracks[h->current];
    if (h->way.kind == 0)
        return;
    t->heard = h->heard_at;
    if (!wend_hold_is_before(h->noted, h->at))
        return;
    t->next = later(t->next, h->at);
    fall_behind(h, h->current, h->heard_at);
}

// Of a way that is heard there: where another was entered since, if that is so.
static struct wend_hold_place end_beyond(const struct wend_hold *h, struct wend_hold_place place)
{
    return wend_hold_is_before(place, h->entered) ? h->entered : WEND_HOLD_FAR;
}

static uint8_t find_track(const struct wend_hold *h, const struct wend_hold_way *way)
{
    for (uint8_t i = 0; i < WEND_HOLD_TRACKS; i++)
        if (is_track(h, i) && wend_hold_same_way(&h->tracks[i].way, way))
            return i;
    return WEND_HOLD_NO_TRACK;
}

static uint8_t make_track(struct wend_hold *h, const struct wend_hold_message *m)
{
    uint8_t oldest = 0;
    for (uint8_t i = 1; i < WEND_HOLD_TRACKS; i++)
        if ((int32_t)(h->tracks[i].turn - h->tracks[oldest].turn) < 0)
            oldest = i;
    if (oldest == h->current)
        h->way.kind = 0;
    h->both_by &= (uint8_t) ~(1u << oldest);
    h->tracks[oldest] = (struct wend_hold_track){
        .way = m->way, .from = wend_hold_place_of(m), .end = end_beyond(h, wend_hold_place_of(m))};
    return oldest;
}

// The first message of a pair, and no ENTER. What is below it went by way of the node. But mostly a
// pair's first messages go through the relay: a direct one may be far ahead of them.
static void mind_fresh_pair(struct wend_hold *h, const struct wend_hold_message *m,
                            wend_instant now)
{
    const bool ahead = m->way.kind == 1 + WEND_WAY_DIRECT && !wend_hold_same_way(&m->way, &h->way);
    const struct wend_hold_debt debt = {.from = {m->pair, 0},
                                        .to = wend_hold_place_of(m),
                                        .since = now,
                                        .by = WEND_HOLD_NO_TRACK,
                                        .is_brief = !ahead};
    uint32_t newest = h->at.pair;
    for (size_t i = 0; i < WEND_HOLD_TRACKS; i++)
        newest = h->tracks[i].next.pair > newest ? h->tracks[i].next.pair : newest;
    if (m->pair > newest && m->counter > 0 && m->mark.kind != WEND_SWITCH_ENTER)
        owe(h, &debt);
}

// A way that was left is in use again. What lies between went by another. Where keys have changed,
// an older pair's rest is the business of the ways that are known, and of ENTER.
static void take_again(struct wend_hold *h, uint8_t by, struct wend_hold_place place,
                       wend_instant now)
{
    struct wend_hold_track *t = &h->tracks[by];
    const struct wend_hold_place begin = {place.pair, 0};
    const struct wend_hold_debt debt = {
        .from = later(t->end, begin), .to = place, .since = now, .by = by};
    t->from = place;
    t->end = end_beyond(h, place);
    for (size_t i = 0; i < WEND_HOLD_TRACKS; i++) {
        const struct wend_hold_track *other = &h->tracks[i];
        if (is_track(h, i) && i != by && wend_hold_is_before(debt.from, other->left) &&
            !wend_hold_is_before(debt.to, other->left))
            return; // that one, which has brought all
    }
    if (wend_hold_is_before(debt.from, debt.to))
        owe(h, &debt);
}

// The others are behind from now on. One of an older pair that has been silent for long, and was
// not said to be left, had nothing to say.
static void overtake(struct wend_hold *h, uint8_t by, const struct wend_hold_message *m,
                     wend_instant now)
{
    for (uint8_t i = 0; i < WEND_HOLD_TRACKS; i++) {
        struct wend_hold_track *t = &h->tracks[i];
        if (i != by && !t->behind && t->next.pair < m->pair && !continues_older_pair(m) &&
            now - t->heard >= wend_hold_time(h))
            t->end = wend_hold_is_before(t->next, t->end) ? t->next : t->end;
    }
    fall_behind(h, by, now);
    h->current = by;
    h->way = m->way;
    h->heard_at = now;
}

static bool is_ahead(const struct wend_hold *h, uint8_t by, bool *ret_level)
{
    bool ahead = true;
    *ret_level = true;
    for (uint8_t i = 0; i < WEND_HOLD_TRACKS; i++) {
        if (!is_track(h, i) || i == by)
            continue;
        ahead = ahead && wend_hold_is_before(h->tracks[i].next, h->tracks[by].next);
        *ret_level = *ret_level && !wend_hold_is_before(h->tracks[by].next, h->tracks[i].next);
    }
    return ahead;
}

static void move(struct wend_hold *h, uint8_t by, const struct wend_hold_message *m,
                 wend_instant now)
{
    struct wend_hold_track *t = &h->tracks[by];
    bool level;
    t->next = (struct wend_hold_place){m->pair, m->counter + 1};
    if (wend_hold_is_before(h->both, t->next) &&
        wend_hold_is_before(wend_hold_place_of(m), h->both_end))
        h->both_by |= (uint8_t)(1u << by);
    mind_end(t);
    const bool ahead = is_ahead(h, by, &level);
    t->behind = false;
    if (!level)
        set_behind(h, by, h->current, now);
    if (ahead)
        overtake(h, by, m, now);
}

bool wend_hold_knows(const struct wend_hold *h, const struct wend_hold_way *way, wend_instant now)
{
    return find_track(h, way) != WEND_HOLD_NO_TRACK ||
           (h->both.pair != 0 && now - h->both_since <= REMEMBER_BOTH);
}

void wend_hold_hear(struct wend_hold *h, const struct wend_hold_message *m, wend_instant now)
{
    const struct wend_hold_place place = wend_hold_place_of(m);
    const uint8_t used = h->current;
    catch_up(h);
    mind_fresh_pair(h, m, now);
    uint8_t by = find_track(h, &m->way);
    if (by == WEND_HOLD_NO_TRACK)
        by = make_track(h, m);
    struct wend_hold_track *t = &h->tracks[by];
    t->heard = now;
    t->turn = ++h->turn;
    end_both(h, m);
    if (!wend_hold_is_before(place, t->next)) {
        if (!wend_hold_is_before(place, t->end))
            take_again(h, by, place, now);
        move(h, by, m, now);
    }
    heed_mark(h, by, used, m, now);
    if (is_left(&h->tracks[h->current]))
        h->way.kind = 0; // the next message is no ordinary one, whichever way it comes
}

// ---- What is worth waiting for ----

static bool lacks_second_way(const struct wend_hold *h, struct wend_hold_place to)
{
    const bool one = (h->both_by & (h->both_by - 1)) == 0;
    return h->both.pair != 0 && one && wend_hold_is_before(later(h->at, h->both), to);
}

static wend_duration patience(const struct wend_hold *h, bool behind_relay)
{
    const bool brief = behind_relay && h->relay_time != 0 && h->relay_time < h->wait;
    return brief ? h->relay_time : h->wait;
}

static wend_instant debt_until(const struct wend_hold *h, const struct wend_hold_debt *d)
{
    if (d->is_brief)
        return d->since + (h->wait < WEND_HOLD_FRESH ? h->wait : WEND_HOLD_FRESH);
    if (d->by == WEND_HOLD_NO_TRACK)
        return d->since + h->wait;
    return d->since + patience(h, is_relayed(h, d->by));
}

static wend_instant latest(wend_instant a, wend_instant b)
{
    return a > b ? a : b;
}

wend_instant wend_hold_awaits(const struct wend_hold *h, struct wend_hold_place to,
                              wend_instant since)
{
    wend_instant until = WEND_HOLD_NOBODY;
    for (size_t i = 0; i < WEND_HOLD_TRACKS; i++) {
        const struct wend_hold_track *t = &h->tracks[i];
        const struct wend_hold_place end = wend_hold_is_before(t->end, to) ? t->end : to;
        if (is_track(h, i) && wend_hold_is_before(later(t->next, h->at), end))
            until = latest(until, t->behind_since + patience(h, t->behind_relay));
    }
    for (size_t i = 0; i < WEND_HOLD_DEBTS; i++) {
        const struct wend_hold_debt *d = &h->debts[i];
        const struct wend_hold_place at = progress_of(h, d);
        if (wend_hold_is_before(at, d->to) && wend_hold_is_before(at, to))
            until = latest(until, debt_until(h, d));
    }
    if (lacks_second_way(h, to))
        until = latest(until, h->both_since + h->wait);
    return wend_instant_min(until, since + h->wait);
}
