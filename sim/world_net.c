// SPDX-License-Identifier: MIT
// The network a scenario asks for, and what comes out of it.
//
//   device --lan--> [its site: box] --link--> ([carrier's NAT]) --core--> server
//
// Public IPv4 addresses are 203.0.113.x at first, 198.18.x.y after moves; behind a NAT all homes
// are 192.168.1.0/24. IPv6 prefixes are 2001:db8:(100 + device):(generation)::/64.
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define CROWD    8192 // mappings more
#define LAN_LAST 5    // of a device's private address; its neighbours come after it

static bool is_clear(const struct wend_sim_link *l)
{
    const struct wend_link_config *c = &l->link;

    return c->delay == 0 && c->jitter == 0 && c->loss_ppm == 0 && c->burst_enter_ppm == 0 &&
           c->reorder_ppm == 0 && c->duplicate_ppm == 0 && c->rate_bps == 0 && c->mtu_bytes == 0 &&
           !l->overtake && !l->drop_fragments;
}

struct wend_address sim_place_public(const struct sim_place *p, uint16_t device,
                                     uint32_t generation)
{
    if (p->box.pool > 1)
        return wend_address_ipv4(0xc6130000u + 256u * device + 8 * (generation % 30), 0);
    if (generation == 0)
        return wend_address_ipv4(0xcb007100u + 1 + device, 0);
    return wend_address_ipv4(0xc6120000u + 256u * (1u + device) + 1 + generation % 200, 0);
}

struct wend_address sim_place_gateway(bool carrier)
{
    return carrier ? wend_address_ipv4(0x6460ff01u, 0)  // 100.96.255.1
                   : wend_address_ipv4(0xc0a80101u, 0); // 192.168.1.1
}

static struct wend_address carrier_address(uint16_t device)
{
    return wend_address_ipv4(0x64600000u + 1 + device, 0); // 100.96.0.x: no overlay's
}

static const struct sim_place *place_of(const struct sim_world *w, uint16_t device)
{
    return &w->scenario->places[device];
}

// The device whose site it is.
static uint16_t owner_of(const struct sim_world *w, uint16_t device)
{
    const int32_t other = place_of(w, device)->neighbour_of;

    return other < 0 ? device : (uint16_t)other;
}

struct wend_address sim_device_address(const struct sim_world *w, const struct sim_device *d,
                                       enum wend_family family)
{
    const struct sim_place *p = place_of(w, d->index);
    const uint16_t owner = owner_of(w, d->index);
    const bool nat = place_of(w, owner)->box.kind == WEND_SIM_BOX_NAT;
    const uint32_t host = LAN_LAST + (uint32_t)(d->index - owner) + 16 * d->generation % 200;

    if (family == WEND_FAMILY_IPV4 && p->ipv4)
        return nat ? wend_address_ipv4(0xc0a80100u + host, 0)
                   : sim_place_public(p, d->index, d->generation);
    if (family != WEND_FAMILY_IPV6 || !p->ipv6)
        return (struct wend_address){0};
    return (struct wend_address){
        .family = WEND_FAMILY_IPV6,
        .ip = {0x20, 0x01, 0x0d, 0xb8, 0, (uint8_t)(100 + owner % 100), 0,
               (uint8_t)(1 + owner / 100), [14] = (uint8_t)d->generation, [15] = (uint8_t)host}};
}

static uint32_t add_carrier(struct sim_world *w, uint16_t device)
{
    const struct sim_place *p = place_of(w, device);
    const struct wend_sim_site outer = {.box = p->outer,
                                        .public = sim_place_public(p, device, 0),
                                        .inside = sim_place_gateway(true)};

    return wend_sim_net_add_site(w->net, &outer);
}

