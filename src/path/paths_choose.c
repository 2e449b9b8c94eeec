// SPDX-License-Identifier: MIT
// The choice between the paths of one peer, with the hysteresis that keeps it from wavering.
#include "path/paths_state.h"

#define RELAY_MARGIN  WEND_MS(5)
#define DIRECT_MARGIN WEND_MS(1)
#define SAMPLES_MIN   4 // of a direct path before the relay may be called faster
#define TASTE_FIRST   WEND_S(5)
#define TASTE_MAX     WEND_S(300)
#define TASTE_FORGET  WEND_S(600)

// True when `a` beats `b` by `margin` and by one part in `share` of b.
static bool faster(wend_duration a, wend_duration b, wend_duration margin, wend_duration share)
{
    return a != 0 && b != 0 && a + margin <= b && a <= b - b / share;
}

// Is `a` the better of two direct paths that are up, `b` being in use or found first?
static bool better(const struct wend_paths *p, const struct wend_path *a, const struct wend_path *b)
{
    if (a->shunned != b->shunned)
        return b->shunned;
    if (a->prober.state != WEND_PATH_STATE_VALID)
        return false;
    if (wend_prober_is_doubtful(&b->prober) && !p->relay_open)
        return true; // nobody carries copies
    const bool moving = p->chosen < p->used && b == &p->path[p->chosen];
    return !(moving && p->settled) && faster(a->prober.rtt, b->prober.rtt, DIRECT_MARGIN, 10);
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
        if (best == NULL || better(p, path, best))
            best = path;
    }
    return best;
}

// --- what is a matter of taste changes seldom ---

static void change_taste(struct wend_paths_taste *t, wend_instant now)
{
    const bool calm = t->hold == 0 || now - t->changed >= TASTE_FORGET;

    t->hold = calm ? TASTE_FIRST : 2 * t->hold;
    if (t->hold > TASTE_MAX)
        t->hold = TASTE_MAX;
    t->changed = now;
    t->until = now + t->hold;
}

// Does the relay beat a direct path that is up? Once it does, half the margins keep it.
static bool relay_is_faster(const struct wend_paths *p, const struct wend_path *direct)
{
    const struct wend_prober *relay = &p->path[WEND_PATHS_RELAY].prober;

    if (__builtin_popcount(direct->prober.history) < SAMPLES_MIN)
        return false;
    if (p->relay_liked)
        return faster(relay->rtt, direct->prober.rtt, RELAY_MARGIN / 2, 8);
    return faster(relay->rtt, direct->prober.rtt, RELAY_MARGIN, 4);
}

static bool relay_wins(struct wend_paths *p, const struct wend_path *direct, wend_instant now)
{
    const struct wend_path *relay = &p->path[WEND_PATHS_RELAY];

    if (direct->shunned != relay->shunned)
        return direct->shunned;
    if (relay->prober.state != WEND_PATH_STATE_VALID)
        return false;
    if (relay_is_faster(p, direct) != p->relay_liked && p->relay_taste.until <= now) {
        p->relay_liked = !p->relay_liked;
        change_taste(&p->relay_taste, now);
    }
    return p->relay_liked;
}

// The user's wish holds while it works.
static bool prefers_relay(const struct wend_paths *p, const struct wend_path *direct)
{
    return p->preference == WEND_PATHS_PREFER_RELAY && p->relay_open &&
           (direct == NULL || direct->shunned || !p->path[WEND_PATHS_RELAY].shunned);
}

static uint32_t decide(struct wend_paths *p, wend_instant now)
{
    const struct wend_path *direct = wend_paths_direct(p);

    // Nobody keeps a direct path open while nobody wants it: who wakes later finds the relay.
    if (p->use == WEND_PATHS_IDLE && p->relay_open)
        return WEND_PATHS_RELAY;
    if (prefers_relay(p, direct))
        return WEND_PATHS_RELAY;
    if (direct != NULL && p->preference == WEND_PATHS_PREFER_DIRECT && !direct->shunned)
        return (uint32_t)(direct - p->path);
    if (direct != NULL && !(p->relay_open && relay_wins(p, direct, now)))
        return (uint32_t)(direct - p->path);
    if (p->relay_open)
        return WEND_PATHS_RELAY;
    if (p->chosen < p->used && p->path[p->chosen].prober.state == WEND_PATH_STATE_PROBING)
        return p->chosen; // nothing better to carry on with
    return WEND_PATHS_NONE;
}

// `rival`: what could carry as well; NULL: nothing.
static enum wend_prober_pace pace_of(const struct wend_paths *p, uint32_t index,
                                     const struct wend_path *rival)
{
    switch (p->use) {
    case WEND_PATHS_IDLE: return WEND_PROBER_QUIET;
    case WEND_PATHS_WANTED: return WEND_PROBER_STANDBY;
    case WEND_PATHS_ACTIVE: break;
    }
    return index == p->chosen || rival == &p->path[index] ? WEND_PROBER_IN_USE
                                                          : WEND_PROBER_STANDBY;
}

static void set_paces(struct wend_paths *p, wend_instant now)
{
    // While the relay carries, the direct path that could is measured as closely.
    const struct wend_path *rival = p->chosen == WEND_PATHS_RELAY ? wend_paths_direct(p) : NULL;

    for (uint32_t i = 0; i < p->used; i++)
        wend_prober_set_pace(&p->path[i].prober, pace_of(p, i, rival), now);
    wend_prober_set_pace(&p->path[WEND_PATHS_RELAY].prober, pace_of(p, WEND_PATHS_RELAY, rival),
                         now);
}

static void choose(struct wend_paths *p, uint32_t index, wend_instant now)
{
    const bool both_direct = index < p->used && p->chosen < p->used;

    if (both_direct && wend_prober_is_up(&p->path[p->chosen].prober))
        change_taste(&p->direct_taste, now);
    p->chosen = index;
    p->chosen_at = now;
    p->doubted = false;
    p->generation++;
}

void wend_paths_choose(struct wend_paths *p, wend_instant now)
{
    wend_paths_mind_shunned(p, now);
    p->settled = now < p->direct_taste.until;
    const uint32_t index = decide(p, now);
    if (index != p->chosen)
        choose(p, index, now);
    set_paces(p, now);
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
