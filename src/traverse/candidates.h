// SPDX-License-Identifier: MIT
// Candidates: the addresses at which this device may be reached, and those a peer told us.
//
// Flow:   interfaces and the address the server saw --gather--> attribute to the peer (end to end,
//         so no server can forge it); the peer's attribute --judge--> paths (path/paths.h)
// Order:  what is likeliest to be reached first comes first: server-reflexive, mapped, then hosts,
//         IPv4 before IPv6 unique-local; when more than 16, the end of the list is left out.
// Never:  loopback, multicast, broadcast, unspecified, link-local IPv6, IPv4 link-local, port 0,
//         and addresses inside the overlay itself, in both directions (RFC 8445 section 5.1.1.1).
#ifndef WEND_TRAVERSE_CANDIDATES_H
#define WEND_TRAVERSE_CANDIDATES_H

#include "base/address.h"
#include "base/bytes.h"
#include "wire/attribute.h"

struct wend_candidates {
    struct wend_candidate at[WEND_CANDIDATES_MAX];
    size_t count;
};

// The overlay of a network: what must never count as a way to a peer.
struct wend_overlay {
    struct wend_prefix ipv4, ipv6;
};

// What a device knows about its own place.
struct wend_whereabouts {
    const struct wend_address *interfaces; // ports are ignored
    size_t interface_count;
    uint16_t port;                // UDP port of our sockets
    struct wend_address observed; // as the server sees us over UDP; family NONE: unknown
    struct wend_address mapped;   // by a port mapping protocol; family NONE: none
    const struct wend_overlay *overlay;
};

bool wend_candidate_is_usable(const struct wend_address *a, const struct wend_overlay *overlay);

void wend_candidates_gather(struct wend_candidates *ret, const struct wend_whereabouts *where);

// Reads a peer's CANDIDATES value; what may not be used and what comes twice is left out.
void wend_candidates_read(struct wend_candidates *ret, struct wend_bytes value,
                          const struct wend_overlay *overlay);

bool wend_candidates_equal(const struct wend_candidates *a, const struct wend_candidates *b);

#endif
