// SPDX-License-Identifier: MIT
// Samples of what the NATs in front of this device do: which outside address a socket of ours got
// for which destination, and when it asked. All that is known of a NAT follows from them.
//
// Flow:   discovery, ordinary mappings, brackets of a volley --add--> samples
//         samples --classify (nat_classify.h), estimate (nat_estimate.h)--> model (nat_model.h)
// Order:  samples stand in the order in which their datagrams left this device; NATs near to it
//         make their mappings in that order.
// Age:    a NAT may be set up anew and a carrier may move a subscriber's block, so nothing older
//         than an hour counts; the oldest makes room when 48 are kept. nat_estimate.h takes less.
//
// Pure data, no destructor; a zeroed struct holds none.
#ifndef WEND_TRAVERSE_NAT_SAMPLES_H
#define WEND_TRAVERSE_NAT_SAMPLES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/time.h"

#define WEND_NAT_SAMPLES_MAX 48
#define WEND_NAT_SAMPLE_AGE  WEND_S(3600)

#define WEND_NAT_GROUP 8 // numbers of sockets that were used together

struct wend_nat_sample {
    uint32_t socket; // one number a socket, never given to another while its samples are kept; of
                     // one group where no other mapping of ours came between the samples
    bool old;        // its mappings may be older than the sample, as those of the main socket
    uint8_t tries;   // datagrams sent until the answer; above 1 it is unsure which one counted
    struct wend_address inside; // of the socket
    struct wend_address to;
    struct wend_address outside; // family NONE: no answer came
    wend_instant sent;           // the first datagram
};

struct wend_nat_samples {
    struct wend_nat_sample at[WEND_NAT_SAMPLES_MAX];
    uint32_t count;
};

// Puts one behind those that were sent before it. Full: the one sent first goes; a sample sent
// before all 48 others is not taken.
void wend_nat_samples_add(struct wend_nat_samples *s, const struct wend_nat_sample *one);
// Forgets what was sent before `instant`.
void wend_nat_samples_drop_before(struct wend_nat_samples *s, wend_instant instant);
// Forgets what is too old to mean anything.
void wend_nat_samples_age(struct wend_nat_samples *s, wend_instant now);

#endif
