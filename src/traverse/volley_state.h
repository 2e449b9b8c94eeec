// SPDX-License-Identifier: MIT
// What the files of the volley share: volley.c (life and stages), volley_part.c (what a role does
// when), volley_fire.c (datagrams), volley_talk.c (messages), volley_hit.c (what came through).
#ifndef WEND_TRAVERSE_VOLLEY_STATE_H
#define WEND_TRAVERSE_VOLLEY_STATE_H

#include "traverse/volley.h"

#define VOLLEY_REPEAT WEND_MS(100) // of messages, but for the first few
#define VOLLEY_EARLY  WEND_MS(20)  // these

enum volley_message_bit {
    VOLLEY_SAY_OFFER = 1,
    VOLLEY_SAY_GO = 2,
    VOLLEY_SAY_STILL = 4,
    VOLLEY_SAY_HIT = 8,
    VOLLEY_SAY_AIM = 16,
    VOLLEY_SAY_STOP = 32,
};

enum volley_event_bit {
    VOLLEY_TELL_OPEN = 1,
    VOLLEY_TELL_WON = 2,
    VOLLEY_TELL_CLOSE = 4,
    VOLLEY_TELL_OVER = 8,
};

static inline const struct wend_plan_stage *volley_stage(const struct wend_volley *v)
{
    return &v->plan.stages[v->stage];
}

static inline const struct wend_plan_part *volley_part(const struct wend_volley *v)
{
    return &volley_stage(v)->parts[v->plan.own];
}

// How long an answer to a datagram may take before it counts as lost. Straight it is seldom slower
// than over the relay, and to repeat too early costs less than to be late.
static inline wend_duration volley_patience(const struct wend_volley *v)
{
    const wend_duration least = WEND_MS(6);

    return v->rtt + WEND_MS(1) > least ? v->rtt + WEND_MS(1) : least;
}

static inline bool volley_is_called(const struct wend_volley *v)
{
    return v->plan.caller != v->plan.own;
}

// volley.c
void volley_enter(struct wend_volley *v, uint8_t stage, uint8_t round, wend_instant now);
void volley_end(struct wend_volley *v, uint16_t code, const char *reason);
void volley_win(struct wend_volley *v, uint64_t token, bool by_first, wend_instant now);

// volley_part.c: does what has become possible.
void volley_work(struct wend_volley *v, wend_instant now);
wend_instant volley_part_deadline(const struct wend_volley *v);

// volley_fire.c
struct wend_address volley_target(const struct wend_volley *v, bool inside, uint16_t port);
uint16_t volley_peer_port(const struct wend_volley *v); // reported, or mapped
uint64_t volley_token(const struct wend_volley *v, bool inside, uint16_t socket, uint16_t port);
bool volley_open_token(const struct wend_volley *v, uint64_t token, uint16_t *ret_socket,
                       struct wend_address *ret_remote);
void volley_queue(struct wend_volley *v, const struct wend_volley_datagram *d);
void volley_open_towards(struct wend_volley *v, uint16_t socket, uint16_t port);
void volley_fire(struct wend_volley *v, wend_instant now); // what is due of the run
wend_instant volley_fire_deadline(const struct wend_volley *v);

// volley_hit.c
void volley_answer_again(struct wend_volley *v, wend_instant now);
wend_instant volley_answer_deadline(const struct wend_volley *v);

#endif
