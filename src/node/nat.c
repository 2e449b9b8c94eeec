// SPDX-License-Identifier: MIT
// docs/protocol.md section 4.4.
#include "node/nat.h"

#include <string.h>

#include "node/contact.h"
#include "node/sockets.h"

#define WANT_LOOK   WEND_S(60)  // how often a stale model is asked after
#define DOUBT_LEAST WEND_S(30)  // between runs that contradictions lead to
#define DOUBT_MAX   WEND_S(600) // they come to that, doubling, while nothing speaks for the model
#define GROUP_FIRST 65536       // wend_discovery_add

void wend_nat_init(struct wend_node *n)
{
    n->nat.again_at = WEND_NEVER; // discovery is zeroed memory, and idle
}

static struct wend_address local_of(const struct wend_node *n, uint16_t port)
{
    const struct wend_address seen =
        n->leg_made ? wend_leg_observed(&n->leg) : (struct wend_address){0};
    struct wend_address found = {0};

    for (size_t i = 0; i < n->interface_count; i++) {
        const struct wend_address *a = &n->interfaces[i];
        if (a->family != WEND_FAMILY_IPV4)
            continue;
        if (found.family == WEND_FAMILY_NONE || wend_address_same_ip(a, &seen))
            found = *a;
    }
    found.port = port;
    return found;
}

// What the server's session shows is known whatever becomes of the questions.
static void tell_seen(struct wend_node *n)
{
    const struct wend_address seen =
        n->leg_made ? wend_leg_observed(&n->leg) : (struct wend_address){0};
    const bool good = n->registered && n->route.transport == WEND_TRANSPORT_UDP &&
                      seen.family == WEND_FAMILY_IPV4 && wend_address_is_usable(&seen);

    wend_discovery_set_seen(&n->nat.discovery, good ? &seen : &(struct wend_address){0});
    if (good && wend_nat_model(n)->udp == WEND_NAT_NO) // it comes back again
        wend_nat_doubt(n);
}

static void close_socket(struct wend_node *n, uint8_t socket)
{
    uint16_t *number = &n->nat.sockets[socket];

    if (*number != 0)
        wend_sockets_close(n, number, 1);
    *number = 0;
}

static void open_socket(struct wend_node *n, uint8_t socket)
{
    const struct wend_address none = {0};

    if (wend_sockets_open(n, WEND_FAMILY_IPV4, 0, 1, &n->nat.sockets[socket]) == 0)
        wend_discovery_opened(&n->nat.discovery, socket, &none, n->now);
}

static bool is_wanted(const struct wend_node *n)
{
    for (uint32_t i = 0; i < n->contact_high; i++)
        if (n->contacts[i].used && wend_contact_is_wanted(n, &n->contacts[i]))
            return true;
    return false;
}

// Into a model that discovery just made, or into the one that is there.
void wend_nat_mapped(struct wend_node *n)
{
    struct wend_discovery *d = &n->nat.discovery;
    struct wend_address mapped = n->mapped;

    if (mapped.family != WEND_FAMILY_IPV4 || !wend_address_is_usable(&mapped))
        mapped = (struct wend_address){0};
    if (d->model.serial == 0 || wend_address_equal(&d->model.mapped, &mapped))
        return;
    d->model.mapped = mapped;
    d->model.serial = ++d->last_serial;
    d->class_serial++;
}

static void tell_lifetime(struct wend_node *n)
{
    const struct wend_nat_estimate e = wend_nat_lifetime_estimate(&n->nat.lifetime);

    wend_discovery_set_lifetime(&n->nat.discovery, &e);
}

static void heed_event(struct wend_node *n, const struct wend_discovery_event *e)
{
    switch (e->kind) {
    case WEND_DISCOVERY_OPEN_SOCKET: open_socket(n, e->socket); break;
    case WEND_DISCOVERY_CLOSE_SOCKET: close_socket(n, e->socket); break;
    case WEND_DISCOVERY_IS_STALE: n->nat.again_at = n->now; break;
    case WEND_DISCOVERY_DONE:
        wend_nat_mapped(n);
        tell_lifetime(n);
        break;
    case WEND_DISCOVERY_EVENT_NONE: break;
    }
}

