// SPDX-License-Identifier: MIT
// What all volleys of a device together may do: how many run, how many sockets they hold, how many
// probes they send a second. Each single one is bound by its plan.
//
// Owned by the caller, shared by its volleys, not thread-safe. What is taken is given back when a
// volley is over. Full: the volley does not start, or its probe waits.
#ifndef WEND_TRAVERSE_VOLLEY_LIMITS_H
#define WEND_TRAVERSE_VOLLEY_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bucket.h"

#define WEND_VOLLEYS_MAX         4
#define WEND_VOLLEY_SOCKETS_MAX  1400 // in all: two of the widest at a time
#define WEND_VOLLEY_PROBES_RATE  600  // a second, in all
#define WEND_VOLLEY_PROBES_BURST 400

struct wend_volley_limits {
    uint32_t running, sockets;
    struct wend_bucket probes;
};

void wend_volley_limits_init(struct wend_volley_limits *l, wend_instant now);

bool wend_volley_limits_enter(struct wend_volley_limits *l); // one more runs
void wend_volley_limits_leave(struct wend_volley_limits *l, uint32_t sockets);
bool wend_volley_limits_sockets(struct wend_volley_limits *l, uint32_t count);
// May a probe leave now? If not, `ret_at` is when to ask again.
bool wend_volley_limits_probe(struct wend_volley_limits *l, wend_instant now, wend_instant *ret_at);

#endif
