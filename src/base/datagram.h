// SPDX-License-Identifier: MIT
// A datagram with where it came from or goes to, the unit that machines receive and drain.
#ifndef WEND_BASE_DATAGRAM_H
#define WEND_BASE_DATAGRAM_H

#include "base/address.h"
#include "base/bytes.h"

#define WEND_DATAGRAM_MAX 2048 // bytes, after segmentation; docs/protocol.md section 1

enum wend_transport {
    WEND_TRANSPORT_NONE = 0,
    WEND_TRANSPORT_UDP,
    WEND_TRANSPORT_TCP,
    WEND_TRANSPORT_TLS,
    WEND_TRANSPORT_DTLS,
    WEND_TRANSPORT_IPIP,
};

// Over UDP `socket` is the one it came to or leaves from: 0, the usual one of the family, or one
// that the node asked its owner for (node/sockets.h).
//
// Over a stream (TCP, TLS) `stream` is a number the opener chose, never 0 and never used twice by
// one machine; over UDP it is 0. `bytes` is borrowed: valid until the next call to the machine (or
// io layer) that handed it out.
struct wend_datagram {
    enum wend_transport transport;
    uint32_t stream;
    struct wend_address local; // zero: unknown, or left to the kernel
    struct wend_address remote;
    struct wend_bytes bytes;
    bool dont_fragment; // a probe for the path MTU: lost rather than cut into pieces
    uint8_t ttl;        // of what is sent over UDP: routers it passes, and one; 0: the usual one
    uint16_t socket;
};

#endif
