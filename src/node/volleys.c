// SPDX-License-Identifier: MIT
#include "node/volleys.h"

#include <errno.h>
#include <string.h>

#include "base/print.h"
#include "node/contact.h"
#include "traverse/nat_exchange.h"

#define OPENER_TTL   2 // passes our own NAT, and dies at the next router
#define RTT_UNKNOWN  WEND_MS(200)
#define PLAIN_FOR    WEND_S(3) // plain probes come first where a class is not known
#define AGAIN_FIRST  WEND_S(30)
#define AGAIN_MAX    WEND_S(300)
#define PLACE_AGAIN  WEND_S(1)  // how often a place is looked for while all are taken
#define LASTED       WEND_S(30) // a path that is lost sooner was hardly one
#define FRESH_MAX    WEND_S(2)
#define FRESH_AGAIN  WEND_MS(20)
#define UNJOINED_MAX 4 // calls for its sake that the peer did not join

struct wend_volley_seat *wend_volleys_seat(struct wend_node *n, const struct wend_contact *c)
{
    return c->volley != 0 ? &n->volleys.seats[c->volley - 1] : NULL;
}

static struct wend_volley_seat *find_free(struct wend_node *n)
{
    for (uint32_t i = 0; i < WEND_VOLLEYS_MAX; i++)
        if (n->volleys.seats[i].contact == 0)
            return &n->volleys.seats[i];
    return NULL;
}

static void say(struct wend_node *n, const struct wend_contact *c, const char *what,
                const char *reason)
{
    struct wend_node_event e = {.kind = WEND_NODE_PEER, .slot = c->slot};

    wend_print(e.text, sizeof e.text, "peer=%s volley=%s reason=\"%s\"",
               wend_contact_seat(n, c)->member.name, what, reason);
    wend_node_raise(n, &e);
}

// Whether the server sees us where this model of ours says: at its address, and at its port if that
// is the same for everybody.
static bool is_seen_as(const struct wend_node *n, const struct wend_nat_model *own)
{
    const struct wend_address seen =
        n->leg_made ? wend_leg_observed(&n->leg) : (struct wend_address){0};
    const bool one_port =
        own->mapping == WEND_NAT_ENDPOINT_INDEPENDENT && n->route.transport == WEND_TRANSPORT_UDP;

    if (seen.family != WEND_FAMILY_IPV4 || own->udp == WEND_NAT_NO)
        return true;
    return wend_address_same_ip(&seen, &own->public) &&
           (!one_port || seen.port == own->public.port);
}

// --- ends ---

static wend_duration again_after(const struct wend_contact *c)
{
    const wend_duration after = AGAIN_FIRST << (c->volley_tries < 5 ? c->volley_tries : 5);

    return after < AGAIN_MAX ? after : AGAIN_MAX;
}

static void come_again(struct wend_node *n, struct wend_contact *c, wend_duration after)
{
    c->volley_at = n->now + after;
    c->volley_due = true;
    if (c->volley_tries < UINT8_MAX)
        c->volley_tries++;
}

static void come_again_soon(struct wend_node *n, struct wend_contact *c)
{
    come_again(n, c, WEND_S(1) << (c->volley_tries < 8 ? c->volley_tries : 8));
}

static void release(struct wend_node *n, struct wend_contact *c, struct wend_volley_seat *seat)
{
    wend_volleys_close_sockets(n, c, seat);
    wend_volley_close(&seat->volley);
    seat->contact = 0;
    c->volley = 0;
}

