// SPDX-License-Identifier: MIT
// Two ends with a session machine each, and the little that an owner does around it.
#ifndef WEND_TESTS_UNIT_SESSION_ENDS_H
#define WEND_TESTS_UNIT_SESSION_ENDS_H

#include "unit.h"

#define UNIX_NS UINT64_C(1700000000000000000)

struct end {
    struct wend_identity identity;
    struct wend_random random;
    struct wend_label_clock labels;
    struct wend_session_config config;
    struct wend_session session;
    uint8_t initiation[WEND_INITIATION_MAX], response[WEND_RESPONSE_MAX];
    uint32_t last_index;
    // What the events said, since the last ends_clear.
    int keys, confirmed, expired, rekey, keepalive, gave_up;
    uint32_t sending; // the pair to send with, as events told
    struct wend_keys last_keys;
    // What was received last.
    struct wend_response answer;
    struct wend_initiation asked;
    bool refuse; // judge says no
    bool eager;  // answers are sent under at once
};

struct ends {
    struct wend_prologue prologue;
    struct end a, b; // a has the lower public key
};

static inline void end_init(struct end *e, const struct wend_prologue *prologue,
                            const uint8_t private_key[static 32])
{
    *e = (struct end){0};
    wend_identity_init(&e->identity, private_key);
    wend_random_init(&e->random, private_key);
    e->config = (struct wend_session_config){
        .prologue = prologue, .self = &e->identity, .random = &e->random, .labels = &e->labels};
}

static inline void end_meet(struct end *e, const struct end *other)
{
    struct wend_remote remote;
    assert_int_equal(wend_remote_init(&remote, &e->identity, other->identity.public_key), 0);
    const struct wend_session_buffers buffers = {e->initiation, sizeof e->initiation, e->response,
                                                 sizeof e->response};
    wend_session_init(&e->session, &e->config, &buffers, &remote);
}

static inline void ends_init(struct ends *w, enum wend_session_kind kind)
{
    if (kind == WEND_SESSION_WIREGUARD)
        wend_prologue_wireguard(&w->prologue);
    else if (kind == WEND_SESSION_SERVER)
        wend_prologue_server(&w->prologue);
    else
        wend_prologue_peer(&w->prologue, vector_network);
    end_init(&w->a, &w->prologue, vector_initiator);
    end_init(&w->b, &w->prologue, vector_responder);
    if (memcmp(w->a.identity.public_key, w->b.identity.public_key, 32) > 0) {
        end_init(&w->a, &w->prologue, vector_responder);
        end_init(&w->b, &w->prologue, vector_initiator);
    }
    w->a.last_index = 1000;
    w->b.last_index = 2000;
    end_meet(&w->a, &w->b);
    end_meet(&w->b, &w->a);
}

// Takes all events, and notes what an owner would have to do.
static inline void end_drain(struct end *e)
{
    struct wend_session_event event;
    while (wend_session_next_event(&e->session, &event)) {
        switch (event.kind) {
        case WEND_SESSION_EVENT_NONE: fail(); break;
        case WEND_SESSION_EVENT_KEYS:
            e->keys++;
            e->last_keys = *event.keys;
            assert_int_equal(event.keys->local_index, event.local_index);
            break;
        case WEND_SESSION_EVENT_CONFIRMED: e->confirmed++; break;
        case WEND_SESSION_EVENT_EXPIRED:
            e->expired++;
            if (e->sending == event.local_index)
                e->sending = 0;
            break;
        case WEND_SESSION_EVENT_REKEY: e->rekey++; break;
        case WEND_SESSION_EVENT_KEEPALIVE: e->keepalive++; break;
        case WEND_SESSION_EVENT_GAVE_UP: e->gave_up++; break;
        }
        if (event.send)
            e->sending = event.local_index;
    }
    wend_session_check(&e->session);
}

static inline void end_clear(struct end *e)
{
    e->keys = e->confirmed = e->expired = e->rekey = e->keepalive = e->gave_up = 0;
}

static inline int end_start(struct end *e, wend_instant now)
{
    static const uint8_t attributes[] = {0, 1, 2, 3};
    struct wend_session_start start = {.local_index = e->last_index + 1,
                                       .unix_ns = UNIX_NS + (uint64_t)now};
    if (e->config.prologue->kind != WEND_SESSION_WIREGUARD)
        start.attributes = UNIT_BYTES(attributes);
    const int error = wend_session_start(&e->session, &start, now);
    if (!error)
        e->last_index++;
    end_drain(e);
    return error;
}

