// SPDX-License-Identifier: MIT
// The set of paths: what enters it, which probes leave it, when all is tried again. Every verb ends
// in wend_paths_choose, so that the choice is never older than what is known.
#include "path/paths.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "path/paths_state.h"

#define RETRY_FIRST WEND_S(5)
#define RETRY_MAX   WEND_S(300)
#define PROVEN_FOR  WEND_S(5)
#define STALE_AFTER                                                                                \
    WEND_S(30) // a NAT may have closed the mapping of a path not heard for this long

void wend_paths_init(struct wend_paths *p)
{
    memset(p, 0, sizeof *p);
    p->chosen = WEND_PATHS_NONE;
    p->retry_at = WEND_NEVER;
    p->retry_after = RETRY_FIRST;
}

static struct wend_path *find(struct wend_paths *p, const struct wend_address *remote)
{
    for (uint32_t i = 0; i < p->used; i++)
        if (p->path[i].socket == 0 && wend_address_equal(&p->path[i].remote, remote))
            return &p->path[i];
    return NULL;
}

static struct wend_path *find_room(struct wend_paths *p)
{
    if (p->used < WEND_PATHS_MAX)
        return &p->path[p->used++];
    for (uint32_t i = 0; i < WEND_PATHS_MAX; i++)
        if (p->path[i].prober.state == WEND_PATH_STATE_FAILED && p->chosen != i &&
            !p->path[i].found)
            return &p->path[i];
    return NULL;
}

int wend_paths_add(struct wend_paths *p, const struct wend_address *remote, wend_instant at)
{
    struct wend_path *path = find(p, remote);

    wend_assert(remote->family != WEND_FAMILY_NONE);
    if (path != NULL) {
        if (path->prober.state == WEND_PATH_STATE_FAILED)
            wend_prober_start(&path->prober, at);
        return -EEXIST;
    }
    path = find_room(p);
    if (path == NULL)
        return -ENOSPC;
    memset(path, 0, sizeof *path);
    path->remote = *remote;
    path->name = ++p->names;
    wend_prober_start(&path->prober, at);
    return 0;
}

static struct wend_path *find_found(struct wend_paths *p)
{
    for (uint32_t i = 0; i < p->used; i++)
        if (p->path[i].found)
            return &p->path[i];
    return NULL;
}

void wend_paths_forget_found(struct wend_paths *p, wend_instant now)
{
    struct wend_path *path = find_found(p);

    if (path == NULL)
        return;
    const uint32_t at = (uint32_t)(path - p->path);
    const uint32_t last = --p->used;
    if (p->chosen == at) {
        p->chosen = WEND_PATHS_NONE;
        p->generation++;
    } else if (p->chosen == last) {
        p->chosen = at;
    }
    p->path[at] = p->path[last];
    memset(&p->path[last], 0, sizeof p->path[last]);
    wend_paths_choose(p, now);
}

int wend_paths_found(struct wend_paths *p, const struct wend_address *remote, uint16_t socket,
                     wend_duration rtt, wend_instant now)
{
    struct wend_path *path = find_found(p), *plain = socket == 0 ? find(p, remote) : NULL;

    if (path == NULL) {
        path = plain;
    } else if (plain != NULL && plain != path) {
        wend_paths_forget_found(p, now);
        path = find(p, remote);
    }
    if (path == NULL)
        path = find_room(p);
    if (path == NULL)
        return -ENOSPC;
    memset(path, 0, sizeof *path);
    path->remote = *remote;
    path->socket = socket;
    path->found = true;
    path->name = ++p->names;
    wend_prober_prove(&path->prober, rtt, now);
    p->retry_after = RETRY_FIRST;
    p->retry_at = WEND_NEVER;
    if (p->chosen < p->used && &p->path[p->chosen] == path)
        p->generation++; // the same place, another way
    wend_paths_choose(p, now);
    return 0;
}

bool wend_paths_has_found(const struct wend_paths *p, const struct wend_address *ip)
{
    for (uint32_t i = 0; i < p->used; i++)
        if (p->path[i].found && wend_prober_is_up(&p->path[i].prober) &&
            wend_address_same_ip(&p->path[i].remote, ip))
            return true;
    return false;
}