static uint32_t add_site(struct sim_world *w, uint16_t device)
{
    const struct sim_place *p = place_of(w, device);
    const struct wend_sim_link *up = is_clear(&p->up) ? NULL : &p->up;
    const struct wend_sim_link *down = is_clear(&p->down) ? NULL : &p->down;
    struct wend_sim_site site = {
        .box = p->box,
        .public = sim_place_public(p, device, 0),
        .inside = sim_place_gateway(false),
        .up = up,
        .down = down,
    };

    if (p->two_layers) {
        site.parent =
            p->customer_with >= 0 ? w->devices[p->customer_with].top : add_carrier(w, device);
        site.public = carrier_address(device);
    }
    const uint32_t index = wend_sim_net_add_site(w->net, &site);
    w->devices[device].top = p->two_layers ? site.parent : index;
    wend_sim_net_set_core(w->net, w->devices[device].top, WEND_SIM_INTERNET,
                          w->scenario->core + w->scenario->relay + p->far);
    return index;
}

static void add_apart(struct sim_world *w, struct sim_device *d)
{
    const struct sim_place *p = place_of(w, d->index);
    const struct wend_sim_site site = {.up = &p->apart_up, .down = &p->apart_down};
    static const struct wend_sim_link lan;

    d->apart = wend_sim_net_add_site(w->net, &site);
    wend_sim_net_cut(w->net, d->apart, WEND_SIM_INTERNET, true);
    wend_sim_net_cut(w->net, WEND_SIM_INTERNET, d->apart, true);
    const struct wend_sim_interface interface = {
        .site = d->apart,
        .ipv6 = sim_device_address(w, d, WEND_FAMILY_IPV6),
        .up = &lan,
        .down = &lan,
    };
    (void)wend_sim_net_add_interface(w->net, d->host, &interface);
}

static void add_device(struct sim_world *w, uint16_t index)
{
    struct sim_device *d = &w->devices[index];
    const struct sim_place *p = place_of(w, index);
    const uint16_t owner = owner_of(w, index);

    d->site = owner == index ? add_site(w, index) : w->devices[owner].site;
    d->top = w->devices[owner].top;
    d->host = wend_sim_net_add_host(w->net);
    struct wend_sim_interface interface = {
        .site = d->site,
        .ipv4 = sim_device_address(w, d, WEND_FAMILY_IPV4),
        .ipv6 = sim_device_address(w, d, WEND_FAMILY_IPV6),
        .up = &p->access_up, // perfect ones too: faults may make them worse
        .down = &p->access_down,
    };
    const bool apart = p->apart;
    if (apart)
        interface.ipv6 = (struct wend_address){0};
    d->interface = wend_sim_net_add_interface(w->net, d->host, &interface);
    if (apart)
        add_apart(w, d);
}

struct wend_address sim_server_second_address(uint16_t index)
{
    return wend_address_ipv4(0xcb007180u + index, 0); // 203.0.113.(128 + index)
}

static void add_server(struct sim_world *w, uint16_t index)
{
    struct sim_server *s = &w->servers[index];
    struct wend_sim_interface interface = {
        .ipv4 = sim_office_server_address(index, WEND_FAMILY_IPV4),
        .ipv6 = sim_office_server_address(index, WEND_FAMILY_IPV6)};

    s->host = wend_sim_net_add_host(w->net);
    s->interface = wend_sim_net_add_interface(w->net, s->host, &interface);
    if (!w->scenario->discovery)
        return;
    const struct wend_sim_interface second = {.ipv4 = sim_server_second_address(index)};
    (void)wend_sim_net_add_interface(w->net, s->host, &second);
}

