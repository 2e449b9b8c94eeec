// SPDX-License-Identifier: MIT
// Births: those samples that made the NAT find a new outside port. From the answers of a socket's
// several destinations follows how its mappings depend on the destination (RFC 4787 section 4.1,
// the tests of RFC 5780 section 4.3), and from that which samples were births.
#ifndef WEND_TRAVERSE_NAT_BIRTHS_H
#define WEND_TRAVERSE_NAT_BIRTHS_H

#include "traverse/nat_model.h"
#include "traverse/nat_samples.h"

struct wend_nat_birth {
    uint16_t inside, outside; // ports; outside 0: no answer came
    uint32_t socket;
    bool first; // of its socket, which was fresh
    bool sure;  // its instant is known
    wend_instant sent;
};

struct wend_nat_births {
    struct wend_nat_birth at[WEND_NAT_SAMPLES_MAX];
    uint32_t count;
};

// From the samples sent at `since` or later. UNKNOWN: too few answers, or such as no NAT gives.
enum wend_nat_dependence wend_nat_mapping_of(const struct wend_nat_samples *s, wend_instant since);

// Births on sockets whose mappings are not `old`, in the order of sending. Where `mapping` is not
// known, each answer with another outside address than before counts as one.
void wend_nat_births_of(const struct wend_nat_samples *s, wend_instant since,
                        enum wend_nat_dependence mapping, struct wend_nat_births *ret);

#endif
