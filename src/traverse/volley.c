// SPDX-License-Identifier: MIT
// A volley's life: start, stages, end. The called side conducts; see volley.h.
#include "traverse/volley.h"

#include "base/assert.h"
#include "base/print.h"
#include "traverse/volley_state.h"

#include <errno.h>
#include <string.h>

// --- ends ---

static void give_back(struct wend_volley *v)
{
    if (v->limits != NULL)
        wend_volley_limits_leave(v->limits, v->sockets_held);
    v->limits = NULL;
    v->sockets_held = 0;
}

static void fall_silent(struct wend_volley *v)
{
    v->run.aim = WEND_AIM_NONE;
    v->messages &= VOLLEY_SAY_HIT | VOLLEY_SAY_STOP;
}

void volley_end(struct wend_volley *v, uint16_t code, const char *reason)
{
    wend_print(v->reason, sizeof v->reason, "%s", reason);
    v->state = WEND_VOLLEY_STATE_OVER;
    v->stop_code = code;
    v->messages = VOLLEY_SAY_STOP;
    v->events |= VOLLEY_TELL_CLOSE | VOLLEY_TELL_OVER;
    v->events &= (uint8_t)~VOLLEY_TELL_OPEN;
    v->won_socket = 0;
    v->queue_len = 0;
    fall_silent(v);
    give_back(v);
}

void volley_win(struct wend_volley *v, uint64_t token, bool by_first, wend_instant now)
{
    uint16_t socket;
    struct wend_address remote;

    if (!volley_open_token(v, token, &socket, &remote))
        return;
    if (v->state == WEND_VOLLEY_STATE_WON && (v->won_by_first || !by_first))
        return;
    const bool same = v->state == WEND_VOLLEY_STATE_WON && v->won_socket == socket &&
                      wend_address_equal(&v->won_remote, &remote);
    if (v->state != WEND_VOLLEY_STATE_WON)
        v->settle_at = now + WEND_VOLLEY_LINGER + v->rtt;
    v->state = WEND_VOLLEY_STATE_WON;
    v->won_socket = socket;
    v->won_remote = remote;
    v->won_by_first = by_first;
    if (!same)
        v->events |= VOLLEY_TELL_WON;
    fall_silent(v);
}

static void settle(struct wend_volley *v)
{
    v->state = WEND_VOLLEY_SETTLED;
    v->messages = 0;
    v->events |= VOLLEY_TELL_CLOSE;
    give_back(v);
}

void wend_volley_refuse(struct wend_volley *v, const char *reason, wend_instant now)
{
    (void)now;
    if (v->state == WEND_VOLLEY_RUNNING)
        volley_end(v, WEND_VOLLEY_REFUSED, reason);
}

void wend_volley_close(struct wend_volley *v)
{
    give_back(v);
    memset(v, 0, sizeof *v);
}

// --- stages ---

void volley_enter(struct wend_volley *v, uint8_t stage, uint8_t round, wend_instant now)
{
    v->stage = stage;
    v->round = round;
    v->acted = v->opened = v->opened_spare = v->has_go = false;
    v->begun = now;
    v->begin_at = v->act_at = v->again_at = v->wait_until = 0;
    v->round_end = now + volley_stage(v)->length + 3 * v->rtt;
    v->offer = v->peer_offer = v->peer_before = (struct wend_volley_offer){0};
    memset(v->sampled, 0, sizeof v->sampled);
    v->run = (struct wend_volley_run){0};
    v->messages |= VOLLEY_SAY_STILL;
    v->messages &= (uint8_t) ~(VOLLEY_SAY_OFFER | VOLLEY_SAY_GO);
    v->early = 3;
    v->repeat_at = now + VOLLEY_EARLY;
    v->socket_first = v->socket_next;
    v->socket_count = volley_part(v)->sockets;
    if (v->socket_next + v->socket_count > WEND_VOLLEY_SOCKETS)
        v->socket_count = (uint16_t)(WEND_VOLLEY_SOCKETS - v->socket_next);
    if (!wend_volley_limits_sockets(v->limits, v->socket_count)) {
        volley_end(v, WEND_VOLLEY_BUSY, "too many sockets are in use for other peers");
        return;
    }
    v->sockets_held += v->socket_count;
    v->socket_next = (uint16_t)(v->socket_next + v->socket_count);
    if (v->socket_count > 0)
        v->events |= VOLLEY_TELL_OPEN;
}