// A volley that is through, and has nothing more to say, leaves its seat.
static void leave_seat(struct wend_node *n, struct wend_contact *c, struct wend_volley_seat *seat)
{
    const struct wend_volley *v = &seat->volley;

    if (v->state != WEND_VOLLEY_STATE_OVER && v->state != WEND_VOLLEY_SETTLED)
        return;
    if (v->state == WEND_VOLLEY_SETTLED && c->volley_end != WEND_VOLLEY_END_WON) {
        c->volley_end = WEND_VOLLEY_END_FAILED;
        c->volley_code = WEND_VOLLEY_BUSY;
        come_again(n, c, again_after(c));
        say(n, c, "over", "a path was found, and there is no place for its socket");
    } else if (v->state == WEND_VOLLEY_STATE_OVER && !v->parked) {
        const bool no_way = v->plan.outcome != WEND_PLAN_TRY;
        const bool apart = !wend_address_same_ip(&v->own.public, &v->peer.public);
        c->volley_end = no_way && apart ? WEND_VOLLEY_END_NO_WAY : WEND_VOLLEY_END_FAILED;
        c->volley_code = (uint8_t)v->stop_code;
        c->volley_at = WEND_NEVER;
        if (!no_way)
            come_again(n, c, again_after(c));
        say(n, c, no_way ? "none" : "over", v->reason);
    }
    release(n, c, seat);
    wend_contact_try_candidates(n, c);
}

// What it was about is no more.
static void break_off(struct wend_node *n, struct wend_contact *c, struct wend_volley_seat *seat,
                      const char *reason)
{
    if (seat->volley.state == WEND_VOLLEY_RUNNING && !seat->volley.parked)
        say(n, c, "over", reason);
    release(n, c, seat);
}

void wend_volleys_settle(struct wend_node *n, struct wend_contact *c)
{
    struct wend_volley_seat *seat = wend_volleys_seat(n, c);

    if (seat == NULL)
        return;
    if (n->isolated) {
        break_off(n, c, seat, "no address is left");
        return;
    }
    wend_volley_expire(&seat->volley, n->now);
    wend_volleys_drain(n, c);
    leave_seat(n, c, seat);
}

void wend_volleys_moved(struct wend_node *n, struct wend_contact *c)
{
    struct wend_volley_seat *seat = wend_volleys_seat(n, c);

    c->volley_end = WEND_VOLLEY_END_NONE;
    c->volley_why = NULL;
    if (seat == NULL)
        return;
    const bool running = seat->volley.state == WEND_VOLLEY_RUNNING && !seat->volley.parked;
    wend_volley_refuse(&seat->volley, "the network changed", n->now);
    wend_volleys_drain(n, c);
    if (running)
        say(n, c, "over", seat->volley.reason);
    release(n, c, seat);
}

void wend_volleys_seen_elsewhere(struct wend_node *n, struct wend_contact *c)
{
    const struct wend_volley_seat *seat = wend_volleys_seat(n, c);

    if (seat == NULL || seat->volley.state != WEND_VOLLEY_RUNNING ||
        is_seen_as(n, &seat->volley.own))
        return;
    wend_nat_doubt(n); // the model is about another NAT
    wend_volleys_moved(n, c);
}

void wend_volleys_close(struct wend_node *n, struct wend_contact *c)
{
    struct wend_volley_seat *seat = wend_volleys_seat(n, c);

    if (seat != NULL)
        release(n, c, seat);
    if (c->socket != 0)
        wend_sockets_close(n, &c->socket, 1);
    c->socket = 0;
}

void wend_volleys_socket_lost(struct wend_node *n, uint16_t number)
{
    for (uint32_t i = 0; i < n->contact_high; i++) {
        struct wend_contact *c = &n->contacts[i];
        if (!c->used || c->socket != number)
            continue;
        wend_sockets_close(n, &number, 1);
        c->socket = 0;
        wend_paths_forget_found(&c->paths, n->now);
        wend_contact_settle(n, c);
    }
}

// --- beginnings ---

static bool may_begin(struct wend_node *n, struct wend_contact *c)
{
    const struct wend_nat_model *own = wend_nat_model(n);

    if (own->serial == 0 || n->isolated || !n->registered || c->volley != 0 ||
        find_free(n) == NULL || wend_paths_direct(&c->paths) != NULL ||
        c->paths.preference == WEND_PATHS_PREFER_RELAY)
        return false;
    if (is_seen_as(n, own)) {
        wend_nat_trust(n);
        return true;
    }
    wend_nat_doubt(n); // the NAT is not the one that the model is about
    c->volley_why = "the server sees us elsewhere than our NAT model says: found out anew";
    c->volley_outcome = WEND_PLAN_NONE;
    return false;
}

