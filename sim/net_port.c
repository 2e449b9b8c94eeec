// SPDX-License-Identifier: MIT
// Which outside endpoint a new mapping gets: one of the box's public addresses, and a port there.
//
// Ports of users that are not simulated take no memory: a sequential box counts how many of them
// came since it last gave one out; of the others a share is taken for good, drawn from the seed.
#include "net_table.h"

#define DRAWS_MAX 32 // then every port in turn

struct range {
    uint32_t first, count;
};

// A wish, and the public address at which it is to be fulfilled.
struct attempt {
    struct wend_sim_net *net;
    struct site *site;
    const struct port_wish *wish;
    struct wend_address at; // port: the one that is tried
};

static struct range range_of(const struct wend_sim_box *b)
{
    const uint32_t first = b->port_min != 0 ? b->port_min : WEND_SIM_PORT_MIN;
    const uint32_t last = b->port_max != 0 ? b->port_max : WEND_SIM_PORT_MAX;
    wend_assert(first <= last);
    return (struct range){first, last - first + 1};
}

// The block of an inside address: computed from its last 16 bits, as RFC 7422 does, so that nobody
// has to remember whose it was.
static struct range block_of(const struct wend_sim_box *b, const struct wend_address *inside)
{
    const struct range all = range_of(b);
    uint32_t size = b->block_ports != 0 ? b->block_ports : WEND_SIM_BLOCK_PORTS;
    if (size > all.count)
        size = all.count;
    const uint32_t number = (uint32_t)(inside->ip[2] << 8 | inside->ip[3]) % (all.count / size);
    return (struct range){all.first + number * size, size};
}

void wend_sim_net_ports(const struct wend_sim_net *n, uint32_t site,
                        const struct wend_address *inside, uint16_t ret[static 2])
{
    wend_assert(site < n->site_count);
    const struct wend_sim_box *b = &n->sites[site].box;
    const bool block =
        b->allocation == WEND_SIM_PORT_RANDOM_BLOCK || b->fallback == WEND_SIM_PORT_RANDOM_BLOCK;
    const struct range r = block ? block_of(b, inside) : range_of(b);
    ret[0] = (uint16_t)r.first;
    ret[1] = (uint16_t)(r.first + r.count - 1);
}

// --- whether a port may be had ---

static bool is_strangers(const struct attempt *a, uint32_t port)
{
    const struct wend_sim_box *b = &a->site->box;
    if (port == b->taken_port)
        return true;
    if (b->taken_ppm == 0)
        return false;
    const uint64_t h = mix(mix(mix(a->net->seed, 0x74616b656e), a->wish->site), port);
    return (((h >> 32) * 1000000) >> 32) < b->taken_ppm;
}

// Ports that the gateway gave away are nobody else's, overloaded or not; two are its own.
static bool is_gateways(const struct attempt *a)
{
    const struct port_wish *w = a->wish;
    if (a->site->box.gateway == WEND_SIM_GATEWAY_NONE)
        return false;
    const struct mapping *m = wend_sim_mapping_find_granted(a->net, w->site, w->proto, &a->at);
    return (m != NULL && !same_address(&m->inside, &w->inside)) || a->at.port == 5350 ||
           a->at.port == 5351;
}

static bool fits(struct attempt *a, uint32_t port)
{
    const struct wend_sim_box *b = &a->site->box;
    const struct port_wish *w = a->wish;
    a->at.port = (uint16_t)port;
    if (b->parity && ((port ^ w->inside.port) & 1) != 0)
        return false;
    if (is_strangers(a, port) || is_gateways(a))
        return false;
    if (b->overload)
        return !wend_sim_table_talks(a->net, w->site, w->proto, &a->at, &w->peer);
    return wend_sim_mapping_find_outside(a->net, w->site, w->proto, &a->at) == NULL;
}

static bool draw_from(struct attempt *a, struct range r)
{
    uint32_t at = 0;
    for (int i = 0; i < DRAWS_MAX; i++) {
        at = draw_below(a->net, r.count);
        if (fits(a, r.first + at))
            return true;
    }
    for (uint32_t i = 0; i < r.count; i++)
        if (fits(a, r.first + (at + i) % r.count))
            return true;
    return false;
}

// --- one after the other ---

// Exponentially distributed, mean 1, in units of 2^-32: von Neumann's way, which only compares.
static uint64_t draw_exponential(struct wend_sim_net *n)
{
    for (uint64_t whole = 0;; whole++) {
        const uint64_t first = draw(n) >> 32;
        uint32_t falling = 1;
        for (uint64_t last = first, next; (next = draw(n) >> 32) <= last; last = next)
            falling++;
        if (falling % 2 == 1)
            return whole << 32 | first;
    }
}

static wend_duration draw_gap(struct wend_sim_net *n, const struct site *s)
{
    const uint64_t mean = (uint64_t)WEND_S(1) / s->box.others_per_second;
    return (wend_duration)(((unsigned __int128)draw_exponential(n) * mean) >> 32) + 1;
}

static uint64_t came_by_chance(struct wend_sim_net *n, struct site *s)
{
    uint64_t came = 0;
    if (s->box.others_per_second == 0)
        return 0;
    if (s->others_next == 0)
        s->others_next = n->now + draw_gap(n, s);
    for (; s->others_next <= n->now; s->others_next += draw_gap(n, s))
        came++;
    return came;
}

