// SPDX-License-Identifier: MIT
#include "traverse/nat_exchange.h"

#include <errno.h>

static uint32_t at_most(uint32_t value, uint32_t most)
{
    return value < most ? value : most;
}

static struct wend_nat_told_range range_of(const struct wend_nat_estimate *e, uint32_t most)
{
    return (struct wend_nat_told_range){at_most(e->least, most), at_most(e->likely, most),
                                        at_most(e->most, most)};
}

static struct wend_nat_estimate estimate_of(const struct wend_nat_told_range *r)
{
    return (struct wend_nat_estimate){.least = r->least, .likely = r->likely, .most = r->most};
}

static uint32_t age_ms(wend_instant at, wend_instant now)
{
    const wend_duration age = now > at ? (now - at) / WEND_MS(1) : 0;

    return age > UINT32_MAX ? UINT32_MAX : (uint32_t)age;
}

size_t wend_nat_model_write(uint8_t ret[static WEND_NAT_MODEL_LEN_MAX],
                            const struct wend_nat_model *m, wend_instant now)
{
    struct wend_nat_told t = {.serial = m->serial,
                              .mapping = (uint8_t)m->mapping,
                              .filtering = (uint8_t)m->filtering,
                              .allocation = (uint8_t)m->allocation,
                              .fallback = (uint8_t)m->fallback,
                              .udp = (uint8_t)m->udp,
                              .hairpin = (uint8_t)m->hairpin,
                              .parity = (uint8_t)m->parity,
                              .paired = (uint8_t)m->paired,
                              .translates = (uint8_t)m->translates,
                              .byte_swapped = m->byte_swapped,
                              .delta = (int16_t)m->delta,
                              .newest_port = m->newest_port,
                              .public = m->public,
                              .mapped = m->mapped};

    if (m->newest_port != 0)
        t.newest_age_ms = age_ms(m->newest_at, now);
    t.estimates[WEND_NAT_TOLD_RATE] = range_of(&m->rate, UINT32_MAX);
    t.estimates[WEND_NAT_TOLD_LOW] = range_of(&m->low, UINT16_MAX);
    t.estimates[WEND_NAT_TOLD_HIGH] = range_of(&m->high, UINT16_MAX);
    t.estimates[WEND_NAT_TOLD_LIFETIME] = range_of(&m->lifetime_s, UINT16_MAX);
    t.estimates[WEND_NAT_TOLD_HOLE] = range_of(&m->hole_s, UINT16_MAX);
    return wend_nat_told_write(ret, &t);
}

int wend_nat_model_read(struct wend_bytes in, wend_instant now, struct wend_nat_model *ret)
{
    struct wend_nat_told t;

    if (wend_nat_told_read(in, &t) != 0)
        return -EBADMSG;
    *ret = (struct wend_nat_model){
        .serial = t.serial,
        .mapping = (enum wend_nat_dependence)t.mapping,
        .filtering = (enum wend_nat_dependence)t.filtering,
        .allocation = (enum wend_nat_allocation)t.allocation,
        .fallback = (enum wend_nat_allocation)t.fallback,
        .udp = (enum wend_nat_answer)t.udp,
        .hairpin = (enum wend_nat_answer)t.hairpin,
        .parity = (enum wend_nat_answer)t.parity,
        .paired = (enum wend_nat_answer)t.paired,
        .translates = (enum wend_nat_answer)t.translates,
        .byte_swapped = t.byte_swapped,
        .delta = t.delta,
        .rate = estimate_of(&t.estimates[WEND_NAT_TOLD_RATE]),
        .low = estimate_of(&t.estimates[WEND_NAT_TOLD_LOW]),
        .high = estimate_of(&t.estimates[WEND_NAT_TOLD_HIGH]),
        .lifetime_s = estimate_of(&t.estimates[WEND_NAT_TOLD_LIFETIME]),
        .hole_s = estimate_of(&t.estimates[WEND_NAT_TOLD_HOLE]),
        .public = t.public,
        .mapped = t.mapped,
        .newest_port = t.newest_port,
        .newest_at = t.newest_port != 0 ? now - WEND_MS(t.newest_age_ms) : 0,
    };
    return 0;
}
