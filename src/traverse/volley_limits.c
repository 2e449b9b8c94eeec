// SPDX-License-Identifier: MIT
#include "traverse/volley_limits.h"

#include "base/assert.h"

static const struct wend_bucket_limit probes_limit = {.per_second = WEND_VOLLEY_PROBES_RATE,
                                                      .burst = WEND_VOLLEY_PROBES_BURST};

void wend_volley_limits_init(struct wend_volley_limits *l, wend_instant now)
{
    l->running = 0;
    l->sockets = 0;
    wend_bucket_init(&l->probes, &probes_limit, now);
}

bool wend_volley_limits_enter(struct wend_volley_limits *l)
{
    if (l->running >= WEND_VOLLEYS_MAX)
        return false;
    l->running++;
    return true;
}

void wend_volley_limits_leave(struct wend_volley_limits *l, uint32_t sockets)
{
    wend_assert(l->running > 0 && l->sockets >= sockets);
    l->running--;
    l->sockets -= sockets;
}

bool wend_volley_limits_sockets(struct wend_volley_limits *l, uint32_t count)
{
    if (l->sockets + count > WEND_VOLLEY_SOCKETS_MAX)
        return false;
    l->sockets += count;
    return true;
}

bool wend_volley_limits_probe(struct wend_volley_limits *l, wend_instant now, wend_instant *ret_at)
{
    if (wend_bucket_take(&l->probes, &probes_limit, 1, now))
        return true;
    *ret_at = wend_bucket_ready(&l->probes, &probes_limit, 1);
    return false;
}