// How many ports others have taken since the last time.
static uint64_t taken_by_others(struct wend_sim_net *n, struct site *s)
{
    if (s->box.others_by_chance)
        return came_by_chance(n, s);
    const unsigned __int128 ticks =
        (unsigned __int128)(uint64_t)(n->now + s->phase) * s->box.others_per_second;
    const uint64_t others = (uint64_t)(ticks / (uint64_t)WEND_S(1));
    const uint64_t since = others > s->others ? others - s->others : 0;
    s->others = others;
    return since;
}

static uint32_t stepped(uint32_t at, int64_t by, uint32_t count)
{
    const int64_t to = ((int64_t)at + by) % (int64_t)count;
    return (uint32_t)(to < 0 ? to + count : to);
}

static uint32_t on_the_wire(const struct wend_sim_box *b, uint32_t counter)
{
    return b->byte_swapped ? (counter & 0xff) << 8 | counter >> 8 : counter;
}

static bool take_next(struct attempt *a)
{
    struct site *s = a->site;
    const struct range r = range_of(&s->box);
    const int64_t step = s->box.port_step != 0 ? s->box.port_step : 1;
    const int64_t others = (int64_t)(taken_by_others(a->net, s) % r.count);
    uint32_t at = stepped(s->next_port, others * step, r.count);
    for (uint32_t i = 0; i < r.count; i++, at = stepped(at, step, r.count)) {
        if (!fits(a, on_the_wire(&s->box, r.first + at)))
            continue;
        s->next_port = stepped(at, step, r.count);
        return true;
    }
    return draw_from(a, r); // an even step meets half of them only
}

// --- choice ---

static bool choose_by(struct attempt *a, enum wend_sim_allocation rule)
{
    const struct wend_sim_box *b = &a->site->box;
    switch (rule) {
    case WEND_SIM_PORT_SEQUENTIAL: return take_next(a);
    case WEND_SIM_PORT_RANDOM_BLOCK: return draw_from(a, block_of(b, &a->wish->inside));
    case WEND_SIM_PORT_PRESERVING: // as a fallback
    case WEND_SIM_PORT_SECOND_PRIORITY:
    case WEND_SIM_PORT_RANDOM: return draw_from(a, range_of(b));
    }
    wend_assert(false);
    return false;
}

static bool may_preserve(struct attempt *a)
{
    const struct port_wish *w = a->wish;
    if (a->site->box.allocation == WEND_SIM_PORT_SECOND_PRIORITY &&
        wend_sim_table_maps(a->net, w->site, w->proto, &w->inside))
        return false;
    return fits(a, w->inside.port);
}

static bool choose_port(struct attempt *a, bool any)
{
    const struct wend_sim_box *b = &a->site->box;
    if (any)
        return draw_from(a, range_of(b));
    if (b->allocation != WEND_SIM_PORT_PRESERVING && b->allocation != WEND_SIM_PORT_SECOND_PRIORITY)
        return choose_by(a, b->allocation);
    return may_preserve(a) || choose_by(a, b->fallback);
}

// Which of the public addresses is tried first.
static uint32_t choose_address(struct wend_sim_net *n, const struct wend_sim_box *b,
                               const struct wend_address *inside)
{
    if (b->pool < 2)
        return 0;
    return b->pooling == WEND_SIM_POOLING_ARBITRARY
               ? draw_below(n, b->pool)
               : (uint32_t)(inside->ip[2] << 8 | inside->ip[3]) % b->pool;
}

bool wend_sim_port_choose(struct wend_sim_net *n, const struct port_wish *wish, bool any,
                          struct wend_address *ret)
{
    struct site *s = &n->sites[wish->site];
    const struct wend_sim_box *b = &s->box;
    const uint32_t first = choose_address(n, b, &wish->inside);
    const uint32_t tries = b->pooling == WEND_SIM_POOLING_ARBITRARY && b->pool > 1 ? b->pool : 1;
    for (uint32_t i = 0; i < tries; i++) {
        const uint32_t number = tries == 1 ? first : (first + i) % tries;
        struct attempt a = {n, s, wish, wend_sim_box_public(s, number)};
        if (!choose_port(&a, any))
            continue;
        *ret = a.at;
        return true;
    }
    return false;
}

// A port that traffic of the same endpoint got may be given to it for good.
bool wend_sim_port_ask(struct wend_sim_net *n, const struct port_wish *wish, uint16_t port,
                       struct wend_address *ret)
{
    struct site *s = &n->sites[wish->site];
    const uint32_t number = choose_address(n, &s->box, &wish->inside);
    struct attempt a = {n, s, wish, wend_sim_box_public(s, number)};
    a.at.port = port;
    if (port == 0 || is_strangers(&a, port) || is_gateways(&a))
        return false;
    const struct mapping *m = wend_sim_mapping_find_outside(n, wish->site, wish->proto, &a.at);
    if (!s->box.overload && m != NULL && !same_address(&m->inside, &wish->inside))
        return false;
    *ret = a.at;
    return true;
}
