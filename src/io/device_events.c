// SPDX-License-Identifier: MIT
// What the node says happened: to the log, to the state on disk, to names; and what the control
// socket asks.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "io/clock.h"
#include "io/control_socket.h"
#include "io/device_state.h"
#include "io/log.h"
#include "io/names.h"
#include "io/port_mapping.h"
#include "io/status_json.h"

static void kept(int error, const char *what)
{
    // A full disk costs what it would have kept, nothing else: the daemon goes on.
    if (error != 0)
        wend_log(WEND_LOG_INFO, "not-kept", WEND_T("what", what),
                 WEND_T("error", strerror(-error)));
}

// The peer in `slot`, if it is there.
static bool find_peer(struct wend_device *d, uint32_t slot, struct wend_peer_view *ret)
{
    uint32_t cursor = slot;
    return wend_node_next_peer(d->node, &cursor, ret) && ret->slot == slot;
}

static const char *kind_name(enum wend_path_kind kind)
{
    switch (kind) {
    case WEND_PATH_DIRECT: return "direct";
    case WEND_PATH_RELAY: return "relay";
    case WEND_PATH_NONE: break;
    }
    return "none";
}

static double milliseconds(wend_duration d)
{
    return (double)d / 1e6;
}

static void log_peer(struct wend_device *d, const struct wend_node_event *e)
{
    static struct wend_peer_view peer; // large
    char remote[WEND_ADDRESS_TEXT_LEN] = "none";
    if (!find_peer(d, e->slot, &peer))
        return;
    struct wend_path_view none = {0};
    const struct wend_path_view *path =
        peer.path_used < peer.path_count ? &peer.paths[peer.path_used] : &none;
    if (path->kind != WEND_PATH_NONE)
        wend_address_format(&path->remote, remote);
    wend_log(WEND_LOG_INFO, "path", WEND_T("peer", peer.name),
             WEND_T("kind", kind_name(path->kind)), WEND_T("remote", remote),
             WEND_R("rtt_ms", milliseconds(path->rtt)),
             WEND_R("since_first_packet_ms",
                    peer.contact_started == WEND_NEVER
                        ? -1
                        : milliseconds(wend_clock_now() - peer.contact_started)),
             WEND_T("why", e->text));
}

static void log_member(struct wend_device *d, const struct wend_node_event *e)
{
    static struct wend_peer_view peer; // large
    if (find_peer(d, e->slot, &peer))
        wend_log(WEND_LOG_INFO, "member", WEND_T("name", peer.name),
                 WEND_T("status", peer.online ? "online" : "offline"), WEND_T("why", e->text));
    else
        wend_log(WEND_LOG_INFO, "member", WEND_N("slot", e->slot), WEND_T("why", e->text));
    d->names_due = true;
}

static void be_ready(struct wend_device *d, const struct wend_node_event *e)
{
    char public[WEND_ADDRESS_TEXT_LEN], ipv4[WEND_ADDRESS_TEXT_LEN], ipv6[WEND_ADDRESS_TEXT_LEN];
    const struct wend_address inside4 = wend_address_ipv4(d->member.ipv4, 0);
    const struct wend_address inside6 = wend_inside_address(d->network.key, d->identity.public_key);
    wend_log(WEND_LOG_INFO, "registered",
             WEND_T("public", wend_address_format(&e->address, public)));
    if (d->ready)
        return;
    d->ready = true;
    wend_device_set_beacon(d);
    printf("ready name=%s address=%s,%s interface=%s\n", d->member.name,
           wend_address_format_ip(&inside4, ipv4), wend_address_format_ip(&inside6, ipv6),
           d->tun.name);
    fflush(stdout);
}

static void be_refused(struct wend_device *d, const struct wend_node_event *e)
{
    wend_log(WEND_LOG_INFO, "refused", WEND_N("error", e->error), WEND_T("why", e->text));
    wend_device_stop(d, -EPERM);
}