void sim_world_build_net(struct sim_world *w)
{
    const uint32_t devices = w->scenario->device_count, servers = w->scenario->server_count;
    const uint32_t crowded = w->scenario->crowded ? CROWD : 0;
    const struct wend_sim_limits limits = {
        .sites = 3 * devices + 2,
        .hosts = devices + servers,
        .interfaces = 2 * devices + 2 * servers,
        .cells = 1024 + 256 * devices,
        .mappings = crowded + 256 + 128 * devices,
        .sessions = 2 * crowded + 512 + 512 * devices,
        .streams = 16 + 4 * devices,
        .pooled = WEND_SIM_POOL_MAX * devices,
    };
    const size_t size = wend_sim_net_size(&limits);

    if (w->net_memory_len < size) {
        free(w->net_memory);
        w->net_memory_len = (size + 63) / 64 * 64;
        w->net_memory = aligned_alloc(64, w->net_memory_len);
        wend_assert(w->net_memory != NULL);
    }
    w->net = wend_sim_net_init(w->net_memory, &limits, sim_draw_u64(&w->draw));
    wend_sim_net_set_core_preset(w->net, w->scenario->core);
    for (uint16_t i = 0; i < devices; i++)
        add_device(w, i);
    for (uint16_t i = 0; i < servers; i++)
        add_server(w, i);
    if (w->options.print != NULL)
        wend_sim_net_set_records(w->net, w->net_records, SIM_NET_RECORDS);
}

// --- what comes out ---

static void to_server(struct sim_world *w, struct sim_server *s, const struct wend_sim_delivery *e)
{
    switch (e->kind) {
    case WEND_SIM_DATAGRAM:
    case WEND_SIM_STREAM_MESSAGE: sim_server_receive(w, s, &e->way); break;
    case WEND_SIM_STREAM_CLOSED: sim_server_stream_closed(w, s, e->way.stream); break;
    case WEND_SIM_STREAM_ACCEPTED:
    case WEND_SIM_STREAM_OPENED:
    case WEND_SIM_TOO_BIG:
    case WEND_SIM_UNREACHABLE:
    case WEND_SIM_NOTHING: break;
    }
}

static void to_device(struct sim_world *w, struct sim_device *d, const struct wend_sim_delivery *e)
{
    if (w->options.ledger != NULL && e->way.remote.port == SIM_PORT)
        sim_ledger_from_server(w->options.ledger, d->index);
    switch (e->kind) {
    case WEND_SIM_DATAGRAM:
    case WEND_SIM_STREAM_MESSAGE: sim_device_receive(w, d, &e->way); break;
    case WEND_SIM_STREAM_OPENED:
    case WEND_SIM_STREAM_CLOSED: sim_device_stream(w, d, e); break;
    case WEND_SIM_UNREACHABLE: w->complaints++; break;
    case WEND_SIM_STREAM_ACCEPTED:
    case WEND_SIM_TOO_BIG: // the daemon's sockets listen neither for these nor for the former
    case WEND_SIM_NOTHING: break;
    }
}

bool sim_world_deliver(struct sim_world *w)
{
    struct wend_sim_delivery e;
    const uint32_t devices = w->scenario->device_count;
    bool any = false;

    while (!sim_world_failed(w) && wend_sim_net_next(w->net, w->now, &e)) {
        any = true;
        if (e.host < devices)
            to_device(w, &w->devices[e.host], &e);
        else
            to_server(w, &w->servers[e.host - devices], &e);
    }
    return any;
}

void sim_world_take_records(struct sim_world *w)
{
    struct wend_sim_record r;
    char from[WEND_ADDRESS_TEXT_LEN], to[WEND_ADDRESS_TEXT_LEN];

    if (w->options.print == NULL)
        return;
    while (wend_sim_net_next_record(w->net, &r)) {
        if (r.kind == WEND_SIM_RECORD_DROPPED || r.kind == WEND_SIM_RECORD_MAPPED)
            fprintf(w->options.print, "%12.6f net     %s %s site=%u len=%u %s > %s\n",
                    (double)r.at / 1e9, r.kind == WEND_SIM_RECORD_MAPPED ? "mapped" : "dropped",
                    wend_sim_drop_name(r.drop), r.site, r.len, wend_address_format(&r.from, from),
                    wend_address_format(&r.to, to));
    }
}
