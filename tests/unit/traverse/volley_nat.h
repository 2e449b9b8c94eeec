// SPDX-License-Identifier: MIT
// The world of volley_world.h, first half: what there is in it, and its NATs of ports alone.
#ifndef WEND_TESTS_UNIT_TRAVERSE_VOLLEY_NAT_H
#define WEND_TESTS_UNIT_TRAVERSE_VOLLEY_NAT_H

#include "../base/unit.h"
#include "traverse/volley.h"

#define WORLD_ONE_WAY WEND_MS(25) // relayed, or direct
#define WORLD_SERVER  WEND_MS(25) // there and back
#define WORLD_MAPS    4096
#define WORLD_SLOTS   32768
#define WORLD_EVENTS  2048
#define WORLD_SERVERS 2 // as remote addresses: 0 the peer, 1 and 2 the servers

// What a trial's NAT is like; the model of it is made from this.
struct world_nat {
    enum wend_nat_dependence mapping, filtering;
    enum wend_nat_allocation allocation, fallback;
    int32_t delta;
    bool byte_swapped, thief; // thief: the peer's early packet takes a mapping's place
    uint16_t low, high;       // of the block
    bool bounds_known;        // else estimated from ports seen
    uint32_t rate;            // other mappings a second
    uint32_t taken_percent;   // of preserved ports
    bool mapped, udp_blocked, pooled, same_nat, hairpin;
    bool one_server;  // the second discovery server is silent
    bool robbed;      // a packet of the peer came before the trial and took the main port's place
    bool not_studied; // its model has no classes
};

struct world_slot {
    uint64_t key; // 0: free
    uint32_t value;
};

struct world_map {
    uint16_t socket, outside;
};

struct world_side {
    struct world_nat nat;
    struct wend_nat_model model;
    struct wend_volley volley;
    struct wend_volley_limits limits;
    struct wend_address ip, inside;
    struct world_slot slots[WORLD_SLOTS]; // mappings by inside, by outside; permissions; thefts
    struct world_map maps[WORLD_MAPS];
    uint32_t map_count;
    uint16_t newest, local;
    uint16_t ports[WEND_VOLLEY_SOCKETS];
    wend_instant other_at, won_at;
    bool started, over;
    uint16_t won_socket;
    struct wend_address won_remote;
    uint32_t sent, asked, messages;
    uint16_t most_in_50ms, most_in_1s; // of probes
    wend_instant probes[1024];
    uint32_t probe_count;
};

enum world_event_kind {
    WORLD_START = 1,
    WORLD_MESSAGE,
    WORLD_DATAGRAM,
    WORLD_SAMPLE,
    WORLD_INSIDE_HIT
};

struct world_event {
    wend_instant at;
    uint64_t order;
    enum world_event_kind kind;
    uint8_t to; // side
    uint16_t source, dest;
    struct wend_volley_datagram datagram;
    uint8_t bytes[WEND_VOLLEY_MESSAGE_MAX];
    size_t len;
};

struct world {
    struct world_side sides[2];
    struct world_event events[WORLD_EVENTS];
    uint16_t heap[WORLD_EVENTS]; // numbers of events; those beyond event_count are free ones
    uint32_t event_count;
    uint64_t order, random;
    wend_instant now, clock; // clock: the later receipt of a model
    uint32_t loss_percent;
    wend_duration jitter, hole;
    uint8_t caller, first;
    bool silent_relay;
};

struct world_result {
    bool success, path_works;
    uint32_t datagrams, asked, messages;
    wend_duration time; // from the clock to the later side's answer
};

static inline double world_unit(struct world *w)
{
    return (double)(unit_random(&w->random) >> 11) / 9007199254740992.0;
}

static inline uint32_t world_below(struct world *w, uint32_t n)
{
    return (uint32_t)((unit_random(&w->random) >> 32) * n >> 32);
}

// -ln(x), 0 < x <= 1.
static inline double world_minus_ln(double x)
{
    double sum = 0;

    while (x < 0.5) {
        x *= 2;
        sum += 0.69314718055994531;
    }
    const double z = (x - 1) / (x + 1);
    double term = z, part = 0;
    for (int k = 1; k < 40; k += 2) {
        part += term / k;
        term *= z * z;
    }
    return sum - 2 * part;
}

// --- the NAT ---

enum { WORLD_INSIDE = 1, WORLD_OUTSIDE, WORLD_PERMIT, WORLD_STOLEN, WORLD_TAKEN };

static inline struct world_slot *world_slot_of(struct world_side *s, uint32_t table, uint64_t what)
{
    const uint64_t key = (uint64_t)table << 56 | what;
    uint64_t z = key * 0x9e3779b97f4a7c15;

    for (uint32_t i = (uint32_t)(z >> 40) % WORLD_SLOTS;; i = (i + 1) % WORLD_SLOTS)
        if (s->slots[i].key == key || s->slots[i].key == 0) {
            return &s->slots[i];
        }
}

static inline bool world_find(struct world_side *s, uint32_t table, uint64_t what,
                              uint32_t *ret_value)
{
    const struct world_slot *slot = world_slot_of(s, table, what);

    if (slot->key != 0 && ret_value != NULL)
        *ret_value = slot->value;
    return slot->key != 0;
}

