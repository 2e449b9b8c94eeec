// SPDX-License-Identifier: MIT
// A leg and the server's machine with a wire between them, in virtual time: what the tests of leg
// and join share. The wire has one delay and can be cut in every way a real one can.
#ifndef WEND_TESTS_NODE_RIDE_H
#define WEND_TESTS_NODE_RIDE_H

#include "../relay/world.h"
#include "node/leg_state.h"

#define RIDE_DELAY  WEND_MS(10) // one way
#define RIDE_WIRE   64          // datagrams under way
#define RIDE_EVENTS 64
#define RIDE_SERVER wend_address_ipv4(0xc6336401, 3478)

struct ride_datagram {
    wend_instant at;
    bool up; // to the server
    struct wend_datagram d;
    uint8_t bytes[WEND_DATAGRAM_MAX];
};

enum ride_stream { RIDE_TCP_OPENS = 0, RIDE_TCP_REFUSED, RIDE_TCP_HANGS };

struct ride {
    struct world w;
    struct net n;
    struct wend_identity identity;
    struct wend_random random;
    struct wend_label_clock labels;
    struct wend_leg leg;
    struct wend_address here; // the client's source as the server sees it

    // The wire.
    bool udp_up_dead, udp_down_dead, hints_dead, stun_only, sealed_dead;
    enum ride_stream tcp;
    bool tcp_dead;    // carries nothing, and nobody tells
    unsigned lose_up; // so many of the next datagrams to the server
    unsigned lose_down;
    uint32_t stream; // open now, 0: none
    uint32_t opening;
    wend_instant opens_at;
    struct wend_address opened_to; // of the last stream asked for
    struct ride_datagram wire[RIDE_WIRE];
    size_t wire_count;
    struct ride_datagram last_up; // the last one sent to the server, lost or not

    // What the leg said.
    unsigned connected, restarted, lost, timed_out, requests, responses, moved, opened, closed;
    unsigned initiations, sent;
    uint16_t response_type, response_error;
    uint32_t response_id;
    char response_text[64];
    struct wend_leg_event request; // the last from the server, without its views
    bool deaf;                     // does not answer the server
    void (*hear)(struct ride *, const struct wend_leg_event *); // may be NULL
    void *context;
};

static inline uint64_t ride_unix_ns(const struct ride *r)
{
    return WORLD_UNIX * 1000000000u + (uint64_t)(r->w.now - WORLD_START);
}

static inline struct wend_leg_config ride_config(struct ride *r)
{
    struct wend_leg_config c = {
        .identity = &r->identity,
        .address_count = 1,
        .addresses = {RIDE_SERVER},
        .epoch = 77,
        .keepalive = true,
        .labels = &r->labels,
    };
    memcpy(c.server_key, wend_relay_session_key(r->w.relay), sizeof c.server_key);
    return c;
}

static inline struct ride *ride_open(void)
{
    const struct wend_relay_config small = {
        .clients_max = 16, .networks_max = 4, .members_max = 16, .channels_max = 16};
    struct ride *r = calloc(1, sizeof *r);
    uint8_t key[32];
    assert_non_null(r);
    world_open(&r->w, &small);
    net_load(&r->n, &r->w, 1);
    fill_key(key, 9, 0x77);
    wend_identity_init(&r->identity, key);
    fill_key(key, 10, 0x78);
    wend_random_init(&r->random, key);
    r->here = wend_address_ipv4(0xcb007109, 41000);
    return r;
}

static inline void ride_begin(struct ride *r, const struct wend_leg_config *config)
{
    const struct wend_leg_config preset = ride_config(r);
    assert_int_equal(wend_leg_init(&r->leg, config ? config : &preset, &r->random), 0);
    wend_leg_start(&r->leg, r->w.now, ride_unix_ns(r));
}

static inline void ride_close(struct ride *r)
{
    wend_leg_close(&r->leg);
    world_close(&r->w);
    free(r);
}

