// SPDX-License-Identifier: MIT
#include "base/bucket.h"

#include "base/assert.h"

#define UNIT UINT64_C(1000000000) // level of one token

void wend_bucket_init(struct wend_bucket *b, const struct wend_bucket_limit *limit,
                      wend_instant now)
{
    wend_assert(limit->burst <= WEND_BUCKET_BURST_MAX);
    *b = (struct wend_bucket){.level = limit->burst * UNIT, .at = now};
}

static void refill(struct wend_bucket *b, const struct wend_bucket_limit *limit, wend_instant now)
{
    if (now <= b->at)
        return;
    const uint64_t elapsed = (uint64_t)now - (uint64_t)b->at;
    const uint64_t full = limit->burst * UNIT;
    const uint64_t room = b->level < full ? full - b->level : 0;
    b->at = now;
    if (limit->per_second == 0)
        return;
    if (elapsed > room / limit->per_second)
        b->level = full;
    else
        b->level += elapsed * limit->per_second;
}

bool wend_bucket_take(struct wend_bucket *b, const struct wend_bucket_limit *limit, uint64_t tokens,
                      wend_instant now)
{
    wend_assert(limit->burst <= WEND_BUCKET_BURST_MAX);
    refill(b, limit, now);
    if (tokens > limit->burst || b->level < tokens * UNIT)
        return false;
    b->level -= tokens * UNIT;
    return true;
}

wend_instant wend_bucket_ready(const struct wend_bucket *b, const struct wend_bucket_limit *limit,
                               uint64_t tokens)
{
    if (tokens > limit->burst)
        return WEND_NEVER;
    if (b->level >= tokens * UNIT)
        return b->at;
    if (limit->per_second == 0)
        return WEND_NEVER;
    const uint64_t missing = tokens * UNIT - b->level;
    const uint64_t wait = (missing - 1) / limit->per_second + 1;
    const uint64_t left = (uint64_t)WEND_NEVER - (uint64_t)b->at; // b->at may be negative
    return wait < left ? (wend_instant)((uint64_t)b->at + wait) : WEND_NEVER;
}
