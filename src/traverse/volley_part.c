// SPDX-License-Identifier: MIT
// What each role does when. volley_work runs after every input: it does what has become possible
// and was not done, so that the order in which sockets, samples and messages come does not matter.
#include "traverse/volley_state.h"

#include "base/assert.h"

#define SOCKETS_WAIT    WEND_MS(50) // a wide fan goes with the sockets that are there by then
#define BACK_TO_BACK    WEND_MS(5)  // what lies between two datagrams of a bracket, at most
#define SCAN_OTHERS_MAX 512         // mappings of other users between two samples
#define LIST_WIDE       8           // a longer list keeps the pace of probes

static bool is_ready(const struct wend_volley *v)
{
    for (uint16_t i = 0; i < v->socket_count; i++)
        if (v->ports[v->socket_first + i] == 0)
            return false;
    return true;
}

static uint16_t own_socket(const struct wend_volley *v)
{
    return v->socket_count > 0 ? v->socket_first : 0;
}

static void make_offer(struct wend_volley *v, uint16_t first, uint16_t last, wend_instant at)
{
    v->offer = (struct wend_volley_offer){.made = true, .first = first, .last = last, .at = at};
    v->messages |= VOLLEY_SAY_OFFER;
}

// --- runs ---

static void run_list(struct wend_volley *v, uint16_t socket, uint16_t base, uint16_t len,
                     wend_instant at)
{
    const struct wend_plan_part *part = volley_part(v);

    v->acted = true;
    v->run = (struct wend_volley_run){
        .aim = WEND_AIM_LIST,
        .socket = socket,
        .inside = part->inside,
        .base = base,
        .len = len,
        .count = part->count > len ? part->count : len,
        .pace = len <= LIST_WIDE ? WEND_MS(1) : WEND_PLAN_PROBE_PACE,
        .gap = volley_patience(v),
        .next_at = at,
    };
}

// How many of the peer's ports its offer names; an offer that goes further than a window is cut.
static uint16_t offered_len(const struct wend_volley *v)
{
    if (v->peer_offer.first == v->peer_offer.last)
        return 1;
    const uint32_t steps = wend_plan_steps_between(&v->peer, v->peer_offer.first,
                                                   v->peer_offer.last, WEND_PLAN_WINDOW_LEN - 1);
    return (uint16_t)(steps + 1);
}

static void run_offered(struct wend_volley *v, uint16_t socket, wend_instant now)
{
    if (v->peer_offer.made && v->run.aim == WEND_AIM_NONE)
        run_list(v, socket, v->peer_offer.first, offered_len(v), now);
}

// --- roles ---

// The called side's NAT is open before the caller's first packet gets there.
static void open_before(struct wend_volley *v, uint16_t port)
{
    if (!v->opened) {
        v->opened = true;
        volley_open_towards(v, 0, port);
    }
    if (!v->opened_spare && v->offer.made && v->peer_offer.made) {
        v->opened_spare = true;
        volley_open_towards(v, v->socket_first, v->peer_offer.first);
    }
}

static void work_probe(struct wend_volley *v, wend_instant now)
{
    const struct wend_plan_part *part = volley_part(v);
    const uint16_t port = part->inside ? v->inside.port : volley_peer_port(v);

    if (part->spare && !v->offer.made && is_ready(v))
        make_offer(v, v->ports[v->socket_first], v->ports[v->socket_first], now);
    if (part->low_ttl)
        open_before(v, port);
    if (v->acted || (part->low_ttl && !v->heard_peer) ||
        (part->inside && v->inside.family == WEND_FAMILY_NONE) || port == 0)
        return;
    if (!volley_stage(v)->together || v->has_go)
        run_list(v, 0, port, 1, volley_stage(v)->together ? v->begin_at : now);
}

static void work_open(struct wend_volley *v, wend_instant now)
{
    if (v->acted)
        return;
    v->acted = true;
    volley_open_towards(v, 0, volley_peer_port(v));
    make_offer(v, wend_plan_address(&v->own).port, wend_plan_address(&v->own).port, now);
}

static void work_guess(struct wend_volley *v, wend_instant now)
{
    const struct wend_plan_part *part = volley_part(v);
    const uint16_t socket = own_socket(v);

    if (!v->acted && is_ready(v) && (!part->waits || v->peer_offer.made)) {
        v->acted = true;
        if (!part->blind)
            volley_open_towards(v, socket, part->waits ? v->peer_offer.first : volley_peer_port(v));
        make_offer(v, v->ports[socket], v->ports[socket], now);
    }
    if (v->acted && part->blind)
        run_offered(v, socket, now);
}

static void ask_server(struct wend_volley *v, uint8_t server)
{
    volley_queue(v, &(struct wend_volley_datagram){
                        .kind = WEND_VOLLEY_BRACKET, .socket = own_socket(v), .server = server});
}