static void advance(struct wend_volley *v, wend_instant now)
{
    if (v->round + 1 < volley_stage(v)->rounds)
        volley_enter(v, v->stage, v->round + 1, now);
    else if (v->stage + 1 < v->plan.stage_count)
        volley_enter(v, v->stage + 1, 0, now);
    else
        volley_end(v, WEND_VOLLEY_GAVE_UP, "everything planned was tried, nothing came through");
}

static bool is_attested(const struct wend_volley_setup *s)
{
    if (s->attested.family == WEND_FAMILY_NONE || !wend_address_is_usable(&s->attested))
        return false;
    return s->peer->serial == 0 || s->peer->udp == WEND_NAT_NO ||
           wend_address_same_ip(&s->attested, &s->peer->public);
}

int wend_volley_start(struct wend_volley *v, const struct wend_volley_setup *setup,
                      struct wend_volley_limits *limits, wend_instant now)
{
    wend_assert(v->state == WEND_VOLLEY_IDLE && setup->plan->reason != NULL);
    if (setup->plan->outcome == WEND_PLAN_TRY && !is_attested(setup))
        return -EPERM;
    if (!wend_volley_limits_enter(limits))
        return -EBUSY;
    *v = (struct wend_volley){
        .state = WEND_VOLLEY_RUNNING,
        .plan = *setup->plan,
        .own = *setup->own,
        .peer = *setup->peer,
        .attested = setup->attested,
        .inside = setup->inside,
        .rtt = setup->rtt,
        .ttl = setup->ttl,
        .limits = limits,
        .socket_next = 1,
        .heard_at = now + 2 * setup->rtt, // the peer may have the models later than we
        .taken_since = now,
        .parked = setup->parked,
    };
    memcpy(v->key, setup->key, sizeof v->key);
    if (v->plan.outcome != WEND_PLAN_TRY) {
        volley_end(v, WEND_VOLLEY_NO_PLAN, v->plan.reason);
        return 0;
    }
    volley_enter(v, 0, 0, now);
    volley_work(v, now);
    volley_fire(v, now);
    return 0;
}

void wend_volley_await(struct wend_volley *v, wend_instant now)
{
    if (v->state == WEND_VOLLEY_RUNNING && !v->heard_peer)
        v->heard_at = now + 2 * v->rtt;
}

void wend_volley_ask_port(struct wend_volley *v, uint16_t port)
{
    if (v->state != WEND_VOLLEY_RUNNING || !volley_is_called(v) || port == 0)
        return;
    v->aim_port = port;
    v->messages |= VOLLEY_SAY_AIM;
}

// --- inputs ---

int wend_volley_socket_ready(struct wend_volley *v, uint16_t number, uint16_t port,
                             wend_instant now)
{
    if (v->state != WEND_VOLLEY_RUNNING || number == 0 || number >= v->socket_next || port == 0)
        return -ENOENT;
    v->ports[number] = port;
    volley_work(v, now);
    volley_fire(v, now);
    return 0;
}

int wend_volley_sampled(struct wend_volley *v, uint8_t server, uint16_t socket,
                        const struct wend_address *mapped, wend_instant now)
{
    if (v->state != WEND_VOLLEY_RUNNING || server > 1 || v->socket_count == 0 ||
        socket != v->socket_first || !v->acted || v->sampled[server] != 0 || mapped->port == 0)
        return -ESTALE;
    if (!wend_address_same_ip(mapped, &v->own.public)) {
        volley_end(v, WEND_VOLLEY_CHANGED, "our own public address is no longer the model's");
        return 0;
    }
    v->sampled[server] = mapped->port;
    volley_work(v, now);
    volley_fire(v, now);
    return 0;
}

// --- time ---

static void repeat(struct wend_volley *v, wend_instant now)
{
    if (now < v->repeat_at)
        return;
    v->repeat_at = now + (v->early > 0 ? VOLLEY_EARLY : VOLLEY_REPEAT);
    if (v->early > 0)
        v->early--;
    if (v->state == WEND_VOLLEY_STATE_WON && v->hit_repeats > 0) {
        v->hit_repeats--;
        v->messages |= v->hit_token != 0 ? VOLLEY_SAY_HIT : VOLLEY_SAY_STILL;
    }
    if (v->state != WEND_VOLLEY_RUNNING)
        return;
    if (v->offer.made)
        v->messages |= VOLLEY_SAY_OFFER;
    if (v->has_go && (volley_part(v)->role == WEND_ROLE_FAN ||
                      (volley_stage(v)->together && volley_is_called(v))))
        v->messages |= VOLLEY_SAY_GO;
    if (!(v->messages & (VOLLEY_SAY_OFFER | VOLLEY_SAY_GO)))
        v->messages |= VOLLEY_SAY_STILL;
}

