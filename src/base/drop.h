// SPDX-License-Identifier: MIT
// Why a datagram was dropped. What a peer sends never aborts and is never logged above debug: it is
// counted under one of these reasons, and the counts show up in status and metrics.
#ifndef WEND_BASE_DROP_H
#define WEND_BASE_DROP_H

#include "base/assert.h"

#include <stdint.h>

enum wend_drop {
    WEND_DROP_NONE = 0,        // not dropped
    WEND_DROP_MALFORMED,       // does not parse
    WEND_DROP_UNKNOWN_TYPE,    // parses, but means nothing to us
    WEND_DROP_BAD_MAC,         // first check of a handshake or STUN message failed
    WEND_DROP_UNDER_LOAD,      // answered with a cookie, or not at all
    WEND_DROP_DECRYPT_FAILED,  // not sealed with the key it names
    WEND_DROP_REPLAYED,        // counter seen before, or behind the window
    WEND_DROP_STALE_TIMESTAMP, // handshake not newer than the last one
    WEND_DROP_NO_SESSION,      // names a session, channel or registration that does not exist
    WEND_DROP_NO_ROUTE,        // no peer owns the destination
    WEND_DROP_QUEUE_FULL,      // a bounded queue had no room
    WEND_DROP_RATE_LIMITED,    // over its token bucket
    WEND_DROP_NOT_ALLOWED,     // understood and refused: no permission
    WEND_DROP_WRONG_SOURCE,    // from an address that does not own what it names
    WEND_DROP_EXPIRED,         // key, lease or record out of time
    WEND_DROP_TOO_BIG,         // longer than its path carries, and not to be cut
    WEND_DROP_COUNT,
};

struct wend_drops {
    uint64_t count[WEND_DROP_COUNT];
};

// One word for logs and JSON, such as "rate-limited".
const char *wend_drop_name(enum wend_drop drop);

// Counts one; WEND_DROP_NONE is not counted. Returns `drop`, so it can be returned on.
static inline enum wend_drop wend_drops_add(struct wend_drops *d, enum wend_drop drop)
{
    wend_assert((unsigned)drop < WEND_DROP_COUNT);
    if (drop != WEND_DROP_NONE)
        d->count[drop]++;
    return drop;
}

#endif