static inline void end_expire(struct end *e, wend_instant now)
{
    wend_session_expire(&e->session, now);
    end_drain(e);
    assert_true(wend_session_deadline(&e->session) > now);
}

// Takes the next datagram of `e` out, as a copy. Returns its length, 0 if there is none.
static inline size_t end_take(struct end *e, uint8_t ret[static 2048])
{
    struct wend_bytes out;
    if (!wend_session_next_datagram(&e->session, &out))
        return 0;
    memcpy(ret, out.at, out.len);
    return out.len;
}

static inline enum wend_drop end_receive_initiation(struct end *e, struct wend_bytes in,
                                                    wend_instant now)
{
    static const uint8_t attributes[] = {9, 9};
    const struct wend_parties parties = {e->config.prologue, &e->identity, NULL};
    bool is_new = false;
    enum wend_drop drop = wend_initiation_open_static(&parties, in, &e->asked);
    if (drop == WEND_DROP_NONE)
        drop = wend_session_receive_initiation(&e->session, &e->asked, now, &is_new);
    if (drop == WEND_DROP_NONE && is_new && e->refuse)
        return WEND_DROP_NOT_ALLOWED;
    if (drop == WEND_DROP_NONE && is_new) {
        struct wend_session_accept accept = {.local_index = ++e->last_index, .eager = e->eager};
        if (e->config.prologue->kind != WEND_SESSION_WIREGUARD)
            accept.attributes = UNIT_BYTES(attributes);
        assert_int_equal(wend_session_accept(&e->session, &e->asked, &accept, now), 0);
    }
    return drop;
}

static inline enum wend_drop end_receive(struct end *e, struct wend_bytes in, wend_instant now)
{
    const bool initiation = in.len > 0 && (in.at[0] == WEND_MESSAGE_WG_INITIATION ||
                                           in.at[0] == WEND_MESSAGE_INITIATION);
    const enum wend_drop drop = initiation ? end_receive_initiation(e, in, now)
                                           : wend_session_receive(&e->session, in, now, &e->answer);
    end_drain(e);
    return drop;
}

// Hands everything that `from` has to `to`. Returns how many datagrams.
static inline int ends_deliver(struct end *from, struct end *to, wend_instant now)
{
    uint8_t bytes[2048];
    size_t len;
    int count = 0;
    while ((len = end_take(from, bytes)) > 0) {
        assert_int_equal(end_receive(to, (struct wend_bytes){bytes, len}, now), WEND_DROP_NONE);
        count++;
    }
    return count;
}

// `from` sends a message under its sending pair, which must open at `to`.
static inline void ends_send(struct end *from, struct end *to, wend_instant now)
{
    assert_int_not_equal(from->sending, 0);
    const struct wend_session_pair *pair = &from->session.current;
    const uint32_t index = pair->remote_index;
    assert_int_equal(wend_session_sending(&from->session, now), from->sending);
    assert_int_equal(pair->local_index, from->sending);
    assert_true(index == to->session.previous.local_index ||
                index == to->session.current.local_index || index == to->session.next.local_index);
    wend_session_sent(&from->session, true, now);
    end_drain(from);
    wend_session_confirmed(&to->session, index, now);
    wend_session_received(&to->session, true, now);
    end_drain(to);
}

// Everything that is under way arrives, and each side that can says something.
static inline void ends_run(struct ends *w, wend_instant now)
{
    struct end *const sides[] = {&w->a, &w->b, &w->a, &w->b};
    for (size_t i = 0; i + 1 < 4; i++) {
        uint8_t bytes[2048];
        size_t len;
        while ((len = end_take(sides[i], bytes)) > 0)
            end_receive(sides[i + 1], (struct wend_bytes){bytes, len}, now);
    }
    for (size_t i = 0; i < 2; i++)
        if (sides[i]->sending)
            ends_send(sides[i], sides[i + 1], now);
}

// A whole handshake begun by `from`, confirmed by a first message.
static inline void ends_connect(struct end *from, struct end *to, wend_instant now)
{
    assert_int_equal(end_start(from, now), 0);
    assert_int_equal(ends_deliver(from, to, now), 1);
    assert_int_equal(ends_deliver(to, from, now), 1);
    ends_send(from, to, now);
}

#endif
