// SPDX-License-Identifier: MIT
// Handshakes between peers. Whoever comes is first found among the members: a key that the
// directory does not hold with a proof is nobody. What a handshake says counts only if it names the
// very membership that was proven (CERTIFICATE-HASH).
#include <string.h>

#include "node/contact.h"
#include "node/directory.h"
#include "node/early.h"
#include "node/records.h"
#include "node/volleys.h"

#define ATTRIBUTES_MAX WEND_ATTRIBUTES_LEN_MAX

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
    wend_early_forget(n, index);
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

static void put_attributes(struct wend_node *n, struct wend_contact *c, uint64_t responder_epoch,
                           struct wend_writer *w)
{
    const wend_duration rtt = n->leg_made ? wend_leg_rtt_least(&n->leg) : 0;

    wend_attribute_put_u32(w, WEND_ATTRIBUTE_CAPABILITIES, 0);
    wend_attribute_put(w, WEND_ATTRIBUTE_CERTIFICATE_HASH,
                       (struct wend_bytes){.at = n->own.membership_hash, .len = 32});
    wend_attribute_put_u64(w, WEND_ATTRIBUTE_EPOCH, n->config.epoch);
    if (responder_epoch != 0)
        wend_attribute_put_u64(w, WEND_ATTRIBUTE_RESPONDER_EPOCH, responder_epoch);
    wend_attribute_put_u64(w, WEND_ATTRIBUTE_REVOCATION_SERIAL, n->records.revocations.serial);
    if (n->ours.count > 0)
        wend_attribute_put_candidates(w, n->ours.at, n->ours.count);
    if (rtt > 0)
        wend_attribute_put_u32(w, WEND_ATTRIBUTE_SERVER_RTT,
                               rtt < WEND_S(60) ? (uint32_t)(rtt / 1000) : 60000000);
    c->offered_generation = n->generation;
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

// `fresh`: it was said now, not by a peer of an earlier day.
static void learn(struct wend_node *n, struct wend_contact *c, const struct wend_attributes *a,
                  bool fresh)
{
    const uint64_t epoch = wend_attribute_u64(a->epoch);

    if (epoch != 0 && fresh)
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
    struct wend_writer w = wend_writer_of(body, sizeof body);

    if (wend_session_is_starting(&c->session))
        return;
    put_attributes(n, c, wend_contact_seat(n, c)->epoch, &w);
    c->model_told = wend_volleys_offer(n, c, &w);
    wend_early_offer(n, c, &w);
    wend_assert(!w.failed);
    const struct wend_session_start start = {
        .local_index = draw_index(n),
        .unix_ns = n->unix_ns,
        .attributes = {.at = body, .len = w.len},
    };
    if (c->starting != 0)
        wend_contact_forget_index(n, c, c->starting);
    c->starting = 0;
    if (wend_session_start(&c->session, &start, n->now) != 0)
        return;
    c->starting = start.local_index;
    c->began = n->now;
    keep_index(n, c, c->starting);
    wend_early_offered(n, c);
    wend_node_reserve_labels(n);
}

bool wend_contact_start_anew(struct wend_node *n, struct wend_contact *c)
{
    // A call under way bears the old one and would keep the new one waiting.
    if (c->starting == 0 || c->calling || c->named_epoch == wend_contact_seat(n, c)->epoch)
        return false;
    wend_contact_forget_index(n, c, c->starting);
    c->starting = 0;
    wend_session_stop(&c->session);
    wend_early_doubt(c);
    wend_contact_start(n, c);
    return true;
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
        learn(n, c, &a, true);
        wend_early_heard(n, c, &a, true);
        wend_volleys_accepted(n, c, a.nat, wend_get_u32le(in.at + 8));
    }
    wend_contact_settle(n, c);
    wend_records_told_by_peer(n, c->slot, c->their_revocations);
    if (!cookie)
        wend_early_open_controls(n, wend_get_u32le(in.at + 8));
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

// Both NATs are to be opened when our answer reaches the caller. If handshakes crossed and we do
// not yield, we are the caller: the other side waits for the instant at which its answer reaches
// us.
static void await_opening(const struct wend_node *n, struct wend_contact *c)
{
    const wend_duration ours = n->leg_made ? wend_leg_rtt_least(&n->leg) : 0;
    const wend_duration sum = ours + c->their_server_rtt;

    if (wend_session_is_starting(&c->session)) {
        c->hold_until = 0;
        c->open_at = WEND_NEVER;
        return;
    }
    c->hold_until = n->now + (sum < WEND_S(2) ? sum / 2 : WEND_S(1));
    c->open_at = c->hold_until;
}

// Where handshakes cross, the one of the side that does not yield counts, if it arrives. It may
// take twice the least round trip: what was parked in vain costs half of one.
static bool awaits_yielding(const struct wend_node *n, const struct wend_contact *c,
                            const struct wend_attributes *a)
{
    const wend_duration theirs = (wend_duration)wend_attribute_u32(a->server_rtt) * 1000;
    const wend_duration rtt = wend_volleys_rtt(n, c) - c->their_server_rtt + theirs;

    return wend_session_is_starting(&c->session) && !wend_session_yields(&c->session) &&
           n->now - c->session.begun < 2 * rtt;
}

static bool accept_new(struct wend_node *n, struct wend_contact *c,
                       const struct wend_origin *origin, const struct wend_initiation *i)
{
    struct wend_attributes a;
    uint8_t body[ATTRIBUTES_MAX];
    struct wend_writer w = wend_writer_of(body, sizeof body);

    if (!judge(n, c, wend_initiation_attributes(i), &a))
        return false;
    const bool fresh = wend_early_is_fresh(n, c, i, &a);
    const bool taken = fresh && wend_early_is_welcome(c, &a);
    put_attributes(n, c, 0, &w);
    wend_volleys_attested(c, &origin->attested);
    const bool parked = awaits_yielding(n, c, &a);
    const bool volley = wend_volleys_answer(n, c, a.nat, &w);
    wend_early_answer(n, c, taken ? i : NULL, &w);
    wend_assert(!w.failed);
    const struct wend_session_accept accept = {
        .local_index = draw_index(n),
        .attributes = {.at = body, .len = w.len},
        .eager = fresh,
    };
    if (wend_session_accept(&c->session, i, &accept, n->now) != 0)
        return false;
    keep_index(n, c, accept.local_index);
    wend_contact_seat(n, c)->label = i->label;
    learn(n, c, &a, fresh);
    wend_early_heard(n, c, &a, false);
    if (volley)
        wend_volleys_answered(n, c, a.nat, i->remote_index, parked);
    if (taken)
        wend_early_take(n, c, i, &a);
    else if (a.early_data.at != NULL)
        wend_node_drop(n, WEND_DROP_NOT_ALLOWED); // it comes again, sealed as data
    await_opening(n, c);
    return true;
}

// True when there is an answer to send.
static bool answer(struct wend_node *n, struct wend_contact *c, const struct wend_origin *origin,
                   struct wend_initiation *i)
{
    bool is_new;
    const enum wend_drop drop = wend_session_receive_initiation(&c->session, i, n->now, &is_new);

    wend_node_drop(n, drop);
    if (drop != WEND_DROP_NONE)
        return false;
    if (!is_new)
        wend_volleys_answered_again(n, c);
    return !is_new || accept_new(n, c, origin, i);
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
    } else if (answer(n, c, origin, &i)) {
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