void wend_paths_open_relay(struct wend_paths *p, wend_instant now)
{
    struct wend_path *relay = &p->path[WEND_PATHS_RELAY];

    memset(relay, 0, sizeof *relay);
    relay->name = ++p->names;
    p->relay_open = true;
    wend_prober_start(&relay->prober, now);
    if (p->chosen == WEND_PATHS_RELAY)
        p->generation++; // the same place, another channel
    wend_paths_choose(p, now);
}

void wend_paths_close_relay(struct wend_paths *p)
{
    p->relay_open = false;
    memset(&p->path[WEND_PATHS_RELAY], 0, sizeof p->path[0]);
    wend_paths_choose(p, 0);
}

void wend_paths_set_relay_overhead(struct wend_paths *p, uint16_t overhead)
{
    if (p->relay_overhead == overhead)
        return;
    p->relay_overhead = overhead;
    memset(&p->path[WEND_PATHS_RELAY].pmtu, 0, sizeof p->path[0].pmtu);
}

static void start_all(struct wend_paths *p, wend_instant now)
{
    for (uint32_t i = 0; i < p->used; i++)
        wend_prober_start(&p->path[i].prober, now);
    p->retry_at = WEND_NEVER;
}

// Nothing that was held against the direct paths holds any more.
static void forgive_all(struct wend_paths *p)
{
    for (uint32_t i = 0; i < p->used; i++) {
        p->path[i].shunned = false;
        p->path[i].shun_for = 0;
        memset(&p->path[i].pmtu, 0, sizeof p->path[i].pmtu);
    }
}

// Coming back from idle: NATs on the way may have forgotten paths that were not heard for long. One
// that was not probed yet keeps its instant: NATs may be waiting for just that (wend_paths_add).
static void wake(struct wend_paths *p, wend_instant now)
{
    p->retry_after = RETRY_FIRST;
    for (uint32_t i = 0; i <= WEND_PATHS_RELAY; i++) {
        struct wend_prober *prober = &p->path[i].prober;
        const bool fresh = prober->state == WEND_PATH_STATE_PROBING && prober->tries == 0;
        if (prober->state == WEND_PATH_STATE_NONE || fresh)
            continue;
        if (!wend_prober_is_up(prober) || now - prober->heard > STALE_AFTER)
            wend_prober_start(prober, now);
    }
}

void wend_paths_set_use(struct wend_paths *p, enum wend_paths_use use, wend_instant now)
{
    if (p->use == use)
        return;
    const bool waking = p->use == WEND_PATHS_IDLE;
    p->use = use;
    if (waking)
        wake(p, now);
    if (use == WEND_PATHS_IDLE)
        p->retry_at = WEND_NEVER;
    wend_paths_choose(p, now);
}

void wend_paths_restart(struct wend_paths *p, wend_instant now)
{
    p->retry_after = RETRY_FIRST;
    forgive_all(p);
    start_all(p, now);
    wend_paths_choose(p, now);
}

void wend_paths_clear(struct wend_paths *p)
{
    memset(p->path, 0, p->used * sizeof p->path[0]);
    p->used = 0;
    p->retry_at = WEND_NEVER;
    p->retry_after = RETRY_FIRST;
    wend_paths_choose(p, 0);
}

static struct wend_path *find_name(struct wend_paths *p, uint32_t name)
{
    for (uint32_t i = 0; i < p->used; i++)
        if (p->path[i].name == name)
            return &p->path[i];
    if (p->relay_open && p->path[WEND_PATHS_RELAY].name == name)
        return &p->path[WEND_PATHS_RELAY];
    return NULL;
}

