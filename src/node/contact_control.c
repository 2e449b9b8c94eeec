// SPDX-License-Identifier: MIT
// Control between peers (type 9): sealed and opened, candidates that changed, records that a peer
// has and we have not, Goodbye. docs/protocol.md sections 3 and 7.
#include <string.h>

#include "node/contact.h"
#include "node/early.h"
#include "node/records.h"
#include "node/volleys.h"
#include "wire/frame.h"

#define BODY_MAX   1200
#define TELL_FIRST WEND_MS(250)
#define TELL_MAX   WEND_S(4)

// --- sealing ---

struct wend_origin wend_contact_relay_way(const struct wend_contact *c)
{
    return (struct wend_origin){.kind = c->channel != 0 ? WEND_ORIGIN_CHANNEL : WEND_ORIGIN_NONE,
                                .channel = c->channel};
}

struct wend_origin wend_contact_way_in_use(const struct wend_contact *c)
{
    const struct wend_path *path = wend_paths_chosen(&c->paths);

    if (path == NULL || path->remote.family == WEND_FAMILY_NONE)
        return wend_contact_relay_way(c);
    return (struct wend_origin){
        .kind = WEND_ORIGIN_DIRECT,
        .way = {.transport = WEND_TRANSPORT_UDP, .remote = path->remote, .socket = path->socket}};
}

// Seals one message and sends it where `way` says.
static void send_message(struct wend_node *n, struct wend_contact *c, const struct wend_origin *way,
                         struct wend_bytes message)
{
    struct wend_contact_pair *pair = wend_contact_pair(c, c->sending);
    uint8_t sealed[BODY_MAX + WEND_BOX_OVERHEAD];
    struct wend_writer w = wend_writer_of(sealed, sizeof sealed);

    if (pair == NULL || wend_box_seal(&pair->box, message, &w) != 0)
        return;
    wend_contact_send(n, way, (struct wend_bytes){.at = sealed, .len = w.len});
    wend_session_sent(&c->session, false, n->now);
}

void wend_contact_send_control(struct wend_node *n, struct wend_contact *c,
                               const struct wend_origin *way, const struct wend_control *head)
{
    uint8_t message[BODY_MAX];
    struct wend_writer w = wend_writer_of(message, sizeof message);
    const uint16_t response = head->response ? WEND_CONTROL_RESPONSE : 0;

    wend_control_write(&w, (uint16_t)(head->type | response), head->id, head->attributes);
    if (!w.failed)
        send_message(n, c, way, (struct wend_bytes){.at = message, .len = w.len});
}

void wend_contact_request(struct wend_node *n, struct wend_contact *c, uint16_t type,
                          struct wend_bytes attributes)
{
    const struct wend_control head = {.type = type, .id = ++c->last_id, .attributes = attributes};
    const struct wend_origin way = wend_contact_way_in_use(c), relay = wend_contact_relay_way(c);

    if (way.kind != WEND_ORIGIN_NONE)
        wend_contact_send_control(n, c, &way, &head);
    // Of two ways one may be dead without our knowing; these must not wait until we do.
    const bool urgent = type == WEND_CONTROL_CANDIDATES || type == WEND_CONTROL_GOODBYE ||
                        type == WEND_CONTROL_SWITCHED ||
                        (type & ~WEND_CONTROL_RESPONSE) == WEND_CONTROL_EARLY;
    if (urgent && way.kind == WEND_ORIGIN_DIRECT && relay.kind != WEND_ORIGIN_NONE)
        wend_contact_send_control(n, c, &relay, &head);
}

void wend_contact_goodbye(struct wend_node *n, struct wend_contact *c)
{
    if (c->sending != 0)
        wend_contact_request(n, c, WEND_CONTROL_GOODBYE, (struct wend_bytes){0});
}

// --- candidates ---

// A family in which we have no address leads nowhere. Nothing known about us: everything may.
static bool has_family(const struct wend_node *n, uint8_t family)
{
    for (size_t i = 0; i < n->interface_count; i++) {
        struct wend_address a = n->interfaces[i];
        a.port = 1;
        if (a.family == family && wend_candidate_is_usable(&a, &n->overlay))
            return true;
    }
    return n->interface_count == 0;
}

// A neighbour of the peer's may have the address that we have in our own network.
static bool is_our_own(const struct wend_node *n, const struct wend_address *a)
{
    for (size_t i = 0; i < n->interface_count; i++)
        if (a->port == n->config.port && wend_address_same_ip(a, &n->interfaces[i]))
            return true;
    return false;
}

