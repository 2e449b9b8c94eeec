// SPDX-License-Identifier: MIT
#include "net_state.h"

#define DRAWS_MAX 32 // then every port in turn

struct range {
    uint32_t first, count;
};

static bool is_free(struct wend_sim_net *n, uint32_t site, uint8_t proto, uint32_t port)
{
    struct wend_address outside = n->sites[site].public;
    outside.port = (uint16_t)port;
    return !wend_sim_box_has_outside(n, site, proto, &outside);
}

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

static uint16_t draw_from(struct wend_sim_net *n, uint32_t site, uint8_t proto, struct range r)
{
    uint32_t at = 0;
    for (int i = 0; i < DRAWS_MAX; i++) {
        at = draw_below(n, r.count);
        if (is_free(n, site, proto, r.first + at))
            return (uint16_t)(r.first + at);
    }
    for (uint32_t i = 0; i < r.count; i++) {
        const uint32_t port = r.first + (at + i) % r.count;
        if (is_free(n, site, proto, port))
            return (uint16_t)port;
    }
    return 0;
}

// How many ports others have taken since the last time, at an even pace.
static uint64_t taken_by_others(struct wend_sim_net *n, struct site *s)
{
    const unsigned __int128 ticks =
        (unsigned __int128)(uint64_t)(n->now + s->phase) * s->box.others_per_second;
    const uint64_t others = (uint64_t)(ticks / (uint64_t)WEND_S(1));
    const uint64_t since = others > s->others ? others - s->others : 0;
    s->others = others;
    return since;
}

static uint16_t take_next(struct wend_sim_net *n, uint32_t site, uint8_t proto)
{
    struct site *s = &n->sites[site];
    const struct range r = range_of(&s->box);
    const uint32_t step = s->box.port_step != 0 ? s->box.port_step : 1;
    uint64_t at = s->next_port + (taken_by_others(n, s) % r.count) * step;
    for (uint32_t i = 0; i < r.count; i++, at += step) {
        const uint32_t port = r.first + (uint32_t)(at % r.count);
        if (!is_free(n, site, proto, port))
            continue;
        s->next_port = (uint32_t)((at + step) % r.count);
        return (uint16_t)port;
    }
    return draw_from(n, site, proto, r); // an even step meets half of them only
}

uint16_t wend_sim_port_draw(struct wend_sim_net *n, uint32_t site, uint8_t proto)
{
    return draw_from(n, site, proto, range_of(&n->sites[site].box));
}

uint16_t wend_sim_port_choose(struct wend_sim_net *n, uint32_t site, uint8_t proto,
                              const struct wend_address *inside)
{
    const struct wend_sim_box *b = &n->sites[site].box;
    switch (b->allocation) {
    case WEND_SIM_PORT_PRESERVING:
        return is_free(n, site, proto, inside->port) ? inside->port
                                                     : wend_sim_port_draw(n, site, proto);
    case WEND_SIM_PORT_SEQUENTIAL: return take_next(n, site, proto);
    case WEND_SIM_PORT_RANDOM: return wend_sim_port_draw(n, site, proto);
    case WEND_SIM_PORT_RANDOM_BLOCK: return draw_from(n, site, proto, block_of(b, inside));
    }
    wend_assert(false);
    return 0;
}
