// SPDX-License-Identifier: MIT
// Path prober: decides whether one path to a peer is alive, and how fast it is.
//
// State:  NONE --start--> PROBING --answer--> VALID --silence--> SUSPECT --5 silent--> FAILED
//         PROBING --6 tries unanswered--> FAILED; an answer, however late, makes any state VALID
// Wire:   Probe, docs/protocol.md sections 3 and 7.2; modelled on ICE checks (RFC 8445 section 7)
//         and consent freshness (RFC 7675).
// Timing: PROBING sends at 0, 50, 150, 350, 750 and 1,550 ms; RFC 8445 section 14 would say 500 ms
//         apart. A path that is up is probed every 500 ms in use and every 15 s otherwise; a probe
//         unanswered after RTT + 100 ms is repeated every 100 ms, and the fifth silent one fails
//         it.
//
// Owns no socket, clock or memory. Not thread-safe. Embeddable, no destructor. A zeroed prober is
// in state NONE and does nothing.
#ifndef WEND_PATH_PROBER_H
#define WEND_PATH_PROBER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

enum wend_path_state {
    WEND_PATH_STATE_NONE = 0,
    WEND_PATH_STATE_PROBING,
    WEND_PATH_STATE_VALID,
    WEND_PATH_STATE_SUSPECT,
    WEND_PATH_STATE_FAILED,
};

enum wend_prober_pace {
    WEND_PROBER_QUIET = 0, // nobody wants the peer: no probes to a path that is up
    WEND_PROBER_STANDBY,   // every 15 s, which also keeps a NAT's mapping
    WEND_PROBER_IN_USE,    // every 500 ms
};

#define WEND_PROBER_TRIES    6
#define WEND_PROBER_SILENT   5
#define WEND_PROBER_DOUBT    2
#define WEND_PROBER_INFLIGHT 8 // probes whose answers are still recognised
#define WEND_PROBER_HISTORY  32

struct wend_prober {
    uint8_t state; // enum wend_path_state
    uint8_t pace;  // enum wend_prober_pace
    uint8_t tries; // PROBING: probes sent so far; up: probes sent since the last answer
    uint8_t place; // where the next probe goes in `sent`
    uint8_t history_len;
    bool due;                                // a probe waits to be drained
    uint32_t history;                        // newest probe in bit 0; 1: answered
    wend_instant sent[WEND_PROBER_INFLIGHT]; // 0: free or answered
    wend_instant next;                       // WEND_NEVER: nothing planned
    wend_instant heard;                      // last answer; 0: never
    wend_duration rtt;                       // smoothed; 0: not measured
    wend_duration variation;
};

// Begins (again) from nothing: the first probe goes out at `at`, what was measured is forgotten.
void wend_prober_start(struct wend_prober *p, wend_instant at);
// How often a path that is up is probed from now on.
void wend_prober_set_pace(struct wend_prober *p, enum wend_prober_pace pace, wend_instant now);

// Takes the answer to the probe that was sent at `sent`.
// Returns 0 and the path is VALID; or -ESTALE when no such probe is in flight.
int wend_prober_answer(struct wend_prober *p, wend_instant sent, wend_instant now);

// Something else has proved the path: VALID, as fast as `rtt` until it is measured, in 100 ms.
void wend_prober_prove(struct wend_prober *p, wend_duration rtt, wend_instant now);

void wend_prober_expire(struct wend_prober *p, wend_instant now);
wend_instant wend_prober_deadline(const struct wend_prober *p);
// True when a probe shall go out; `ret_sent` is the instant it carries.
bool wend_prober_next(struct wend_prober *p, wend_instant *ret_sent);

// Something else says that the path may be dead: a probe goes out at once, as after an unanswered
// one.
void wend_prober_suspect(struct wend_prober *p, wend_instant now);
// It is of no use any more: FAILED until it is started again.
void wend_prober_fail(struct wend_prober *p);
// The loss seen so far says nothing about what comes.
void wend_prober_forget_loss(struct wend_prober *p);
// Were the last 16 probes sent before the newest all answered? 16 or more since forget_loss.
bool wend_prober_is_clean(const struct wend_prober *p);

// Two probes in a row are unanswered, a third is out: user packets should not depend on it alone.
static inline bool wend_prober_is_doubtful(const struct wend_prober *p)
{
    return p->state == WEND_PATH_STATE_SUSPECT && p->tries > WEND_PROBER_DOUBT;
}

// A path on which packets arrived lately enough to be trusted with more.
static inline bool wend_prober_is_up(const struct wend_prober *p)
{
    return p->state == WEND_PATH_STATE_VALID || p->state == WEND_PATH_STATE_SUSPECT;
}

// Share of the last 32 probes that got no answer, those still in time excepted; 0 to 1.
double wend_prober_loss(const struct wend_prober *p);

#endif
