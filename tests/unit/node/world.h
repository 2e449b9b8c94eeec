// SPDX-License-Identifier: MIT
// A network in virtual time: up to three devices, each a node with a small data plane, maybe behind
// a NAT, and one server (src/relay). 20 ms one way to the server, 10 ms between devices.
//
//   [host 0] --NAT?-- 203.0.113.1 ---+
//   [host 1] --NAT?-- 203.0.113.2 ---+--- server 198.51.100.1:3478
//   [host 2] --NAT?-- 203.0.113.3 ---+
#ifndef WEND_TESTS_UNIT_NODE_WORLD_H
#define WEND_TESTS_UNIT_NODE_WORLD_H

#include "members.h"
#include "plane.h"
#include "relay/relay.h"

#define HOSTS     3
#define FLIGHTS   2048
#define PORT      41641
#define TO_SERVER WEND_MS(20)
#define TO_PEER   WEND_MS(10)
#define ANSWERS   2048

struct host {
    bool up;
    struct wend_identity identity;
    struct member_paper paper;
    struct wend_node *node;
    struct plane plane;
    struct wend_address address; // as seen outside
    bool nat, udp_blocked;
    bool answers; // its user answers each packet below ANSWERS with that number + ANSWERS
    struct wend_address permitted[64];
    size_t permitted_count;
    uint32_t stream;                            // open one, 0: none
    uint32_t count[WEND_NODE_ADOPT_SOCKET + 1]; // events by kind
    uint16_t refused_error, member_error;
    uint64_t floor;
    struct wend_bytes revocations; // known at start
    size_t stored_len;
    uint32_t sent; // datagrams
    int64_t clock; // how far its wall clock is off, ns
};

struct flight {
    wend_instant at;
    size_t to;                // HOSTS: the server
    struct wend_datagram way; // remote: the sender
    uint8_t bytes[WEND_DATAGRAM_MAX];
};

struct world {
    wend_instant now;
    struct office office;
    struct wend_address server;
    struct wend_discovery_ports discovery[2]; // of the next server_up
    struct wend_relay *relay;
    void *relay_memory;
    bool relay_down, direct_cut;
    struct host hosts[HOSTS];
    struct flight flights[FLIGHTS];
    size_t flight_count;
    uint32_t direct_probes;
    bool (*loses)(const struct flight *f); // NULL: nothing
    bool unchecked;                        // invariants are not walked at each step
    // What becomes of a datagram on the direct way: so long it takes, or -1: lost. NULL: 10 ms.
    wend_duration (*fate)(size_t from, size_t to, const struct wend_datagram *d);
    // For hosts with several sockets (volleying.h). `out` takes a datagram; `in` says by which
    // socket one comes, or false: by none; `local` of what comes is where it was sent to.
    void (*out)(struct host *h, const struct wend_datagram *d);
    bool (*in)(struct host *h, struct wend_datagram *way);
    void (*event)(struct host *h, const struct wend_node_event *e);
};

static struct world world;

static inline uint64_t unix_ns(void)
{
    return UNIX_NS + (uint64_t)world.now;
}

// --- the wire ---

static inline void fly(size_t to, wend_duration delay, const struct wend_datagram *way)
{
    if (delay < 0)
        return;
    assert_true(world.flight_count < FLIGHTS && way->bytes.len <= WEND_DATAGRAM_MAX);
    struct flight *f = &world.flights[world.flight_count++];
    f->at = world.now + delay;
    f->to = to;
    f->way = *way;
    memcpy(f->bytes, way->bytes.at, way->bytes.len);
}

static inline bool is_permitted(const struct host *h, const struct wend_address *from)
{
    for (size_t i = 0; i < h->permitted_count; i++)
        if (wend_address_equal(&h->permitted[i], from))
            return true;
    return !h->nat;
}

static inline void permit(struct host *h, const struct wend_address *to)
{
    for (size_t i = 0; i < h->permitted_count; i++)
        if (wend_address_equal(&h->permitted[i], to))
            return;
    if (h->permitted_count < 64)
        h->permitted[h->permitted_count++] = *to;
}

