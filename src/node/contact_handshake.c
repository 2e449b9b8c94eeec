// SPDX-License-Identifier: MIT
// Handshakes between peers. Whoever comes is first found among the members: a key that the
// directory does not hold with a proof is nobody. What a handshake says counts only if it names the
// very membership that was proven (CERTIFICATE-HASH).
//
// Keys: both data keys of a pair go to the halves of the data plane, each exactly once (a key that
// was installed twice would repeat its counters); the control keys stay here in a box.
#include <errno.h>
#include <string.h>

#include "base/print.h"
#include "node/contact.h"
#include "node/directory.h"
#include "node/records.h"

#define ATTRIBUTES_MAX 700

static const struct wend_bucket_limit calm = {.per_second = 50,
                                              .burst = 100}; // handshakes a second

// --- indexes ---

static uint64_t hash_index(const struct wend_node *n, uint32_t index)
{
    return wend_hash(n->hash_key, &index, sizeof index);
}

static bool has_index(const struct wend_contact *c, uint32_t index)
{
    if (c->starting == index)
        return true;
    for (uint32_t i = 0; i < WEND_CONTACT_PAIRS; i++)
        if (c->pairs[i].local_index == index)
            return true;
    return false;
}

struct wend_contact *wend_contact_by_index(struct wend_node *n, uint32_t local_index)
{
    struct wend_map_cursor cursor = wend_map_find(&n->by_index, hash_index(n, local_index));
    uint32_t at;

    while (local_index != 0 && wend_map_next(&n->by_index, &cursor, &at))
        if (n->contacts[at].used && has_index(&n->contacts[at], local_index))
            return &n->contacts[at];
    return NULL;
}

void wend_contact_forget_index(struct wend_node *n, const struct wend_contact *c, uint32_t index)
{
    (void)wend_map_remove(&n->by_index, hash_index(n, index), (uint32_t)(c - n->contacts));
}

static uint32_t draw_index(struct wend_node *n)
{
    uint32_t index;

    do {
        index = wend_random_u32(&n->random);
    } while (index == 0 || wend_contact_by_index(n, index) != NULL);
    return index;
}

static void keep_index(struct wend_node *n, const struct wend_contact *c, uint32_t index)
{
    const uint32_t at = (uint32_t)(c - n->contacts);

    wend_assert(wend_map_insert(&n->by_index, hash_index(n, index), at) == 0);
}

struct wend_contact_pair *wend_contact_pair(struct wend_contact *c, uint32_t local_index)
{
    for (uint32_t i = 0; i < WEND_CONTACT_PAIRS && local_index != 0; i++)
        if (c->pairs[i].local_index == local_index)
            return &c->pairs[i];
    return NULL;
}

// --- what a handshake says ---

static struct wend_bytes write_attributes(struct wend_node *n, struct wend_contact *c,
                                          uint64_t responder_epoch, uint8_t *body)
{
    struct wend_writer w = wend_writer_of(body, ATTRIBUTES_MAX);
    const wend_duration rtt = n->leg_made ? wend_leg_rtt_least(&n->leg) : 0;

    wend_attribute_put_u32(&w, WEND_ATTRIBUTE_CAPABILITIES, 0);
    wend_attribute_put(&w, WEND_ATTRIBUTE_CERTIFICATE_HASH,
                       (struct wend_bytes){.at = n->own.membership_hash, .len = 32});
    wend_attribute_put_u64(&w, WEND_ATTRIBUTE_EPOCH, n->config.epoch);
    if (responder_epoch != 0)
        wend_attribute_put_u64(&w, WEND_ATTRIBUTE_RESPONDER_EPOCH, responder_epoch);
    wend_attribute_put_u64(&w, WEND_ATTRIBUTE_REVOCATION_SERIAL, n->records.revocations.serial);
    if (n->ours.count > 0)
        wend_attribute_put_candidates(&w, n->ours.at, n->ours.count);
    if (rtt > 0)
        wend_attribute_put_u32(&w, WEND_ATTRIBUTE_SERVER_RTT,
                               rtt < WEND_S(60) ? (uint32_t)(rtt / 1000) : 60000000);
    wend_assert(!w.failed);
    c->offered_generation = n->generation;
    return (struct wend_bytes){.at = body, .len = w.len};
}

// False when it is not the member that the directory proved.
static bool judge(struct wend_node *n, const struct wend_contact *c, struct wend_bytes in,
                  struct wend_attributes *ret)
{
    const struct wend_seat *seat = &n->directory.seats[c->slot];

