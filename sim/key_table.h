// SPDX-License-Identifier: MIT
// A bounded table of key pairs, found by either half. Plain comparisons: the simulator has no
// secrets. A zeroed one is empty.
#ifndef WEND_SIM_KEY_TABLE_H
#define WEND_SIM_KEY_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "keys.h"

#define WEND_KEY_TABLE_BUCKETS (4 * WEND_SIM_KEYS_MAX)

struct wend_key_pair {
    uint8_t private_key[32];
    uint8_t public_key[32];
};

struct wend_key_table {
    struct wend_key_pair pairs[WEND_SIM_KEYS_MAX];
    uint32_t count;
    // Number of a pair plus one; 0: free. Probed linearly.
    uint16_t by_private[WEND_KEY_TABLE_BUCKETS];
    uint16_t by_public[WEND_KEY_TABLE_BUCKETS];
};

// NULL if it is not there.
const struct wend_key_pair *wend_key_table_find_private(const struct wend_key_table *t,
                                                        const uint8_t key[static 32]);
const struct wend_key_pair *wend_key_table_find_public(const struct wend_key_table *t,
                                                       const uint8_t key[static 32]);
// The pair is not there yet. Returns it, or NULL when the table is full.
const struct wend_key_pair *wend_key_table_add(struct wend_key_table *t,
                                               const struct wend_key_pair *pair);
// The place of a pair in `pairs`.
uint32_t wend_key_table_number(const struct wend_key_table *t, const struct wend_key_pair *pair);

#endif
