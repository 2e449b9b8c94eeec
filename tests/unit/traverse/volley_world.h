// SPDX-License-Identifier: MIT
// Two devices, each behind a NAT of a given kind, with their volleys, in virtual time: a NAT of
// ports alone, other users who take ports at a rate, a relay with delay, a WAN with delay, jitter
// and loss. Not the simulator: small enough to run thousands of times in a unit test.
#ifndef WEND_TESTS_UNIT_TRAVERSE_VOLLEY_WORLD_H
#define WEND_TESTS_UNIT_TRAVERSE_VOLLEY_WORLD_H

#include "volley_nat.h"

// --- events ---

static inline bool world_is_before(const struct world_event *a, const struct world_event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static inline void world_swap(struct world *w, uint32_t i, uint32_t k)
{
    const uint16_t index = w->heap[i];

    w->heap[i] = w->heap[k];
    w->heap[k] = index;
}

static inline struct world_event *world_at(struct world *w, uint32_t i)
{
    return &w->events[w->heap[i]];
}

// The event is in the heap already: `at` and `order` are all that it is sorted by.
static inline struct world_event *world_later(struct world *w, wend_instant at,
                                              enum world_event_kind kind, uint8_t to)
{
    assert_true(w->event_count < WORLD_EVENTS);
    uint32_t i = w->event_count++;
    struct world_event *e = world_at(w, i);
    memset(e, 0, sizeof *e);
    e->at = at;
    e->order = w->order++;
    e->kind = kind;
    e->to = to;
    for (; i > 0 && world_is_before(world_at(w, i), world_at(w, (i - 1) / 2)); i = (i - 1) / 2)
        world_swap(w, i, (i - 1) / 2);
    return e;
}

static inline bool world_loses(struct world *w)
{
    return world_below(w, 100) < w->loss_percent;
}

static inline wend_duration world_delay(struct world *w, wend_duration usual)
{
    return usual + (w->jitter > 0 ? (wend_duration)(world_unit(w) * (double)w->jitter) : 0);
}

static inline void world_open_sockets(struct world *w, struct world_side *s,
                                      const struct wend_volley_event *e)
{
    for (uint16_t i = 0; i < e->count; i++) {
        const uint16_t number = (uint16_t)(e->socket + i);
        s->ports[number] = e->count == 1 && e->port != 0 ? e->port : s->local++;
        if (world_below(w, 100) < s->nat.taken_percent)
            world_put(s, WORLD_TAKEN, s->ports[number], 1);
        wend_volley_socket_ready(&s->volley, number, s->ports[number], w->now);
    }
}

// The most probes that left within any 50 ms and any second.
static inline void world_note_probe(struct world *w, struct world_side *s)
{
    uint16_t short_count = 0, long_count = 0;

    s->probes[s->probe_count++ % 1024] = w->now;
    for (uint32_t back = 1; back <= s->probe_count && back <= 1024; back++) {
        const wend_duration ago = w->now - s->probes[(s->probe_count - back) % 1024];
        short_count = (uint16_t)(short_count + (ago < WEND_MS(50)));
        long_count = (uint16_t)(long_count + (ago < WEND_S(1)));
        if (ago >= WEND_S(1))
            break;
    }
    s->most_in_50ms = short_count > s->most_in_50ms ? short_count : s->most_in_50ms;
    s->most_in_1s = long_count > s->most_in_1s ? long_count : s->most_in_1s;
}

static inline void world_send(struct world *w, uint8_t from, const struct wend_volley_datagram *d)
{
    struct world_side *s = &w->sides[from];
    const uint32_t remote = d->kind == WEND_VOLLEY_BRACKET ? d->server + 1U : 0;
    const uint16_t to_port = remote == 0 ? d->remote.port : 3478;

    if (remote != 0)
        s->asked++;
    else
        s->sent++;
    if (remote == 0 && s->nat.same_nat && !wend_address_same_ip(&d->remote, &s->ip)) {
        struct world_event *e = world_later(w, w->now + WEND_MS(1), WORLD_INSIDE_HIT, 1 - from);
        assert_true(wend_address_equal(&d->remote, &w->sides[1 - from].inside));
        e->datagram = *d;
        return;
    }
    if (d->kind == WEND_VOLLEY_PROBE)
        world_note_probe(w, s);
    const uint16_t source = world_out(w, s, d->socket, remote, to_port);
    if (world_loses(w) || (remote == 0 && d->ttl != 0) || s->nat.udp_blocked ||
        (remote == 2 && s->nat.one_server))
        return;
    struct world_event *e;
    if (remote != 0) {
        e = world_later(w, w->now + world_delay(w, WORLD_SERVER), WORLD_SAMPLE, from);
    } else {
        assert_true(wend_address_same_ip(&d->remote, &w->sides[1 - from].ip));
        e = world_later(w, w->now + world_delay(w, WORLD_ONE_WAY), WORLD_DATAGRAM, 1 - from);
    }
    e->source = source;
    e->dest = to_port;
    e->datagram = *d;
}

static inline void world_take_event(struct world *w, struct world_side *s,
                                    const struct wend_volley_event *e)
{
    if (e->kind == WEND_VOLLEY_OPEN_SOCKETS)
        world_open_sockets(w, s, e);
    if (e->kind == WEND_VOLLEY_OVER)
        s->over = true;
    if (e->kind != WEND_VOLLEY_WON)
        return;
    if (s->won_at == 0)
        s->won_at = w->now;
    s->won_socket = e->socket;
    s->won_remote = e->remote;
}

static inline void world_drain(struct world *w, uint8_t side)
{
    struct world_side *s = &w->sides[side];
    struct wend_volley_event event;
    struct wend_volley_datagram datagram;
    uint8_t bytes[WEND_VOLLEY_MESSAGE_MAX];
    size_t len;

    while (wend_volley_next_event(&s->volley, &event))
        world_take_event(w, s, &event);
    while (wend_volley_next_datagram(&s->volley, &datagram))
        world_send(w, side, &datagram);
    while ((len = wend_volley_next_message(&s->volley, bytes, w->now)) > 0) {
        s->messages++;
        if (world_loses(w) || w->silent_relay)
            continue;
        struct world_event *e =
            world_later(w, w->now + world_delay(w, WORLD_ONE_WAY), WORLD_MESSAGE, 1 - side);
        memcpy(e->bytes, bytes, len);
        e->len = len;
    }
    wend_volley_check(&s->volley);
}

// --- models ---

static inline struct wend_nat_estimate world_about(uint32_t value, uint32_t spread)
{
    return (struct wend_nat_estimate){value > spread ? value - spread : 0, value, value + spread};
}

// From 24 ports seen, the block is taken to reach a fifth further than they did.
static inline void world_estimate_block(struct world *w, struct world_side *s)
{
    struct wend_nat_model *m = &s->model;
    uint32_t least = UINT16_MAX, most = 0;

    for (int i = 0; i < 24; i++) {
        const uint32_t port = s->nat.low + world_below(w, s->nat.high - s->nat.low + 1U);
        least = port < least ? port : least;
        most = port > most ? port : most;
    }
    const uint32_t more = (most - least) / 5;
    m->low = (struct wend_nat_estimate){least > more ? least - more : 1, least, least};
    m->high = (struct wend_nat_estimate){most, most, most + more > 65535 ? 65535 : most + more};
}

static inline void world_model(struct world *w, uint8_t side)
{
    struct world_side *s = &w->sides[side];
    struct wend_nat_model *m = &s->model;

    *m = (struct wend_nat_model){
        .serial = 1U + side,
        .mapping = s->nat.mapping,
        .filtering = s->nat.filtering,
        .allocation = s->nat.allocation,
        .fallback = s->nat.fallback,
        .udp = s->nat.udp_blocked ? WEND_NAT_NO : WEND_NAT_YES,
        .hairpin = s->nat.hairpin ? WEND_NAT_YES : WEND_NAT_NO,
        .paired = s->nat.pooled ? WEND_NAT_NO : WEND_NAT_YES,
        .byte_swapped = s->nat.byte_swapped,
        .delta = s->nat.delta,
        .rate = world_about(s->nat.rate * 100, s->nat.rate * 20),
        .low = world_about(s->nat.low, 0),
        .high = world_about(s->nat.high, 0),
        .public = s->ip,
    };
    if (s->nat.allocation == WEND_NAT_BLOCK && !s->nat.bounds_known)
        world_estimate_block(w, s);
    if (s->nat.not_studied) {
        m->mapping = m->filtering = WEND_NAT_UNKNOWN;
        m->allocation = WEND_NAT_ALLOCATION_UNKNOWN;
    }
    s->ports[0] = s->local++;
    m->public.port = world_out(w, s, 0, 1, 3478);
    m->newest_port = m->public.port;
    if (s->nat.mapped) {
        m->mapped = s->ip;
        m->mapped.port = 41641;
    }
}

static inline void world_start(struct world *w, uint8_t side)
{
    struct world_side *s = &w->sides[side], *peer = &w->sides[1 - side];
    struct wend_plan plan;
    const struct wend_plan_input in = {.own = &s->model,
                                       .peer = &peer->model,
                                       .own_first = w->first == side,
                                       .calling = w->caller == side,
                                       .call = 1};

    wend_plan_make(&plan, &in);
    struct wend_volley_setup setup = {.plan = &plan,
                                      .own = &s->model,
                                      .peer = &peer->model,
                                      .attested = peer->model.public,
                                      .inside = peer->inside,
                                      .rtt = 2 * WORLD_ONE_WAY,
                                      .ttl = 4};
    for (size_t i = 0; i < sizeof setup.key; i++)
        setup.key[i] = (uint8_t)unit_random(&w->random);
    wend_volley_limits_init(&s->limits, w->now);
    assert_int_equal(wend_volley_start(&s->volley, &setup, &s->limits, w->now), 0);
    s->started = true;
}

// The called side has both models first; the clock starts when the caller has them.
static inline void world_begin(struct world *w, const struct world_nat *a,
                               const struct world_nat *b, uint64_t seed)
{
    const uint32_t loss = w->loss_percent;
    const wend_duration jitter = w->jitter;

    memset(w, 0, sizeof *w);
    for (uint32_t i = 0; i < WORLD_EVENTS; i++)
        w->heap[i] = (uint16_t)i;
    w->random = seed;
    w->loss_percent = loss;
    w->jitter = jitter;
    w->now = WEND_S(100);
    w->caller = (uint8_t)world_below(w, 2);
    w->first = (uint8_t)world_below(w, 2);
    for (uint8_t i = 0; i < 2; i++) {
        struct world_side *s = &w->sides[i];
        s->nat = i == 0 ? *a : *b;
        if (s->nat.low == 0) {
            s->nat.low = 1024;
            s->nat.high = 65535;
        }
        s->ip = wend_address_ipv4(0xcb007101U + (uint32_t)i * 256, 0);
        if (s->nat.same_nat)
            s->ip = wend_address_ipv4(0xcb007101U, 0);
        s->newest = (uint16_t)(s->nat.low + world_below(w, s->nat.high - s->nat.low + 1U));
        s->local = (uint16_t)(32768 + world_below(w, 20000));
        s->other_at = w->now;
        world_model(w, i);
        if (s->nat.same_nat)
            s->inside = wend_address_ipv4(0xc0a8010aU + i, s->ports[0]);
    }
    for (uint8_t i = 0; i < 2; i++)
        if (w->sides[i].nat.robbed)
            world_put(&w->sides[i], WORLD_STOLEN,
                      (uint64_t)w->sides[i].model.public.port << 16 |
                          w->sides[1 - i].model.public.port,
                      1);
    w->clock = w->now + WORLD_ONE_WAY;
    world_later(w, w->now, WORLD_START, 1 - w->caller);
    world_later(w, w->clock, WORLD_START, w->caller);
}

// --- running ---

static inline struct world_event world_take(struct world *w)
{
    const struct world_event e = *world_at(w, 0);

    world_swap(w, 0, --w->event_count);
    for (uint32_t i = 0;;) {
        uint32_t least = i;
        for (uint32_t k = 2 * i + 1; k <= 2 * i + 2 && k < w->event_count; k++)
            if (world_is_before(world_at(w, k), world_at(w, least)))
                least = k;
        if (least == i)
            return e;
        world_swap(w, i, least);
        i = least;
    }
}

static inline wend_instant world_next_event_at(const struct world *w)
{
    return w->event_count > 0 ? w->events[w->heap[0]].at : WEND_NEVER;
}

static inline void world_handle(struct world *w, const struct world_event *e)
{
    struct world_side *s = &w->sides[e->to];
    uint16_t socket;

    if (e->kind == WORLD_START)
        world_start(w, e->to);
    if (e->kind == WORLD_MESSAGE && s->started)
        wend_volley_receive(&s->volley, (struct wend_bytes){e->bytes, e->len}, w->now);
    if (e->kind == WORLD_SAMPLE) {
        struct wend_address mapped = s->ip;
        mapped.port = e->source;
        wend_volley_sampled(&s->volley, e->datagram.server, e->datagram.socket, &mapped, w->now);
    }
    if (e->kind == WORLD_INSIDE_HIT) {
        const struct wend_volley_hit hit = {.kind = e->datagram.kind,
                                            .remote = w->sides[1 - e->to].inside,
                                            .token = e->datagram.token,
                                            .echo = e->datagram.echo};
        wend_volley_hit(&s->volley, &hit, w->now);
    }
    if (e->kind == WORLD_DATAGRAM && world_in(s, e->source, e->dest, &socket) && s->started) {
        struct wend_volley_hit hit = {.kind = e->datagram.kind,
                                      .socket = socket,
                                      .remote = w->sides[1 - e->to].ip,
                                      .token = e->datagram.token,
                                      .echo = e->datagram.echo};
        hit.remote.port = e->source;
        wend_volley_hit(&s->volley, &hit, w->now);
    }
}

static inline void world_step(struct world *w)
{
    wend_instant next = world_next_event_at(w);

    for (uint8_t i = 0; i < 2; i++)
        if (w->sides[i].started)
            next = wend_instant_min(next, wend_volley_deadline(&w->sides[i].volley));
    assert_true(next != WEND_NEVER && next >= w->now - WEND_S(1));
    w->now = next > w->now ? next : w->now;
    while (world_next_event_at(w) <= w->now) {
        const struct world_event e = world_take(w);
        world_handle(w, &e);
    }
    for (uint8_t i = 0; i < 2; i++)
        if (w->sides[i].started) {
            wend_volley_expire(&w->sides[i].volley, w->now);
            world_drain(w, i);
        }
}

// Does what a side took for the path carry a packet to the socket that the other side took?
static inline bool world_carries(struct world *w, uint8_t from)
{
    struct world_side *s = &w->sides[from], *peer = &w->sides[1 - from];
    uint16_t socket;

    if (wend_address_equal(&s->won_remote, &peer->inside))
        return s->won_socket == 0 && peer->won_socket == 0;
    const uint16_t source = world_out(w, s, s->won_socket, 0, s->won_remote.port);
    return world_in(peer, source, s->won_remote.port, &socket) && socket == peer->won_socket;
}

static inline bool world_is_done(const struct world *w)
{
    const struct world_side *a = &w->sides[0], *b = &w->sides[1];

    return (a->won_at != 0 || a->over) && (b->won_at != 0 || b->over);
}

static inline void world_finish(struct world *w, wend_duration more)
{
    const wend_instant until = w->now + more;

    while (w->now < until) {
        wend_instant next = world_next_event_at(w);
        for (uint8_t i = 0; i < 2; i++)
            next = wend_instant_min(next, wend_volley_deadline(&w->sides[i].volley));
        if (next > until)
            return;
        world_step(w);
    }
}

static inline struct world_result world_run(struct world *w)
{
    struct world_side *a = &w->sides[0], *b = &w->sides[1];
    struct world_result r = {0};

    while (!world_is_done(w) && w->now < w->clock + WEND_S(20))
        world_step(w);
    r.success = a->won_at != 0 && b->won_at != 0;
    r.time = (a->won_at > b->won_at ? a->won_at : b->won_at) - w->clock;
    if (!r.success)
        r.time = w->now - w->clock;
    r.datagrams = a->sent + b->sent;
    r.asked = a->asked + b->asked;
    r.messages = a->messages + b->messages;
    world_finish(w, WEND_S(2));
    r.path_works = r.success && world_carries(w, 0) && world_carries(w, 1);
    return r;
}

#endif