static inline void world_put(struct world_side *s, uint32_t table, uint64_t what, uint32_t value)
{
    *world_slot_of(s, table, what) =
        (struct world_slot){.key = (uint64_t)table << 56 | what, .value = value};
}

static inline bool world_is_free(struct world_side *s, uint16_t port)
{
    return port != 0 && !world_find(s, WORLD_OUTSIDE, port, NULL) &&
           !world_find(s, WORLD_TAKEN, port, NULL);
}

static inline uint16_t world_next_in_sequence(struct world_side *s)
{
    const struct wend_nat_model rules = {.delta = s->nat.delta,
                                         .byte_swapped = s->nat.byte_swapped,
                                         .low = {s->nat.low, s->nat.low, s->nat.low},
                                         .high = {s->nat.high, s->nat.high, s->nat.high}};

    s->newest = wend_plan_port_after(&rules, s->newest, 1);
    return s->newest;
}

// Other users' mappings up to now.
static inline void world_others(struct world *w, struct world_side *s)
{
    if (s->nat.rate == 0)
        return;
    while (s->other_at <= w->now) {
        if (s->nat.allocation == WEND_NAT_SEQUENTIAL || s->nat.fallback == WEND_NAT_SEQUENTIAL)
            world_next_in_sequence(s);
        s->other_at +=
            (wend_duration)(world_minus_ln(1 - world_unit(w)) * 1e9 / (double)s->nat.rate);
    }
}

static inline uint16_t world_allocate(struct world *w, struct world_side *s, uint16_t inside)
{
    enum wend_nat_allocation how = s->nat.allocation;
    uint16_t port;

    world_others(w, s);
    if (how == WEND_NAT_PRESERVING || how == WEND_NAT_SECOND_PRIORITY) {
        if (world_is_free(s, inside))
            return inside;
        how = s->nat.fallback;
    }
    do {
        port = how == WEND_NAT_SEQUENTIAL
                   ? world_next_in_sequence(s)
                   : (uint16_t)(s->nat.low + world_below(w, s->nat.high - s->nat.low + 1U));
    } while (!world_is_free(s, port));
    return port;
}

// A datagram leaves; returns its outside port.
static inline uint16_t world_out(struct world *w, struct world_side *s, uint16_t socket,
                                 uint32_t remote, uint16_t port)
{
    const struct world_nat *n = &s->nat;
    uint64_t where = socket;
    uint32_t index;

    if (n->mapped && socket == 0 && s->model.mapped.port != 0)
        return s->model.mapped.port; // a mapped port is the socket's for every destination
    if (n->mapping == WEND_NAT_NONE)
        index = 0;
    if (n->mapping == WEND_NAT_ADDRESS_DEPENDENT)
        where |= (uint64_t)remote << 16;
    if (n->mapping == WEND_NAT_ADDRESS_AND_PORT_DEPENDENT)
        where |= (uint64_t)remote << 16 | (uint64_t)port << 20;
    if (!world_find(s, WORLD_INSIDE, where, &index)) {
        index = s->map_count++;
        assert_true(index < WORLD_MAPS);
        s->maps[index].socket = socket;
        s->maps[index].outside =
            n->mapping == WEND_NAT_NONE ? s->ports[socket] : world_allocate(w, s, s->ports[socket]);
        world_put(s, WORLD_INSIDE, where, index);
        world_put(s, WORLD_OUTSIDE, s->maps[index].outside, index);
    }
    const uint16_t outside = s->maps[index].outside;
    if (n->thief && remote == 0 &&
        world_find(s, WORLD_STOLEN, (uint64_t)outside << 16 | port, NULL))
        return (uint16_t)(1024 + world_below(w, 60000)); // and nothing comes back to that one
    const bool by_port = n->filtering == WEND_NAT_ADDRESS_AND_PORT_DEPENDENT;
    world_put(s, WORLD_PERMIT, (uint64_t)index << 24 | remote << 16 | (by_port ? port : 0), 1);
    return outside;
}

// A datagram of the peer arrives. False: dropped.
static inline bool world_in(struct world_side *s, uint16_t source, uint16_t dest,
                            uint16_t *ret_socket)
{
    const struct world_nat *n = &s->nat;
    const bool by_port = n->filtering == WEND_NAT_ADDRESS_AND_PORT_DEPENDENT;
    if (n->same_nat)
        return false; // no hairpin
    const bool any = n->filtering == WEND_NAT_NONE || n->filtering == WEND_NAT_ENDPOINT_INDEPENDENT;
    uint32_t index;

    if (n->udp_blocked)
        return false;
    if (n->mapped && dest == s->model.mapped.port) {
        *ret_socket = 0;
        return true;
    }
    if (world_find(s, WORLD_OUTSIDE, dest, &index) &&
        (any ||
         world_find(s, WORLD_PERMIT, (uint64_t)index << 24 | (by_port ? source : 0), NULL))) {
        *ret_socket = s->maps[index].socket;
        return true;
    }
    if (n->thief)
        world_put(s, WORLD_STOLEN, (uint64_t)dest << 16 | source, 1);
    return false;
}

#endif