void wend_contact_try_candidates(struct wend_node *n, struct wend_contact *c)
{
    if (c->sending == 0)
        return;
    for (size_t i = 0; i < c->theirs.count; i++) {
        const struct wend_candidate *candidate = &c->theirs.at[i];
        const bool hold = candidate->kind != WEND_CANDIDATE_HOST && c->hold_until > n->now;
        if (has_family(n, candidate->address.family) && !is_our_own(n, &candidate->address) &&
            !wend_volleys_keep_off(n, c, candidate))
            (void)wend_paths_add(&c->paths, &candidate->address, hold ? c->hold_until : n->now);
    }
}

void wend_contact_open_nat(struct wend_node *n, struct wend_contact *c)
{
    const struct wend_session *s = &c->session;
    const struct wend_bytes opener = {.at = s->buffers.response, .len = s->response_len};

    c->open_at = WEND_NEVER;
    if (opener.len == 0)
        return;
    for (size_t i = 0; i < c->theirs.count; i++) {
        const struct wend_candidate *candidate = &c->theirs.at[i];
        const struct wend_datagram way = {.transport = WEND_TRANSPORT_UDP,
                                          .remote = candidate->address};
        if (candidate->kind != WEND_CANDIDATE_HOST && has_family(n, candidate->address.family) &&
            !is_our_own(n, &candidate->address) && !wend_volleys_keep_off(n, c, candidate) &&
            wend_budget_spend(&n->budget, &candidate->address, n->now))
            wend_node_send(n, &way, opener);
    }
}

void wend_contact_tell_candidates(struct wend_node *n, struct wend_contact *c)
{
    uint8_t body[512];
    struct wend_writer w = wend_writer_of(body, sizeof body);

    c->tell_at = WEND_NEVER;
    if (c->sending == 0 || c->told_generation == n->generation || !wend_contact_is_wanted(n, c))
        return;
    wend_attribute_put_candidates(&w, n->ours.at, n->ours.count);
    wend_attribute_put_u32(&w, WEND_ATTRIBUTE_GENERATION, n->generation);
    wend_contact_request(n, c, WEND_CONTROL_CANDIDATES,
                         (struct wend_bytes){.at = body, .len = w.len});
    c->tell_after = c->tell_after == 0 ? TELL_FIRST : c->tell_after * 2;
    if (c->tell_after > TELL_MAX)
        c->tell_after = TELL_MAX;
    c->tell_at = n->now + c->tell_after;
}

static bool names(const struct wend_candidates *list, const struct wend_address *a)
{
    for (size_t i = 0; i < list->count; i++)
        if (wend_address_equal(&list->at[i].address, a))
            return true;
    return false;
}

static void moved(struct wend_node *n, struct wend_contact *c, const struct wend_origin *origin,
                  const struct wend_control *in)
{
    struct wend_attributes a;
    const struct wend_path *path = wend_paths_chosen(&c->paths);
    uint8_t body[16];
    struct wend_writer w = wend_writer_of(body, sizeof body);

    if (wend_attributes_parse(in->attributes, &a) != 0 || a.generation.at == NULL) {
        wend_node_drop(n, WEND_DROP_MALFORMED);
        return;
    }
    wend_attribute_put(&w, WEND_ATTRIBUTE_GENERATION, a.generation);
    const struct wend_control head = {
        .type = in->type, .response = true, .id = in->id, .attributes = {.at = body, .len = w.len}};
    wend_contact_send_control(n, c, origin, &head);
    const uint32_t generation = wend_attribute_u32(a.generation);
    if (generation <= c->their_generation)
        return;
    c->their_generation = generation;
    wend_candidates_read(&c->theirs, a.candidates, &n->overlay);
    c->hold_until = 0;
    wend_contact_try_candidates(n, c);
    if (path == NULL || path->remote.family == WEND_FAMILY_NONE ||
        !names(&c->theirs, &path->remote))
        wend_paths_restart(&c->paths, n->now);
}

static void candidates_told(struct wend_node *n, struct wend_contact *c,
                            const struct wend_control *in)
{
    struct wend_attributes a;

    if (wend_attributes_parse(in->attributes, &a) != 0 ||
        wend_attribute_u32(a.generation) != n->generation)
        return;
    c->told_generation = n->generation;
    c->tell_at = WEND_NEVER;
}

// --- opening ---

