// SPDX-License-Identifier: MIT
// One attempt of two devices to go straight: when each knew of the other's NAT, when each had proof
// that the other hears it, and what was sent in between.
//
//   session with the peer --> holds its model --probes--> authenticated answer over a direct path
//
// An answer is what only who has something of ours can have made: a probe's, or towards a side with
// one port for everybody the first datagram that names the plan of this call (traverse/volley.h).
//
// A device holds its peer's model from the moment on when it may seal to it: nothing of a model can
// have come earlier, so this counts rather more than it should than less. Observed from outside,
// whatever the machines do inside.
#ifndef WEND_SIM_TALLY_H
#define WEND_SIM_TALLY_H

#include "base/datagram.h"
#include "base/time.h"

struct sim_world;
struct sim_device;

#define SIM_TALLY_DEVICES 2

struct sim_tally_sent {
    uint32_t peer;      // towards the other device: not to a server, not a user's
    uint32_t relay;     // to a server, and no question about our addresses
    uint32_t discovery; // to a server: STUN
    uint32_t user;      // packets of users, either way
};

struct sim_tally {
    wend_instant model[SIM_TALLY_DEVICES];    // 0: does not hold it
    wend_instant answered[SIM_TALLY_DEVICES]; // 0: not
    wend_instant last;                        // datagram towards a peer; 0: none
    struct sim_tally_sent sent[SIM_TALLY_DEVICES];
};

void sim_tally_begin(struct sim_tally *t);
void sim_tally_model(struct sim_tally *t, uint16_t device, wend_instant now);
void sim_tally_datagram(struct sim_tally *t, uint16_t device, const struct wend_datagram *out,
                        bool user, wend_instant now);
// A datagram has come to the device, and its machines have seen it.
void sim_tally_heard(struct sim_tally *t, const struct sim_world *w, const struct sim_device *d,
                     const struct wend_address *from);

static inline bool sim_tally_is_done(const struct sim_tally *t)
{
    return t->answered[0] != 0 && t->answered[1] != 0;
}

// When the clock starts: both hold a model; WEND_NEVER: not yet.
static inline wend_instant sim_tally_start(const struct sim_tally *t)
{
    if (t->model[0] == 0 || t->model[1] == 0)
        return WEND_NEVER;
    return t->model[0] > t->model[1] ? t->model[0] : t->model[1];
}

#endif