static void drain(struct wend_node *n)
{
    struct wend_discovery_event e;
    struct wend_discovery_datagram d;

    while (wend_discovery_next_event(&n->nat.discovery, &e))
        heed_event(n, &e);
    while (wend_discovery_next_datagram(&n->nat.discovery, &d)) {
        const struct wend_datagram way = {
            .transport = WEND_TRANSPORT_UDP, .remote = d.to, .socket = n->nat.sockets[d.socket]};
        wend_node_send(n, &way, d.bytes);
    }
}

// Those of IPv4, which come first.
static size_t servers(const struct wend_node *n, struct wend_address ret[WEND_NODE_DISCOVERY_MAX])
{
    size_t count = wend_node_discovery(n, ret);

    while (count > 0 && ret[count - 1].family != WEND_FAMILY_IPV4)
        count--;
    return count;
}

// Other servers. A model's serial is never used twice.
static void renew(struct wend_node *n, const struct wend_address *where, size_t count)
{
    struct wend_discovery *d = &n->nat.discovery;
    const uint32_t last = d->last_serial;
    const uint32_t classes = d->class_serial;

    wend_discovery_init(d, where, count);
    d->last_serial = last;
    d->class_serial = classes + 1;
}

static void begin(struct wend_node *n)
{
    uint8_t random[WEND_DISCOVERY_RANDOM_LEN];
    struct wend_address where[WEND_NODE_DISCOVERY_MAX];
    const struct wend_address local = local_of(n, n->config.port);
    const size_t count = servers(n, where);

    n->nat.again_at = WEND_NEVER;
    if (n->nat.doubted && n->nat.doubt_after < DOUBT_MAX)
        n->nat.doubt_after = n->nat.doubt_after > 0 ? 2 * n->nat.doubt_after : 2 * DOUBT_LEAST;
    n->nat.doubted = false;
    if (n->discovery[0].port_count == 0 || count == 0 || local.family == WEND_FAMILY_NONE)
        return; // nobody to ask, or nowhere to ask from
    if (!n->nat.begun)
        renew(n, where, count);
    n->nat.begun = true;
    n->nat.begun_at = n->now;
    wend_random_bytes(&n->random, random, sizeof random);
    wend_discovery_restart(&n->nat.discovery, random, &local, n->now);
    drain(n);
}

void wend_nat_registered(struct wend_node *n)
{
    if (!n->nat.begun)
        begin(n);
}

void wend_nat_moved(struct wend_node *n)
{
    wend_discovery_forget(&n->nat.discovery);
    drain(n);
    n->nat.begun = n->nat.doubted = false;
    n->nat.doubt_after = 0;
    n->nat.lifetime = (struct wend_nat_lifetime){0};
    n->nat.pending_count = 0;
    n->nat.again_at = n->registered && !n->isolated ? n->now : WEND_NEVER;
}

const struct wend_nat_model *wend_nat_model(const struct wend_node *n)
{
    return wend_discovery_model(&n->nat.discovery);
}

void wend_nat_close(struct wend_node *n)
{
    wend_discovery_forget(&n->nat.discovery);
    drain(n);
}

void wend_nat_socket_opened(struct wend_node *n, uint16_t number, uint16_t port)
{
    for (uint8_t i = 1; i < WEND_DISCOVERY_SOCKETS; i++) {
        if (n->nat.sockets[i] != number)
            continue;
        const struct wend_address local = port != 0 ? local_of(n, port) : (struct wend_address){0};
        wend_discovery_opened(&n->nat.discovery, i, &local, n->now);
        drain(n);
        return;
    }
}

bool wend_nat_receive(struct wend_node *n, const struct wend_datagram *in)
{
    uint8_t socket = 0;

    tell_seen(n);
    while (in->socket != 0 && socket < WEND_DISCOVERY_SOCKETS &&
           n->nat.sockets[socket] != in->socket)
        socket++;
    if (!n->nat.begun || socket == WEND_DISCOVERY_SOCKETS || in->transport != WEND_TRANSPORT_UDP ||
        wend_discovery_receive(&n->nat.discovery, socket, in, n->now) != 0)
        return false;
    drain(n);
    return true;
}

