// SPDX-License-Identifier: MIT
#include "traverse/nat_estimate.h"

#include "traverse/nat_births.h"
#include "traverse/nat_sequence.h"

#define PORT_MAX   65535
#define TAIL       0.005
#define TAIL_SIGMA 2.576 // standard deviations that leave 0.5 % beyond

static double root(double value)
{
    double guess = value > 1 ? value : 1;

    for (int i = 0; i < 60; i++)
        guess = (guess + value / guess) / 2;
    return guess;
}

// x with x ^ exponent = 1 / TAIL; not below it.
static double tail_root(uint32_t exponent)
{
    double low = 1;
    double high = 1 / TAIL;

    for (int i = 0; i < 50; i++) {
        const double middle = (low + high) / 2;
        double value = 1;
        for (uint32_t j = 0; j < exponent && value < 1 / TAIL; j++)
            value *= middle;
        if (value < 1 / TAIL)
            low = middle;
        else
            high = middle;
    }
    return high;
}

static uint32_t clamp_port(double port)
{
    if (port < 1)
        return 1;
    return port > PORT_MAX ? PORT_MAX : (uint32_t)port;
}

// With (least - low) / (greatest - least) = t, P(t > x) = (1 + x) ^ -(count - 1).
void wend_nat_bounds(uint16_t least, uint16_t greatest, uint32_t count,
                     struct wend_nat_estimate *ret_low, struct wend_nat_estimate *ret_high)
{
    const double spread = (double)greatest - least + 1;
    const double beyond = (tail_root(count - 1) - 1) * spread + 1;
    const double likely = spread / (count - 1.0);

    *ret_low = (struct wend_nat_estimate){
        .least = clamp_port(least - beyond), .likely = clamp_port(least - likely), .most = least};
    *ret_high = (struct wend_nat_estimate){.least = greatest,
                                           .likely = clamp_port(greatest + likely),
                                           .most = clamp_port(greatest + beyond)};
}

static double cube(double value)
{
    return value * value * value;
}

static uint32_t hundredths(double value)
{
    return value * 100 >= WEND_NAT_RATE_MAX ? WEND_NAT_RATE_MAX : (uint32_t)(value * 100);
}

struct wend_nat_estimate wend_nat_rate(uint32_t count, wend_duration time)
{
    const double seconds = (double)time / (double)WEND_S(1);
    const double n = count;
    double least = 0;

    if (count > 0) {
        const double third = 1 - 1 / (9 * n) - TAIL_SIGMA / (3 * root(n));
        least = third > 0 ? n * cube(third) : 0;
    }
    const double m = n + 1;
    const double most = m * cube(1 - 1 / (9 * m) + TAIL_SIGMA / (3 * root(m)));
    return (struct wend_nat_estimate){.least = hundredths(least / seconds),
                                      .likely = hundredths(n / seconds),
                                      .most = hundredths(most / seconds + 0.01)};
}

static bool counts(const struct wend_nat_model *m)
{
    return m->allocation == WEND_NAT_SEQUENTIAL || m->fallback == WEND_NAT_SEQUENTIAL;
}

static bool draws(const struct wend_nat_model *m)
{
    return m->allocation == WEND_NAT_BLOCK || m->allocation == WEND_NAT_RANDOM ||
           m->fallback == WEND_NAT_BLOCK || m->fallback == WEND_NAT_RANDOM;
}

// What others may have taken of a counter, at most; beyond that it is not the counter that is seen.
static bool is_plausible(uint32_t steps, wend_duration time)
{
    return steps <= WEND_NAT_BURST_MAX + (uint64_t)time * (WEND_NAT_RATE_MAX / 100) / WEND_S(1);
}

// What the counter went on by between two mappings of ours is what others took.
static void estimate_rate(const struct wend_nat_births *b, struct wend_nat_model *m)
{
    const struct wend_nat_sequence q = {.delta = m->delta, .byte_swapped = m->byte_swapped};
    const struct wend_nat_birth *last = NULL;
    uint32_t others = 0;
    uint32_t own = 0;
    wend_duration time = 0;

    for (uint32_t i = 0; i < b->count; i++) {
        const struct wend_nat_birth *one = &b->at[i];
        if (m->allocation != WEND_NAT_SEQUENTIAL && one->outside == one->inside)
            continue; // preserved: the counter was not asked
        own++;
        if (one->outside == 0)
            continue;
        const uint32_t steps =
            last != NULL ? wend_nat_sequence_steps(&q, last->outside, one->outside) : 0;
        const wend_duration apart = last != NULL ? one->sent - last->sent : 0;
        if (steps != 0 && last->socket / WEND_NAT_GROUP == one->socket / WEND_NAT_GROUP &&
            last->sure && one->sure && apart <= WEND_NAT_PAIR_TIME) {
            if (!is_plausible(steps, apart))
                continue; // displaced, or a counter that began anew
            others += steps > own ? steps - own : 0;
            time += apart;
        }
        last = one;
        own = 0;
    }
    if (time >= WEND_NAT_BACK_TO_BACK)
        m->rate = wend_nat_rate(others, time);
}

static bool was_seen(const struct wend_nat_samples *s, uint32_t before, uint16_t port)
{
    for (uint32_t i = 0; i < before; i++)
        if (s->at[i].outside.port == port)
            return true;
    return false;
}

static void estimate_bounds(const struct wend_nat_samples *s, struct wend_nat_model *m)
{
    const bool preserves = m->allocation != WEND_NAT_BLOCK && m->allocation != WEND_NAT_RANDOM;
    uint16_t least = UINT16_MAX;
    uint16_t greatest = 0;
    uint32_t count = 0;

    for (uint32_t i = 0; i < s->count; i++) {
        const uint16_t port = s->at[i].outside.port;
        if (port == 0 || was_seen(s, i, port) || (preserves && port == s->at[i].inside.port))
            continue;
        least = port < least ? port : least;
        greatest = port > greatest ? port : greatest;
        count++;
    }
    if (count >= 2)
        wend_nat_bounds(least, greatest, count, &m->low, &m->high);
}

void wend_nat_estimate(const struct wend_nat_samples *s, wend_instant now, struct wend_nat_model *m)
{
    if (draws(m))
        estimate_bounds(s, m);
    if (counts(m)) {
        struct wend_nat_births b;
        wend_nat_births_of(s, now - WEND_NAT_RATE_AGE, m->mapping, &b);
        estimate_rate(&b, m);
    }
}
