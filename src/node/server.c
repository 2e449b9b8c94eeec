// SPDX-License-Identifier: MIT
// Between the leg and the rest of the node: what it reports is copied (its views end with the next
// call to it) and handed to whom it belongs.
#include "node/server.h"

#include <errno.h>
#include <string.h>

#include "base/print.h"
#include "node/contact.h"
#include "node/directory.h"
#include "node/records.h"

#define PATIENCE WEND_S(15)
#define REGISTER_AGAIN                                                                             \
    WEND_S(5) // after a refusal, or when a registration is forgotten again so soon

// --- which server ---

static void keep_literals(struct wend_node *n, size_t index)
{
    const struct wend_server_record *s = &n->records.network.servers[index];

    n->server_addresses[index] = 0;
    for (size_t i = 0; i < s->address_count; i++)
        if (s->addresses[i].address.family != WEND_FAMILY_NONE && s->addresses[i].host[0] == 0)
            n->servers[index][n->server_addresses[index]++] = s->addresses[i].address;
}

void wend_server_init(struct wend_node *n)
{
    for (size_t i = 0; i < n->records.network.server_count; i++)
        keep_literals(n, i);
    n->register_at = WEND_NEVER;
}

static bool find_server(struct wend_node *n, size_t from)
{
    const size_t count = n->records.network.server_count;

    for (size_t i = 0; i < count; i++) {
        const size_t index = (from + i) % count;
        if (n->server_addresses[index] == 0)
            continue;
        n->server = index;
        return true;
    }
    return false;
}

static void make_leg(struct wend_node *n)
{
    struct wend_leg_config config = {
        .identity = n->config.identity,
        .address_count = n->server_addresses[n->server],
        .epoch = n->config.epoch,
        .keepalive = true,
        .labels = &n->labels,
    };

    memcpy(config.server_key, n->records.network.servers[n->server].session_key, 32);
    memcpy(config.addresses, n->servers[n->server], sizeof config.addresses);
    if (wend_leg_init(&n->leg, &config, &n->random) != 0)
        return;
    n->leg_made = true;
    wend_leg_start(&n->leg, n->now, n->unix_ns);
}

void wend_server_begin(struct wend_node *n)
{
    if (!n->started || n->leg_made || n->refused || n->closing)
        return;
    if (find_server(n, n->server))
        make_leg(n);
}

// Relay frames have nowhere to go: the sealing half keeps packets until they have.
static void no_route(struct wend_node *n)
{
    n->route = (struct wend_datagram){.transport = WEND_TRANSPORT_NONE};
    wend_contact_all_route_changed(n);
}

static void drop_leg(struct wend_node *n)
{
    if (!n->leg_made)
        return;
    wend_leg_close(&n->leg);
    n->leg_made = n->registered = n->registering = false;
    n->register_at = WEND_NEVER;
    n->directory.syncing = false;
    no_route(n);
    memset(n->calls, 0, sizeof n->calls);
    memset(n->discovery, 0, sizeof n->discovery);
    n->records.fetch.object = WEND_OBJECT_NONE;
    n->records.fetch.retry_at = WEND_NEVER;
    wend_contact_all_channels_void(n);
}

void wend_server_network_changed(struct wend_node *n)
{
    n->overlay.ipv4 = n->records.network.pool;
    for (size_t i = 0; i < n->records.network.server_count; i++)
        keep_literals(n, i);
    const struct wend_server_record *s = n->records.network.servers;
    for (size_t i = 0; n->leg_made && i < n->records.network.server_count; i++) {
        if (memcmp(s[i].session_key, n->leg.config.server_key, 32) == 0) {
            n->server = i;
            return;
        }
    }
    n->server = 0;
    drop_leg(n);
    wend_server_begin(n);
}

static void lost(struct wend_node *n)
{
    const size_t before = n->server;

    wend_node_raise(n, &(struct wend_node_event){.kind = WEND_NODE_SERVER_LOST});
    if (!find_server(n, before + 1) || n->server == before)
        return; // the leg goes on trying
    drop_leg(n);
    make_leg(n);
}

