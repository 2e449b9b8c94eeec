// SPDX-License-Identifier: MIT
// Peer Service: a request of one member is passed on to another with a channel's number as its id;
// the answer opens the channel and goes back. docs/protocol.md section 4.3.
//
// Nothing is repeated here: while the caller has no answer it asks again under the same id, which
// leads to the same channel, and the called side answers again.
#include "relay/relay_state.h"

#include <string.h>

// The channel that the caller's request of this id has drawn before, 0: none.
static uint32_t find_call(const struct wend_relay *r, uint32_t caller, uint32_t id)
{
    uint32_t link = wend_relay_client_at(r, caller)->last_channel;
    while (link != 0) {
        const struct wend_relay_channel *ch = wend_relay_channel_at(r, link >> 1);
        if ((link & 1) == 0 && ch->request_id == id)
            return link >> 1;
        link = ch->before[link & 1];
    }
    return 0;
}

static void put_datagrams(const struct wend_attributes *a, struct wend_writer *w)
{
    struct wend_bytes rest = a->all;
    struct wend_bytes datagram;
    while (wend_attribute_next(&rest, WEND_ATTRIBUTE_DATAGRAM, &datagram))
        wend_attribute_put(w, WEND_ATTRIBUTE_DATAGRAM, datagram);
}

// Tells the called side who calls, where the receiver may not have heard of it yet.
static void put_caller(const struct wend_relay *r, const struct wend_relay_client *caller,
                       const struct wend_relay_client *called, struct wend_writer *w)
{
    const struct wend_relay_member *m = wend_relay_member_at(r, caller->member);
    if (called->subscribed && called->whole >= m->chain_serial)
        return;
    struct wend_writer before = *w;
    wend_relay_put_entry(r, m, true, w);
    if (w->failed || w->len > WEND_RELAY_SEALED_MAX - WEND_BOX_OVERHEAD)
        *w = before; // too long for one datagram: the directory tells it soon
}

static enum wend_error pass_on(struct wend_relay *r, const struct wend_relay_request *q,
                               uint32_t channel)
{
    const struct wend_relay_channel *ch = wend_relay_channel_at(r, channel);
    struct wend_relay_client *called = wend_relay_client_at(r, ch->ends[1]);
    uint8_t memory[WEND_DATAGRAM_MAX - WEND_BOX_OVERHEAD];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    const size_t begun = wend_control_begin(&w, WEND_CONTROL_PEER_SERVICE, ch->number);
    wend_attribute_put(&w, WEND_ATTRIBUTE_PEER, WEND_BYTES(q->client->key));
    wend_attribute_put_u32(&w, WEND_ATTRIBUTE_CHANNEL, ch->number);
    if (q->in->remote.family != WEND_FAMILY_NONE)
        wend_attribute_put_address(&w, &q->in->remote);
    put_datagrams(&q->a, &w);
    put_caller(r, q->client, called, &w);
    wend_control_end(&w, begun);
    if (w.failed)
        return WEND_ERROR_MALFORMED;
    return wend_relay_tell(r, called, (struct wend_bytes){memory, w.len}) ? WEND_ERROR_NONE
                                                                          : WEND_ERROR_NO_ANSWER;
}

enum wend_error wend_relay_peer_service(struct wend_relay *r, struct wend_relay_request *q,
                                        struct wend_writer *w)
{
    (void)w;
    if (q->a.peer.len != WEND_RECORD_KEY_LEN || q->a.datagram.at == NULL)
        return WEND_ERROR_MALFORMED;
    const uint32_t member = wend_relay_member_find(r, q->client->network, q->a.peer.at);
    if (member == 0 || wend_relay_member_at(r, member)->state != WEND_RELAY_MEMBER_ACTIVE)
        return WEND_ERROR_UNKNOWN_PEER;
    const uint32_t called = wend_relay_member_at(r, member)->client;
    if (called == q->client_ref)
        return WEND_ERROR_NOT_ALLOWED;
    if (called == 0 || !wend_relay_client_at(r, called)->online) {
        q->text = "the peer is offline";
        return WEND_ERROR_NO_ANSWER;
    }
    uint32_t channel = find_call(r, q->client_ref, q->message->id);
    if (channel != 0 && wend_relay_channel_at(r, channel)->ends[1] != called)
        return WEND_ERROR_MALFORMED;
    if (channel == 0)
        channel = wend_relay_channel_new(r, q->client_ref, called);
    if (channel == 0)
        return WEND_ERROR_LIMIT;
    wend_relay_channel_at(r, channel)->request_id = q->message->id;
    const enum wend_error error = pass_on(r, q, channel);
    q->silent = error == WEND_ERROR_NONE;
    return error;
}

// --- the called side has answered ---

static void pass_refusal(struct wend_relay *r, uint32_t channel, struct wend_bytes value)
{
    struct wend_relay_channel *ch = wend_relay_channel_at(r, channel);
    struct wend_relay_client *caller = wend_relay_client_at(r, ch->ends[0]);
    struct wend_failure failure;
    uint8_t memory[64];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    (void)wend_attribute_failure(value, &failure);
    const struct wend_control request = {.type = WEND_CONTROL_PEER_SERVICE, .id = ch->request_id};
    wend_control_write_failure(&w, &request, (enum wend_error)failure.code, NULL);
    (void)wend_relay_tell(r, caller, (struct wend_bytes){memory, w.len});
    if (ch->state == WEND_RELAY_CHANNEL_ASKED)
        wend_relay_channel_close(r, channel);
}

static void pass_answer(struct wend_relay *r, uint32_t channel, const struct wend_datagram *in,
                        const struct wend_attributes *a)
{
    struct wend_relay_channel *ch = wend_relay_channel_at(r, channel);
    struct wend_relay_client *caller = wend_relay_client_at(r, ch->ends[0]);
    uint8_t memory[WEND_DATAGRAM_MAX - WEND_BOX_OVERHEAD];
    struct wend_writer w = wend_writer_of(memory, sizeof memory);
    const size_t begun =
        wend_control_begin(&w, WEND_CONTROL_PEER_SERVICE | WEND_CONTROL_RESPONSE, ch->request_id);
    wend_attribute_put_u32(&w, WEND_ATTRIBUTE_CHANNEL, ch->number);
    put_datagrams(a, &w);
    if (in->remote.family != WEND_FAMILY_NONE)
        wend_attribute_put_address(&w, &in->remote);
    wend_control_end(&w, begun);
    if (w.failed) {
        (void)wend_relay_drop(r, WEND_DROP_MALFORMED);
        return;
    }
    if (ch->state == WEND_RELAY_CHANNEL_ASKED)
        r->counts.channels_opened++;
    ch->state = WEND_RELAY_CHANNEL_OPEN;
    (void)wend_relay_tell(r, caller, (struct wend_bytes){memory, w.len});
}

void wend_relay_answered_call(struct wend_relay *r, uint32_t client, const struct wend_datagram *in,
                              const struct wend_control *message)
{
    struct wend_attributes a;
    const uint32_t channel = wend_relay_channel_find(r, message->id);
    if (channel == 0 || wend_relay_channel_at(r, channel)->ends[1] != client) {
        (void)wend_relay_drop(r, WEND_DROP_NO_SESSION);
        return;
    }
    if (wend_attributes_parse(message->attributes, &a) != 0) {
        (void)wend_relay_drop(r, WEND_DROP_MALFORMED);
        return;
    }
    if (a.error.at != NULL)
        pass_refusal(r, channel, a.error);
    else
        pass_answer(r, channel, in, &a);
}
