// SPDX-License-Identifier: MIT
// `wend netcheck --json`: what was found out, shaped as the command line promises it.
#ifndef WEND_IO_NETCHECK_JSON_H
#define WEND_IO_NETCHECK_JSON_H

#include <jansson.h>

#include "io/netcheck.h"

// {"version", "nat": as in the status, with "udp", "samples", "block", "rate_per_s", "hairpin",
// "lifetime" (null unless measured), "mapped"; "servers": reachability and delay by transport;
// "reach": typical peers; "advice"}. A new reference, NULL only without memory.
json_t *wend_netcheck_json(const struct wend_netcheck *n);

// What advice depends on beside the model.
struct wend_words_outlook;
struct wend_words_outlook wend_netcheck_outlook(const struct wend_netcheck *n);
// The model with what the gateway granted, as the planner would see it. Where the servers' answers
// were of no use nothing is known, which is not the same as UDP that is blocked.
struct wend_nat_model wend_netcheck_model(const struct wend_netcheck *n);

#endif
