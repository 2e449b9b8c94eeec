// SPDX-License-Identifier: MIT
// Key pairs: three slots and the moves between them.
//
//   ours:     new -> current -> previous -> gone
//   theirs:   new -> next --confirmed--> current -> previous -> gone
//
// The newest pair is the one to send with. For both sides to agree which that is, and so on who
// rekeys, handshakes of wend must not overlap. Both may begin at once all the same, so the device
// with the higher public key yields:
//
//   it answers while a handshake of its own is under way   it stops its own
//   it shall start while an answered pair waits for its    it waits up to 1 s for it, then asks its
//   first message                                          owner to start, which gives that pair up
//
// So of two handshakes that overlap only that of the lower device is completed, or one comes after
// the other on both sides. The lower device answers and goes on; if the answered pair proves itself
// first, it stops its own. In a session with a stock WireGuard device nobody yields: such a device
// forgets its own handshake when it answers ours, so one of them at most is completed anyway.
//
// An eager pair is `next` all the same: it is sent with, but nothing older is given up for it, and
// when nobody confirms it the sending ends after WEND_SESSION_BELIEF, while it goes on to receive.
// A pair answered across a handshake of ours is never eager: the other side may have yielded.
#include <string.h>

#include "base/assert.h"
#include "crypto/crypto.h"
#include "session/machine.h"

bool wend_session_yields(const struct wend_session *s)
{
    return s->config->prologue->kind != WEND_SESSION_WIREGUARD &&
           memcmp(s->config->self->public_key, s->remote.public_key, WEND_SESSION_KEY_LEN) > 0;
}

static void clear(struct wend_session *s, struct wend_session_pair *slot)
{
    if (slot->local_index == 0)
        return;
    wend_session_raise(s, WEND_SESSION_EVENT_EXPIRED, slot->local_index, false);
    if (s->response_index == slot->local_index) { // nobody may complete this handshake any more
        s->response_len = 0;
        s->response_index = 0;
        s->response_due = false;
    }
    *slot = (struct wend_session_pair){0};
}

// Empties `from` into `to`, whose old pair goes.
static void move(struct wend_session *s, struct wend_session_pair *to,
                 struct wend_session_pair *from)
{
    if (from->local_index == 0)
        return;
    clear(s, to);
    *to = *from;
    to->eager = false;
    *from = (struct wend_session_pair){0};
}

void wend_session_install(struct wend_session *s, const struct wend_keys *keys, bool eager)
{
    struct wend_session_pair *slot = keys->initiator ? &s->current : &s->next;
    if (keys->initiator)
        move(s, &s->previous, &s->current);
    clear(s, slot);
    *slot = (struct wend_session_pair){
        .local_index = keys->local_index,
        .remote_index = keys->remote_index,
        .created = keys->created,
        .serial = ++s->serial,
        .initiator = keys->initiator,
        .crossed = !keys->initiator && wend_session_is_starting(s),
        .eager = !keys->initiator && eager && !wend_session_is_starting(s),
    };
    s->keys = *keys;
    s->waiting = false;
    wend_session_raise(s, WEND_SESSION_EVENT_KEYS, keys->local_index,
                       wend_session_sending(s, keys->created) == keys->local_index);
}

void wend_session_confirmed(struct wend_session *s, uint32_t local_index, wend_instant now)
{
    wend_session_received(s, false, now);
    if (local_index == 0 || s->next.local_index != local_index)
        return;
    if (s->next.crossed && wend_session_is_starting(s))
        wend_session_stop(s);
    const bool send = s->next.serial > s->current.serial;
    if (send)
        move(s, &s->previous, &s->current);
    move(s, send ? &s->current : &s->previous, &s->next);
    s->waiting = false;
    wend_session_raise(s, WEND_SESSION_EVENT_CONFIRMED, local_index, send);
}

void wend_session_give_up_next(struct wend_session *s)
{
    clear(s, &s->next);
}

static wend_instant end_of(const struct wend_session *s, const struct wend_session_pair *pair)
{
    return pair->local_index ? pair->created + s->timing->reject_after : WEND_NEVER;
}

// The peer's clock for the same pair may be half a round trip ahead, and messages take their time.
static wend_instant sending_ends(const struct wend_session *s)
{
    const struct wend_session_pair *pair = &s->current;

    return pair->local_index && !pair->ending ? pair->created + s->timing->send_for : WEND_NEVER;
}

void wend_session_expire_pairs(struct wend_session *s, wend_instant now)
{
    struct wend_session_pair *const slots[] = {&s->previous, &s->current, &s->next};
    if (now >= sending_ends(s))
        s->current.ending = true;
    for (size_t i = 0; i < 3; i++)
        if (now >= end_of(s, slots[i]))
            clear(s, slots[i]);
    if (s->next.eager && now >= s->next.created + WEND_SESSION_BELIEF)
        s->next.eager = false;
}

wend_instant wend_session_pairs_deadline(const struct wend_session *s)
{
    wend_instant at = wend_instant_min(end_of(s, &s->previous), end_of(s, &s->current));
    at = wend_instant_min(at, wend_instant_min(end_of(s, &s->next), sending_ends(s)));
    return s->next.eager ? wend_instant_min(at, s->next.created + WEND_SESSION_BELIEF) : at;
}

void wend_session_outdate(struct wend_session *s)
{
    s->outdated = s->serial;
    s->next.eager = false;
}

uint32_t wend_session_sending(const struct wend_session *s, wend_instant now)
{
    if (s->current.serial > s->outdated && now < sending_ends(s) && !s->current.ending)
        return s->current.local_index;
    if (s->next.eager && now < s->next.created + WEND_SESSION_BELIEF)
        return s->next.local_index;
    return 0;
}
