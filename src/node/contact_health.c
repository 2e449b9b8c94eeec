// SPDX-License-Identifier: MIT
// What the peer says of what we sent, and what follows: a way in doubt gets a second one beside it,
// and recovers or is left (path/health.h, docs/protocol.md section 7.4); a Switch is acknowledged
// or said again, and packets are held for as long as the ways differ (section 7.5).
#include <errno.h>

#include "base/print.h"
#include "node/contact.h"

#define COUNTER_SURE   WEND_MS(100) // after new keys, until the sealing half shows their counter
#define PROBES_TO_TELL 8
#define SWITCH_SLACK   WEND_MS(50)
#define SWITCH_TRIES   5
#define HOLD_SLACK     WEND_MS(5)
#define HOLD_MAX       WEND_MS(200)

// --- judging ---

static uint32_t permille_lost(const struct wend_path *path)
{
    if (path->prober.history_len < PROBES_TO_TELL)
        return 0;
    return (uint32_t)(wend_prober_loss(&path->prober) * 1000);
}

static uint8_t class_of(const struct wend_path *path)
{
    return path->remote.family == WEND_FAMILY_NONE ? WEND_WAY_RELAY : WEND_WAY_DIRECT;
}

static wend_duration rtt_of(const struct wend_path *path)
{
    return path != NULL && wend_prober_is_up(&path->prober) ? path->prober.rtt : 0;
}

// A message goes one way, and the report of it comes back by some way: by which one, `origin` says
// when it is there; until then it may be the slower one.
static void tell_expectations(struct wend_contact *c, const struct wend_origin *origin)
{
    const struct wend_path *chosen = wend_paths_chosen(&c->paths);
    const struct wend_path *relay = &c->paths.path[WEND_PATHS_RELAY];
    const struct wend_path *other = chosen == relay ? wend_paths_direct(&c->paths) : relay;
    const wend_duration there = rtt_of(chosen);
    wend_duration back = rtt_of(other) > there ? rtt_of(other) : there;
    if (origin != NULL && (origin->kind == WEND_ORIGIN_CHANNEL) == (chosen == relay))
        back = there;
    const wend_duration variation = chosen != NULL ? 2 * chosen->prober.variation : 0;

    wend_health_expect(&c->health, there / 2 + back / 2 + variation,
                       other != NULL ? permille_lost(other) : 0);
}

// Tells the judge what was sent; false while that is not known for sure.
static bool tell_sent(struct wend_node *n, struct wend_contact *c)
{
    const struct wend_contact_pair *pair = wend_contact_pair(c, c->sending);

    if (pair == NULL || n->stats == NULL)
        return false;
    if (c->judged != c->sending) {
        c->judged = c->sending;
        c->judged_from = n->now + COUNTER_SURE;
    }
    if (n->now < c->judged_from)
        return false;
    const uint64_t next =
        atomic_load_explicit(&n->stats[c->slot].next_counter, memory_order_relaxed);
    wend_health_sent(&c->health, pair->box.remote_index, next, n->now);
    return true;
}

static void leave(struct wend_node *n, struct wend_contact *c, bool lossy)
{
    struct wend_node_event e = {.kind = WEND_NODE_PEER, .slot = c->slot};

    if (!wend_paths_leave(&c->paths, lossy, n->now))
        return;
    wend_print(e.text, sizeof e.text, "peer=%s left=%s", wend_contact_seat(n, c)->member.name,
               lossy ? "lossy" : "dead");
    wend_node_raise(n, &e);
}

static void take_verdict(struct wend_node *n, struct wend_contact *c)
{
    switch (wend_health_take_event(&c->health)) {
    case WEND_HEALTH_SUSPECT: wend_paths_doubt(&c->paths, n->now); break;
    case WEND_HEALTH_RECOVERED: wend_paths_trust(&c->paths, n->now); break;
    case WEND_HEALTH_DEAD: leave(n, c, false); break;
    case WEND_HEALTH_LOSSY: leave(n, c, true); break;
    case WEND_HEALTH_NONE: break;
    }
}

static void repeat_switch(struct wend_node *n, struct wend_contact *c)
{
    struct wend_contact_switch *s = &c->switching;

    if (s->at > n->now)
        return;
    if (s->tries++ >= SWITCH_TRIES) {
        s->at = WEND_NEVER;
        return;
    }
    s->after *= 2;
    s->at = n->now + s->after;
    wend_node_command_seal(n, &(struct wend_command){.kind = WEND_COMMAND_SWITCH, .slot = c->slot});
}

void wend_contact_judge(struct wend_node *n, struct wend_contact *c)
{
    tell_expectations(c, NULL);
    (void)tell_sent(n, c);
    wend_health_expire(&c->health, n->now);
    take_verdict(n, c);
    repeat_switch(n, c);
}

void wend_contact_health_restart(struct wend_node *n, struct wend_contact *c)
{
    const struct wend_path *chosen = wend_paths_chosen(&c->paths);

    (void)tell_sent(n, c);
    if (chosen != NULL)
        wend_health_use(&c->health, class_of(chosen), n->now);
}

void wend_contact_reported(struct wend_node *n, struct wend_contact *c,
                           const struct wend_origin *origin, const struct wend_control *in)
{
    struct wend_attributes a;
    struct wend_way_counters ways;

    if (wend_attributes_parse(in->attributes, &a) != 0 || !wend_attribute_ways(a.ways, &ways)) {
        wend_node_drop(n, WEND_DROP_MALFORMED);
        return;
    }
    tell_expectations(c, origin);
    if (!tell_sent(n, c))
        return;
    const struct wend_health_report report = {
        .id = in->id,
        .index = ways.index,
        .ways = {[WEND_WAY_DIRECT] = {ways.direct_highest, ways.direct_count},
                 [WEND_WAY_RELAY] = {ways.relay_highest, ways.relay_count}}};
    if (wend_health_report(&c->health, &report, n->now) == -EPROTO)
        wend_node_drop(n, WEND_DROP_NOT_ALLOWED);
    take_verdict(n, c);
}