void wend_server_refused(struct wend_node *n, enum wend_error error, const char *text)
{
    struct wend_node_event e = {.kind = WEND_NODE_REFUSED, .error = (uint16_t)error};

    if (n->refused)
        return;
    n->refused = true;
    wend_print(e.text, sizeof e.text, "%s", text);
    wend_node_raise(n, &e);
    for (uint32_t i = 0; i < n->directory.high; i++)
        if (n->directory.seats[i].used && n->directory.seats[i].contact != 0)
            wend_contact_close(n, &n->contacts[n->directory.seats[i].contact - 1]);
}

// --- requests ---

int wend_server_call(struct wend_node *n, enum wend_call_kind kind, uint32_t slot,
                     const struct wend_writer *w, wend_duration patience)
{
    static const uint16_t types[] = {
        [WEND_CALL_CONFIGURATION] = WEND_CONTROL_CONFIGURATION,
        [WEND_CALL_SUBSCRIBE] = WEND_CONTROL_SUBSCRIBE,
        [WEND_CALL_PEER] = WEND_CONTROL_PEER_SERVICE,
        [WEND_CALL_FETCH] = WEND_CONTROL_FETCH,
        [WEND_CALL_RELEASE] = WEND_CONTROL_RELEASE,
    };
    struct wend_call *call = NULL;

    if (w->failed)
        return -EMSGSIZE;
    for (size_t i = 0; i < WEND_NODE_CALLS && call == NULL; i++)
        if (n->calls[i].kind == WEND_CALL_NONE)
            call = &n->calls[i];
    if (call == NULL || !n->leg_made)
        return -ENOBUFS;
    const struct wend_bytes body = {.at = w->at - w->len, .len = w->len};
    const int error = wend_leg_request(&n->leg, types[kind], body, patience, &call->id);
    if (error != 0)
        return error;
    call->kind = kind;
    call->slot = slot;
    return 0;
}

// What waits for the registration goes out right behind it: a server takes requests in order, and
// answers 401 to what came too early, which brings us here again.
static void register_now(struct wend_node *n)
{
    uint8_t body[WEND_LEG_BODY_MAX];
    struct wend_writer w = wend_writer_of(body, sizeof body);

    if (n->refused)
        return;
    wend_attribute_put(&w, WEND_ATTRIBUTE_NETWORK,
                       (struct wend_bytes){.at = n->records.network.key, .len = 32});
    wend_attribute_put(&w, WEND_ATTRIBUTE_MEMBERSHIP, n->config.chain.membership);
    wend_attribute_put(&w, WEND_ATTRIBUTE_DELEGATION, n->config.chain.delegation);
    wend_attribute_put(&w, WEND_ATTRIBUTE_RECEIPT, n->config.chain.receipt);
    wend_attribute_put_u64(&w, WEND_ATTRIBUTE_EPOCH, n->config.epoch);
    wend_attribute_put_u32(&w, WEND_ATTRIBUTE_CAPABILITIES, 0);
    wend_attribute_put_u32(&w, WEND_ATTRIBUTE_LIFETIME,
                           (uint32_t)(wend_leg_interval(&n->leg) / WEND_S(1)));
    n->registering = wend_server_call(n, WEND_CALL_CONFIGURATION, 0, &w, PATIENCE) == 0;
    n->register_at = n->registering ? WEND_NEVER : n->now + REGISTER_AGAIN;
    n->registered_at = n->now;
    n->configuration_id = n->leg.last_id;
    if (n->registering)
        wend_contact_all_reachable(n);
}

// The request `id` was answered with 401.
static void forgotten(struct wend_node *n, uint32_t id)
{
    const wend_instant soonest = n->registered_at + REGISTER_AGAIN;

    n->registered = false;
    if (!n->registering)
        n->register_at = soonest > n->now ? soonest : n->now;
    else if ((int32_t)(id - n->configuration_id) < 0)
        wend_contact_all_reachable(n); // it was ahead of the registration; the next one is behind
}

static bool is_final(uint16_t error)
{
    return error == WEND_ERROR_REVOKED || error == WEND_ERROR_EXPIRED ||
           error == WEND_ERROR_NOT_ALLOWED;
}

