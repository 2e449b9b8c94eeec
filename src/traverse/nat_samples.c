// SPDX-License-Identifier: MIT
#include "traverse/nat_samples.h"

#include <string.h>

static void remove_first(struct wend_nat_samples *s, uint32_t count)
{
    s->count -= count;
    memmove(s->at, s->at + count, s->count * sizeof s->at[0]);
}

void wend_nat_samples_add(struct wend_nat_samples *s, const struct wend_nat_sample *one)
{
    if (s->count == WEND_NAT_SAMPLES_MAX) {
        if (one->sent < s->at[0].sent)
            return;
        remove_first(s, 1);
    }
    uint32_t place = s->count;
    while (place > 0 && s->at[place - 1].sent > one->sent)
        place--;
    memmove(s->at + place + 1, s->at + place, (s->count - place) * sizeof s->at[0]);
    s->at[place] = *one;
    s->count++;
}

void wend_nat_samples_drop_before(struct wend_nat_samples *s, wend_instant instant)
{
    uint32_t gone = 0;

    while (gone < s->count && s->at[gone].sent < instant)
        gone++;
    remove_first(s, gone);
}

void wend_nat_samples_age(struct wend_nat_samples *s, wend_instant now)
{
    wend_nat_samples_drop_before(s, now - WEND_NAT_SAMPLE_AGE);
}
