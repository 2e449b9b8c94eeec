// SPDX-License-Identifier: MIT
// The Internet checksum (RFC 1071): the ones' complement sum that IPv4, TCP and UDP carry.
//
// A sum is a running 64-bit total of words as they lie in memory. It cannot overflow below 16 GiB,
// and it is the same whatever the machine's byte order, because folding swaps back (RFC 1071
// section 2(B)). Parts may be added in any order, but each must begin at an even offset of what
// is summed; only the last may have an odd length.
#ifndef WEND_WIRE_CHECKSUM_H
#define WEND_WIRE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

// Adds `len` bytes; an odd last byte counts as if a zero byte followed.
uint64_t wend_checksum_add(uint64_t sum, const uint8_t *at, size_t len);

// Adds a 16-bit number that would stand in the packet in network order.
uint64_t wend_checksum_add_u16(uint64_t sum, uint16_t v);

// Takes away a number added before (adds its complement).
uint64_t wend_checksum_remove_u16(uint64_t sum, uint16_t v);

// The 16-bit sum, not complemented, as a number to be written in network order. The field of a
// finished checksum holds its complement; a correct packet sums to 0xffff.
uint16_t wend_checksum_fold(uint64_t sum);

// The pseudo-header of TCP and UDP without the length: both addresses of the IPv4 or IPv6 header at
// `ip` (which must be whole) and the protocol. The length of header and data is added by the
// caller.
uint64_t wend_checksum_pseudo(const uint8_t *ip, uint8_t protocol);

#endif