// The server dies and comes back with what it had stored of networks, but not of members.
static inline void ride_restart_server(struct ride *r)
{
    r->w.config.random[5]++;
    wend_relay_close(r->w.relay);
    memset(r->w.relay, 0, wend_relay_size(&r->w.config));
    r->w.relay = wend_relay_init(r->w.relay, &r->w.config, r->w.now, r->w.unix_seconds);
    r->w.kept_count = 0;
    r->wire_count = 0;
    assert_int_equal(
        wend_relay_load_network(r->w.relay, (struct wend_bytes){r->n.record, r->n.record_len}), 0);
}

// --- the wire ---

static inline bool ride_passes(struct ride *r, const struct wend_datagram *d, bool up)
{
    const uint8_t first = d->bytes.at[0];
    unsigned *lose = up ? &r->lose_up : &r->lose_down;
    if (*lose > 0) {
        --*lose;
        return false;
    }
    if (first == 7 && r->hints_dead)
        return false;
    if (first == 4 && r->sealed_dead)
        return false;
    if (d->transport != WEND_TRANSPORT_UDP)
        return !r->tcp_dead && d->stream == r->stream;
    if (r->stun_only && d->bytes.len >= 8 && wend_get_u32(d->bytes.at + 4) == 0x2112A442)
        return true;
    return !(up ? r->udp_up_dead : r->udp_down_dead) && !r->stun_only;
}

static inline void ride_put(struct ride *r, const struct wend_datagram *d, bool up)
{
    struct ride_datagram item = {.at = r->w.now + RIDE_DELAY, .up = up, .d = *d};
    memcpy(item.bytes, d->bytes.at, d->bytes.len);
    if (up)
        r->last_up = item;
    if (!ride_passes(r, d, up))
        return;
    assert_true(r->wire_count < RIDE_WIRE);
    r->wire[r->wire_count++] = item;
}

static inline void ride_deliver(struct ride *r, struct ride_datagram *item)
{
    item->d.bytes.at = item->bytes;
    if (!item->up) {
        (void)wend_leg_receive(&r->leg, &item->d, r->w.now);
        return;
    }
    struct wend_datagram d = item->d;
    d.local = d.remote;
    d.remote = r->here;
    (void)world_deliver(&r->w, &d);
}

static inline void ride_stream_wanted(struct ride *r, const struct wend_leg_event *e)
{
    r->opened++;
    r->opened_to = e->address;
    r->opening = e->stream;
    r->opens_at = r->tcp == RIDE_TCP_HANGS ? WEND_NEVER : r->w.now + 2 * RIDE_DELAY;
}

static inline void ride_stream_gone(struct ride *r, uint32_t stream)
{
    if (r->opening == stream)
        r->opening = 0;
    if (r->stream != stream)
        return;
    r->stream = 0;
    wend_relay_stream_closed(r->w.relay, stream, r->w.now);
}

static inline void ride_stream_due(struct ride *r)
{
    if (r->opening == 0 || r->opens_at > r->w.now)
        return;
    const uint32_t stream = r->opening;
    r->opening = 0;
    if (r->tcp == RIDE_TCP_OPENS) {
        r->stream = stream;
        wend_leg_stream_opened(&r->leg, stream, r->w.now);
    } else {
        wend_leg_stream_closed(&r->leg, stream, r->w.now);
    }
}

// --- the leg ---

static inline void ride_respond(struct ride *r, const struct wend_leg_event *e)
{
    r->requests++;
    r->request = *e;
    if (!r->deaf)
        assert_int_equal(wend_leg_respond(&r->leg, e, 0, (struct wend_bytes){0}), 0);
}

static inline void ride_hear(struct ride *r, const struct wend_leg_event *e)
{
    switch (e->kind) {
    case WEND_LEG_CONNECTED:
        r->connected++;
        r->restarted += e->restarted;
        break;
    case WEND_LEG_RESPONSE:
        r->responses++;
        r->response_type = e->type;
        r->response_error = e->error;
        r->response_id = e->id;
        const size_t len = e->error_text.len < 63 ? e->error_text.len : 63;
        memcpy(r->response_text, e->error_text.at ? e->error_text.at : (const uint8_t *)"", len);
        r->response_text[len] = 0;
        break;
    case WEND_LEG_TIMED_OUT: r->timed_out++; break;
    case WEND_LEG_REQUEST: ride_respond(r, e); break;
    case WEND_LEG_MOVED: r->moved++; break;
    case WEND_LEG_LOST: r->lost++; break;
    case WEND_LEG_OPEN_STREAM: ride_stream_wanted(r, e); break;
    case WEND_LEG_CLOSE_STREAM:
        r->closed++;
        ride_stream_gone(r, e->stream);
        break;
    case WEND_LEG_NONE: fail();
    }
    if (r->hear != NULL)
        r->hear(r, e);
}

