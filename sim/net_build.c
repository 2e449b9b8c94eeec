// SPDX-License-Identifier: MIT
// Building a net, and its faults.
#include "net_state.h"

// Links of one world draw differently though their configurations say the same seed.
static struct wend_link_config own_config(const struct wend_sim_net *n, uint32_t index,
                                          const struct wend_sim_link *link)
{
    struct wend_link_config c = link->link;
    c.keep_order = !link->overtake;
    c.seed = mix(mix(n->seed, index + 1), c.seed);
    return c;
}

static uint32_t add_link(struct wend_sim_net *n, const struct wend_sim_link *link)
{
    if (link == NULL)
        return 0;
    struct net_link *l = &n->links[n->link_count];
    const struct wend_link_config c = own_config(n, n->link_count, link);
    const int bad = wend_link_init(&l->link, &c, NULL, 0);
    wend_assert(bad == 0);
    l->drop_fragments = link->drop_fragments;
    return ++n->link_count;
}

static struct wend_address family_or_none(const struct wend_address *a, enum wend_family family)
{
    if (a == NULL || a->family == WEND_FAMILY_NONE)
        return (struct wend_address){0};
    wend_assert(a->family == family);
    return without_port(a);
}

uint32_t wend_sim_net_add_site(struct wend_sim_net *n, const struct wend_sim_site *site)
{
    const uint32_t index = n->site_count;
    wend_assert(index <= n->limits.sites && site->parent < index);
    n->site_count++;
    struct site *s = &n->sites[index];
    const struct site *parent = &n->sites[site->parent];
    wend_assert(site->box.pool <= WEND_SIM_POOL_MAX);
    *s = (struct site){
        .parent = site->parent,
        .depth = parent->depth + 1,
        .realm = site->box.kind == WEND_SIM_BOX_NAT ? index : parent->realm,
        .up = add_link(n, site->up),
        .down = add_link(n, site->down),
        .box = site->box,
        .public = family_or_none(&site->public, WEND_FAMILY_IPV4),
        .inside = family_or_none(&site->inside, WEND_FAMILY_IPV4),
        .born = n->now,
        .next_port = draw_below(n, UINT16_MAX),
        .phase = (wend_duration)draw_below(n, (uint32_t)WEND_S(1)),
    };
    const size_t stride = n->limits.sites + 1;
    for (uint32_t i = 0; i <= index; i++)
        n->core[i * stride + index] = n->core[index * stride + i] = CORE_PRESET << 1;
    wend_sim_place_add_box(n, index);
    return index;
}

uint32_t wend_sim_net_add_host(struct wend_sim_net *n)
{
    wend_assert(n->host_count < n->limits.hosts);
    n->hosts[n->host_count] = (struct host){0};
    return n->host_count++;
}

uint32_t wend_sim_net_add_interface(struct wend_sim_net *n, uint32_t host,
                                    const struct wend_sim_interface *interface)
{
    const uint32_t index = n->interface_count;
    wend_assert(index < n->limits.interfaces && host < n->host_count);
    wend_assert(interface->site < n->site_count);
    n->interface_count++;
    struct interface *i = &n->interfaces[index];
    *i = (struct interface){
        .host = host,
        .site = interface->site,
        .up_link = add_link(n, interface->up),
        .down_link = add_link(n, interface->down),
    };
    i->addresses[0] = family_or_none(&interface->ipv4, WEND_FAMILY_IPV4);
    i->addresses[1] = family_or_none(&interface->ipv6, WEND_FAMILY_IPV6);
    wend_sim_place_add_interface(n, index);
    return index;
}

static uint64_t *core_between(struct wend_sim_net *n, uint32_t from, uint32_t to)
{
    wend_assert(from < n->site_count && n->sites[from].parent == WEND_SIM_INTERNET);
    wend_assert(to < n->site_count && n->sites[to].parent == WEND_SIM_INTERNET);
    return &n->core[(size_t)from * (n->limits.sites + 1) + to];
}

static void set_delay(uint64_t *core, wend_duration delay)
{
    wend_assert(delay >= 0 && delay <= WEND_LINK_DELAY_MAX);
    *core = (uint64_t)delay << 1 | (*core & CORE_CUT);
}

void wend_sim_net_set_core(struct wend_sim_net *n, uint32_t a, uint32_t b, wend_duration delay)
{
    set_delay(core_between(n, a, b), delay);
    set_delay(core_between(n, b, a), delay);
    wend_sim_note_fault(n, FAULT_CORE, (uint64_t)a << 48 ^ (uint64_t)b << 32 ^ (uint64_t)delay);
}

void wend_sim_net_set_core_preset(struct wend_sim_net *n, wend_duration delay)
{
    wend_assert(delay >= 0 && delay <= WEND_LINK_DELAY_MAX);
    n->core_preset = delay;
}

void wend_sim_net_listen(struct wend_sim_net *n, uint32_t host, uint16_t port, bool on)
{
    wend_assert(host < n->host_count);
    struct host *h = &n->hosts[host];
    for (uint32_t i = 0; i < h->listens; i++) {
        if (h->listen[i] != port)
            continue;
        if (!on)
            h->listen[i] = h->listen[--h->listens];
        return;
    }
    if (!on)
        return;
    wend_assert(h->listens < WEND_SIM_LISTENS_MAX);
    h->listen[h->listens++] = port;
}

