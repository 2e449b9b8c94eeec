// SPDX-License-Identifier: MIT
// How sealed bytes travel to a peer: straight, behind a relay frame, or inside a request to the
// server that opens a channel. docs/protocol.md sections 2.2, 4.3 and 7.1.
#include <string.h>

#include "base/print.h"
#include "node/contact.h"
#include "node/directory.h"
#include "node/server.h"
#include "node/volleys.h"
#include "wire/frame.h"

#define CALL_PATIENCE WEND_S(20)
#define CHANNEL_DOUBT WEND_S(1) // a channel that brought no answer for so long is asked for anew

void wend_contact_send(struct wend_node *n, const struct wend_origin *origin, struct wend_bytes in)
{
    uint8_t framed[WEND_DATAGRAM_MAX];

    if (origin->kind == WEND_ORIGIN_DIRECT) {
        wend_node_send(n, &origin->way, in);
        return;
    }
    if (origin->kind != WEND_ORIGIN_CHANNEL || n->route.transport == WEND_TRANSPORT_NONE ||
        in.len > sizeof framed - WEND_FRAME_HEADER_LEN)
        return;
    wend_frame_write_header(framed, origin->channel);
    memcpy(framed + WEND_FRAME_HEADER_LEN, in.at, in.len);
    struct wend_datagram way = n->route;
    way.dont_fragment = origin->way.dont_fragment;
    wend_node_send(n, &way,
                   (struct wend_bytes){.at = framed, .len = WEND_FRAME_HEADER_LEN + in.len});
}

// --- calling ---

static void call_peer(struct wend_node *n, struct wend_contact *c)
{
    uint8_t body[WEND_LEG_BODY_MAX];
    struct wend_writer w = wend_writer_of(body, sizeof body);

    if (c->calling || !(n->registered || n->registering))
        return;
    wend_attribute_put(&w, WEND_ATTRIBUTE_PEER,
                       (struct wend_bytes){.at = wend_contact_seat(n, c)->member.key, .len = 32});
    wend_attribute_put(&w, WEND_ATTRIBUTE_DATAGRAM,
                       (struct wend_bytes){.at = c->sent_initiation, .len = c->sent_len});
    c->calling = wend_server_call(n, WEND_CALL_PEER, c->slot, &w, CALL_PATIENCE) == 0;
}

void wend_contact_send_initiation(struct wend_node *n, struct wend_contact *c)
{
    const struct wend_path *direct = wend_paths_direct(&c->paths);
    const struct wend_bytes in = {.at = c->sent_initiation, .len = c->sent_len};

    if (c->sent_len == 0)
        return;
    if (direct != NULL) {
        const struct wend_datagram way = {
            .transport = WEND_TRANSPORT_UDP, .remote = direct->remote, .socket = direct->socket};
        wend_node_send(n, &way, in);
    }
    if (c->channel != 0 && n->now - c->began >= CHANNEL_DOUBT)
        wend_contact_void_channel(c);
    if (c->channel == 0 || (c->model_told != 0 && !c->calling)) { // the server attests both sides
        call_peer(n, c); // also beside a direct path: the relay shall be there when that fails
        return;
    }
    wend_contact_send(n, &(struct wend_origin){.kind = WEND_ORIGIN_CHANNEL, .channel = c->channel},
                      in);
}

// --- channels ---

void wend_contact_use_channel(struct wend_node *n, struct wend_contact *c, uint32_t channel)
{
    if (channel == 0 || c->channel == channel)
        return;
    c->channel = channel;
    wend_paths_open_relay(&c->paths, n->now);
}

void wend_contact_void_channel(struct wend_contact *c)
{
    c->channel = 0;
    wend_paths_close_relay(&c->paths);
}

void wend_contact_called(struct wend_node *n, uint32_t slot, struct wend_bytes attributes,
                         uint16_t error)
{
    struct wend_contact *c = wend_contact_of(n, slot);
    struct wend_attributes a;
    struct wend_bytes datagram;
    struct wend_address seen = {0};

    if (c == NULL)
        return;
    c->calling = false;
    if (error == WEND_ERROR_UNKNOWN_PEER)
        wend_directory_sync(n);
    // After an error the session's next repetition calls again.
    if (error != 0 || wend_attributes_parse(attributes, &a) != 0)
        return;
    wend_contact_use_channel(n, c, wend_attribute_u32(a.channel));
    (void)wend_attribute_address(a.address, &seen);
    wend_volleys_attested(c, &seen);
    struct wend_bytes rest = a.all;
    while (wend_attribute_next(&rest, WEND_ATTRIBUTE_DATAGRAM, &datagram))
        if (datagram.len > 0 && datagram.at[0] == WEND_MESSAGE_RESPONSE)
            wend_contact_response(n, datagram);
    c = wend_contact_of(n, slot); // a response may have closed it
    if (c != NULL)
        wend_contact_settle(n, c);
}

void wend_contact_requested(struct wend_node *n, const struct wend_leg_event *event,
                            const struct wend_attributes *a)
{
    struct wend_origin origin = {.kind = WEND_ORIGIN_REQUEST, .way = n->route, .request = event};
    struct wend_bytes rest = a->all;
    struct wend_bytes datagram;

    if (a->entry.at != NULL)
        wend_directory_apply(n, a->entry);
    origin.channel = wend_attribute_u32(a->channel);
    (void)wend_attribute_address(a->address, &origin.attested);
    while (!origin.answered && wend_attribute_next(&rest, WEND_ATTRIBUTE_DATAGRAM, &datagram))
        if (datagram.len > 0 && datagram.at[0] == WEND_MESSAGE_INITIATION)
            wend_contact_initiation(n, &origin, datagram);
    // Before the directory is here a caller is unknown who will be known when the call is repeated:
    // a refusal now would be taken for the answer to that one too.
    if (!origin.answered && n->ready)
        (void)wend_leg_respond(&n->leg, event, WEND_ERROR_NOT_ALLOWED, (struct wend_bytes){0});
}