static inline void ride_drain(struct ride *r)
{
    struct wend_leg_event e;
    struct wend_datagram d;
    struct kept k;
    while (wend_leg_next_event(&r->leg, &e))
        ride_hear(r, &e);
    wend_leg_expire(&r->leg, r->w.now, ride_unix_ns(r));
    while (wend_leg_next_event(&r->leg, &e))
        ride_hear(r, &e);
    while (wend_leg_next_datagram(&r->leg, &d)) {
        r->sent++;
        r->initiations += d.bytes.at[0] == 5;
        ride_put(r, &d, true);
    }
    while (r->w.kept_count > 0) {
        d = r->w.kept[0].d;
        if (!world_take(&r->w, &d, &k))
            fail();
        if (k.d.transport == WEND_TRANSPORT_UDP && !wend_address_equal(&k.d.remote, &r->here))
            continue; // to where nobody is any more
        k.d.remote = k.d.transport == WEND_TRANSPORT_UDP ? k.d.local : r->opened_to;
        ride_put(r, &k.d, false);
    }
}

static inline wend_instant ride_next(const struct ride *r)
{
    wend_instant next =
        wend_instant_min(wend_leg_deadline(&r->leg), wend_relay_deadline(r->w.relay));
    if (r->opening != 0)
        next = wend_instant_min(next, r->opens_at);
    for (size_t i = 0; i < r->wire_count; i++)
        next = wend_instant_min(next, r->wire[i].at);
    return next;
}

// One turn at the instant `now`.
static inline void ride_turn(struct ride *r)
{
    for (size_t i = 0; i < r->wire_count;) {
        if (r->wire[i].at > r->w.now) {
            i++;
            continue;
        }
        struct ride_datagram item = r->wire[i];
        memmove(&r->wire[i], &r->wire[i + 1], (--r->wire_count - i) * sizeof item);
        ride_deliver(r, &item);
        ride_drain(r);
    }
    ride_stream_due(r);
    wend_relay_expire(r->w.relay, r->w.now, r->w.unix_seconds);
    world_drain(&r->w);
    ride_drain(r);
}

// Lets time pass until `done` is not zero or it is over. Returns whether it was done.
static inline bool ride_until(struct ride *r, const unsigned *done, wend_duration most)
{
    const wend_instant end = r->w.now + most;
    ride_turn(r);
    while ((done == NULL || *done == 0) && r->w.now < end) {
        const wend_instant next = ride_next(r);
        // Who has nothing more to say now must not ask for now.
        assert_true(next > r->w.now || r->wire_count > 0);
        r->w.now = next < end ? next : end;
        r->w.unix_seconds = ride_unix_ns(r) / 1000000000u;
        ride_turn(r);
    }
    return done != NULL && *done != 0;
}

static inline void ride_wait(struct ride *r, wend_duration duration)
{
    (void)ride_until(r, NULL, duration);
}

static inline bool ride_is_by(const struct ride *r, enum wend_transport transport)
{
    const struct wend_datagram *route = wend_leg_route(&r->leg);
    return route != NULL && route->transport == transport;
}

// --- membership ---

static inline struct wend_invite ride_invite(const struct ride *r)
{
    struct wend_invite invite = {.network_record_len = r->n.record_len};
    memcpy(invite.seed, r->n.invite_seed, sizeof invite.seed);
    memcpy(invite.network_record, r->n.record, r->n.record_len);
    memcpy(invite.delegation, r->n.delegation, sizeof invite.delegation);
    return invite;
}

#endif
