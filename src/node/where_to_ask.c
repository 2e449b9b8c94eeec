// SPDX-License-Identifier: MIT
#include "node/node_state.h"

struct list {
    struct wend_address *at;
    size_t count;
};

static void add(struct list *l, const struct wend_address *ip, uint16_t port)
{
    struct wend_address a = *ip;
    a.port = port;
    if (!wend_address_is_usable(&a) || l->count == WEND_NODE_DISCOVERY_MAX)
        return;
    for (size_t i = 0; i < l->count; i++)
        if (wend_address_equal(&l->at[i], &a))
            return;
    l->at[l->count++] = a;
}

// The first address of that family by which we know the server.
static const struct wend_address *find_address(const struct wend_node *n, size_t server,
                                               uint8_t family)
{
    for (size_t i = 0; i < n->server_addresses[server]; i++)
        if (n->servers[server][i].family == family)
            return &n->servers[server][i];
    return NULL;
}

static void add_in_use(const struct wend_node *n, uint8_t family, struct list *l)
{
    const struct wend_discovery_ports *d = &n->discovery[wend_discovery_ports_family(family)];
    const struct wend_address *own = find_address(n, n->server, family);
    if (own != NULL)
        add(l, own, own->port);
    for (size_t i = 0; i < d->port_count && own != NULL; i++)
        add(l, own, d->ports[i]);
    for (size_t i = 0; i < d->port_count; i++)
        add(l, &d->second, d->ports[i]);
}

size_t wend_node_discovery(const struct wend_node *n,
                           struct wend_address ret[static WEND_NODE_DISCOVERY_MAX])
{
    static const uint8_t families[] = {WEND_FAMILY_IPV4, WEND_FAMILY_IPV6};
    struct list l = {.at = ret};
    for (size_t f = 0; f < 2; f++) {
        add_in_use(n, families[f], &l);
        for (size_t i = 0; i < n->records.network.server_count; i++) {
            const struct wend_address *own = find_address(n, i, families[f]);
            if (i != n->server && own != NULL)
                add(&l, own, own->port);
        }
    }
    return l.count;
}
