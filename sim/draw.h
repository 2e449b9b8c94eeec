// SPDX-License-Identifier: MIT
// splitmix64: a seed's numbers. Another than the machines' own, so that what they draw does not
// depend on what the world does.
#ifndef WEND_SIM_DRAW_H
#define WEND_SIM_DRAW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

struct sim_draw {
    uint64_t state;
};

static inline uint64_t sim_draw_u64(struct sim_draw *d)
{
    d->state += 0x9e3779b97f4a7c15u;
    uint64_t z = d->state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// 0 to n - 1; n is not 0.
static inline uint32_t sim_draw_below(struct sim_draw *d, uint32_t n)
{
    return (uint32_t)(((sim_draw_u64(d) >> 32) * n) >> 32);
}

// True in `part` of 1,000 cases.
static inline bool sim_draw_chance(struct sim_draw *d, uint32_t part)
{
    return sim_draw_below(d, 1000) < part;
}

// from … to, both included.
static inline wend_duration sim_draw_between(struct sim_draw *d, wend_duration from,
                                             wend_duration to)
{
    return from + (wend_duration)(sim_draw_u64(d) % (uint64_t)(to - from + 1));
}

#endif
