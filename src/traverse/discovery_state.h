// SPDX-License-Identifier: MIT
// What the files of discovery share; not for others.
#ifndef WEND_TRAVERSE_DISCOVERY_STATE_H
#define WEND_TRAVERSE_DISCOVERY_STATE_H

#include "traverse/discovery.h"
#include "wire/stun.h"

#define WEND_DISCOVERY_FILTERED 4 // the socket that never contacts another address

// discovery_plan.c: who is asked for what.
void wend_discovery_choose_servers(struct wend_discovery *d);
void wend_discovery_plan_first(struct wend_discovery *d, wend_instant now);
void wend_discovery_plan_second(struct wend_discovery *d, wend_instant now);
// discovery_answer.c: takes an answer to `t`; says why it was no use.
enum wend_drop wend_discovery_answer(struct wend_discovery *d, struct wend_discovery_transaction *t,
                                     const struct wend_stun *m, const struct wend_address *source);
// discovery_end.c: from answers to samples and to the model.
bool wend_discovery_is_trusted(const struct wend_discovery *d,
                               const struct wend_discovery_transaction *t);
void wend_discovery_collect(const struct wend_discovery *d, struct wend_nat_samples *ret);
void wend_discovery_conclude(struct wend_discovery *d, wend_instant now);
// Estimates anew; another serial if anything is other than `before`.
void wend_discovery_sharpen(struct wend_discovery *d, const struct wend_nat_model *before,
                            wend_instant now);

#endif
