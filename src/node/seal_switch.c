// SPDX-License-Identifier: MIT
// Saying Switch (wire/switch.h), so that the peer can put messages of two ways into order.
//
// Commands change `path`, `also` and the keys; `course` holds what the newest sealed messages took.
// The two are compared when the next message is about to be sealed, or at the next flush, whichever
// comes first: several commands then make one Switch, and none if all is as it was.
//
//     old ways {A}     new {B}       LEAVE on A, ENTER on B
//              {A}         {A, B}    BOTH on A and B
//              {A, B}      {B}       LEAVE on A, ENTER on B
//              {A, B}      {C}       LEAVE on A (it carried all), ENTER on C
//
// LEAVE and ENTER go out twice: they say how long the receiver waits. They are for packets that may
// still be on the way: without a user packet in the last second nothing is said, unless a BOTH
// stands to be ended. Where the old way was taken from us (transport NONE) there is no LEAVE.
//
// New keys: LEAVE must be the last thing under the keys that sealed the packets before it, so these
// are kept until the first message under the new ones. ENTER is then the new pair's first message,
// counter 0, first 0. Whether BOTH was said counts for one pair: each new pair says its own.
#include "node/seal_state.h"

#define RECENT WEND_S(1)

static bool is_way(const struct wend_plane_path *way)
{
    return way->transport != WEND_TRANSPORT_NONE;
}

// Two channels through one server are one way: what was sent first through either comes first.
bool wend_seal_same_way(const struct wend_plane_path *a, const struct wend_plane_path *b)
{
    return a->transport == b->transport && a->stream == b->stream &&
           (a->channel != 0) == (b->channel != 0) && a->socket == b->socket &&
           wend_address_equal(&a->local, &b->local) && wend_address_equal(&a->remote, &b->remote);
}

// ---- Keys ----

static void close_former(struct wend_seal_course *c)
{
    if (c->has_former)
        wend_sender_close(&c->former);
    c->has_former = false;
}

void wend_seal_course_rekey(struct wend_seal_slot *p)
{
    struct wend_seal_course *c = &p->course;
    c->said = WEND_SWITCH_NONE;
    c->repeat = false;
    if (!p->keyed || p->sender.counter == 0)
        return; // nothing was sealed with these: `former`, if any, is still the last
    close_former(c);
    c->has_former = c->spoken;
    if (!c->has_former)
        return;
    c->former = p->sender;
    p->sender = (struct wend_sender){0};
}

void wend_seal_course_end(struct wend_seal_slot *p)
{
    close_former(&p->course);
    p->course = (struct wend_seal_course){0};
}

// ---- What is due ----

static bool still_takes(const struct wend_seal_slot *p, const struct wend_plane_path *way)
{
    return wend_seal_same_way(&p->path, way) ||
           (wend_seal_is_doubled(p) && wend_seal_same_way(&p->also, way));
}

static bool has_moved(const struct wend_seal_slot *p)
{
    const struct wend_seal_course *c = &p->course;
    return is_way(&c->also) != wend_seal_is_doubled(p) || !still_takes(p, &c->path) ||
           (is_way(&c->also) && !still_takes(p, &c->also));
}

static bool is_recent(const struct wend_seal_course *c, wend_instant now)
{
    return c->spoken && now - c->spoke <= RECENT;
}

static enum wend_switch_kind due(const struct wend_seal_slot *p, wend_instant now)
{
    const struct wend_seal_course *c = &p->course;
    const bool moved = has_moved(p);
    if (wend_seal_is_doubled(p))
        return moved || c->said != WEND_SWITCH_BOTH ? WEND_SWITCH_BOTH : WEND_SWITCH_NONE;
    if (moved && (c->said == WEND_SWITCH_BOTH || is_recent(c, now)))
        return WEND_SWITCH_ENTER;
    return WEND_SWITCH_NONE;
}

// The way that carried all and is left, or NULL.
static const struct wend_plane_path *left_way(const struct wend_seal_slot *p, wend_instant now)
{
    const struct wend_seal_course *c = &p->course;
    if (c->broken || (c->said != WEND_SWITCH_BOTH && !is_recent(c, now)))
        return NULL;
    if (is_way(&c->path) && !still_takes(p, &c->path))
        return &c->path;
    return is_way(&c->also) && !still_takes(p, &c->also) ? &c->also : NULL;
}

