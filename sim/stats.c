// SPDX-License-Identifier: MIT
#include "stats.h"

#include <string.h>

#define SHORTEST_BITS 14 // 2^14 ns: all below are in the first bucket
#define FINE_BITS     3

void sim_stats_begin(struct sim_stats *s)
{
    memset(s, 0, sizeof *s);
    s->first_delivery = s->first_answer = s->direct_after = s->healed_after = s->best_after = -1;
}

static uint32_t bucket_of(wend_duration duration)
{
    const uint64_t v = duration < 1 << SHORTEST_BITS ? 1 << SHORTEST_BITS : (uint64_t)duration;
    const uint32_t top = 63 - (uint32_t)__builtin_clzll(v);
    const uint32_t fine = (uint32_t)(v >> (top - FINE_BITS)) & ((1 << FINE_BITS) - 1);
    const uint32_t bucket = (top - SHORTEST_BITS) << FINE_BITS | fine;

    return bucket < SIM_DELAYS ? bucket : SIM_DELAYS - 1;
}

static wend_duration end_of(uint32_t bucket)
{
    const uint32_t top = (bucket >> FINE_BITS) + SHORTEST_BITS;
    const uint64_t fine = bucket & ((1 << FINE_BITS) - 1);

    return (wend_duration)(((UINT64_C(1) << FINE_BITS) + fine + 1) << (top - FINE_BITS));
}

void sim_delays_add(struct sim_delays *d, wend_duration duration)
{
    d->count[bucket_of(duration)]++;
}

void sim_delays_join(struct sim_delays *d, const struct sim_delays *other)
{
    for (uint32_t i = 0; i < SIM_DELAYS; i++)
        d->count[i] += other->count[i];
}

uint64_t sim_delays_count(const struct sim_delays *d)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < SIM_DELAYS; i++)
        count += d->count[i];
    return count;
}

wend_duration sim_delays_part(const struct sim_delays *d, double part)
{
    const uint64_t all = sim_delays_count(d);
    const double wanted = part * (double)all;
    uint64_t seen = 0;

    for (uint32_t i = 0; i < SIM_DELAYS; i++) {
        seen += d->count[i];
        if (d->count[i] > 0 && (double)seen >= wanted)
            return end_of(i);
    }
    return 0;
}
