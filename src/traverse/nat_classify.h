// SPDX-License-Identifier: MIT
// From samples to the classes of a NAT model, as far as addresses and ports tell: mapping,
// allocation with its delta, what is done where a port is taken, pooling, parity, and whether there
// is a NAT at all. Filtering and hairpinning are seen by what arrives: discovery.h.
//
// A class is given only when chance would give it falsely less than once in a thousand times
// (parity, an estimate by nature: once in a hundred); else it is unknown. In particular
//   allocation  4 births on fresh sockets for a sequence, 5 ports for a block (within 4,096), 3 for
//               random; two preserved ports for either preserving kind
//   paired      YES after 11 mappings with one address, as a NAT that draws one of two addresses
//               would show; NO as soon as there are two
//   parity      YES after 7 mappings of sockets of both parities; NO as soon as one differs
// Where a sequence is likely but not clear, allocation stays unknown too.
// A preserving NAT that serves several destinations with one port looks endpoint-independent until
// a port collides, and is named so: it is what its peers meet.
#ifndef WEND_TRAVERSE_NAT_CLASSIFY_H
#define WEND_TRAVERSE_NAT_CLASSIFY_H

#include "traverse/nat_model.h"
#include "traverse/nat_samples.h"

#define WEND_NAT_BLOCK_MAX    4096 // ports; what spreads further is called random
#define WEND_NAT_PAIRED_COUNT 11
#define WEND_NAT_PARITY_COUNT 7

// Sets those classes in `m` from the samples sent at `since` or later. Returns false where the
// servers contradict each other: each always told one outside address, and not the same one. Then
// the classes are unknown.
bool wend_nat_classify(const struct wend_nat_samples *s, wend_instant since,
                       struct wend_nat_model *m);

// Sets paired and parity of a model with a NAT (translates YES) from all samples kept.
void wend_nat_classify_more(const struct wend_nat_samples *s, struct wend_nat_model *m);

#endif
