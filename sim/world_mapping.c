// SPDX-License-Identifier: MIT
// A device asks its gateway for its port, as the daemon does (io/port_mapping.c): the same machine,
// a socket of its own, a look whenever addresses changed; and beside it UPnP. What asks by that is
// a stand-in, for the daemon's (io/igd.c) waits in threads for a true network: it has the same
// intervals and ends, and its question takes a quarter of a second.
//
// Who is behind a gateway whose outside is private the daemon learns from the router that drops a
// datagram of few hops. Here it is looked up: that router has an address in the site between.
#include <errno.h>

#include "world.h"

#define CHECK_APART  WEND_S(10) // as the daemon has it
#define IGD_TAKES    WEND_MS(250)
#define IGD_LEASE_S  7200 // these as io/igd.h has them
#define IGD_RENEW    WEND_S(600)
#define IGD_REST     WEND_S(60)
#define IGD_REST_MAX WEND_S(1800)

static struct wend_address inside_of(const struct sim_world *w, const struct sim_device *d)
{
    struct wend_address a = {0};

    if (!d->interface_down)
        a = sim_device_address(w, d, WEND_FAMILY_IPV4);
    if (a.family != WEND_FAMILY_NONE)
        a.port = (uint16_t)d->udp_port;
    return a;
}

// What was there first stays while it holds.
static void set_mapped(struct sim_world *w, struct sim_device *d)
{
    struct sim_mapping *m = &d->mapping;
    const struct wend_lease *l = wend_mapping_find(&m->machine);
    const bool by_igd = m->igd.external.family != WEND_FAMILY_NONE && (l == NULL || m->from_igd);
    const struct wend_address now = by_igd      ? m->igd.external
                                    : l != NULL ? l->external
                                                : (struct wend_address){0};

    m->from_igd = by_igd;
    if (wend_address_equal(&now, &m->mapped))
        return;
    m->mapped = now;
    wend_node_mapped(d->node, now.family != WEND_FAMILY_NONE ? &now : NULL, w->now);
    d->dirty = true;
}

// --- UPnP ---

static void start_igd(struct sim_world *w, struct sim_device *d, bool moved)
{
    struct sim_igd *g = &d->mapping.igd;

    if (moved)
        g->external = (struct wend_address){0};
    g->failures = 0;
    g->at = d->mapping.inside.family != WEND_FAMILY_NONE ? w->now + IGD_TAKES : WEND_NEVER;
}

// Others did it. What is held goes on.
static void rest_igd(struct sim_igd *g)
{
    if (g->external.family == WEND_FAMILY_NONE)
        g->at = WEND_NEVER;
}

static enum wend_mapping_reason reason_of(int error)
{
    switch (error) {
    case -EACCES: return WEND_MAPPING_REFUSED;
    case -ENOSPC: return WEND_MAPPING_NO_RESOURCES;
    case -EBADMSG: return WEND_MAPPING_NONSENSE;
    default: return WEND_MAPPING_NO_ANSWER;
    }
}

static void fail_igd(struct sim_world *w, struct sim_igd *g, int error)
{
    wend_duration rest = IGD_REST;

    for (uint32_t i = 0; i < g->failures && rest < IGD_REST_MAX; i++)
        rest *= 2;
    g->failures++;
    g->at = w->now + (rest < IGD_REST_MAX ? rest : IGD_REST_MAX);
    g->external = (struct wend_address){0};
    g->reason = reason_of(error);
}

static void ask_igd(struct sim_world *w, struct sim_device *d)
{
    struct sim_igd *g = &d->mapping.igd;
    const struct wend_address inside = d->mapping.inside;
    const uint16_t held = g->external.port;
    const struct wend_sim_port_ask ask = {.site = d->site,
                                          .inside = inside,
                                          .wished = held != 0 ? held : inside.port,
                                          .lifetime_s = IGD_LEASE_S};
    struct wend_address external;
    const int error = wend_sim_net_map_port(w->net, &ask, w->now, &external);

    if (error != 0 || !wend_mapping_is_public(&external)) {
        fail_igd(w, g, error != 0 ? error : -EHOSTUNREACH);
        return;
    }
    g->external = external;
    g->failures = 0;
    g->reason = WEND_MAPPING_NO_REASON;
    g->at = w->now + IGD_RENEW;
}

