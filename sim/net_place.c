// SPDX-License-Identifier: MIT
#include "net_state.h"

static uint32_t bucket_of(const struct wend_sim_net *n, uint32_t realm,
                          const struct wend_address *address)
{
    return (uint32_t)(mix_ip(realm, address) >> 7) & n->place_mask;
}

static void add(struct wend_sim_net *n, const struct place *place)
{
    wend_assert(n->place_count < n->limits.sites + n->limits.pooled + 2 * n->limits.interfaces);
    struct place *p = &n->places[n->place_count++];
    *p = *place;
    p->address.port = 0;
    // Two hosts with one address in one realm: the world was built wrongly.
    wend_assert(wend_sim_place_find(n, p->realm, &p->address) == NULL);
    uint16_t *head = &n->place_heads[bucket_of(n, p->realm, &p->address)];
    p->next = *head;
    *head = (uint16_t)n->place_count;
}

void wend_sim_place_add_interface(struct wend_sim_net *n, uint32_t index)
{
    const struct interface *i = &n->interfaces[index];
    for (int f = 0; f < 2; f++) {
        if (i->addresses[f].family == WEND_FAMILY_NONE)
            continue;
        add(n, &(struct place){
                   .address = i->addresses[f],
                   .realm = f == 0 ? n->sites[i->site].realm : 0,
                   .site = i->site,
                   .index = index,
                   .kind = PLACE_INTERFACE,
               });
    }
}

void wend_sim_place_add_box(struct wend_sim_net *n, uint32_t index)
{
    const struct site *s = &n->sites[index];
    if (s->box.kind != WEND_SIM_BOX_NAT || s->public.family == WEND_FAMILY_NONE)
        return;
    for (uint32_t i = 0; i < (s->box.pool > 1 ? s->box.pool : 1u); i++)
        add(n, &(struct place){
                   .address = wend_sim_box_public(s, i),
                   .realm = n->sites[s->parent].realm,
                   .site = s->parent,
                   .index = index,
                   .kind = PLACE_BOX,
               });
}

void wend_sim_places_rebuild(struct wend_sim_net *n)
{
    n->place_count = 0;
    memset(n->place_heads, 0, (n->place_mask + 1) * sizeof *n->place_heads);
    for (uint32_t i = 1; i < n->site_count; i++)
        wend_sim_place_add_box(n, i);
    for (uint32_t i = 0; i < n->interface_count; i++)
        wend_sim_place_add_interface(n, i);
}

const struct place *wend_sim_place_find(const struct wend_sim_net *n, uint32_t realm,
                                        const struct wend_address *address)
{
    uint32_t at = n->place_heads[bucket_of(n, realm, address)];
    while (at != 0) {
        const struct place *p = &n->places[at - 1];
        if (p->realm == realm && same_ip(&p->address, address))
            return p;
        at = p->next;
    }
    return NULL;
}

uint32_t wend_sim_site_below(const struct wend_sim_net *n, uint32_t above, uint32_t site)
{
    const uint32_t depth = n->sites[above].depth;
    while (n->sites[site].depth > depth + 1)
        site = n->sites[site].parent;
    return n->sites[site].depth == depth + 1 && n->sites[site].parent == above ? site : 0;
}
