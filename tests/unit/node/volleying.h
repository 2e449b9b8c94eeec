// SPDX-License-Identifier: MIT
// Hosts with sockets of their own behind NATs that can be told how to behave, over the world of
// world.h: what volleys need. What a host knows of its NAT is said, not found out.
//
//   anna 203.0.113.1 --NAT--+
//   bert 203.0.113.2 --NAT--+-- server; a datagram to any other address is a failure
#ifndef WEND_TESTS_UNIT_NODE_VOLLEYING_H
#define WEND_TESTS_UNIT_NODE_VOLLEYING_H

#include "moves.h"
#include "node/contact.h"
#include "node/volleys.h"
#include "traverse/volley_state.h"

#define NAT_ROWS    8192
#define NAT_LOW     40000
#define NAT_HIGH    40511      // of ports at random
#define LOCAL_FIRST 20000      // local ports of sockets
#define VICTIM      0xcb007163 // 203.0.113.99, who has nothing to do with anybody

struct nat_row {
    uint16_t number, outside;
    struct wend_address to;
};

// Zeroed: endpoint-independent, preserving, filtering by address and port.
struct nat {
    bool per_destination;
    bool random; // ports
    bool lets_all;
    struct nat_row rows[NAT_ROWS];
    size_t count;
    uint32_t dice;
};

struct bench {
    struct nat nat;
    uint16_t ports[WEND_SOCKETS_MAX + 1]; // local, by number; 0: closed
    uint32_t opened, closed, adopted, refused;
    uint32_t opened_max; // beyond it there are no descriptors left; 0: no limit
    uint32_t open_now;
    uint32_t punches, stray, questions; // sent: to the peer, to nobody, to the server's STUN
    uint8_t question[2][20];            // STUN headers of the newest ones, by turns
    char said[16][160];                 // newest events about volleys
    size_t said_count;
    uint8_t caught[WEND_DATAGRAM_MAX]; // newest punch that came
    struct wend_datagram caught_way;
};

static struct bench benches[HOSTS];
static struct wend_address former; // where a host was before it moved

static inline struct bench *bench_of(const struct host *h)
{
    return &benches[h - world.hosts];
}

// --- the NAT ---

static inline uint16_t nat_draw(struct nat *nat)
{
    nat->dice = nat->dice * 1664525u + 1013904223u;
    return (uint16_t)(NAT_LOW + (nat->dice >> 8) % (NAT_HIGH - NAT_LOW + 1));
}

static inline bool nat_is_taken(const struct nat *nat, uint16_t port)
{
    for (size_t i = 0; i < nat->count; i++)
        if (nat->rows[i].outside == port)
            return true;
    return false;
}

static inline uint16_t nat_map(struct bench *b, uint16_t number, const struct wend_address *to)
{
    struct nat *nat = &b->nat;
    uint16_t outside = 0;

    for (size_t i = 0; i < nat->count; i++) {
        const struct nat_row *r = &nat->rows[i];
        if (r->number == number && wend_address_equal(&r->to, to))
            return r->outside;
        if (r->number == number && !nat->per_destination)
            outside = r->outside;
    }
    if (outside == 0 && !nat->random)
        outside = number == 0 ? PORT : b->ports[number];
    while (outside == 0 || (nat->per_destination && nat_is_taken(nat, outside)))
        outside = nat_draw(nat);
    assert_true(nat->count < NAT_ROWS);
    nat->rows[nat->count++] = (struct nat_row){number, outside, *to};
    return outside;
}

static inline void nat_forget(struct nat *nat, uint16_t number)
{
    size_t kept = 0;

    for (size_t i = 0; i < nat->count; i++)
        if (nat->rows[i].number != number)
            nat->rows[kept++] = nat->rows[i];
    nat->count = kept;
}

static inline bool is_punch(const struct wend_datagram *d)
{
    return d->bytes.at[0] == WEND_MESSAGE_CONTROL && d->bytes.len == 64;
}

