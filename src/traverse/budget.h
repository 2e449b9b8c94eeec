// SPDX-License-Identifier: MIT
// Probe budget: a device that was told somebody's address by a peer must not become a nuisance to
// whoever lives there. At most 20 unanswered probes go to one IP address in a minute, over all
// peers (docs/protocol.md section 7.2; the worry is RFC 8445's section 19.5.1).
//
// Sliding: each probe is remembered by its instant for 60 s, an answer strikes it out. The table
// has 128 sets of 8 addresses each, found by a keyed hash; when all 8 of a set are busy, probes to
// yet another address of that set are refused. Not thread-safe. About 180 KiB, embeddable.
#ifndef WEND_TRAVERSE_BUDGET_H
#define WEND_TRAVERSE_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/hash.h"
#include "base/time.h"

#define WEND_BUDGET_PROBES 20
#define WEND_BUDGET_WINDOW WEND_S(60)
#define WEND_BUDGET_SETS   128
#define WEND_BUDGET_WAYS   8

struct wend_budget_entry {
    struct wend_address ip;                 // port 0; family NONE: free
    wend_instant spent[WEND_BUDGET_PROBES]; // 0: free
};

struct wend_budget {
    uint8_t key[WEND_HASH_KEY_LEN];
    // A set has one entry in each row, so that few addresses touch little memory.
    struct wend_budget_entry entries[WEND_BUDGET_WAYS][WEND_BUDGET_SETS];
};

// `b` is zeroed memory.
void wend_budget_init(struct wend_budget *b, const uint8_t key[static WEND_HASH_KEY_LEN]);

// May a probe go to this address now? If so it is booked as sent at `now` (not 0).
bool wend_budget_spend(struct wend_budget *b, const struct wend_address *to, wend_instant now);
// The probe sent there at `sent` was answered.
void wend_budget_refund(struct wend_budget *b, const struct wend_address *to, wend_instant sent);

#endif
