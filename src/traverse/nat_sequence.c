// SPDX-License-Identifier: MIT
// Probabilities are doubles; at most 48 factors of at least 1e-12 each would leave their range, so
// only the newest 16 births are weighed: the rest adds nothing to a decision that is already clear.
#include "traverse/nat_sequence.h"

#define WEIGHED_MAX 16
#define DELTA_MAX   32767
#define SWAPPED_MAX 16
#define TIGHT_MAX   64 // counts in which others take part between two datagrams back to back

struct step {
    uint16_t from, to;
    bool tight;       // sent back to back
    uint32_t between; // own mappings between them whose answers were lost
};

struct row {
    struct step steps[WEIGHED_MAX];
    uint32_t count;
    uint32_t spread; // of the plain ports
};

static uint16_t in_order(uint16_t port, bool swapped)
{
    if (!swapped)
        return port;
    return (uint16_t)(port << 8 | port >> 8);
}

static int32_t gap_of(const struct step *s, bool swapped)
{
    return (int32_t)in_order(s->to, swapped) - (int32_t)in_order(s->from, swapped);
}

uint32_t wend_nat_sequence_steps(const struct wend_nat_sequence *s, uint16_t from, uint16_t to)
{
    const struct step one = {.from = from, .to = to};
    const int32_t gap = gap_of(&one, s->byte_swapped);

    if (s->delta == 0 || gap % s->delta != 0 || gap / s->delta <= 0)
        return 0;
    return (uint32_t)(gap / s->delta);
}

// Only births whose place in the order is sure, if `sure_only`.
static void row_of(const struct wend_nat_births *b, bool sure_only, struct row *ret)
{
    uint16_t low = UINT16_MAX;
    uint16_t high = 0;
    const struct wend_nat_birth *last = NULL;
    uint32_t between = 0;

    ret->count = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        const struct wend_nat_birth *one = &b->at[i];
        if (one->outside == 0 || (sure_only && !one->sure)) {
            between++;
            continue;
        }
        low = one->outside < low ? one->outside : low;
        high = one->outside > high ? one->outside : high;
        if (last != NULL && ret->count < WEIGHED_MAX)
            ret->steps[ret->count++] =
                (struct step){.from = last->outside,
                              .to = one->outside,
                              .tight = one->sent - last->sent <= WEND_NAT_BACK_TO_BACK,
                              .between = between};
        last = one;
        between = 0;
    }
    ret->spread = high > low ? (uint32_t)(high - low) : 0;
}

static double power(double base, uint32_t exponent)
{
    double value = 1;

    for (uint32_t i = 0; i < exponent; i++)
        value *= base;
    return value;
}

// Drawn: from a block of 64, 128 … 65,536 ports; the smallest are rare.
static double probability_drawn(const struct row *r)
{
    double sum = 0;

    for (uint32_t size = 64; size <= 65536; size *= 2) {
        const double usual = size == 64 ? 0.02 : size == 128 ? 0.08 : 0.1;
        if (size > r->spread)
            sum += usual * power(1.0 / size, r->count);
    }
    return sum;
}

// Before anything was seen, deltas of one and two are the likeliest, then small ones. A counter in
// the other byte order counts by ones; with a great delta it would be mistaken for a plain one.
static double probability_delta(const struct wend_nat_sequence *q)
{
    const int32_t size = q->delta < 0 ? -q->delta : q->delta;
    double p = 0.018 / size;

    if (size <= 2)
        p = size == 1 ? 0.2 : 0.05;
    if (!q->byte_swapped)
        return p;
    return size <= SWAPPED_MAX ? 0.1 * p : 0;
}

static double probability_steps(uint32_t steps, const struct step *s)
{
    static const double tight[] = {0, 0.95, 0.04, 0.008, 0.001};

    if (!s->tight)
        return 0.125 / steps;
    if (steps <= s->between + 1)
        return tight[1] / (s->between + 1);
    const uint32_t beyond = steps - s->between;
    return beyond < 5 ? tight[beyond] : 0.005 / ((double)beyond * beyond);
}

static double probability_counted(const struct row *r, const struct wend_nat_sequence *q)
{
    double p = probability_delta(q);

    for (uint32_t i = 0; i < r->count; i++) {
        const struct step *s = &r->steps[i];
        const uint32_t steps = wend_nat_sequence_steps(q, s->from, s->to);
        if (steps != 0) {
            p *= probability_steps(steps, s);
            continue;
        }
        const bool back = (gap_of(s, q->byte_swapped) < 0) != (q->delta < 0);
        p *= (!s->tight ? 0.2 : back ? 0.004 : 0.0001) / (r->spread + 1.0);
    }
    return p;
}

struct finding {
    struct wend_nat_sequence sequence;
    double odds;
};

// Each delta that would explain one of the steps by one to four counts is tried.
static void try_deltas(const struct row *r, bool swapped, struct finding *f)
{
    const double drawn = probability_drawn(r);

    for (uint32_t i = 0; i < r->count; i++) {
        const int32_t gap = gap_of(&r->steps[i], swapped);
        for (int32_t parts = 1; parts <= 4; parts++) {
            const struct wend_nat_sequence q = {.delta = gap / parts, .byte_swapped = swapped};
            if (q.delta == 0 || gap % parts != 0 || q.delta > DELTA_MAX || q.delta < -DELTA_MAX)
                continue;
            const double odds = probability_counted(r, &q) / drawn;
            if (odds > f->odds)
                *f = (struct finding){q, odds};
        }
    }
}

struct wend_nat_sequence wend_nat_sequence_of(const struct wend_nat_births *b, double odds)
{
    struct finding f = {.odds = odds};
    struct row r;

    for (int sure_only = 0; sure_only <= 1; sure_only++) {
        row_of(b, sure_only != 0, &r);
        try_deltas(&r, false, &f);
        try_deltas(&r, true, &f);
    }
    return f.sequence;
}

static bool follows(const struct wend_nat_sequence *s, const struct wend_nat_birth *last,
                    const struct wend_nat_birth *one)
{
    const uint32_t steps = wend_nat_sequence_steps(s, last->outside, one->outside);

    return steps != 0 && steps <= TIGHT_MAX;
}

bool wend_nat_sequence_holds(const struct wend_nat_sequence *s, const struct wend_nat_births *b)
{
    const struct wend_nat_birth *last = NULL; // in the sequence
    const struct wend_nat_birth *odd = NULL;  // not in it, since then
    uint32_t odd_count = 0;
    bool later = false;     // a mapping that is not its socket's first stands in it,
    bool odd_later = false; // does not

    for (uint32_t i = 0; i < b->count; i++) {
        const struct wend_nat_birth *one = &b->at[i];
        if (one->outside == 0 || !one->sure)
            continue;
        const bool tight = last != NULL && one->sent - last->sent <= WEND_NAT_BACK_TO_BACK;
        const bool anew = odd != NULL && follows(s, odd, one);
        if (tight && !anew && !follows(s, last, one)) {
            odd_count++;
            odd_later |= !one->first;
            odd = one;
            continue;
        }
        odd_count -= anew;
        later |= tight && !one->first;
        last = one;
        odd = NULL;
    }
    return odd_count == 0 || (odd_count == 1 && (later || !odd_later));
}
