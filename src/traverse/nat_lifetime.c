// SPDX-License-Identifier: MIT
#include "traverse/nat_lifetime.h"

#define AT_ONCE WEND_MS(50) // between a request's hour and its leaving

static wend_instant newest(const struct wend_nat_lifetime *l)
{
    return l->in > l->out ? l->in : l->out;
}

static void lived(struct wend_nat_lifetime *l, wend_duration silence)
{
    if (silence <= l->lived)
        return;
    l->lived = silence;
    if (l->died != 0 && l->died <= silence)
        l->died = 0;
}

static void died(struct wend_nat_lifetime *l, wend_duration silence)
{
    if (l->died != 0 && l->died <= silence)
        return;
    l->died = silence;
    if (l->lived >= silence)
        l->lived = 0;
}

void wend_nat_lifetime_sent(struct wend_nat_lifetime *l, wend_instant now)
{
    if (l->out != 0 && now - newest(l) >= WEND_NAT_SILENCE_LEAST) {
        l->asked = now;
        l->silent = now - newest(l);
    }
    if (l->out != 0 && now - l->out > l->widest)
        l->widest = now - l->out;
    l->out = now;
}

void wend_nat_lifetime_came(struct wend_nat_lifetime *l, bool by_mapping, wend_instant now)
{
    if (by_mapping && l->out != 0 && now - newest(l) >= WEND_NAT_SILENCE_LEAST)
        lived(l, now - newest(l));
    l->in = now;
}

void wend_nat_lifetime_proved(struct wend_nat_lifetime *l, const struct wend_nat_proof *proof)
{
    const bool first = l->asked >= proof->sent && l->asked <= proof->sent + AT_ONCE;
    const bool comparable = proof->before.family != WEND_FAMILY_NONE &&
                            wend_address_same_ip(&proof->before, &proof->seen);

    if (comparable && proof->before.port != proof->seen.port && l->widest > 0)
        died(l, l->widest);
    if (comparable && proof->before.port == proof->seen.port && first && proof->ports_change)
        lived(l, l->silent);
    if (first)
        l->asked = 0;
    l->widest = 0;
}

// Rounded outwards to whole seconds.
struct wend_nat_estimate wend_nat_lifetime_between(wend_duration lived, wend_duration died)
{
    struct wend_nat_estimate e = {0};
    const wend_duration most = died != 0 ? (died + WEND_S(1) - 1) / WEND_S(1) : UINT16_MAX;

    if (lived == 0 && died == 0)
        return e;
    e.most = most < UINT16_MAX ? (uint32_t)most : UINT16_MAX;
    e.least = lived / WEND_S(1) < e.most ? (uint32_t)(lived / WEND_S(1)) : e.most;
    e.likely = died != 0 ? (e.least + e.most) / 2 : e.least;
    return e;
}

struct wend_nat_estimate wend_nat_lifetime_estimate(const struct wend_nat_lifetime *l)
{
    return wend_nat_lifetime_between(l->lived, l->died);
}
