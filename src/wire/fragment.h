// SPDX-License-Identifier: MIT
// Fragmentation of an IPv4 packet, RFC 791 section 3.2: what a router does before a way that
// carries less.
//
// Place:  host -> split -> cut here -> seal. The peer's host puts the pieces together again.
// Pieces: each a whole IPv4 packet of at most `mtu` bytes with a checksum of its own. Offsets and
//         the more-fragments flag go on from the packet's, which may be a fragment itself. Options
//         without the copied flag stay in the first piece. The identification stays the host's: it
//         made it unique for as long as a packet without DF lives (RFC 6864 section 4.3).
// Deviation: RFC 791's example fills each piece by the length of its own header. Here all carry as
//         much as the first may, so that no piece is longer than the one before it.
//
// Reads the packet, never writes to it; owns no memory.
#ifndef WEND_WIRE_FRAGMENT_H
#define WEND_WIRE_FRAGMENT_H

#include "base/bytes.h"

#define WEND_FRAGMENT_MTU_MIN    68 // RFC 791: every module forwards this much uncut
#define WEND_FRAGMENT_HEADER_MAX 60

struct wend_fragment {
    const uint8_t *packet;
    uint32_t len;
    uint32_t at;   // the payload byte that comes next, from the packet's beginning
    uint32_t step; // payload bytes of all pieces but the last
    uint8_t header_len;
    uint8_t later_len;                       // of the header of all pieces but the first
    uint8_t later[WEND_FRAGMENT_HEADER_MAX]; // that header, but for what differs in each
};

// Into how many pieces of at most `mtu` bytes (WEND_FRAGMENT_MTU_MIN if that is more) a packet of
// `len` bytes is to be cut whose header is at `header`. 1: it fits, or nobody may cut it (IPv6,
// DF), or it has no sound header.
size_t wend_fragment_count(struct wend_bytes header, size_t len, size_t mtu);

// Begins with a packet for which wend_fragment_count is more than 1. Returns 0, or -EBADMSG: it is
// not what it says, or would end beyond the longest packet there is.
int wend_fragment_init(struct wend_fragment *f, struct wend_bytes packet, size_t mtu);

// Writes the next piece to `to`, `mtu` bytes of room. Returns its length, or 0 after the last.
size_t wend_fragment_next(struct wend_fragment *f, uint8_t *to);

#endif
