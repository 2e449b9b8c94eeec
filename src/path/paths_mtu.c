// SPDX-License-Identifier: MIT
// The path MTU is measured where packets go or may go soon: on the path in use, the best direct one
// and the relay, while somebody wants the peer.
#include <string.h>

#include "path/paths_state.h"

#define AROUND_IPV4  (20 + 8 + 32) // IP, UDP, data message
#define AROUND_IPV6  (40 + 8 + 32)
#define VERIFY_EVERY 5

static uint16_t overhead_of(const struct wend_paths *p, const struct wend_path *path)
{
    if (path == &p->path[WEND_PATHS_RELAY])
        return p->relay_overhead;
    return path->remote.family == WEND_FAMILY_IPV6 ? AROUND_IPV6 : AROUND_IPV4;
}

static bool is_measured(const struct wend_paths *p, const struct wend_path *path)
{
    if (p->use == WEND_PATHS_IDLE || path->prober.state != WEND_PATH_STATE_VALID ||
        overhead_of(p, path) == 0)
        return false;
    return path == &p->path[WEND_PATHS_RELAY] || path == wend_paths_chosen(p) ||
           path == wend_paths_direct(p);
}

static void expire_one(struct wend_paths *p, struct wend_path *path, wend_instant now)
{
    if (!wend_prober_is_up(&path->prober)) {
        if (path->prober.state == WEND_PATH_STATE_FAILED && path->pmtu.state != WEND_PMTU_NONE)
            memset(&path->pmtu, 0, sizeof path->pmtu);
        return;
    }
    // What a volley found is left alone until a regular probe was answered: NATs count datagrams.
    if (!is_measured(p, path) || (path->found && path->answers == 0))
        return;
    // The peer finds a direct path valid a round trip after we do, or two if something is lost:
    // long datagrams come later.
    if (path->pmtu.state == WEND_PMTU_NONE)
        wend_pmtu_start(&path->pmtu, overhead_of(p, path), path->prober.rtt,
                        path == &p->path[WEND_PATHS_RELAY] ? now : now + 2 * path->prober.rtt);
    wend_pmtu_expire(&path->pmtu, now);
}

void wend_paths_expire_pmtu(struct wend_paths *p, wend_instant now)
{
    for (uint32_t i = 0; i < p->used; i++)
        expire_one(p, &p->path[i], now);
    if (p->relay_open)
        expire_one(p, &p->path[WEND_PATHS_RELAY], now);
}

static wend_instant deadline_of(const struct wend_paths *p, const struct wend_path *path)
{
    if (path->pmtu.state == WEND_PMTU_NONE || !is_measured(p, path))
        return WEND_NEVER;
    return wend_pmtu_deadline(&path->pmtu);
}

wend_instant wend_paths_deadline_pmtu(const struct wend_paths *p)
{
    wend_instant least = deadline_of(p, &p->path[WEND_PATHS_RELAY]);

    for (uint32_t i = 0; i < p->used; i++)
        least = wend_instant_min(least, deadline_of(p, &p->path[i]));
    return least;
}

void wend_paths_answered(struct wend_paths *p, struct wend_path *path, wend_instant now)
{
    if (++path->answers % VERIFY_EVERY == 0 && path == wend_paths_chosen(p))
        wend_pmtu_verify(&path->pmtu, path->prober.rtt, now);
}

uint16_t wend_paths_mtu(const struct wend_paths *p, const struct wend_path *path)
{
    return overhead_of(p, path) == 0 ? WEND_PMTU_FULL : wend_pmtu_bytes(&path->pmtu);
}

uint16_t wend_paths_ip_mtu(const struct wend_paths *p, const struct wend_path *path)
{
    const uint16_t inner = wend_pmtu_bytes(&path->pmtu);

    return inner == 0 ? 0 : (uint16_t)(inner + overhead_of(p, path));
}
