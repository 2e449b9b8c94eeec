// SPDX-License-Identifier: MIT
// What the planner's files share: plan.c (which stages), plan_stages.c (what is in each),
// plan_sound.c (what a model says of itself), plan_count.c (numbers).
#ifndef WEND_TRAVERSE_PLAN_STATE_H
#define WEND_TRAVERSE_PLAN_STATE_H

#include "traverse/plan.h"

// Where nothing better is known NATs give no port below to one above (RFC 4787 section 4.2.1).
#define PLAN_PORT_LEAST 1024

// How a side's port can be come by.
enum plan_reach {
    PLAN_OPEN = 1,    // by anybody
    PLAN_KNOWN,       // reported, and the same for everybody
    PLAN_FRESH,       // preserved on a fresh socket
    PLAN_PREDICTABLE, // sequential
    PLAN_HIDDEN,      // random, or in a block
    PLAN_UNKNOWN,     // nobody found out
};

// The two models in key order while a plan is made; allocations may be replaced by the fallback.
struct plan_pair {
    struct wend_nat_model m[2];
    uint8_t caller;
};

// plan_sound.c
bool plan_is_steady(const struct wend_nat_model *m);       // one mapping for all destinations
bool plan_by_address_only(const struct wend_nat_model *m); // filters by address, or not at all
bool plan_answers_from_same_port(const struct wend_nat_model *m);
bool plan_may_be_stolen(const struct wend_nat_model *m);
enum plan_reach plan_reach_of(const struct wend_nat_model *m);

// plan_stages.c: each adds one stage; the first one's reason is the plan's.
void plan_direct(struct wend_plan *p, const struct plan_pair *x);
void plan_same_nat(struct wend_plan *p);
void plan_simultaneous(struct wend_plan *p, const struct plan_pair *x);
void plan_reversal(struct wend_plan *p, int opener);
void plan_guess(struct wend_plan *p, const struct plan_pair *x, int fresh, bool both);
void plan_bracket(struct wend_plan *p, const struct plan_pair *x, int finder);
void plan_bracket_after(struct wend_plan *p, const struct plan_pair *x, int first,
                        enum wend_plan_role role);
void plan_scan(struct wend_plan *p);
void plan_spread(struct wend_plan *p, const struct plan_pair *x, int fan);
void plan_mingle(struct wend_plan *p, const struct plan_pair *x);
void plan_window(struct wend_plan *p, const struct plan_pair *x);
void plan_reported(struct wend_plan *p);

#endif
