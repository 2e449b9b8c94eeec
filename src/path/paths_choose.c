// SPDX-License-Identifier: MIT
// The choice between the paths of one peer, with the hysteresis that keeps it from wavering.
#include "path/paths.h"

#define RELAY_MARGIN  WEND_MS(5)
#define DIRECT_MARGIN WEND_MS(1)
#define SAMPLES_MIN   4 // of a direct path before the relay may be called faster

// True when `a` beats `b` by `margin` and by one part in `share` of b.
static bool faster(wend_duration a, wend_duration b, wend_duration margin, wend_duration share)
{
    return a != 0 && b != 0 && a + margin <= b && a <= b - b / share;
}

const struct wend_path *wend_paths_direct(const struct wend_paths *p)
{
    const struct wend_path *best = NULL;

    if (p->chosen < p->used && wend_prober_is_up(&p->path[p->chosen].prober))
        best = &p->path[p->chosen];
    for (uint32_t i = 0; i < p->used; i++) {
        const struct wend_path *path = &p->path[i];
        if (!wend_prober_is_up(&path->prober) || path == best)
            continue;
        const bool healthier = best != NULL && best->prober.state == WEND_PATH_STATE_SUSPECT &&
                               path->prober.state == WEND_PATH_STATE_VALID;
        if (best == NULL || healthier ||
            (path->prober.state == WEND_PATH_STATE_VALID &&
             faster(path->prober.rtt, best->prober.rtt, DIRECT_MARGIN, 10)))
            best = path;
    }
    return best;
}

// Does the relay beat a direct path that is up? Once it carries, half the margins keep it.
static bool relay_wins(const struct wend_paths *p, const struct wend_path *direct)
{
    const struct wend_prober *relay = &p->path[WEND_PATHS_RELAY].prober;

    if (relay->state != WEND_PATH_STATE_VALID ||
        __builtin_popcount(direct->prober.history) < SAMPLES_MIN)
        return false;
    if (p->chosen == WEND_PATHS_RELAY)
        return faster(relay->rtt, direct->prober.rtt, RELAY_MARGIN / 2, 8);
    return faster(relay->rtt, direct->prober.rtt, RELAY_MARGIN, 4);
}

static uint32_t decide(const struct wend_paths *p)
{
    const struct wend_path *direct = wend_paths_direct(p);

    // Nobody keeps a direct path open while nobody wants it: who wakes later finds the relay.
    if (p->use == WEND_PATHS_IDLE && p->relay_open)
        return WEND_PATHS_RELAY;
    if (p->preference == WEND_PATHS_PREFER_RELAY && p->relay_open)
        return WEND_PATHS_RELAY;
    if (direct != NULL && p->preference == WEND_PATHS_PREFER_DIRECT)
        return (uint32_t)(direct - p->path);
    if (direct != NULL && !(p->relay_open && relay_wins(p, direct)))
        return (uint32_t)(direct - p->path);
    if (p->relay_open)
        return WEND_PATHS_RELAY;
    if (p->chosen < p->used && p->path[p->chosen].prober.state == WEND_PATH_STATE_PROBING)
        return p->chosen; // nothing better to carry on with
    return WEND_PATHS_NONE;
}

static enum wend_prober_pace pace_of(const struct wend_paths *p, uint32_t index)
{
    switch (p->use) {
    case WEND_PATHS_IDLE: return WEND_PROBER_QUIET;
    case WEND_PATHS_WANTED: return WEND_PROBER_STANDBY;
    case WEND_PATHS_ACTIVE: break;
    }
    // While the relay carries, the direct path that could is measured as closely.
    const struct wend_path *direct = wend_paths_direct(p);
    const bool rival = p->chosen == WEND_PATHS_RELAY && direct == &p->path[index];
    return index == p->chosen || rival ? WEND_PROBER_IN_USE : WEND_PROBER_STANDBY;
}

void wend_paths_choose(struct wend_paths *p, wend_instant now)
{
    const uint32_t chosen = decide(p);

    if (chosen != p->chosen) {
        p->chosen = chosen;
        p->generation++;
    }
    for (uint32_t i = 0; i < p->used; i++)
        wend_prober_set_pace(&p->path[i].prober, pace_of(p, i), now);
    wend_prober_set_pace(&p->path[WEND_PATHS_RELAY].prober, pace_of(p, WEND_PATHS_RELAY), now);
}

void wend_paths_prefer(struct wend_paths *p, enum wend_paths_preference what, wend_instant now)
{
    p->preference = what;
    wend_paths_choose(p, now);
}

const struct wend_path *wend_paths_chosen(const struct wend_paths *p)
{
    return p->chosen <= WEND_PATHS_RELAY ? &p->path[p->chosen] : NULL;
}
