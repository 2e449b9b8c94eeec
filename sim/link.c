// SPDX-License-Identifier: MIT
#include "link.h"

#include <errno.h>

#include "base/assert.h"

// splitmix64: one word of state, every seed good, which is all that a link needs.
static uint64_t draw(struct wend_link *l)
{
    l->random += 0x9e3779b97f4a7c15u;
    uint64_t z = l->random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// Draws nothing when the chance is zero, so that features which are off leave the sequence alone.
static bool chance(struct wend_link *l, uint32_t ppm)
{
    if (ppm == 0)
        return false;
    return (((draw(l) >> 32) * WEND_LINK_PPM_MAX) >> 32) < ppm;
}

// Twelve uniform numbers summed have a variance of one unit: near enough to a normal distribution
// (cut at six deviations), in integers, the same on every machine.
static wend_duration draw_normal(struct wend_link *l, wend_duration deviation)
{
    int64_t sum = -6 * ((int64_t)1 << 32);
    for (int i = 0; i < 6; i++) {
        const uint64_t r = draw(l);
        sum += (int64_t)(r >> 32) + (int64_t)(r & UINT32_MAX);
    }
    const int64_t z = (sum < 0 ? -sum : sum) >> 12; // one deviation is 2^20
    return (z * deviation) >> 20;
}

static wend_duration draw_jitter(struct wend_link *l)
{
    const struct wend_link_config *c = &l->config;
    if (c->jitter == 0)
        return 0;
    switch (c->jitter_shape) {
    case WEND_LINK_SHAPE_UNIFORM: return (wend_duration)(draw(l) % ((uint64_t)c->jitter + 1));
    case WEND_LINK_SHAPE_NORMAL: return draw_normal(l, c->jitter);
    }
    wend_assert(false);
    return 0;
}

static bool slot_before(const struct wend_link_slot *a, const struct wend_link_slot *b)
{
    if (a->deliver_at != b->deliver_at)
        return a->deliver_at < b->deliver_at;
    return a->order < b->order;
}

static void heap_push(struct wend_link *l, const struct wend_link_slot *slot)
{
    size_t at = l->slot_count++;
    while (at > 0) {
        const size_t parent = (at - 1) / 2;
        if (!slot_before(slot, &l->slots[parent]))
            break;
        l->slots[at] = l->slots[parent];
        at = parent;
    }
    l->slots[at] = *slot;
}

static void heap_pop(struct wend_link *l)
{
    const struct wend_link_slot moved = l->slots[--l->slot_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= l->slot_count)
            break;
        if (child + 1 < l->slot_count && slot_before(&l->slots[child + 1], &l->slots[child]))
            child++;
        if (!slot_before(&l->slots[child], &moved))
            break;
        l->slots[at] = l->slots[child];
        at = child;
    }
    l->slots[at] = moved;
}

static bool duration_fits(wend_duration d)
{
    return d >= 0 && d <= WEND_LINK_DELAY_MAX;
}

static bool config_fits(const struct wend_link_config *c)
{
    return duration_fits(c->delay) && duration_fits(c->jitter) && duration_fits(c->reorder_delay) &&
           duration_fits(c->queue_time) && c->queue_bytes <= WEND_LINK_QUEUE_MAX &&
           c->loss_ppm <= WEND_LINK_PPM_MAX && c->burst_enter_ppm <= WEND_LINK_PPM_MAX &&
           c->burst_leave_ppm <= WEND_LINK_PPM_MAX && c->burst_loss_ppm <= WEND_LINK_PPM_MAX &&
           c->reorder_ppm <= WEND_LINK_PPM_MAX && c->duplicate_ppm <= WEND_LINK_PPM_MAX;
}

static wend_duration transmission_time(const struct wend_link_config *c, size_t len)
{
    if (c->rate_bps == 0)
        return 0;
    return (wend_duration)((unsigned __int128)len * 8 * (uint64_t)WEND_S(1) / c->rate_bps);
}

static wend_duration queue_limit(const struct wend_link_config *c)
{
    wend_duration limit = c->queue_time > 0 ? c->queue_time : WEND_LINK_DELAY_MAX;
    if (c->queue_bytes > 0)
        limit = wend_instant_min(limit, transmission_time(c, c->queue_bytes));
    return limit;
}

int wend_link_configure(struct wend_link *l, const struct wend_link_config *config)
{
    if (!config_fits(config))
        return -EINVAL;
    if (config->seed != l->config.seed)
        l->random = config->seed;
    if (config->burst_enter_ppm == 0)
        l->in_burst = false;
    l->config = *config;
    l->queue_limit = queue_limit(config);
    return 0;
}

int wend_link_init(struct wend_link *l, const struct wend_link_config *config,
                   struct wend_link_slot *slots, size_t slot_max)
{
    wend_assert((slots != NULL) == (slot_max > 0));
    if (!config_fits(config))
        return -EINVAL;
    *l = (struct wend_link){
        .random = config->seed,
        .busy_until = INT64_MIN,
        .last_at = INT64_MIN,
        .slots = slots,
        .slot_max = slot_max,
    };
    l->config.seed = config->seed;
    return wend_link_configure(l, config);
}

