// SPDX-License-Identifier: MIT
// What came through: answers to it, and what the peer's answers prove.
#include "traverse/plan_state.h"
#include "traverse/volley_state.h"

#include <stddef.h>

#define ANSWER_TRIES 4

static void send_answer(struct wend_volley *v, struct wend_volley_heard *h, wend_instant now)
{
    const bool inside = !wend_address_same_ip(&h->remote, &v->attested);

    h->answers++;
    h->next_at = now + volley_patience(v);
    v->answers++;
    volley_queue(v, &(struct wend_volley_datagram){
                        .kind = WEND_VOLLEY_ANSWER,
                        .socket = h->socket,
                        .remote = h->remote,
                        .token = volley_token(v, inside, h->socket, h->remote.port),
                        .echo = h->token,
                    });
}

static bool may_answer(const struct wend_volley *v, const struct wend_volley_heard *h)
{
    return h->answers > 0 && h->answers < ANSWER_TRIES && v->answers < WEND_VOLLEY_ANSWERS &&
           v->state == WEND_VOLLEY_RUNNING;
}

void volley_answer_again(struct wend_volley *v, wend_instant now)
{
    for (size_t i = 0; i < WEND_VOLLEY_HEARD; i++)
        if (may_answer(v, &v->heard[i]) && v->heard[i].next_at <= now)
            send_answer(v, &v->heard[i], now);
}

wend_instant volley_answer_deadline(const struct wend_volley *v)
{
    wend_instant least = WEND_NEVER;

    for (size_t i = 0; i < WEND_VOLLEY_HEARD; i++)
        if (may_answer(v, &v->heard[i]))
            least = wend_instant_min(least, v->heard[i].next_at);
    return least;
}

static struct wend_volley_heard *find_heard(struct wend_volley *v,
                                            const struct wend_volley_hit *hit)
{
    struct wend_volley_heard *room = NULL;

    for (size_t i = 0; i < WEND_VOLLEY_HEARD; i++) {
        struct wend_volley_heard *h = &v->heard[i];
        if (h->answers > 0 && h->socket == hit->socket &&
            wend_address_equal(&h->remote, &hit->remote))
            return h;
        if (h->answers == 0 && room == NULL)
            room = h;
    }
    return room;
}

// Whether one side speaks first, from one socket, to the port of side `to` that serves everybody.
static bool is_one_sided(const struct wend_volley *v, uint8_t to)
{
    const enum wend_plan_method method = volley_stage(v)->method;

    return method == WEND_METHOD_DIRECT || method == WEND_METHOD_REVERSAL ||
           (method == WEND_METHOD_SIMULTANEOUS && volley_stage(v)->parts[to].low_ttl);
}

// A mapped port serves for answers alone: who speaks first speaks from another one.
static bool has_one_port(const struct wend_nat_model *m, const struct wend_plan_part *part)
{
    return plan_is_steady(m) || (wend_plan_is_open(m) && part->role == WEND_ROLE_LISTEN);
}

// Whether a stage's part is a socket whose port we told, with which we opened towards one address.
static bool has_opened(const struct wend_plan_part *part)
{
    return part->role == WEND_ROLE_GUESS && !part->waits && !part->blind;
}

static bool is_opened_way(const struct wend_volley *v, const struct wend_volley_hit *hit)
{
    const struct wend_address target = volley_target(v, false, volley_peer_port(v));

    return has_opened(volley_part(v)) && v->acted && hit->socket == v->socket_first &&
           wend_address_equal(&hit->remote, &target);
}

// A side with one port for everybody takes what comes to it for an answer: only who has what we
// said over the relay can have made it, and our datagrams go back the way it came. So does a fresh
// socket with what comes from where it opened to: that is the mapping by which it sends there. Not
// where we may send to some ports alone: then nothing shows that ours get there.
static bool is_answer(const struct wend_volley *v, const struct wend_volley_hit *hit)
{
    if (hit->echo != v->plan.serial || v->own.barred)
        return false;
    return is_opened_way(v, hit) || (is_one_sided(v, v->plan.own) && hit->socket == 0 &&
                                     has_one_port(&v->own, volley_part(v)));
}

static void take_at_once(struct wend_volley *v, const struct wend_volley_hit *hit, wend_instant now)
{
    const bool inside = !wend_address_same_ip(&hit->remote, &v->attested);
    const uint64_t token = volley_token(v, inside, hit->socket, hit->remote.port);

    if (v->state != WEND_VOLLEY_RUNNING)
        return;
    volley_win(v, token, v->plan.own == 1, now);
    v->hit_repeats = 3; // the peer waits for an answer still, and for word that we are there
    v->repeat_at = now + VOLLEY_REPEAT;
}

// An opener that gets this far shows the port that its offer is about.
static bool is_offer(const struct wend_volley *v, const struct wend_volley_hit *hit)
{
    return hit->kind == WEND_VOLLEY_OPENER && v->state == WEND_VOLLEY_RUNNING &&
           volley_stage(v)->method == WEND_METHOD_REVERSAL &&
           volley_part(v)->role == WEND_ROLE_FOLLOW && hit->echo == v->plan.serial;
}