static void put_model(const struct wend_node *n, struct wend_writer *w)
{
    uint8_t bytes[WEND_NAT_MODEL_LEN_MAX];
    const size_t len = wend_nat_model_write(bytes, wend_nat_model(n), n->now);

    wend_attribute_put(w, WEND_ATTRIBUTE_NAT, (struct wend_bytes){.at = bytes, .len = len});
}

uint32_t wend_volleys_offer(struct wend_node *n, struct wend_contact *c, struct wend_writer *w)
{
    if (c->volley_at > n->now)
        return 0;
    if (!may_begin(n, c)) {
        c->volley_due = c->volley_due || (find_free(n) == NULL && wend_nat_model(n)->serial != 0);
        return 0;
    }
    put_model(n, w);
    return wend_nat_model(n)->serial;
}

// Reads it if there is a volley to be made of it.
static bool read_peer(struct wend_node *n, const struct wend_contact *c, struct wend_bytes in,
                      struct wend_nat_model *ret)
{
    if (in.at == NULL)
        return false;
    if (wend_nat_model_read(in, n->now, ret) != 0) {
        wend_node_drop(n, WEND_DROP_MALFORMED);
        return false;
    }
    const bool known =
        wend_nat_model(n)->mapping != WEND_NAT_UNKNOWN && ret->mapping != WEND_NAT_UNKNOWN;
    const bool blocked = wend_nat_model(n)->udp == WEND_NAT_NO || ret->udp == WEND_NAT_NO;
    // Where one side takes packets from anybody nothing need be known of the other.
    const bool open = wend_plan_is_open(wend_nat_model(n)) || wend_plan_is_open(ret);
    return known || blocked || open || n->now - c->started >= PLAIN_FOR;
}

bool wend_volleys_answer(struct wend_node *n, struct wend_contact *c, struct wend_bytes model,
                         struct wend_writer *w)
{
    struct wend_nat_model peer;

    if (c->attested == 0 || !may_begin(n, c) || !read_peer(n, c, model, &peer))
        return false;
    put_model(n, w);
    return true;
}

static struct wend_address inside_of(const struct wend_contact *c)
{
    for (size_t i = 0; i < c->theirs.count; i++)
        if (c->theirs.at[i].kind == WEND_CANDIDATE_HOST &&
            c->theirs.at[i].address.family == WEND_FAMILY_IPV4)
            return c->theirs.at[i].address;
    return (struct wend_address){0};
}

// As the peer has it: what is told is rounded, and both must make the same plan.
static void as_told(const struct wend_node *n, struct wend_nat_model *ret)
{
    uint8_t bytes[WEND_NAT_MODEL_LEN_MAX];
    const size_t len = wend_nat_model_write(bytes, wend_nat_model(n), n->now);
    const int error =
        wend_nat_model_read((struct wend_bytes){.at = bytes, .len = len}, n->now, ret);

    wend_assert(error == 0);
}

static void not_begun(struct wend_node *n, struct wend_contact *c, int error)
{
    wend_node_drop(n, error == -EPERM ? WEND_DROP_NOT_ALLOWED : WEND_DROP_UNDER_LOAD);
    c->volley_why = error == -EPERM ? "the server sees the peer elsewhere than its model says"
                                    : "too many volleys run";
    c->volley_outcome = WEND_PLAN_NONE;
    c->volley_method = WEND_METHOD_NONE;
    c->volley_at = error == -EPERM ? WEND_NEVER : n->now + PLACE_AGAIN;
    c->volley_due = c->volley_due || error != -EPERM;
    say(n, c, "over", c->volley_why);
}

