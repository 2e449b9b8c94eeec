// SPDX-License-Identifier: MIT
#include "io/clock.h"

#include <time.h>

#include "base/assert.h"

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    wend_assert(clock_gettime(id, &t) == 0);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

wend_instant wend_clock_now(void)
{
    return read_clock(CLOCK_BOOTTIME);
}

int64_t wend_clock_unix_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

uint64_t wend_clock_unix_seconds(void)
{
    return (uint64_t)wend_clock_unix_ns() / 1000000000u;
}
