// SPDX-License-Identifier: MIT
// What must hold whatever goes wrong, of what leaves a device: a bounded number of datagrams a
// second, and no address that never answered is sent more probes than docs/protocol.md allows.
#include <string.h>

#include "node/view.h"
#include "wire/session.h"
#include "world.h"

#define CONTROL_A_SECOND 200 // and so many for each other device
#define CONTROL_A_PEER   60
#define PUNCHES_A_SECOND 1400      // openers, and probes of all volleys at once
#define ATTESTED_FOR     WEND_S(2) // after the server saw it elsewhere; a volley is silent by then
#define PUNCH_LEN        64        // 29 bytes padded to 32, header and tag

static bool is_server(const struct wend_address *a)
{
    return a->port == SIM_PORT;
}

static uint32_t place_of(const struct wend_address *ip)
{
    uint64_t word[2];

    memcpy(word, ip->ip, sizeof word);
    return (uint32_t)(((word[0] ^ word[1] * 31) * 0x9fb21c651e98df25u) >> 40);
}

// The entry of an IP address; NULL: the table is full.
static struct sim_watched *find(struct sim_device *d, const struct wend_address *a)
{
    const uint32_t home = place_of(a);

    for (uint32_t i = 0; i < SIM_WATCHED; i++) {
        struct sim_watched *e = &d->watched[(home + i) % SIM_WATCHED];
        if (e->mark == d->mark && wend_address_same_ip(&e->ip, a))
            return e;
        if (e->mark == d->mark)
            continue;
        memset(e, 0, sizeof *e);
        e->mark = d->mark;
        e->ip = *a;
        return e;
    }
    return NULL;
}

// Where the server truly sees another device, or did until just now: a volley may send more there.
// Who has moved says so over the relay, or falls silent.
static bool is_seen_at(const struct sim_world *w, struct sim_device *peer,
                       const struct wend_address *to)
{
    struct wend_self_view view;

    if (!peer->running)
        return false;
    wend_node_self(peer->node, &view);
    if (!wend_address_same_ip(&view.public_address, &peer->seen)) {
        peer->seen_before = peer->seen;
        peer->seen = view.public_address;
        peer->seen_since = w->now;
    }
    return wend_address_same_ip(&peer->seen, to) || (wend_address_same_ip(&peer->seen_before, to) &&
                                                     w->now - peer->seen_since <= ATTESTED_FOR);
}

static bool is_attested(struct sim_world *w, const struct sim_device *d,
                        const struct wend_address *to)
{
    bool seen = false;

    for (uint32_t i = 0; i < w->scenario->device_count; i++)
        seen |= i != d->index && is_seen_at(w, &w->devices[i], to);
    return seen;
}

static void book_probe(struct sim_world *w, struct sim_device *d, const struct wend_address *to)
{
    struct sim_watched *e = find(d, to);
    char text[WEND_ADDRESS_TEXT_LEN];

    if (e == NULL || e->answered)
        return;
    wend_instant *oldest = &e->sent[e->next++ % SIM_PROBES_MAX];
    if (*oldest != 0 && w->now - *oldest < WEND_S(60))
        sim_world_fail(w, "device %u sent more than %u probes in a minute to %s, which never spoke",
                       d->index, SIM_PROBES_MAX, wend_address_format(to, text));
    *oldest = w->now;
}

static void book_second(struct sim_world *w, struct sim_device *d, bool user, bool punch)
{
    const uint32_t control =
        CONTROL_A_SECOND + CONTROL_A_PEER * (uint32_t)(w->scenario->device_count - 1);

    if (w->now - d->second >= WEND_S(1)) {
        d->second = w->now;
        d->in_second = d->punches = 0;
    }
    if (punch && ++d->punches > PUNCHES_A_SECOND)
        sim_world_fail(w, "device %u sends %u datagrams of volleys in a second", d->index,
                       d->punches);
    if (user || punch)
        return;
    if (++d->in_second > control)
        sim_world_fail(w, "device %u sends without end: %u datagrams of its own in a second",
                       d->index, d->in_second);
}

void sim_watch_sent(struct sim_world *w, struct sim_device *d, const struct wend_datagram *out,
                    bool user)
{
    const uint8_t type = out->bytes.at[0];

    w->stats.datagrams++;
    w->stats.control += !user;
    w->stats.handshakes += type == WEND_MESSAGE_INITIATION;
    w->stats.probes += type == WEND_MESSAGE_CONTROL;
    const bool punch =
        type == WEND_MESSAGE_CONTROL && out->bytes.len == PUNCH_LEN && !is_server(&out->remote);
    book_second(w, d, user, punch);
    sim_watch_question(w, d, out);
    if (punch && is_attested(w, d, &out->remote))
        return;
    if (!user && out->transport == WEND_TRANSPORT_UDP && !is_server(&out->remote) &&
        (type == WEND_MESSAGE_CONTROL || type == WEND_MESSAGE_RESPONSE))
        book_probe(w, d, &out->remote);
}

void sim_watch_heard(struct sim_device *d, const struct wend_address *from)
{
    if (is_server(from))
        return;
    struct sim_watched *e = find(d, from);
    if (e != NULL)
        e->answered = true;
}

void sim_watch_machines(struct sim_world *w)
{
    for (uint32_t i = 0; i < w->scenario->device_count; i++) {
        const struct sim_device *d = &w->devices[i];
        if (!d->running)
            continue;
        wend_node_check(d->node);
        wend_seal_check(d->seal);
        wend_open_check(d->open);
        sim_watch_volleys(w, d);
    }
    for (uint32_t i = 0; i < w->scenario->server_count; i++)
        if (w->servers[i].running)
            wend_relay_check(w->servers[i].relay);
    wend_sim_net_check(w->net);
}