    if (wend_attributes_parse(in, ret) != 0 || ret->certificate_hash.at == NULL) {
        wend_node_drop(n, WEND_DROP_MALFORMED);
        return false;
    }
    if (!wend_equal(ret->certificate_hash.at, seat->member.membership_hash, 32)) {
        wend_node_drop(n, WEND_DROP_NOT_ALLOWED);
        wend_directory_sync(n); // it may have renewed its membership
        return false;
    }
    if (seat->member.expires <= wend_node_unix_seconds(n)) {
        wend_node_drop(n, WEND_DROP_EXPIRED);
        return false;
    }
    return true;
}

static void learn(struct wend_node *n, struct wend_contact *c, const struct wend_attributes *a)
{
    const uint64_t epoch = wend_attribute_u64(a->epoch);

    if (epoch != 0)
        wend_contact_seat(n, c)->epoch = epoch;
    if (a->candidates.at != NULL)
        wend_candidates_read(&c->theirs, a->candidates, &n->overlay);
    c->their_generation = 0;
    c->their_server_rtt = (wend_duration)wend_attribute_u32(a->server_rtt) * 1000;
    c->told_generation = c->offered_generation;
    c->their_revocations = wend_attribute_u64(a->revocation_serial);
}

// --- initiating ---

void wend_contact_start(struct wend_node *n, struct wend_contact *c)
{
    uint8_t body[ATTRIBUTES_MAX];

    if (wend_session_is_starting(&c->session))
        return;
    const struct wend_session_start start = {
        .local_index = draw_index(n),
        .unix_ns = n->unix_ns,
        .attributes = write_attributes(n, c, wend_contact_seat(n, c)->epoch, body),
    };
    if (c->starting != 0)
        wend_contact_forget_index(n, c, c->starting);
    c->starting = 0;
    if (wend_session_start(&c->session, &start, n->now) != 0)
        return;
    c->starting = start.local_index;
    c->began = n->now;
    keep_index(n, c, c->starting);
    wend_node_reserve_labels(n);
}

void wend_contact_response(struct wend_node *n, struct wend_bytes in)
{
    // The index of the handshake is at 8 in a response and at 4 in a cookie reply.
    const bool cookie = in.len == WEND_MESSAGE_COOKIE_LEN && in.at[0] == WEND_MESSAGE_COOKIE;
    struct wend_contact *c =
        in.len < 12 ? NULL : wend_contact_by_index(n, wend_get_u32le(in.at + (cookie ? 4 : 8)));
    struct wend_response response;
    struct wend_attributes a;

    if (c == NULL || c->starting == 0) {
        wend_node_drop(n, WEND_DROP_NO_SESSION);
        return;
    }
    const enum wend_drop drop = wend_session_receive(&c->session, in, n->now, &response);
    wend_node_drop(n, drop);
    if (drop != WEND_DROP_NONE)
        return;
    if (!cookie) {
        const struct wend_bytes said = {.at = response.attributes, .len = response.attributes_len};
        if (!judge(n, c, said, &a)) {
            wend_contact_close(n, c);
            return;
        }
        learn(n, c, &a);
    }
    wend_contact_settle(n, c);
    wend_records_told_by_peer(n, c->slot, c->their_revocations);
}

// --- answering ---

// Under load, a stranger's source must prove itself with a cookie first.
static bool passes_macs(struct wend_node *n, const struct wend_origin *origin, struct wend_bytes in)
{
    struct wend_datagram d = origin->way;

    d.bytes = in;
    const enum wend_cookie_verdict verdict =
        wend_cookie_check(&n->cookies, n->config.identity, &d, n->now);
    if (verdict == WEND_COOKIE_NONE) {
        wend_node_drop(n, WEND_DROP_BAD_MAC);
        return false;
    }
    if (wend_bucket_take(&n->handshakes, &calm, 1, n->now) || verdict == WEND_COOKIE_MAC2)
        return true;
    wend_node_drop(n, WEND_DROP_UNDER_LOAD);
    if (origin->kind == WEND_ORIGIN_DIRECT) {
        uint8_t reply[WEND_MESSAGE_COOKIE_LEN];
        wend_cookie_reply(&n->cookies, n->config.identity, &d, n->now, reply);
        wend_node_send(n, &origin->way, (struct wend_bytes){.at = reply, .len = sizeof reply});
    }
    return false;
}

