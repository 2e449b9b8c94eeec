// SPDX-License-Identifier: MIT
// A small DNS server for the names of one network: NAME and NAME.NETWORK.wend, and back.
//
// Wire:   RFC 1035 over UDP, at most 512 bytes (section 4.2.1). One question, class IN, opcode
//         QUERY. A, AAAA, PTR and ANY have answers; other types of a known name have none. Names
//         compare without case (section 2.3.3). An OPT record (RFC 6891) gets one back.
// Codes:  NXDOMAIN below NETWORK.wend, REFUSED for everybody else's zones, FORMERR for nonsense
// that
//         has a header, NOTIMP for other opcodes.
//
// wend_resolver_answer is a function of its arguments; the rest is a uv_udp_t or two around it.
#ifndef WEND_IO_RESOLVER_H
#define WEND_IO_RESOLVER_H

#include <uv.h>

#include "base/address.h"
#include "base/bytes.h"

#define WEND_RESOLVER_MESSAGE_MAX 512
#define WEND_RESOLVER_TTL_S       5 // names move with members; the server is on this machine
#define WEND_RESOLVER_PORT        53

// A member as names know it. A family NONE: it has no such address.
struct wend_name {
    char name[64]; // a valid label, lower case
    struct wend_address ipv4, ipv6;
};

struct wend_resolver_zone {
    char network[64]; // a valid label, lower case
    const struct wend_name *names;
    size_t count;
};

// Writes the answer to `query` (up to `max` bytes, 512 are always enough) and returns its length;
// 0: none is due (not a query, or shorter than a header).
size_t wend_resolver_answer(const struct wend_resolver_zone *zone, struct wend_bytes query,
                            uint8_t *out, size_t max);

struct wend_resolver;

// Serves `zone`, which the caller keeps and changes as it likes between turns of the loop, on port
// `port` of each address given (family NONE: not there). An address that cannot be bound is logged
// and left out. Returns 0, -ENOMEM, or the -errno of the last bind when none worked.
int wend_resolver_open(uv_loop_t *loop, const struct wend_resolver_zone *zone,
                       const struct wend_address addresses[static 2], uint16_t port,
                       struct wend_resolver **ret);
// The loop must run once more for libuv to let go. NULL: nothing.
void wend_resolver_close(struct wend_resolver *r);

#endif
