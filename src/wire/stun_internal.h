// SPDX-License-Identifier: MIT
// What the STUN reader and the STUN writer share; nobody else includes it.
#ifndef WEND_WIRE_STUN_INTERNAL_H
#define WEND_WIRE_STUN_INTERNAL_H

#include "wire/stun.h"

#define WEND_STUN_ATTRIBUTE_HEADER_LEN 4

// Hides an address behind the cookie and the transaction, or brings it back.
void wend_stun_mask_address(struct wend_address *a, const uint8_t *transaction);

// The value of a FINGERPRINT attribute that follows `covered`.
uint32_t wend_stun_fingerprint(struct wend_bytes covered);

#endif
