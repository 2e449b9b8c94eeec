// SPDX-License-Identifier: MIT
#include "io/interface.h"

#include <errno.h>
#include <string.h>

// Folds the outcome of one order into the whole: there already is as good as done.
static void account(int outcome, int *error, size_t *restored)
{
    if (outcome == 0)
        ++*restored;
    else if (outcome != -EEXIST && *error == 0)
        *error = outcome;
}

int wend_interface_apply(const struct wend_interface *i, struct wend_netlink *n,
                         size_t *ret_restored)
{
    struct wend_link link;
    size_t restored = 0;
    int error = wend_netlink_link_get(n, i->index, &link);
    if (error != 0)
        return error;
    if ((link.flags & IFF_UP) == 0 || link.mtu != i->mtu)
        account(wend_netlink_link_set(n, i->index, true, i->mtu), &error, &restored);
    for (size_t k = 0; k < i->address_count; k++)
        account(wend_netlink_address_add(n, i->index, &i->addresses[k]), &error, &restored);
    for (size_t k = 0; k < i->route_count; k++) {
        struct wend_route r = i->routes[k];
        r.index = i->index;
        account(wend_netlink_route_add(n, &r), &error, &restored);
    }
    *ret_restored = restored;
    return error;
}

static bool same_prefix(const struct wend_prefix *a, const struct wend_prefix *b)
{
    return a->family == b->family && a->bits == b->bits && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

static bool has_address(const struct wend_interface *i, const struct wend_prefix *p)
{
    for (size_t k = 0; k < i->address_count; k++)
        if (same_prefix(&i->addresses[k], p))
            return true;
    return false;
}

static bool has_route(const struct wend_interface *i, const struct wend_prefix *p)
{
    for (size_t k = 0; k < i->route_count; k++)
        if (same_prefix(&i->routes[k].destination, p))
            return true;
    return false;
}

bool wend_interface_concerns(const struct wend_interface *i, const struct wend_link_event *e)
{
    if (e->kind == WEND_LINK_LOST)
        return true;
    if (e->index != i->index)
        return false;
    switch (e->kind) {
    case WEND_LINK_ADDRESS_REMOVED: return has_address(i, &e->prefix);
    case WEND_LINK_ROUTE_REMOVED: return has_route(i, &e->prefix);
    case WEND_LINK_CHANGED:
    case WEND_LINK_REMOVED: return true;
    case WEND_LINK_NOTHING:
    case WEND_LINK_ADDRESS_ADDED:
    case WEND_LINK_ROUTE_ADDED:
    case WEND_LINK_LOST: return false;
    }
    return false;
}
