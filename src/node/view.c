// SPDX-License-Identifier: MIT
#include "node/view.h"

#include <string.h>

#include "base/print.h"
#include "node/node_state.h"

void wend_node_self(const struct wend_node *n, struct wend_self_view *ret)
{
    memset(ret, 0, sizeof *ret);
    wend_print(ret->name, sizeof ret->name, "%s", n->own.name);
    wend_print(ret->network, sizeof ret->network, "%s", n->records.network.name);
    memcpy(ret->key, n->config.identity->public_key, sizeof ret->key);
    memcpy(ret->network_key, n->records.network.key, sizeof ret->network_key);
    ret->ipv4 = wend_address_ipv4(n->own.ipv4, 0);
    ret->ipv6 = wend_inside_address(n->records.network.key, n->config.identity->public_key);
    ret->network_serial = n->records.network.serial;
    ret->revocation_serial = n->records.revocations.serial;
    ret->nat = *wend_nat_model(n);
    ret->nat_reason = wend_discovery_reason(&n->nat.discovery);
    ret->server_transport = n->route.transport;
    ret->server_address = n->route.remote;
    if (!n->leg_made)
        return;
    ret->public_address = wend_leg_observed(&n->leg);
    ret->server_up = n->registered && wend_leg_is_up(&n->leg);
    ret->server_rtt = wend_leg_rtt(&n->leg);
    if (ret->server_address.family == WEND_FAMILY_NONE)
        ret->server_address = n->servers[n->server][0];
}

size_t wend_node_member_count(const struct wend_node *n)
{
    return n->directory.count;
}

static enum wend_path_state state_of(const struct wend_paths *p, const struct wend_path *path)
{
    const bool doubted = p->doubted && path == wend_paths_chosen(p);

    if (path->prober.state == WEND_PATH_STATE_VALID && (doubted || path->shunned))
        return WEND_PATH_STATE_SUSPECT;
    return (enum wend_path_state)path->prober.state;
}

static void add_path(const struct wend_node *n, const struct wend_paths *p,
                     const struct wend_path *path, struct wend_peer_view *ret)
{
    const bool direct = path->remote.family != WEND_FAMILY_NONE;

    ret->paths[ret->path_count++] = (struct wend_path_view){
        .kind = direct ? WEND_PATH_DIRECT : WEND_PATH_RELAY,
        .state = state_of(p, path),
        .transport = direct ? WEND_TRANSPORT_UDP : n->route.transport,
        .remote = direct ? path->remote : n->route.remote,
        .rtt = path->prober.rtt,
        .loss = wend_prober_loss(&path->prober),
        .mtu = wend_paths_ip_mtu(p, path),
    };
}

static struct wend_volley_view volley_of(const struct wend_node *n, const struct wend_contact *c)
{
    const bool known = wend_nat_model(n)->serial != 0;

    if (c->volley_why == NULL)
        return (struct wend_volley_view){.nat_known = known};
    return (struct wend_volley_view){
        .nat_known = known,
        .running = c->volley != 0 && c->volley_end == WEND_VOLLEY_END_NONE,
        .end = (enum wend_volley_end)c->volley_end,
        .outcome = (enum wend_plan_outcome)c->volley_outcome,
        .method = (enum wend_plan_method)c->volley_method,
        .code = (enum wend_volley_code)c->volley_code,
        .reason = c->volley_why,
    };
}

static void view_contact(const struct wend_node *n, const struct wend_contact *c,
                         struct wend_peer_view *ret)
{
    for (uint32_t i = 0; i < c->paths.used; i++)
        add_path(n, &c->paths, &c->paths.path[i], ret);
    if (c->paths.relay_open)
        add_path(n, &c->paths, &c->paths.path[WEND_PATHS_RELAY], ret);
    ret->path_used = ret->path_count;
    if (c->paths.chosen < c->paths.used)
        ret->path_used = c->paths.chosen;
    else if (c->paths.chosen == WEND_PATHS_RELAY)
        ret->path_used = ret->path_count - 1;
    ret->contact_started = c->started;
    ret->first_packet = c->first_packet;
    ret->direct_after = c->direct_after;
    ret->switches = c->switches;
    ret->early_data = c->early_arrived;
    ret->relay_preferred = c->paths.preference == WEND_PATHS_PREFER_RELAY;
    ret->volley = volley_of(n, c);
    if (c->sending != 0)
        ret->state = WEND_PEER_UP;
    else if (c->starting != 0)
        ret->state = WEND_PEER_CONNECTING;
}

bool wend_node_next_peer(const struct wend_node *n, uint32_t *cursor, struct wend_peer_view *ret)
{
    const struct wend_directory *d = &n->directory;

    while (*cursor < d->high && !d->seats[*cursor].used)
        ++*cursor;
    if (*cursor >= d->high)
        return false;
    const struct wend_seat *seat = &d->seats[*cursor];
    memset(ret, 0, sizeof *ret);
    ret->slot = (*cursor)++;
    wend_print(ret->name, sizeof ret->name, "%s", seat->member.name);
    memcpy(ret->key, seat->member.key, sizeof ret->key);
    ret->ipv4 = seat->ipv4;
    ret->ipv6 = seat->ipv6;
    ret->online = seat->status == WEND_STATUS_ONLINE;
    ret->contact_started = WEND_NEVER;
    ret->first_packet = ret->direct_after = -1;
    if (seat->contact != 0)
        view_contact(n, &n->contacts[seat->contact - 1], ret);
    return true;
}

const struct wend_drops *wend_node_drops(const struct wend_node *n)
{
    return &n->drops;
}
