// SPDX-License-Identifier: MIT
// Time: what repeats, what ends, and what reports of traffic lead to.
#include "base/assert.h"
#include "session/machine.h"

// Handshakes of wend: docs/protocol.md sections 2.2 and 2.3. WIREGUARD: the constants of its paper,
// section 6.1; the jitter of 333 ms and the 165 s are those of its implementations.
const struct wend_session_timing *wend_session_timing(enum wend_session_kind kind)
{
    static const struct wend_session_timing presets[] = {
        [WEND_SESSION_WIREGUARD] = {.retry_first = WEND_S(5),
                                    .retry_max = WEND_S(5),
                                    .retry_jitter = WEND_MS(333),
                                    .give_up = WEND_S(90),
                                    .rekey_after = WEND_S(120),
                                    .rekey_late = WEND_S(165),
                                    .send_for = WEND_S(180),
                                    .reject_after = WEND_S(180),
                                    .keepalive = WEND_S(10),
                                    .silence = WEND_S(15)},
        [WEND_SESSION_PEER] = {.retry_first = WEND_MS(250),
                               .retry_max = WEND_S(4),
                               .give_up = WEND_S(90),
                               .rekey_after = WEND_S(120),
                               .rekey_late = WEND_S(165),
                               .send_for = WEND_S(175),
                               .reject_after = WEND_S(180),
                               .keepalive = WEND_S(10),
                               .silence = WEND_S(15)},
        [WEND_SESSION_SERVER] = {.retry_first = WEND_MS(250),
                                 .retry_max = WEND_S(4),
                                 .give_up = WEND_S(90),
                                 .rekey_after = WEND_S(12 * 3600),
                                 .send_for = WEND_S(24 * 3600),
                                 .reject_after = WEND_S(24 * 3600)},
    };
    wend_assert(kind != WEND_SESSION_NONE);
    return &presets[kind];
}

uint64_t wend_label_clock_next(struct wend_label_clock *c, uint64_t unix_ns)
{
    c->last_ns = unix_ns > c->last_ns ? unix_ns : c->last_ns + 1;
    return c->last_ns;
}

static void raise_rekey(struct wend_session *s, wend_instant now)
{
    s->asked = now;
    wend_session_raise(s, WEND_SESSION_EVENT_REKEY, 0, false);
}

void wend_session_ask(struct wend_session *s, wend_instant now)
{
    if (wend_session_is_starting(s))
        return;
    if (s->asked != WEND_NEVER && now - s->asked < WEND_SESSION_ASK_AGAIN)
        return;
    raise_rekey(s, now);
}

static bool is_due(const struct wend_session *s, wend_duration age, wend_instant at)
{
    return s->current.local_index != 0 && s->current.initiator && age != 0 &&
           at - s->current.created >= age;
}

void wend_session_sent(struct wend_session *s, bool data, wend_instant at)
{
    s->keepalive_at = WEND_NEVER;
    if (data && s->timing->silence && s->silence_at == WEND_NEVER)
        s->silence_at = at + s->timing->silence;
    if (is_due(s, s->timing->rekey_after, at))
        wend_session_ask(s, at);
}

void wend_session_received(struct wend_session *s, bool data, wend_instant at)
{
    s->silence_at = WEND_NEVER;
    if (data && s->timing->keepalive && s->keepalive_at == WEND_NEVER)
        s->keepalive_at = at + s->timing->keepalive;
    if (is_due(s, s->timing->rekey_late, at))
        wend_session_ask(s, at);
}

void wend_session_hinted(struct wend_session *s, uint32_t remote_index, wend_instant now)
{
    const bool current = s->current.local_index != 0 && s->current.remote_index == remote_index;
    const bool eager = s->next.eager && s->next.remote_index == remote_index;
    if (current || eager)
        wend_session_ask(s, now);
}

static void expire_handshake(struct wend_session *s, wend_instant now)
{
    if (!wend_session_is_starting(s))
        return;
    if (now >= s->wanted + s->timing->give_up) {
        wend_session_stop(s);
        wend_session_raise(s, WEND_SESSION_EVENT_GAVE_UP, 0, false);
    } else if (now >= s->retry_at) {
        wend_session_repeat(s, now);
    }
}

static wend_instant patience_end(const struct wend_session *s)
{
    return s->waiting ? s->next.created + WEND_SESSION_PATIENCE : WEND_NEVER;
}

void wend_session_expire(struct wend_session *s, wend_instant now)
{
    expire_handshake(s, now);
    wend_session_expire_pairs(s, now);
    if (now >= patience_end(s)) {
        s->waiting = false;
        raise_rekey(s, now);
    }
    if (now >= s->keepalive_at) {
        s->keepalive_at = WEND_NEVER;
        if (wend_session_sending(s, now))
            wend_session_raise(s, WEND_SESSION_EVENT_KEEPALIVE, 0, false);
    }
    if (now >= s->silence_at) {
        s->silence_at = WEND_NEVER;
        wend_session_ask(s, now);
    }
}

wend_instant wend_session_deadline(const struct wend_session *s)
{
    wend_instant at = wend_instant_min(s->keepalive_at, s->silence_at);
    at = wend_instant_min(at, wend_session_pairs_deadline(s));
    at = wend_instant_min(at, patience_end(s));
    if (wend_session_is_starting(s)) {
        at = wend_instant_min(at, s->retry_at);
        at = wend_instant_min(at, s->wanted + s->timing->give_up);
    }
    return at;
}