static void log_refused_member(const struct wend_node_event *e)
{
    char key[WEND_BASE64_SIZE(32)] = "";
    if (e->bytes.len == 32)
        wend_base64_encode(e->bytes, key);
    wend_log(WEND_LOG_INFO, "member-refused", WEND_T("key", key), WEND_N("error", e->error),
             WEND_T("why", e->text));
}

static void keep_pin(struct wend_device *d, const struct wend_node_event *e)
{
    struct wend_pin pin;
    wend_assert(e->bytes.len == sizeof pin);
    memcpy(&pin, e->bytes.at, sizeof pin);
    if (e->kind == WEND_NODE_STORE_PIN)
        kept(wend_store_put_pin(d->store, &pin), "pin");
    else
        kept(wend_store_drop_pin(d->store, &pin), "pin");
}

// Early data. The host may answer at once: the keys for that, and before them our answer to the
// peer, are on their way when it does.
static void give_host(struct wend_device *d, const struct wend_node_event *e)
{
    const struct wend_vnet plain = {0};
    wend_device_send(d);
    const int error = wend_tun_write(&d->tun, &plain, &e->bytes, 1);
    if (error != 0)
        wend_log(WEND_LOG_DEBUG, "early-refused", WEND_T("error", strerror(-error)));
}

// A data message that overtook its keys. They are in the opening half's ring after the commands
// that are due; a full ring loses it, counted there.
static void give_back(struct wend_device *d, const struct wend_node_event *e)
{
    struct wend_datagram in = e->way;
    in.bytes = e->bytes;
    wend_device_send(d);
    (void)wend_plane_stream_in(d->plane, &in);
}

static void take_event(struct wend_device *d, const struct wend_node_event *e)
{
    switch (e->kind) {
    case WEND_NODE_NONE: break;
    case WEND_NODE_READY: be_ready(d, e); break;
    case WEND_NODE_REFUSED: be_refused(d, e); break;
    case WEND_NODE_SERVER_LOST: wend_log(WEND_LOG_INFO, "server-lost"); break;
    case WEND_NODE_OPEN_STREAM: wend_dial_open(d->dials, e->stream, &e->address); break;
    case WEND_NODE_CLOSE_STREAM: wend_dial_close(d->dials, e->stream); break;
    case WEND_NODE_STORE_NETWORK:
        kept(wend_store_put(d->store, WEND_STORE_NETWORK, e->bytes), "network");
        break;
    case WEND_NODE_STORE_REVOCATIONS:
        kept(wend_store_put(d->store, WEND_STORE_REVOCATIONS, e->bytes), "revocations");
        break;
    case WEND_NODE_STORE_PIN:
    case WEND_NODE_DROP_PIN: keep_pin(d, e); break;
    case WEND_NODE_MEMBER: log_member(d, e); break;
    case WEND_NODE_PEER: log_peer(d, e); break;
    case WEND_NODE_MEMBER_REFUSED: log_refused_member(e); break;
    case WEND_NODE_PACKET: give_host(d, e); break;
    case WEND_NODE_UNOPENED: give_back(d, e); break;
    case WEND_NODE_OPEN_SOCKETS: wend_device_open_extra(d, e); break;
    case WEND_NODE_CLOSE_SOCKETS: wend_device_close_extra(d, e); break;
    case WEND_NODE_ADOPT_SOCKET: wend_device_adopt_extra(d, e); break;
    case WEND_NODE_RESERVE_TIMESTAMP:
        kept(wend_store_put_number(d->store, WEND_STORE_LABEL_FLOOR, e->unix_ns), "label floor");
        break;
    }
}

void wend_device_take_events(struct wend_device *d)
{
    struct wend_node_event e;
    while (wend_node_next_event(d->node, &e))
        take_event(d, &e);
    if (d->names_due && !d->stopping)
        wend_device_update_names(d);
}

// --- names ---

