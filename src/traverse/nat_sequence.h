// SPDX-License-Identifier: MIT
// Is a row of outside ports counted, or drawn?
//
// Two stories are weighed against each other by the probability each gives to the ports seen. The
// counting NAT goes on by delta for each new mapping of any of its users, so the steps between
// ports asked for back to back are mostly one delta, now and then some more, and further apart in
// time any number of them; rarely the counter begins anew at the end of its range. The drawing NAT
// takes them from a block of 64 to 65,536 ports. Both are tried also with the ports' bytes swapped:
// a counter kept in the other byte order goes +256 with carry, modulo 65,536 (nftables' `numgen
// inc` does).
#ifndef WEND_TRAVERSE_NAT_SEQUENCE_H
#define WEND_TRAVERSE_NAT_SEQUENCE_H

#include "traverse/nat_births.h"

#define WEND_NAT_BACK_TO_BACK WEND_MS(2) // sent so close together that others rarely come between

struct wend_nat_sequence {
    int32_t delta; // 0: none
    bool byte_swapped;
};

#define WEND_NAT_ODDS_CLEAR  5000.0 // counted rather than drawn: say so
#define WEND_NAT_ODDS_LIKELY 10.0   // worth another look

// The sequence that the answered ones of `b` most probably stand in; delta 0 if none is more than
// `odds` times as probable as that they were drawn.
struct wend_nat_sequence wend_nat_sequence_of(const struct wend_nat_births *b, double odds);

// Whether what was asked for back to back stands in it: all but one, which may be a port that was
// taken; the counter may begin anew. Else perhaps only sockets' first mappings are counted, as by a
// counting NAT within one that keeps ports for these alone.
bool wend_nat_sequence_holds(const struct wend_nat_sequence *s, const struct wend_nat_births *b);

// How many deltas the counter went from one port to the other; 0: it did not come that way, or
// began anew in between.
uint32_t wend_nat_sequence_steps(const struct wend_nat_sequence *s, uint16_t from, uint16_t to);

#endif
