// SPDX-License-Identifier: MIT
// Where we are: addresses that come and go, and sleep, after which we may be anywhere.
// docs/protocol.md sections 4.1 and 7.4.
//
// The server hears of it first, by a Resume, because it forwards relay frames from the registered
// source only. In the same turn every peer in use goes over to the relay, whose frames follow the
// Resume, and is told our candidates that way. What the server sees of us comes with its answer,
// and is told as it comes.
#include <string.h>

#include "node/contact.h"
#include "node/server.h"

#define SLEPT WEND_S(5) // a deadline missed by so much

static bool has_address(const struct wend_address *list, size_t count, const struct wend_address *a)
{
    for (size_t i = 0; i < count; i++)
        if (wend_address_same_ip(&list[i], a))
            return true;
    return false;
}

static bool has_family(const struct wend_node *n, uint8_t family)
{
    for (size_t i = 0; i < n->interface_count; i++)
        if (n->interfaces[i].family == family)
            return true;
    return false;
}

static void moved(struct wend_node *n, bool lost)
{
    if (n->leg_made) {
        (lost ? wend_leg_uprooted : wend_leg_moved)(&n->leg, n->now);
        // No Resume can leave where the family is gone: the server's other addresses are tried.
        if (lost && n->route.remote.family != WEND_FAMILY_NONE && n->interface_count > 0 &&
            !has_family(n, n->route.remote.family))
            wend_leg_connect(&n->leg, n->now);
        wend_server_drain(n);
    }
    wend_contact_all_candidates_changed(n, lost);
    wend_nat_moved(n);
    wend_server_expire(n);
}

// No address is left, or there is one again. In between nothing counts as unanswered, and packets
// wait in the sealing half.
static void set_isolated(struct wend_node *n, bool isolated)
{
    if (n->isolated == isolated)
        return;
    n->isolated = isolated;
    if (isolated)
        wend_contact_all_route_changed(n);
    else
        wend_server_expire(n); // what ended by itself meanwhile
}

void wend_node_set_interfaces(struct wend_node *n, const struct wend_address *at, size_t count,
                              wend_instant now)
{
    struct wend_address kept[WEND_INTERFACES_MAX];
    size_t kept_count = 0;
    bool lost = false, gained = false;

    wend_node_turn(n, now);
    for (size_t i = 0; i < count && kept_count < WEND_INTERFACES_MAX; i++)
        if (!wend_prefix_contains(&n->overlay.ipv4, &at[i]) &&
            !wend_prefix_contains(&n->overlay.ipv6, &at[i]))
            kept[kept_count++] = at[i];
    for (size_t i = 0; i < n->interface_count; i++)
        lost = lost || !has_address(kept, kept_count, &n->interfaces[i]);
    for (size_t i = 0; i < kept_count; i++)
        gained = gained || !has_address(n->interfaces, n->interface_count, &kept[i]);
    if (!lost && !gained)
        return;
    memcpy(n->interfaces, kept, kept_count * sizeof kept[0]);
    n->interface_count = kept_count;
    lost = lost || n->isolated;
    set_isolated(n, kept_count == 0);
    if (!n->isolated)
        moved(n, lost);
}

void wend_node_mapped(struct wend_node *n, const struct wend_address *at, wend_instant now)
{
    wend_node_turn(n, now);
    n->mapped = at != NULL ? *at : (struct wend_address){0};
    wend_nat_mapped(n);
    wend_contact_all_candidates_changed(n, false);
}

// Everything may be different: what is over by time goes, the rest is as after a move.
static void wake(struct wend_node *n)
{
    wend_server_expire(n);
    wend_contacts_expire(n);
    if (!n->isolated)
        moved(n, true);
}

void wend_node_turn(struct wend_node *n, wend_instant now)
{
    const wend_duration since = now - n->now;

    // Nothing due can be that late unless we did not run.
    const bool slept =
        n->started && !n->closing && since >= SLEPT && now - wend_node_deadline(n) >= SLEPT;
    n->now = now;
    if (slept)
        wake(n);
}
