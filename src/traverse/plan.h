// SPDX-License-Identifier: MIT
// Planner: from the NAT models of two devices, what each of them does to get a direct path.
//
// Flow:   both models (nat_model.h) --wend_plan_make--> plan --carried out by--> volley.h
// Mirror: both sides compute the same plan from the same two models; only `own` differs. Parts are
//         indexed by key order: parts[0] is the side with the smaller public key.
// Plan:   one or more stages, tried in turn. In a stage each side has a part: a role, counts, pace.
//         A plan without stages says by its outcome why nothing is tried; the relay stays.
//
// How the stages reach a port (`known`: the peer's port is the same for everybody, or peculiar to a
// fresh socket and can be told; `predictable`: sequential; `hidden`: random or in a block):
//   DIRECT        one side takes packets from anybody: the other speaks first
//   SIMULTANEOUS  both known: both speak at the same instant, so that each NAT meets its own
//                 side's packet first; a spare pair of fresh sockets if a mapping was stolen
//   REVERSAL      one known and filtering by address alone: it sends an opener, the other speaks
//   GUESS         a fresh socket, whose NAT preserves ports
//   BRACKET       a fresh socket asks server 1, opens, asks server 2: the port lies between
//   SCAN          both predictable: steps of 1 and 2 through each other's sequence meet whatever
//                 the other users of both NATs do (Klinec and Matyas 2014); equal steps never do
//   SPREAD        one hidden: N openers from N sockets, then M probes at ports drawn from its
//                 range; the chance to miss is (1-N/R)(1-N/(R-1))...(M factors). Probes go
//                 between ports that were seen: what is found there does not depend on how far the
//                 range goes beyond
//   WINDOW        nothing better known: reported port + differential, -16 to +32, moving
//   REPORTED      last resort: the reported port itself
// Reach: a hidden port is out of reach when neither mapping is endpoint-independent, one side
//        filters by address and port, and the other is not both address-dependent in mapping and
//        filtering by address at most: whatever is hit, its answer leaves from another port.
// Pure functions.
#ifndef WEND_TRAVERSE_PLAN_H
#define WEND_TRAVERSE_PLAN_H

#include "traverse/nat_model.h"

#define WEND_PLAN_STAGES_MAX  6
#define WEND_PLAN_SOCKETS_MAX 690 // of one side in one stage
#define WEND_PLAN_PROBES_MAX  780
#define WEND_PLAN_SCAN_MAX    95 // steps a side and round: two rounds and the answers within 400
#define WEND_PLAN_WINDOW_BACK 16
#define WEND_PLAN_WINDOW_LEN  48
#define WEND_PLAN_TRIES_MAX   8            // probes at a bracketed port
#define WEND_PLAN_PROBE_PACE  WEND_MS(5)   // 200 a second
#define WEND_PLAN_SCAN_PACE   WEND_US(250) // of 0.25 to 0.5 ms: others take less meanwhile
#define WEND_PLAN_OPENER_PACE WEND_US(100)

enum wend_plan_outcome {
    WEND_PLAN_NONE = 0,
    WEND_PLAN_TRY,
    WEND_PLAN_NOT_SOUND,    // a model contradicts itself
    WEND_PLAN_UDP_BLOCKED,  // one side gets no UDP at all
    WEND_PLAN_POOLING,      // mappings leave from changing addresses
    WEND_PLAN_OUT_OF_REACH, // no packet of one side can pass the other's filter and be answered
};

enum wend_plan_method {
    WEND_METHOD_NONE = 0,
    WEND_METHOD_SAME_NAT,
    WEND_METHOD_DIRECT,
    WEND_METHOD_SIMULTANEOUS,
    WEND_METHOD_REVERSAL,
    WEND_METHOD_GUESS,
    WEND_METHOD_BRACKET,
    WEND_METHOD_SCAN,
    WEND_METHOD_SPREAD,
    WEND_METHOD_WINDOW,
    WEND_METHOD_REPORTED,
};

