// SPDX-License-Identifier: MIT
// One direction of a link: decides what happens to each packet, and when it comes out.
//
// Flow:   push --down? mtu? queue? loss? duplicate?--> heap of (deliver_at, token) --pop--> caller
// Time:   deliver_at = end of transmission at `rate` + delay + jitter (+ reorder_delay)
// Order:  packets come out in the order they went in, except the ones chosen for reordering, and
//         except that jitter without keep_order lets packets overtake.
// Random: splitmix64 from the seed; the same pushes at the same instants have the same fates.
//
// The link holds tokens, never bytes: the caller keeps the packet under the token and counts the
// copies that push promised. Owns no memory, clock or socket. The caller brings the slots; when all
// are taken a packet is dropped and counted. Used by the simulator and by wend-wire.
#ifndef WEND_SIM_LINK_H
#define WEND_SIM_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

#define WEND_LINK_LEN_MAX   ((size_t)1 << 20)
#define WEND_LINK_DELAY_MAX WEND_S(60) // for each of delay, jitter, reorder_delay, queue_time
#define WEND_LINK_QUEUE_MAX ((size_t)1 << 30)
#define WEND_LINK_PPM_MAX   1000000u

enum wend_link_shape {
    WEND_LINK_SHAPE_UNIFORM = 0, // adds 0 … jitter, all equally likely
    WEND_LINK_SHAPE_NORMAL,      // adds |x|, x normal with standard deviation jitter
};

// All zero is a perfect link without delay. Delay is a floor: jitter only ever adds to it.
struct wend_link_config {
    uint64_t seed;
    wend_duration delay;
    wend_duration jitter;
    enum wend_link_shape jitter_shape;
    bool keep_order; // jitter delays followers instead of letting them overtake

    uint32_t loss_ppm; // each packet on its own
    // Gilbert-Elliott: the chance for each packet to enter and to leave the bad state, and the loss
    // inside it. burst_enter_ppm 0 turns it off.
    uint32_t burst_enter_ppm;
    uint32_t burst_leave_ppm;
    uint32_t burst_loss_ppm;

    uint32_t reorder_ppm; // held back by reorder_delay while others pass
    wend_duration reorder_delay;
    uint32_t duplicate_ppm;

    // Bits a second, 0 for no limit. The queue before it is bounded by the smaller of the two that
    // are not 0 (and by WEND_LINK_DELAY_MAX); a packet that finds the queue empty always fits.
    // Full: the new packet is dropped.
    uint64_t rate_bps;
    size_t queue_bytes;
    wend_duration queue_time;

    size_t mtu_bytes; // longer packets are dropped; 0 for no limit
    bool mtu_report;  // and push says so, as a router that answers 'packet too big' would
};

struct wend_link_slot {
    wend_instant deliver_at;
    uint64_t order; // ties leave in the order they came
    uint32_t token;
};

// Every push ends in exactly one of: passed, or one of the drop counters.
struct wend_link_counters {
    uint64_t pushed;
    uint64_t passed;
    uint64_t passed_bytes;
    uint64_t dropped_down;
    uint64_t dropped_mtu;
    uint64_t dropped_queue;
    uint64_t dropped_loss;
    uint64_t dropped_burst;
    uint64_t dropped_full; // no free slot
    uint64_t duplicated;   // second copies
    uint64_t reordered;
    uint64_t delivered; // copies that pop handed out
};

struct wend_link {
    struct wend_link_config config;
    struct wend_link_counters counters;
    uint64_t random;
    bool down;
    bool in_burst;
    wend_duration queue_limit; // the two queue bounds as one time; in any case finite
    wend_instant busy_until;   // when the last accepted packet has left the queue
    wend_instant last_at;      // latest delivery that followers must not overtake
    uint64_t next_order;
    struct wend_link_slot *slots; // binary heap, earliest first
    size_t slot_count;
    size_t slot_max;
};

// The link is up and empty. `slots` stays the caller's and must outlive the link; NULL for a link
// that is only asked by wend_link_pass. Returns 0, or -EINVAL for a chance, a queue or a duration
// beyond its WEND_LINK_*_MAX, or a negative duration.
int wend_link_init(struct wend_link *l, const struct wend_link_config *config,
                   struct wend_link_slot *slots, size_t slot_max);

// Changes the link while it runs: what is in flight keeps its delivery, counters stay. A new seed
// restarts the random sequence. Returns 0, or -EINVAL as init does and nothing has changed.
int wend_link_configure(struct wend_link *l, const struct wend_link_config *config);

// A link that is down drops what is pushed; what was in flight still arrives.
void wend_link_set_down(struct wend_link *l, bool down);

// Decides the fate of one packet of at most WEND_LINK_LEN_MAX bytes. `now` never goes back.
//
// Returns how many times `token` will come out of pop: 0 (dropped, see the counters), 1 or 2;
//   -EMSGSIZE  dropped, longer than mtu_bytes, and the configuration asks for a report
int wend_link_push(struct wend_link *l, size_t len, uint32_t token, wend_instant now);

// The same for an owner that keeps its own queue of what is in flight: `ret_at` says when each copy
// comes out; nothing is held under a token. Do not mix with push on one link.
int wend_link_pass(struct wend_link *l, size_t len, wend_instant now,
                   wend_instant ret_at[static 2]);

// Takes the earliest packet that is due at `now`; false if there is none.
bool wend_link_pop(struct wend_link *l, wend_instant now, uint32_t *ret_token);

// When the next packet is due; WEND_NEVER if nothing is in flight.
wend_instant wend_link_deadline(const struct wend_link *l);

// Asserts the invariants; for tests.
void wend_link_check(const struct wend_link *l);

#endif
