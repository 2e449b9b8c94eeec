// SPDX-License-Identifier: MIT
// Notices of the opening half: a queue of receivers and slots that have something to say, each in
// it at most once. A Switch that was not told before the next one came is told with that one.
#include "node/open_state.h"

static void queue(struct wend_open *o, uint32_t who, bool *member)
{
    if (*member)
        return;
    *member = true;
    const uint32_t at = (o->notice_head + o->notice_count++) % WEND_OPEN_NOTICES;
    o->notices[at] = (uint16_t)who;
}

void wend_open_say_receiver(struct wend_open *o, struct wend_open_receiver *r)
{
    queue(o, (uint32_t)(r - o->receivers), &r->in_notices);
}

void wend_open_say_traffic(struct wend_open *o, uint32_t slot)
{
    o->peers[slot].watched = false;
    o->peers[slot].say_traffic = true;
    queue(o, WEND_OPEN_RECEIVERS_MAX + slot, &o->peers[slot].in_notices);
}

static bool take_from_receiver(struct wend_open_receiver *r, struct wend_notice *ret)
{
    struct wend_notice n = {.slot = r->slot, .local_index = r->keys.local_index};
    if (r->say_confirmed) {
        n.kind = WEND_NOTICE_CONFIRMED;
        r->say_confirmed = false;
    } else if (r->say_switch_seen) {
        n.kind = WEND_NOTICE_SWITCH_SEEN;
        n.counter = r->switch_seen;
        r->say_switch_seen = false;
    } else {
        r->in_notices = false;
        return false;
    }
    *ret = n;
    return true;
}

static bool take_from_peer(struct wend_open_peer *p, uint32_t slot, struct wend_notice *ret)
{
    if (!p->say_traffic) {
        p->in_notices = false;
        return false;
    }
    p->say_traffic = false;
    *ret = (struct wend_notice){.kind = WEND_NOTICE_TRAFFIC, .slot = slot};
    return true;
}

// The first in the queue stays there until it has nothing more to say.
bool wend_open_next_notice(struct wend_open *o, struct wend_notice *ret)
{
    while (o->notice_count > 0) {
        const uint32_t who = o->notices[o->notice_head];
        const uint32_t slot = who - WEND_OPEN_RECEIVERS_MAX;
        if (who < WEND_OPEN_RECEIVERS_MAX ? take_from_receiver(&o->receivers[who], ret)
                                          : take_from_peer(&o->peers[slot], slot, ret))
            return true;
        o->notice_head = (o->notice_head + 1) % WEND_OPEN_NOTICES;
        o->notice_count--;
    }
    return false;
}