static void registered(struct wend_node *n, const struct wend_leg_event *e)
{
    struct wend_attributes a;
    struct wend_position p = {0};

    n->registering = false;
    if (e->error != 0) {
        char text[96];
        const size_t len =
            e->error_text.len < sizeof text - 1 ? e->error_text.len : sizeof text - 1;
        memcpy(text, e->error_text.len > 0 ? e->error_text.at : (const uint8_t *)"", len);
        text[len] = 0;
        if (is_final(e->error))
            wend_server_refused(n, (enum wend_error)e->error,
                                len > 0 ? text : wend_error_name(e->error));
        n->register_at = n->now + REGISTER_AGAIN;
        return;
    }
    if (wend_attributes_parse(e->attributes, &a) != 0)
        return;
    n->registered = true;
    if (a.discovery.at == NULL || !wend_discovery_ports_read(a.discovery, n->discovery))
        memset(n->discovery, 0, sizeof n->discovery); // an older server
    n->directory.syncing = false;
    if (wend_attribute_position(a.position, &p) && n->ready)
        wend_directory_told(n, p);
    else
        wend_directory_sync(n);
    wend_records_told(n, &a);
    wend_contact_all_reachable(n);
    wend_nat_registered(n);
}

void wend_server_synced(struct wend_node *n)
{
    if (n->ready)
        return;
    n->ready = true;
    wend_node_raise(n, &(struct wend_node_event){.kind = WEND_NODE_READY,
                                                 .address = wend_leg_observed(&n->leg)});
}

// --- what the leg reports ---

static void answered(struct wend_node *n, const struct wend_leg_event *e)
{
    struct wend_call call = {0};

    for (size_t i = 0; i < WEND_NODE_CALLS; i++) {
        if (n->calls[i].kind == WEND_CALL_NONE || n->calls[i].id != e->id)
            continue;
        call = n->calls[i];
        n->calls[i].kind = WEND_CALL_NONE;
        break;
    }
    if (e->type == WEND_CONTROL_RESUME && e->error == 0)
        wend_contact_all_resumed(n);
    switch (call.kind) {
    case WEND_CALL_CONFIGURATION: registered(n, e); break;
    case WEND_CALL_SUBSCRIBE: wend_directory_subscribed(n, e->attributes, e->error); break;
    case WEND_CALL_PEER: wend_contact_called(n, call.slot, e->attributes, e->error); break;
    case WEND_CALL_FETCH: wend_records_fetched(n, e->attributes, e->error); break;
    case WEND_CALL_RELEASE:
    case WEND_CALL_NONE: break;
    }
    if (e->error == WEND_ERROR_NOT_REGISTERED && call.kind != WEND_CALL_CONFIGURATION)
        forgotten(n, e->id);
    struct wend_attributes a;
    struct wend_position p;
    if (e->type != WEND_CONTROL_KEEPALIVE || e->error != 0 ||
        wend_attributes_parse(e->attributes, &a) != 0)
        return;
    wend_records_told(n, &a);
    if (wend_attribute_position(a.position, &p))
        wend_directory_told(n, p);
}

static void requested(struct wend_node *n, const struct wend_leg_event *e)
{
    struct wend_attributes a;

    if (wend_attributes_parse(e->attributes, &a) != 0)
        (void)wend_leg_respond(&n->leg, e, WEND_ERROR_MALFORMED, (struct wend_bytes){0});
    else if (e->type == WEND_CONTROL_NOTIFY)
        wend_directory_notified(n, e, &a);
    else if (e->type == WEND_CONTROL_PEER_SERVICE)
        wend_contact_requested(n, e, &a);
    else
        (void)wend_leg_respond(&n->leg, e, WEND_ERROR_UNKNOWN_MESSAGE, (struct wend_bytes){0});
}

static void connected(struct wend_node *n, const struct wend_leg_event *e)
{
    n->registered = n->registering = false;
    if (e->restarted)
        wend_contact_all_channels_void(n);
    register_now(n);
}

static void stream_event(struct wend_node *n, const struct wend_leg_event *e,
                         enum wend_node_event_kind kind)
{
    wend_node_raise(
        n, &(struct wend_node_event){.kind = kind, .stream = e->stream, .address = e->address});
    if (kind == WEND_NODE_CLOSE_STREAM)
        wend_server_stream_gone(n, e->stream);
}

void wend_server_stream_gone(struct wend_node *n, uint32_t stream)
{
    if (stream != 0 && n->route.stream == stream)
        no_route(n);
}

