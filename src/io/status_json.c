// SPDX-License-Identifier: MIT
#include "io/status_json.h"

#include <ifaddrs.h>
#include <math.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "io/device.h"
#include "io/netcheck_words.h"
#include "io/sockaddr.h"
#include "io/status_words.h"

static const struct wend_plane_stats no_stats;

// --- values ---

static json_t *text_or_null(const char *text)
{
    return text != NULL && text[0] != 0 ? json_string(text) : json_null();
}

// Rounded to microseconds; negative: not known.
static json_t *milliseconds(wend_duration d)
{
    const wend_duration microseconds = d / 1000;
    return d >= 0 ? json_real((double)microseconds / 1000.0) : json_null();
}

static json_t *measured(wend_duration d)
{
    return milliseconds(d > 0 ? d : -1);
}

static json_t *address_text(const struct wend_address *a)
{
    char text[WEND_ADDRESS_TEXT_LEN];
    return a->family != WEND_FAMILY_NONE ? json_string(wend_address_format(a, text)) : json_null();
}

static json_t *addresses(const struct wend_address *ipv4, const struct wend_address *ipv6)
{
    char text[WEND_ADDRESS_TEXT_LEN];
    json_t *all = json_array();
    if (ipv4->family != WEND_FAMILY_NONE)
        json_array_append_new(all, json_string(wend_address_format_ip(ipv4, text)));
    if (ipv6->family != WEND_FAMILY_NONE)
        json_array_append_new(all, json_string(wend_address_format_ip(ipv6, text)));
    return all;
}

static json_t *key_text(const uint8_t key[static 32])
{
    char text[WEND_BASE64_SIZE(32)];
    return json_string(wend_base64_encode((struct wend_bytes){key, 32}, text));
}

static json_t *counter(const _Atomic uint64_t *value)
{
    return json_integer((json_int_t)atomic_load_explicit(value, memory_order_relaxed));
}

static const char *transport_name(enum wend_transport t)
{
    switch (t) {
    case WEND_TRANSPORT_NONE: return NULL;
    case WEND_TRANSPORT_UDP: return "udp";
    case WEND_TRANSPORT_TCP: return "tcp";
    case WEND_TRANSPORT_TLS: return "tls";
    case WEND_TRANSPORT_DTLS: return "dtls";
    case WEND_TRANSPORT_IPIP: return "ipip";
    }
    return NULL;
}

static const char *kind_name(enum wend_path_kind k)
{
    switch (k) {
    case WEND_PATH_NONE: return "none";
    case WEND_PATH_DIRECT: return "direct";
    case WEND_PATH_RELAY: return "relay";
    }
    return "none";
}

static const char *state_name(enum wend_path_state s)
{
    switch (s) {
    case WEND_PATH_STATE_NONE: return NULL;
    case WEND_PATH_STATE_PROBING: return "probing";
    case WEND_PATH_STATE_VALID: return "valid";
    case WEND_PATH_STATE_SUSPECT: return "suspect";
    case WEND_PATH_STATE_FAILED: return "failed";
    }
    return NULL;
}

static const char *peer_state_name(const struct wend_peer_view *peer)
{
    switch (peer->state) {
    case WEND_PEER_IDLE: return "idle";
    case WEND_PEER_CONNECTING: return "connecting";
    case WEND_PEER_UP: return "up";
    }
    return "idle";
}

// --- self and servers ---

static bool is_of_this_host(const struct wend_address *a)
{
    struct ifaddrs *all = NULL;
    if (a->family == WEND_FAMILY_NONE || getifaddrs(&all) != 0)
        return false;
    bool found = false;
    for (const struct ifaddrs *i = all; i != NULL && !found; i = i->ifa_next) {
        if (i->ifa_addr == NULL)
            continue;
        struct sockaddr_storage s = {0};
        const bool ipv4 = i->ifa_addr->sa_family == AF_INET;
        if (!ipv4 && i->ifa_addr->sa_family != AF_INET6)
            continue;
        const socklen_t len = ipv4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
        memcpy(&s, i->ifa_addr, len);
        const struct wend_address one = wend_sockaddr_to(&s, len);
        found = wend_address_same_ip(&one, a);
    }
    freeifaddrs(all);
    return found;
}

static const char *dependence_name(enum wend_nat_dependence d)
{
    switch (d) {
    case WEND_NAT_UNKNOWN: return "unknown";
    case WEND_NAT_NONE: return "none";
    case WEND_NAT_ENDPOINT_INDEPENDENT: return "endpoint-independent";
    case WEND_NAT_ADDRESS_DEPENDENT: return "address-dependent";
    case WEND_NAT_ADDRESS_AND_PORT_DEPENDENT: return "address-and-port-dependent";
    }
    return "unknown";
}

