// SPDX-License-Identifier: MIT
#include "base/assert.h"
#include "path/paths_state.h"

#define SHUN_FIRST   WEND_S(5)
#define SHUN_MAX     WEND_S(300)
#define SHUN_FORGET  WEND_S(60) // of carrying well
#define PROBES_LOSSY 0.25       // of the last 32
#define PROBES_WORSE 0.1
#define PROBES_MIN   32

static struct wend_path *chosen(struct wend_paths *p)
{
    return p->chosen <= WEND_PATHS_RELAY ? &p->path[p->chosen] : NULL;
}

static const struct wend_path *other_than_chosen(const struct wend_paths *p)
{
    const struct wend_path *relay = &p->path[WEND_PATHS_RELAY];

    if (p->chosen < p->used && p->relay_open && relay->prober.state != WEND_PATH_STATE_FAILED)
        return relay;
    for (uint32_t i = 0; i < p->used; i++)
        if (i != p->chosen && wend_prober_is_up(&p->path[i].prober))
            return &p->path[i];
    return NULL;
}

const struct wend_path *wend_paths_spare(const struct wend_paths *p)
{
    if (p->chosen > WEND_PATHS_RELAY)
        return NULL;
    const struct wend_path *path = &p->path[p->chosen];
    // What a volley found may have been heard from alone: nothing of ours needs to have arrived.
    const bool unproven = path->found && path->answers == 0;
    if (!p->doubted && !unproven && !wend_prober_is_doubtful(&path->prober))
        return NULL;
    return other_than_chosen(p);
}

// Is it there, and does it still carry packets of full length?
static void suspect(struct wend_path *path, wend_instant now)
{
    wend_prober_suspect(&path->prober, now);
    wend_pmtu_doubt(&path->pmtu, path->prober.rtt, now);
}

void wend_paths_doubt(struct wend_paths *p, wend_instant now)
{
    struct wend_path *path = chosen(p);

    if (path == NULL)
        return;
    p->doubted = true;
    suspect(path, now);
    const struct wend_path *other = other_than_chosen(p);
    if (other != NULL)
        suspect(&p->path[other - p->path], now);
    wend_paths_expire(p, now);
}

void wend_paths_trust(struct wend_paths *p, wend_instant now)
{
    p->doubted = false;
    wend_paths_choose(p, now);
}

static void shun(struct wend_path *path, bool lossy, wend_instant now)
{
    path->shunned = true;
    path->lossy = lossy;
    path->shun_for = path->shun_for == 0 ? SHUN_FIRST : 2 * path->shun_for;
    if (path->shun_for > SHUN_MAX)
        path->shun_for = SHUN_MAX;
    path->shun_until = now + path->shun_for;
    wend_prober_forget_loss(&path->prober);
}

bool wend_paths_leave(struct wend_paths *p, bool lossy, wend_instant now)
{
    struct wend_path *path = chosen(p);
    const struct wend_path *other = other_than_chosen(p);

    p->doubted = false;
    if (path == NULL || other == NULL || (lossy && !wend_prober_is_up(&other->prober))) {
        wend_paths_choose(p, now);
        return false;
    }
    shun(path, lossy, now);
    // Whether the relay is dead is for its own probes to say: with it goes its channel.
    if (!lossy && p->chosen != WEND_PATHS_RELAY)
        wend_prober_fail(&path->prober);
    wend_paths_expire(p, now);
    return true;
}

// --- what probes say, and time ---

static void mind_losses(struct wend_paths *p, wend_instant now)
{
    struct wend_path *path = chosen(p);
    const struct wend_path *relay = wend_paths_relay(p);

    if (path == NULL || path == relay || relay == NULL || path->shunned ||
        relay->prober.state != WEND_PATH_STATE_VALID || path->prober.history_len < PROBES_MIN)
        return;
    const double loss = wend_prober_loss(&path->prober);
    if (loss >= PROBES_LOSSY && loss >= wend_prober_loss(&relay->prober) + PROBES_WORSE)
        shun(path, true, now);
}

static void forgive(struct wend_paths *p, uint32_t index, wend_instant now)
{
    struct wend_path *path = &p->path[index];

    if (path->shunned && path->shun_until <= now &&
        (!path->lossy || wend_prober_is_clean(&path->prober))) {
        path->shunned = false;
        wend_prober_forget_loss(&path->prober);
    }
    if (!path->shunned && index == p->chosen && now - p->chosen_at >= SHUN_FORGET)
        path->shun_for = 0;
}

void wend_paths_mind_shunned(struct wend_paths *p, wend_instant now)
{
    mind_losses(p, now);
    for (uint32_t i = 0; i < p->used; i++)
        forgive(p, i, now);
    forgive(p, WEND_PATHS_RELAY, now);
}