enum wend_plan_role {
    WEND_ROLE_LISTEN = 0, // and answers, like everybody
    WEND_ROLE_PROBE,      // probes the peer's known address, again while nothing comes
    WEND_ROLE_FOLLOW,     // waits for the peer's offer and probes the ports in it
    WEND_ROLE_OPEN,       // one opener from the main socket, then offers its reported port
    WEND_ROLE_GUESS,      // fresh socket: opener, offers the socket's own port
    WEND_ROLE_BRACKET,    // fresh socket: request, opener, request; offers what lies between
    WEND_ROLE_SCAN,       // fresh socket: two samples, offers, then `count` steps on GO
    WEND_ROLE_FAN,        // `count` fresh sockets, one opener each, GO
    WEND_ROLE_RAIN,       // on GO `count` probes at ports drawn from low..high, from `sockets`
    WEND_ROLE_WINDOW,     // `count` probes around the peer's port, the window moves each round
};

struct wend_plan_part {
    enum wend_plan_role role;
    bool waits;         // GUESS, BRACKET: acts upon the peer's offer, and opens towards its port
    bool blind;         // GUESS: offers without an opener, the peer's port is not known yet
    bool spare;         // PROBE: a fresh socket besides, should a mapping have been stolen
    bool low_ttl;       // openers must not reach the peer's NAT, whose mapping they would steal;
                        // FAN: those of the first step, later ones meet what was probed already;
                        // PROBE begins with one; with two sockets the second one's does, for
                        // NATs within others
    bool twin;          // PROBE: the first one goes twice, should one be lost
    bool inside;        // PROBE: the peer's inside address (same NAT)
    uint16_t sockets;   // fresh ones
    uint16_t count;     // datagrams of the role in one round, answers apart
    uint16_t first;     // FAN, RAIN: so many of them, then a pause, the others; 0: no pause
    uint16_t low, high; // RAIN: range of the peer's ports
    int32_t step;       // SCAN: how the aim moves, in multiples of the peer's delta
    wend_duration pace;
    wend_duration pause; // FAN: after `first`
};

struct wend_plan_stage {
    enum wend_plan_method method;
    uint8_t rounds;
    bool together;        // the called side's GO sets the instant at which both begin
    wend_duration length; // of a round, without the round trips in it
    struct wend_plan_part parts[2];
};

struct wend_plan {
    enum wend_plan_outcome outcome;
    uint8_t own, caller;    // indices of parts
    uint32_t serial;        // the same on both sides: of the two models and the call
    uint32_t datagrams_max; // both sides together, all stages and rounds, answers included
    uint8_t stage_count;
    struct wend_plan_stage stages[WEND_PLAN_STAGES_MAX];
    const char *reason; // one line, never NULL after wend_plan_make
};

struct wend_plan_input {
    const struct wend_nat_model *own, *peer;
    bool own_first; // our public key is the smaller one
    bool calling;   // we called
    uint32_t call;  // a number both sides have for this call: tells a repetition from the first
};

// Always leaves a plan: with stages (outcome TRY), or with an outcome that says why not.
void wend_plan_make(struct wend_plan *ret, const struct wend_plan_input *in);

const char *wend_plan_method_name(enum wend_plan_method method);

// Whether a model can be true: enums in range, least <= likely <= most, ports within 1 to 65,535,
// bounds in order, a delta where there is a sequence, rates below 10,000 a second, a public address
// where something translates. An unknown model (serial 0) is sound.
bool wend_plan_is_sound(const struct wend_nat_model *m);

// Takes packets from anybody: mapped, or no NAT or an endpoint-independent one without filtering.
bool wend_plan_is_open(const struct wend_nat_model *m);
// Where anybody, or the peer, reaches its main socket.
struct wend_address wend_plan_address(const struct wend_nat_model *m);

// The port that a sequential NAT gives `n` mappings after the one at `from` (negative: before).
// Where the bounds are not known, ports above 1,023 stay there.
uint16_t wend_plan_port_after(const struct wend_nat_model *m, uint16_t from, int32_t n);
// How many mappings after `from` the port `to` comes, 1 to `most`; 0: not among them.
uint32_t wend_plan_steps_between(const struct wend_nat_model *m, uint16_t from, uint16_t to,
                                 uint32_t most);

// Least N so that N sockets and N probes over `range` ports miss in at most `miss_ppm` of
// 1,000,000 cases, at most `cap`.
uint32_t wend_plan_equal_split(uint32_t range, uint32_t miss_ppm, uint32_t cap);
// Least number of probes for a given number of sockets, at most `cap`.
uint32_t wend_plan_probes_for(uint32_t range, uint32_t sockets, uint32_t miss_ppm, uint32_t cap);

#endif