static const char *allocation_name(enum wend_nat_allocation a)
{
    switch (a) {
    case WEND_NAT_ALLOCATION_UNKNOWN: return "unknown";
    case WEND_NAT_PRESERVING:
    case WEND_NAT_SECOND_PRIORITY: return "preserving";
    case WEND_NAT_SEQUENTIAL: return "sequential";
    case WEND_NAT_BLOCK: return "block";
    case WEND_NAT_RANDOM: return "random";
    }
    return "unknown";
}

static json_t *nat_words(const struct wend_nat_model *m)
{
    char mapping[WEND_WORDS_LEN], text[2 * WEND_WORDS_LEN];
    snprintf(text, sizeof text, "%s %s", wend_words_mapping(m, mapping), wend_words_filtering(m));
    return json_string(text);
}

// As discovery found it. Before it has, or where no server answers it, an address that nobody
// translated is taken for one without NAT.
json_t *wend_status_nat(const struct wend_nat_model *m, const struct wend_address *public_address,
                        const struct wend_status_about *about)
{
    struct wend_nat_model nat = *m;
    const unsigned gateways = wend_status_gateways(m, about->gateways);
    if (m->serial == 0 && is_of_this_host(public_address))
        nat.mapping = nat.filtering = WEND_NAT_NONE;
    json_t *delta = nat.allocation == WEND_NAT_SEQUENTIAL ? json_integer(nat.delta) : json_null();
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:s?, s:o, s:o}", "mapping",
                     dependence_name(nat.mapping), "filtering", dependence_name(nat.filtering),
                     "allocation", allocation_name(nat.allocation), "delta", delta, "public",
                     address_text(public_address), "port_mapping", about->port_mapping, "gateways",
                     gateways > 0 ? json_integer(gateways) : json_null(), "words", nat_words(&nat));
}

static json_t *nat_of(const struct wend_self_view *self, const struct wend_status_about *about)
{
    json_t *nat = wend_status_nat(&self->nat, &self->public_address, about);
    if (self->nat_reason != NULL)
        (void)json_object_set_new(nat, "reason", json_string(self->nat_reason));
    return nat;
}

json_t *wend_status_self(const struct wend_self_view *self, const struct wend_status_about *about)
{
    return json_pack(
        "{s:s, s:o, s:o, s:s, s:s, s:i, s:o, s:o, s:I, s:I}", "name", self->name, "key",
        key_text(self->key), "addresses", addresses(&self->ipv4, &self->ipv6), "network",
        self->network, "interface", about->interface, "mtu", WEND_DEVICE_MTU, "nat",
        nat_of(self, about), "network_key", key_text(self->network_key), "network_serial",
        (json_int_t)self->network_serial, "revocation_serial", (json_int_t)self->revocation_serial);
}

json_t *wend_status_server(const struct wend_self_view *self)
{
    return json_pack("{s:o, s:o, s:s, s:o}", "address", address_text(&self->server_address),
                     "transport", text_or_null(transport_name(self->server_transport)), "state",
                     self->server_up ? "connected" : "connecting", "rtt_ms",
                     measured(self->server_rtt));
}

// --- peers ---

static json_t *path_json(const struct wend_path_view *p)
{
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:f, s:o}", "kind", kind_name(p->kind), "transport",
                     text_or_null(transport_name(p->transport)), "local", address_text(&p->local),
                     "remote", address_text(&p->remote), "rtt_ms", measured(p->rtt), "loss",
                     isfinite(p->loss) ? p->loss : 0.0, "mtu",
                     p->mtu > 0 ? json_integer(p->mtu) : json_null());
}

static json_t *no_path(void)
{
    return json_pack("{s:s, s:n, s:n, s:n, s:n, s:n, s:n}", "kind", "none", "transport", "local",
                     "remote", "rtt_ms", "loss", "mtu");
}

static json_t *paths_json(const struct wend_peer_view *peer)
{
    json_t *all = json_array();
    for (size_t i = 0; i < peer->path_count; i++) {
        json_t *one = path_json(&peer->paths[i]);
        json_object_set_new(one, "state", text_or_null(state_name(peer->paths[i].state)));
        json_object_set_new(one, "used", json_boolean(i == peer->path_used));
        json_array_append_new(all, one);
    }
    return all;
}

static json_t *volley_json(const struct wend_volley_view *v)
{
    const bool tried = v->method != WEND_METHOD_NONE;
    return json_pack("{s:s, s:s?, s:s?}", "state", wend_status_volley_state(v), "method",
                     tried ? wend_plan_method_name(v->method) : NULL, "plan", v->reason);
}

