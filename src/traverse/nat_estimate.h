// SPDX-License-Identifier: MIT
// Estimates with the interval that holds the true value with a probability of 99 %: 0.5 % on
// either side. Where the mathematics is rounded, it is rounded outwards.
#ifndef WEND_TRAVERSE_NAT_ESTIMATE_H
#define WEND_TRAVERSE_NAT_ESTIMATE_H

#include "traverse/nat_model.h"
#include "traverse/nat_samples.h"

#define WEND_NAT_PAIR_TIME WEND_S(2)   // a counter may have gone round in more
#define WEND_NAT_BURST_MAX 64          // mappings of others that may come at once
#define WEND_NAT_RATE_AGE  WEND_S(300) // how long what other users did says what they will do

// Fills rate, low and high of a model whose classes are known (nat_classify.h) from all samples
// kept, those of discovery and later ones. What they say nothing about is left as it was.
void wend_nat_estimate(const struct wend_nat_samples *s, wend_instant now,
                       struct wend_nat_model *m);

// Ends of the range that `count` ports were drawn from evenly, when the least and the greatest of
// them are known (order statistics). Of the ports 1 to 65,535. `count` is 2 or more.
void wend_nat_bounds(uint16_t least, uint16_t greatest, uint32_t count,
                     struct wend_nat_estimate *ret_low, struct wend_nat_estimate *ret_high);

// Rate in hundredths a second after `count` events in `time` > 0, if they come independently of
// each other (Poisson). Wilson and Hilferty's approximation of its exact limits.
struct wend_nat_estimate wend_nat_rate(uint32_t count, wend_duration time);

#endif
