// SPDX-License-Identifier: MIT
// A gateway's epoch time: how one hears that it forgot its mappings. Every answer of a gateway says
// for how many seconds it has kept its table; a value that does not fit the one before means that
// the table was lost in between.
//
// Child of mapping_lease.h. Zeroed: nothing was heard yet, and the first value is right by itself.
#ifndef WEND_TRAVERSE_MAPPING_EPOCH_H
#define WEND_TRAVERSE_MAPPING_EPOCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

struct wend_epoch {
    bool known;
    uint32_t server_s;   // prev_server_time
    wend_instant client; // prev_client_time
};

// Take a value and record it. Return whether the gateway kept its state. The first follows RFC 6887
// section 8.5 (PCP), the second RFC 6886 section 3.6 (NAT-PMP).
bool wend_epoch_take_pcp(struct wend_epoch *e, uint32_t server_s, wend_instant now);
bool wend_epoch_take_natpmp(struct wend_epoch *e, uint32_t server_s, wend_instant now);

#endif