static inline void host_out(struct host *h, const struct wend_datagram *d)
{
    struct wend_datagram way = {.transport = d->transport, .remote = h->address, .bytes = d->bytes};

    if (d->transport == WEND_TRANSPORT_NONE)
        return;
    h->sent++;
    if (d->transport == WEND_TRANSPORT_TCP) {
        assert_int_equal(d->stream, h->stream);
        way.stream = 100 * (uint32_t)(h - world.hosts + 1) + d->stream;
        way.local = world.server;
        if (!world.relay_down)
            fly(HOSTS, TO_SERVER, &way);
        return;
    }
    if (world.out != NULL) {
        world.out(h, d);
        return;
    }
    permit(h, &d->remote);
    if (wend_address_equal(&d->remote, &world.server)) {
        way.local = world.server;
        if (!h->udp_blocked && !world.relay_down)
            fly(HOSTS, TO_SERVER, &way);
        return;
    }
    if (d->bytes.at[0] == WEND_MESSAGE_CONTROL)
        world.direct_probes++;
    for (size_t i = 0; i < HOSTS; i++)
        if (world.hosts[i].up && wend_address_equal(&world.hosts[i].address, &d->remote) &&
            !world.direct_cut)
            fly(i, world.fate ? world.fate((size_t)(h - world.hosts), i, d) : TO_PEER, &way);
}

static inline void server_out(const struct wend_datagram *d)
{
    struct wend_datagram way = {
        .transport = d->transport, .remote = world.server, .bytes = d->bytes};

    for (size_t i = 0; i < HOSTS; i++) {
        const struct host *h = &world.hosts[i];
        if (d->transport == WEND_TRANSPORT_TCP && d->stream / 100 == i + 1) {
            way.stream = d->stream % 100;
            fly(i, TO_SERVER, &way);
        } else if (d->transport == WEND_TRANSPORT_UDP && !h->udp_blocked && world.in == NULL &&
                   wend_address_equal(&h->address, &d->remote)) {
            fly(i, TO_SERVER, &way);
        } else if (d->transport == WEND_TRANSPORT_UDP && world.in != NULL &&
                   wend_address_same_ip(&h->address, &d->remote)) {
            way.local = d->remote;
            fly(i, TO_SERVER, &way);
        }
    }
}

// --- draining ---

static inline void drain_server(void)
{
    struct wend_relay_event e;
    struct wend_datagram d;

    while (wend_relay_next_event(world.relay, &e))
        ;
    while (wend_relay_next_datagram(world.relay, &d))
        server_out(&d);
}

static inline void obey(struct host *h)
{
    struct wend_command c;

    while (wend_node_next_open_command(h->node, &c))
        plane_open_command(&h->plane, &c);
    while (wend_node_next_seal_command(h->node, &c))
        plane_seal_command(&h->plane, &c);
}

static inline void take_data(struct host *h, const struct wend_datagram *d)
{
    struct wend_notice notice = {0};

    if (!plane_open(&h->plane, d, world.now, &notice))
        (void)wend_node_receive(h->node, d, world.now);
    else if (notice.kind != WEND_NOTICE_NONE)
        wend_node_notice(h->node, &notice, world.now);
}

static inline void note_event(struct host *h, const struct wend_node_event *e)
{
    h->count[e->kind]++;
    if (world.event != NULL)
        world.event(h, e);
    if (e->kind == WEND_NODE_PACKET) {
        (void)plane_arrived(&h->plane, e->bytes, world.now);
        h->plane.early++;
    }
    if (e->kind == WEND_NODE_UNOPENED) {
        struct wend_datagram d = e->way;
        d.bytes = e->bytes;
        obey(h);
        take_data(h, &d);
    }
    if (e->kind == WEND_NODE_REFUSED)
        h->refused_error = e->error;
    if (e->kind == WEND_NODE_MEMBER_REFUSED)
        h->member_error = e->error;
    if (e->kind == WEND_NODE_RESERVE_TIMESTAMP)
        h->floor = e->unix_ns;
    if (e->kind == WEND_NODE_STORE_REVOCATIONS || e->kind == WEND_NODE_STORE_NETWORK)
        h->stored_len = e->bytes.len;
    if (e->kind == WEND_NODE_OPEN_STREAM) {
        h->stream = e->stream;
        wend_node_stream_opened(h->node, e->stream, world.now);
    }
    if (e->kind == WEND_NODE_CLOSE_STREAM)
        h->stream = 0;
}

