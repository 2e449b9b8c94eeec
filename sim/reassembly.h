// SPDX-License-Identifier: MIT
// What the hosts' kernels do with fragments of IPv4: a packet is given on when all of it is there.
//
// One table for all hosts of a world. A packet whose rest does not come within two seconds is
// forgotten, and so is the oldest when the table is full.
#ifndef WEND_SIM_REASSEMBLY_H
#define WEND_SIM_REASSEMBLY_H

#include "base/bytes.h"
#include "base/time.h"

#define SIM_REASSEMBLY_MAX 64
#define SIM_REASSEMBLY_LEN 2048 // of a packet put together

struct sim_puzzle {
    bool used;
    uint16_t host, id;
    uint8_t key[9]; // protocol, source, destination
    wend_instant since;
    uint16_t end; // length of the payload; 0: the last piece is not there
    uint16_t sum; // of the pieces' payloads
    bool have[SIM_REASSEMBLY_LEN / 8];
    uint8_t bytes[SIM_REASSEMBLY_LEN];
};

struct sim_reassembly {
    struct sim_puzzle puzzles[SIM_REASSEMBLY_MAX];
};

void sim_reassembly_init(struct sim_reassembly *r);
// A packet arrived at `host`. Returns the packet that it completes, valid until the next call; the
// packet itself if it is no fragment, or no sound one; nothing if there is more to come.
struct wend_bytes sim_reassembly_take(struct sim_reassembly *r, uint16_t host,
                                      struct wend_bytes packet, wend_instant now);

#endif