static void timed_out(struct wend_node *n, const struct wend_leg_event *e)
{
    struct wend_leg_event failed = *e;

    failed.error = WEND_ERROR_NO_ANSWER;
    failed.attributes = failed.error_text = (struct wend_bytes){0};
    answered(n, &failed);
}

static void handle(struct wend_node *n, const struct wend_leg_event *e)
{
    switch (e->kind) {
    case WEND_LEG_CONNECTED: connected(n, e); break;
    case WEND_LEG_RESPONSE: answered(n, e); break;
    case WEND_LEG_TIMED_OUT: timed_out(n, e); break;
    case WEND_LEG_REQUEST: requested(n, e); break;
    case WEND_LEG_MOVED:
        wend_nat_seen(n);
        wend_contact_all_candidates_changed(n, false);
        break;
    case WEND_LEG_LOST: lost(n); break;
    case WEND_LEG_OPEN_STREAM: stream_event(n, e, WEND_NODE_OPEN_STREAM); break;
    case WEND_LEG_CLOSE_STREAM: stream_event(n, e, WEND_NODE_CLOSE_STREAM); break;
    case WEND_LEG_NONE: break;
    }
}

// Relay frames take the leg's way: both halves must know when it is another.
static void follow_route(struct wend_node *n)
{
    const struct wend_datagram *route = n->leg_made ? wend_leg_route(&n->leg) : NULL;

    if (route == NULL)
        return; // frames go on as before; the leg finds out what the way is now
    if (route->transport == n->route.transport && route->stream == n->route.stream &&
        wend_address_equal(&route->remote, &n->route.remote))
        return;
    n->route = *route;
    const struct wend_command c = {
        .kind = WEND_COMMAND_RELAY,
        .path = {.transport = route->transport, .stream = route->stream, .remote = route->remote},
    };
    wend_node_command_open(n, &c);
    wend_contact_all_route_changed(n);
}

void wend_server_drain(struct wend_node *n)
{
    struct wend_leg_event e;
    uint8_t copy[WEND_DATAGRAM_MAX];

    while (n->leg_made && wend_leg_next_event(&n->leg, &e)) {
        const size_t attributes = e.attributes.len;
        const size_t text = e.error_text.len;
        if (attributes + text > sizeof copy)
            continue;
        if (attributes > 0)
            memcpy(copy, e.attributes.at, attributes);
        if (text > 0)
            memcpy(copy + attributes, e.error_text.at, text);
        e.attributes.at = copy;
        e.error_text.at = copy + attributes;
        follow_route(n);
        handle(n, &e);
    }
    follow_route(n);
}

static void tell_upkeep(struct wend_node *n)
{
    const struct wend_address seen = wend_leg_observed(&n->leg);
    struct wend_leg_upkeep upkeep = {
        .mapping_lifetime = n->config.mapping_lifetime,
        .position = n->directory.position,
        .network_serial = n->records.network.serial,
        .revocation_serial = n->records.revocations.serial,
    };

    for (size_t i = 0; i < n->interface_count; i++)
        upkeep.is_open = upkeep.is_open || (seen.port == n->config.port &&
                                            wend_address_same_ip(&seen, &n->interfaces[i]));
    wend_leg_set_upkeep(&n->leg, &upkeep);
}

void wend_server_expire(struct wend_node *n)
{
    if (n->isolated)
        return; // all that waits for an answer waits for an address first
    if (n->leg_made) {
        tell_upkeep(n);
        wend_leg_expire(&n->leg, n->now, n->unix_ns);
    }
    wend_server_drain(n);
    if (n->register_at <= n->now && n->leg_made && wend_leg_is_up(&n->leg))
        register_now(n);
    if (n->directory.sync_at <= n->now)
        wend_directory_sync(n);
}

wend_instant wend_server_deadline(const struct wend_node *n)
{
    wend_instant least = n->leg_made ? wend_leg_deadline(&n->leg) : WEND_NEVER;

    if (n->isolated)
        return WEND_NEVER;
    if (n->leg_made && wend_leg_is_up(&n->leg) && !n->refused)
        least = wend_instant_min(least, n->register_at);
    return wend_instant_min(least, n->directory.sync_at);
}

bool wend_server_is_due(const struct wend_node *n)
{
    return wend_server_deadline(n) <= n->now || (n->leg_made && wend_leg_has_event(&n->leg));
}
