// SPDX-License-Identifier: MIT
// How long the NAT keeps the main socket's mapping that nothing uses, as ordinary traffic with a
// server shows it. Nothing is sent for its sake.
//
//   lives at least  a datagram of the server comes after a silence; or a request after a silence is
//                   answered and seen from where the one before was, if a new mapping would have
//                   got another port
//   at most         a request is seen from another port of the same address
// As far as a bound from below goes, a silence lasts from the newest datagram either way to the
// next one. One from above is the longest time without a datagram out, which every NAT counts from
// (RFC 4787 REQ-6), since the server last told where it sees us: requests in between may have found
// the mapping gone, and their answers have been lost. What contradicts an older bound takes its
// place: carriers shorten lifetimes when they are busy.
//
// Pure data, no destructor; a zeroed struct knows nothing.
#ifndef WEND_TRAVERSE_NAT_LIFETIME_H
#define WEND_TRAVERSE_NAT_LIFETIME_H

#include "traverse/nat_model.h"

#define WEND_NAT_SILENCE_LEAST WEND_S(2) // shorter ones tell nothing

struct wend_nat_lifetime {
    wend_instant out, in;      // the newest datagram each way; 0: none
    wend_instant asked;        // the first one out after the newest silence; 0: none
    wend_duration silent;      // how long that was
    wend_duration widest;      // between datagrams out since the newest proof
    wend_duration lived, died; // 0: not known
};

// A request to the server that was sent once and answered.
struct wend_nat_proof {
    wend_instant sent;
    struct wend_address before, seen; // where the server saw us before, and with this one
    bool ports_change;                // the NAT certainly gives a new mapping another port
};

// A datagram left the main socket, for whomever.
void wend_nat_lifetime_sent(struct wend_nat_lifetime *l, wend_instant now);
// A datagram came to the main socket; `by_mapping`: of the server, through the mapping alone and by
// no port that is mapped otherwise.
void wend_nat_lifetime_came(struct wend_nat_lifetime *l, bool by_mapping, wend_instant now);
void wend_nat_lifetime_proved(struct wend_nat_lifetime *l, const struct wend_nat_proof *proof);
// From a lifetime that was found out on purpose: the longest silence that a mapping outlived, the
// shortest that it did not, 0: none.
struct wend_nat_estimate wend_nat_lifetime_between(wend_duration lived, wend_duration died);
// All zero: not known. `most` is 65,535 s as long as no mapping was seen to be gone.
struct wend_nat_estimate wend_nat_lifetime_estimate(const struct wend_nat_lifetime *l);

#endif