static bool accept_new(struct wend_node *n, struct wend_contact *c, const struct wend_initiation *i)
{
    struct wend_attributes a;
    uint8_t body[ATTRIBUTES_MAX];

    if (!judge(n, c, wend_initiation_attributes(i), &a))
        return false;
    const struct wend_session_accept accept = {
        .local_index = draw_index(n),
        .attributes = write_attributes(n, c, 0, body),
    };
    if (wend_session_accept(&c->session, i, &accept, n->now) != 0)
        return false;
    keep_index(n, c, accept.local_index);
    wend_contact_seat(n, c)->label = i->label;
    learn(n, c, &a);
    const wend_duration ours = n->leg_made ? wend_leg_rtt_least(&n->leg) : 0;
    const wend_duration sum = ours + c->their_server_rtt;
    c->hold_until = n->now + (sum < WEND_S(2) ? sum / 2 : WEND_S(1));
    c->open_at = c->hold_until;
    return true;
}

// True when there is an answer to send.
static bool answer(struct wend_node *n, struct wend_contact *c, struct wend_initiation *i)
{
    bool is_new;
    const enum wend_drop drop = wend_session_receive_initiation(&c->session, i, n->now, &is_new);

    wend_node_drop(n, drop);
    if (drop != WEND_DROP_NONE)
        return false;
    return !is_new || accept_new(n, c, i);
}

// Before a contact is made for somebody, the message must prove to be theirs, and new.
static bool is_genuine(struct wend_node *n, const struct wend_parties *parties,
                       const struct wend_seat *seat, struct wend_initiation *i)
{
    enum wend_drop drop = wend_initiation_open_payload(parties, i);

    if (drop == WEND_DROP_NONE && !wend_label_is_later(&i->label, &seat->label))
        drop = WEND_DROP_STALE_TIMESTAMP;
    wend_node_drop(n, drop);
    return drop == WEND_DROP_NONE;
}

void wend_contact_initiation(struct wend_node *n, struct wend_origin *origin, struct wend_bytes in)
{
    const struct wend_parties parties = {.prologue = &n->prologue, .self = n->config.identity};
    struct wend_initiation i;

    if (n->refused || n->closing || !passes_macs(n, origin, in))
        return;
    const enum wend_drop drop = wend_initiation_open_static(&parties, in, &i);
    wend_node_drop(n, drop);
    if (drop != WEND_DROP_NONE)
        return;
    struct wend_seat *seat = wend_directory_find(n, i.remote_static);
    if (seat == NULL) {
        wend_node_drop(n, WEND_DROP_NOT_ALLOWED);
        wend_wipe(&i, sizeof i);
        return;
    }
    const bool made = seat->contact == 0;
    if (made && !is_genuine(n, &parties, seat, &i)) {
        wend_wipe(&i, sizeof i);
        return;
    }
    struct wend_contact *c = wend_contact_open(n, wend_directory_slot(n, seat), false);
    if (c == NULL) {
        wend_node_drop(n, WEND_DROP_UNDER_LOAD);
    } else if (answer(n, c, &i)) {
        wend_contact_take_events(n, c); // the opening half has the key before the peer may use it
        wend_contact_take_datagrams(n, c, origin);
        wend_contact_settle(n, c);
        wend_records_told_by_peer(n, c->slot, c->their_revocations);
    } else if (made) {
        wend_contact_close(n, c);
    }
    wend_wipe(&i, sizeof i);
}

void wend_contact_confirmed(struct wend_node *n, uint32_t local_index)
{
    struct wend_contact *c = wend_contact_by_index(n, local_index);
    struct wend_contact_pair *pair = c != NULL ? wend_contact_pair(c, local_index) : NULL;

    if (pair == NULL)
        return;
    pair->heard = true;
    wend_session_confirmed(&c->session, local_index, n->now);
    wend_contact_settle(n, c);
}

// --- events and datagrams of the session ---

static void forget_pair(struct wend_node *n, struct wend_contact *c, struct wend_contact_pair *pair)
{
    wend_contact_forget_index(n, c, pair->local_index);
    wend_node_command_open(n, &(struct wend_command){.kind = WEND_COMMAND_KEYS_GONE,
                                                     .slot = c->slot,
                                                     .local_index = pair->local_index});
    wend_wipe(pair, sizeof *pair);
}