int wend_paths_answer(struct wend_paths *p, const struct wend_path_probe *probe,
                      const struct wend_address *from, wend_instant now)
{
    struct wend_path *path = find_name(p, probe->name);

    if (path == NULL)
        return -ENOENT;
    // A path is valid only both ways between the same two addresses (RFC 8445 section 7.2.5.2.1).
    // One that a volley found may answer from another port: where it answers to is what was proven.
    const bool same = path->found ? wend_address_same_ip(&path->remote, from)
                                  : wend_address_equal(&path->remote, from);
    if (!same)
        return -EINVAL;
    if (wend_pmtu_answer(&path->pmtu, probe->sent, now) == 0)
        return 1;
    if (wend_prober_answer(&path->prober, probe->sent, now) != 0)
        return -ESTALE;
    wend_paths_answered(p, path, now);
    if (path != &p->path[WEND_PATHS_RELAY]) {
        p->retry_after = RETRY_FIRST;
        p->retry_at = WEND_NEVER;
    }
    wend_paths_choose(p, now);
    return 0;
}

// Is a direct path up, or will a probe that is already planned tell?
static bool hopeful(const struct wend_paths *p)
{
    for (uint32_t i = 0; i < p->used; i++)
        if (p->path[i].prober.state != WEND_PATH_STATE_FAILED)
            return true;
    return false;
}

static void plan_retry(struct wend_paths *p, wend_instant now)
{
    if (p->use == WEND_PATHS_IDLE || p->used == 0 || hopeful(p)) {
        p->retry_at = WEND_NEVER;
        return;
    }
    if (p->retry_at == WEND_NEVER) {
        p->retry_at = now + p->retry_after;
        p->retry_after = p->retry_after * 2 < RETRY_MAX ? p->retry_after * 2 : RETRY_MAX;
    } else if (p->retry_at <= now) {
        start_all(p, now);
    }
}

void wend_paths_expire(struct wend_paths *p, wend_instant now)
{
    plan_retry(p, now);
    for (uint32_t i = 0; i < p->used; i++)
        wend_prober_expire(&p->path[i].prober, now);
    wend_prober_expire(&p->path[WEND_PATHS_RELAY].prober, now);
    plan_retry(p, now);
    wend_paths_choose(p, now);
    wend_paths_expire_pmtu(p, now);
}

wend_instant wend_paths_deadline(const struct wend_paths *p)
{
    wend_instant least = p->retry_at;

    for (uint32_t i = 0; i < p->used; i++)
        least = wend_instant_min(least, wend_prober_deadline(&p->path[i].prober));
    least = wend_instant_min(least, wend_prober_deadline(&p->path[WEND_PATHS_RELAY].prober));
    return wend_instant_min(least, wend_paths_deadline_pmtu(p));
}

static bool next_probe_of(struct wend_path *path, struct wend_path_probe *ret)
{
    struct wend_pmtu_probe padded = {0};
    wend_instant sent;

    if (!wend_prober_next(&path->prober, &sent)) {
        if (!wend_pmtu_next(&path->pmtu, &padded))
            return false;
        sent = padded.sent;
    }
    *ret = (struct wend_path_probe){.name = path->name,
                                    .sent = sent,
                                    .remote = path->remote,
                                    .socket = path->socket,
                                    .padded = padded.size,
                                    .proven = wend_prober_is_up(&path->prober) &&
                                              sent - path->prober.heard < PROVEN_FOR};
    return true;
}

bool wend_paths_next_probe(struct wend_paths *p, struct wend_path_probe *ret)
{
    for (uint32_t i = 0; i < p->used; i++)
        if (next_probe_of(&p->path[i], ret))
            return true;
    return next_probe_of(&p->path[WEND_PATHS_RELAY], ret);
}

void wend_paths_check(const struct wend_paths *p)
{
    wend_assert(p->used <= WEND_PATHS_MAX);
    wend_assert(p->chosen <= WEND_PATHS_NONE);
    wend_assert(p->chosen >= WEND_PATHS_MAX || p->chosen < p->used);
    wend_assert(p->chosen != WEND_PATHS_RELAY || p->relay_open);
    for (uint32_t i = 0; i < p->used; i++) {
        wend_assert(p->path[i].remote.family != WEND_FAMILY_NONE);
        for (uint32_t j = 0; j < i; j++)
            wend_assert(!wend_address_equal(&p->path[i].remote, &p->path[j].remote) ||
                        p->path[i].socket != p->path[j].socket);
    }
}