void wend_contact_send_response(struct wend_node *n, struct wend_contact *c,
                                struct wend_origin *origin, struct wend_bytes in)
{
    uint8_t body[WEND_LEG_BODY_MAX];
    struct wend_writer w = wend_writer_of(body, sizeof body);

    if (origin->kind != WEND_ORIGIN_REQUEST) {
        wend_contact_send(n, origin, in);
        if (origin->kind == WEND_ORIGIN_CHANNEL)
            wend_contact_use_channel(n, c, origin->channel);
        return;
    }
    wend_attribute_put(&w, WEND_ATTRIBUTE_DATAGRAM, in);
    if (w.failed || wend_leg_respond(&n->leg, origin->request, 0,
                                     (struct wend_bytes){.at = body, .len = w.len}) != 0)
        return;
    origin->answered = true;
    wend_contact_use_channel(n, c, origin->channel);
}

void wend_contact_channel_unknown(struct wend_node *n, uint32_t channel)
{
    for (uint32_t i = 0; i < n->contact_high; i++) {
        struct wend_contact *c = &n->contacts[i];
        if (!c->used || c->channel != channel)
            continue;
        wend_contact_void_channel(c);
        wend_contact_settle(n, c);
        return;
    }
}

// --- what the sealing half is told ---

static void note_way(struct wend_node *n, struct wend_contact *c, const struct wend_path *path)
{
    struct wend_node_event e = {.kind = WEND_NODE_PEER, .slot = c->slot};
    const bool direct = path->remote.family != WEND_FAMILY_NONE;
    char text[WEND_ADDRESS_TEXT_LEN];

    e.address = direct ? path->remote : n->route.remote;
    if (c->sending != 0 && c->first_packet < 0)
        c->first_packet = n->now - c->started;
    if (direct && c->direct_after < 0)
        c->direct_after = n->now - c->started;
    if (c->way_told && c->direct != direct)
        c->switches++;
    c->direct = direct;
    wend_print(e.text, sizeof e.text, "peer=%s path=%s remote=%s rtt_us=%lld",
               wend_contact_seat(n, c)->member.name, direct ? "direct" : "relay",
               wend_address_format(&e.address, text), (long long)(path->prober.rtt / 1000));
    wend_node_raise(n, &e);
}

// A way in the words of the sealing half; NULL: none.
static struct wend_plane_path plane_path(const struct wend_node *n, const struct wend_contact *c,
                                         const struct wend_path *path)
{
    if (path == NULL)
        return (struct wend_plane_path){0};
    const uint16_t mtu = wend_paths_mtu(&c->paths, path);
    if (path->remote.family != WEND_FAMILY_NONE)
        return (struct wend_plane_path){.transport = WEND_TRANSPORT_UDP,
                                        .remote = path->remote,
                                        .socket = path->socket,
                                        .mtu_bytes = mtu};
    return (struct wend_plane_path){.transport = n->route.transport,
                                    .stream = n->route.stream,
                                    .channel = c->channel,
                                    .remote = n->route.remote,
                                    .mtu_bytes = mtu};
}

static bool same_way(const struct wend_plane_path *a, const struct wend_plane_path *b)
{
    return a->transport == b->transport && a->stream == b->stream && a->channel == b->channel &&
           a->socket == b->socket && wend_address_equal(&a->remote, &b->remote);
}

static bool same_path(const struct wend_plane_path *a, const struct wend_plane_path *b)
{
    return same_way(a, b) && a->mtu_bytes == b->mtu_bytes;
}

// Padded probes through the relay are as long as what surrounds a data message up to the server.
static void follow_route(struct wend_node *n, struct wend_contact *c)
{
    const bool ipv6 = n->route.remote.family == WEND_FAMILY_IPV6;
    const uint16_t around = (ipv6 ? 40 : 20) + 8 + WEND_FRAME_HEADER_LEN + WEND_DATA_OVERHEAD;

    if (n->route.transport == WEND_TRANSPORT_UDP)
        wend_paths_set_relay_overhead(&c->paths, around);
    else if (n->route.transport != WEND_TRANSPORT_NONE)
        wend_paths_set_relay_overhead(&c->paths, 0);
}

void wend_contact_tell_way(struct wend_node *n, struct wend_contact *c)
{
    // Without an address of ours there is no way, whatever was chosen: packets wait.
    const struct wend_path *path = n->isolated ? NULL : wend_paths_chosen(&c->paths);

    follow_route(n, c);
    if (c->sending != 0 && c->way_told && c->first_packet < 0)
        c->first_packet = n->now - c->started;
    const struct wend_plane_path way = plane_path(n, c, path);
    const struct wend_plane_path also = plane_path(n, c, wend_paths_spare(&c->paths));
    if (same_path(&way, &c->told) && same_path(&also, &c->told_also))
        return;
    const bool moved = !same_way(&way, &c->told);
    c->told = way;
    c->told_also = also;
    wend_node_command_seal(
        n, &(struct wend_command){
               .kind = WEND_COMMAND_PATH, .slot = c->slot, .path = way, .also = also});
    if (moved)
        wend_contact_health_restart(n, c);
    if (moved && path != NULL)
        note_way(n, c, path);
    c->way_told = path != NULL;
}