// --- Switch ---

void wend_contact_notice_switched(struct wend_node *n, const struct wend_notice *notice)
{
    struct wend_contact *c = wend_contact_of(n, notice->slot);
    const struct wend_contact_pair *pair =
        c != NULL ? wend_contact_pair(c, notice->local_index) : NULL;

    if (pair == NULL)
        return;
    const struct wend_path *path = wend_paths_chosen(&c->paths);
    const wend_duration rtt = path != NULL ? path->prober.rtt : 0;
    c->switching = (struct wend_contact_switch){.after = rtt + rtt / 2 + SWITCH_SLACK,
                                                .index = pair->box.remote_index,
                                                .first = notice->counter};
    c->switching.at = n->now + c->switching.after;
    wend_contact_settle(n, c);
}

// The answer goes both ways: the one that the peer left may be the only one that still works here.
void wend_contact_notice_switch_seen(struct wend_node *n, const struct wend_notice *notice)
{
    struct wend_contact *c = wend_contact_of(n, notice->slot);
    uint8_t body[16];
    struct wend_writer w = wend_writer_of(body, sizeof body);

    if (c == NULL || wend_contact_pair(c, notice->local_index) == NULL || c->sending == 0)
        return;
    wend_attribute_put_switch_seen(
        &w, (struct wend_switch_seen){.index = notice->local_index, .first = notice->counter});
    wend_contact_request(n, c, WEND_CONTROL_SWITCHED,
                         (struct wend_bytes){.at = body, .len = w.len});
    wend_contact_settle(n, c);
}

void wend_contact_switched(struct wend_node *n, struct wend_contact *c,
                           const struct wend_control *in)
{
    struct wend_attributes a;
    struct wend_switch_seen seen;

    if (wend_attributes_parse(in->attributes, &a) != 0 ||
        !wend_attribute_switch_seen(a.switch_seen, &seen)) {
        wend_node_drop(n, WEND_DROP_MALFORMED);
        return;
    }
    if (seen.index == c->switching.index && seen.first == c->switching.first)
        c->switching.at = WEND_NEVER;
}

// --- Hold ---

// The relay's round trip. Before its first probe is answered: what both sides measured to it, or,
// if one has not, so much that the longest hold follows; so also on a stream, which stands still
// after a loss. A relay that is gone counts on: what it took may still be under way.
static wend_duration relay_rtt(const struct wend_node *n, struct wend_contact *c)
{
    const struct wend_prober *prober = &c->paths.path[WEND_PATHS_RELAY].prober;
    const wend_duration ours = n->leg_made ? wend_leg_rtt_least(&n->leg) : 0;

    if (c->channel == 0)
        return c->relay_rtt;
    if (n->route.transport != WEND_TRANSPORT_UDP)
        c->relay_rtt = WEND_S(1);
    else if (wend_prober_is_up(prober) && prober->rtt > 0)
        c->relay_rtt = prober->rtt;
    else
        c->relay_rtt = ours > 0 && c->their_server_rtt > 0 ? ours + c->their_server_rtt : WEND_S(1);
    return c->relay_rtt;
}

// What came by the faster way waits for what was sent by the slower one before. How much longer
// that takes is at most its whole round trip, for nobody knows how a round trip divides; a LEAVE
// ends the wait long before. A direct path is seldom behind the relay by more than what its round
// trip is longer, and when it has died, that is all that is waited. 0: nothing is known.
static wend_duration hold_of(const struct wend_node *n, struct wend_contact *c,
                             wend_duration *ret_relay)
{
    const struct wend_prober *prober = &c->paths.path[WEND_PATHS_RELAY].prober;
    const wend_duration relay = relay_rtt(n, c);
    wend_duration direct = 0, most = relay;

    if (wend_prober_is_up(prober))
        most += 4 * prober->variation;
    for (uint32_t i = 0; i < c->paths.used; i++) {
        prober = &c->paths.path[i].prober;
        if (!wend_prober_is_up(prober) || prober->rtt == 0)
            continue;
        if (prober->rtt + 4 * prober->variation > most)
            most = prober->rtt + 4 * prober->variation;
        if (prober->rtt > direct)
            direct = prober->rtt;
    }
    *ret_relay = HOLD_SLACK + (direct > relay ? direct - relay : 0);
    if (most == 0)
        return 0;
    return most + HOLD_SLACK < HOLD_MAX ? most + HOLD_SLACK : HOLD_MAX;
}

// Not worth telling: a little less.
static bool is_near(wend_duration told, wend_duration now)
{
    return told >= now && told - now <= told / 4;
}

void wend_contact_tell_hold(struct wend_node *n, struct wend_contact *c)
{
    wend_duration relay;
    const wend_duration hold = hold_of(n, c, &relay);

    if (hold == 0 || (is_near(c->told_hold, hold) && is_near(c->told_hold_relay, relay)))
        return;
    c->told_hold = hold;
    c->told_hold_relay = relay;
    wend_node_command_open(
        n, &(struct wend_command){
               .kind = WEND_COMMAND_HOLD, .slot = c->slot, .hold = hold, .hold_relay = relay});
}
