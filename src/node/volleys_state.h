// SPDX-License-Identifier: MIT
// What the files of the volleys share: volleys.c (what becomes of them), volleys_call.c
// (handshakes, beginnings), volleys_run.c (datagrams, messages, sockets).
#ifndef WEND_NODE_VOLLEYS_STATE_H
#define WEND_NODE_VOLLEYS_STATE_H

#include "node/volleys.h"

#define WEND_VOLLEYS_PLACE_AGAIN WEND_S(1) // a place is looked for so often while all are taken

// volleys.c

// NULL: all are taken.
struct wend_volley_seat *wend_volleys_find_free(struct wend_node *n);
// Whether the server sees us where this model of ours says: at its address, and at its port if that
// is the same for everybody. Where mappings have addresses of their own it may see us at any.
bool wend_volleys_is_seen_as(const struct wend_node *n, const struct wend_nat_model *own);
// Once; of a parked one, when it goes.
void wend_volleys_tell_begun(struct wend_node *n, const struct wend_contact *c,
                             struct wend_volley_seat *seat);
void wend_volleys_say(struct wend_node *n, const struct wend_contact *c, const char *what,
                      const char *reason);
// The next one is due then.
void wend_volleys_come_again(struct wend_node *n, struct wend_contact *c, wend_duration after);
// The seat is free, its sockets are closed.
void wend_volleys_release(struct wend_node *n, struct wend_contact *c,
                          struct wend_volley_seat *seat);

// volleys_call.c

// The relay is preferred.
bool wend_volleys_is_unwanted(const struct wend_contact *c);
bool wend_volleys_may_begin(struct wend_node *n, struct wend_contact *c);

#endif
