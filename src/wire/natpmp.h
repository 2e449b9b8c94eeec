// SPDX-License-Identifier: MIT
// NAT Port Mapping Protocol messages, version 0, RFC 6886: PCP's predecessor on the same port.
//
// Place:  beside wire/pcp.h, for gateways that answer PCP with "unsupported version, I speak 0".
// Wire:   version, opcode, 16 bits of result, then fixed fields. No transaction identifiers: "All
//         NAT-PMP messages are idempotent and self-describing" (section 3.5).
//
// Written here although Debian has libnatpmp: that library opens sockets and reads the clock, its
// codec is not to be had alone, and the machine would need a third way to be tested; two requests
// of 2 and 12 bytes are less than that glue.
#ifndef WEND_WIRE_NATPMP_H
#define WEND_WIRE_NATPMP_H

#include "base/address.h"
#include "base/bytes.h"

#define WEND_NATPMP_LEN_MAX 16

// Sections 3.2 and 3.3.
enum wend_natpmp_opcode {
    WEND_NATPMP_ADDRESS = 0, // "To determine the external IPv4 address"
    WEND_NATPMP_MAP_UDP = 1,
    WEND_NATPMP_MAP_TCP = 2,
};

// Section 3.5. "Undefined results codes MUST be treated as fatal errors of the request."
enum wend_natpmp_result {
    WEND_NATPMP_SUCCESS = 0,
    WEND_NATPMP_UNSUPPORTED_VERSION = 1,
    WEND_NATPMP_NOT_AUTHORIZED = 2,
    WEND_NATPMP_NETWORK_FAILURE = 3,
    WEND_NATPMP_OUT_OF_RESOURCES = 4,
    WEND_NATPMP_UNSUPPORTED_OPCODE = 5,
};

struct wend_natpmp {
    bool is_response;
    uint8_t opcode;               // enum wend_natpmp_opcode
    uint16_t result;              // responses
    uint32_t epoch_s;             // responses
    struct wend_address external; // ADDRESS responses without error; port 0
    uint16_t internal_port;       // mappings, as all below
    uint16_t external_port;       // suggested, or mapped
    uint32_t lifetime_s;
};

// Reads a datagram of version 0. Returns 0;
//   -EBADMSG          too short, too long, or an opcode that there is not; `ret` is untouched
//   -EPROTONOSUPPORT  another version; `ret` is untouched
int wend_natpmp_read(struct wend_bytes in, struct wend_natpmp *ret);

// Returns the length, or 0 if it does not fit.
size_t wend_natpmp_write(const struct wend_natpmp *m, uint8_t *at, size_t capacity);

const char *wend_natpmp_result_name(uint16_t result);

#endif
