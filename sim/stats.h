// SPDX-License-Identifier: MIT
// What one world measured. All that a table over many worlds is made from; no pointers, so that it
// may be written to a pipe and added up.
#ifndef WEND_SIM_STATS_H
#define WEND_SIM_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"
#include "net.h"
#include "trace.h"

#define SIM_SWITCHES_MAX 16
#define SIM_DELAYS       208 // buckets of a histogram of durations

// Durations by size: eight buckets for each doubling, from 16 us to about 18 minutes.
struct sim_delays {
    uint32_t count[SIM_DELAYS];
};

// One change of the way that user packets of a device take.
struct sim_switch {
    wend_instant at;
    uint16_t device;
    bool to_direct;
    uint32_t reordered, duplicated; // among packets delivered at the peer until the next second
    wend_duration worst;            // greatest delay among them
};

struct sim_stats {
    wend_duration virtual_time;
    uint64_t steps;
    // User packets.
    uint32_t sent, delivered, refused, too_big, reordered, duplicated;
    uint32_t missing;                   // not refused, and never arrived; the last phase aside
    uint32_t direct, relayed;           // delivered, by the way they came
    wend_duration first_delivery;       // of the first packet of the world; -1: none arrived
    wend_duration first_answer;         // until the first packet of the other direction arrived
    wend_duration direct_after;         // until the first packet arrived that took no relay
    wend_duration one_way_relay;        // what the network takes: to the server and on
    wend_duration one_way_direct;       // and straight, between the same two
    struct sim_delays delays;           // of user packets
    struct sim_delays first_deliveries; // of every pair's first packet
    struct sim_delays added;            // delay beyond the quickest of the last second, same flow
    // The devices' own work.
    uint32_t datagrams, control; // that devices sent; without those of user packets
    uint32_t handshakes, probes; // types 5, and 9
    uint32_t unopened;           // given back by a node
    uint32_t switch_count;       // all; the first ones are kept
    struct sim_switch switches[SIM_SWITCHES_MAX];
    uint32_t lost[SIM_LOST_KINDS]; // datagrams that were not taken
    struct wend_sim_counts net;
    // The phase after healing.
    wend_duration healed_after; // until all talked; -1: never
    wend_duration best_after;   // over the best way
    uint32_t pairs, pairs_direct;
};

void sim_stats_begin(struct sim_stats *s);
void sim_delays_add(struct sim_delays *d, wend_duration duration);
void sim_delays_join(struct sim_delays *d, const struct sim_delays *other);
uint64_t sim_delays_count(const struct sim_delays *d);
// The duration below which `part` (0 to 1) of them lie, to within a bucket (9 %); 0: none.
wend_duration sim_delays_part(const struct sim_delays *d, double part);

#endif
