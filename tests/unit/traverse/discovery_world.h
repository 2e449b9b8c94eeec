// SPDX-License-Identifier: MIT
// A device in the state of discovery, a NAT before it, and two discovery servers with two ports
// each, 50 ms away with 20 ms of jitter, in made-up time. A seed decides everything.
#ifndef WEND_TESTS_DISCOVERY_WORLD_H
#define WEND_TESTS_DISCOVERY_WORLD_H

#include "nat_emulator.h"
#include "traverse/discovery.h"
#include "wire/stun.h"

#define WORLD_PACKETS 256
#define WORLD_T0      WEND_S(1000)
#define WORLD_MAIN    41641

enum world_lie {
    LIE_NONE = 0,
    LIE_PRIVATE,   // tells a private address
    LIE_LOOPBACK,  // tells a loopback address
    LIE_ADDRESS,   // tells somebody else's address, always the same
    LIE_PORT,      // tells another port each time
    LIE_TWICE,     // answers twice, the second time with another port
    LIE_SILENT,    // says nothing
    LIE_SOURCE,    // answers from where nobody asked
    LIE_REFUSES,   // error 420 for all
    LIE_NO_CHANGE, // plain STUN: refuses CHANGE-REQUEST, names no OTHER-ADDRESS
    LIE_DEAF,      // answers from where it was asked, whatever CHANGE-REQUEST says
};

struct world_packet {
    wend_instant at; // 0: free
    bool to_server;
    uint8_t len;
    struct wend_address from, to;
    uint8_t bytes[160];
};

struct world {
    struct emulator nat;
    struct sim_draw draw;
    struct wend_discovery discovery;
    struct wend_address servers[4];
    enum world_lie lies[2];           // of the first server, of the second
    uint32_t wan_loss, access_loss;   // thousandths, each way
    wend_duration delay, jitter, gap; // one way; between datagrams sent in one go
    struct wend_address local[WEND_DISCOVERY_SOCKETS];
    bool open[WEND_DISCOVERY_SOCKETS];
    struct world_packet packets[WORLD_PACKETS];
    wend_instant now;
    uint32_t sent, opened, closed;
    bool done;
};

static void world_put(struct world *w, const struct world_packet *p)
{
    for (uint32_t i = 0; i < WORLD_PACKETS; i++) {
        if (w->packets[i].at == 0) {
            w->packets[i] = *p;
            return;
        }
    }
    wend_assert(false);
}

// Over the internet: late, and now and then not at all.
static void world_travel(struct world *w, struct world_packet *p, wend_instant now)
{
    if (sim_draw_chance(&w->draw, w->wan_loss))
        return;
    p->at = now + w->delay + (wend_duration)sim_draw_below(&w->draw, (uint32_t)w->jitter + 1);
    world_put(w, p);
}

static void world_answer(struct world *w, const struct world_packet *p,
                         const struct wend_address *origin, const struct wend_address *mapped,
                         uint16_t refusal)
{
    struct wend_stun m;
    struct world_packet a = {.from = *origin, .to = p->from};
    struct wend_stun_writer out;

    if (wend_stun_read((struct wend_bytes){p->bytes, p->len}, &m) != 0)
        return;
    struct wend_stun_header header = {.method = m.method,
                                      .class = refusal ? WEND_STUN_ERROR : WEND_STUN_SUCCESS};
    memcpy(header.transaction, m.transaction, sizeof header.transaction);
    wend_stun_begin(&out, a.bytes, sizeof a.bytes, &header);
    if (refusal) {
        wend_stun_put_error(&out, refusal, (struct wend_bytes){0});
    } else {
        wend_stun_put_xor_address(&out, WEND_STUN_XOR_MAPPED_ADDRESS, mapped);
        const bool second = wend_address_same_ip(&p->to, &w->servers[2]);
        const bool other_port = p->to.port == w->servers[1].port;
        const struct wend_address *other = &w->servers[(second ? 0 : 2) + (other_port ? 0 : 1)];
        wend_stun_put_address(&out, WEND_STUN_RESPONSE_ORIGIN, origin);
        if (w->lies[second] != LIE_NO_CHANGE)
            wend_stun_put_address(&out, WEND_STUN_OTHER_ADDRESS, other);
    }
    a.len = (uint8_t)wend_stun_finish(&out);
    wend_assert(a.len != 0 && a.len <= p->len);
    world_travel(w, &a, w->now);
}