static inline void volleying_out(struct host *h, const struct wend_datagram *d)
{
    struct bench *b = bench_of(h);
    struct wend_datagram way = {
        .transport = WEND_TRANSPORT_UDP, .remote = h->address, .bytes = d->bytes};
    bool known = wend_address_same_ip(&d->remote, &world.server);
    known = known || wend_address_same_ip(&d->remote, &former) ||
            (d->remote.ip[0] == 192 && d->remote.ip[1] == 168); // of somebody's inside

    assert_true(d->socket == 0 || b->ports[d->socket] != 0); // never by one that is closed
    if (h->address.family == WEND_FAMILY_NONE)
        return;
    way.remote.port = nat_map(b, d->socket, &d->remote);
    way.local = d->remote;
    if (wend_address_same_ip(&d->remote, &world.server) && d->socket != 0) {
        memcpy(b->question[b->questions++ % 2], d->bytes.at, 20);
    } else if (wend_address_same_ip(&d->remote, &world.server) && !h->udp_blocked &&
               !world.relay_down) {
        fly(HOSTS, TO_SERVER, &way);
    }
    for (size_t i = 0; i < HOSTS; i++) {
        if (!wend_address_same_ip(&world.hosts[i].address, &d->remote))
            continue;
        known = true;
        b->punches += is_punch(d);
        if (world.hosts[i].up && !world.direct_cut && d->ttl == 0)
            fly(i, world.fate ? world.fate((size_t)(h - world.hosts), i, d) : TO_PEER, &way);
    }
    b->stray += !known;
}

static inline bool volleying_in(struct host *h, struct wend_datagram *way)
{
    struct bench *b = bench_of(h);
    const uint16_t port = way->local.port;

    way->local = (struct wend_address){0};
    for (size_t i = 0; i < b->nat.count; i++) {
        const struct nat_row *r = &b->nat.rows[i];
        if (r->outside != port || !(b->nat.lets_all || wend_address_equal(&r->to, &way->remote)))
            continue;
        way->socket = r->number;
        if (is_punch(way)) {
            b->caught_way = *way;
            memcpy(b->caught, way->bytes.at, way->bytes.len);
        }
        return r->number == 0 || b->ports[r->number] != 0;
    }
    return false;
}

// --- sockets and words ---

static inline void open_asked(struct host *h, const struct wend_node_event *e)
{
    struct bench *b = bench_of(h);

    for (uint16_t number = e->socket; number < e->socket + e->count; number++) {
        const bool refused = b->opened_max != 0 && b->open_now >= b->opened_max;
        assert_int_equal(b->ports[number], 0);
        if (!refused)
            b->ports[number] =
                e->address.port != 0 ? e->address.port : (uint16_t)(LOCAL_FIRST + b->opened);
        b->opened += !refused;
        b->open_now += !refused;
        b->refused += refused;
        wend_node_socket_opened(h->node, number, b->ports[number], world.now);
    }
}

static inline void close_asked(struct host *h, const struct wend_node_event *e)
{
    struct bench *b = bench_of(h);

    for (uint16_t number = e->socket; number < e->socket + e->count; number++) {
        assert_int_not_equal(b->ports[number], 0);
        b->ports[number] = 0;
        b->closed++;
        b->open_now--;
        nat_forget(&b->nat, number);
    }
}

static inline void volleying_event(struct host *h, const struct wend_node_event *e)
{
    struct bench *b = bench_of(h);

    if (e->kind == WEND_NODE_OPEN_SOCKETS)
        open_asked(h, e);
    if (e->kind == WEND_NODE_CLOSE_SOCKETS)
        close_asked(h, e);
    if (e->kind == WEND_NODE_ADOPT_SOCKET) {
        assert_int_not_equal(b->ports[e->socket], 0);
        b->adopted++;
    }
    if (e->kind == WEND_NODE_PEER && strstr(e->text, "volley=") != NULL)
        memcpy(b->said[b->said_count++ % 16], e->text, sizeof e->text);
}

static inline bool was_said(size_t i, const char *what)
{
    for (size_t k = 0; k < 16; k++)
        if (strstr(benches[i].said[k], what) != NULL)
            return true;
    return false;
}

static inline size_t times_said(size_t i, const char *what)
{
    size_t times = 0;

    for (size_t k = 0; k < 16; k++)
        times += strstr(benches[i].said[k], what) != NULL;
    return times;
}

// --- who is who ---

static inline struct wend_contact *contact(size_t i, size_t of)
{
    struct wend_peer_view v;

    assert_true(view(i, of, &v));
    return wend_contact_of(world.hosts[i].node, v.slot);
}

