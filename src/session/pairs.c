// SPDX-License-Identifier: MIT
// Key pairs: three slots and the moves between them.
//
//   ours:     new -> current -> previous -> gone
//   theirs:   new -> next --confirmed--> current -> previous -> gone
//
// When both sides initiate at once, each side makes two pairs: L, begun by the device with the
// lower public key, and H, begun by the other. Both are good, so whichever is complete first is
// used at once; in the end L is `current` on both sides, so that both agree who rekeys:
//
//   the lower device    never lets H take the place of L: a confirmed H goes to `previous`
//   the higher device   lets L take over when it is confirmed, though H is newer; and an H that
//                       completes after L was confirmed goes to `previous`
//
// Either side knows that a pair crossed because a handshake of its own was under way as it
// answered.
#include <string.h>

#include "base/assert.h"
#include "crypto/crypto.h"
#include "session/machine.h"

static bool is_lower(const struct wend_session *s)
{
    return memcmp(s->config->self->public_key, s->remote.public_key, WEND_SESSION_KEY_LEN) < 0;
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
    *from = (struct wend_session_pair){0};
}

static struct wend_session_pair *slot_for(struct wend_session *s, bool initiator)
{
    if (!initiator)
        return &s->next;
    const struct wend_session_pair *current = &s->current;
    const bool yields =
        current->local_index != 0 && !current->initiator && current->crossed && !is_lower(s);
    return yields ? &s->previous : &s->current;
}

bool wend_session_install(struct wend_session *s, const struct wend_keys *keys)
{
    struct wend_session_pair *slot = slot_for(s, keys->initiator);
    if (slot == &s->current)
        move(s, &s->previous, slot);
    clear(s, slot);
    *slot = (struct wend_session_pair){
        .local_index = keys->local_index,
        .remote_index = keys->remote_index,
        .created = keys->created,
        .serial = ++s->serial,
        .initiator = keys->initiator,
        .crossed = !keys->initiator && wend_session_is_starting(s),
    };
    s->keys = *keys;
    wend_session_raise(s, WEND_SESSION_EVENT_KEYS, keys->local_index, slot == &s->current);
    return slot == &s->current;
}

static bool takes_over(const struct wend_session *s)
{
    const struct wend_session_pair *current = &s->current;
    if (current->local_index == 0 || s->next.serial > current->serial)
        return true;
    return s->next.crossed && !is_lower(s);
}

void wend_session_confirmed(struct wend_session *s, uint32_t local_index, wend_instant now)
{
    wend_session_received(s, false, now);
    if (local_index == 0 || s->next.local_index != local_index)
        return;
    const bool send = takes_over(s);
    if (send)
        move(s, &s->previous, &s->current);
    move(s, send ? &s->current : &s->previous, &s->next);
    wend_session_raise(s, WEND_SESSION_EVENT_CONFIRMED, local_index, send);
}

void wend_session_uncross(struct wend_session *s)
{
    s->current.crossed = false;
    s->next.crossed = false;
}

static wend_instant end_of(const struct wend_session *s, const struct wend_session_pair *pair)
{
    return pair->local_index ? pair->created + s->timing->reject_after : WEND_NEVER;
}

void wend_session_expire_pairs(struct wend_session *s, wend_instant now)
{
    struct wend_session_pair *const slots[] = {&s->previous, &s->current, &s->next};
    for (size_t i = 0; i < 3; i++)
        if (now >= end_of(s, slots[i]))
            clear(s, slots[i]);
}

wend_instant wend_session_pairs_deadline(const struct wend_session *s)
{
    return wend_instant_min(end_of(s, &s->previous),
                            wend_instant_min(end_of(s, &s->current), end_of(s, &s->next)));
}

uint32_t wend_session_sending(const struct wend_session *s, wend_instant now)
{
    return now < end_of(s, &s->current) ? s->current.local_index : 0;
}