static void serve_fetch(struct wend_node *n, struct wend_contact *c,
                        const struct wend_origin *origin, const struct wend_control *in)
{
    struct wend_attributes a;
    uint8_t body[BODY_MAX - WEND_CONTROL_HEADER_LEN];
    struct wend_writer w = wend_writer_of(body, sizeof body);
    enum wend_error error = WEND_ERROR_MALFORMED;

    if (wend_attributes_parse(in->attributes, &a) == 0)
        error = wend_records_serve(n, &a, &w);
    if (error != WEND_ERROR_NONE)
        wend_attribute_put_failure(&w, (uint16_t)error, NULL);
    const struct wend_control head = {
        .type = in->type, .response = true, .id = in->id, .attributes = {.at = body, .len = w.len}};
    wend_contact_send_control(n, c, origin, &head);
}

static void unknown(struct wend_node *n, struct wend_contact *c, const struct wend_origin *origin,
                    const struct wend_control *in)
{
    uint8_t body[16];
    struct wend_writer w = wend_writer_of(body, sizeof body);

    wend_node_drop(n, WEND_DROP_UNKNOWN_TYPE);
    if (in->response || wend_control_is_optional(in))
        return;
    wend_attribute_put_failure(&w, WEND_ERROR_UNKNOWN_MESSAGE, NULL);
    const struct wend_control head = {
        .type = in->type, .response = true, .id = in->id, .attributes = {.at = body, .len = w.len}};
    wend_contact_send_control(n, c, origin, &head);
}

// Returns false when the contact is gone.
static bool dispatch(struct wend_node *n, struct wend_contact *c, const struct wend_origin *origin,
                     const struct wend_control *in)
{
    switch (in->type) {
    case WEND_CONTROL_PROBE:
        (in->response ? wend_contact_probe_answered : wend_contact_probed)(n, c, origin, in);
        return true;
    case WEND_CONTROL_CANDIDATES:
        if (in->response)
            candidates_told(n, c, in);
        else
            moved(n, c, origin, in);
        return true;
    case WEND_CONTROL_FETCH:
        if (in->response)
            wend_records_fetched_from_peer(n, c->slot, in);
        else
            serve_fetch(n, c, origin, in);
        // An applied revocation may have been of this very peer.
        return c->used && wend_contact_of(n, c->slot) == c;
    case WEND_CONTROL_EARLY: wend_early_control(n, c, in); return true;
    case WEND_CONTROL_REPORT: wend_contact_reported(n, c, origin, in); return true;
    case WEND_CONTROL_SWITCHED: wend_contact_switched(n, c, in); return true;
    case WEND_CONTROL_VOLLEY: wend_volleys_message(n, c, in); return true;
    case WEND_CONTROL_PUNCH: wend_volleys_punched(n, c, origin, in); return true;
    case WEND_CONTROL_GOODBYE:
        if (!in->response)
            wend_contact_close(n, c);
        return in->response;
    default: unknown(n, c, origin, in); return true;
    }
}

static void first_heard(struct wend_node *n, struct wend_contact *c, struct wend_contact_pair *pair)
{
    if (pair->heard)
        return;
    pair->heard = true;
    wend_session_confirmed(&c->session, pair->local_index, n->now);
    wend_contact_take_events(n, c); // an answer may have to go out under this very pair
}

void wend_contact_control(struct wend_node *n, const struct wend_origin *origin,
                          struct wend_bytes in)
{
    struct wend_message_data message;
    uint8_t body[WEND_DATAGRAM_MAX];
    size_t len;
    struct wend_control control;

    if (in.len > sizeof body || wend_message_read_data(in, &message) != 0) {
        wend_node_drop(n, WEND_DROP_MALFORMED);
        return;
    }
    struct wend_contact *c = wend_contact_by_index(n, message.receiver);
    struct wend_contact_pair *pair = c != NULL ? wend_contact_pair(c, message.receiver) : NULL;
    if (pair == NULL && c != NULL && wend_early_keep_control(n, c, origin, in))
        return;
    if (pair == NULL) {
        wend_node_drop(n, WEND_DROP_NO_SESSION);
        if (c == NULL) // else the peer's answer, which brings the keys, is still on its way
            wend_node_hint(n, origin, message.receiver);
        return;
    }
    const enum wend_drop drop = wend_box_open(&pair->box, in, body, &len);
    wend_node_drop(n, drop);
    if (drop != WEND_DROP_NONE)
        return;
    wend_session_received(&c->session, false, n->now);
    first_heard(n, c, pair);
    if (wend_control_decode((struct wend_bytes){.at = body, .len = len}, &control) != 0)
        wend_node_drop(n, WEND_DROP_MALFORMED);
    else if (!dispatch(n, c, origin, &control))
        return;
    wend_contact_settle(n, c);
}
