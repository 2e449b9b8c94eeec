// SPDX-License-Identifier: MIT
// What comes from the server: handshake answers, sealed messages, hints, Binding answers.
#include <errno.h>
#include <string.h>

#include "node/leg_state.h"
#include "wire/demux.h"
#include "wire/frame.h"

static void connected(struct wend_leg *leg, wend_instant now)
{
    struct wend_attributes a;
    const struct wend_bytes attributes = {.at = leg->handshake_response.attributes,
                                          .len = leg->handshake_response.attributes_len};
    struct wend_leg_event event = {.kind = WEND_LEG_CONNECTED};
    if (wend_attributes_parse(attributes, &a) == 0) {
        const uint64_t epoch = wend_attribute_u64(a.epoch);
        event.restarted = epoch != leg->server_epoch;
        leg->server_epoch = epoch;
    }
    wend_leg_requests_again(leg, now);
    wend_leg_raise(leg, &event);
}

static int receive_answer(struct wend_leg *leg, const struct wend_datagram *in, wend_instant now)
{
    const enum wend_drop drop =
        wend_session_receive(&leg->session, in->bytes, now, &leg->handshake_response);
    if (drop != WEND_DROP_NONE)
        return -EBADMSG;
    if (in->bytes.at[0] == WEND_MESSAGE_COOKIE)
        return 0; // the retry carries it
    wend_leg_take_session_events(leg, now);
    wend_leg_search_chosen(leg, in, now);
    if (leg->initiations == 1) // else nobody knows which of them is answered
        wend_leg_measured(leg, now - leg->connecting_since);
    connected(leg, now);
    return 0;
}

static void dispatch(struct wend_leg *leg, const struct wend_datagram *in, struct wend_bytes body,
                     wend_instant now)
{
    struct wend_control message;
    if (body.len == 0 || wend_control_decode(body, &message) != 0)
        return;
    if (message.response) {
        wend_leg_answered(leg, &message, in, now);
        return;
    }
    wend_leg_raise(leg, &(struct wend_leg_event){.kind = WEND_LEG_REQUEST,
                                                 .id = message.id,
                                                 .type = message.type,
                                                 .attributes = message.attributes});
}

static int receive_sealed(struct wend_leg *leg, struct wend_box *box,
                          const struct wend_datagram *in, wend_instant now)
{
    if (in->bytes.len > sizeof leg->in)
        return -EBADMSG;
    size_t len;
    const enum wend_drop drop = wend_box_open(box, in->bytes, leg->in, &len);
    if (drop == WEND_DROP_REPLAYED)
        return -ESTALE;
    if (drop != WEND_DROP_NONE)
        return -EBADMSG;
    leg->last_received = now;
    wend_session_received(&leg->session, true, now);
    wend_leg_take_session_events(leg, now);
    dispatch(leg, in, (struct wend_bytes){.at = leg->in, .len = len}, now);
    return 0;
}

static int receive_hint(struct wend_leg *leg, const struct wend_datagram *in, wend_instant now)
{
    struct wend_hint hint;
    if (!wend_leg_is_from_server(leg, in) || wend_hint_read(in->bytes, &hint) != 0)
        return -ENOENT;
    if (hint.kind == WEND_HINT_UNKNOWN_SESSION) {
        if (!leg->have_session || wend_get_u32le(hint.echo) != leg->box.remote_index)
            return -ENOENT;
        wend_session_hinted(&leg->session, leg->box.remote_index, now);
        wend_leg_take_session_events(leg, now);
        return 0;
    }
    if (hint.kind == WEND_HINT_UNKNOWN_SOURCE && wend_leg_is_up(leg)) {
        if (now - leg->resumed_at >= WEND_S(1))
            wend_leg_resume(leg, NULL, now);
        return 0;
    }
    return -ENOENT; // an unknown channel is the node's affair
}

// The receiver index of a session message that bears one, else 0.
static uint32_t receiver_index(struct wend_bytes in)
{
    const uint8_t type = in.at[0];
    if (type == WEND_MESSAGE_RESPONSE && in.len >= 12)
        return wend_get_u32le(in.at + 8);
    if ((type == WEND_MESSAGE_DATA || type == WEND_MESSAGE_COOKIE) && in.len >= 8)
        return wend_get_u32le(in.at + 4);
    return 0;
}

static struct wend_box *find_box(struct wend_leg *leg, uint32_t index)
{
    if (leg->have_session && leg->box.local_index == index)
        return &leg->box;
    return leg->previous.type != 0 && leg->previous.local_index == index ? &leg->previous : NULL;
}

static bool owns_session(const struct wend_leg *leg, const struct wend_datagram *in)
{
    const uint32_t index = receiver_index(in->bytes);
    return index != 0 && (index == wend_session_starting_index(&leg->session) ||
                          (leg->have_session && index == leg->box.local_index) ||
                          (leg->previous.type != 0 && index == leg->previous.local_index));
}

bool wend_leg_owns(const struct wend_leg *leg, const struct wend_datagram *in)
{
    switch (wend_demux(in->bytes)) {
    case WEND_KIND_SESSION: return owns_session(leg, in);
    case WEND_KIND_HINT: return wend_leg_is_from_server(leg, in);
    case WEND_KIND_STUN: return wend_leg_search_owns(leg, in);
    case WEND_KIND_UNKNOWN:
    case WEND_KIND_FRAME:
    case WEND_KIND_CONTROL:
    case WEND_KIND_DTLS:
    case WEND_KIND_TURN_CHANNEL: break;
    }
    return false;
}

static int receive_session(struct wend_leg *leg, const struct wend_datagram *in, wend_instant now)
{
    const uint32_t index = receiver_index(in->bytes);
    if (index == 0)
        return -ENOENT;
    if (in->bytes.at[0] != WEND_MESSAGE_DATA) {
        // The answer chooses the way, so it must come by one that was tried.
        if (index != wend_session_starting_index(&leg->session) ||
            !wend_leg_is_from_server(leg, in))
            return -ENOENT;
        return receive_answer(leg, in, now);
    }
    struct wend_box *box = find_box(leg, index);
    return box != NULL ? receive_sealed(leg, box, in, now) : -ENOENT;
}

int wend_leg_receive(struct wend_leg *leg, const struct wend_datagram *in, wend_instant now)
{
    if (!leg->started)
        return -ENOENT;
    switch (wend_demux(in->bytes)) {
    case WEND_KIND_SESSION: return receive_session(leg, in, now);
    case WEND_KIND_HINT: return receive_hint(leg, in, now);
    case WEND_KIND_STUN: return wend_leg_search_stun(leg, in, now);
    case WEND_KIND_UNKNOWN:
    case WEND_KIND_FRAME:
    case WEND_KIND_CONTROL:
    case WEND_KIND_DTLS:
    case WEND_KIND_TURN_CHANNEL: break;
    }
    return -ENOENT;
}
