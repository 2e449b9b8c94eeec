// SPDX-License-Identifier: MIT
// Rates of sources: token buckets by /24 of IPv4 or /56 of IPv6, or by one address.
//
// A table of fixed size, four ways a set under a keyed hash; a new source takes the place of the
// one in its set that was quiet longest. Whoever spoofs enough sources can so refill a bucket, but
// cannot choose whose. Owns no memory beyond itself.
#ifndef WEND_RELAY_LIMITS_H
#define WEND_RELAY_LIMITS_H

#include "base/address.h"
#include "base/bucket.h"
#include "base/hash.h"

#define WEND_LIMITS_SETS 4096
#define WEND_LIMITS_WAYS 4

enum wend_limit_kind {
    WEND_LIMIT_NONE = 0,
    WEND_LIMIT_STUN,             // by prefix
    WEND_LIMIT_HANDSHAKE,        // by prefix
    WEND_LIMIT_HANDSHAKE_PROVEN, // by prefix: with a cookie, so the source is real
    WEND_LIMIT_HINT,             // by address
    WEND_LIMIT_COUNT,
};

struct wend_limits_entry {
    uint64_t tag; // 0: free
    struct wend_bucket bucket;
};

struct wend_limits {
    uint8_t key[WEND_HASH_KEY_LEN];
    // A set has one entry in each row: few sources touch little memory.
    struct wend_limits_entry entries[WEND_LIMITS_WAYS][WEND_LIMITS_SETS];
};

// `l` is zeroed memory.
void wend_limits_init(struct wend_limits *l, const uint8_t key[static WEND_HASH_KEY_LEN]);
// Takes a token of this source; false: over the limit.
bool wend_limits_take(struct wend_limits *l, enum wend_limit_kind kind,
                      const struct wend_address *source, wend_instant now);

#endif
