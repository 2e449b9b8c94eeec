// SPDX-License-Identifier: MIT
// A token bucket that is told the time. Exact: no token is lost or won by rounding, however often
// it is asked. The limit stands apart, so that a table of sources keeps 16 bytes for each.
#ifndef WEND_BASE_BUCKET_H
#define WEND_BASE_BUCKET_H

#include "base/time.h"

#include <stdbool.h>
#include <stdint.h>

struct wend_bucket_limit {
    uint64_t per_second; // tokens: packets, bytes, probes; 0: nothing flows back
    uint64_t burst;      // most it holds; at most WEND_BUCKET_BURST_MAX
};

// Levels are kept in tokens x 1e9, so that a nanosecond's share is a whole number.
#define WEND_BUCKET_BURST_MAX (UINT64_MAX / 1000000000)

struct wend_bucket {
    uint64_t level;
    wend_instant at; // when the level was right
};

// Starts full.
void wend_bucket_init(struct wend_bucket *b, const struct wend_bucket_limit *limit,
                      wend_instant now);

// Takes `tokens` if so many are there; false, and nothing is taken, if not. More than the burst
// never fits. A `now` before the last one counts as the last one.
bool wend_bucket_take(struct wend_bucket *b, const struct wend_bucket_limit *limit, uint64_t tokens,
                      wend_instant now);

// The first instant at which wend_bucket_take would succeed; WEND_NEVER if none. May be in the
// past.
wend_instant wend_bucket_ready(const struct wend_bucket *b, const struct wend_bucket_limit *limit,
                               uint64_t tokens);

#endif