static void take_keys(struct wend_node *n, struct wend_contact *c, const struct wend_keys *keys)
{
    struct wend_contact_pair *pair = NULL;

    for (uint32_t i = 0; i < WEND_CONTACT_PAIRS && pair == NULL; i++)
        if (c->pairs[i].local_index == 0)
            pair = &c->pairs[i];
    wend_assert(pair != NULL); // the session holds three at most, and says when one goes
    if (c->starting == keys->local_index)
        c->starting = 0; // the index is the pair's now
    pair->local_index = keys->local_index;
    pair->has_key = true;
    memcpy(pair->send_key, keys->send_key, sizeof pair->send_key);
    wend_box_init(&pair->box, keys, WEND_MESSAGE_CONTROL);
    struct wend_command command = {.kind = WEND_COMMAND_KEYS,
                                   .slot = c->slot,
                                   .local_index = keys->local_index,
                                   .remote_index = keys->remote_index};
    memcpy(command.key, keys->receive_key, sizeof command.key);
    wend_node_command_open(n, &command);
    wend_wipe(&command, sizeof command);
}

static void gave_up(struct wend_node *n, struct wend_contact *c)
{
    struct wend_node_event e = {.kind = WEND_NODE_PEER, .slot = c->slot};

    if (c->starting != 0)
        wend_contact_forget_index(n, c, c->starting);
    c->starting = 0;
    wend_print(e.text, sizeof e.text, "peer=%s state=unreachable",
               wend_contact_seat(n, c)->member.name);
    wend_node_raise(n, &e);
    if (c->sending == 0)
        wend_node_command_seal(
            n, &(struct wend_command){.kind = WEND_COMMAND_FLUSH_DROP, .slot = c->slot});
}

static void take_event(struct wend_node *n, struct wend_contact *c,
                       const struct wend_session_event *e)
{
    struct wend_contact_pair *pair = wend_contact_pair(c, e->local_index);

    switch (e->kind) {
    case WEND_SESSION_EVENT_KEYS: take_keys(n, c, e->keys); break;
    case WEND_SESSION_EVENT_EXPIRED:
        if (pair != NULL)
            forget_pair(n, c, pair);
        break;
    case WEND_SESSION_EVENT_REKEY: wend_contact_start(n, c); break;
    case WEND_SESSION_EVENT_KEEPALIVE: c->keepalive = true; break;
    case WEND_SESSION_EVENT_GAVE_UP: gave_up(n, c); break;
    case WEND_SESSION_EVENT_CONFIRMED: // follow_sending sees it
    case WEND_SESSION_EVENT_NONE: break;
    }
}

// The sealing half gets each key once, when the session comes to send with it.
static void follow_sending(struct wend_node *n, struct wend_contact *c)
{
    uint32_t index = wend_session_sending(&c->session, n->now);
    if (index == c->stale)
        index = 0;
    struct wend_contact_pair *pair = wend_contact_pair(c, index);

    if (index == c->sending)
        return;
    if (pair == NULL || !pair->has_key) {
        if (c->sending != 0)
            wend_node_command_seal(
                n, &(struct wend_command){.kind = WEND_COMMAND_KEYS_GONE, .slot = c->slot});
        c->sending = 0;
        return;
    }
    struct wend_command command = {.kind = WEND_COMMAND_KEYS,
                                   .slot = c->slot,
                                   .local_index = index,
                                   .remote_index = pair->box.remote_index};
    memcpy(command.key, pair->send_key, sizeof command.key);
    wend_node_command_seal(n, &command);
    wend_wipe(&command, sizeof command);
    wend_wipe(pair->send_key, sizeof pair->send_key);
    pair->has_key = false;
    c->sending = index;
    wend_contact_try_candidates(n, c);
    if (c->told_generation != n->generation)
        wend_contact_tell_candidates(n, c);
}

// A handshake of ours ends without an event when we yield to the peer's.
static void follow_starting(struct wend_node *n, struct wend_contact *c)
{
    if (c->starting == 0 || c->starting == wend_session_starting_index(&c->session))
        return;
    if (wend_contact_pair(c, c->starting) == NULL)
        wend_contact_forget_index(n, c, c->starting);
    c->starting = 0;
}

void wend_contact_take_events(struct wend_node *n, struct wend_contact *c)
{
    struct wend_session_event e;

    while (wend_session_next_event(&c->session, &e))
        take_event(n, c, &e);
    follow_starting(n, c);
    follow_sending(n, c);
}

void wend_contact_take_datagrams(struct wend_node *n, struct wend_contact *c,
                                 struct wend_origin *reply)
{
    struct wend_bytes out;

    while (wend_session_next_datagram(&c->session, &out)) {
        if (out.at[0] == WEND_MESSAGE_RESPONSE) {
            if (reply != NULL)
                wend_contact_send_response(n, c, reply, out);
            continue;
        }
        memcpy(c->sent_initiation, out.at, out.len);
        c->sent_len = (uint16_t)out.len;
        wend_contact_send_initiation(n, c);
    }
}