wend_duration wend_volleys_rtt(const struct wend_node *n, const struct wend_contact *c)
{
    const wend_duration rtt = (n->leg_made ? wend_leg_rtt_least(&n->leg) : 0) + c->their_server_rtt;

    return rtt > 0 ? rtt : RTT_UNKNOWN;
}

static void begin(struct wend_node *n, struct wend_contact *c, const struct wend_nat_model *peer,
                  const struct wend_plan_input *about, bool parked)
{
    struct wend_volley_seat *seat = find_free(n); // may_begin saw it
    struct wend_plan plan;
    struct wend_plan_input in = *about;
    struct wend_nat_model own;

    as_told(n, &own);
    own.barred = wend_nat_model(n)->barred; // the plan does not depend on it
    in.own = &own;
    in.peer = peer;
    in.own_first =
        memcmp(n->config.identity->public_key, wend_contact_seat(n, c)->member.key, 32) < 0;
    wend_plan_make(&plan, &in);
    struct wend_volley_setup setup = {.plan = &plan,
                                      .own = &own,
                                      .peer = peer,
                                      .attested = wend_address_ipv4(c->attested, c->attested_port),
                                      .inside = inside_of(c),
                                      .rtt = wend_volleys_rtt(n, c),
                                      .ttl = OPENER_TTL,
                                      .parked = parked};
    wend_random_bytes(&n->random, setup.key, sizeof setup.key);
    c->volley_why = plan.reason;
    c->volley_outcome = (uint8_t)plan.outcome;
    c->volley_method = (uint8_t)plan.stages[0].method; // zero without one
    if (plan.outcome == WEND_PLAN_NOT_SOUND) {
        say(n, c, "none", plan.reason);
        return;
    }
    const int error = wend_volley_start(&seat->volley, &setup, &n->volleys.limits, n->now);
    if (error != 0) {
        not_begun(n, c, error);
        return;
    }
    memset(seat->numbers, 0, sizeof seat->numbers);
    seat->contact = 1 + (uint32_t)(c - n->contacts);
    c->volley = (uint8_t)(1 + (seat - n->volleys.seats));
    c->volley_due = false;
    c->volley_end = WEND_VOLLEY_END_NONE;
    say(n, c, "begun", plan.reason);
}

void wend_volleys_answered(struct wend_node *n, struct wend_contact *c, struct wend_bytes model,
                           uint32_t call, bool parked)
{
    struct wend_nat_model peer;

    c->model_told = 0; // a handshake of ours has yielded
    if (read_peer(n, c, model, &peer))
        begin(n, c, &peer, &(struct wend_plan_input){.calling = false, .call = call}, parked);
}

void wend_volleys_answered_again(struct wend_node *n, struct wend_contact *c)
{
    struct wend_volley_seat *seat = wend_volleys_seat(n, c);

    if (seat != NULL)
        wend_volley_await(&seat->volley, n->now);
}

void wend_volleys_accepted(struct wend_node *n, struct wend_contact *c, struct wend_bytes model,
                           uint32_t call)
{
    struct wend_nat_model peer;
    const uint32_t told = c->model_told;
    struct wend_volley_seat *seat = wend_volleys_seat(n, c);

    c->model_told = 0;
    if (seat != NULL && seat->volley.parked)
        release(n, c, seat); // the peer got ours: it yields, and this one counts
    if (told == 0 || told != wend_nat_model(n)->serial || !may_begin(n, c))
        return;
    const bool bad = model.at != NULL && wend_nat_model_read(model, n->now, &peer) != 0;
    if (bad)
        wend_node_drop(n, WEND_DROP_MALFORMED);
    if (model.at != NULL && !bad) {
        begin(n, c, &peer, &(struct wend_plan_input){.calling = true, .call = call}, false);
        return;
    }
    // It has no model yet, or no room; or wants to see plain probes fail first.
    if (c->volley_tries < UNJOINED_MAX)
        come_again(n, c, (PLAIN_FOR + WEND_S(1)) << c->volley_tries);
    else
        c->volley_at = WEND_NEVER;
}