static void take_offer(struct wend_volley *v, const struct wend_volley_hit *hit, wend_instant now)
{
    if (v->peer_offer.made)
        return;
    v->peer_offer = (struct wend_volley_offer){
        .made = true, .first = hit->remote.port, .last = hit->remote.port, .at = now};
    volley_work(v, now);
    volley_fire(v, now);
}

// The peer came through: answered, and our own run waits whether that does it.
static enum wend_drop take_probe(struct wend_volley *v, const struct wend_volley_hit *hit,
                                 wend_instant now)
{
    struct wend_volley_heard *h = find_heard(v, hit);
    const wend_instant pause = now + 2 * volley_patience(v);

    if (h == NULL)
        return wend_drops_add(&v->drops, WEND_DROP_QUEUE_FULL);
    const bool is_taken = is_answer(v, hit);
    const bool again = h->answers > 0;
    if (v->answers >= WEND_VOLLEY_ANSWERS || h->answers >= ANSWER_TRIES)
        return wend_drops_add(&v->drops, WEND_DROP_RATE_LIMITED);
    h->socket = hit->socket;
    h->remote = hit->remote;
    h->token = hit->token;
    if (!again || is_taken || h->next_at <= now + volley_patience(v) / 2)
        send_answer(v, h, now);
    if (v->run.aim != WEND_AIM_STEP && v->run.next_at < pause) // both scan in step, or never meet
        v->run.next_at = pause;
    if (is_taken)
        take_at_once(v, hit, now);
    return WEND_DROP_NONE;
}

// Then the peer has, or will have, that answer, and needs no other.
static bool has_answered(const struct wend_volley *v, uint16_t socket,
                         const struct wend_address *remote)
{
    for (size_t i = 0; i < WEND_VOLLEY_HEARD; i++)
        if (v->heard[i].answers > 0 && v->heard[i].socket == socket &&
            wend_address_equal(&v->heard[i].remote, remote))
            return true;
    return false;
}

// What the peer answers so has been taken by it at once (is_answer there).
static bool is_taken_already(const struct wend_volley *v, const struct wend_volley_hit *hit)
{
    const uint8_t other = 1 - v->plan.own;
    const struct wend_plan_part *part = &volley_stage(v)->parts[other];

    return hit->kind == WEND_VOLLEY_ANSWER &&
           (has_opened(part) || (is_one_sided(v, other) && has_one_port(&v->peer, part)));
}

// Over both ways: whichever comes first ends it.
static void confirm(struct wend_volley *v, const struct wend_volley_hit *hit, uint16_t socket,
                    const struct wend_address *remote, wend_instant now)
{
    if (v->hit_token == 0) {
        v->hit_token = hit->token;
        v->messages |= VOLLEY_SAY_HIT;
        v->hit_repeats = 3;
        v->early = 3;
        v->repeat_at = now + VOLLEY_EARLY;
    }
    if (v->answers >= WEND_VOLLEY_ANSWERS || has_answered(v, socket, remote) ||
        is_taken_already(v, hit))
        return;
    v->answers++;
    volley_queue(v, &(struct wend_volley_datagram){
                        .kind = WEND_VOLLEY_CONFIRM,
                        .socket = socket,
                        .remote = *remote,
                        .echo = hit->token,
                    });
}

static enum wend_drop take_answer(struct wend_volley *v, const struct wend_volley_hit *hit,
                                  wend_instant now)
{
    uint16_t socket;
    struct wend_address remote;

    if (!volley_open_token(v, hit->echo, &socket, &remote))
        return wend_drops_add(&v->drops, WEND_DROP_BAD_MAC);
    volley_win(v, hit->echo, v->plan.own == (hit->kind == WEND_VOLLEY_ANSWER ? 0 : 1), now);
    // Of several pairs that work only the one we hold: the peer takes what is confirmed.
    if (hit->kind == WEND_VOLLEY_ANSWER && v->won_socket == socket &&
        wend_address_equal(&v->won_remote, &remote))
        confirm(v, hit, socket, &remote, now);
    return WEND_DROP_NONE;
}

enum wend_drop wend_volley_hit(struct wend_volley *v, const struct wend_volley_hit *hit,
                               wend_instant now)
{
    if (v->state != WEND_VOLLEY_RUNNING && v->state != WEND_VOLLEY_STATE_WON)
        return wend_drops_add(&v->drops, WEND_DROP_EXPIRED);
    if (hit->socket >= v->socket_next)
        return wend_drops_add(&v->drops, WEND_DROP_MALFORMED);
    if (!wend_address_same_ip(&hit->remote, &v->attested) &&
        !wend_address_same_ip(&hit->remote, &v->inside))
        return wend_drops_add(&v->drops, WEND_DROP_WRONG_SOURCE);
    switch (hit->kind) {
    case WEND_VOLLEY_OPENER:
        if (is_offer(v, hit)) {
            take_offer(v, hit, now);
            return WEND_DROP_NONE;
        }
        return take_probe(v, hit, now);
    case WEND_VOLLEY_PROBE: return take_probe(v, hit, now);
    case WEND_VOLLEY_ANSWER:
    case WEND_VOLLEY_CONFIRM: return take_answer(v, hit, now);
    case WEND_VOLLEY_BRACKET: break;
    }
    return wend_drops_add(&v->drops, WEND_DROP_UNKNOWN_TYPE);
}
