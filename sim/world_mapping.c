// SPDX-License-Identifier: MIT
// A device asks its gateway for its port, as the daemon does (io/port_mapping.c): the same machine,
// a socket of its own, a look whenever addresses changed. UPnP is not asked.
//
// Who is behind a gateway whose outside is private the daemon learns from the router that drops a
// datagram of few hops. Here it is looked up: that router has an address in the site between.
#include "world.h"

#define CHECK_APART WEND_S(10) // as the daemon has it

static struct wend_address inside_of(const struct sim_world *w, const struct sim_device *d)
{
    struct wend_address a = {0};

    if (!d->interface_down)
        a = sim_device_address(w, d, WEND_FAMILY_IPV4);
    if (a.family != WEND_FAMILY_NONE)
        a.port = (uint16_t)d->udp_port;
    return a;
}

static void set_mapped(struct sim_world *w, struct sim_device *d)
{
    const struct wend_lease *l = wend_mapping_find(&d->mapping.machine);
    const struct wend_address now = l != NULL ? l->external : (struct wend_address){0};

    if (wend_address_equal(&now, &d->mapping.mapped))
        return;
    d->mapping.mapped = now;
    wend_node_mapped(d->node, l != NULL ? &now : NULL, w->now);
    d->dirty = true;
}

static void take_event(struct sim_world *w, struct sim_device *d,
                       const struct wend_mapping_event *e)
{
    const struct sim_place *p = &w->scenario->places[d->index];
    struct wend_address outer = {0};

    if (e->kind == WEND_MAPPING_FAILED)
        d->mapping.reason = e->reason;
    if (e->kind == WEND_MAPPING_MAPPED)
        d->mapping.reason = WEND_MAPPING_NO_REASON;
    if (e->kind != WEND_MAPPING_OUTER_WANTED)
        return;
    if (e->layer == 0 && p->two_layers)
        outer = sim_place_gateway(true);
    wend_mapping_outer(&d->mapping.machine, &outer, w->now);
}

void sim_mapping_begin(struct sim_world *w, struct sim_device *d)
{
    uint8_t key[WEND_HASH_KEY_LEN] = {(uint8_t)d->index, (uint8_t)(d->index >> 8), 'm'};

    d->mapping = (struct sim_mapping){.on = w->scenario->port_mapping};
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
    if (d->mapping.on)
        wend_mapping_expire(&d->mapping.machine, w->now);
}

wend_instant sim_mapping_deadline(const struct sim_device *d)
{
    return d->mapping.on ? wend_mapping_deadline(&d->mapping.machine) : WEND_NEVER;
}
