// SPDX-License-Identifier: MIT
// Instants and durations, both in nanoseconds. The pure rooms never read a clock: an instant comes
// in as an argument. Instants are monotonic; wall-clock time is a separate, named argument
// (`unix_seconds`, or a TAI64N label) where certificates and handshakes need it.
#ifndef WEND_BASE_TIME_H
#define WEND_BASE_TIME_H

#include <stdint.h>

typedef int64_t wend_instant;  // ns on a monotonic clock with an arbitrary origin
typedef int64_t wend_duration; // ns

#define WEND_NEVER INT64_MAX

#define WEND_US(n) ((wend_duration)(n)*1000)
#define WEND_MS(n) ((wend_duration)(n)*1000000)
#define WEND_S(n)  ((wend_duration)(n)*1000000000)

static inline wend_instant wend_instant_min(wend_instant a, wend_instant b)
{
    return a < b ? a : b;
}

#endif
