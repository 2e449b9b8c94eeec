// SPDX-License-Identifier: MIT
// Tells apart what shares one UDP port, by the first bytes of a datagram.
//
//   first byte  further condition                       kind
//   1 to 6      bytes 1 to 3 are zero                   SESSION
//   0 to 3      cookie at byte 4, and a length field    STUN
//               that is len - 20 and a multiple of 4
//   7                                                   HINT
//   8                                                   FRAME
//   9           bytes 1 to 3 are zero                   CONTROL
//   20 to 63                                            DTLS (RFC 7983 section 7)
//   64 to 79                                            TURN_CHANNEL (RFC 7983 section 7)
//
// The rows are tried in this order, and no datagram that either side would accept fits two of them.
// Only the first two could overlap, for a first byte of 1 to 3. Three zero bytes after it say, read
// as STUN, that the message has no attributes: such a datagram is 20 bytes long. As session, types
// 1, 2 and 3 are exactly 148, 92 and 64 bytes long. So whatever bytes 4 to 7 hold - a sender may
// draw the cookie's value as its index - the lengths differ; and the STUN types that the first row
// takes away (0x0100, 0x0200, 0x0300) are responses of method 0, which is reserved, and method
// 0x080, which neither RFC 8489 nor any usage here assigns.
//
// STUN methods from 0x100 on would begin with 4 or more; RFC 7983 section 3 keeps them reserved, so
// that they cannot collide with DTLS.
//
// This looks at no more than that: a kind is a promise about who reads the datagram, not about its
// being well formed.
#ifndef WEND_WIRE_DEMUX_H
#define WEND_WIRE_DEMUX_H

#include "base/bytes.h"

enum wend_kind {
    WEND_KIND_UNKNOWN = 0,
    WEND_KIND_SESSION,
    WEND_KIND_STUN,
    WEND_KIND_HINT,
    WEND_KIND_FRAME,
    WEND_KIND_CONTROL,
    WEND_KIND_DTLS,
    WEND_KIND_TURN_CHANNEL,
};

// Any bytes have a kind; an empty datagram is UNKNOWN.
enum wend_kind wend_demux(struct wend_bytes in);

#endif
