// SPDX-License-Identifier: MIT
// Numbers for the planner, in whole numbers so that both sides get the same ones.
#include "traverse/plan_state.h"

#define ONE ((uint64_t)1 << 32) // certainty
#define PPM 1000000

static uint64_t as_share(uint32_t ppm)
{
    return ONE * ppm / PPM;
}

// Chance that so many distinct probes miss all of so many distinct ports.
static uint64_t miss_share(uint32_t range, uint32_t sockets, uint32_t probes)
{
    uint64_t miss = ONE;

    for (uint32_t i = 0; i < probes; i++) {
        if (sockets + i >= range)
            return 0;
        miss = miss * (range - sockets - i) / (range - i);
    }
    return miss;
}

uint32_t wend_plan_equal_split(uint32_t range, uint32_t miss_ppm, uint32_t cap)
{
    uint32_t low = 1, high = cap;

    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (miss_share(range, middle, middle) <= as_share(miss_ppm))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

uint32_t wend_plan_probes_for(uint32_t range, uint32_t sockets, uint32_t miss_ppm, uint32_t cap)
{
    uint32_t probes = 1;

    while (probes < cap && miss_share(range, sockets, probes) > as_share(miss_ppm))
        probes++;
    return probes;
}

// --- sequences ---

static uint16_t swapped(uint16_t port)
{
    return (uint16_t)(port << 8 | port >> 8);
}

static int64_t wrapped(int64_t value, int64_t low, int64_t high)
{
    const int64_t span = high - low + 1;
    const int64_t into = (value - low) % span;

    return low + (into < 0 ? into + span : into);
}

uint16_t wend_plan_port_after(const struct wend_nat_model *m, uint16_t from, int32_t n)
{
    const int64_t ahead = (int64_t)m->delta * n;

    if (m->byte_swapped)
        return swapped((uint16_t)(swapped(from) + ahead));
    if (m->low.likely != 0 && from >= m->low.likely && from <= m->high.likely)
        return (uint16_t)wrapped(from + ahead, m->low.likely, m->high.likely);
    return (uint16_t)wrapped(from + ahead, from < PLAN_PORT_LEAST ? 0 : PLAN_PORT_LEAST,
                             UINT16_MAX);
}

uint32_t wend_plan_steps_between(const struct wend_nat_model *m, uint16_t from, uint16_t to,
                                 uint32_t most)
{
    for (uint32_t n = 1; n <= most; n++)
        if (wend_plan_port_after(m, from, (int32_t)n) == to)
            return n;
    return 0;
}
