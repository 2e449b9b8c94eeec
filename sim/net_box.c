// SPDX-License-Identifier: MIT
// NATs and firewalls.
//
// A mapping ties an inside endpoint (and, as far as the behaviour says, a peer) to an outside one;
// for a firewall, and for IPv6, both are the same. A session says that a peer may come in through
// an outside endpoint. Boxes whose filter depends on nothing need none. Both live as long as
// packets refresh them, each by itself; what has expired is found when somebody meets it, so time
// alone costs nothing. A session without mapping is a tuple that was taken from outside.
#include "net_table.h"

static bool translates(const struct site *s, const struct cell *c)
{
    return s->box.kind == WEND_SIM_BOX_NAT && c->from.family == WEND_FAMILY_IPV4;
}

static uint8_t proto_of(const struct cell *c)
{
    return is_of_stream(c) ? PROTO_TCP : PROTO_UDP;
}

static bool needs_sessions(const struct site *s)
{
    return s->box.filtering != WEND_SIM_ENDPOINT_INDEPENDENT || s->box.early_takes_tuple ||
           s->box.overload;
}

static bool passes_unseen(const struct site *s, const struct cell *c)
{
    return s->box.kind == WEND_SIM_BOX_NONE ||
           (c->from.family == WEND_FAMILY_IPV6 && s->box.ipv6_open);
}

static struct wend_address part_of(const struct wend_address *peer, enum wend_sim_dependence d)
{
    switch (d) {
    case WEND_SIM_ENDPOINT_INDEPENDENT: return (struct wend_address){0};
    case WEND_SIM_ADDRESS_DEPENDENT: return without_port(peer);
    case WEND_SIM_ADDRESS_AND_PORT_DEPENDENT: return *peer;
    }
    wend_assert(false);
    return *peer;
}

// What the mapping of this cell, which leaves the site, is known by.
static struct mapping_key key_of(const struct wend_sim_net *n, uint32_t site, const struct cell *c)
{
    const struct site *s = &n->sites[site];
    const enum wend_sim_dependence d =
        translates(s, c) ? s->box.mapping : WEND_SIM_ENDPOINT_INDEPENDENT;
    return (struct mapping_key){site, proto_of(c), c->from, part_of(&c->to, d)};
}

// Room for one more mapping of this inside address, if need be by throwing out an old one.
static bool make_room(struct wend_sim_net *n, const struct mapping_key *key)
{
    const struct wend_sim_box *b = &n->sites[key->site].box;
    for (;;) {
        const enum table_room room = wend_sim_table_room(n, key->site, &key->inside);
        if (room == ROOM)
            return true;
        if (!b->oldest_gives_way || room == FULL_FOR_ALL ||
            !wend_sim_table_throw_out(n, key->site, room == FULL_FOR_HOST ? &key->inside : NULL))
            return false;
    }
}

static bool choose_outside(struct wend_sim_net *n, const struct port_wish *wish, bool any,
                           struct wend_address *ret)
{
    const struct wend_sim_box *b = &n->sites[wish->site].box;
    const bool own =
        b->allocation == WEND_SIM_PORT_RANDOM_BLOCK || b->fallback == WEND_SIM_PORT_RANDOM_BLOCK;
    while (!wend_sim_port_choose(n, wish, any, ret))
        if (!b->oldest_gives_way ||
            !wend_sim_table_throw_out(n, wish->site, own ? &wish->inside : NULL))
            return false;
    return true;
}

static struct mapping *make(struct wend_sim_net *n, const struct mapping_key *key,
                            const struct cell *c, bool override)
{
    struct site *s = &n->sites[key->site];
    const struct port_wish wish = {key->site, key->proto, key->inside, c->to};
    struct wend_address outside = key->inside;
    if (!make_room(n, key))
        return NULL;
    if (translates(s, c) && !choose_outside(n, &wish, override, &outside))
        return NULL;
    struct mapping *m = wend_sim_mapping_add(n, key, &outside);
    m->override = override;
    s->overrides += override;
    wend_sim_note_mapped(n, m);
    return m;
}

// The mapping for this cell; one that was made for its peer alone comes first.
static struct mapping *find(struct wend_sim_net *n, const struct mapping_key *key,
                            const struct cell *c)
{
    if (n->sites[key->site].overrides > 0) {
        struct mapping_key own = *key;
        own.peer = c->to;
        struct mapping *m = wend_sim_mapping_find(n, &own);
        if (m != NULL)
            return m;
    }
    return wend_sim_mapping_find(n, key);
}

// What the gateway gave this cell's endpoint; traffic has made no mapping that it would take.
static struct mapping *find_granted(struct wend_sim_net *n, uint32_t site, const struct cell *c)
{
    const struct mapping_key key = {site, proto_of(c), c->from, {0}};
    if (n->sites[site].box.gateway == WEND_SIM_GATEWAY_NONE ||
        n->sites[site].box.gateway_harm == WEND_SIM_GATEWAY_FORGETS)
        return NULL;
    struct mapping *m = wend_sim_mapping_find(n, &key);
    return m != NULL && m->granted > n->now ? m : NULL;
}

// Somebody else has our external port with this peer: another port, for this peer.
static struct mapping *step_aside(struct wend_sim_net *n, struct mapping *m, const struct cell *c)
{
    struct mapping_key key = {m->site, m->proto, m->inside, c->to};
    if (same_address(&m->peer, &key.peer))
        wend_sim_mapping_free(n, m);
    return make(n, &key, c, true);
}

// Somebody outside, or with overloaded ports somebody else inside.
static bool is_anothers(const struct wend_sim_net *n, const struct session *x,
                        const struct mapping *m)
{
    if (x->mapping == 0)
        return true;
    return n->sites[m->site].box.overload && x->mapping != wend_sim_mapping_number(n, m);
}