static void add_counters(json_t *to, const struct wend_plane_stats *s, wend_instant now)
{
    const wend_instant heard = atomic_load_explicit(&s->last_any_received, memory_order_relaxed);
    json_object_set_new(to, "rx_bytes", counter(&s->received_bytes));
    json_object_set_new(to, "tx_bytes", counter(&s->sent_bytes));
    json_object_set_new(to, "rx_packets", counter(&s->received_packets));
    json_object_set_new(to, "tx_packets", counter(&s->sent_packets));
    json_object_set_new(to, "rx_direct", counter(&s->received_direct));
    json_object_set_new(to, "rx_relay", counter(&s->received_relay));
    json_object_set_new(to, "queue_dropped", counter(&s->queue_dropped));
    // Another thread writes it: it may be a little later than `now`.
    json_object_set_new(to, "last_receive_ms",
                        milliseconds(heard <= 0    ? -1
                                     : heard < now ? now - heard
                                                   : 0));
    json_object_set_new(to, "reordered", counter(&s->late));
    json_object_set_new(to, "duplicated", counter(&s->duplicated));
}

json_t *wend_status_peer(const struct wend_peer_view *peer, const struct wend_plane_stats *stats,
                         wend_instant now)
{
    json_t *path =
        peer->path_used < peer->path_count ? path_json(&peer->paths[peer->path_used]) : no_path();
    char why[WEND_WHY_LEN];
    json_t *one = json_pack("{s:s, s:o, s:o, s:b, s:s, s:o, s:s?, s:o, s:o, s:o, s:o, s:I, s:b}",
                            "name", peer->name, "key", key_text(peer->key), "addresses",
                            addresses(&peer->ipv4, &peer->ipv6), "online", peer->online, "state",
                            peer_state_name(peer), "path", path, "why", wend_status_why(peer, why),
                            "volley", volley_json(&peer->volley), "paths", paths_json(peer),
                            "first_packet_ms", milliseconds(peer->first_packet), "direct_after_ms",
                            milliseconds(peer->direct_after), "switches",
                            (json_int_t)peer->switches, "early_data", peer->early_data);
    if (one != NULL)
        add_counters(one, stats != NULL ? stats : &no_stats, now);
    return one;
}

// --- the answers ---

static const struct wend_plane_stats *stats_of(const struct wend_plane_stats *all, uint32_t slot)
{
    return all != NULL && slot < WEND_SLOTS_MAX ? &all[slot] : NULL;
}

json_t *wend_status_json(const struct wend_node *node, const struct wend_plane_stats *stats,
                         const struct wend_status_about *about, wend_instant now)
{
    struct wend_self_view self;
    struct wend_peer_view peer;
    uint32_t cursor = 0;
    json_t *peers = json_array();
    wend_node_self(node, &self);
    while (wend_node_next_peer(node, &cursor, &peer))
        json_array_append_new(peers, wend_status_peer(&peer, stats_of(stats, peer.slot), now));
    return json_pack("{s:i, s:o, s:[o], s:o}", "version", 1, "self", wend_status_self(&self, about),
                     "servers", wend_status_server(&self), "peers", peers);
}

static json_t *drops_json(const struct wend_drops *drops)
{
    json_t *all = json_object();
    for (int i = 0; i < WEND_DROP_COUNT; i++)
        if (drops->count[i] > 0)
            json_object_set_new(all, wend_drop_name((enum wend_drop)i),
                                json_integer((json_int_t)drops->count[i]));
    return all;
}

json_t *wend_status_drops(const struct wend_plane_counts *counts)
{
    return json_pack("{s:o, s:o, s:I, s:I}", "sealing", drops_json(&counts->sealing), "opening",
                     drops_json(&counts->opening), "udp_failed", (json_int_t)counts->udp_failed,
                     "tun_refused", (json_int_t)counts->tun_refused);
}

bool wend_status_is_called(const struct wend_peer_view *peer, const char *network, const char *name)
{
    const size_t len = strlen(peer->name);
    struct wend_address address;
    char key[WEND_BASE64_SIZE(32)];
    if (strncasecmp(name, peer->name, len) == 0) {
        const char *rest = name + len;
        const size_t network_len = strlen(network);
        if (rest[0] == 0)
            return true;
        if (rest[0] == '.' && strncasecmp(rest + 1, network, network_len) == 0 &&
            strcasecmp(rest + 1 + network_len, ".wend") == 0)
            return true;
    }
    if (wend_address_parse(name, 0, &address) == 0 && address.port == 0)
        return wend_address_same_ip(&address, &peer->ipv4) ||
               wend_address_same_ip(&address, &peer->ipv6);
    return strcmp(wend_base64_encode((struct wend_bytes){peer->key, 32}, key), name) == 0;
}

json_t *wend_status_peer_json(const struct wend_node *node, const struct wend_plane_stats *stats,
                              const char *name, wend_instant now)
{
    struct wend_self_view self;
    struct wend_peer_view peer;
    uint32_t cursor = 0;
    wend_node_self(node, &self);
    while (name != NULL && wend_node_next_peer(node, &cursor, &peer))
        if (wend_status_is_called(&peer, self.network, name))
            return wend_status_peer(&peer, stats_of(stats, peer.slot), now);
    return json_pack("{s:s}", "error", "no such device in the network");
}