// Mappings that other users make meanwhile, by the unfavourable end, and one for luck.
static uint32_t others_within(const struct wend_volley *v, wend_duration span)
{
    const wend_duration milliseconds = span / WEND_MS(1) + 1;

    return (uint32_t)((wend_duration)v->own.rate.most * milliseconds / 100000) + 1;
}

// Between both answers lies the opener's port. With one answer alone, or answers too far apart, a
// window as wide as the other users' rate makes it.
static void offer_bracketed(struct wend_volley *v)
{
    const uint16_t before = v->sampled[0], after = v->sampled[1];
    const struct wend_nat_model *own = &v->own;
    uint32_t between = 0;

    if (before != 0 && after != 0)
        between = wend_plan_steps_between(own, before, after, WEND_PLAN_TRIES_MAX + 1);
    if (between >= 2) {
        make_offer(v, wend_plan_port_after(own, before, 1),
                   wend_plan_port_after(own, before, (int32_t)between - 1), v->act_at);
        return;
    }
    uint32_t width = others_within(v, BACK_TO_BACK);
    if (width > WEND_PLAN_WINDOW_LEN - 1)
        width = WEND_PLAN_WINDOW_LEN - 1;
    const uint16_t first = before != 0 ? wend_plan_port_after(own, before, 1)
                                       : wend_plan_port_after(own, after, -1 - (int32_t)width);
    make_offer(v, first, wend_plan_port_after(own, first, (int32_t)width), v->act_at);
}

static void work_bracket(struct wend_volley *v, wend_instant now)
{
    const struct wend_plan_part *part = volley_part(v);

    if (!v->acted && is_ready(v) && (!part->waits || v->peer_offer.made)) {
        v->acted = true;
        v->act_at = now;
        ask_server(v, 0);
        for (uint16_t i = 0; i < v->socket_count; i++)
            volley_open_towards(v, (uint16_t)(v->socket_first + i),
                                part->waits ? v->peer_offer.first : volley_peer_port(v));
        ask_server(v, 1);
    }
    const bool one = v->sampled[0] != 0 || v->sampled[1] != 0;
    const bool both = v->sampled[0] != 0 && v->sampled[1] != 0;
    if (one && v->wait_until == 0)
        v->wait_until = now + v->rtt / 2 + WEND_MS(10); // the other one was sent at the same time
    if (v->acted && !v->offer.made && (both || (one && v->wait_until <= now)))
        offer_bracketed(v);
    if (v->offer.made && part->blind)
        run_offered(v, own_socket(v), now);
}

static bool is_fresh(const struct wend_volley *v, wend_instant now)
{
    return now - v->offer.at <= WEND_VOLLEY_SAMPLE_AGE &&
           now - v->peer_offer.at <= WEND_VOLLEY_SAMPLE_AGE;
}

// What other users have surely taken of the peer's ports since its newest sample: to aim behind
// that meets sooner, and to aim too far ahead never does. Half of what they took between its two
// samples would make, for no longer than lies between those, and less for chance; else by the least
// rate of the model.
static int32_t surely_taken(const struct wend_volley *v, wend_instant at)
{
    const struct wend_volley_offer *before = &v->peer_before, *last = &v->peer_offer;
    const wend_duration age = (at - last->at) / WEND_US(1);
    const wend_duration between = (last->at - before->at) / WEND_US(1);

    if (age <= 0 || age > WEND_S(1) / WEND_US(1))
        return 0;
    if (!before->made || between < WEND_MS(5) / WEND_US(1))
        return (int32_t)((wend_duration)v->peer.rate.least * age / 100000000);
    const uint32_t steps =
        wend_plan_steps_between(&v->peer, before->first, last->first, SCAN_OTHERS_MAX);
    const wend_duration ahead = age < between ? age : between;
    const wend_duration taken = steps > 1 ? (wend_duration)(steps - 1) * ahead / between : 0;
    return taken > 3 ? (int32_t)((taken - 3) / 2) : 0;
}

// Twice: early, so that the called side can say when to begin; and as late as the peer can still
// hear of it by then. Another server, for another mapping.
static void sample_twice(struct wend_volley *v, wend_instant now)
{
    if (!v->acted && is_ready(v)) {
        v->acted = true;
        v->act_at = now;
        v->wait_until = now + v->rtt * (volley_is_called(v) ? 9 : 4) / 10;
        ask_server(v, 0);
    }
    // Not after the scan began, whose own steps would count as others'.
    const bool scans = v->run.aim != WEND_AIM_NONE;
    if (v->acted && v->again_at == 0 && !scans && now >= v->wait_until) {
        v->again_at = now;
        ask_server(v, 1);
    }
    if (v->sampled[1] != 0 && (!v->offer.made || v->offer.at != v->again_at))
        make_offer(v, v->sampled[1], v->sampled[1], v->again_at);
    else if (v->sampled[0] != 0 && !v->offer.made)
        make_offer(v, v->sampled[0], v->sampled[0], v->act_at);
}