static inline struct wend_volley_seat *seat_of(size_t i, size_t of)
{
    struct wend_contact *c = contact(i, of);

    return c != NULL ? wend_volleys_seat(world.hosts[i].node, c) : NULL;
}

// Idle: there is none.
static inline struct wend_volley *volley(size_t i, size_t of)
{
    static struct wend_volley none;
    struct wend_volley_seat *seat = seat_of(i, of);

    memset(&none, 0, sizeof none);
    return seat != NULL ? &seat->volley : &none;
}

static inline uint64_t drops(size_t i, enum wend_drop kind)
{
    return world.hosts[i].node->drops.count[kind];
}

// --- what is known ---

// As the bench's NAT is.
static inline struct wend_nat_model model_of(size_t i)
{
    const struct nat *nat = &benches[i].nat;
    struct wend_nat_model m = {
        .mapping = nat->per_destination ? WEND_NAT_ADDRESS_AND_PORT_DEPENDENT
                                        : WEND_NAT_ENDPOINT_INDEPENDENT,
        .filtering =
            nat->lets_all ? WEND_NAT_ENDPOINT_INDEPENDENT : WEND_NAT_ADDRESS_AND_PORT_DEPENDENT,
        .allocation = nat->random ? WEND_NAT_BLOCK : WEND_NAT_PRESERVING,
        .fallback = nat->random ? WEND_NAT_ALLOCATION_UNKNOWN : WEND_NAT_RANDOM,
        .udp = WEND_NAT_YES,
        .hairpin = WEND_NAT_NO,
        .paired = WEND_NAT_YES,
        .translates = WEND_NAT_YES,
        .public = world.hosts[i].address,
    };

    if (nat->random) {
        m.low = (struct wend_nat_estimate){NAT_LOW, NAT_LOW, NAT_LOW};
        m.high = (struct wend_nat_estimate){NAT_HIGH, NAT_HIGH, NAT_HIGH};
    }
    return m;
}

static inline void tell_model(size_t i, const struct wend_nat_model *m)
{
    struct wend_discovery *d = &world.hosts[i].node->nat.discovery;

    d->model = *m;
    d->model.serial = ++d->last_serial;
    d->class_serial++;
    wend_node_expire(world.hosts[i].node, world.now);
    drain(&world.hosts[i]);
}

static inline void know(size_t i)
{
    const struct wend_nat_model m = model_of(i);

    tell_model(i, &m);
}

// --- beginning ---

static inline int volleying_open(void **state)
{
    memset(benches, 0, sizeof benches);
    former = (struct wend_address){0};
    world_open(state);
    for (size_t i = 0; i < HOSTS; i++) {
        benches[i].nat.dice = (uint32_t)(77 + i);
        world.hosts[i].nat = true;
    }
    world.out = volleying_out;
    world.in = volleying_in;
    world.event = volleying_event;
    return 0;
}

// Nothing is left of any volley, and no datagram went where it had no business.
static inline void assert_clean(size_t i, uint32_t sockets)
{
    const struct wend_node *n = world.hosts[i].node;

    for (uint32_t k = 0; k < WEND_VOLLEYS_MAX; k++)
        assert_int_equal(n->volleys.seats[k].contact, 0);
    assert_int_equal(n->volleys.limits.running, 0);
    assert_int_equal(n->volleys.limits.sockets, 0);
    assert_int_equal(benches[i].open_now, sockets);
    assert_int_equal(n->sockets.used, sockets);
    assert_int_equal(benches[i].stray, 0);
}

static inline int volleying_close(void **state)
{
    for (size_t i = 0; i < HOSTS; i++)
        assert_int_equal(benches[i].stray, 0);
    return world_close(state);
}

// The side with the smaller key, which is part 0 of every plan.
static inline size_t smaller_key(void)
{
    const uint8_t *a = world.hosts[0].identity.public_key, *b = world.hosts[1].identity.public_key;

    return memcmp(a, b, 32) < 0 ? 0 : 1;
}

// Everybody is up and knows their NAT; anna has a packet for bert.
static inline void call(void)
{
    all_up();
    know(0);
    know(1);
    say(0, 1, 1);
}

