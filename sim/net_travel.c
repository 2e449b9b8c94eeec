// SPDX-License-Identifier: MIT
#include <errno.h>

#include "net_state.h"

enum outcome {
    GOES_ON = 0,
    WAITS, // scheduled
    GONE,  // given back, or no longer under way
    COMES, // to a host: the delivery is filled in
};

static bool is_ipv4(const struct cell *c)
{
    return c->to.family == WEND_FAMILY_IPV4;
}

static size_t header_len(const struct cell *c)
{
    return is_ipv4(c) ? 20 : 40;
}

static size_t packet_len(const struct cell *c)
{
    return header_len(c) + (is_of_stream(c) ? 20 : 8) + c->len;
}

static enum outcome lose(struct wend_sim_net *n, struct cell *c, enum wend_sim_drop why)
{
    wend_sim_note_dropped(n, c, why);
    if (is_of_stream(c))
        wend_sim_stream_lost(n, c, why);
    else
        wend_sim_cell_give_back(n, c);
    return GONE;
}

// The sender hears what became of the datagram as long after as it took to come here.
static enum outcome send_back(struct wend_sim_net *n, struct cell *c, enum cell_kind error,
                              enum wend_sim_drop why)
{
    wend_sim_note_dropped(n, c, why);
    c->kind = error;
    c->step = STEP_HAND_OVER;
    wend_sim_cell_schedule(n, c, n->now + (n->now - c->sent_at));
    return GONE;
}

// A router says that it cannot pass the datagram on.
static enum outcome report(struct wend_sim_net *n, struct cell *c, size_t mtu_bytes)
{
    c->mtu_bytes = (uint16_t)mtu_bytes;
    return send_back(n, c, CELL_TOO_BIG, WEND_SIM_DROP_MTU);
}

// --- links ---

// A second copy of a datagram that waits; without a free cell there is none.
static void duplicate(struct wend_sim_net *n, const struct cell *c, wend_instant at)
{
    if (is_of_stream(c) || !wend_sim_net_has_room(n))
        return;
    struct cell *copy = wend_sim_cell_take(n);
    const struct wend_heap_node unset = {0};
    *copy = *c;
    copy->timer = unset;
    memcpy(payload(n, copy), payload(n, c), c->len);
    n->counts.duplicated++;
    n->counts.in_flight++;
    wend_sim_cell_schedule(n, copy, at);
}

// Sends the datagram over the link in pieces, as large as its MTU and what cut it before allow.
// Returns when the last piece is there; WEND_NEVER if one is lost.
static wend_instant pass_pieces(struct wend_sim_net *n, struct cell *c, struct net_link *l)
{
    const size_t mtu = l->link.config.mtu_bytes;
    const size_t header = header_len(c) + (is_ipv4(c) ? 0 : 8); // the fragment header of IPv6
    size_t piece = c->piece_len;
    if (piece == 0) {
        piece = mtu;
        n->counts.fragmented++;
    } else if (mtu != 0 && mtu < piece) {
        piece = mtu;
    }
    const size_t room = piece > header + 8 ? (piece - header) & ~(size_t)7 : 8;
    wend_instant last = l->drop_fragments ? WEND_NEVER : n->now;
    for (size_t left = packet_len(c) - header_len(c); left > 0;) {
        wend_instant at[2];
        const size_t part = left < room ? left : room;
        if (wend_link_pass(&l->link, header + part, n->now, at) < 1)
            last = WEND_NEVER;
        else if (at[0] > last)
            last = at[0];
        left -= part;
    }
    c->piece_len = (uint16_t)piece;
    return last;
}

static enum outcome cross_in_pieces(struct wend_sim_net *n, struct cell *c, struct net_link *l,
                                    enum cell_step step, uint32_t where)
{
    const wend_instant at = pass_pieces(n, c, l);
    if (at == WEND_NEVER)
        return lose(n, c, WEND_SIM_DROP_FRAGMENT);
    c->step = step;
    c->where = where;
    wend_sim_cell_schedule(n, c, at);
    return WAITS;
}

static enum outcome cross_whole(struct wend_sim_net *n, struct cell *c, struct wend_link *l,
                                enum cell_step step, uint32_t where)
{
    const size_t mtu = l->config.mtu_bytes;
    size_t len = packet_len(c);
    if (is_of_stream(c) && mtu != 0 && len > mtu)
        len = mtu; // TCP cuts segments to fit
    const uint64_t queue_drops = l->counters.dropped_queue;
    wend_instant at[2];
    const int count = wend_link_pass(l, len, n->now, at);
    if (count == -EMSGSIZE)
        return report(n, c, mtu);
    if (count == 0 && mtu != 0 && len > mtu)
        return lose(n, c, WEND_SIM_DROP_MTU);
    if (count == 0)
        return lose(n, c,
                    l->counters.dropped_queue != queue_drops ? WEND_SIM_DROP_QUEUE
                                                             : WEND_SIM_DROP_LOST);
    c->step = step;
    c->where = where;
    wend_sim_cell_schedule(n, c, at[0]);
    if (count == 2)
        duplicate(n, c, at[1]);
    return WAITS;
}