// --- contacts ---

void wend_volleys_attested(struct wend_contact *c, const struct wend_address *seen)
{
    const bool there = seen->family == WEND_FAMILY_IPV4;

    c->attested = there ? wend_get_u32(seen->ip) : 0;
    c->attested_port = there ? seen->port : 0;
}

bool wend_volleys_keep_off(const struct wend_node *n, const struct wend_contact *c,
                           const struct wend_candidate *candidate)
{
    if (candidate->address.family != WEND_FAMILY_IPV4 ||
        (c->volley == 0 && c->volley_end == WEND_VOLLEY_END_NONE))
        return false;
    switch (candidate->kind) {
    case WEND_CANDIDATE_HOST: return c->volley != 0 || c->volley_end == WEND_VOLLEY_END_NO_WAY;
    case WEND_CANDIDATE_MAPPED:
        return c->volley != 0 &&
               n->volleys.seats[c->volley - 1].volley.peer.mapped.family != WEND_FAMILY_NONE;
    default: return c->volley_end != WEND_VOLLEY_END_FAILED; // then whatever is left to try
    }
}

static bool is_due(const struct wend_node *n, const struct wend_contact *c)
{
    return c->volley_due && c->volley == 0 && c->sending != 0 && c->starting == 0 &&
           wend_contact_is_wanted(n, c) && wend_paths_direct(&c->paths) == NULL;
}

// Keys that the peer may not have been shown yet: another handshake, which overtakes what is sealed
// with them, would take them away from it.
static bool has_fresh_keys(const struct wend_node *n, struct wend_contact *c)
{
    const struct wend_contact_pair *pair = wend_contact_pair(c, c->sending);

    return pair != NULL && !pair->heard && n->now - c->began < FRESH_MAX;
}

void wend_volleys_mind(struct wend_node *n, struct wend_contact *c)
{
    const bool none = c->volley == 0 && wend_paths_direct(&c->paths) == NULL;
    // What was found is lost again, by a volley or, without one, by plain probes.
    if (none && c->volley_end == WEND_VOLLEY_END_WON) {
        c->volley_end = WEND_VOLLEY_END_FAILED;
        if (n->now - c->volley_at >= LASTED) // since it was won
            c->volley_tries = 0;
        c->volley_code = WEND_VOLLEY_CHANGED;
        come_again_soon(n, c);
    } else if (none && c->volley_end == WEND_VOLLEY_END_NONE && c->direct && !c->volley_due &&
               c->volley_at != WEND_NEVER && wend_nat_model(n)->serial != 0) {
        come_again_soon(n, c);
    }
    if (!is_due(n, c) || c->volley_at > n->now)
        return;
    if (find_free(n) == NULL || has_fresh_keys(n, c)) {
        c->volley_at = n->now + (find_free(n) == NULL ? PLACE_AGAIN : FRESH_AGAIN);
        return;
    }
    c->volley_due = false;
    if (may_begin(n, c))
        wend_contact_start(n, c);
}

wend_instant wend_volleys_deadline(const struct wend_node *n, const struct wend_contact *c)
{
    if (c->volley != 0)
        return wend_volley_deadline(&n->volleys.seats[c->volley - 1].volley);
    return is_due(n, c) ? c->volley_at : WEND_NEVER;
}

void wend_volleys_follow_model(struct wend_node *n)
{
    const bool known = wend_nat_model(n)->serial != 0;

    if (n->nat.discovery.class_serial == n->volleys.model)
        return;
    n->volleys.model = n->nat.discovery.class_serial;
    for (uint32_t i = 0; i < n->contact_high; i++) {
        struct wend_contact *c = &n->contacts[i];
        if (!c->used)
            continue;
        c->volley_at = 0;
        c->volley_tries = 0;
        c->volley_due = known;
        wend_contact_settle(n, c);
    }
}