static inline void flush_queues(struct host *h)
{
    struct plane_out out;

    for (uint32_t slot = 0; slot < PLANE_SLOTS; slot++) {
        struct plane_slot *s = &h->plane.slots[slot];
        size_t done = 0;
        while (done < s->queued && plane_seal(&h->plane, slot, s->queue[done], world.now, &out)) {
            host_out(h, &out.way);
            host_out(h, &out.also);
            done++;
        }
        memmove(s->queue, s->queue + done, (s->queued - done) * sizeof s->queue[0]);
        s->queued -= done;
        if (s->queued == 0)
            s->wanted = false;
        if (plane_seal_keepalive(&h->plane, slot, &out))
            host_out(h, &out.way);
    }
}

static inline void answer(struct host *h);
static inline void drain(struct host *h);

static inline void hear_plane(struct host *h)
{
    struct wend_notice notice;

    while (plane_traffic(&h->plane, world.now, &notice)) {
        wend_node_notice(h->node, &notice, world.now);
        drain(h);
    }
}

static inline void drain(struct host *h)
{
    struct wend_node_event e;
    struct wend_datagram d;

    if (!h->up)
        return;
    while (wend_node_next_event(h->node, &e))
        note_event(h, &e);
    while (wend_node_next_resume(h->node, &d))
        host_out(h, &d);
    obey(h);
    while (wend_node_next_datagram(h->node, &d))
        host_out(h, &d);
    flush_queues(h);
    if (!world.unchecked)
        wend_node_check(h->node);
    hear_plane(h);
    answer(h);
}

// --- running ---

static inline void deliver_to_server(struct flight *f)
{
    const uint64_t seconds = unix_ns() / 1000000000;

    if (!wend_relay_is_frame(f->bytes, f->way.bytes.len)) {
        (void)wend_relay_receive(world.relay, &f->way, world.now, seconds);
    } else {
        struct wend_relay_run in = {.transport = f->way.transport,
                                    .stream = f->way.stream,
                                    .local = f->way.local,
                                    .remote = f->way.remote,
                                    .at = f->bytes,
                                    .len = f->way.bytes.len};
        struct wend_relay_run out;
        if (wend_relay_forward(world.relay, &in, world.now, &out))
            server_out(&(struct wend_datagram){.transport = out.transport,
                                               .stream = out.stream,
                                               .remote = out.remote,
                                               .bytes = {out.at, out.len}});
    }
    drain_server();
}

static inline bool gets_in(struct host *h, struct flight *f)
{
    if (f->way.transport != WEND_TRANSPORT_UDP)
        return true;
    return world.in != NULL ? world.in(h, &f->way) : is_permitted(h, &f->way.remote);
}

static inline void deliver_to_host(struct host *h, struct flight *f)
{
    if (!h->up || !gets_in(h, f))
        return;
    take_data(h, &f->way);
    hear_plane(h);
}

static inline void land(size_t i)
{
    static struct flight f;

    f = world.flights[i];
    memmove(&world.flights[i], &world.flights[i + 1],
            (--world.flight_count - i) * sizeof world.flights[0]);
    f.way.bytes.at = f.bytes;
    if (world.loses != NULL && world.loses(&f))
        return;
    if (f.to < HOSTS)
        deliver_to_host(&world.hosts[f.to], &f);
    else if (!world.relay_down)
        deliver_to_server(&f);
}

static inline void expire_all(void)
{
    for (size_t i = 0; i < HOSTS; i++) {
        if (!world.hosts[i].up)
            continue;
        wend_node_set_clock(world.hosts[i].node, unix_ns() + (uint64_t)world.hosts[i].clock);
        wend_node_expire(world.hosts[i].node, world.now);
        drain(&world.hosts[i]);
    }
    if (!world.relay_down) {
        wend_relay_expire(world.relay, world.now, unix_ns() / 1000000000);
        drain_server();
    }
}

// The next thing to happen, and the flight if it is one (FLIGHTS: none).
static inline wend_instant next_thing(size_t *ret_flight)
{
    wend_instant next = world.relay_down ? WEND_NEVER : wend_relay_deadline(world.relay);

    *ret_flight = FLIGHTS;
    for (size_t i = 0; i < HOSTS; i++)
        if (world.hosts[i].up)
            next = wend_instant_min(next, wend_node_deadline(world.hosts[i].node));
    for (size_t i = 0; i < world.flight_count; i++) {
        if (world.flights[i].at < next || (world.flights[i].at == next && *ret_flight == FLIGHTS)) {
            next = world.flights[i].at;
            *ret_flight = i;
        }
    }
    return next;
}

