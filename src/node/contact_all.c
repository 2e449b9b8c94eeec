// SPDX-License-Identifier: MIT
// What concerns all contacts at once: what the server is to us now, and where we are.
#include "node/contact.h"
#include "node/volleys.h"

void wend_contact_all_channels_void(struct wend_node *n)
{
    for (uint32_t i = 0; i < n->contact_high; i++) {
        struct wend_contact *c = &n->contacts[i];
        if (!c->used)
            continue;
        c->calling = false;
        wend_contact_void_channel(c);
        wend_contact_settle(n, c);
    }
}

void wend_contact_all_reachable(struct wend_node *n)
{
    for (uint32_t i = 0; i < n->contact_high; i++) {
        struct wend_contact *c = &n->contacts[i];
        if (!c->used)
            continue;
        if (c->starting != 0 && c->channel == 0 && !c->calling)
            wend_contact_send_initiation(n, c);
        c->ask_at = 0;
        wend_contact_settle(n, c);
    }
}

void wend_contact_all_resumed(struct wend_node *n)
{
    for (uint32_t i = 0; i < n->contact_high; i++) {
        struct wend_contact *c = &n->contacts[i];
        // What was told in this very turn has a good chance still.
        if (!c->used || c->tell_at == WEND_NEVER || c->tell_at - c->tell_after == n->now)
            continue;
        c->tell_after = 0;
        wend_contact_tell_candidates(n, c);
        wend_contact_settle(n, c);
    }
}

void wend_contact_all_route_changed(struct wend_node *n)
{
    for (uint32_t i = 0; i < n->contact_high; i++)
        if (n->contacts[i].used)
            wend_contact_settle(n, &n->contacts[i]);
}

static bool gather(struct wend_node *n)
{
    const struct wend_whereabouts where = {
        .interfaces = n->interfaces,
        .interface_count = n->interface_count,
        .port = n->config.port,
        .observed = n->leg_made ? wend_leg_observed(&n->leg) : (struct wend_address){0},
        .mapped = n->mapped,
        .overlay = &n->overlay,
    };
    struct wend_candidates now;

    wend_candidates_gather(&now, &where);
    if (wend_candidates_equal(&now, &n->ours))
        return false;
    n->ours = now;
    n->generation++;
    return true;
}

static void candidates_changed(struct wend_node *n, struct wend_contact *c, bool lost)
{
    if (lost) {
        wend_volleys_moved(n, c);
        wend_paths_restart(&c->paths, n->now);
    } else {
        wend_volleys_seen_elsewhere(n, c);
    }
    c->tell_after = 0;
    wend_contact_tell_candidates(n, c);
    wend_contact_try_candidates(n, c);
    if (lost && c->starting != 0 && !c->calling)
        wend_contact_send_initiation(n, c);
    wend_contact_settle(n, c);
}

void wend_contact_all_candidates_changed(struct wend_node *n, bool lost)
{
    if (!gather(n) && !lost)
        return;
    for (uint32_t i = 0; i < n->contact_high; i++)
        if (n->contacts[i].used)
            candidates_changed(n, &n->contacts[i], lost);
}
