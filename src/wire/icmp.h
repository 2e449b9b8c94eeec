// SPDX-License-Identifier: MIT
// ICMP errors for the host: what a router on the way would say of a packet that goes no further.
//
//   TOO_BIG   IPv4: destination unreachable, fragmentation needed, with the next hop's MTU
//             (RFC 792; RFC 1191 section 4). IPv6: packet too big (RFC 4443 section 3.2).
//   NO_ROUTE  IPv4: destination unreachable, network (RFC 792). IPv6: no route to destination
//             (RFC 4443 section 3.1).
//
// The error comes from the address that the packet was meant for. There is no router of our own on
// the way, and Linux takes a packet from one of the host's own addresses for a martian and drops
// it. It quotes as much of the packet as fits: IPv4 576 bytes in all (RFC 1812 section 4.3.2.3),
// IPv6 1,280 (RFC 4443 section 2.4 (c)).
//
// None is due (RFC 1122 section 3.2.2, RFC 4443 section 2.4 (e)) for an ICMP error, for a fragment
// other than the first, to and from what is no single host. How many go out is the caller's.
#ifndef WEND_WIRE_ICMP_H
#define WEND_WIRE_ICMP_H

#include "base/bytes.h"

#define WEND_ICMP_MAX      1280 // bytes of the longest answer
#define WEND_ICMP_MTU_IPV4 576  // no packet up to this is told to be too big: hosts heed no less
#define WEND_ICMP_MTU_IPV6 1280 // RFC 8200 section 5

enum wend_icmp_kind {
    WEND_ICMP_NONE = 0,
    WEND_ICMP_TOO_BIG,
    WEND_ICMP_NO_ROUTE,
};

// Writes the whole IP packet that answers `packet`. `mtu` is for TOO_BIG: what would have passed.
// Returns its length; 0 when none is due, or `packet` is no IP packet.
size_t wend_icmp_answer(struct wend_bytes packet, enum wend_icmp_kind kind, uint16_t mtu,
                        uint8_t to[static WEND_ICMP_MAX]);

// Whether the packet is worth TOO_BIG on a way that carries `mtu` bytes: longer, and nobody on
// the way may cut it (IPv4 with DF, IPv6). What must always pass (WEND_ICMP_MTU_*) is not.
bool wend_icmp_is_too_big(struct wend_bytes packet, size_t len, uint16_t mtu);

#endif