void wend_device_update_names(struct wend_device *d)
{
    static struct wend_name names[WEND_SLOTS_MAX + 1];
    static struct wend_peer_view peer;
    uint32_t cursor = 0;
    size_t count = 0;
    d->names_due = false;
    if (d->names == NULL)
        return;
    memcpy(names[count].name, d->member.name, sizeof names[count].name);
    names[count].ipv4 = wend_address_ipv4(d->member.ipv4, 0);
    names[count].ipv6 = wend_inside_address(d->network.key, d->identity.public_key);
    count++;
    while (count <= WEND_SLOTS_MAX && wend_node_next_peer(d->node, &cursor, &peer)) {
        memcpy(names[count].name, peer.name, sizeof names[count].name);
        names[count].ipv4 = peer.ipv4;
        names[count].ipv6 = peer.ipv6;
        count++;
    }
    kept(wend_names_update(d->names, names, count), "names");
}

// --- the control socket ---

static json_t *prefer(struct wend_device *d, const json_t *request)
{
    static struct wend_peer_view peer;                              // large
    static const char *const kinds[] = {"best", "direct", "relay"}; // enum wend_paths_preference
    const char *name = json_string_value(json_object_get(request, "name"));
    const char *kind = json_string_value(json_object_get(request, "path"));
    uint32_t cursor = 0;
    if (name == NULL || kind == NULL)
        return NULL;
    while (wend_node_next_peer(d->node, &cursor, &peer)) {
        if (strcmp(peer.name, name) != 0)
            continue;
        for (uint32_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
            if (strcmp(kinds[i], kind) != 0)
                continue;
            wend_node_prefer(d->node, peer.slot, (enum wend_paths_preference)i, wend_clock_now());
            wend_device_turn(d);
            return json_pack("{s:b}", "ok", 1);
        }
        return NULL;
    }
    return json_pack("{s:s}", "error", "no such device");
}

static json_t *status(struct wend_device *d)
{
    struct wend_plane_counts counts;
    const struct wend_status_about about = {
        .interface = d->tun.name,
        .port_mapping = wend_port_mapping_source(d->port_mapping),
        .gateways = wend_port_mapping_gateways(d->port_mapping),
    };
    json_t *all = wend_status_json(d->node, d->stats, &about, wend_clock_now());
    wend_plane_read_counts(d->plane, &counts);
    if (all != NULL)
        json_object_set_new(all, "drops", wend_status_drops(&counts));
    return all;
}

static json_t *answer(void *context, const json_t *request)
{
    struct wend_device *d = context;
    const char *what = json_string_value(json_object_get(request, "do"));
    if (strcmp(what, "status") == 0)
        return status(d);
    if (strcmp(what, "peer") == 0) {
        const char *name = json_string_value(json_object_get(request, "name"));
        return name != NULL ? wend_status_peer_json(d->node, d->stats, name, wend_clock_now())
                            : NULL;
    }
    if (strcmp(what, "prefer") == 0)
        return prefer(d, request);
    if (strcmp(what, "down") == 0) {
        wend_log(WEND_LOG_INFO, "down");
        // After the answer is written: a later turn of the loop ends it.
        uv_timer_start(&d->stop_timer, wend_device_on_stop, 0, 0);
        return json_pack("{s:b}", "ok", 1);
    }
    return NULL;
}

int wend_device_open_control(struct wend_device *d, struct wend_device_error *why)
{
    const struct wend_control_handler handler = {.context = d, .answer = answer};
    const int error = wend_control_open(&d->loop, d->config.state, &handler, &d->control);
    if (error != 0)
        return wend_device_explain(why, "cannot open the control socket", strerror(-error),
                                   "choose a shorter --state, or check its permissions");
    const struct wend_names_config names = {
        .interface = d->tun.name,
        .network = d->network.name,
        .hosts = d->config.hosts,
        .ipv4 = wend_address_ipv4(d->member.ipv4, 0),
        .ipv6 = wend_inside_address(d->network.key, d->identity.public_key),
    };
    d->names_due = true;
    return wend_names_open(&d->loop, &names, &d->names) == 0
               ? 0
               : wend_device_explain(why, "not enough memory", NULL, NULL);
}