static void work_scan(struct wend_volley *v, wend_instant now)
{
    const struct wend_plan_part *part = volley_part(v);

    sample_twice(v, now);
    if (!v->has_go || now < v->begin_at || v->run.aim != WEND_AIM_NONE || !v->peer_offer.made ||
        !v->offer.made)
        return;
    v->run = (struct wend_volley_run){
        .aim = WEND_AIM_STEP,
        .socket = own_socket(v),
        .base = wend_plan_port_after(&v->peer, v->peer_offer.first, 1 + surely_taken(v, now)),
        .step = part->step,
        .count = part->count,
        .pace = part->pace,
        .next_at = now,
    };
}

static wend_instant scan_deadline(const struct wend_volley *v)
{
    if (v->run.aim != WEND_AIM_NONE)
        return WEND_NEVER;
    if (v->acted && v->again_at == 0)
        return v->wait_until;
    return v->has_go && v->peer_offer.made && v->offer.made ? v->begin_at : WEND_NEVER;
}

static void work_fan(struct wend_volley *v, wend_instant now)
{
    const struct wend_plan_part *part = volley_part(v);
    const wend_duration lasts = (part->first != 0 ? part->first : part->count) * part->pace;

    if (v->acted || (!is_ready(v) && now < v->begun + SOCKETS_WAIT))
        return;
    v->acted = true;
    v->has_go = true;
    v->begin_at = now + (lasts > v->rtt / 2 ? lasts - v->rtt / 2 : 0); // of what arrives later
    v->messages |= VOLLEY_SAY_GO;
    v->run = (struct wend_volley_run){
        .aim = WEND_AIM_FAN,
        .socket = v->socket_first,
        .base = volley_peer_port(v),
        .ttl = part->low_ttl ? v->ttl : 0,
        .count = part->count,
        .len = part->first,
        .pace = part->pace,
        .gap = part->pause,
        .next_at = now,
    };
}

static void work_rain(struct wend_volley *v)
{
    const struct wend_plan_part *part = volley_part(v);

    if (v->acted || !v->has_go)
        return;
    v->acted = true;
    v->run = (struct wend_volley_run){
        .aim = WEND_AIM_RANGE,
        .socket = own_socket(v),
        .low = part->low,
        .high = part->high,
        .count = part->count,
        .pace = part->pace,
        .next_at = v->begin_at,
    };
}

static void work_window(struct wend_volley *v, wend_instant now)
{
    const struct wend_plan_part *part = volley_part(v);
    const int32_t centre = volley_peer_port(v) + v->peer.delta;

    if (v->acted)
        return;
    v->acted = true;
    v->run = (struct wend_volley_run){
        .aim = WEND_AIM_WINDOW,
        .base = (uint16_t)(centre - WEND_PLAN_WINDOW_BACK + v->round * WEND_PLAN_WINDOW_LEN),
        .count = part->count,
        .pace = part->pace,
        .next_at = now,
    };
}

// The called side's GO: once both can begin.
static void say_go(struct wend_volley *v, wend_instant now)
{
    const bool scans = volley_part(v)->role == WEND_ROLE_SCAN;

    if (!volley_stage(v)->together || !volley_is_called(v) || v->has_go)
        return;
    if (scans && !(v->offer.made && v->peer_offer.made && is_fresh(v, now)))
        return;
    v->has_go = true;
    v->begin_at = now + v->rtt / 2;
    v->messages |= VOLLEY_SAY_GO;
}

void volley_work(struct wend_volley *v, wend_instant now)
{
    if (v->state != WEND_VOLLEY_RUNNING || v->parked)
        return;
    say_go(v, now);
    switch (volley_part(v)->role) {
    case WEND_ROLE_LISTEN: return;
    case WEND_ROLE_PROBE: work_probe(v, now); return;
    case WEND_ROLE_FOLLOW: run_offered(v, 0, now); return;
    case WEND_ROLE_OPEN: work_open(v, now); return;
    case WEND_ROLE_GUESS: work_guess(v, now); return;
    case WEND_ROLE_BRACKET: work_bracket(v, now); return;
    case WEND_ROLE_SCAN: work_scan(v, now); return;
    case WEND_ROLE_FAN: work_fan(v, now); return;
    case WEND_ROLE_RAIN: work_rain(v); return;
    case WEND_ROLE_WINDOW: work_window(v, now); return;
    }
}

wend_instant volley_part_deadline(const struct wend_volley *v)
{
    const enum wend_plan_role role = volley_part(v)->role;

    if (v->parked)
        return WEND_NEVER;
    if (role == WEND_ROLE_SCAN)
        return scan_deadline(v);
    if (role == WEND_ROLE_BRACKET && v->acted && !v->offer.made && v->wait_until != 0)
        return v->wait_until;
    return role == WEND_ROLE_FAN && !v->acted ? v->begun + SOCKETS_WAIT : WEND_NEVER;
}