// Lets the cell's destination answer through the mapping; returns the mapping that is used in the
// end, NULL when a table is full.
static struct mapping *permit(struct wend_sim_net *n, struct mapping *m, const struct cell *c)
{
    const struct site *s = &n->sites[m->site];
    struct session_key key = wend_sim_session_key(s, m->site, m->proto, &m->outside, &c->to);
    struct session *x = wend_sim_session_find(n, &key);
    if (x != NULL && translates(s, c) && is_anothers(n, x, m)) {
        m = step_aside(n, m, c);
        if (m == NULL)
            return NULL;
        key.outside = m->outside;
        x = wend_sim_session_find(n, &key);
    }
    if (x == NULL)
        x = wend_sim_session_add(n, &key);
    if (x == NULL)
        return NULL;
    x->mapping = wend_sim_mapping_number(n, m);
    x->mapping_serial = m->serial;
    x->last = n->now;
    return m;
}

static bool is_listed(const uint16_t list[static WEND_SIM_EGRESS_MAX], uint16_t port)
{
    for (size_t i = 0; i < WEND_SIM_EGRESS_MAX && list[i] != 0; i++)
        if (list[i] == port)
            return true;
    return list[0] == 0;
}

static bool is_barred(const struct wend_sim_box *b, const struct cell *c)
{
    const bool tcp = is_of_stream(c);
    if (b->only_tcp443 ? !(tcp && c->to.port == 443) : !tcp && b->block_udp)
        return true;
    return !is_listed(b->egress_to, c->to.port) || !is_listed(b->egress_from, c->from.port);
}

enum wend_sim_drop wend_sim_box_out(struct wend_sim_net *n, uint32_t site, struct cell *c)
{
    const struct site *s = &n->sites[site];
    const bool tcp = is_of_stream(c);
    if (is_barred(&s->box, c))
        return WEND_SIM_DROP_BLOCKED;
    if (passes_unseen(s, c))
        return WEND_SIM_DROP_NONE;
    const struct mapping_key key = key_of(n, site, c);
    struct mapping *m = find(n, &key, c);
    struct mapping *granted = m == NULL ? find_granted(n, site, c) : NULL;
    if (granted != NULL) {
        c->from = granted->outside;
        return WEND_SIM_DROP_NONE;
    }
    if (m == NULL && tcp && c->kind != CELL_SYN)
        return WEND_SIM_DROP_UNMAPPED;
    if (m == NULL)
        m = make(n, &key, c, false);
    if (m != NULL && needs_sessions(s))
        m = permit(n, m, c);
    if (m == NULL)
        return WEND_SIM_DROP_FULL;
    m->last = n->now;
    m->untouched = false;
    c->from = m->outside;
    return WEND_SIM_DROP_NONE;
}

static void take_tuple(struct wend_sim_net *n, const struct session_key *key, struct session *x)
{
    if (x == NULL)
        x = wend_sim_session_add(n, key);
    if (x != NULL && x->mapping == 0)
        x->last = n->now;
}

static void answer(struct wend_sim_net *n, struct mapping *m, struct session *x)
{
    const bool refresh = n->sites[m->site].box.inbound_refresh;
    m->answered = true;
    if (refresh)
        m->last = n->now;
    if (x == NULL || x->mapping == 0)
        return;
    x->answered = true;
    if (refresh)
        x->last = n->now;
}

enum wend_sim_drop wend_sim_box_in(struct wend_sim_net *n, uint32_t site, struct cell *c)
{
    const struct site *s = &n->sites[site];
    const bool tcp = is_of_stream(c);
    if (!tcp && (s->box.block_udp || s->box.only_tcp443))
        return WEND_SIM_DROP_BLOCKED;
    if (passes_unseen(s, c))
        return WEND_SIM_DROP_NONE;
    const struct session_key key = wend_sim_session_key(s, site, proto_of(c), &c->to, &c->from);
    const bool open = s->box.filtering == WEND_SIM_ENDPOINT_INDEPENDENT;
    struct session *x = needs_sessions(s) ? wend_sim_session_find(n, &key) : NULL;
    struct mapping *m = s->box.overload && x != NULL && x->mapping != 0
                            ? &n->mappings[x->mapping - 1]
                            : wend_sim_mapping_find_outside(n, site, key.proto, &c->to);
    const bool passes = m != NULL && (open || (x != NULL && x->mapping != 0));
    struct mapping *granted =
        passes ? NULL : wend_sim_mapping_find_granted(n, site, key.proto, &c->to);
    if (granted != NULL) {
        m = granted;
        x = NULL;
    } else if (!passes) {
        if (s->box.early_takes_tuple && !tcp && translates(s, c))
            take_tuple(n, &key, x);
        return m == NULL ? WEND_SIM_DROP_UNMAPPED : WEND_SIM_DROP_FILTERED;
    }
    answer(n, m, x);
    c->to = m->inside;
    return WEND_SIM_DROP_NONE;
}

// --- its addresses ---

struct wend_address wend_sim_box_public(const struct site *s, uint32_t number)
{
    struct wend_address a = s->public;
    const uint32_t low = (uint32_t)(a.ip[2] << 8 | a.ip[3]) + number;
    a.ip[2] = (uint8_t)(low >> 8);
    a.ip[3] = (uint8_t)low;
    return a;
}

bool wend_sim_box_is_public(const struct site *s, const struct wend_address *a)
{
    if (s->box.pool < 2)
        return same_ip(a, &s->public);
    for (uint32_t i = 0; i < s->box.pool; i++) {
        const struct wend_address own = wend_sim_box_public(s, i);
        if (same_ip(a, &own))
            return true;
    }
    return false;
}