// Over a link (1 + index; 0: there is none) to what comes after it.
static enum outcome cross(struct wend_sim_net *n, struct cell *c, uint32_t link,
                          enum cell_step step, uint32_t where)
{
    if (link == 0) {
        c->step = step;
        c->where = where;
        return GOES_ON;
    }
    struct net_link *l = &n->links[link - 1];
    const size_t mtu = l->link.config.mtu_bytes;
    const bool too_long = mtu != 0 && packet_len(c) > mtu && !c->dont_fragment;
    if (!is_of_stream(c) && (c->piece_len != 0 || too_long))
        return cross_in_pieces(n, c, l, step, where);
    return cross_whole(n, c, &l->link, step, where);
}

// --- sites ---

// A router takes it: one less.
static bool dies(struct cell *c)
{
    return c->ttl != 0 && --c->ttl == 0;
}

// On the internet, between the sites on both sides of the core.
static enum outcome cross_core(struct wend_sim_net *n, struct cell *c, uint32_t to)
{
    if (c->where != WEND_SIM_INTERNET || c->crossed)
        return GOES_ON;
    const uint64_t core = n->core[c->came_from * (n->limits.sites + 1) + to];
    if (core & CORE_CUT)
        return lose(n, c, WEND_SIM_DROP_CUT);
    const uint64_t own = core >> 1;
    const wend_duration delay = own == CORE_PRESET ? n->core_preset : (wend_duration)own;
    c->crossed = true;
    if (dies(c))
        return lose(n, c, WEND_SIM_DROP_TTL);
    if (delay == 0)
        return GOES_ON;
    c->step = STEP_ROUTE;
    wend_sim_cell_schedule(n, c, n->now + delay);
    return WAITS;
}

// Out of a site, through its box; or back into it, if the box's own address is meant.
static enum outcome leave(struct wend_sim_net *n, struct cell *c)
{
    const uint32_t site = c->where;
    const struct site *s = &n->sites[site];
    if (site == WEND_SIM_INTERNET || c->downward)
        return lose(n, c, WEND_SIM_DROP_NO_ROUTE);
    if (dies(c))
        return lose(n, c, WEND_SIM_DROP_TTL);
    const bool hairpin =
        s->box.kind == WEND_SIM_BOX_NAT && is_ipv4(c) && wend_sim_box_is_public(s, &c->to);
    if (hairpin && !s->box.hairpin)
        return lose(n, c, WEND_SIM_DROP_HAIRPIN);
    enum wend_sim_drop why = wend_sim_box_out(n, site, c);
    if (why == WEND_SIM_DROP_NONE && hairpin) {
        c->downward = true;
        why = wend_sim_box_in(n, site, c);
    }
    if (why != WEND_SIM_DROP_NONE)
        return lose(n, c, why);
    if (hairpin)
        return GOES_ON;
    if (s->parent == WEND_SIM_INTERNET)
        c->came_from = site;
    return cross(n, c, s->up, STEP_ROUTE, s->parent);
}

static enum outcome ask_gateway(struct wend_sim_net *n, struct cell *c)
{
    if (wend_sim_gateway_take(n, c->where, c))
        return GOES_ON;
    wend_sim_cell_give_back(n, c);
    return GONE;
}

static enum outcome route(struct wend_sim_net *n, struct cell *c)
{
    if (wend_sim_gateway_is(n, c->where, c))
        return ask_gateway(n, c);
    const uint32_t realm = is_ipv4(c) ? n->sites[c->where].realm : 0;
    const struct place *p = wend_sim_place_find(n, realm, &c->to);
    if (p == NULL)
        return leave(n, c);
    uint32_t below = wend_sim_site_below(n, c->where, p->site);
    if (below == 0 && p->site != c->where)
        return leave(n, c);
    if (below == 0 && p->kind == PLACE_BOX)
        below = p->index;
    const enum outcome core = cross_core(n, c, below);
    if (core != GOES_ON)
        return core;
    if (below != 0)
        return cross(n, c, n->sites[below].down, STEP_ENTER, below);
    return cross(n, c, n->interfaces[p->index].down_link, STEP_ARRIVE, p->index);
}

static enum outcome enter(struct wend_sim_net *n, struct cell *c)
{
    if (dies(c))
        return lose(n, c, WEND_SIM_DROP_TTL);
    c->downward = true;
    const enum wend_sim_drop why = wend_sim_box_in(n, c->where, c);
    if (n->sites[c->where].box.icmp_errors && !is_of_stream(c) &&
        (why == WEND_SIM_DROP_UNMAPPED || why == WEND_SIM_DROP_FILTERED))
        return send_back(n, c, CELL_UNREACHABLE, why);
    if (why != WEND_SIM_DROP_NONE)
        return lose(n, c, why);
    c->step = STEP_ROUTE;
    return GOES_ON;
}

