// SPDX-License-Identifier: MIT
// Handshakes that bear NAT models, and the volleys that they begin.
#include <errno.h>
#include <string.h>

#include "node/contact.h"
#include "node/volleys.h"
#include "node/volleys_state.h"
#include "traverse/nat_exchange.h"

#define OPENER_TTL   2 // passes our own NAT, and dies at the next router
#define RTT_UNKNOWN  WEND_MS(200)
#define PLAIN_FOR    WEND_S(3) // plain probes come first where a class is not known
#define UNJOINED_MAX 4         // calls for its sake that the peer did not join

bool wend_volleys_is_unwanted(const struct wend_contact *c)
{
    return c->paths.preference == WEND_PATHS_PREFER_RELAY;
}

bool wend_volleys_may_begin(struct wend_node *n, struct wend_contact *c)
{
    const struct wend_nat_model *own = wend_nat_model(n);

    if (own->serial == 0 || n->isolated || !n->registered || c->volley != 0 ||
        wend_volleys_find_free(n) == NULL || wend_paths_direct(&c->paths) != NULL)
        return false;
    if (wend_volleys_is_seen_as(n, own)) {
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
    if (c->volley_at > n->now || wend_volleys_is_unwanted(c))
        return 0;
    if (!wend_volleys_may_begin(n, c)) {
        c->volley_due =
            c->volley_due || (wend_volleys_find_free(n) == NULL && wend_nat_model(n)->serial != 0);
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

    if (c->attested == 0 || !wend_volleys_may_begin(n, c) || !read_peer(n, c, model, &peer))
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
    c->volley_at = error == -EPERM ? WEND_NEVER : n->now + WEND_VOLLEYS_PLACE_AGAIN;
    c->volley_due = c->volley_due || error != -EPERM;
    wend_volleys_say(n, c, "over", c->volley_why);
}

wend_duration wend_volleys_rtt(const struct wend_node *n, const struct wend_contact *c)
{
    const wend_duration rtt = (n->leg_made ? wend_leg_rtt_least(&n->leg) : 0) + c->their_server_rtt;

    return rtt > 0 ? rtt : RTT_UNKNOWN;
}

static void begin(struct wend_node *n, struct wend_contact *c, const struct wend_nat_model *peer,
                  const struct wend_plan_input *about, bool parked)
{
    struct wend_volley_seat *seat = wend_volleys_find_free(n); // may_begin saw it
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
        wend_volleys_say(n, c, "none", plan.reason);
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
    seat->told = false;
    wend_volleys_tell_begun(n, c, seat);
}

void wend_volleys_answered(struct wend_node *n, struct wend_contact *c, struct wend_bytes model,
                           uint32_t call, bool parked)
{
    struct wend_nat_model peer;

    if (!parked)
        c->model_told = 0; // a handshake of ours has yielded
    if (read_peer(n, c, model, &peer))
        begin(n, c, &peer, &(struct wend_plan_input){.calling = false, .call = call}, parked);
    wend_volleys_preferred(n, c);
}

void wend_volleys_preferred(struct wend_node *n, struct wend_contact *c)
{
    struct wend_volley_seat *seat = wend_volleys_seat(n, c);

    if (wend_volleys_is_unwanted(c)) {
        if (seat != NULL)
            wend_volley_refuse(&seat->volley, "the relay is preferred here", n->now);
    } else if (c->volley_code == WEND_VOLLEY_REFUSED) {
        c->volley_at = 0;
        c->volley_due = true;
    }
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
        wend_volleys_release(n, c, seat); // the peer got ours: it yields, and this one counts
    if (told == 0 || told != wend_nat_model(n)->serial || !wend_volleys_may_begin(n, c))
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
        wend_volleys_come_again(n, c, (PLAIN_FOR + WEND_S(1)) << c->volley_tries);
    else
        c->volley_at = WEND_NEVER;
}
