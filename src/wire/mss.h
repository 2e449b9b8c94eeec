// SPDX-License-Identifier: MIT
// The maximum segment size that a host announces (RFC 9293 section 3.7.1), lowered where the way
// carries less than the interface: so the peer's segments fit at once, without an ICMP message.
//
// Only a SYN or SYN-ACK of an ordinary TCP packet is touched: no fragment, no IPv6 extension
// header. The checksum is updated from the change alone (RFC 1624), so a wrong one stays wrong.
#ifndef WEND_WIRE_MSS_H
#define WEND_WIRE_MSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// `packet`: a whole IP packet of `len` bytes with its checksums complete. Writes mtu - 40 (IPv4) or
// mtu - 60 (IPv6) over a larger MSS option. Returns whether it did.
bool wend_mss_clamp(uint8_t *packet, size_t len, uint16_t mtu);

#endif