static struct wend_address world_lie_about(struct world *w, enum world_lie lie,
                                           struct wend_address seen)
{
    if (lie == LIE_PRIVATE)
        return wend_address_ipv4(0x0a000007, seen.port);
    if (lie == LIE_LOOPBACK)
        return wend_address_ipv4(0x7f000001, seen.port);
    if (lie == LIE_ADDRESS)
        return wend_address_ipv4(0xc0000207, seen.port);
    if (lie == LIE_PORT)
        seen.port = (uint16_t)(1024 + sim_draw_below(&w->draw, 60000));
    return seen;
}

static void world_serve(struct world *w, const struct world_packet *p)
{
    struct wend_stun m;
    const bool second = wend_address_same_ip(&p->to, &w->servers[2]);
    const enum world_lie lie = w->lies[second];

    if (wend_stun_read((struct wend_bytes){p->bytes, p->len}, &m) != 0 || lie == LIE_SILENT)
        return;
    const bool changes = wend_stun_has(&m, WEND_STUN_CHANGE_REQUEST);
    struct wend_address origin = p->to;
    if (lie != LIE_DEAF && changes) {
        const bool to_second = second != m.change_ip;
        const bool other_port = (p->to.port == w->servers[1].port) != m.change_port;
        origin = w->servers[(to_second ? 2 : 0) + (other_port ? 1 : 0)];
    }
    const bool refuses = lie == LIE_REFUSES || (lie == LIE_NO_CHANGE && changes);
    if (refuses)
        origin = p->to;
    if (lie == LIE_SOURCE)
        origin.port = (uint16_t)(origin.port + 7);
    struct wend_address mapped = world_lie_about(w, lie, p->from);
    world_answer(w, p, &origin, &mapped, refuses ? 420 : 0);
    if (lie == LIE_TWICE) {
        mapped.port ^= 1;
        world_answer(w, p, &origin, &mapped, 0);
    }
}

static void world_deliver(struct world *w, const struct wend_address *inside,
                          const struct world_packet *p)
{
    for (uint8_t i = 0; i < WEND_DISCOVERY_SOCKETS; i++) {
        if (!w->open[i] || !wend_address_equal(&w->local[i], inside))
            continue;
        const struct wend_datagram in = {.transport = WEND_TRANSPORT_UDP,
                                         .local = w->local[i],
                                         .remote = p->from,
                                         .bytes = {p->bytes, p->len}};
        wend_discovery_receive(&w->discovery, i, &in, w->now);
    }
}

static void world_arrive(struct world *w, const struct world_packet *p)
{
    if (p->to_server) {
        world_serve(w, p);
        return;
    }
    const struct wend_address *inside = emulator_in(&w->nat, &p->from, &p->to);
    if (inside != NULL && !sim_draw_chance(&w->draw, w->access_loss))
        world_deliver(w, inside, p);
}

static void world_send(struct world *w, const struct wend_discovery_datagram *d, wend_instant at)
{
    struct world_packet p = {.to_server = true, .len = (uint8_t)d->bytes.len, .to = d->to};

    memcpy(p.bytes, d->bytes.at, d->bytes.len);
    w->sent++;
    if (sim_draw_chance(&w->draw, w->access_loss))
        return;
    p.from = emulator_out(&w->nat, &w->local[d->socket], &d->to, at);
    if (!emulator_is_own(&w->nat, &d->to)) {
        world_travel(w, &p, at);
    } else if (w->nat.kind.hairpin) {
        p.to_server = false;
        p.at = at + 1;
        world_put(w, &p);
    }
}