static inline void run(wend_duration duration)
{
    const wend_instant until = world.now + duration;
    size_t flight;
    int still = 0;

    expire_all();
    for (;;) {
        const wend_instant next = next_thing(&flight);
        if (next > until)
            break;
        still = next > world.now || flight < FLIGHTS ? 0 : still + 1;
        assert_true(still < 100); // time must go on
        if (next > world.now)
            world.now = next;
        if (flight < FLIGHTS)
            land(flight);
        expire_all();
    }
    world.now = until;
    expire_all();
}

// --- devices ---

static inline void server_up(uint8_t seed)
{
    struct wend_relay_config c = {
        .clients_max = 16, .networks_max = 4, .members_max = 64, .channels_max = 256};

    memcpy(c.private_key, world.office.server_private, 32);
    memcpy(c.seed, world.office.server_seed, 32);
    memset(c.random, seed, 32);
    c.primary[0] = world.server;
    memcpy(c.discovery, world.discovery, sizeof c.discovery);
    free(world.relay_memory);
    const size_t size = (wend_relay_size(&c) + 63) / 64 * 64;
    world.relay_memory = aligned_alloc(64, size);
    memset(world.relay_memory, 0, size);
    world.relay = wend_relay_init(world.relay_memory, &c, world.now, unix_ns() / 1000000000);
    assert_int_equal(
        wend_relay_load_network(world.relay, (struct wend_bytes){world.office.network_record,
                                                                 world.office.network_len}),
        0);
    for (size_t i = 0; i < HOSTS; i++) {
        const struct wend_chain chain = office_chain(&world.office, &world.hosts[i].paper);
        assert_int_equal(wend_relay_load_member(world.relay, &chain), 0);
    }
    world.relay_down = false;
}

static inline void host_up(size_t i, uint8_t boot)
{
    struct host *h = &world.hosts[i];
    struct wend_node_config c = {
        .identity = &h->identity,
        .network_record = {world.office.network_record, world.office.network_len},
        .chain = office_chain(&world.office, &h->paper),
        .epoch = 1000 * (i + 1) + boot,
        .port = PORT,
        .revocations = h->revocations,
        .timestamp_floor = h->floor};
    const struct wend_address interface = h->nat ? wend_address_ipv4(0xc0a80105, 0) : h->address;

    c.seed[0] = (uint8_t)(i + 1);
    c.seed[1] = boot;
    void *memory = calloc(1, wend_node_size());
    assert_int_equal(wend_node_init(memory, &c, unix_ns() + (uint64_t)h->clock, &h->node), 0);
    h->plane.ipv4 = wend_address_ipv4(0x64401002 + (uint32_t)i, 0);
    h->plane.stats = calloc(WEND_SLOTS_MAX, sizeof *h->plane.stats);
    h->up = true;
    wend_node_set_stats(h->node, h->plane.stats);
    wend_node_set_interfaces(h->node, &interface, 1, world.now);
    wend_node_start(h->node, world.now);
}

// Without a word, as a crash does.
static inline void host_down(size_t i)
{
    struct host *h = &world.hosts[i];

    if (!h->up)
        return;
    plane_close(&h->plane);
    free(h->plane.stats);
    free(h->node);
    memset(&h->plane, 0, sizeof h->plane);
    h->up = false;
}

static inline int world_open(void **state)
{
    static const char *names[HOSTS] = {"anna", "bert", "cleo"};

    (void)state;
    memset(&world, 0, sizeof world);
    world.now = WEND_S(1000);
    world.server = wend_address_ipv4(0xc6336401, 3478);
    office_open(&world.office, 10, &world.server);
    for (uint32_t i = 0; i < HOSTS; i++) {
        struct host *h = &world.hosts[i];
        uint8_t private_key[32];
        memset(private_key, (int)(0x40 + i), 32);
        wend_identity_init(&h->identity, private_key);
        const struct member_wish wish = {
            .key = h->identity.public_key, .slot = i, .ipv4 = 0x64401002 + i, .name = names[i]};
        office_admit(&world.office, &wish, &h->paper);
        h->address = wend_address_ipv4(0xcb007101 + i, PORT);
    }
    server_up(77);
    return 0;
}

static inline int world_close(void **state)
{
    (void)state;
    for (size_t i = 0; i < HOSTS; i++)
        host_down(i);
    free(world.relay_memory);
    return 0;
}

#include "talk.h"

#endif