// --- hosts ---

static enum wend_sim_delivery_kind delivery_of(const struct cell *c)
{
    if (c->kind == CELL_UNREACHABLE)
        return WEND_SIM_UNREACHABLE;
    return c->kind == CELL_TOO_BIG ? WEND_SIM_TOO_BIG : WEND_SIM_DATAGRAM;
}

static enum outcome hand(struct wend_sim_net *n, struct cell *c, struct wend_sim_delivery *ret)
{
    *ret = (struct wend_sim_delivery){
        .kind = delivery_of(c),
        .sent_at = c->sent_at,
        .way = {.transport = WEND_TRANSPORT_UDP, .bytes = {payload(n, c), c->len}},
    };
    n->lent = cell_index(n, c) + 1;
    return COMES;
}

static enum wend_sim_drop check_arrival(const struct wend_sim_net *n, const struct cell *c)
{
    const struct interface *i = &n->interfaces[c->where];
    const struct host *h = &n->hosts[i->host];
    if (i->down || h->down)
        return WEND_SIM_DROP_HOST;
    if (h->cut_in)
        return WEND_SIM_DROP_PARTITION;
    if (!same_ip(&i->addresses[is_ipv4(c) ? 0 : 1], &c->to))
        return WEND_SIM_DROP_NO_ROUTE;
    return WEND_SIM_DROP_NONE;
}

static enum outcome arrive(struct wend_sim_net *n, struct cell *c, struct wend_sim_delivery *ret)
{
    const enum wend_sim_drop why = check_arrival(n, c);
    if (why != WEND_SIM_DROP_NONE)
        return lose(n, c, why);
    const uint32_t interface = c->where;
    wend_sim_note_delivered(n, c, interface);
    if (is_of_stream(c))
        return wend_sim_stream_arrive(n, c, ret) ? COMES : GONE;
    (void)hand(n, c, ret);
    ret->host = n->interfaces[interface].host;
    ret->interface = interface;
    ret->way.local = c->to;
    ret->way.remote = c->from;
    return COMES;
}

static enum outcome hand_over(struct wend_sim_net *n, struct cell *c, struct wend_sim_delivery *ret)
{
    if (is_of_stream(c))
        return wend_sim_stream_hand_over(n, c, ret) ? COMES : GONE;
    if (n->hosts[c->host].down || n->hosts[c->host].cut_in) {
        wend_sim_cell_give_back(n, c);
        return GONE;
    }
    (void)hand(n, c, ret);
    ret->host = c->host;
    ret->interface = c->interface;
    ret->mtu_bytes = c->mtu_bytes;
    ret->way.local = c->source;
    ret->way.remote = c->destination;
    return COMES;
}

static enum outcome retry(struct wend_sim_net *n, struct cell *c)
{
    wend_sim_stream_retry(n, c);
    return GONE;
}

// One step; without `ret` nothing is handed out, it waits for a moment.
static enum outcome take_step(struct wend_sim_net *n, struct cell *c, struct wend_sim_delivery *ret)
{
    switch (c->step) {
    case STEP_ROUTE: return route(n, c);
    case STEP_ENTER: return enter(n, c);
    case STEP_ARRIVE:
    case STEP_HAND_OVER:
        if (ret != NULL)
            return c->step == STEP_ARRIVE ? arrive(n, c, ret) : hand_over(n, c, ret);
        wend_sim_cell_schedule(n, c, n->now);
        return WAITS;
    case STEP_RETRY: return retry(n, c);
    }
    wend_assert(false);
    return GONE;
}

bool wend_sim_travel_on(struct wend_sim_net *n, struct cell *c, struct wend_sim_delivery *ret)
{
    enum outcome outcome = GOES_ON;
    while (outcome == GOES_ON)
        outcome = take_step(n, c, ret);
    return outcome == COMES;
}

void wend_sim_travel_start(struct wend_sim_net *n, struct cell *c)
{
    const struct interface *i = &n->interfaces[c->interface];
    c->from = c->source;
    c->to = c->destination;
    c->came_from = 0;
    c->crossed = c->downward = false;
    c->piece_len = 0;
    c->tried_at = n->now;
    c->step = STEP_ROUTE;
    c->where = i->site;
    wend_sim_note_sent(n, c);
    enum wend_sim_drop why = WEND_SIM_DROP_NONE;
    if (n->hosts[c->host].down || i->down)
        why = WEND_SIM_DROP_HOST;
    else if (n->hosts[c->host].cut_out)
        why = WEND_SIM_DROP_PARTITION;
    else if (!same_ip(&i->addresses[is_ipv4(c) ? 0 : 1], &c->source))
        why = WEND_SIM_DROP_NO_ROUTE;
    if (why != WEND_SIM_DROP_NONE) {
        (void)lose(n, c, why);
        return;
    }
    if (cross(n, c, i->up_link, STEP_ROUTE, i->site) == GOES_ON)
        (void)wend_sim_travel_on(n, c, NULL);
}