static void expire_running(struct wend_volley *v, wend_instant now)
{
    if (now >= v->heard_at + WEND_VOLLEY_SILENCE) {
        volley_end(v, WEND_VOLLEY_GAVE_UP, "the peer no longer confirms over the relay");
        return;
    }
    if (volley_is_called(v) && v->heard_peer && now >= v->round_end)
        advance(v, now);
    volley_work(v, now);
    volley_fire(v, now);
    volley_answer_again(v, now);
}

void wend_volley_expire(struct wend_volley *v, wend_instant now)
{
    if (v->state == WEND_VOLLEY_STATE_WON && now >= v->settle_at)
        settle(v);
    if (v->state == WEND_VOLLEY_RUNNING)
        expire_running(v, now);
    if (v->state == WEND_VOLLEY_RUNNING || v->state == WEND_VOLLEY_STATE_WON)
        repeat(v, now);
}

wend_instant wend_volley_deadline(const struct wend_volley *v)
{
    wend_instant least = WEND_NEVER;

    if (v->state == WEND_VOLLEY_STATE_WON)
        return v->hit_repeats > 0 ? wend_instant_min(v->settle_at, v->repeat_at) : v->settle_at;
    if (v->state != WEND_VOLLEY_RUNNING)
        return WEND_NEVER;
    least = wend_instant_min(v->heard_at + WEND_VOLLEY_SILENCE, v->repeat_at);
    if (volley_is_called(v) && v->heard_peer)
        least = wend_instant_min(least, v->round_end);
    least = wend_instant_min(least, volley_fire_deadline(v));
    least = wend_instant_min(least, volley_part_deadline(v));
    return wend_instant_min(least, volley_answer_deadline(v));
}

// --- events ---

static bool take_event(struct wend_volley *v, enum volley_event_bit bit)
{
    const bool there = (v->events & bit) != 0;

    v->events &= (uint8_t)~bit;
    return there;
}

bool wend_volley_next_event(struct wend_volley *v, struct wend_volley_event *ret)
{
    *ret = (struct wend_volley_event){0};
    if (take_event(v, VOLLEY_TELL_OPEN))
        *ret = (struct wend_volley_event){.kind = WEND_VOLLEY_OPEN_SOCKETS,
                                          .socket = v->socket_first,
                                          .count = v->socket_count,
                                          .port = v->socket_count == 1 ? v->wished : 0};
    else if (take_event(v, VOLLEY_TELL_WON))
        *ret = (struct wend_volley_event){.kind = WEND_VOLLEY_WON,
                                          .socket = v->won_socket,
                                          .remote = v->won_remote,
                                          .reason = v->plan.reason};
    else if (take_event(v, VOLLEY_TELL_CLOSE))
        *ret =
            (struct wend_volley_event){.kind = WEND_VOLLEY_CLOSE_SOCKETS, .socket = v->won_socket};
    else if (take_event(v, VOLLEY_TELL_OVER))
        *ret = (struct wend_volley_event){.kind = WEND_VOLLEY_OVER, .reason = v->reason};
    return ret->kind != WEND_VOLLEY_EVENT_NONE;
}

void wend_volley_check(const struct wend_volley *v)
{
    wend_assert(v->queue_len <= WEND_VOLLEY_QUEUE && v->queue_head < WEND_VOLLEY_QUEUE);
    wend_assert(v->socket_next <= WEND_VOLLEY_SOCKETS && v->answers <= WEND_VOLLEY_ANSWERS);
    wend_assert((v->limits != NULL) ==
                (v->state == WEND_VOLLEY_RUNNING || v->state == WEND_VOLLEY_STATE_WON));
    if (v->state == WEND_VOLLEY_RUNNING) {
        wend_assert(v->stage < v->plan.stage_count && v->round < volley_stage(v)->rounds);
        wend_assert(v->run.sent <= v->run.count);
    }
}
