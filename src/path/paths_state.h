// SPDX-License-Identifier: MIT
// What the files of the set of paths share; nobody else includes this.
//
//   paths.c         what enters the set, which probes leave it
//   paths_choose.c  which path carries packets
//   paths_doubt.c   a path in use that may be dead: copies, leaving, shunning
//   paths_mtu.c     which paths are measured, and when
#ifndef WEND_PATH_PATHS_STATE_H
#define WEND_PATH_PATHS_STATE_H

#include "path/paths.h"

static inline struct wend_path *wend_paths_relay(struct wend_paths *p)
{
    return p->relay_open ? &p->path[WEND_PATHS_RELAY] : NULL;
}

// paths_doubt.c
// Shuns what its probes show to be lossy, forgives what was shunned for long enough.
void wend_paths_mind_shunned(struct wend_paths *p, wend_instant now);

// paths_mtu.c
void wend_paths_answered(struct wend_paths *p, struct wend_path *path, wend_instant now);
void wend_paths_expire_pmtu(struct wend_paths *p, wend_instant now);
wend_instant wend_paths_deadline_pmtu(const struct wend_paths *p);

#endif
