// SPDX-License-Identifier: MIT
// What becomes of volleys, and when the next one is due.
#include "node/volleys.h"

#include "base/print.h"
#include "node/contact.h"
#include "node/volleys_state.h"

#define AGAIN_FIRST WEND_S(30)
#define AGAIN_MAX   WEND_S(300)
#define LASTED      WEND_S(30) // a path that is lost sooner was hardly one
#define FRESH_MAX   WEND_S(2)
#define FRESH_AGAIN WEND_MS(20)

struct wend_volley_seat *wend_volleys_seat(struct wend_node *n, const struct wend_contact *c)
{
    return c->volley != 0 ? &n->volleys.seats[c->volley - 1] : NULL;
}

struct wend_volley_seat *wend_volleys_find_free(struct wend_node *n)
{
    for (uint32_t i = 0; i < WEND_VOLLEYS_MAX; i++)
        if (n->volleys.seats[i].contact == 0)
            return &n->volleys.seats[i];
    return NULL;
}

void wend_volleys_say(struct wend_node *n, const struct wend_contact *c, const char *what,
                      const char *reason)
{
    struct wend_node_event e = {.kind = WEND_NODE_PEER, .slot = c->slot};

    wend_print(e.text, sizeof e.text, "peer=%s volley=%s reason=\"%s\"",
               wend_contact_seat(n, c)->member.name, what, reason);
    wend_node_raise(n, &e);
}

// Whether the server sees us where this model of ours says: at its address, and at its port if that
// is the same for everybody.
bool wend_volleys_is_seen_as(const struct wend_node *n, const struct wend_nat_model *own)
{
    const struct wend_address seen =
        n->leg_made ? wend_leg_observed(&n->leg) : (struct wend_address){0};
    const bool one_port =
        own->mapping == WEND_NAT_ENDPOINT_INDEPENDENT && n->route.transport == WEND_TRANSPORT_UDP;

    if (seen.family != WEND_FAMILY_IPV4 || own->udp == WEND_NAT_NO || own->paired == WEND_NAT_NO)
        return true;
    return wend_address_same_ip(&seen, &own->public) &&
           (!one_port || seen.port == own->public.port);
}

// Once; of a parked one, when it goes.
void wend_volleys_tell_begun(struct wend_node *n, const struct wend_contact *c,
                             struct wend_volley_seat *seat)
{
    const struct wend_volley *v = &seat->volley;

    if (seat->told || (v->parked && v->state != WEND_VOLLEY_STATE_WON))
        return;
    seat->told = true;
    wend_volleys_say(n, c, "begun", v->plan.reason);
}

// --- ends ---

static wend_duration again_after(const struct wend_contact *c)
{
    const wend_duration after = AGAIN_FIRST << (c->volley_tries < 5 ? c->volley_tries : 5);

    return after < AGAIN_MAX ? after : AGAIN_MAX;
}

void wend_volleys_come_again(struct wend_node *n, struct wend_contact *c, wend_duration after)
{
    c->volley_at = n->now + after;
    c->volley_due = true;
    if (c->volley_tries < UINT8_MAX)
        c->volley_tries++;
}

static void come_again_soon(struct wend_node *n, struct wend_contact *c)
{
    wend_volleys_come_again(n, c, WEND_S(1) << (c->volley_tries < 8 ? c->volley_tries : 8));
}

void wend_volleys_release(struct wend_node *n, struct wend_contact *c,
                          struct wend_volley_seat *seat)
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
        wend_volleys_come_again(n, c, again_after(c));
        wend_volleys_say(n, c, "over", "a path was found, and there is no place for its socket");
    } else if (v->state == WEND_VOLLEY_STATE_OVER && !v->parked) {
        const bool no_way = v->plan.outcome != WEND_PLAN_TRY;
        const bool apart = !wend_address_same_ip(&v->own.public, &v->peer.public);
        c->volley_end = no_way && apart ? WEND_VOLLEY_END_NO_WAY : WEND_VOLLEY_END_FAILED;
        c->volley_code = (uint8_t)v->stop_code;
        c->volley_at = WEND_NEVER;
        if (!no_way)
            wend_volleys_come_again(n, c, again_after(c));
        wend_volleys_say(n, c, no_way ? "none" : "over", v->reason);
    }
    wend_volleys_release(n, c, seat);
    wend_contact_try_candidates(n, c);
}

// What it was about is no more.
static void break_off(struct wend_node *n, struct wend_contact *c, struct wend_volley_seat *seat,
                      const char *reason)
{
    if (seat->volley.state == WEND_VOLLEY_RUNNING && !seat->volley.parked)
        wend_volleys_say(n, c, "over", reason);
    wend_volleys_release(n, c, seat);
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
    wend_volleys_tell_begun(n, c, seat);
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
        wend_volleys_say(n, c, "over", seat->volley.reason);
    wend_volleys_release(n, c, seat);
}

void wend_volleys_seen_elsewhere(struct wend_node *n, struct wend_contact *c)
{
    const struct wend_volley_seat *seat = wend_volleys_seat(n, c);

    if (seat == NULL || seat->volley.state != WEND_VOLLEY_RUNNING ||
        wend_volleys_is_seen_as(n, &seat->volley.own))
        return;
    wend_nat_doubt(n); // the model is about another NAT
    wend_volleys_moved(n, c);
}

void wend_volleys_close(struct wend_node *n, struct wend_contact *c)
{
    struct wend_volley_seat *seat = wend_volleys_seat(n, c);

    if (seat != NULL)
        wend_volleys_release(n, c, seat);
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
    if (wend_volleys_find_free(n) == NULL || has_fresh_keys(n, c)) {
        c->volley_at =
            n->now + (wend_volleys_find_free(n) == NULL ? WEND_VOLLEYS_PLACE_AGAIN : FRESH_AGAIN);
        return;
    }
    c->volley_due = false;
    if (!wend_volleys_is_unwanted(c) && wend_volleys_may_begin(n, c))
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