// Until both have a volley, which has to be soon.
static inline void until_both_run(void)
{
    for (int i = 0; i < 500 && (volley(0, 1)->plan.serial == 0 ||
                                volley(0, 1)->plan.serial != volley(1, 0)->plan.serial);
         i++)
        run(WEND_MS(1));
    assert_non_null(seat_of(0, 1));
    assert_non_null(seat_of(1, 0));
    assert_int_equal(volley(0, 1)->plan.serial, volley(1, 0)->plan.serial);
}

// Sealed by host `from` for `to`, and sent over the relay.
static inline void send_sealed(size_t from, size_t to, uint16_t type, struct wend_bytes attributes)
{
    struct wend_contact *c = contact(from, to);
    const struct wend_origin relay = wend_contact_relay_way(c);
    const struct wend_control head = {.type = type, .id = ++c->last_id, .attributes = attributes};

    wend_contact_send_control(world.hosts[from].node, c, &relay, &head);
    drain(&world.hosts[from]);
}

static inline void send_volley_bytes(size_t from, size_t to, struct wend_bytes message)
{
    uint8_t body[256];
    struct wend_writer w = wend_writer_of(body, sizeof body);

    wend_attribute_put(&w, WEND_ATTRIBUTE_VOLLEY, message);
    assert_false(w.failed);
    send_sealed(from, to, WEND_CONTROL_VOLLEY, (struct wend_bytes){body, w.len});
}

static inline void send_message(size_t from, size_t to, const struct wend_volley_message *m)
{
    uint8_t bytes[WEND_VOLLEY_MESSAGE_MAX];
    struct wend_writer w = wend_writer_of(bytes, sizeof bytes);

    wend_volley_message_write(&w, m);
    assert_false(w.failed);
    send_volley_bytes(from, to, (struct wend_bytes){bytes, w.len});
}

// A datagram of host `from`, as `to` gets it by `socket`, from the address `remote`.
static inline void punch(size_t from, size_t to, const struct wend_address *remote, uint16_t socket,
                         const struct wend_punch *p)
{
    uint8_t body[64];
    struct wend_writer w = wend_writer_of(body, sizeof body);
    struct wend_contact *c = contact(from, to);
    const struct wend_origin way = {
        .kind = WEND_ORIGIN_DIRECT,
        .way = {.transport = WEND_TRANSPORT_UDP, .remote = world.hosts[to].address}};
    struct wend_datagram d;

    wend_attribute_put_punch(&w, p);
    drain(&world.hosts[from]);
    const struct wend_control head = {
        .type = WEND_CONTROL_PUNCH, .id = ++c->last_id, .attributes = {body, w.len}};
    wend_contact_send_control(world.hosts[from].node, c, &way, &head);
    assert_true(wend_node_next_datagram(world.hosts[from].node, &d));
    d.remote = *remote;
    d.socket = socket;
    d.local = (struct wend_address){0};
    (void)wend_node_receive(world.hosts[to].node, &d, world.now);
    drain(&world.hosts[to]);
}

// --- ways to begin ---

// Anna and bert, by the order of their keys: the first one's NAT hides its ports.
static size_t hidden, open; // set by hide()

static inline void hide(void)
{
    hidden = smaller_key();
    open = 1 - hidden;
    benches[hidden].nat.per_destination = benches[hidden].nat.random = true;
}

static inline void begin_hidden(void)
{
    hide();
    all_up();
    know(0);
    know(1);
    say(open, hidden, 1);
    until_both_run();
}

// Both have a volley, and nothing gets through.
static inline void begin_in_vain(void)
{
    world.direct_cut = true;
    call();
    until_both_run();
}

static inline void assert_both_clean(void)
{
    assert_clean(0, 0);
    assert_clean(1, 0);
}

// No datagram of a volley leaves for so long.
static inline void assert_silent(wend_duration duration)
{
    const uint32_t before = benches[0].punches + benches[1].punches;

    run(duration);
    assert_int_equal(benches[0].punches + benches[1].punches, before);
}

// --- while one runs ---

static inline void assert_still_runs(size_t i)
{
    assert_non_null(seat_of(i, 1 - i));
    assert_int_equal(volley(i, 1 - i)->state, WEND_VOLLEY_RUNNING);
    wend_volley_check(volley(i, 1 - i));
}

static inline void settle_flights(void)
{
    run(WEND_MS(45)); // of the relay: 20 ms to it, 20 ms from it
}

#endif