static bool world_is_port_used(const struct world *w, uint16_t port)
{
    for (uint8_t i = 0; i < WEND_DISCOVERY_SOCKETS; i++)
        if (w->open[i] && w->local[i].port == port)
            return true;
    return false;
}

static void world_open(struct world *w, uint8_t socket)
{
    struct wend_address a = w->local[0];

    do
        a.port = (uint16_t)(32768 + sim_draw_below(&w->draw, 28232));
    while (world_is_port_used(w, a.port));
    w->open[socket] = true;
    w->local[socket] = a;
    w->opened++;
    wend_discovery_opened(&w->discovery, socket, &a, w->now);
}

static void world_drain(struct world *w)
{
    struct wend_discovery_event event;
    struct wend_discovery_datagram datagram;
    wend_instant at = w->now;

    while (wend_discovery_next_event(&w->discovery, &event)) {
        if (event.kind == WEND_DISCOVERY_OPEN_SOCKET)
            world_open(w, event.socket);
        if (event.kind == WEND_DISCOVERY_CLOSE_SOCKET) {
            w->open[event.socket] = false;
            w->closed++;
        }
        w->done |= event.kind == WEND_DISCOVERY_DONE;
    }
    while (wend_discovery_next_datagram(&w->discovery, &datagram)) {
        world_send(w, &datagram, at);
        at += w->gap / 2 + (wend_duration)sim_draw_below(&w->draw, (uint32_t)w->gap + 1);
    }
}

// The packet that comes next, or NULL.
static struct world_packet *world_next(struct world *w)
{
    struct world_packet *next = NULL;

    for (uint32_t i = 0; i < WORLD_PACKETS; i++)
        if (w->packets[i].at != 0 && (next == NULL || w->packets[i].at < next->at))
            next = &w->packets[i];
    return next;
}

static void world_step(struct world *w)
{
    struct world_packet *p = world_next(w);
    const wend_instant deadline = wend_discovery_deadline(&w->discovery);

    if (p != NULL && p->at <= deadline) {
        const struct world_packet taken = *p;
        p->at = 0;
        w->now = taken.at > w->now ? taken.at : w->now;
        world_arrive(w, &taken);
    } else {
        w->now = deadline;
        wend_discovery_expire(&w->discovery, w->now);
    }
    world_drain(w);
}

static void world_run(struct world *w)
{
    uint8_t random[WEND_DISCOVERY_RANDOM_LEN];

    for (size_t i = 0; i < sizeof random; i++)
        random[i] = (uint8_t)sim_draw_u64(&w->draw);
    w->done = false;
    w->sent = 0;
    wend_discovery_restart(&w->discovery, random, &w->local[0], w->now);
    world_drain(w);
    while (!w->done)
        world_step(w);
}

static void world_init(struct world *w, const struct emulator_kind *kind, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->draw.state = seed * 2 + 1;
    emulator_init(&w->nat, kind, seed);
    w->now = w->nat.next_other = WORLD_T0;
    w->delay = WEND_MS(15); // 25 ms with the jitter's half
    w->jitter = WEND_MS(20);
    w->gap = WEND_US(40);
    for (uint32_t i = 0; i < 4; i++)
        w->servers[i] = wend_address_ipv4(i < 2 ? 0xc0000201 : 0xc6336402, i % 2 ? 3479 : 3478);
    w->local[0] = wend_address_ipv4(kind->firewall ? EMULATOR_OPEN : EMULATOR_LOCAL, WORLD_MAIN);
    w->open[0] = true;
    w->nat.main_port = WORLD_MAIN;
    // The main socket has talked to a relay before, which may be the first server.
    const struct wend_address relay =
        sim_draw_chance(&w->draw, 500) ? w->servers[0] : wend_address_ipv4(0xc0000263, 443);
    emulator_out(&w->nat, &w->local[0], &relay, w->now);
    wend_discovery_init(&w->discovery, w->servers, 4);
}

#endif
