// SPDX-License-Identifier: MIT
#include "relay/limits.h"

#include <string.h>

// docs/protocol.md sections 2.4, 4.4 and 8.
static const struct wend_bucket_limit limits[WEND_LIMIT_COUNT] = {
    [WEND_LIMIT_STUN] = {.per_second = 50, .burst = 100},
    [WEND_LIMIT_HANDSHAKE] = {.per_second = 20, .burst = 100},
    [WEND_LIMIT_HANDSHAKE_PROVEN] = {.per_second = 20, .burst = 100},
    [WEND_LIMIT_HINT] = {.per_second = 10, .burst = 10},
};

void wend_limits_init(struct wend_limits *l, const uint8_t key[static WEND_HASH_KEY_LEN])
{
    memcpy(l->key, key, sizeof l->key);
}

// How many bytes of the address name the source.
static size_t prefix_len(enum wend_limit_kind kind, const struct wend_address *source)
{
    if (source->family == WEND_FAMILY_IPV4)
        return kind == WEND_LIMIT_HINT ? 4 : 3;
    return kind == WEND_LIMIT_HINT ? 16 : 7;
}

bool wend_limits_take(struct wend_limits *l, enum wend_limit_kind kind,
                      const struct wend_address *source, wend_instant now)
{
    uint8_t name[18] = {(uint8_t)kind, source->family};
    const size_t len = prefix_len(kind, source);
    memcpy(name + 2, source->ip, len);
    const uint64_t hash = wend_hash(l->key, name, 2 + len);
    const uint64_t tag = hash | 1;
    const size_t set = (hash >> 32) % WEND_LIMITS_SETS;
    struct wend_limits_entry *chosen = &l->entries[0][set];
    for (size_t i = 0; i < WEND_LIMITS_WAYS; i++) {
        struct wend_limits_entry *e = &l->entries[i][set];
        if (e->tag == tag)
            return wend_bucket_take(&e->bucket, &limits[kind], 1, now);
        if (chosen->tag != 0 && (e->tag == 0 || e->bucket.at < chosen->bucket.at))
            chosen = e;
    }
    chosen->tag = tag;
    wend_bucket_init(&chosen->bucket, &limits[kind], now);
    return wend_bucket_take(&chosen->bucket, &limits[kind], 1, now);
}
