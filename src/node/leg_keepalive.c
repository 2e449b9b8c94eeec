// SPDX-License-Identifier: MIT
// Keepalives: what keeps a NAT's mapping open and brings news, when nothing else is said.
// docs/protocol.md section 4.1.
//
// One for each lifetime of the mapping, and most of them are not answered: NEWS_ONLY says what we
// have, and only a server that sees something else has to speak. Every tenth is answered in any
// case, and so is one that tells another interval than the server counts on: it calls us offline
// by that.
#include "node/leg_state.h"

#define BEHIND_NAT   WEND_S(25)
#define OPEN         WEND_S(110) // nothing to keep open: only what the server counts on
#define ON_STREAM    WEND_S(15 * 60)
#define FIRST_UDP    WEND_S(25) // until the server knows what to count on
#define FIRST_STREAM WEND_S(60)
#define SHORTEST     WEND_S(5)
#define LONGEST      WEND_S(20 * 60) // the server waits for an hour at most
#define ANSWERED     10              // every so manyth
#define PATIENCE     WEND_S(10)

static bool on_stream(const struct wend_leg *leg)
{
    return leg->search.route.transport == WEND_TRANSPORT_TCP;
}

// What the way in use calls for.
static wend_duration wanted(const struct wend_leg *leg)
{
    const wend_duration lifetime = leg->upkeep.mapping_lifetime;

    if (on_stream(leg))
        return ON_STREAM;
    if (lifetime != 0 && !leg->upkeep.is_open)
        return lifetime < SHORTEST ? SHORTEST : wend_instant_min(lifetime, LONGEST);
    return leg->upkeep.is_open ? OPEN : BEHIND_NAT;
}

wend_duration wend_leg_interval(const struct wend_leg *leg)
{
    const wend_duration interval = wanted(leg);

    if (leg->interval_told == interval)
        return interval;
    return wend_instant_min(interval, on_stream(leg) ? FIRST_STREAM : FIRST_UDP);
}

void wend_leg_set_upkeep(struct wend_leg *leg, const struct wend_leg_upkeep *upkeep)
{
    const wend_duration before = wend_leg_interval(leg);

    leg->upkeep = *upkeep;
    const wend_duration after = wend_leg_interval(leg);
    // A longer one counts from the next Keepalive on, which tells it.
    if (leg->keepalive_at != WEND_NEVER && after < before)
        leg->keepalive_at -= before - after;
}

void wend_leg_keepalive_begin(struct wend_leg *leg, wend_instant now)
{
    if (!leg->config.keepalive)
        return;
    leg->interval_told = 0;
    leg->quiet = 0;
    leg->keepalive_at = now + wend_leg_interval(leg);
}

// Says false when one is waiting for its answer; one that nobody waits for gives way.
static bool make_room(struct wend_leg *leg)
{
    for (size_t i = 0; i < leg->slot_high; i++) {
        struct wend_leg_slot *slot = &leg->slots[i];
        if (slot->id == 0 || slot->type != WEND_CONTROL_KEEPALIVE)
            continue;
        if (!slot->once)
            return false;
        slot->id = 0;
    }
    return true;
}

static void put_what_we_have(const struct wend_leg *leg, struct wend_writer *w)
{
    const struct wend_leg_upkeep *u = &leg->upkeep;

    if (leg->observed.family != WEND_FAMILY_NONE)
        wend_attribute_put_address(w, &leg->observed);
    if (u->position.epoch != 0)
        wend_attribute_put_position(w, u->position);
    wend_attribute_put_u64(w, WEND_ATTRIBUTE_REVOCATION_SERIAL, u->revocation_serial);
    wend_attribute_put_u64(w, WEND_ATTRIBUTE_NETWORK_SERIAL, u->network_serial);
}

void wend_leg_keep_alive(struct wend_leg *leg, bool sure, wend_instant now)
{
    uint8_t body[128];
    struct wend_writer w = wend_writer_of(body, sizeof body);
    uint32_t id = 0;

    leg->keepalive_at = now + wend_leg_interval(leg);
    if (!wend_leg_is_up(leg) || !make_room(leg))
        return;
    wend_session_sent(&leg->session, true, now); // raises REKEY when the session is old
    wend_leg_take_session_events(leg, now);
    leg->interval_asked = wanted(leg);
    sure = sure || leg->interval_asked != leg->interval_told || leg->quiet + 1 >= ANSWERED;
    leg->quiet = sure ? 0 : leg->quiet + 1;
    put_what_we_have(leg, &w);
    wend_attribute_put_u32(&w, WEND_ATTRIBUTE_LIFETIME,
                           (uint32_t)(leg->interval_asked / WEND_S(1)));
    if (!sure)
        wend_attribute_put_flag(&w, WEND_ATTRIBUTE_NEWS_ONLY);
    if (wend_leg_request(leg, WEND_CONTROL_KEEPALIVE, (struct wend_bytes){.at = body, .len = w.len},
                         sure ? PATIENCE : WEND_NEVER, &id) == 0)
        wend_leg_find_slot(leg, id)->once = !sure;
}

void wend_leg_keepalive_answered(struct wend_leg *leg, wend_instant sent)
{
    leg->interval_told = leg->interval_asked;
    leg->keepalive_at = sent + wend_leg_interval(leg);
}

// Of a request that was sent more than once nobody knows which copy was answered.
void wend_leg_keepalive_proves(struct wend_leg *leg, const struct wend_leg_slot *slot,
                               struct wend_bytes address_value)
{
    struct wend_nat_proof p = {.sent = slot->sent, .before = leg->observed, .seen = leg->observed};

    if (leg->search.route.transport != WEND_TRANSPORT_UDP || slot->tries != 1 || slot->repeated)
        return;
    (void)wend_attribute_address(address_value, &p.seen); // without it: as we said
    leg->proof = p;
}

bool wend_leg_take_proof(struct wend_leg *leg, struct wend_nat_proof *ret)
{
    const bool there = leg->proof.sent != 0;

    if (there)
        *ret = leg->proof;
    leg->proof.sent = 0;
    return there;
}