// ---- Saying it ----

static void write_switch(const struct wend_plane_path *way, enum wend_switch_kind kind,
                         uint64_t first, struct wend_seal_out *out)
{
    const struct wend_switch w = {.kind = kind, .first = first};
    wend_switch_write(wend_seal_place(way, out), &w);
}

static void say_leave(struct wend_seal *s, struct wend_seal_slot *p,
                      const struct wend_plane_path *way, struct wend_seal_out *out)
{
    struct wend_sender *sender = p->course.has_former ? &p->course.former : &p->sender;
    const size_t at = out->len;
    s->serial++;
    write_switch(way, WEND_SWITCH_LEAVE, sender->counter + 1, out);
    const size_t len = wend_seal_put_with(s, p, sender, way, WEND_SWITCH_LEN, out);
    if (len > 0) {
        wend_seal_copy(s, p, at, len, way, way, out);
        wend_seal_count(s, p, way, 2);
    }
    s->serial++;
}

// Returns false when that used up the keys.
static bool say(struct wend_seal *s, struct wend_seal_slot *p, enum wend_switch_kind kind,
                uint64_t first, struct wend_seal_out *out)
{
    const size_t at = out->len;
    s->serial++;
    write_switch(&p->path, kind, first, out);
    const size_t len = wend_seal_put(s, p, &p->path, WEND_SWITCH_LEN, out);
    if (len == 0)
        return false;
    wend_seal_count(s, p, &p->path, 1);
    const struct wend_plane_path *second = wend_seal_is_doubled(p) ? &p->also : &p->path;
    if (kind == WEND_SWITCH_BOTH)
        s->serial++;
    wend_seal_copy(s, p, at, len, &p->path, second, out);
    wend_seal_count(s, p, second, 1);
    s->serial++;
    return true;
}

static void say_new(struct wend_seal *s, struct wend_seal_slot *p, enum wend_switch_kind kind,
                    wend_instant now, struct wend_seal_out *out)
{
    const struct wend_plane_path *left = left_way(p, now);
    if (left != NULL)
        say_leave(s, p, left, out);
    else if (kind == WEND_SWITCH_ENTER && p->sender.counter > 0)
        p->sender.counter++; // the one before an ENTER's first is no packet's, said or not
    const uint64_t first = p->sender.counter;
    if (!say(s, p, kind, first, out))
        return;
    p->course.said = (uint8_t)kind;
    p->course.first = first;
    wend_seal_say(s, wend_seal_number(s, p), WEND_SEAL_SAY_SWITCHED);
}

static void adopt(struct wend_seal_slot *p, wend_instant now)
{
    struct wend_seal_course *c = &p->course;
    // Keys that nothing was sealed with leave those before them in force.
    const bool untouched = p->sender.counter == 0 && is_recent(c, now);
    if (!untouched)
        close_former(c);
    c->path = p->path;
    c->also = p->also;
    c->broken = false;
    c->repeat = false;
    p->unsettled = c->has_former;
}

bool wend_seal_settle(struct wend_seal *s, struct wend_seal_slot *p, wend_instant now,
                      struct wend_seal_out *out)
{
    static const struct wend_seal_need room = {3, 4 * (WEND_SWITCH_LEN + WEND_SEAL_GROWTH)};
    struct wend_seal_course *c = &p->course;
    if (p->sender.counter > 0)
        close_former(c);
    const enum wend_switch_kind kind = due(p, now);
    const bool repeat = kind == WEND_SWITCH_NONE && c->repeat && c->said != WEND_SWITCH_NONE;
    if ((kind != WEND_SWITCH_NONE || repeat) && !wend_seal_has_room(out, room))
        return false;
    if (kind != WEND_SWITCH_NONE)
        say_new(s, p, kind, now, out);
    else if (repeat)
        (void)say(s, p, (enum wend_switch_kind)c->said, c->first, out);
    else if (has_moved(p))
        c->said = WEND_SWITCH_NONE;
    if (p->keyed)
        adopt(p, now);
    return true;
}