// --- faults ---

void wend_sim_net_cut(struct wend_sim_net *n, uint32_t from_site, uint32_t to_site, bool cut)
{
    uint64_t *core = core_between(n, from_site, to_site);
    *core = (*core & ~(uint64_t)CORE_CUT) | (cut ? CORE_CUT : 0);
    wend_sim_note_fault(n, FAULT_CUT, (uint64_t)from_site << 32 ^ (uint64_t)to_site << 1 ^ cut);
}

void wend_sim_net_partition(struct wend_sim_net *n, uint32_t host, bool out, bool in)
{
    wend_assert(host < n->host_count);
    n->hosts[host].cut_out = out;
    n->hosts[host].cut_in = in;
    wend_sim_note_fault(n, FAULT_PARTITION, (uint64_t)host << 2 | (uint64_t)out << 1 | in);
}

void wend_sim_net_set_host_down(struct wend_sim_net *n, uint32_t host, bool down)
{
    wend_assert(host < n->host_count);
    n->hosts[host].down = down;
    if (down)
        wend_sim_stream_forget_host(n, host);
    wend_sim_note_fault(n, FAULT_HOST, (uint64_t)host << 1 | down);
}

void wend_sim_net_set_interface_down(struct wend_sim_net *n, uint32_t interface, bool down)
{
    wend_assert(interface < n->interface_count);
    n->interfaces[interface].down = down;
    wend_sim_note_fault(n, FAULT_INTERFACE, (uint64_t)interface << 1 | down);
}

void wend_sim_net_move(struct wend_sim_net *n, uint32_t interface, uint32_t site,
                       const struct wend_address *ipv4, const struct wend_address *ipv6,
                       wend_instant now)
{
    wend_assert(interface < n->interface_count && site < n->site_count);
    wend_sim_net_turn(n, now);
    struct interface *i = &n->interfaces[interface];
    const struct wend_address before[2] = {i->addresses[0], i->addresses[1]};
    const bool elsewhere = i->site != site;
    i->site = site;
    i->addresses[0] = family_or_none(ipv4, WEND_FAMILY_IPV4);
    i->addresses[1] = family_or_none(ipv6, WEND_FAMILY_IPV6);
    wend_sim_places_rebuild(n);
    for (int f = 0; f < 2; f++)
        if (elsewhere || !same_ip(&before[f], &i->addresses[f]))
            wend_sim_stream_unbind(n, interface, &before[f]);
    wend_sim_note_fault(n, FAULT_MOVE, (uint64_t)interface << 32 | site);
}

void wend_sim_net_reboot(struct wend_sim_net *n, uint32_t site, const struct wend_address *public)
{
    wend_assert(site != WEND_SIM_INTERNET && site < n->site_count);
    wend_sim_box_forget(n, site);
    n->sites[site].born = n->now;
    if (public != NULL) {
        n->sites[site].public = family_or_none(public, WEND_FAMILY_IPV4);
        wend_sim_places_rebuild(n);
    }
    wend_sim_note_fault(n, FAULT_REBOOT, (uint64_t)site << 1 | (public != NULL));
}

static void set_link(struct wend_sim_net *n, uint32_t number, const struct wend_sim_link *link)
{
    static const struct wend_sim_link perfect;
    wend_assert(number != 0);
    struct net_link *l = &n->links[number - 1];
    const struct wend_sim_link *to = link != NULL ? link : &perfect;
    const struct wend_link_config c = own_config(n, number - 1, to);
    const int bad = wend_link_configure(&l->link, &c);
    wend_assert(bad == 0);
    l->drop_fragments = to->drop_fragments;
    wend_sim_note_fault(n, FAULT_LINK, number);
}

void wend_sim_net_set_site_link(struct wend_sim_net *n, uint32_t site, bool up,
                                const struct wend_sim_link *link)
{
    wend_assert(site < n->site_count);
    set_link(n, up ? n->sites[site].up : n->sites[site].down, link);
}

void wend_sim_net_set_interface_link(struct wend_sim_net *n, uint32_t interface, bool up,
                                     const struct wend_sim_link *link)
{
    wend_assert(interface < n->interface_count);
    const struct interface *i = &n->interfaces[interface];
    set_link(n, up ? i->up_link : i->down_link, link);
}

void wend_sim_net_set_box(struct wend_sim_net *n, uint32_t site, const struct wend_sim_box *box)
{
    wend_assert(site != WEND_SIM_INTERNET && site < n->site_count);
    struct wend_sim_box *b = &n->sites[site].box;
    // Realms, and with them addresses, are laid out once.
    wend_assert((b->kind == WEND_SIM_BOX_NAT) == (box->kind == WEND_SIM_BOX_NAT));
    wend_assert(b->pool == box->pool);
    *b = *box;
    wend_sim_note_fault(n, FAULT_BOX, site);
}
