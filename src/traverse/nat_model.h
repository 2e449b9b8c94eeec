// SPDX-License-Identifier: MIT
// What a device knows about the NATs between it and the internet, in RFC 4787's terms.
//
// Flow:   discovery (STUN from chosen sockets to chosen addresses) --samples--> model
//         model --sealed, over the relay--> peer; both models --plan--> what is worth trying
// Classes are certain or `unknown`; a planner takes unknown filtering as the strictest. Estimates
// carry the interval that holds them with 99 %: plan with its unfavourable end.
// A model is of one address family's way out. Zeroed: nothing is known. Pure data, copyable.
#ifndef WEND_TRAVERSE_NAT_MODEL_H
#define WEND_TRAVERSE_NAT_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/time.h"

#define WEND_NAT_RATE_MAX 1000000 // hundredths a second; no carrier's user sees more

// Mapping behaviour (RFC 4787 section 4.1) and filtering behaviour (section 5).
enum wend_nat_dependence {
    WEND_NAT_UNKNOWN = 0,
    WEND_NAT_NONE, // the inside address is the outside one; nothing is filtered
    WEND_NAT_ENDPOINT_INDEPENDENT,
    WEND_NAT_ADDRESS_DEPENDENT,
    WEND_NAT_ADDRESS_AND_PORT_DEPENDENT,
};

// How the outside port of a new mapping is found (RFC 4787 section 4.2).
enum wend_nat_allocation {
    WEND_NAT_ALLOCATION_UNKNOWN = 0,
    WEND_NAT_PRESERVING,      // the inside port; taken by another host: see `fallback`
    WEND_NAT_SECOND_PRIORITY, // the inside port for the socket's first mapping only
    WEND_NAT_SEQUENTIAL,      // the newest one + delta, for all users of the NAT together
    WEND_NAT_BLOCK,           // random inside a block
    WEND_NAT_RANDOM,          // random over (nearly) all ports
};

enum wend_nat_answer { WEND_NAT_ANSWER_UNKNOWN = 0, WEND_NAT_NO, WEND_NAT_YES };

// least <= likely <= most; all zero: not known.
struct wend_nat_estimate {
    uint32_t least, likely, most;
};

struct wend_nat_model {
    uint32_t serial; // 0: no model; another one after each change but of lifetimes
    enum wend_nat_dependence mapping, filtering;
    enum wend_nat_allocation allocation;
    enum wend_nat_allocation fallback; // of the two preserving kinds, where the port is taken
    enum wend_nat_answer udp;          // NO: no UDP comes back at all
    enum wend_nat_answer hairpin;      // RFC 4787 section 6
    enum wend_nat_answer parity;       // RFC 4787 section 4.2.2: even stays even
    enum wend_nat_answer paired; // RFC 4787 section 4.1: one outside address a host; NO: arbitrary
    enum wend_nat_answer translates; // a NAT, not a firewall alone
    bool barred;       // some ports never answer: perhaps we may not send there; not told to peers
    bool byte_swapped; // sequential in the ports' other byte order
    int32_t delta;     // sequential: signed step; never 0 then
    struct wend_nat_estimate rate;       // other users' mappings, in hundredths a second
    struct wend_nat_estimate low, high;  // first and last port of the block, or of all
    struct wend_nat_estimate lifetime_s; // of an answered mapping
    struct wend_nat_estimate hole_s;     // of an unanswered one
    struct wend_address public;          // outside address of the main socket's mapping
    struct wend_address mapped;          // by a port mapping protocol; family NONE: none
    uint16_t newest_port;                // the newest mapping seen of any of our sockets,
    wend_instant newest_at;              // and when, on this device's clock
};

#endif
