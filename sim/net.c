// SPDX-License-Identifier: MIT
#include "net_state.h"

#include <errno.h>

// --- memory ---

#define ALIGNMENT 64

static uint32_t or_preset(uint32_t value, uint32_t preset)
{
    return value != 0 ? value : preset;
}

static struct wend_sim_limits filled(const struct wend_sim_limits *l)
{
    return (struct wend_sim_limits){
        .sites = or_preset(l->sites, 16),
        .hosts = or_preset(l->hosts, 8),
        .interfaces = or_preset(l->interfaces, 16),
        .cells = or_preset(l->cells, 1024),
        .mappings = or_preset(l->mappings, 1024),
        .sessions = or_preset(l->sessions, 2048),
        .streams = or_preset(l->streams, 16),
        .pooled = or_preset(l->pooled, 16),
    };
}

// The number of chains for `count` objects: a power of two, half of them at least.
static uint32_t heads_for(uint32_t count)
{
    uint32_t heads = 16;
    while (heads < count / 2)
        heads *= 2;
    return heads;
}

// Hands out the parts of the block one after the other; from nothing, just counts.
struct layout {
    uint8_t *at;
    size_t len;
};

static void *part(struct layout *l, size_t count, size_t size)
{
    uint8_t *at = l->at == NULL ? NULL : l->at + l->len;
    l->len += (count * size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return at;
}

static uint32_t places_for(const struct wend_sim_limits *l)
{
    return l->sites + l->pooled + 2 * l->interfaces;
}

static void lay_out(struct wend_sim_net *n, struct layout *l)
{
    const struct wend_sim_limits *m = &n->limits;
    const uint32_t heads = heads_for(m->mappings);
    const uint32_t session_heads = heads_for(m->sessions);
    const uint32_t place_heads = heads_for(4 * places_for(m));
    n->mapping_mask = heads - 1;
    n->session_mask = session_heads - 1;
    n->place_mask = place_heads - 1;
    n->sites = part(l, m->sites + 1, sizeof *n->sites);
    n->hosts = part(l, m->hosts, sizeof *n->hosts);
    n->interfaces = part(l, m->interfaces, sizeof *n->interfaces);
    n->links = part(l, 2 * ((size_t)m->sites + m->interfaces), sizeof *n->links);
    n->core = part(l, (size_t)(m->sites + 1) * (m->sites + 1), sizeof *n->core);
    n->places = part(l, places_for(m), sizeof *n->places);
    n->place_heads = part(l, place_heads, sizeof *n->place_heads);
    n->inside_heads = part(l, heads, sizeof *n->inside_heads);
    n->outside_heads = part(l, heads, sizeof *n->outside_heads);
    n->session_heads = part(l, session_heads, sizeof *n->session_heads);
    n->mappings = part(l, m->mappings, sizeof *n->mappings);
    n->sessions = part(l, m->sessions, sizeof *n->sessions);
    n->streams = part(l, m->streams, sizeof *n->streams);
    n->flights.entries = part(l, m->cells, sizeof *n->flights.entries);
    n->cells = part(l, m->cells, sizeof *n->cells);
    n->payloads = part(l, m->cells, CELL_STRIDE);
}

size_t wend_sim_net_size(const struct wend_sim_limits *limits)
{
    struct wend_sim_net n = {.limits = filled(limits)};
    struct layout l = {0};
    (void)part(&l, 1, sizeof n);
    lay_out(&n, &l);
    return l.len;
}

struct wend_sim_net *wend_sim_net_init(void *memory, const struct wend_sim_limits *limits,
                                       uint64_t seed)
{
    struct wend_sim_net *n = memory;
    struct layout l = {.at = memory};
    wend_assert((uintptr_t)memory % ALIGNMENT == 0);
    *n =
        (struct wend_sim_net){.limits = filled(limits), .seed = seed, .random = seed, .hash = seed};
    wend_assert(n->limits.mappings < UINT16_MAX && n->limits.sessions < UINT16_MAX &&
                places_for(&n->limits) < UINT16_MAX);
    (void)part(&l, 1, sizeof *n);
    lay_out(n, &l);
    wend_heap_init(&n->flights, n->flights.entries, n->limits.cells);
    n->cell_pool.max = n->limits.cells;
    n->mapping_pool.max = n->limits.mappings;
    n->session_pool.max = n->limits.sessions;
    memset(n->place_heads, 0, (n->place_mask + 1) * sizeof *n->place_heads);
    memset(n->inside_heads, 0, (n->mapping_mask + 1) * sizeof *n->inside_heads);
    memset(n->outside_heads, 0, (n->mapping_mask + 1) * sizeof *n->outside_heads);
    memset(n->session_heads, 0, (n->session_mask + 1) * sizeof *n->session_heads);
    n->sites[0] = (struct site){0};
    n->site_count = 1;
    n->core[0] = CORE_PRESET << 1;
    return n;
}

// --- cells ---

// Broken streams must be told of whatever else flies, so sends leave some cells free.
bool wend_sim_net_has_room(const struct wend_sim_net *n)
{
    const uint32_t reserve = 4 * n->limits.streams;
    return n->cells_taken + reserve < n->cell_pool.max;
}

struct cell *wend_sim_cell_take(struct wend_sim_net *n)
{
    struct pool *p = &n->cell_pool;
    if (p->free == 0 && p->used == p->max)
        return NULL;
    struct cell *c;
    if (p->free != 0) {
        c = &n->cells[p->free - 1];
        p->free = c->next;
    } else {
        c = &n->cells[p->used++];
    }
    *c = (struct cell){.sent_at = n->now};
    n->cells_taken++;
    return c;
}

void wend_sim_cell_give_back(struct wend_sim_net *n, struct cell *c)
{
    wend_assert(c->kind != CELL_FREE);
    wend_heap_remove(&n->flights, &c->timer); // of the step that it ends with
    c->kind = CELL_FREE;
    c->next = n->cell_pool.free;
    n->cell_pool.free = cell_index(n, c) + 1;
    n->cells_taken--;
}

void wend_sim_cell_schedule(struct wend_sim_net *n, struct cell *c, wend_instant at)
{
    const int full = wend_heap_set(&n->flights, &c->timer, at);
    wend_assert(full == 0); // it has a place for each cell
}

// --- sending and draining ---

void wend_sim_net_turn(struct wend_sim_net *n, wend_instant now)
{
    wend_assert(now >= n->now);
    n->now = now;
}

int wend_sim_net_source(const struct wend_sim_net *n, uint32_t host, const struct wend_address *to,
                        struct wend_address *local, uint32_t *ret_interface)
{
    wend_assert(host < n->host_count);
    const unsigned family = to->family == WEND_FAMILY_IPV4 ? 0 : 1;
    const bool named = local->family != WEND_FAMILY_NONE;
    if (n->hosts[host].down)
        return -ENETDOWN;
    for (uint32_t k = 0; k < n->interface_count; k++) {
        const struct interface *i = &n->interfaces[k];
        const struct wend_address *own = &i->addresses[family];
        if (i->host != host || i->down || own->family == WEND_FAMILY_NONE)
            continue;
        if (named && !same_ip(own, local))
            continue;
        const uint16_t port = local->port;
        *local = *own;
        local->port = port;
        *ret_interface = k;
        return 0;
    }
    return named ? -EADDRNOTAVAIL : -ENETUNREACH;
}

static bool is_too_long(const struct wend_sim_net *n, uint32_t interface,
                        const struct wend_datagram *out)
{
    const uint32_t link = n->interfaces[interface].up_link;
    const size_t header = out->remote.family == WEND_FAMILY_IPV4 ? 28 : 48;
    const size_t mtu = link == 0 ? 0 : n->links[link - 1].link.config.mtu_bytes;
    return out->bytes.len > WEND_DATAGRAM_MAX ||
           (out->dont_fragment && mtu != 0 && out->bytes.len + header > mtu);
}

int wend_sim_net_send(struct wend_sim_net *n, uint32_t host, const struct wend_datagram *out,
                      wend_instant now)
{
    struct wend_address local = out->local;
    uint32_t interface;
    const int failed = wend_sim_net_source(n, host, &out->remote, &local, &interface);
    wend_sim_net_turn(n, now);
    if (failed != 0)
        return failed;
    if (is_too_long(n, interface, out))
        return -EMSGSIZE;
    struct cell *c = wend_sim_net_has_room(n) ? wend_sim_cell_take(n) : NULL;
    if (c == NULL) {
        n->counts.dropped[WEND_SIM_DROP_CELLS]++;
        return -ENOBUFS;
    }
    c->kind = CELL_DATAGRAM;
    c->host = host;
    c->interface = interface;
    c->dont_fragment = out->dont_fragment;
    c->ttl = out->ttl;
    c->source = local;
    c->destination = out->remote;
    c->len = (uint16_t)out->bytes.len;
    if (c->len > 0)
        memcpy(payload(n, c), out->bytes.at, c->len);
    wend_sim_travel_start(n, c);
    return 0;
}

wend_instant wend_sim_net_deadline(const struct wend_sim_net *n)
{
    return wend_heap_deadline(&n->flights);
}

bool wend_sim_net_next(struct wend_sim_net *n, wend_instant now, struct wend_sim_delivery *ret)
{
    wend_assert(now >= n->now);
    if (n->lent != 0)
        wend_sim_cell_give_back(n, &n->cells[n->lent - 1]);
    n->lent = 0;
    struct wend_heap_due due;
    while (wend_heap_begin(&n->flights, now, &due)) {
        const wend_instant at = wend_heap_deadline(&n->flights);
        if (at > n->now)
            n->now = at;
        const bool comes =
            wend_sim_travel_on(n, WEND_HEAP_OWNER(due.node, struct cell, timer), ret);
        wend_heap_end(&n->flights, &due);
        if (comes)
            return true;
    }
    n->now = now;
    return false;
}

void wend_sim_net_check(const struct wend_sim_net *n)
{
    const struct wend_sim_counts *c = &n->counts;
    uint64_t dropped = 0;
    uint32_t in_use = 0;
    wend_heap_check(&n->flights);
    for (uint32_t i = 0; i < n->cell_pool.used; i++)
        in_use += n->cells[i].kind != CELL_FREE;
    wend_assert(in_use == n->cells_taken);
    for (int i = WEND_SIM_DROP_NO_ROUTE; i < WEND_SIM_DROP_CELLS; i++)
        dropped += c->dropped[i];
    wend_assert(c->sent + c->duplicated == c->delivered + c->in_flight + dropped);
    for (uint32_t i = 0; i < n->link_count; i++)
        wend_link_check(&n->links[i].link);
    wend_sim_box_check(n);
}