// --- both ---

static void take_event(struct sim_world *w, struct sim_device *d,
                       const struct wend_mapping_event *e)
{
    const struct sim_place *p = &w->scenario->places[d->index];
    struct wend_address outer = {0};

    if (e->kind == WEND_MAPPING_FAILED)
        d->mapping.reason = e->reason;
    if (e->kind == WEND_MAPPING_MAPPED) {
        d->mapping.reason = WEND_MAPPING_NO_REASON;
        rest_igd(&d->mapping.igd);
    }
    if (e->kind == WEND_MAPPING_LOST && e->reason != WEND_MAPPING_RESTARTED &&
        d->mapping.igd.external.family == WEND_FAMILY_NONE)
        start_igd(w, d, false);
    if (e->kind != WEND_MAPPING_OUTER_WANTED)
        return;
    if (e->layer == 0 && p->two_layers)
        outer = sim_place_gateway(true);
    wend_mapping_outer(&d->mapping.machine, &outer, w->now);
}

void sim_mapping_begin(struct sim_world *w, struct sim_device *d)
{
    uint8_t key[WEND_HASH_KEY_LEN] = {(uint8_t)d->index, (uint8_t)(d->index >> 8), 'm'};

    d->mapping = (struct sim_mapping){.on = w->scenario->port_mapping, .igd = {.at = WEND_NEVER}};
    if (d->mapping.on)
        wend_mapping_init(&d->mapping.machine, key); // the same after a restart
}

void sim_mapping_look(struct sim_world *w, struct sim_device *d)
{
    struct sim_mapping *m = &d->mapping;
    const struct wend_address inside = inside_of(w, d);
    const bool moved = !m->looked || !wend_address_equal(&inside, &m->inside);

    if (!m->on ||
        (!moved && (wend_mapping_find(&m->machine) == NULL || w->now < m->checked + CHECK_APART)))
        return;
    m->looked = true;
    m->checked = w->now;
    m->inside = inside;
    const struct wend_address gateway =
        inside.family != WEND_FAMILY_NONE ? sim_place_gateway(false) : (struct wend_address){0};
    wend_mapping_start(&m->machine, &gateway, &inside, w->now);
    if (moved)
        start_igd(w, d, true);
    d->dirty = true;
}

bool sim_mapping_receive(struct sim_world *w, struct sim_device *d, const struct wend_datagram *in)
{
    struct wend_datagram heard = *in;

    if (!d->mapping.on || in->transport != WEND_TRANSPORT_UDP || in->local.port != SIM_MAPPING_PORT)
        return false;
    heard.local.port = 0;
    (void)wend_mapping_receive(&d->mapping.machine, &heard, w->now);
    return true;
}

void sim_mapping_drain(struct sim_world *w, struct sim_device *d)
{
    struct wend_mapping_event e;
    struct wend_datagram out;

    if (!d->mapping.on)
        return;
    while (wend_mapping_next_event(&d->mapping.machine, &e))
        take_event(w, d, &e);
    while (wend_mapping_next_datagram(&d->mapping.machine, &out)) {
        out.local.port = SIM_MAPPING_PORT;
        (void)wend_sim_net_send(w->net, d->host, &out, w->now);
    }
    set_mapped(w, d);
}

void sim_mapping_expire(struct sim_world *w, struct sim_device *d)
{
    if (!d->mapping.on)
        return;
    wend_mapping_expire(&d->mapping.machine, w->now);
    if (d->mapping.igd.at <= w->now)
        ask_igd(w, d);
}

wend_instant sim_mapping_deadline(const struct sim_device *d)
{
    if (!d->mapping.on)
        return WEND_NEVER;
    return wend_instant_min(wend_mapping_deadline(&d->mapping.machine), d->mapping.igd.at);
}