void wend_link_set_down(struct wend_link *l, bool down)
{
    l->down = down;
}

// Puts the packet at the end of the transmit queue; false if the queue is full.
static bool transmit(struct wend_link *l, size_t len, wend_instant now)
{
    const wend_instant start = l->busy_until > now ? l->busy_until : now;
    const wend_duration took = transmission_time(&l->config, len);
    if (start > now && start - now + took > l->queue_limit)
        return false;
    l->busy_until = start + took;
    return true;
}

static bool lost_in_burst(struct wend_link *l)
{
    const struct wend_link_config *c = &l->config;
    if (c->burst_enter_ppm == 0)
        return false;
    const bool turn = chance(l, l->in_burst ? c->burst_leave_ppm : c->burst_enter_ppm);
    if (turn)
        l->in_burst = !l->in_burst;
    return l->in_burst && chance(l, c->burst_loss_ppm);
}

// When the packet that was transmitted last comes out.
static wend_instant draw_delivery(struct wend_link *l)
{
    const struct wend_link_config *c = &l->config;
    wend_instant at = l->busy_until + c->delay + draw_jitter(l);
    const bool ordered = c->keep_order || c->jitter == 0;
    if (ordered && at < l->last_at)
        at = l->last_at;
    if (chance(l, c->reorder_ppm)) {
        at += c->reorder_delay;
        l->counters.reordered++;
    } else if (at > l->last_at) {
        l->last_at = at;
    }
    return at;
}

static void schedule(struct wend_link *l, uint32_t token)
{
    const struct wend_link_slot slot = {
        .deliver_at = draw_delivery(l),
        .order = l->next_order++,
        .token = token,
    };
    heap_push(l, &slot);
}

// The counter of the reason for which the packet is dropped; NULL if it passes.
static uint64_t *find_drop(struct wend_link *l, size_t len, wend_instant now)
{
    const struct wend_link_config *c = &l->config;
    if (l->down)
        return &l->counters.dropped_down;
    if (c->mtu_bytes > 0 && len > c->mtu_bytes)
        return &l->counters.dropped_mtu;
    if (l->slots != NULL && l->slot_count == l->slot_max)
        return &l->counters.dropped_full;
    if (!transmit(l, len, now))
        return &l->counters.dropped_queue;
    // Behind the bottleneck: a packet that gets lost has used its share of the rate.
    if (lost_in_burst(l))
        return &l->counters.dropped_burst;
    if (chance(l, c->loss_ppm))
        return &l->counters.dropped_loss;
    return NULL;
}

// Counts the packet; 1 if it passes, else what push returns for it.
static int admit(struct wend_link *l, size_t len, wend_instant now)
{
    wend_assert(len <= WEND_LINK_LEN_MAX);
    l->counters.pushed++;
    uint64_t *dropped = find_drop(l, len, now);
    if (dropped != NULL) {
        (*dropped)++;
        const bool report = dropped == &l->counters.dropped_mtu && l->config.mtu_report;
        return report ? -EMSGSIZE : 0;
    }
    l->counters.passed++;
    l->counters.passed_bytes += len;
    return 1;
}

int wend_link_pass(struct wend_link *l, size_t len, wend_instant now, wend_instant ret_at[static 2])
{
    const int admitted = admit(l, len, now);
    if (admitted != 1)
        return admitted;
    ret_at[0] = draw_delivery(l);
    l->counters.delivered++;
    if (!chance(l, l->config.duplicate_ppm))
        return 1;
    ret_at[1] = draw_delivery(l);
    l->counters.duplicated++;
    l->counters.delivered++;
    return 2;
}

int wend_link_push(struct wend_link *l, size_t len, uint32_t token, wend_instant now)
{
    const int admitted = admit(l, len, now);
    if (admitted != 1)
        return admitted;
    schedule(l, token);
    if (!chance(l, l->config.duplicate_ppm) || l->slot_count == l->slot_max)
        return 1;
    l->counters.duplicated++;
    schedule(l, token);
    return 2;
}

bool wend_link_pop(struct wend_link *l, wend_instant now, uint32_t *ret_token)
{
    if (l->slot_count == 0 || l->slots[0].deliver_at > now)
        return false;
    *ret_token = l->slots[0].token;
    heap_pop(l);
    l->counters.delivered++;
    return true;
}

wend_instant wend_link_deadline(const struct wend_link *l)
{
    return l->slot_count > 0 ? l->slots[0].deliver_at : WEND_NEVER;
}

void wend_link_check(const struct wend_link *l)
{
    const struct wend_link_counters *c = &l->counters;
    wend_assert(l->slot_count <= l->slot_max);
    for (size_t i = 1; i < l->slot_count; i++)
        wend_assert(!slot_before(&l->slots[i], &l->slots[(i - 1) / 2]));
    wend_assert(c->pushed == c->passed + c->dropped_down + c->dropped_mtu + c->dropped_queue +
                                 c->dropped_loss + c->dropped_burst + c->dropped_full);
    wend_assert(c->passed + c->duplicated == c->delivered + l->slot_count);
}