// --- what traffic shows ---

static bool is_of_main_socket(const struct wend_datagram *d)
{
    return d->socket == 0 && d->transport == WEND_TRANSPORT_UDP &&
           d->remote.family == WEND_FAMILY_IPV4;
}

void wend_nat_sent(struct wend_node *n, const struct wend_datagram *out)
{
    if (is_of_main_socket(out))
        wend_nat_lifetime_sent(&n->nat.lifetime, n->now);
}

void wend_nat_came(struct wend_node *n, const struct wend_datagram *in)
{
    const bool by_mapping = n->mapped.family == WEND_FAMILY_NONE && n->leg_made &&
                            n->route.transport == WEND_TRANSPORT_UDP &&
                            wend_address_equal(&in->remote, &n->route.remote);

    if (!is_of_main_socket(in))
        return;
    wend_nat_lifetime_came(&n->nat.lifetime, by_mapping, n->now);
    tell_lifetime(n);
}

void wend_nat_proved(struct wend_node *n)
{
    const struct wend_nat_model *m = wend_nat_model(n);
    struct wend_nat_proof p;

    if (!wend_leg_take_proof(&n->leg, &p) || n->mapped.family != WEND_FAMILY_NONE)
        return;
    p.ports_change = m->allocation == WEND_NAT_SEQUENTIAL || m->allocation == WEND_NAT_BLOCK ||
                     m->allocation == WEND_NAT_RANDOM;
    wend_nat_lifetime_proved(&n->nat.lifetime, &p);
    tell_lifetime(n);
}

uint32_t wend_nat_group(struct wend_node *n)
{
    n->nat.group = n->nat.group >= GROUP_FIRST ? n->nat.group + WEND_NAT_GROUP : GROUP_FIRST;
    return n->nat.group;
}

void wend_nat_learn(struct wend_node *n, struct wend_nat_sample sample)
{
    sample.inside = local_of(n, sample.inside.port);
    if (n->nat.pending_count < WEND_NAT_PENDING_MAX)
        n->nat.pending[n->nat.pending_count++] = sample;
}

static bool is_being_told(const struct wend_node *n)
{
    for (uint32_t i = 0; i < n->contact_high; i++)
        if (n->contacts[i].used && n->contacts[i].model_told != 0)
            return true;
    return false;
}

static void take_pending(struct wend_node *n)
{
    if (n->nat.pending_count == 0 || is_being_told(n))
        return;
    for (uint8_t i = 0; i < n->nat.pending_count; i++)
        if (!wend_discovery_add(&n->nat.discovery, &n->nat.pending[i], n->now))
            wend_nat_doubt(n);
    n->nat.pending_count = 0;
}

void wend_nat_doubt(struct wend_node *n)
{
    const wend_duration after = n->nat.doubt_after > 0 ? n->nat.doubt_after : DOUBT_LEAST;
    const wend_instant soonest = n->nat.begun_at + after;

    n->nat.doubted = true;
    n->nat.again_at = wend_instant_min(n->nat.again_at, soonest > n->now ? soonest : n->now);
}

void wend_nat_trust(struct wend_node *n)
{
    n->nat.doubt_after = 0;
}

void wend_nat_seen(struct wend_node *n)
{
    const struct wend_address seen = wend_leg_observed(&n->leg);
    const struct wend_nat_model *m = wend_nat_model(n);

    if (m->serial != 0 && m->public.family == seen.family && m->paired != WEND_NAT_NO &&
        !wend_address_same_ip(&m->public, &seen))
        wend_nat_doubt(n);
}

void wend_nat_expire(struct wend_node *n)
{
    tell_seen(n);
    wend_discovery_expire(&n->nat.discovery, n->now);
    drain(n);
    take_pending(n);
    if (n->nat.again_at > n->now)
        return;
    if (!n->nat.begun || n->nat.doubted || is_wanted(n))
        begin(n);
    else
        n->nat.again_at = n->now + WANT_LOOK;
}

wend_instant wend_nat_deadline(const struct wend_node *n)
{
    return wend_instant_min(n->nat.again_at, wend_discovery_deadline(&n->nat.discovery));
}
